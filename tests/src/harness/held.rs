//! What a worker holds, read from Redis: the entries delivered to it and not acknowledged, and the 202s of these batches whose
//! activities have not ended. While the worker is stopped this is exact.

use std::collections::BTreeSet;
use std::io::Result;

use super::resp::{Reply, Resp};

/// The work stream of the one partition a fleet of ours has, and its consumer group.
const WORK: &str = "workflow:{p0}:work";
const GROUP: &str = "workers";
/// A worker holds at most 1024.
const ENTRIES_MAX: &str = "2000";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// `job|phase|batch`; batch −1 is the plan of a phase.
    pub units: BTreeSet<String>,
    /// Request ids of writes that were accepted and whose end is not known yet.
    pub requests: Vec<String>,
}

impl Held {
    /// Batches of tasks, without plans.
    pub fn batches(&self) -> usize {
        self.units.iter().filter(|unit| !unit.ends_with("|-1")).count()
    }
}

pub fn held_by(redis: &mut Resp, worker: &str) -> Result<Held> {
    let mut held = Held::default();
    let pending = redis.call(&["XPENDING", WORK, GROUP, "-", "+", ENTRIES_MAX, worker])?;
    for entry in pending.list() {
        let id = entry.list().first().map(Reply::text).unwrap_or_default();
        let found = redis.call(&["XRANGE", WORK, &id, &id])?;
        let Some(Reply::List(fields)) = found.list().first().and_then(|entry| entry.list().get(1)) else {
            continue;
        };
        let field = |name: &str| {
            let pair = fields.chunks(2).find(|pair| pair[0].text() == name);
            pair.map(|pair| pair[1].text()).unwrap_or_default()
        };
        held.units
            .insert(format!("{}|{}|{}", field("j"), field("ph"), field("b")));
    }
    // limiters with something to poll, each with its request ids: id -> partition|job|phase|batch|since
    for limiter in redis.call(&["ZRANGE", "workflow:polls", "0", "-1"])?.list() {
        let all = redis.call(&["HGETALL", &format!("workflow:{{c:{}}}:pending", limiter.text())])?;
        for pair in all.list().chunks(2) {
            let place = pair[1].text();
            let unit = place
                .split_once('|')
                .and_then(|(_, rest)| rest.rsplit_once('|'))
                .map(|(unit, _)| unit);
            if unit.is_some_and(|unit| held.units.contains(unit)) {
                held.requests.push(pair[0].text());
            }
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis_server::{Options, RedisServer};

    #[test]
    fn only_what_is_in_the_hands_of_the_worker_counts() {
        let server = RedisServer::start(Options::default()).unwrap();
        let mut redis = Resp::connect(server.port()).unwrap();
        let mut run = |line: &str| redis.call(&line.split(' ').collect::<Vec<_>>()).unwrap();
        run("XGROUP CREATE workflow:{p0}:work workers 0 MKSTREAM");
        for batch in ["-1", "0", "1"] {
            run(&format!(
                "XADD workflow:{{p0}}:work * j J ph keys b {batch} l lane w 100"
            ));
        }
        run("XREADGROUP GROUP workers anna COUNT 2 STREAMS workflow:{p0}:work >");
        run("XREADGROUP GROUP workers ben COUNT 2 STREAMS workflow:{p0}:work >");
        run("ZADD workflow:polls 1 sim");
        run("HSET workflow:{c:sim}:pending r1 0|J|keys|0|99 r2 0|J|keys|1|99 r3 0|J|keys|0|99");
        let anna = held_by(&mut redis, "anna").unwrap();
        assert_eq!((anna.units.len(), anna.batches(), anna.requests.len()), (2, 1, 2));
        let ben = held_by(&mut redis, "ben").unwrap();
        assert_eq!((ben.batches(), ben.requests), (1, vec!["r2".to_owned()]));
        assert_eq!(held_by(&mut redis, "carl").unwrap(), Held::default());
    }
}
