//! The phases of `cloudpath_dpsk_audit`: what one import should have left behind, against what is there now. They read, and never write.
//!
//! What should be there is read from the tasks of the import and what became of them ([`past`]), also of one that is paused: what it has
//! not come to is *pending*, what it failed to make is *not expected*. Each item is looked up in a list that is read once, and its task
//! ends when it is planned, with a verdict ([`rows`]); one file for each phase judges: [`groups`], [`pools`], [`sets`], [`links`],
//! [`keys`], [`networks`]. A finding is a result and no failure: a phase fails only when something could not be read.
//!
//! No name is claimed: whoever writes meanwhile is not held up, and what is found is how it was when it was read.

mod executor;
mod groups;
mod keys;
mod links;
mod networks;
mod past;
mod pools;
mod rows;
mod sets;

use std::sync::Arc;

use self::executor::Look;
use crate::executors::Executor;
use crate::executors::clients::Clients;
use crate::executors::reads::ReadsOnly;

/// One for each phase, in their order.
pub fn executors(clients: &Arc<Clients>) -> Vec<Arc<dyn Executor>> {
    let clients = || clients.clone();
    vec![
        Arc::new(ReadsOnly(Look::<groups::Groups>::new(clients()))),
        Arc::new(ReadsOnly(Look::<pools::Pools>::new(clients()))),
        Arc::new(ReadsOnly(Look::<sets::Sets>::new(clients()))),
        Arc::new(ReadsOnly(Look::<links::Links>::new(clients()))),
        Arc::new(ReadsOnly(Look::<keys::Keys>::new(clients()))),
        Arc::new(ReadsOnly(Look::<networks::Networks>::new(clients()))),
    ]
}
