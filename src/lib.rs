//! What the commands of the `bellbuoy` binary and the tests share: running roles in a process.

pub mod roles;
