//! Whether a job's event log tells its whole story: nothing missing, nothing twice, nothing after the end.
//!
//! Read from Redis as the workers wrote it. Events have no numbers of their own, their ids are times. What must be there follows from what
//! the job became: its beginning, the beginning and the end of each phase, its end; sums that never fall; and the tenant's log, written
//! by the same scripts to another key, tells the same of it.

use std::collections::HashMap;

use serde_json::Value;
use testkit::harness::TENANT;
use testkit::harness::resp::{Reply, Resp};

const P: &str = "workflow:{p0}:";
/// Sums of `job.progress`.
const SUMS: [&str; 5] = ["completed", "failed", "skipped", "unknown", "cancelled"];

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub kind: String,
    pub data: Value,
}

/// The tenant's log, by job.
pub struct TenantLog(HashMap<String, Vec<Event>>);

impl TenantLog {
    pub fn read(redis: &mut Resp) -> std::io::Result<Self> {
        let mut all: HashMap<String, Vec<Event>> = HashMap::new();
        for (job, event) in read(redis, &format!("{P}ev:t:{TENANT}"))? {
            all.entry(job).or_default().push(event);
        }
        Ok(TenantLog(all))
    }
}

/// Entries of an event log, each with the job it names (that of a job names none).
fn read(redis: &mut Resp, key: &str) -> std::io::Result<Vec<(String, Event)>> {
    let entries = redis.call(&["XRANGE", key, "-", "+"])?;
    let event = |entry: &Reply| {
        let fields = entry.list().get(1).map(Reply::list).unwrap_or_default();
        let field = |name: &str| {
            let pair = fields.chunks(2).find(|pair| pair[0].text() == name);
            pair.map(|pair| pair[1].text()).unwrap_or_default()
        };
        let data = serde_json::from_str(&field("d")).unwrap_or_default();
        (field("j"), Event { kind: field("t"), data })
    };
    Ok(entries.list().iter().map(event).collect())
}

/// Every gap, each in a sentence. `job`: as the API tells it, ended.
pub fn gaps(redis: &mut Resp, tenant: &TenantLog, id: &str, job: &Value) -> std::io::Result<Vec<String>> {
    let log: Vec<Event> = read(redis, &format!("{P}jobs:{id}:ev"))?
        .into_iter()
        .map(|(_, event)| event)
        .collect();
    let mut found = told(&log, job);
    if tenant.0.get(id).is_none_or(|other| *other != log) {
        let other = tenant.0.get(id).map_or(0, Vec::len);
        found.push(format!(
            "its log has {} events, and the tenant's {other} others",
            log.len()
        ));
    }
    Ok(found)
}

fn told(log: &[Event], job: &Value) -> Vec<String> {
    let mut gaps = Vec::new();
    let places = |kind: &str, phase: Option<&str>| -> Vec<usize> {
        let of = log.iter().enumerate().filter(|(_, event)| event.kind == kind);
        of.filter(|(_, event)| phase.is_none_or(|phase| event.data["phase"] == phase))
            .map(|(place, _)| place)
            .collect()
    };
    let end = format!("job.{}", job["status"].as_str().unwrap_or_default().to_lowercase());
    for (kind, place) in [("job.pending", 0), (&*end, log.len().saturating_sub(1))] {
        if places(kind, None) != [place] {
            gaps.push(format!("{kind} is at {:?} of {} events", places(kind, None), log.len()));
        }
    }
    // one that was cancelled may never have begun
    let never = job["status"] == "CANCELLED" && job["started_at"].is_null();
    if places("job.running", None).len() != usize::from(!never) {
        gaps.push(format!("job.running is at {:?}", places("job.running", None)));
    }
    for phase in job["phases"].as_array().into_iter().flatten() {
        let id = phase["id"].as_str().unwrap_or_default();
        let kind = format!("phase.{}", phase["status"].as_str().unwrap_or_default().to_lowercase());
        let (began, ended) = (places("phase.running", Some(id)), places(&kind, Some(id)));
        let of_phase = log.iter().filter(|event| event.data["phase"] == id).count();
        // what is skipped, or could not be planned, or was cut short, never began
        let is_run = phase["status"] == "COMPLETED" || phase["tasks"]["total"].as_u64() > Some(0);
        let wanted = if is_run { 2 } else { 1 };
        let is_told = ended.len() == 1 && of_phase == wanted && began.first().is_none_or(|began| *began < ended[0]);
        if !is_told || began.len() != wanted - 1 {
            gaps.push(format!(
                "{id} begins at {began:?}, is {kind} at {ended:?}, and has {of_phase} events"
            ));
        }
    }
    let mut last = [0; SUMS.len()];
    for event in log.iter().filter(|event| event.kind == "job.progress") {
        let sums = SUMS.map(|sum| event.data[sum].as_u64().unwrap_or_default());
        let settled: u64 = sums.iter().sum();
        if sums.iter().zip(last).any(|(now, before)| *now < before) {
            gaps.push(format!("sums fall from {last:?} to {sums:?}"));
        }
        if event.data["total"].as_u64().is_none_or(|total| total < settled) {
            gaps.push(format!("{settled} tasks are settled of {}", event.data["total"]));
        }
        last = sums;
    }
    let at_the_end = SUMS.map(|sum| job["summary"][sum].as_u64().unwrap_or_default());
    if at_the_end.iter().zip(last).any(|(end, last)| *end < last) {
        gaps.push(format!("the job ended with {at_the_end:?}, and had {last:?} before"));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, data: Value) -> Event {
        Event {
            kind: kind.to_owned(),
            data,
        }
    }

    fn whole() -> (Vec<Event>, Value) {
        let log = vec![
            event("job.pending", json!({})),
            event("job.running", json!({})),
            event("phase.running", json!({"phase": "keys"})),
            event("job.progress", json!({"completed": 3, "total": 9})),
            event("job.progress", json!({"completed": 5, "failed": 1, "total": 9})),
            event("phase.completed", json!({"phase": "keys"})),
            event("phase.skipped", json!({"phase": "networks"})),
            event("job.partial", json!({})),
        ];
        let job = json!({"status": "PARTIAL", "summary": {"completed": 8, "failed": 1}, "phases": [
            {"id": "keys", "status": "COMPLETED", "tasks": {"total": 9}},
            {"id": "networks", "status": "SKIPPED", "tasks": {"total": 0}}]});
        (log, job)
    }

    #[test]
    fn a_whole_log_has_no_gap() {
        let (log, job) = whole();
        assert_eq!(told(&log, &job), Vec::<String>::new());
    }

    #[test]
    fn whatever_is_missing_or_twice_is_told() {
        let (log, job) = whole();
        // the two of progress come at most once a second: of them nothing has to be there
        for place in [0, 1, 2, 5, 6, 7] {
            let mut short = log.clone();
            let gone = short.remove(place);
            assert!(!told(&short, &job).is_empty(), "without {gone:?}");
            let mut long = log.clone();
            long.insert(place, gone.clone());
            assert!(!told(&long, &job).is_empty(), "with {gone:?} twice");
        }
        let mut falling = log.clone();
        falling.swap(3, 4);
        assert_eq!(told(&falling, &job).len(), 1);
        let mut late = log;
        late.push(event("job.progress", json!({"completed": 5, "failed": 1, "total": 9})));
        assert_eq!(told(&late, &job).len(), 1);
    }
}
