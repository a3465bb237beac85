//! Does what a newcomer tries work, and does what fails say why? The examples of the pages, the first steps with a key and
//! a project, and what `bellbuoy doctor` says of engines that are not there.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

mod doctor;
mod examples;
mod first_steps;
