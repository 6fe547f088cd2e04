//! `phaseline retry`: send the corrections, say which job it became, and watch it if asked to.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, header};
use serde_json::Value;

use crate::api::Api;
use crate::args::Retry;
use crate::exit::Failure;
use crate::import;
use crate::output::Output;
use crate::start;
use crate::wire::Accepted;

/// Of a file of corrections: as much as the API takes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub async fn run(api: &Api, retry: Retry, output: Output) -> Result<u8, Failure> {
    let body = retry.corrections.as_deref().map(read).transpose()?;
    let key = start::key(&retry.idempotency_key);
    let patience = Duration::from_secs(retry.patience * 60);
    let sending = start::start(
        &key,
        patience,
        output,
        || true,
        async || send(api, &retry, body.clone(), &key).await,
    );
    let (accepted, raw, is_replay) = sending.await?;
    let follow = import::Follow {
        is_waited: retry.wait.is_some(),
        is_watched: retry.watch,
        patience,
    };
    import::follow(api, &accepted, &raw, is_replay, &follow, output).await
}

async fn send(api: &Api, retry: &Retry, body: Option<Bytes>, key: &str) -> Result<(Accepted, Value, bool), Failure> {
    let mut request = api
        .request(Method::POST, &format!("api/v1/jobs/{}/retry", retry.job))?
        .header("idempotency-key", key);
    if let Some(body) = body {
        request = request.header(header::CONTENT_TYPE, "application/json").body(body);
    }
    if let Some(seconds) = retry.wait {
        request = request.header("prefer", format!("wait={seconds}"));
    }
    api.answer_or_replay(request).await
}

/// Blanks, `[]`, `{}`, or a list of corrections that is empty or null.
fn holds_nothing(text: &[u8]) -> bool {
    let is_blank = text.iter().all(u8::is_ascii_whitespace);
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    is_blank
        || serde_json::from_slice::<Value>(text).is_ok_and(|value| match &value {
            Value::Object(members) => members.values().all(is_empty),
            other => is_empty(other),
        })
}

/// The body of the request: the file as it is, or a bare list made an object. What is in it is for the API to judge; it holds
/// passphrases, so nothing of it is ever repeated here.
fn read(file: &Path) -> Result<Bytes, Failure> {
    let shown = file.display();
    let bad = |e: std::io::Error| Failure::Unexpected(format!("{shown}: {e}"));
    if std::fs::metadata(file).map_err(bad)?.len() > FILE_BYTES_MAX {
        return Err(Failure::BadInput(format!("{shown}: more than 64 MiB")));
    }
    let text = std::fs::read(file).map_err(bad)?;
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    if holds_nothing(text) {
        // whatever was to write it has failed: the rows would be sent as they were
        return Err(Failure::BadInput(format!(
            "{shown}: there are no corrections in it; leave --corrections out to try the same rows again"
        )));
    }
    let is_list = text.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
    Ok(match is_list {
        true => [br#"{"corrections":"#.as_slice(), text, b"}"].concat().into(),
        false => text.to_vec().into(),
    })
}
