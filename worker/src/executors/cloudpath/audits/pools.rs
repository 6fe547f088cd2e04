//! `audit_dpsk_pools`: what was made or changed has to be as it was sent; what was found has to take the keys of the export as then.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;

use super::super::cleanup::listed::Listed;
use super::super::cleanup::pools::since;
use super::super::compare;
use super::super::dpsk_pools::{Data, DpskPools};
use super::super::named::Kind;
use super::executor::{Inspection, Work};
use super::groups::{by_id_or_name, made};
use super::rows::{About, Rows};
use crate::executors::PlanError;

pub struct Pools;

#[async_trait]
impl Inspection for Pools {
    const EXECUTOR: &'static str = "cloudpath.audit_dpsk_pools";

    async fn look(work: &Work<'_>, rows: &mut Rows<'_>) -> Result<(), PlanError> {
        let all = work.of.tasks("create_dpsk_pools")?.all().await?;
        if all.is_empty() {
            return Ok(());
        }
        let groups = work.of.tasks("create_identity_groups")?.all().await?;
        let groups: HashMap<u32, &str> = groups
            .iter()
            .filter_map(|task| Some((task.task.input.index, made(task)?.id.as_str())))
            .collect();
        let there = Listed::read(work.cx.gate.as_ref(), || work.r1.list_pools(None), |_| true).await?;
        let about = About {
            kind: DpskPools::KIND,
            place: None,
        };
        for task in &all {
            let Some(wanted) = work.of.plan.pools.get(task.task.input.index as usize) else {
                continue;
            };
            // absent of one that was found as wanted
            let sent = Data::deserialize(&task.task.input.data).ok();
            let finding = about.judge(task, || {
                by_id_or_name(
                    task,
                    &there,
                    |pool| &pool.body.name,
                    |pool| match &sent {
                        Some(sent) => since(sent, pool),
                        None => {
                            let group = groups.get(&wanted.group.into()).copied();
                            let group = group.or(pool.identity_group_id.as_deref()).unwrap_or_default();
                            let mut all = compare::pool(&compare::pool_body(wanted), group, pool);
                            all.values("name", Some(pool.body.name.clone()), Some(wanted.name.clone()));
                            all
                        }
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
