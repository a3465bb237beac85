//! A JSON object as it was written: its members in order, each value byte for byte.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The members of an object.
#[derive(Clone, Debug, Default)]
pub struct Members(pub Vec<(String, Box<RawValue>)>);

impl Members {
    /// The value of that name; of several the last, as other readers take it.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(one, _)| one == name).map(|(_, value)| &**value)
    }

    /// The text of that name, if it is one.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// The object of that name, if it is one.
    pub fn object(&self, name: &str) -> Option<Self> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// A name that stands there twice.
    pub fn twin(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// Adds a member, unless there is one of that name.
    pub fn add(&mut self, name: &str, value: Box<RawValue>) {
        if self.get(name).is_none() {
            self.0.push((name.to_owned(), value));
        }
    }

    /// Adds a text, unless there is a member of that name.
    pub fn add_text(&mut self, name: &str, text: &str) {
        self.add(name, raw(serde_json::Value::from(text).to_string()));
    }

    /// The object, written anew.
    pub fn object_text(&self) -> Box<RawValue> {
        let mut text = String::from("{");
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name.as_str()).to_string());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        raw(text)
    }
}

/// Raw JSON from a text that was put together here; `null` if it is none after all.
pub fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Members;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_keeps_its_words_and_its_order() {
        let text = r#"{"z":1.0e2 ,"a":{"b":[ 1]},"ä\"":"\u00e4","z":2}"#;
        let mut members: Members = serde_json::from_str(text).expect("an object");
        assert_eq!(members.get("z").map(RawValue::get), Some("2"));
        assert_eq!((members.twin(), members.text("ä\"").as_deref()), (Some("z"), Some("ä")));
        assert!(members.object("a").is_some() && members.object("z").is_none());
        members.add("z", raw("3".to_owned()));
        members.add_text("n", "a\nb");
        let written = r#"{"z":1.0e2,"a":{"b":[ 1]},"ä\"":"\u00e4","z":2,"n":"a\nb"}"#;
        assert_eq!(members.object_text().get(), written);
        assert!(serde_json::from_str::<Members>("[1]").is_err());
    }
}
