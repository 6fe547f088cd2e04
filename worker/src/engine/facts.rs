//! Facts: what a phase leaves behind for later ones and for people, in a few words. Too many words are replaced by a marker that
//! says so, and told to the log: never dropped in silence, for a later phase would decide as if there had been nothing to say.

use serde_json::{Value, json};
use shared::id::Unit;

/// Facts of a phase or of a batch, bytes of JSON: they are read with every look at the job.
const BYTES_MAX: usize = 4096;

/// Of a member that is kept of facts which are too long: what is counted is short, what is listed grows.
const SHORT_MAX: usize = 256;

/// The facts, or what stands for those that are too long: `{truncated: true, bytes, bytes_max}` and the short ones of their members.
pub fn bounded(facts: Option<Value>, unit: &Unit) -> Option<Value> {
    let facts = facts?;
    let bytes = facts.to_string().len();
    if bytes <= BYTES_MAX {
        return Some(facts);
    }
    tracing::warn!(
        job = %unit.job, phase = %unit.phase, batch = unit.batch, bytes, bytes_max = BYTES_MAX,
        "facts are too long, a marker is stored in their place"
    );
    let mut kept = json!({ "truncated": true, "bytes": bytes, "bytes_max": BYTES_MAX });
    let mut room = BYTES_MAX - 2 * SHORT_MAX;
    for (name, fact) in facts.as_object().into_iter().flatten() {
        let bytes = name.len() + fact.to_string().len() + 4;
        if bytes <= SHORT_MAX.min(room) && kept.get(name).is_none() {
            room -= bytes;
            kept[name] = fact.clone();
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::id::JobId;

    #[test]
    fn what_is_too_long_is_replaced_by_word_of_it() {
        let unit = Unit {
            job: JobId::generate(),
            phase: "audit".parse().unwrap(),
            batch: 0,
        };
        assert_eq!(bounded(None, &unit), None);
        let longest = json!("x".repeat(BYTES_MAX - 2));
        assert_eq!(bounded(Some(longest.clone()), &unit), Some(longest));
        let marker = bounded(Some(json!("x".repeat(BYTES_MAX - 1))), &unit).unwrap();
        assert_eq!(
            (&marker["truncated"], &marker["bytes"]),
            (&json!(true), &json!(BYTES_MAX + 1))
        );
        let long = json!({"plan": {"create": 7}, "names": vec!["x".repeat(90); 50], "bytes": 1});
        let kept = bounded(Some(long.clone()), &unit).unwrap();
        assert_eq!((&kept["plan"], kept.get("names")), (&long["plan"], None));
        assert_eq!(kept["bytes"], long.to_string().len(), "the marker's own members stand");
        let many: serde_json::Map<String, Value> = (0..400)
            .map(|n| (format!("short_{n}"), json!("y".repeat(200))))
            .collect();
        assert!(bounded(Some(many.into()), &unit).unwrap().to_string().len() <= BYTES_MAX);
    }
}
