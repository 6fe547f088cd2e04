//! One executor for all phases: plans what an [`Inspection`] finds. Nothing is left to be run.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::past::Audited;
use super::rows::Rows;
use crate::executors::clients::Clients;
use crate::executors::reads::Reads;
use crate::executors::{Context, PlanError, TaskSink};
use crate::r1::{R1, asked};
use crate::remote::CallError;

/// What a phase looks at.
#[async_trait]
pub trait Inspection: Send + Sync + 'static {
    /// What definitions call the executor.
    const EXECUTOR: &'static str;

    /// Gives every item of the import, of its kind, a verdict.
    async fn look(work: &Work<'_>, rows: &mut Rows<'_>) -> Result<(), PlanError>;
}

/// What a phase works with.
pub struct Work<'a> {
    pub cx: &'a Context,
    pub r1: R1,
    /// The job that is audited.
    pub of: Audited<'a>,
}

/// The executor of a phase.
pub struct Look<I> {
    clients: Arc<Clients>,
    of: PhantomData<I>,
}

impl<I> Look<I> {
    pub fn new(clients: Arc<Clients>) -> Self {
        Look {
            clients,
            of: PhantomData,
        }
    }
}

/// Name of the venue; none: there is no such venue any more.
pub async fn venue(work: &Work<'_>) -> Result<Option<String>, CallError> {
    let ask = |permit| work.r1.venue(permit, &work.cx.spec.venue_id);
    match asked(work.cx.gate.as_ref(), ask).await {
        Ok(found) => Ok(Some(found.name)),
        Err(CallError::NotFound { .. } | CallError::Rejected { status: 400, .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

#[async_trait]
impl<I: Inspection> Reads for Look<I> {
    fn name(&self) -> &'static str {
        I::EXECUTOR
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        let work = Work {
            cx,
            r1: self.clients.get(cx.spec.controller)?,
            of: Audited::read(cx).await?,
        };
        let mut rows = Rows::new(sink);
        I::look(&work, &mut rows).await?;
        // what it did meanwhile would be told as done behind its back
        work.of.stands_still(cx).await?;
        Ok(Some(rows.facts()?))
    }
}
