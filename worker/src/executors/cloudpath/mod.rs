//! The phases of `cloudpath_dpsk_import`: Wi-Fi keys from a Cloudpath export become passphrases in RUCKUS One.
//!
//! Every planner reads what is there in one sweep and decides for each wanted object: there and equal → adopted, nothing to do;
//! there and different → by the job's `name_conflict`; absent → a task that creates it. So a second import over an unchanged target
//! plans no write at all. How objects are compared is in [`compare`]; what is told of the job's input in [`staged`].
//!
//! Which phase knows what of the earlier ones: pools take the ids of their groups, and passphrases and audit the ids of their
//! pools, from the *outcomes* of the phase that made or adopted them (same index as in the plan of the import).

mod audit;
mod audits;
mod cleanup;
mod compare;
mod decide;
mod differences;
mod dpsk_pools;
mod identities;
mod identity_groups;
mod key_task;
mod named;
mod networks;
mod parse_validate;
mod passphrases;
mod policies;
mod read_back;
mod snapshot;
mod staged;

use std::sync::Arc;

use shared::store::JobSpec;

use self::dpsk_pools::DpskPools;
use self::identity_groups::IdentityGroups;
use self::named::FindOrMake;
use super::clients::Clients;
use super::reads::ReadsOnly;
use super::{Executor, PlanError};

/// Names of all the groups, pools, policies and sets an import finds or makes: its later phases build on them.
fn builds_on(spec: &JobSpec) -> Result<Vec<String>, PlanError> {
    let plan = staged::import_plan(spec)?;
    let groups = plan
        .groups
        .iter()
        .map(|group| FindOrMake::<IdentityGroups>::claimed(&group.name));
    let pools = plan
        .pools
        .iter()
        .map(|pool| FindOrMake::<DpskPools>::claimed(&pool.name));
    Ok(groups.chain(pools).chain(policies::make::names(&plan)).collect())
}

/// One for each phase, in their order; then those of the cleanup and of the audit.
pub fn executors(of: &Arc<Clients>) -> Vec<Arc<dyn Executor>> {
    let clients = || of.clone();
    let import: Vec<Arc<dyn Executor>> = vec![
        Arc::new(ReadsOnly(parse_validate::ParseValidate::new(clients()))),
        Arc::new(FindOrMake::<IdentityGroups>::new(clients())),
        Arc::new(FindOrMake::<DpskPools>::new(clients())),
        Arc::new(policies::make::CreatePolicySets::new(clients())),
        Arc::new(policies::attach::AttachPolicies::new(clients())),
        Arc::new(passphrases::CreatePassphrases::new(clients())),
        Arc::new(networks::ActivateNetworks::new(clients())),
        Arc::new(ReadsOnly(audit::AuditResults::new(clients()))),
    ];
    import
        .into_iter()
        .chain(cleanup::executors(of))
        .chain(audits::executors(of))
        .collect()
}
