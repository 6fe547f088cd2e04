//! Taking up a dead letter. The new job is accepted by the API, like every job, so that is who is asked.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;
use shared::secret::SecretString;
use shared::store::LetterId;
use url::Url;

use super::print;

/// The rows of a batch are copied and sealed anew.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(180);

/// What is taken up, and by which API.
#[derive(Debug, Args)]
pub struct Replay {
    /// Its id, as `dead-letters list` tells it
    letter: LetterId,
    /// Base URL of the Phaseline API
    #[arg(long, env = "PHASELINE_URL", default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// Bearer token of an operator, or of an administrator of its tenant
    #[arg(long, env = "PHASELINE_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
}

/// Prints the API's answer: the job that is about the letter now.
pub async fn run(replay: Replay) -> anyhow::Result<()> {
    let Replay { letter, url, token } = replay;
    let target = url.join(&format!("/api/v1/admin/dead-letters/{letter}/replay"))?;
    // a token goes to the address it was meant for, and nowhere else
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_TIMEOUT)
        .build()?;
    let mut request = client.post(target);
    if let Some(token) = token {
        request = request.bearer_auth(token.expose().trim());
    }
    let answer = request
        .send()
        .await
        .with_context(|| format!("the API at {url} does not answer"))?;
    let status = answer.status();
    let text = answer.text().await?;
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    if !status.is_success() {
        let detail = document["detail"].as_str().unwrap_or("it says no more");
        bail!("the API answers {}: {detail}", status.as_u16());
    }
    print(&document)
}
