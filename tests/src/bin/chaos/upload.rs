//! An upload that is interrupted: the API is killed while it reads the body, or just after.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use testkit::harness::api::IMPORT;
use testkit::harness::metrics::Metrics;
use testkit::harness::{Fleet, wait_until};

use crate::import::Import;
use crate::schedule::Fault;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The API may be on its way to accept what has arrived whole.
const AFTER_ALL_MS: u64 = 60;

/// Sends a part of the import, or all of it, and kills the API without having read an answer. Tells how much was sent.
pub async fn interrupt(fleet: &mut Fleet, import: &Import, fault: &Fault) -> anyhow::Result<String> {
    let body = import.body()?;
    // a third arrives whole: then the job may be there, or not, but never a part of it
    let is_whole = fault.choose(1, 3) == 0;
    let sent = match is_whole {
        true => body.len(),
        false => 1 + fault.choose(2, body.len() - 1),
    };
    let address = fleet.api.base().trim_start_matches("http://").to_owned();
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nIdempotency-Key: {}\r\nContent-Length: {}\r\n\r\n",
        import.key(0),
        body.len()
    );
    let upload = async {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body[..sent]).await?;
        Ok::<_, std::io::Error>(stream)
    };
    // the API may just be starting, or read no more than it can pass on: then it is killed like that
    let stream = tokio::time::timeout(TIMEOUT, upload).await;
    let is_sent = matches!(stream, Ok(Ok(_)));
    if is_whole {
        let pause = fault.choose(3, AFTER_ALL_MS as usize) as u64;
        tokio::time::sleep(Duration::from_millis(pause)).await;
    } else if is_sent {
        let api = fleet.api.clone();
        let reading = wait_until("the API to read", TIMEOUT, async || {
            let metrics = Metrics::parse(&api.get_text("/metrics").await.ok()?.1);
            (metrics.get("phaseline_api_imports_reading") >= 1.0).then_some(())
        });
        // it shows no number while it is busy with Redis; it reads all the same
        let _ = reading.await;
    }
    fleet.kill_api();
    drop(stream);
    fleet.spawn_api()?;
    let all = body.len();
    let how = if is_sent { "" } else { ", which it did not take" };
    Ok(format!("{sent} of {all} bytes of import {}{how}", import.number))
}
