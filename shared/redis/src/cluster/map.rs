//! Who has which slot of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;

use config::address::Host;

/// The slots from one to another, and who has them.
#[derive(Clone, Debug)]
struct Range {
    first: u16,
    last: u16,
    owner: Host,
}

/// What a node told of the cluster, and what was learnt since.
#[derive(Clone, Debug)]
pub(super) struct Map {
    ranges: Vec<Range>,
    replicas: BTreeSet<Host>,
    moved: BTreeMap<u16, Host>,
}

impl Map {
    /// Reads the answer to `CLUSTER SLOTS` of the node at `asked`.
    pub(super) fn read(answer: Value, asked: &Host) -> Result<Self, String> {
        let strange = || "it tells of its slots in a way that is not understood".to_owned();
        let rows: Vec<Vec<Value>> = redis::from_redis_value(answer).map_err(|_| strange())?;
        let mut map =
            Self { ranges: Vec::new(), replicas: BTreeSet::new(), moved: BTreeMap::new() };
        for row in rows {
            let mut row = row.into_iter();
            let mut number = || row.next().and_then(small);
            let (first, last) = number().zip(number()).ok_or_else(strange)?;
            let mut nodes = row.filter_map(|node| host(node, asked));
            let owner = nodes.next().ok_or_else(strange)?;
            map.replicas.extend(nodes);
            map.ranges.push(Range { first, last, owner });
        }
        if map.ranges.is_empty() {
            return Err("it knows of no node that has slots".to_owned());
        }
        Ok(map)
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Host> {
        let holds = |range: &&Range| (range.first..=range.last).contains(&slot);
        self.moved.get(&slot).or_else(|| self.ranges.iter().find(holds).map(|range| &range.owner))
    }

    /// The same, but for one slot.
    pub(super) fn with(&self, slot: u16, owner: Host) -> Self {
        let mut map = self.clone();
        map.moved.insert(slot, owner);
        map
    }

    /// Who has slots.
    pub(super) fn primaries(&self) -> BTreeSet<&Host> {
        self.ranges.iter().map(|range| &range.owner).collect()
    }

    /// Everybody.
    pub(super) fn hosts(&self) -> BTreeSet<Host> {
        let owners = self.ranges.iter().map(|range| &range.owner);
        owners.chain(&self.replicas).chain(self.moved.values()).cloned().collect()
    }
}

/// A slot or a port; the crate would take -1 for one.
fn small(value: Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(number).ok(),
        _ => None,
    }
}

fn host(node: Value, asked: &Host) -> Option<Host> {
    let Value::Array(parts) = node else { return None };
    let mut parts = parts.into_iter();
    // A node that does not know its own name is where it was asked, see redirections.
    let name = parts.next().and_then(|name| redis::from_redis_value::<Option<String>>(name).ok());
    let port = parts.next().and_then(small)?;
    let name = name.flatten().filter(|name| !name.is_empty()).unwrap_or_else(|| asked.name.clone());
    // One whose name is not known can't be reached.
    (name != "?").then_some(Host { name, port })
}

/// The node that a redirection names, `host:port`; without a host it is the one that `asked` is on.
pub(super) fn redirection(text: &str, asked: &Host) -> Option<Host> {
    let (name, port) = text.rsplit_once(':')?;
    let name = if name.is_empty() { asked.name.as_str() } else { name };
    let known = name != "?";
    known.then_some(Host { name: name.to_owned(), port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn node(name: &str, port: i64) -> Value {
        Value::Array(vec![text(name), Value::Int(port), text("id"), Value::Array(Vec::new())])
    }

    fn row(first: i64, last: i64, nodes: Vec<Value>) -> Value {
        let numbers = [Value::Int(first), Value::Int(last)];
        Value::Array(numbers.into_iter().chain(nodes).collect())
    }

    fn at(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }

    #[test]
    fn slots_have_owners() {
        let unknown = Value::Array(vec![Value::Nil, Value::Int(3), text("id")]);
        let answer = Value::Array(vec![
            row(0, 99, vec![node("a", 1), node("b", 2), node("?", 9)]),
            row(100, 16_383, vec![unknown, node("", 4)]),
        ]);
        let map = Map::read(answer, &at("asked", 7)).unwrap();
        assert_eq!(map.owner(99), Some(&at("a", 1)));
        assert_eq!(map.owner(100), Some(&at("asked", 3)));
        assert_eq!(map.primaries(), [&at("a", 1), &at("asked", 3)].into());
        assert_eq!(map.hosts().len(), 4, "{map:?}");
        let moved = map.with(99, at("c", 5));
        assert_eq!((moved.owner(99), moved.owner(98)), (Some(&at("c", 5)), Some(&at("a", 1))));
        assert!(moved.hosts().contains(&at("c", 5)));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for odd in [
            Value::Nil,
            Value::Array(Vec::new()),
            Value::Array(vec![row(0, 1, Vec::new())]),
            Value::Array(vec![row(-1, 1, vec![node("a", 1)])]),
            Value::Array(vec![Value::Array(Vec::new())]),
        ] {
            assert!(Map::read(odd.clone(), &at("asked", 7)).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn redirections_name_nodes() {
        let asked = at("asked", 7);
        assert_eq!(redirection("a:1", &asked), Some(at("a", 1)));
        assert_eq!(redirection("fd00::1:1", &asked), Some(at("fd00::1", 1)));
        assert_eq!(redirection(":1", &asked), Some(at("asked", 1)));
        assert_eq!(redirection("?:1", &asked), None);
        assert_eq!(redirection("a", &asked), None);
    }
}
