//! What is held on people beyond what administrators decide: profiles, pictures, push tokens and preferences; and how all
//! of it is taken out, or erased.

mod devices;
mod erase;
mod export;
mod pictures;
mod records;

use std::time::Duration;

use crate::admin::{Admin, AdminError};
use files::{FileError, Files};
use store::StoreError;

pub use devices::{Device, NewDevice};
pub use export::{Export, Named};
pub use pictures::Picture;

/// How long after its beginning an erasure is done once more and ended: until then another process may have used a key or
/// a token that it had at hand.
pub const SETTLE: Duration = Duration::from_secs(120);

/// What is held on people. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    admin: Admin,
    files: Files,
}

impl Accounts {
    /// Works with these.
    pub const fn new(admin: Admin, files: Files) -> Self {
        Self { admin, files }
    }
}

/// What a file that can't be reached means for whoever asked.
fn file_error(error: FileError) -> AdminError {
    match error {
        FileError::Unavailable(why) => StoreError::Unavailable(why).into(),
        other => StoreError::Corrupt(format!("files: {other}")).into(),
    }
}
