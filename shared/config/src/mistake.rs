//! What is wrong with the configuration, told so that it can be put right.

use std::{fmt, path::PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line that it stands in, where there is one.
        line: Option<usize>,
    },
    /// This environment variable.
    Variable(String),
    /// The file that this environment variable names.
    SecretFile(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File { path, line: Some(line) } => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::SecretFile(name) => write!(f, "file in environment {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting, as `section.key`, or the name that is none; empty where the whole source is wrong.
    pub key: String,
    /// The value as it may be shown, where there is one.
    pub value: Option<String>,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong with it, and what would be right.
    pub fault: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return write!(f, "{}: {}", self.origin, self.fault);
        }
        // A name out of a file can have anything in it; messages stay on their lines.
        write!(f, "{}", self.key.escape_debug())?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " ({}): {}", self.origin, self.fault)
    }
}

/// Everything that is wrong with the configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().fold(heading(.0.len()), |text, mistake| format!("{text}\n  - {mistake}")))]
pub struct ConfigErrors(pub Vec<Mistake>);

fn heading(count: usize) -> String {
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    format!("{count} {noun} in the configuration:")
}
