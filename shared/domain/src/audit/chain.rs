//! The chain: each row has a number and a hash over itself and the hash before it, so that whoever changes, removes or
//! moves a row behind the product's back is found out.

use serde_json::Value;
use uuid::Uuid;

use super::super::names::words;
use crate::id::{ProjectId, sha256};
use crate::time::Time;

/// A row of the log as it is kept. Words are texts here: whatever somebody wrote there must count in the hash, and a
/// word of a newer build is sealed and shown by an older one all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Whose log it is in.
    pub project: ProjectId,
    /// When.
    pub at: Time,
    /// What kind of actor did it.
    pub actor_kind: String,
    /// Which one; nil for who has no id.
    pub actor_id: Uuid,
    /// What was done.
    pub action: String,
    /// To which one.
    pub resource: Uuid,
    /// How it was before.
    pub before: Option<Value>,
    /// How it was then.
    pub after: Option<Value>,
    /// Whose sealed values these are; nil when nobody's.
    pub subject: Uuid,
    /// What is personal in it, sealed with the subject's key.
    pub personal: Option<Vec<u8>>,
    /// Where the request came from, sealed with the actor's key.
    pub origin: Option<Vec<u8>>,
    /// The request that it belongs to.
    pub correlation: Option<String>,
    /// Its place in the chain, once it is sealed.
    pub place: Option<Link>,
}

/// A place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, from 1 without gaps.
    pub seq: i64,
    /// The hash over the row and the hash before it.
    pub hash: [u8; 32],
}

impl Link {
    /// What the first row follows.
    pub const START: Self = Self { seq: 0, hash: [0; 32] };
}

/// A place in the chain with what stands there.
#[derive(Clone, Debug)]
pub struct Linked {
    /// The place.
    pub link: Link,
    /// The row that belongs there.
    pub id: Uuid,
    /// That row, if it is there.
    pub row: Option<Row>,
}

/// Up to where a log was forgotten, so that verifying goes on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last place that was forgotten.
    pub link: Link,
    /// When it was.
    pub at: Time,
    /// Proves that it was us.
    pub signature: Vec<u8>,
}

impl Checkpoint {
    /// What is signed.
    pub fn signed(project: ProjectId, link: Link, at: Time) -> Vec<u8> {
        let (seq, at) = (link.seq.to_be_bytes(), at.micros().to_be_bytes());
        [project.bytes(), &seq[..], &link.hash[..], &at[..]].concat()
    }
}

words! {
    /// What is wrong with a row.
    Flaw {
        /// It is not what was sealed.
        Changed = 1 "changed",
        /// It was sealed and is not there.
        Missing = 2 "missing",
        /// It stands where another one was sealed.
        OutOfOrder = 3 "out_of_order",
        /// It is there and was not written by the product.
        Stray = 4 "stray",
        /// What stands for the forgotten rows was not signed by us.
        Checkpoint = 5 "checkpoint",
    }
}

impl Flaw {
    /// The same for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Changed => "this row is not what was sealed",
            Self::Missing => "this row was sealed and is not there",
            Self::OutOfOrder => "this row stands where another one was sealed",
            Self::Stray => "this row is there, but no transaction of the product wrote it",
            Self::Checkpoint => "what stands for the rows up to here was not signed with our key",
        }
    }
}

/// The first row that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its place.
    pub seq: i64,
    /// The row, if it is known.
    pub id: Option<Uuid>,
    /// What is wrong.
    pub flaw: Flaw,
}

/// A walk along the chain, batch by batch.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    at: Link,
}

impl Walk {
    /// A walk that begins behind `link`.
    pub const fn behind(link: Link) -> Self {
        Self { at: link }
    }

    /// How far it is.
    pub const fn at(&self) -> Link {
        self.at
    }

    /// Goes on over the links that follow, in order.
    ///
    /// # Errors
    /// The first that is not as it should be; the walk stands before it then.
    pub fn over(&mut self, links: &[Linked]) -> Result<(), Broken> {
        for one in links {
            let seq = self.at.seq + 1;
            if one.link.seq != seq {
                return Err(Broken { seq, id: None, flaw: Flaw::Missing });
            }
            let broken = |flaw| Broken { seq, id: Some(one.id), flaw };
            let row = one.row.as_ref().ok_or(broken(Flaw::Missing))?;
            if chained(&self.at.hash, seq, row) != one.link.hash {
                let moved = links.iter().any(|other| self.belongs_here(one, other));
                return Err(broken(if moved { Flaw::OutOfOrder } else { Flaw::Changed }));
            }
            self.at = one.link;
        }
        Ok(())
    }

    /// Whether `other` is what was sealed at the next place, where `one` stands.
    fn belongs_here(&self, one: &Linked, other: &Linked) -> bool {
        other.row.as_ref().is_some_and(|row| {
            let hash = chained(&self.at.hash, self.at.seq + 1, row);
            hash == one.link.hash || hash == other.link.hash
        })
    }
}

/// The hash of a row that follows `before`: over its number and every field, each with its length.
pub fn chained(before: &[u8; 32], seq: i64, row: &Row) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(512);
    let mut put = |part: Option<&[u8]>| {
        // What is not there differs from what is empty.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part.unwrap_or_default());
    };
    put(Some(b"bellbuoy-audit-1"));
    put(Some(before));
    put(Some(&seq.to_be_bytes()));
    put(Some(row.project.bytes()));
    put(Some(row.id.as_bytes()));
    put(Some(&row.at.micros().to_be_bytes()));
    put(Some(row.actor_kind.as_bytes()));
    put(Some(row.actor_id.as_bytes()));
    put(Some(row.action.as_bytes()));
    put(Some(row.resource.as_bytes()));
    for value in [&row.before, &row.after] {
        put(value.as_ref().map(canonical).as_deref().map(str::as_bytes));
    }
    put(Some(row.subject.as_bytes()));
    for sealed in [&row.personal, &row.origin] {
        put(sealed.as_deref());
    }
    put(row.correlation.as_deref().map(str::as_bytes));
    sha256(&bytes)
}

/// A JSON text that does not depend on how an engine keeps it: keys sorted, no blanks. Values in the log hold no
/// fractions, which engines write in their own ways.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let parts: Vec<String> = keys
                .into_iter()
                .map(|key| format!("{}:{}", Value::String(key.clone()), canonical(&map[key])))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            let parts: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", parts.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(id: u128) -> Row {
        Row {
            id: Uuid::from_u128(id),
            project: ProjectId(Uuid::from_u128(2)),
            at: Time::from_micros(3),
            actor_kind: "user".to_owned(),
            actor_id: Uuid::from_u128(4),
            action: "key.create".to_owned(),
            resource: Uuid::from_u128(5),
            before: None,
            after: Some(json!({"name": "k", "scopes": ["read"]})),
            subject: Uuid::nil(),
            personal: None,
            origin: Some(vec![1, 2]),
            correlation: Some("r-1".into()),
            place: None,
        }
    }

    #[test]
    fn every_field_counts_in_the_hash() {
        let first = chained(&[0; 32], 1, &row(1));
        assert_eq!(first, chained(&[0; 32], 1, &row(1)));
        assert_ne!(first, chained(&[0; 32], 2, &row(1)));
        assert_ne!(first, chained(&[1; 32], 1, &row(1)));
        let changes: [fn(&mut Row); 15] = [
            |row| row.id = Uuid::from_u128(9),
            |row| row.project = ProjectId(Uuid::from_u128(9)),
            |row| row.at = Time::from_micros(9),
            |row| row.actor_kind = "key".to_owned(),
            |row| row.actor_id = Uuid::nil(),
            |row| row.action = "key.revoke".to_owned(),
            |row| row.resource = Uuid::from_u128(9),
            |row| row.before = Some(json!(null)),
            |row| row.after = Some(json!({"name": "j", "scopes": ["read"]})),
            |row| row.subject = Uuid::from_u128(9),
            |row| row.personal = Some(vec![1]),
            |row| row.personal = Some(Vec::new()),
            |row| row.origin = None,
            |row| row.correlation = None,
            |row| row.correlation = Some(String::new()),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut other = row(1);
            change(&mut other);
            assert_ne!(first, chained(&[0; 32], 1, &other), "change {at}");
        }
    }

    #[test]
    fn json_is_hashed_as_it_means() {
        let (one, two): (Value, Value) = (
            serde_json::from_str(r#"{"b":1,"a":[{"y":null,"x":"ü\n"}]}"#).expect("JSON"),
            serde_json::from_str(r#"{ "a": [ {"x":"\u00fc\n", "y":null} ], "b": 1 }"#)
                .expect("JSON"),
        );
        assert_eq!(canonical(&one), canonical(&two));
        assert_eq!(canonical(&one), "{\"a\":[{\"x\":\"ü\\n\",\"y\":null}],\"b\":1}");
    }

    fn chain(length: u128) -> Vec<Linked> {
        let mut at = Link::START;
        let mut all = Vec::new();
        for id in 1..=length {
            let row = row(id);
            at = Link { seq: at.seq + 1, hash: chained(&at.hash, at.seq + 1, &row) };
            all.push(Linked { link: at, id: row.id, row: Some(row) });
        }
        all
    }

    fn verdict(links: &[Linked]) -> Option<(i64, Option<u128>, Flaw)> {
        let broken = Walk::behind(Link::START).over(links).err()?;
        Some((broken.seq, broken.id.map(|id| id.as_u128()), broken.flaw))
    }

    #[test]
    fn a_walk_names_the_first_broken_row() {
        assert_eq!(verdict(&chain(5)), None);
        assert_eq!(verdict(&[]), None);
        let tampered = |change: fn(&mut Vec<Linked>)| {
            let mut links = chain(5);
            change(&mut links);
            verdict(&links)
        };
        for (change, wanted) in [
            (
                (|all| all[2].row.iter_mut().for_each(|row| row.action.push('x')))
                    as fn(&mut Vec<Linked>),
                (3, Some(3), Flaw::Changed),
            ),
            (|all| all[3].link.hash[0] ^= 1, (4, Some(4), Flaw::Changed)),
            (|all| all[1].row = None, (2, Some(2), Flaw::Missing)),
            (|all| drop(all.remove(1)), (2, None, Flaw::Missing)),
            (|all| drop(all.remove(0)), (1, None, Flaw::Missing)),
            // The rows change places and keep the numbers and hashes that stand there.
            (
                |all| {
                    let (one, other) = (all[1].clone(), all[3].clone());
                    all[1] = Linked { link: one.link, ..other.clone() };
                    all[3] = Linked { link: other.link, ..one };
                },
                (2, Some(4), Flaw::OutOfOrder),
            ),
            // They take their hashes with them.
            (
                |all| {
                    all.swap(1, 3);
                    (all[1].link.seq, all[3].link.seq) = (2, 4);
                },
                (2, Some(4), Flaw::OutOfOrder),
            ),
        ] {
            assert_eq!(tampered(change), Some(wanted));
        }
    }

    #[test]
    fn a_walk_goes_on_from_where_it_is() {
        let links = chain(5);
        let mut walk = Walk::behind(Link::START);
        for part in links.chunks(2) {
            walk.over(part).expect("whole");
        }
        assert_eq!(walk.at(), links[4].link);
        Walk::behind(links[1].link).over(&links[2..]).expect("whole");
        let wrong = Link { hash: [7; 32], ..links[1].link };
        assert!(Walk::behind(wrong).over(&links[2..]).is_err());
    }
}
