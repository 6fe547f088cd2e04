//! An audit: what it is asked to do, and what it finds. Both are persisted: fields are only ever added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::JobId;
use crate::job::JobStatus;

/// Where a job stands: another than before, once it has gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    pub status: JobStatus,
    /// When it was paused or ended; absent of one that is neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
}

/// The input of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditOrder {
    /// The job whose things are looked at: ended, or paused.
    pub audit_of: JobId,
    /// Jobs that it is a retry of, and its retries: what they put into the same pools was not put there behind anybody's back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kin: Vec<JobId>,
    /// The latest cleanup of it, and of each of these: with `kin` what was begun before the audit. Absent: accepted by a version that did
    /// not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanups: Option<Vec<JobId>>,
    /// Where the job stood. Absent: accepted by a version that did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood: Option<Stand>,
}

impl AuditOrder {
    /// None: the job is no audit.
    pub fn of(input: &Value) -> Option<Self> {
        Self::deserialize(input).ok()
    }
}

/// How an item of the audited job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There, as it was left.
    Present,
    /// It should be there, and is not.
    Missing,
    /// There, and other than it was left.
    Changed,
    /// In a pool of the job, and neither made nor adopted by it.
    Extra,
    /// Of a paused job: it has not come to it yet, or not seen what became of it.
    Pending,
    /// The job did not make it, and says so: its task failed, was skipped or cancelled.
    NotExpected,
    /// It could not be told. Also any verdict of a later version.
    #[serde(other)]
    NotJudged,
}

/// All of them, findings first.
pub const VERDICTS: [Verdict; 7] = [
    Verdict::Missing,
    Verdict::Changed,
    Verdict::Extra,
    Verdict::Present,
    Verdict::Pending,
    Verdict::NotExpected,
    Verdict::NotJudged,
];

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Extra => "extra",
            Self::Pending => "pending",
            Self::NotExpected => "not_expected",
            Self::NotJudged => "not_judged",
        }
    }

    pub fn parse(s: &str) -> Option<Self> {
        VERDICTS.into_iter().find(|verdict| verdict.as_str() == s)
    }

    /// Something is there that stands for the item, changed or not.
    pub fn stands(self) -> bool {
        matches!(self, Self::Present | Self::Changed)
    }

    /// The controller is other than the job left it.
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Missing | Self::Changed | Self::Extra)
    }
}

/// A field that differs, by the vendor's name for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDiffers {
    #[serde(rename = "n")]
    pub field: String,
    /// Found and expected; absent: a secret.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub values: Option<(String, String)>,
}

/// What is found of one item: the data of a task of the audit. Short names: there may be 200,000. Never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    #[serde(rename = "v")]
    pub verdict: Verdict,
    /// What the ledger calls the thing, such as `passphrase`.
    #[serde(rename = "t")]
    pub kind: String,
    /// On the controller.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of what it is in: of a key its pool.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How the audited job came by it: `created`, `adopted`, `updated`; `failed` of what is there although its task failed, `unknown`.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDiffers>,
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Finding {
    pub fn new(verdict: Verdict, kind: &str) -> Self {
        Finding {
            verdict,
            kind: kind.to_owned(),
            id: None,
            place: None,
            origin: None,
            fields: Vec::new(),
            note: None,
        }
    }

    /// From the data of a task; none: it is no task of an audit.
    pub fn of(data: &Value) -> Option<Self> {
        Self::deserialize(data).ok()
    }
}

/// Rows of each kind of finding that a phase points to: the answer shows no more.
pub const FIRST_MAX: usize = 20;
/// Fact of a phase that holds its [`AuditFacts`].
pub const FACT: &str = "audit";

/// What a phase of an audit has found, in sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFacts {
    #[serde(default)]
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Places of the first ones of each finding among the tasks of the phase, from 0.
    #[serde(default)]
    pub first: BTreeMap<Verdict, Vec<u32>>,
    /// Of groups and pools those of the job that are there; of keys all in its pools.
    #[serde(default)]
    pub there: u64,
    /// Extra keys beyond those that have a task.
    #[serde(default)]
    pub extra_untold: u64,
    /// Keys of others that were in an adopted pool before the job came.
    #[serde(default)]
    pub of_others: u64,
    /// Keys that RUCKUS One counts and did not list: some of them may be extra.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hidden: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue_name: Option<String>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl AuditFacts {
    /// From a phase's facts.
    pub fn of(facts: &Value) -> Option<Self> {
        Self::deserialize(facts.get(FACT)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"audit_of":"01a21c3f-b648-7329-8625-546bb5256438"}"#,
            r#"{"audit_of":"01a21c3f-b648-7329-8625-546bb5256438","kin":["01a21c40-0c1e-7d0a-9b6e-3f1d2a4b5c6d"],"cleanups":[]}"#,
            r#"{"audit_of":"01a21c3f-b648-7329-8625-546bb5256438","cleanups":[],"stood":{"status":"PAUSED","since_ms":1790000000123}}"#,
        ] {
            let order: AuditOrder = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&order).unwrap(), line);
        }
        for line in [
            r#"{"v":"present","t":"passphrase","d":"k","w":"Lobby-DPSK","a":"created"}"#,
            r#"{"v":"changed","t":"passphrase","f":[{"n":"passphrase"},{"n":"vlanId","v":["4","5"]}],"x":"why"}"#,
        ] {
            let finding: Finding = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&finding).unwrap(), line);
        }
        let facts = r#"{"verdicts":{"missing":2},"first":{"missing":[0,7]},"there":3,"extra_untold":0,"of_others":1}"#;
        let read: AuditFacts = serde_json::from_str(facts).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), facts);
    }

    #[test]
    fn a_verdict_of_a_later_version_is_one_that_is_not_told() {
        let later: Finding = serde_json::from_str(r#"{"v":"moved","t":"passphrase","y":1}"#).unwrap();
        assert_eq!(later.verdict, Verdict::NotJudged);
        for verdict in VERDICTS {
            assert_eq!(Verdict::parse(verdict.as_str()), Some(verdict));
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
    }
}
