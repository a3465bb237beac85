//! The macro that turns the list of settings into structures and a table, and that table's types.
//!
//! The macro makes only what needs the types: structures, defaults, and one `Field` of plain
//! function pointers per setting. Everything else is ordinary code over `fields()`.

use std::collections::BTreeMap;

use super::range::Range;
use super::{Config, SECTIONS};
use crate::choices::Profile;
use crate::mistake::Origin;
use crate::setting::Form;

/// Where each value came from, by the setting's dotted name; what is absent is a default.
pub(crate) type Origins = BTreeMap<String, Origin>;

/// A group of settings: a table in the file.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
}

/// One setting, without its type.
pub(crate) struct Field {
    /// The name within its section.
    pub(crate) key: &'static str,
    /// The dotted name, as it is written in messages.
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    /// What its values look like, in words.
    pub(crate) kind: &'static str,
    pub(crate) form: Form,
    pub(crate) secret: bool,
    /// What its value must be within in any profile.
    pub(crate) within: Option<Range>,
    /// What it must be within outside of development, where nothing that protects may be switched off.
    pub(crate) strict: Option<Range>,
    pub(crate) set: fn(&mut Config, &str) -> Result<(), String>,
    /// The value as it may be shown.
    pub(crate) show: fn(&Config) -> String,
    /// A text that was meant as its value, as it may be shown even if it is malformed.
    pub(crate) mask: fn(&str) -> String,
}

impl Field {
    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("BELLBUOY_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// The environment variable that names a file with its value.
    pub(crate) fn file_variable(&self) -> String {
        format!("{}_FILE", self.variable())
    }

    /// The defaults of development and of production, as they may be shown.
    pub(crate) fn defaults(&self) -> (String, String) {
        let shown = |profile| (self.show)(&Config::defaults(profile));
        (shown(Profile::Development), shown(Profile::Production))
    }
}

/// Every setting, in the order of the list.
pub(crate) fn fields() -> impl Iterator<Item = &'static Field> {
    SECTIONS.iter().flat_map(|section| section.fields)
}

/// Declares the configuration: `section: Type { key: Type = default, production: other, within: a..=b,
/// strict: c..=d; }`, each with a doc comment; `strict` holds outside of development, besides
/// `within`. Whether a setting is secret and what its values look like is known from its type, so
/// that it can't be forgotten here.
macro_rules! settings {
    (@default $profile:ident, $default:expr) => {{
        // Most defaults are the same in all profiles, then nobody looks at it.
        let _ = $profile;
        $default
    }};
    (@default $profile:ident, $default:expr, $production:expr) => {
        if $profile.is_strict() { $production } else { $default }
    };
    (@range $section:ident $key:ident $type:ty;) => { None };
    (@range $section:ident $key:ident $type:ty; $range:expr) => {
        Some(Range {
            holds: |config| Within::<$type>::holds(&($range), &config.$section.$key),
            words: || Within::<$type>::words(&($range)),
        })
    };
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:ident: $type:ty = $default:expr $(, production: $production:expr)?
                    $(, within: $within:expr)? $(, strict: $strict:expr)?;
            )+
        }
    )+) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Section {
                $(
                    $(#[doc = $doc])+
                    pub $key: $type,
                )+
            }

            impl $Section {
                fn defaults(profile: Profile) -> Self {
                    Self {
                        $($key: settings!(@default profile, $default $(, $production)?),)+
                    }
                }
            }
        )+

        /// All settings of one process.
        #[derive(Clone, Debug)]
        pub struct Config {
            /// What kind of installation this is; chooses defaults and how strict we are.
            pub profile: Profile,
            $(
                $(#[doc = $section_doc])+
                pub $section: $Section,
            )+
            pub(crate) origins: Origins,
        }

        /// Equal when all values are; where they came from does not matter.
        impl PartialEq for Config {
            fn eq(&self, other: &Self) -> bool {
                self.profile == other.profile $(&& self.$section == other.$section)+
            }
        }

        impl Config {
            pub(crate) fn defaults(profile: Profile) -> Self {
                Self {
                    profile,
                    $($section: $Section::defaults(profile),)+
                    origins: Origins::new(),
                }
            }
        }

        pub(crate) static SECTIONS: &[Section] = &[
            $(Section {
                name: stringify!($section),
                doc: concat!($($section_doc),+),
                fields: &[
                    $(Field {
                        key: stringify!($key),
                        name: concat!(stringify!($section), ".", stringify!($key)),
                        doc: concat!($($doc),+),
                        kind: <$type as Setting>::KIND,
                        form: <$type as Setting>::FORM,
                        secret: <$type as Setting>::SECRET,
                        within: settings!(@range $section $key $type; $($within)?),
                        strict: settings!(@range $section $key $type; $($strict)?),
                        set: |config, text| {
                            config.$section.$key = Setting::parse(text)?;
                            Ok(())
                        },
                        show: |config| config.$section.$key.print(),
                        mask: <$type as Setting>::mask,
                    },)+
                ],
            },)+
        ];
    };
}

pub(crate) use settings;
