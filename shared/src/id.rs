//! Names of things: jobs, tasks, tenants, workers, lanes. One type each, so that none is passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A job: a version 7 UUID, so that ids sort by creation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// A fresh id. The only random one in this module; callers pass it on.
    pub fn generate() -> Self {
        JobId(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(s).map(JobId)
    }
}

/// A name that may stand in a Redis key: 1–64 of `A–Z a–z 0–9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid {1}: 1 to 64 characters of A-Z a-z 0-9 . _ -")]
pub struct BadName(pub String, pub &'static str);

fn check_name(s: &str, what: &'static str) -> Result<(), BadName> {
    let fits = (1..=64).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fits {
        Ok(())
    } else {
        Err(BadName(s.chars().take(80).collect(), what))
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = BadName;
            fn from_str(s: &str) -> Result<Self, BadName> {
                check_name(s, $what)?;
                Ok($name(s.to_owned()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(s: String) -> Result<Self, BadName> {
                s.parse()
            }
        }
        impl From<$name> for String {
            fn from(v: $name) -> String {
                v.0
            }
        }
    };
}

name_type!(
    /// Whose job it is. Everything a caller can see is bounded by it.
    TenantId,
    "tenant"
);
name_type!(
    /// A phase of a workflow, unique in its definition.
    PhaseId,
    "phase id"
);
name_type!(
    /// One worker process: host, pid and a random part. A restarted process is another worker.
    WorkerId,
    "worker id"
);

impl WorkerId {
    pub fn generate() -> Self {
        let host: String = std::env::var("HOSTNAME")
            .ok()
            .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
            .unwrap_or_default()
            .trim()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
            .take(32)
            .collect();
        let random = Uuid::new_v4().simple().to_string();
        let host = if host.is_empty() { "worker".to_owned() } else { host };
        WorkerId(format!("{host}-{}-{}", std::process::id(), &random[..8]))
    }
}

/// What is scheduled fairly against each other: one tenant's work on one controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane(String);

impl Lane {
    pub fn new(tenant: &TenantId, controller: i64) -> Self {
        Lane(format!("{tenant}|{controller}"))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Lane {
    fn from(s: String) -> Self {
        Lane(s)
    }
}

/// A batch of a phase of a job: the unit a stream entry stands for. `batch` −1 is the *plan* of the phase.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unit {
    pub job: JobId,
    pub phase: PhaseId,
    pub batch: i64,
}

impl Unit {
    pub const PLAN: i64 = -1;
    pub fn is_plan(&self) -> bool {
        self.batch == Self::PLAN
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}|{}", self.job, self.phase, self.batch)
    }
}

/// `job:phase:index`; the index is the row of the input, so it survives re-planning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskId {
    pub job: JobId,
    pub phase: PhaseId,
    pub index: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.job, self.phase, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_key_are_refused() {
        for bad in ["", "a b", "a|b", "a:b", "{x}", &"x".repeat(65), "ä"] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?} was accepted");
        }
        assert_eq!("acme-1.x_Y".parse::<TenantId>().unwrap().as_str(), "acme-1.x_Y");
    }
}
