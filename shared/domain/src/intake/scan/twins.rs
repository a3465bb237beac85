//! Keys that stand twice in one object. A parser takes the last of them and the stored text keeps both, so that a rule and
//! a reader would see different things.

use std::borrow::Cow;
use std::collections::HashSet;

/// So many keys are compared with each other; more are cheaper in a set.
const FEW: usize = 16;
/// What of a key is told, in characters.
const TOLD: usize = 60;
/// What of a path is told, in bytes.
const PATH: usize = 300;

type Key<'t> = Cow<'t, [u8]>;

/// Follows a text of JSON and finds the first key that stands twice.
#[derive(Default)]
pub struct Twins<'t> {
    /// The keys of all objects that are open, the innermost last.
    keys: Vec<Key<'t>>,
    open: Vec<Open>,
    /// Whether the next string is a key.
    is_key: bool,
    found: Option<(String, String)>,
}

/// An object or array that is not closed yet.
struct Open {
    is_object: bool,
    /// Of an object, where its keys begin; of an array, how many items came before this one.
    at: usize,
}

impl<'t> Twins<'t> {
    /// Where the first twin stands, as a path behind that of the text, and the key.
    pub fn found(&self) -> Option<(&str, &str)> {
        self.found.as_ref().map(|(path, key)| (path.as_str(), key.as_str()))
    }

    /// An object or an array begins.
    pub fn open(&mut self, is_object: bool) {
        let at = if is_object { self.keys.len() } else { 0 };
        self.open.push(Open { is_object, at });
        self.is_key = is_object;
    }

    /// A string with its quotes, which is a key or a value.
    pub fn string(&mut self, quoted: &'t [u8]) {
        if std::mem::take(&mut self.is_key) && self.found.is_none() {
            self.keys.push(plain(quoted));
        }
    }

    /// A comma stands between two members or items.
    pub fn next(&mut self) {
        let Some(last) = self.open.last_mut() else { return };
        self.is_key = last.is_object;
        if !last.is_object {
            last.at += 1;
        }
    }

    /// The innermost object or array ends.
    pub fn close(&mut self) {
        self.is_key = false;
        let Some(closed) = self.open.pop() else { return };
        if !closed.is_object || self.found.is_some() {
            return;
        }
        let twin = twin(self.keys.get(closed.at..).unwrap_or_default());
        if let Some(twin) = twin {
            self.found = Some((self.path(closed.at), shown(twin)));
        }
        self.keys.truncate(closed.at);
    }

    /// The path of the object whose keys begin there and that was closed just now: each object around it is at its last
    /// key, behind which those of the next one begin.
    fn path(&self, closed: usize) -> String {
        let mut path = String::new();
        for (at, one) in self.open.iter().enumerate() {
            if path.len() > PATH {
                path.push('…');
                break;
            }
            if one.is_object {
                let inner = self.open[at + 1..].iter().find(|other| other.is_object);
                let end = inner.map_or(closed, |inner| inner.at);
                let key = end.checked_sub(1).and_then(|last| self.keys.get(last));
                path.push('.');
                path.push_str(&key.map(|key| shown(key)).unwrap_or_default());
            } else {
                path.push_str(&format!("[{}]", one.at));
            }
        }
        path
    }
}

/// A key without its quotes and escapes.
fn plain(quoted: &[u8]) -> Key<'_> {
    let inner = quoted.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let inner = inner.unwrap_or(quoted);
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    // One that is no text, for it has half of a character, is refused for that.
    match serde_json::from_slice::<String>(quoted) {
        Ok(text) => Cow::Owned(text.into_bytes()),
        Err(_) => Cow::Borrowed(inner),
    }
}

/// The first key that was there before.
fn twin<'k>(keys: &'k [Key<'_>]) -> Option<&'k [u8]> {
    if keys.len() <= FEW {
        let twin = keys.iter().enumerate().find(|(at, key)| keys[..*at].contains(key));
        return twin.map(|(_, key)| &**key);
    }
    let mut seen = HashSet::with_capacity(keys.len());
    keys.iter().find(|key| !seen.insert(&***key)).map(|key| &**key)
}

fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key).chars().take(TOLD).collect()
}
