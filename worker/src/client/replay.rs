//! `phaseline admin replay`: take up a dead letter, say which job it became, and watch it if asked to.

use std::time::Duration;

use reqwest::Method;

use crate::api::Api;
use crate::args::Replay;
use crate::exit::Failure;
use crate::import;
use crate::output::Output;
use crate::start;

pub async fn run(api: &Api, replay: &Replay, output: Output) -> Result<u8, Failure> {
    // one piece of the path, whatever was typed
    let letter: String = url::form_urlencoded::byte_serialize(replay.letter.as_bytes()).collect();
    let path = format!("api/v1/admin/dead-letters/{letter}/replay");
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
