//! The slots of a Cluster: which a key has, and which node has them.

use redis::Value;

use super::keys::{Partition, crc16};
use crate::config::Address;

/// Of a Cluster, always.
const SLOTS: u16 = 16_384;

/// Where a command is sent. Without a Cluster there is one place for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

impl Slot {
    /// Of its hash tag (what stands in its first braces) when it has one, else of the whole key.
    pub fn of(key: &[u8]) -> Self {
        let tag = || {
            let open = key.iter().position(|b| *b == b'{')? + 1;
            let length = key[open..].iter().position(|b| *b == b'}')?;
            (length > 0).then(|| &key[open..open + length])
        };
        Slot(crc16(tag().unwrap_or(key)) % SLOTS)
    }
}

impl From<Partition> for Slot {
    fn from(p: Partition) -> Self {
        Slot::of(p.prefix().as_bytes())
    }
}

impl From<&str> for Slot {
    fn from(key: &str) -> Self {
        Slot::of(key.as_bytes())
    }
}

impl From<&String> for Slot {
    fn from(key: &String) -> Self {
        Slot::of(key.as_bytes())
    }
}

/// Slots, first to last, and who has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    pub first: u16,
    pub last: u16,
    pub master: Address,
    pub replicas: Vec<Address>,
}

/// The answer to `CLUSTER SLOTS`. `asked`: where it was asked, which is where a node is that does not know its own address.
pub fn ranges(answer: &Value, asked: &Address) -> Vec<Range> {
    let rows = match answer {
        Value::Array(rows) => rows.as_slice(),
        _ => &[],
    };
    let mut ranges: Vec<Range> = rows.iter().filter_map(|row| range(row, asked)).collect();
    ranges.sort_by_key(|r| r.first);
    ranges
}

fn range(row: &Value, asked: &Address) -> Option<Range> {
    let Value::Array(row) = row else { return None };
    let number = |v: &Value| match v {
        Value::Int(n) => u16::try_from(*n).ok(),
        _ => None,
    };
    let node = |v: &Value| -> Option<Address> {
        let Value::Array(node) = v else { return None };
        let host = match node.first()? {
            Value::BulkString(b) => String::from_utf8_lossy(b).into_owned(),
            Value::SimpleString(s) => s.clone(),
            _ => String::new(),
        };
        // not known yet; nobody can be sent there
        let host = (host != "?").then_some(host)?;
        let host = if host.is_empty() { asked.0.clone() } else { host };
        Some((host, number(node.get(1)?).filter(|port| *port > 0)?))
    };
    Some(Range {
        first: number(row.first()?)?,
        last: number(row.get(1)?)?,
        master: node(row.get(2)?)?,
        replicas: row.iter().skip(3).filter_map(node).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_that_of_the_hash_tag() {
        assert_eq!(Slot::of(b"123456789"), Slot(0x31C3));
        assert_eq!(Slot::from("workflow:{123456789}:work"), Slot(0x31C3));
        assert_eq!(Slot::from(Partition(3)), Slot::of(b"p3"));
        // an empty tag is none
        assert_eq!(Slot::of(b"a{}b{c}"), Slot(crc16(b"a{}b{c}") % SLOTS));
    }

    #[test]
    fn sixteen_partitions_have_sixteen_slots_spread_over_three_nodes() {
        let mut slots: Vec<u16> = (0..16).map(|p| Slot::from(Partition(p)).0).collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), 16);
        for third in 0..3 {
            let has = slots.iter().filter(|s| **s / 5462 == third).count();
            assert!(has >= 3, "{has} of 16 in third {third}: {slots:?}");
        }
    }

    #[test]
    fn the_nodes_answer_is_read() {
        let text = |t: &str| Value::BulkString(t.as_bytes().to_vec());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id"), Value::Array(vec![])]);
        let answer = Value::Array(vec![
            Value::Array(vec![
                Value::Int(8192),
                Value::Int(16383),
                node(text("10.0.0.2"), 7001),
                node(text("?"), 7002),
                node(text("10.0.0.3"), 7003),
            ]),
            Value::Array(vec![Value::Int(0), Value::Int(8191), node(Value::Nil, 7000)]),
        ]);
        let found = ranges(&answer, &("asked".to_owned(), 1));
        assert_eq!(found[0].master, ("asked".to_owned(), 7000));
        assert_eq!((found[1].first, found[1].last), (8192, 16383));
        assert_eq!(found[1].replicas, [("10.0.0.3".to_owned(), 7003)]);
        assert!(ranges(&Value::Nil, &("asked".to_owned(), 1)).is_empty());
    }
}
