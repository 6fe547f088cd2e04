//! Looking for secrets in everything the product leaves behind.

use testkit::harness::resp::{Reply, Resp};

const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// What must not be found, by what it is called in a failure: the message never repeats it.
pub struct Secrets(pub Vec<(String, Vec<u8>)>);

impl Secrets {
    /// Names of the secrets in `text`.
    pub fn found_in<'s>(&'s self, text: &[u8]) -> Vec<&'s str> {
        let hits = self.0.iter().filter(|(_, secret)| contains(text, secret));
        hits.map(|(name, _)| name.as_str()).collect()
    }

    pub fn assert_not_in(&self, place: &str, text: &[u8]) {
        let found = self.found_in(text);
        assert!(found.is_empty(), "{found:?} in {place}");
    }
}

pub fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

/// Every key with every field, member and entry of its value, unpacked: names of keys and fields count as well.
pub fn dump(redis: &mut Resp) -> std::io::Result<Vec<(String, Vec<Vec<u8>>)>> {
    let mut all = Vec::new();
    for key in redis.call(&["KEYS", "*"])?.list().to_vec() {
        let key = key.text();
        let kind = redis.call(&["TYPE", &key])?.text();
        let command: &[&str] = match kind.as_str() {
            "string" => &["GET", &key],
            "hash" => &["HGETALL", &key],
            "list" => &["LRANGE", &key, "0", "-1"],
            "set" => &["SMEMBERS", &key],
            "zset" => &["ZRANGE", &key, "0", "-1", "WITHSCORES"],
            "stream" => &["XRANGE", &key, "-", "+"],
            // gone since it was listed
            "none" => continue,
            other => panic!("{key} is a {other}: the search does not know how to read it"),
        };
        let mut values = vec![key.clone().into_bytes()];
        flatten(&redis.call(command)?, &mut values);
        all.push((format!("{kind} {key}"), values));
    }
    Ok(all)
}

fn flatten(reply: &Reply, values: &mut Vec<Vec<u8>>) {
    match reply {
        Reply::Text(bytes) => values.push(unpacked(bytes)),
        Reply::List(items) => items.iter().for_each(|item| flatten(item, values)),
        Reply::Int(_) | Reply::Nil => {}
    }
}

/// A zstd frame may also stand inside a value, behind a header.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut all = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(ZSTD.len()) {
        if bytes[at..].starts_with(&ZSTD)
            && let Ok(text) = zstd::stream::decode_all(&bytes[at..])
        {
            all.extend(text);
        }
    }
    all
}
