//! `phaseline admin replay`: take up a dead letter, say which job it became, and watch it if asked to. `dismiss`: drop one.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::api::Api;
use crate::args::Replay;
use crate::exit::{self, Failure};
use crate::import;
use crate::output::Output;
use crate::start;

/// The letter is one piece of the path, whatever was typed.
fn path(letter: &str) -> String {
    let letter: String = url::form_urlencoded::byte_serialize(letter.as_bytes()).collect();
    format!("api/v1/admin/dead-letters/{letter}")
}

pub async fn dismiss(api: &Api, letter: &str, output: Output) -> Result<u8, Failure> {
    api.stream(api.request(Method::DELETE, &path(letter))?).await?;
    match output.json {
        true => output.document(&json!({"letter": letter, "dismissed": true})),
        false => output.line(&format!("dismissed {letter}; its job stays as it is")),
    }
    Ok(exit::OK)
}

pub async fn run(api: &Api, replay: &Replay, output: Output) -> Result<u8, Failure> {
    let path = format!("{}/replay", path(&replay.letter));
    let (key, patience) = (start::key(&None), Duration::from_secs(replay.patience * 60));
    let send = async || {
        let mut request = api.request(Method::POST, &path)?.header("idempotency-key", &key);
        if let Some(seconds) = replay.wait {
            request = request.header("prefer", format!("wait={seconds}"));
        }
        api.answer_or_replay(request).await
    };
    // the letter is a key by itself: whoever asks again finds the job
    let (accepted, raw, is_replay) = start::start(&key, patience, output, || false, send).await?;
    let follow = import::Follow {
        is_waited: replay.wait.is_some(),
        is_watched: replay.watch,
        patience,
    };
    import::follow(api, &accepted, &raw, is_replay, &follow, output).await
}
