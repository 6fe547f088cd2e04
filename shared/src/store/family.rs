//! The jobs about the same things as another: those that it is a retry of, the retries of all of these, and their cleanups.

use super::inspect::reply;
use super::{Store, StoreError};
use crate::id::{JobId, TenantId};
use crate::job::JobStatus;
use crate::store::model::NotTakenUp;

/// Retries before and after a job that are looked at: as many as `submit.lua` keeps of each.
const KIN_MAX: usize = 50;

/// Without the job itself; what is not stored any more is not told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Family {
    /// The nearest first.
    pub kin: Vec<JobId>,
    /// The latest cleanup of the job, and of each that is kin.
    pub cleanups: Vec<JobId>,
    /// The first of all of them that has not ended.
    pub under_way: Option<NotTakenUp>,
}

impl Store {
    /// A round trip for each generation, and one for all cleanups.
    pub async fn family(&self, tenant: &TenantId, job: JobId) -> Result<Family, StoreError> {
        const FIELDS: [&str; 6] = ["t", "status", "resume_of", "retried_by", "retries", "cleaned_by"];
        type Hash = [Option<String>; FIELDS.len()];
        let p = self.partition_of(tenant);
        let (mut family, mut known, mut next) = (Family::default(), vec![job], vec![job]);
        while !next.is_empty() {
            let mut pipe = redis::pipe();
            for id in &next {
                pipe.hmget(p.job(*id), &FIELDS);
            }
            let replies = self.replies(pipe).await?;
            for (id, hash) in std::mem::take(&mut next).into_iter().zip(&replies) {
                let [owner, status, before, latest, retries, cleanup]: Hash = reply(hash)?;
                if owner.as_deref() != Some(tenant.as_str()) {
                    continue;
                }
                if id != job {
                    family.kin.push(id);
                    if !has_ended(status) {
                        family.under_way.get_or_insert(NotTakenUp::Retrying(id));
                    }
                }
                family.cleanups.extend(cleanup.and_then(|id| id.parse::<JobId>().ok()));
                // the latest once more: a version that keeps no others may have accepted it
                let of_it = [before, latest, retries];
                let of_it = of_it.iter().flatten().flat_map(|ids| ids.split(','));
                for id in of_it.filter_map(|id| id.parse().ok()) {
                    if !known.contains(&id) && known.len() <= KIN_MAX {
                        known.push(id);
                        next.push(id);
                    }
                }
            }
        }
        if family.cleanups.is_empty() {
            return Ok(family);
        }
        let mut pipe = redis::pipe();
        for id in &family.cleanups {
            pipe.hmget(p.job(*id), &["t", "status"]);
        }
        let replies = self.replies(pipe).await?;
        for (id, hash) in family.cleanups.iter().zip(&replies) {
            let [owner, status]: [Option<String>; 2] = reply(hash)?;
            if owner.as_deref() == Some(tenant.as_str()) && !has_ended(status) {
                family.under_way.get_or_insert(NotTakenUp::Cleaning(*id));
            }
        }
        Ok(family)
    }
}

/// A state of a later version: as far as this one can tell it has not.
fn has_ended(status: Option<String>) -> bool {
    status
        .and_then(|s| JobStatus::parse(&s))
        .is_some_and(JobStatus::is_terminal)
}
