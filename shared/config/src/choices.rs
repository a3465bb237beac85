//! Settings that are one out of a few words.

use std::fmt;

use super::{setting::Setting, suggest};

macro_rules! choices {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident {
            $(#[doc = $first_doc:literal])+
            $first:ident = $first_text:literal,
            $($(#[doc = $variant_doc:literal])+ $variant:ident = $text:literal,)*
        }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $first_doc])+
            $first,
            $($(#[doc = $variant_doc])+ $variant,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$variant),*];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $first_text,
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Setting for $name {
            const KIND: &'static str = concat!("one of ", $first_text $(, ", ", $text)*);

            fn parse(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|choice| choice.as_str() == text);
                found.copied().ok_or_else(|| {
                    let hint = suggest::hint(text, Self::ALL.iter().map(|one| one.as_str()));
                    format!("must be {}{hint}", Self::KIND)
                })
            }

            fn print(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

choices! {
    /// What kind of installation this is.
    Profile {
        /// A laptop: everything works at once, nothing is exposed.
        Development = "development",
        /// As strict as production, with other people in it.
        Staging = "staging",
        /// Insecure defaults are refused.
        Production = "production",
    }

    /// How log lines look.
    LogFormat {
        /// For people at a terminal.
        Pretty = "pretty",
        /// One JSON object a line, for collectors.
        Json = "json",
    }

    /// A queue that a worker can take jobs from.
    WorkerQueue {
        /// Events to evaluate.
        Events = "events",
        /// Deliveries to make.
        Deliveries = "deliveries",
        /// What the scheduler's ticks ask for.
        Maintenance = "maintenance",
    }
}

impl Profile {
    /// Whether insecure defaults are refused: everywhere but in development.
    pub const fn is_strict(self) -> bool {
        !matches!(self, Self::Development)
    }
}
