//! Callers who send slowly, or never: no route waits for them longer than its limits say.

mod common;

use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::web::Bytes;
use api::auth::Verifier;
use api::body::BodyLimits;
use api::limits::Body;
use api::routes;
use api::server::{Parts, app, serve};
use common::{SECRET, settings, token};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use shared::store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JOB: &str = "0197a1b2-0000-7000-8000-000000000000";
/// More than any limit of a head or a small body.
const PATIENCE: Duration = Duration::from_secs(60);

/// It believes its store is there, so that nothing is refused for want of one before a body is read.
fn parts() -> Parts {
    let settings = settings(1);
    let store = Store::open(&settings.redis, &settings.engine).unwrap();
    let limits = BodyLimits {
        idle: Duration::from_millis(200),
        ..BodyLimits::EXPORT
    };
    let parts = common::parts(&settings, store, Verifier::tokens(Some(SECRET), None).unwrap(), limits);
    parts.state.set_prepared();
    parts
}

#[actix_web::test]
async fn every_route_that_takes_a_body_gives_up_on_one_that_stops() {
    let app = init_service(app(parts())).await;
    let user = token(Some("acme"), &["user"]);
    let takers: Vec<_> = routes::all()
        .into_iter()
        .filter(|e| e.limits.body != Body::None)
        .collect();
    assert!(takers.len() >= 4);
    let sent = takers.iter().map(|endpoint| {
        let begun = stream::iter([Ok::<_, PayloadError>(Bytes::from_static(b"{\"reason\""))]);
        let payload = begun.chain(stream::pending()).boxed_local();
        let request = TestRequest::default()
            .method(endpoint.method.clone())
            .uri(
                &endpoint
                    .path
                    .replace("{id}", JOB)
                    .replace("{name}", "cloudpath_dpsk_import"),
            )
            .insert_header(("authorization", format!("Bearer {user}")))
            .insert_header(("content-type", "application/json"))
            .to_request();
        let request = request.replace_payload(Payload::Stream { payload }).0;
        async {
            let answer = tokio::time::timeout(PATIENCE, call_service(&app, request)).await;
            let answer = answer.unwrap_or_else(|_| panic!("{} waits for ever", endpoint.path));
            assert_eq!(answer.status(), 408, "{}", endpoint.path);
            let problem: Value = read_body_json(answer).await;
            assert_eq!(problem["type"], "urn:phaseline:problem:timeout", "{}", endpoint.path);
        }
    });
    join_all(sent).await;
}

#[actix_web::test]
async fn a_route_without_a_token_is_refused_before_its_body_is_waited_for() {
    let app = init_service(app(parts())).await;
    for endpoint in routes::all().into_iter().filter(|e| e.method == Method::POST) {
        let payload = stream::pending::<Result<Bytes, PayloadError>>().boxed_local();
        let request = TestRequest::post()
            .uri(&endpoint.path.replace("{id}", JOB))
            .to_request();
        let request = request.replace_payload(Payload::Stream { payload }).0;
        let began = Instant::now();
        assert_eq!(call_service(&app, request).await.status(), 401, "{}", endpoint.path);
        assert!(began.elapsed() < BodyLimits::SMALL.idle, "{}", endpoint.path);
    }
}

/// Sends `head`, then `drip` again and again, until the server ends the connection; what it said.
async fn said(port: u16, head: String, drip: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let drops = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if writer.write_all(drip.as_bytes()).await.is_err() {
                return std::future::pending::<()>().await;
            }
        }
    };
    let mut text = Vec::new();
    let all = async {
        // a reset after the answer is an end as well
        let _ = reader.read_to_end(&mut text).await;
    };
    tokio::select! {
        () = all => {}
        () = drops => {}
        () = tokio::time::sleep(PATIENCE) => panic!("still connected after: {head}"),
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[actix_web::test]
async fn slow_heads_and_trickling_bodies_are_cut_off() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = serve(listener, parts()).unwrap();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);

    let bearer = format!("authorization: Bearer {}\r\n", token(Some("acme"), &["user"]));
    let pause =
        format!("POST /api/v1/jobs/{JOB}/pause HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{bearer}");
    let list = "GET /healthz HTTP/1.1\r\nhost: x\r\n";
    let slow_head = said(port, list.to_owned(), "x-a: b\r\n");
    let small = said(port, format!("{pause}content-length: 5000\r\n\r\n"), " ");
    let chunked = said(port, format!("{pause}transfer-encoding: chunked\r\n\r\n"), "1\r\n \r\n");
    let unread = said(port, format!("{list}content-length: 5000\r\n\r\n"), " ");
    let refused = pause.replace("Bearer ", "Bearer x");
    let refused = said(
        port,
        format!("{refused}transfer-encoding: chunked\r\n\r\n"),
        "1\r\n \r\n",
    );
    let nowhere = list.replace("healthz", "nowhere");
    let nowhere = said(
        port,
        format!("{nowhere}transfer-encoding: chunked\r\n\r\n"),
        "1\r\n \r\n",
    );
    let unread_chunks = said(port, format!("{list}transfer-encoding: chunked\r\n\r\n"), "1\r\n \r\n");
    let (slow_head, small, chunked, unread, unread_chunks, refused, nowhere) =
        tokio::join!(slow_head, small, chunked, unread, unread_chunks, refused, nowhere);
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    assert!(nowhere.starts_with("HTTP/1.1 404"), "{nowhere}");
    assert!(
        slow_head.is_empty() || slow_head.starts_with("HTTP/1.1 408"),
        "{slow_head}"
    );
    for text in [small, chunked] {
        assert!(
            text.starts_with("HTTP/1.1 408") && text.contains("urn:phaseline:problem:timeout"),
            "{text}"
        );
    }
    for text in [unread, unread_chunks] {
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
    handle.stop(false).await;
    let _ = running.await;
}
