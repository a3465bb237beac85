//! A process of the product: what it opens, what it refuses to start with, and how it ends.

pub mod app;
pub mod exposure;
pub mod preflight;
pub mod process;
