//! What is wrong with one field of what somebody sent.

use std::borrow::Cow;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path of the field, like `payload` or `events[3].type`; empty for the whole.
    pub field: Cow<'static, str>,
    /// The kind of mistake, which never changes its word.
    pub code: FaultCode,
    /// What is wrong and what would be right, for people.
    pub message: Cow<'static, str>,
}

impl Fault {
    /// A fault of `field`.
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        code: FaultCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// The fields of something that hold the character U+0000, which no store of JSON takes.
pub fn nul_faults(thing: &impl serde::Serialize) -> Vec<Fault> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(thing) else {
        return Vec::new();
    };
    let holds = |(field, value): (String, serde_json::Value)| {
        let right = "U+0000 can't be stored: leave it out";
        has_nul(&value).then(|| Fault::new(field, FaultCode::NulCharacter, right))
    };
    fields.into_iter().filter_map(holds).collect()
}

fn has_nul(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(all) => all.iter().any(has_nul),
        serde_json::Value::Object(all) => {
            all.iter().any(|(key, value)| key.contains('\0') || has_nul(value))
        }
        _ => false,
    }
}

macro_rules! fault_codes {
    ($($(#[$doc:meta])* $variant:ident $word:literal),+ $(,)?) => {
        /// The closed list of mistakes that a field can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FaultCode { $($(#[$doc])* $variant),+ }

        impl FaultCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

fault_codes! {
    /// The field must be there.
    Required "required",
    /// There is no such field.
    Unknown "unknown_field",
    /// The field is there twice.
    Duplicate "duplicate",
    /// The value is of another JSON type.
    WrongType "wrong_type",
    /// The value is not one of those that are allowed, or not written as it must be.
    Invalid "invalid",
    /// The text is empty.
    Empty "empty",
    /// The text or list is too long.
    TooLong "too_long",
    /// The value takes too many bytes.
    TooLarge "too_large",
    /// Objects and arrays are nested too deeply.
    TooDeep "too_deep",
    /// A number is larger than a 64-bit float can hold.
    NumberRange "number_out_of_range",
    /// The character U+0000 can't be stored.
    NulCharacter "nul_character",
    /// Half of a surrogate pair is no character.
    LoneSurrogate "lone_surrogate",
    /// Two places say different things.
    Mismatch "mismatch",
    /// There is nothing of that name or id.
    NotFound "not_found",
    /// The text is not JSON.
    MalformedJson "malformed_json",
    /// It still works, and is to be used no longer.
    Deprecated "deprecated",
}
