//! What is left in Redis when everything has ended: nothing but ended jobs that age. Looked at by hand, without the product's eyes.

use std::collections::BTreeSet;

use testkit::harness::resp::{Reply, Resp};

const P: &str = "workflow:{p0}:";
/// Empty when no job is unfinished.
const EMPTY_SETS: [&str; 5] = ["ring", "delayed", "active", "deadlines", "dirty"];
/// Keys that only unfinished work has.
const GONE: [&str; 6] = [
    "workflow:{p0}:tq:*",
    "workflow:{p0}:pk:*",
    "workflow:{p0}:jobs:*:b:*",
    "workflow:{p0}:jobs:*:ck:*",
    "workflow:{p0}:jobs:*:pk",
    "workflow:{c:*}:pending",
];
/// Keys that must not stay for ever. Names that a phase had claimed are free when it has ended, whether they are still there or not.
const AGEING: [&str; 3] = [
    "workflow:{p0}:jobs:*",
    "workflow:{c:*}:writers",
    "workflow:{c:*}:names:*",
];
/// Shown of what should not be there.
const SHOWN: usize = 5;

/// What should not be there, each in a sentence.
pub fn left(redis: &mut Resp) -> std::io::Result<Vec<String>> {
    let mut left = Vec::new();
    let work = format!("{P}work");
    let entries = redis.call(&["XLEN", &work])?.text();
    if entries != "0" {
        left.push(format!("{entries} entries in the work stream"));
    }
    // no stream, or no group: then nobody has anything
    if let Ok(pending) = redis.call(&["XPENDING", &work, "workers"]) {
        let count = pending.list().first().map(Reply::text).unwrap_or_default();
        if count != "0" {
            left.push(format!("{count} entries in pending lists"));
        }
    }
    for set in EMPTY_SETS {
        let key = format!("{P}{set}");
        let members = redis.call(&["ZRANGE", &key, "0", "4"])?;
        if !members.list().is_empty() {
            let members: Vec<String> = members.list().iter().map(Reply::text).collect();
            left.push(format!("{set} holds {}", members.join(" ")));
        }
    }
    let tin = redis.call(&["HGETALL", &format!("{P}tin")])?;
    if !tin.list().is_empty() {
        let fields: Vec<String> = tin.list().iter().map(Reply::text).collect();
        left.push(format!("tin counts {}", fields.join(" ")));
    }
    for pattern in GONE {
        let keys = keys(redis, pattern)?;
        if !keys.is_empty() {
            let shown: Vec<String> = keys.iter().take(SHOWN).cloned().collect();
            left.push(format!("{} keys {pattern}: {}", keys.len(), shown.join(" ")));
        }
    }
    Ok(left)
}

/// Keys of jobs and of what they claimed that would stay for ever.
pub fn ageless(redis: &mut Resp) -> std::io::Result<Vec<String>> {
    let mut ageless = Vec::new();
    for pattern in AGEING {
        for key in keys(redis, pattern)? {
            let ttl: i64 = redis.call(&["PTTL", &key])?.text().parse().unwrap_or(-1);
            // -2: it has just gone
            if ttl == -1 {
                ageless.push(format!("{key} has no time to live"));
            }
        }
    }
    Ok(ageless)
}

/// Ids of all jobs that were ever accepted and are there.
pub fn jobs(redis: &mut Resp) -> std::io::Result<BTreeSet<String>> {
    let members = redis.call(&["ZRANGE", &format!("{P}index"), "0", "-1"])?;
    let id = |member: &Reply| member.text().rsplit('|').next().unwrap_or_default().to_owned();
    Ok(members.list().iter().map(id).collect())
}

/// Batches that were given up.
pub fn dead_letters(redis: &mut Resp) -> std::io::Result<u64> {
    let length = redis.call(&["XLEN", &format!("{P}dlq")])?;
    Ok(length.text().parse().unwrap_or_default())
}

fn keys(redis: &mut Resp, pattern: &str) -> std::io::Result<Vec<String>> {
    // no cursor: the database of a run is small
    Ok(redis.call(&["KEYS", pattern])?.list().iter().map(Reply::text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::redis_server::{Options, RedisServer};

    #[test]
    fn whatever_is_left_is_seen() {
        let server = RedisServer::start(Options::default()).unwrap();
        let mut redis = Resp::connect(server.port()).unwrap();
        let run = |redis: &mut Resp, line: &str| {
            redis.call(&line.split(' ').collect::<Vec<_>>()).unwrap();
        };
        run(&mut redis, "ZADD workflow:{p0}:index 1 dev|J");
        run(&mut redis, "SET workflow:{p0}:jobs:J x EX 100");
        assert_eq!(left(&mut redis).unwrap(), Vec::<String>::new());
        assert_eq!(ageless(&mut redis).unwrap(), Vec::<String>::new());
        assert_eq!(jobs(&mut redis).unwrap(), BTreeSet::from(["J".to_owned()]));
        for (line, lines) in [
            ("XGROUP CREATE workflow:{p0}:work workers 0 MKSTREAM", 0),
            ("XADD workflow:{p0}:work * j J", 1),
            ("XREADGROUP GROUP workers anna STREAMS workflow:{p0}:work >", 2),
            ("ZADD workflow:{p0}:delayed 1 J|keys|0", 3),
            ("HSET workflow:{p0}:tin lane 1", 4),
            ("RPUSH workflow:{p0}:tq:lane J|keys", 5),
            ("HSET workflow:{p0}:jobs:J:b:keys 0 x", 6),
            ("HSET workflow:{c:host_remote}:pending r1 x", 7),
        ] {
            run(&mut redis, line);
            assert_eq!(left(&mut redis).unwrap().len(), lines, "{line}");
        }
        assert_eq!(ageless(&mut redis).unwrap().len(), 1);
    }
}
