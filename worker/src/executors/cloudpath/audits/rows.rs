//! Where findings go: each becomes a task that has its end, and is counted.

use serde_json::{Value, json};
use shared::job::audit::{AuditFacts, FACT, FIRST_MAX, FieldDiffers, Finding, Verdict};
use shared::job::outcome::{Outcome, TaskError};
use shared::job::task::TaskInput;
use shared::store::StoreError;

use super::super::compare::Differences;
use super::past::{Expected, expected, since};
use crate::executors::{PlanError, Standing, Task, TaskSink};

/// Of what the audited job has not come to yet.
const NOT_DONE_YET: &str = "NOT_DONE_YET";
/// Of what it did not make, by its own word.
const NOT_MADE: &str = "NOT_MADE";
/// Of what could not be told.
const NOT_JUDGED: &str = "NOT_JUDGED";

/// Rows of a phase, and their sums.
pub struct Rows<'a> {
    sink: &'a mut dyn TaskSink,
    pushed: u32,
    pub facts: AuditFacts,
}

impl<'a> Rows<'a> {
    pub fn new(sink: &'a mut dyn TaskSink) -> Self {
        Rows {
            sink,
            pushed: 0,
            facts: AuditFacts::default(),
        }
    }

    /// `index`: that of the task of the audited job.
    pub async fn push(&mut self, index: u32, name: &str, finding: &Finding) -> Result<(), PlanError> {
        let verdict = finding.verdict;
        *self.facts.verdicts.entry(verdict).or_default() += 1;
        if verdict.is_finding() {
            let first = self.facts.first.entry(verdict).or_default();
            if first.len() < FIRST_MAX {
                first.push(self.pushed);
            }
        }
        self.pushed += 1;
        let skipped = |code: &str| {
            let why = finding.note.clone().unwrap_or_default();
            Outcome::skipped(index, TaskError::new(code, why))
        };
        let outcome = match verdict {
            Verdict::Present | Verdict::Missing | Verdict::Changed | Verdict::Extra => Outcome::completed(index, None),
            Verdict::Pending => skipped(NOT_DONE_YET),
            Verdict::NotExpected => skipped(NOT_MADE),
            Verdict::NotJudged => skipped(NOT_JUDGED),
        };
        let input = TaskInput {
            index,
            name: name.to_owned(),
            data: serde_json::to_value(finding).map_err(StoreError::from)?,
            preset: Some(outcome),
        };
        self.sink.push(Task { input, secret: None }).await
    }

    pub fn facts(&self) -> Result<Value, StoreError> {
        Ok(json!({ FACT: serde_json::to_value(&self.facts)? }))
    }
}

/// How something stands that is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Missing,
    /// Its id, and what of it differs.
    There(String, Differences),
    NotJudged(String),
}

/// A finding about a thing of a kind, `place` being the name of what it is in.
pub struct About<'a> {
    pub kind: &'a str,
    pub place: Option<&'a str>,
}

impl About<'_> {
    pub fn bare(&self, verdict: Verdict) -> Finding {
        Finding {
            place: self.place.map(str::to_owned),
            ..Finding::new(verdict, self.kind)
        }
    }

    /// Pure: what follows of a task of the audited job. `seen`: how what it stands for was found; not asked of what is not to be there.
    pub fn judge<E>(&self, task: &Standing, seen: impl FnOnce() -> Result<Seen, E>) -> Result<Finding, E> {
        let (what, by) = match expected(task) {
            Expected::Pending { is_begun } => {
                let note = match is_begun {
                    true => "the job has begun it, and not seen yet what became of it",
                    false => "the job has not come to it yet",
                };
                return Ok(self.noted(Verdict::Pending, note.to_owned()));
            }
            Expected::Nothing(why) => return Ok(self.noted(Verdict::NotExpected, why)),
            Expected::There { what, by } => (what, by),
            Expected::Perhaps => (None, "unknown"),
        };
        let seen = seen()?;
        let mut finding = match seen {
            Seen::Missing => Finding {
                id: what.map(|made| made.id.clone()),
                ..self.bare(Verdict::Missing)
            },
            Seen::NotJudged(why) => self.noted(Verdict::NotJudged, why),
            Seen::There(id, differences) => {
                let (differences, note) = since(task, differences);
                let verdict = match differences.is_empty() {
                    true => Verdict::Present,
                    false => Verdict::Changed,
                };
                Finding {
                    id: Some(id),
                    fields: fields(&differences),
                    note: note.map(str::to_owned),
                    ..self.bare(verdict)
                }
            }
        };
        finding.origin = Some(by.to_owned());
        if by == "unknown" && finding.note.is_none() {
            let note = match finding.verdict {
                Verdict::Missing => "nobody knew what became of its write: it is not there",
                Verdict::Changed => "nobody knew what became of its write: something else is there",
                _ => "nobody knew what became of its write: it is there as it was sent",
            };
            finding.note = Some(note.to_owned());
        }
        Ok(finding)
    }

    pub fn noted(&self, verdict: Verdict, note: String) -> Finding {
        Finding {
            note: Some(note),
            ..self.bare(verdict)
        }
    }
}

fn fields(differences: &Differences) -> Vec<FieldDiffers> {
    let field = |d: &super::super::differences::Difference| FieldDiffers {
        field: d.field.to_owned(),
        values: d.values.clone(),
    };
    differences.iter().map(field).collect()
}
