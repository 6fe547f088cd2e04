//! Planning a phase: batches are written in fenced chunks, then published as a whole.

use super::keys::Partition;
use super::model::{ErrorView, Fenced, PlanCommitted};
use super::scripts::{self, Args};
use super::stream::fenced;
use super::{Store, StoreError};
use crate::id::Unit;

impl Store {
    /// Writes batches of a plan: (batch, blob, secrets). The first call of a token starts from nothing.
    pub async fn plan_put(
        &self,
        p: Partition,
        u: &Unit,
        token: &str,
        batches: &[(u32, Vec<u8>, Vec<u8>)],
    ) -> Result<Fenced, StoreError> {
        let mut args = Args::new().with(u.job.to_string()).with(u.phase.as_str()).with(token);
        for (b, blob, secrets) in batches {
            args.push(b);
            args.push(blob);
            args.push(secrets);
        }
        let reply: String = scripts::on_partition(&self.redis, p, &scripts::PLAN_PUT, args).await?;
        Ok(fenced(&reply))
    }

    /// Publishes a plan. `skipped`: the phase ends without running.
    #[expect(clippy::too_many_arguments, reason = "one script call, one argument list")]
    pub async fn plan_commit(
        &self,
        p: Partition,
        u: &Unit,
        token: &str,
        batches: u32,
        tasks: u64,
        batch_size: u32,
        tolerated: u64,
        facts: Option<&serde_json::Value>,
        skipped: bool,
    ) -> Result<PlanCommitted, StoreError> {
        let args = Args::new()
            .with(u.job.to_string())
            .with(u.phase.as_str())
            .with(token)
            .with(batches)
            .with(tasks)
            .with(batch_size)
            .with(tolerated)
            .with(facts.map(|f| f.to_string()).unwrap_or_default())
            .with(if skipped { "SKIPPED" } else { "" });
        let reply: String = scripts::on_partition(&self.redis, p, &scripts::PLAN_COMMIT, args).await?;
        Ok(match reply.as_str() {
            "OK" => PlanCommitted::Ok,
            "DONE" => PlanCommitted::Before,
            "INCOMPLETE" => PlanCommitted::Incomplete,
            _ => PlanCommitted::Lost,
        })
    }

    /// The phase can't be planned: it ends `FAILED` with this error.
    pub async fn plan_fail(
        &self,
        p: Partition,
        u: &Unit,
        token: &str,
        error: &ErrorView,
        dead_letter: Option<&str>,
    ) -> Result<PlanCommitted, StoreError> {
        let args = Args::new()
            .with(u.job.to_string())
            .with(u.phase.as_str())
            .with(token)
            .with(serde_json::to_string(error)?)
            .with(dead_letter.unwrap_or_default());
        let reply: String = scripts::on_partition(&self.redis, p, &scripts::PLAN_FAIL, args).await?;
        Ok(match reply.as_str() {
            "OK" => PlanCommitted::Ok,
            "DONE" => PlanCommitted::Before,
            _ => PlanCommitted::Lost,
        })
    }
}
