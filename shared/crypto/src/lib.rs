//! Secrets: sealed in the store, hashed passwords, and tokens of those who are logged in.

pub mod certificate;
pub mod passwords;
pub mod seal;
pub mod tokens;
