//! Does anybody get, keep or use more than they may? Chains of roles, the scopes of keys, rights that are taken while a
//! request is under way, and acting on accounts that may do more, from the front door.

#![allow(clippy::expect_used, reason = "a test that can't go on should say so at once")]

mod chains;
mod keys;
mod meanwhile;
mod power;
mod races;
mod scene;
