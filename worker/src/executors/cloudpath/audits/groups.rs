//! `audit_identity_groups`: each group that the import made or found, by its id; and the venue's name, which is told with the answer.

use async_trait::async_trait;
use shared::job::outcome::Resource;

use super::super::cleanup::listed::Listed;
use super::super::compare::{self, Differences};
use super::super::identity_groups::IdentityGroups;
use super::super::named::Kind;
use super::executor::{Inspection, Work, venue};
use super::past::{Expected, expected};
use super::rows::{About, Rows, Seen};
use crate::executors::{PlanError, Standing};
use crate::r1::Row;
use crate::remote::CallError;

pub struct Groups;

/// What the ledger says stands for a task, where anything does.
pub fn made(task: &Standing) -> Option<&Resource> {
    match expected(task) {
        Expected::There { what, .. } => what,
        _ => None,
    }
}

/// How a thing with a name of its own stands: by its id, or, where that is not known, by its name alone.
pub fn by_id_or_name<T: Row + Send>(
    task: &Standing,
    there: &Listed<T>,
    name_of: impl Fn(&T) -> &str,
    since: impl Fn(&T) -> Differences,
) -> Result<Seen, CallError> {
    let found = match made(task) {
        Some(made) => there.get(&made.id)?,
        None => {
            let mut named = there.all().filter(|one| name_of(one) == task.task.input.name);
            let (first, more) = (named.next(), named.count());
            if more > 0 {
                let why = format!("{} objects bear this name: which one was sent can't be told", more + 1);
                return Ok(Seen::NotJudged(why));
            }
            if first.is_none() {
                // perhaps one of those that are hidden
                there.get("")?;
            }
            first
        }
    };
    Ok(found.map_or(Seen::Missing, |one| Seen::There(one.id().to_owned(), since(one))))
}

#[async_trait]
impl Inspection for Groups {
    const EXECUTOR: &'static str = "cloudpath.audit_identity_groups";

    async fn look(work: &Work<'_>, rows: &mut Rows<'_>) -> Result<(), PlanError> {
        rows.facts.venue_name = venue(work).await?;
        let all = work.of.tasks("create_identity_groups")?.all().await?;
        if all.is_empty() {
            return Ok(());
        }
        let there = Listed::read(work.cx.gate.as_ref(), || work.r1.identity_groups(None), |_| true).await?;
        let about = About {
            kind: IdentityGroups::KIND,
            place: None,
        };
        for task in &all {
            let wanted = work.of.plan.groups.get(task.task.input.index as usize);
            let Some(wanted) = wanted else { continue };
            let finding = about.judge(task, || {
                by_id_or_name(
                    task,
                    &there,
                    |group| &group.name,
                    |group| {
                        let mut all = compare::group(wanted, group);
                        all.values("name", Some(group.name.clone()), Some(wanted.name.clone()));
                        all
                    },
                )
            })?;
            rows.facts.there += u64::from(made(task).is_some() && finding.verdict.stands());
            rows.push(task.task.input.index, &task.task.input.name, &finding)
                .await?;
        }
        Ok(())
    }
}
