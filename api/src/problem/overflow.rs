//! Why no more of a body is read.

use std::error::Error;
use std::io;

/// Why no more of a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overflow {
    /// It has more bytes than a body may have.
    #[error("more than {0} bytes")]
    Large(usize),
    /// It has more bytes than that of a stranger may have.
    #[error("more than {0} bytes from a stranger")]
    Anonymous(usize),
    /// There is no memory for it just now.
    #[error("no memory for it")]
    Crowded,
}

impl Overflow {
    /// The limit that was broken, if that is what went wrong.
    pub fn within(error: &io::Error) -> Option<&Self> {
        let mut inner: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = inner {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            // An error made by `io::Error::other` shows what it holds only by its own name, not as a source.
            inner = match error.downcast_ref::<io::Error>() {
                Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}
