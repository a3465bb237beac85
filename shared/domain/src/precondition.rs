//! What must still be so for a change to be made: whoever edits together with others says what they saw.

/// A condition on the state that is to be changed, by its tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Whatever it is.
    #[default]
    None,
    /// It must be one of these.
    Tags(Vec<String>),
}

impl Precondition {
    /// Whether it holds for a state.
    pub fn holds(&self, tag: &str) -> bool {
        match self {
            Self::None => true,
            Self::Tags(tags) => tags.iter().any(|one| one == tag),
        }
    }

    /// Whether anything is demanded.
    pub const fn is_some(&self) -> bool {
        matches!(self, Self::Tags(_))
    }
}
