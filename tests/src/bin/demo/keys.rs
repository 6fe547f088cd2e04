//! What became of the keys, from the job's tasks: the first half of the last line.

use serde_json::Value;

/// The phase whose tasks are the keys.
pub const PHASE: &str = "create_passphrases";

/// How many keys went which way. Each key is in one of the numbers only: what a task that failed has left behind counts as failed, not
/// as created (the job's `summary.resources` has it among the created: it is there).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Keys {
    pub created: u64,
    pub adopted: u64,
    pub updated: u64,
    pub failed: u64,
    pub unknown: u64,
}

impl Keys {
    pub fn of(tasks: &[Value]) -> Self {
        let mut keys = Keys::default();
        for task in tasks.iter().filter(|task| task["phase"] == PHASE) {
            let origin = task["output_data"]["origin"].as_str().unwrap_or_default();
            match (task["status"].as_str().unwrap_or_default(), origin) {
                ("COMPLETED", "created") => keys.created += 1,
                ("COMPLETED", "adopted") => keys.adopted += 1,
                ("COMPLETED", "updated") => keys.updated += 1,
                ("FAILED", _) => keys.failed += 1,
                ("UNKNOWN", _) => keys.unknown += 1,
                _ => {}
            }
        }
        keys
    }

    pub fn imported(&self) -> u64 {
        self.created + self.adopted + self.updated
    }

    /// The numbers add up to `wanted`. Those that are rare are told only where there are some.
    pub fn line(&self, wanted: u64) -> String {
        let (imported, failed, unknown) = (self.imported(), self.failed, self.unknown);
        let rare = |what: &str, count: u64| match count {
            0 => String::new(),
            count => format!(", {what} {count}"),
        };
        let updated = rare("updated", self.updated);
        let not_done = rare("not done", wanted.saturating_sub(imported + failed + unknown));
        format!(
            "imported {imported} of {wanted} passphrases: created {}, adopted {}{updated}, failed {failed}, unknown {unknown}{not_done}",
            self.created, self.adopted
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_key_is_counted_once_however_it_ended() {
        let task = |status: &str, origin: &str| {
            let made = if origin.is_empty() {
                Value::Null
            } else {
                json!({"type": "passphrase", "id": "1", "origin": origin})
            };
            json!({"phase": PHASE, "status": status, "output_data": made})
        };
        let mut tasks = vec![
            task("COMPLETED", "created"),
            task("COMPLETED", "created"),
            task("COMPLETED", "adopted"),
            // stored with another value: there, and not as asked for
            task("FAILED", "created"),
            task("FAILED", ""),
            task("UNKNOWN", "created"),
            task("SKIPPED", ""),
            json!({"phase": "create_dpsk_pools", "status": "COMPLETED", "output_data": {"origin": "created"}}),
        ];
        assert_eq!(
            Keys::of(&tasks).line(6),
            "imported 3 of 6 passphrases: created 2, adopted 1, failed 2, unknown 1"
        );
        tasks.extend([task("COMPLETED", "updated"), task("CANCELLED", "")]);
        assert_eq!(
            Keys::of(&tasks).line(8),
            "imported 4 of 8 passphrases: created 2, adopted 1, updated 1, failed 2, unknown 1, not done 1"
        );
    }
}
