//! The phases of `cloudpath_dpsk_cleanup`: what one import has made is taken away, and nothing else.
//!
//! A planner reads what became of every task of the import ([`past`]). What was *created* is compared with what is there now: as it was
//! made → a task that deletes it; gone already → nothing to do; changed since → left alone, and told in which fields. Where nobody knows
//! what became of a write, the object is looked for, and is ours where it is what was sent. What was adopted or updated is none of it, and
//! what holds things of others stays, since they would go with it.
//!
//! [`target`] says of each kind of object how it is deleted, and how it is found out that it is gone; [`executor`] does it; one file for
//! each phase plans: [`keys`], [`networks`], [`links`], [`pools`], [`identities`], [`groups`], [`policies`].

mod executor;
mod groups;
mod identities;
mod keys;
mod kin;
mod links;
pub(super) mod listed;
mod networks;
mod past;
mod policies;
pub(super) mod pools;
pub(super) mod target;

use std::sync::Arc;

use self::executor::Remove;
use crate::executors::Executor;
use crate::executors::clients::Clients;

/// One for each phase, in their order.
pub fn executors(clients: &Arc<Clients>) -> Vec<Arc<dyn Executor>> {
    let clients = || clients.clone();
    vec![
        Arc::new(Remove::<keys::Keys>::new(clients())),
        Arc::new(Remove::<networks::Networks>::new(clients())),
        Arc::new(Remove::<links::Links>::new(clients())),
        Arc::new(Remove::<pools::Pools>::new(clients())),
        Arc::new(Remove::<identities::Identities>::new(clients())),
        Arc::new(Remove::<groups::Groups>::new(clients())),
        Arc::new(Remove::<policies::Policies>::new(clients())),
    ]
}
