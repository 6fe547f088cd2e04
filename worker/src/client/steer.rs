//! `confirm`, `pause`, `resume`, `cancel`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::Api;
use crate::exit::{self, Failure};
use crate::output::Output;
use crate::wire::Job;

pub async fn pause(api: &Api, job: Uuid, reason: Option<String>, output: Output) -> Result<u8, Failure> {
    let body = reason.map(|r| json!({ "reason": r }));
    call(api, job, "pause", body.as_ref(), output).await
}

pub async fn confirm(api: &Api, job: Uuid, output: Output) -> Result<u8, Failure> {
    call(api, job, "confirm", None, output).await
}

pub async fn resume(api: &Api, job: Uuid, output: Output) -> Result<u8, Failure> {
    call(api, job, "resume", None, output).await
}

pub async fn cancel(api: &Api, job: Uuid, output: Output) -> Result<u8, Failure> {
    call(api, job, "cancel", None, output).await
}

async fn call(api: &Api, job: Uuid, what: &str, body: Option<&Value>, output: Output) -> Result<u8, Failure> {
    let (state, raw): (Job, Value) = api.post(&format!("api/v1/jobs/{job}/{what}"), body).await?;
    if output.json {
        output.document(&raw);
    } else {
        output.line(&format!("job {job} is {}", state.status));
        if what == "cancel" && state.status == "CANCELLING" {
            output.line("what is under way is brought to its end, and nothing new is begun; what is done stays done");
        }
    }
    Ok(exit::OK)
}
