//! Types that look on the wire as they must: times, raw JSON, and answers that are written without a detour.

use std::borrow::Cow;
use std::marker::PhantomData;

use domain::time::Time;
use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::Payload;
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A JSON answer. It is written straight from the type: poem-openapi's own goes by way of a tree, which sorts the keys
/// of a payload and writes its numbers anew.
#[derive(Debug)]
pub struct Answer<T>(pub T);

impl<T: Type> Payload for Answer<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Serialize + Send> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Response::builder().content_type("application/json").body(body),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

impl<T: Type> ApiResponse for Answer<T> {
    fn meta() -> MetaResponses {
        let content_type = Self::CONTENT_TYPE;
        let content = vec![MetaMediaType { content_type, schema: T::schema_ref() }];
        let response = MetaResponse {
            description: "What was asked for.",
            status: Some(200),
            status_range: None,
            content,
            headers: vec![],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// Something that was made, with the status 201.
#[derive(Debug)]
pub struct Made<T>(pub T);

impl<T: Serialize + Send> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        Answer(self.0).with_status(StatusCode::CREATED).into_response()
    }
}

impl<T: Type> ApiResponse for Made<T> {
    fn meta() -> MetaResponses {
        let mut meta = Answer::<T>::meta();
        for response in &mut meta.responses {
            response.status = Some(201);
            response.description = "It is made.";
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// It is done, and there is nothing to say: the status 204.
#[derive(Debug)]
pub struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for Done {
    fn meta() -> MetaResponses {
        let response = MetaResponse {
            description: "It is done.",
            status: Some(204),
            status_range: None,
            content: vec![],
            headers: vec![],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_registry: &mut Registry) {}
}

/// It is taken, and what comes of it is not said here: the status 202.
#[derive(Debug)]
pub struct Taken;

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        StatusCode::ACCEPTED.into_response()
    }
}

impl ApiResponse for Taken {
    fn meta() -> MetaResponses {
        let response = MetaResponse {
            description: "It is taken; what comes of it is mailed to whom it concerns.",
            status: Some(202),
            status_range: None,
            content: vec![],
            headers: vec![],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_registry: &mut Registry) {}
}

macro_rules! leaf {
    ($($generics:ident)?, $name:ty, $word:literal, $schema:expr) => {
        impl$(<$generics: Type>)? Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $word.into()
            }
            fn schema_ref() -> MetaSchemaRef {
                $schema
            }
            fn register(_registry: &mut Registry) {
                $($generics::register(_registry);)?
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        // poem-openapi asks for these of everything in an object; bodies are read and answers written by serde.
        impl$(<$generics: Type>)? ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                serde_json::from_value(value.unwrap_or_default()).map_err(ParseError::custom)
            }
        }
        impl$(<$generics: Type>)? ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                serde_json::to_value(self).ok()
            }
        }
    };
}

/// A time: RFC 3339 in UTC, with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Stamp(pub Time);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

leaf!(, Stamp, "string_date-time", text_with_format("date-time"));

impl ParseFromParameter for Stamp {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let wanted = "it must be a time as RFC 3339 with its offset, like 2026-01-31T09:30:00Z";
        Time::parse(value).map(Self).ok_or_else(|| ParseError::custom(wanted))
    }
}

/// A time that is judged later, with everything else of its object.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StampText(pub String);

leaf!(, StampText, "string_date-time", text_with_format("date-time"));

fn text_with_format(format: &'static str) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", format)))
}

/// A JSON object, byte for byte.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(pub Box<RawValue>);

leaf!(, RawJson, "object", MetaSchemaRef::Inline(Box::new(MetaSchema {
    additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)))),
    ..MetaSchema::new("object")
})));

/// Any JSON value, byte for byte.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnyJson(pub Box<RawValue>);

leaf!(, AnyJson, "any", MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)));

/// A `T` that is read later, so that one that is wrong does not spoil its neighbours.
#[derive(Clone, Debug)]
pub struct Later<T>(pub Box<RawValue>, PhantomData<fn() -> T>);

impl<T> Serialize for Later<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Later<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw, PhantomData))
    }
}

leaf!(T, Later<T>, "any", T::schema_ref());

/// Raw JSON from a text that was judged or written by us; `null` if it is none after all.
pub fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// An enumeration of the wire with the same words as one of the domain.
macro_rules! mirrored {
    ($(#[$doc:meta])* $name:ident of $domain:path, rename $rename:literal { $($(#[$vdoc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, poem_openapi::Enum, serde::Serialize, serde::Deserialize)]
        #[oai(rename_all = $rename)]
        #[serde(rename_all = $rename)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl From<$domain> for $name {
            fn from(one: $domain) -> Self {
                use $domain as Domain;
                match one { $(Domain::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $domain {
            fn from(one: $name) -> Self {
                use $domain as Domain;
                match one { $($name::$variant => Domain::$variant),+ }
            }
        }
    };
}
pub(crate) use mirrored;
