//! The account of a job, row by row: whether what it says of each of its tasks is what RUCKUS One holds.
//!
//! Where [`verify_with`](super::verify_with) asks whether everything arrived, this asks whether the job tells the truth, also where
//! things went wrong: what is `COMPLETED` is there as asked for, `created` was not there before, what failed is not there or is as its
//! sentence says, every new object belongs to one row, and all sums are those of the rows. Passphrases are compared, never repeated.

mod claims;
mod subject;
mod sums;
mod things;

use jiff::Timestamp;
use serde_json::Value;

use self::claims::Claims;
use self::things::{Things, lacks};
use super::expect::Expected;
use super::{Options, expected_with, text};

/// A job that has ended, and what was there before and after it.
pub struct Case<'a> {
    pub export: &'a Value,
    pub options: &'a Options,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// `GET /api/v1/jobs/{id}`.
    pub job: &'a Value,
    /// All of `GET /api/v1/jobs/{id}/tasks`.
    pub tasks: &'a [Value],
    /// The simulator's ledgers.
    pub before: &'a Value,
    pub after: &'a Value,
}

/// States a task can end in.
const ENDS: [&str; 5] = ["COMPLETED", "FAILED", "SKIPPED", "UNKNOWN", "CANCELLED"];

/// Errors that say: something is there, and it is not what was asked for.
const TELL_OF_SOMETHING: [&str; 4] = [
    "NAME_CONFLICT",
    "PASSPHRASE_REPLACED",
    "FIELDS_NOT_SET",
    "STORED_UNDER_ANOTHER_NAME",
];

/// Shortest sentence a person can act on.
const SENTENCE_MIN: usize = 15;

/// Every untruth, each in a sentence; none: the job told the truth.
pub fn account(case: &Case<'_>) -> Result<Vec<String>, String> {
    let expected = expected_with(case.export, case.options, case.submitted)?;
    let mut account = Account {
        before: Things::of(case.before),
        after: Things::of(case.after),
        claims: Claims::default(),
        faults: Vec::new(),
        expected,
    };
    for task in case.tasks {
        account.row(task);
    }
    account.everything_is_claimed(case.after);
    let mut faults = account.faults;
    sums::check(case, &account.expected, &mut faults);
    Ok(faults)
}

struct Account {
    expected: Expected,
    before: Things,
    after: Things,
    claims: Claims,
    faults: Vec<String>,
}

/// A task in a sentence.
fn named(task: &Value) -> String {
    format!("{} {} {:?}", text(task, "phase"), task["index"], text(task, "name"))
}

impl Account {
    fn fault(&mut self, task: &Value, what: &str) {
        self.faults.push(format!("{}: {what}", named(task)));
    }

    fn row(&mut self, task: &Value) {
        let status = text(task, "status");
        if !ENDS.contains(&status) {
            return self.fault(task, &format!("is {status:?} although the job has ended"));
        }
        self.sentence(task, status);
        match (task["output_data"].is_object(), status) {
            (true, _) => self.with_resource(task, status == "COMPLETED"),
            (false, "COMPLETED") => self.completed_without(task),
            (false, _) => self.without_resource(task, status),
        }
    }

    /// What did not succeed says why, in words and for machines, and never with a passphrase.
    fn sentence(&mut self, task: &Value, status: &str) {
        let (code, message) = (text(task, "error_code"), text(task, "error_message"));
        if status == "COMPLETED" {
            if !code.is_empty() || !message.is_empty() {
                self.fault(task, &format!("is COMPLETED with an error: {code}"));
            }
            return;
        }
        // its state says it all: somebody stopped the job
        let is_stopped = status == "CANCELLED" && code.is_empty() && message.is_empty();
        if !is_stopped && (code.is_empty() || message.len() < SENTENCE_MIN || !message.contains(' ')) {
            self.fault(
                task,
                &format!("is {status} without an explanation: [{code}] {message:?}"),
            );
        }
        if self.expected.keys.iter().any(|key| message.contains(&key.passphrase)) {
            self.fault(task, "its error repeats a passphrase");
        }
        if code == "AUDIT_MISMATCH" {
            // whatever is as told is not mismatched; whatever is not is an untruth of the row it belongs to
            self.fault(task, &format!("the job's own audit contradicts its rows: {message}"));
        }
    }

    fn with_resource(&mut self, task: &Value, is_completed: bool) {
        let made = &task["output_data"];
        let (kind, id, origin) = (text(made, "type"), text(made, "id"), text(made, "origin"));
        let Some(thing) = self.after.get(kind, id).cloned() else {
            return self.fault(task, &format!("says {kind} {id} was {origin}, and there is none"));
        };
        let was_there = self.before.get(kind, id).is_some();
        match origin {
            "created" if was_there => self.fault(task, "says created, and it was there before"),
            "created" if !thing.is_made => self.fault(task, "says created, and no request has made it"),
            "adopted" | "updated" if !was_there => {
                self.fault(task, &format!("says {origin}, and it was not there before"));
            }
            "created" | "adopted" | "updated" => {}
            other => self.fault(task, &format!("its origin is {other:?}")),
        }
        // a pattern that was changed is told as a change of its policy
        let subject = subject::of(task, &self.expected);
        if let Some((wanted, key)) = &subject
            && *wanted == kind
        {
            let mut lacks = lacks(task, &thing, &self.expected);
            if thing.key != *key {
                lacks.push("bears another name".to_owned());
            }
            match (is_completed, lacks.is_empty()) {
                (true, false) => self.fault(task, &format!("is COMPLETED, and it {}", lacks.join(", "))),
                (false, true) => self.fault(task, "has not succeeded, and it is there as asked for"),
                _ => {}
            }
        } else if subject.is_some_and(|(wanted, _)| wanted != "condition") {
            self.fault(task, &format!("its resource is a {kind}"));
        }
        self.claim(task, kind, id);
    }

    fn completed_without(&mut self, task: &Value) {
        let Some((kind, key)) = subject::of(task, &self.expected) else {
            return;
        };
        if kind != "condition" {
            return self.fault(task, "is COMPLETED without a resource");
        }
        match self.after.named(kind, &key)[..] {
            [] => self.fault(task, "is COMPLETED, and it is not there"),
            [ref id] => {
                let id = id.clone();
                let thing = self.after.get(kind, &id).cloned();
                let lacks = thing
                    .map(|thing| lacks(task, &thing, &self.expected))
                    .unwrap_or_default();
                if !lacks.is_empty() {
                    self.fault(task, &format!("is COMPLETED, and it {}", lacks.join(", ")));
                }
                self.claim(task, kind, &id);
            }
            _ => self.fault(task, "is there more than once"),
        }
    }

    fn without_resource(&mut self, task: &Value, status: &str) {
        let Some((kind, key)) = subject::of(task, &self.expected) else {
            return;
        };
        let tells = TELL_OF_SOMETHING.contains(&text(task, "error_code"));
        let there = self.after.named(kind, &key);
        if there.is_empty() && tells {
            self.fault(task, "says that something is there, and there is nothing");
        }
        for id in there {
            if self.before.get(kind, &id).is_some() {
                continue;
            }
            // UNKNOWN says that nobody knows
            if status != "UNKNOWN" && !tells {
                let code = text(task, "error_code");
                self.fault(task, &format!("is {status} ({code}), and it is there"));
            }
            self.claim(task, kind, &id);
        }
        if status == "UNKNOWN" {
            self.of_unknown_name(task);
        }
    }

    /// Nobody knows, so neither under which name: whatever bears the passphrase of that row is what it speaks of.
    fn of_unknown_name(&mut self, task: &Value) {
        let Some(key) = subject::key(task, &self.expected) else {
            return;
        };
        let pool = &self.expected.pools[key.pool].name;
        for id in self.after.with_value(pool, &key.passphrase) {
            if self.before.get("passphrase", &id).is_none() && !self.claims.has("passphrase", &id) {
                self.claim(task, "passphrase", &id);
            }
        }
    }

    fn claim(&mut self, task: &Value, kind: &str, id: &str) {
        if let Some(other) = self.claims.claim(kind, id, &named(task)) {
            self.fault(task, &format!("stands for the same object as {other}"));
        }
    }

    /// Nothing came into being of which no row tells.
    fn everything_is_claimed(&mut self, after: &Value) {
        for (kind, id, thing) in self.after.all() {
            if self.before.get(kind, id).is_none() && !self.claims.has(kind, id) {
                let name = thing.key.replace('\u{1}', " in ");
                self.faults
                    .push(format!("{kind} {name:?} came into being, and no row tells of it"));
            }
        }
        let keys: Vec<&str> = super::rows(after, "passphrases")
            .iter()
            .map(|key| text(key, "identity_id"))
            .collect();
        for person in super::rows(after, "identities") {
            if !person["created_by_request"].is_null() && !keys.contains(&text(person, "id")) {
                let name = text(person, "name");
                self.faults
                    .push(format!("identity {name:?} came into being without a passphrase"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
