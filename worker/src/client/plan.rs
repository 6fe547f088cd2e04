//! `phaseline plan`: send the file, wait until the plan is made, and print it.

use serde_json::Value;

use crate::api::Api;
use crate::args::Plan;
use crate::exit::Failure;
use crate::export;
use crate::import::{self, Sending};
use crate::output::Output;
use crate::progress::duration;
use crate::start;
use crate::upload::Upload;
use crate::watch;
use crate::wire;

pub async fn run(api: &Api, plan: Plan, output: Output) -> Result<u8, Failure> {
    let inspected = export::inspect(&plan.sent.file)?;
    let upload = Upload::plan(&plan.sent, inspected)?;
    let patience = import::patience(&plan.sent);
    let sending = Sending {
        path: "api/cloudpath-dpsk/plan",
        upload: &upload,
        wait: None,
        patience,
    };
    let (accepted, raw, _): (wire::Accepted, Value, bool) =
        import::send(api, &sending, &start::key(&plan.sent.idempotency_key), output).await?;
    if output.json {
        output.document(&raw);
    } else {
        output.line(&format!("plan: job {}", accepted.job_id));
    }
    watch::watch(api, &accepted.job_id, patience, output).await
}

/// What a plan has found, in lines.
pub fn lines(plan: &wire::Plan) -> Vec<String> {
    let mut lines: Vec<String> = plan
        .phases
        .iter()
        .map(|phase| format!("  {}: {}", phase.name, phase.counts.words()))
        .collect();
    lines.push(format!("  in all: {}", plan.totals.words()));
    let seconds = plan.predicted_duration_seconds;
    if let Some(calls) = plan.calls {
        let about = seconds.map_or_else(String::new, |seconds| format!(", about {}", duration(seconds)));
        lines.push(format!("  the import takes {calls} calls{about}"));
    }
    if let Some(hash) = &plan.hash {
        lines.push(format!(
            "  to do just that: phaseline import FILE … --option plan_hash={hash}"
        ));
    }
    lines
}
