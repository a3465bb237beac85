//! Do people get an account, and find back into it, by what is mailed to them alone? Asking for an account, addresses,
//! passwords, invitations, second factors, and the mails themselves, from the front door, on every store.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

mod addresses;
mod hijacking;
mod invitations;
mod logins;
mod mails;
mod recovery;
mod registering;
mod scene;
mod second_factor;
