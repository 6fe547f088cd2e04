//! One call and what may come back.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use super::*;
use crate::r1::identity::NewIdentityGroup;
use crate::r1::passphrase::{Devices, Expiration, NewPassphrase};
use crate::remote::{CallError, NotSent};

fn new_passphrase() -> NewPassphrase {
    NewPassphrase {
        username: "u1".into(),
        passphrase: PASSPHRASE.into(),
        vlan_id: None,
        devices: Devices::Unlimited,
        expiration: Expiration::Never,
    }
}

async fn answered(act: impl Fn() -> Act + Send + Sync + 'static) -> (Result<crate::r1::Written, CallError>, Verdict) {
    let server = serve(move |_| act()).await;
    let gate = Recorder::default();
    let result = client(&server)
        .create_passphrase(gate.open(), "p", &new_passphrase())
        .await;
    assert_eq!(server.calls().len(), 1, "a write is sent once");
    (result, gate.verdicts()[0])
}

#[tokio::test]
async fn headers_are_pinned_and_the_msp_customer_is_named() {
    let server = serve(|_| Act::json(202, r#"{"requestId":"r"}"#)).await;
    let r1 = client_of(controller(&server.base(), "msp_tenant_id = \"ec-9\""));
    r1.create_identity_group(
        Permit::unlimited(),
        &NewIdentityGroup {
            name: "g".into(),
            description: None,
        },
    )
    .await
    .unwrap();
    r1.create_passphrase(Permit::unlimited(), "p", &new_passphrase())
        .await
        .unwrap();
    let calls = server.calls();
    let (group, passphrase) = (&calls[0], &calls[1]);
    assert_eq!(
        (group.method.as_str(), group.target.as_str()),
        ("POST", "/identityGroups")
    );
    assert_eq!(group.body, r#"{"name":"g"}"#);
    for header in ["accept", "content-type"] {
        assert_eq!(group.header(header), Some("application/vnd.ruckus.v1.1+json"));
        assert_eq!(passphrase.header(header), Some("application/vnd.ruckus.v2+json"));
    }
    assert_eq!(group.header("x-rks-tenantid"), Some("ec-9"));
    assert!(group.header("user-agent").unwrap().starts_with("phaseline-worker/"));
    assert_eq!(group.token(), "token-1");
}

#[tokio::test]
async fn a_base_address_with_a_path_keeps_it_and_ids_stay_one_segment() {
    let server = serve(|_| Act::json(200, r#"{"id":"v"}"#)).await;
    let mut with_path = (*controller(&server.base(), "")).clone();
    with_path.base_url = format!("{}/r1/", server.base()).parse().unwrap();
    let r1 = client_of(Arc::new(with_path));
    r1.venue(Permit::unlimited(), "a/../b?c#d").await.unwrap();
    assert_eq!(server.calls()[0].target, "/r1/venues/a%2F..%2Fb%3Fc%23d");
    for bad in ["", ".", "..", &"x".repeat(201)] {
        let error = r1.venue(Permit::unlimited(), bad).await.unwrap_err();
        assert_eq!((error.code().as_str(), error.is_transient()), ("BAD_ID", false));
    }
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = serve(|_| Act::json(200, r#"{"id":"v"}"#)).await;
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/venues/v", elsewhere.base());
        let server = serve(move |_| Act::json(status, "").with("Location", &target)).await;
        let error = client(&server).venue(Permit::unlimited(), "v").await.unwrap_err();
        assert!(
            matches!(&error, CallError::Rejected { status: s, .. } if *s == status),
            "{error:?}"
        );
        assert!(
            error.to_message().contains("127.0.0.1") && !error.is_transient(),
            "{error}"
        );
    }
    assert_eq!((elsewhere.logins(), elsewhere.calls().len()), (0, 0));
}

#[tokio::test]
async fn a_lost_or_cut_reply_leaves_a_write_in_doubt() {
    let cuts: [fn() -> Act; 4] = [
        || Act::Raw(Vec::new()),
        || Act::Raw(b"HTTP/1.1 202 Accepted\r\nContent-Ty".to_vec()),
        || {
            Act::Raw(
                b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"requestId\":"
                    .to_vec(),
            )
        },
        || {
            Act::Raw(b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{\"reques".to_vec())
        },
    ];
    for cut in cuts {
        let (result, verdict) = answered(cut).await;
        let error = result.unwrap_err();
        assert!(matches!(error, CallError::Ambiguous { write: true, .. }), "{error:?}");
        assert!(error.maybe_applied() && error.is_transient());
        assert_eq!(verdict, Verdict::NoReply);
    }
}

#[tokio::test]
async fn a_reply_that_does_not_come_in_time_leaves_a_write_in_doubt_and_a_read_merely_failed() {
    let server = serve(|_| Act::Hang).await;
    let settings = Settings {
        timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    let r1 = R1::new(controller(&server.base(), ""), settings).unwrap();
    let gate = Recorder::default();
    let write = r1
        .create_passphrase(gate.open(), "p", &new_passphrase())
        .await
        .unwrap_err();
    let read = r1.venue(gate.open(), "v").await.unwrap_err();
    assert!(
        write.maybe_applied() && !read.maybe_applied() && read.is_transient(),
        "{write:?} {read:?}"
    );
    assert_eq!(gate.verdicts(), [Verdict::NoReply; 2]);
}

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let server = serve(|_| Act::json(200, r#"{"id":"v"}"#)).await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let mut half = (*controller(&server.base(), "")).clone();
    half.base_url = format!("http://{closed}").parse().unwrap();
    let gate = Recorder::default();
    let error = client_of(Arc::new(half))
        .create_passphrase(gate.open(), "p", &new_passphrase())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CallError::NotSent(NotSent::Unreachable { .. })),
        "{error:?}"
    );
    assert!(!error.maybe_applied() && error.is_transient());
    assert_eq!(gate.verdicts(), [Verdict::Unreachable]);
}

#[tokio::test]
async fn names_that_lead_to_forbidden_addresses_are_not_called() {
    use reqwest::dns::Resolve;
    let r1 = client_of(controller("http://127.0.0.1:1", ""));
    drop(r1);
    // 0.0.0.0 by name: what a resolver may be made to answer.
    let found = crate::r1::http::PublicNames.resolve("0.0.0.0".parse().unwrap()).await;
    assert!(found.is_err());
    let found = crate::r1::http::PublicNames.resolve("127.0.0.1".parse().unwrap()).await;
    assert_eq!(found.ok().unwrap().count(), 1);
}

#[tokio::test]
async fn throttling_and_trouble_reach_the_gate_with_retry_after() {
    let wait = Some(Duration::from_secs(17));
    let (result, verdict) = answered(|| Act::json(429, "{}").with("Retry-After", "17")).await;
    assert_eq!(result.unwrap_err(), CallError::RateLimited { retry_after: wait });
    assert_eq!(verdict, Verdict::Throttled { retry_after: wait });

    let dated = || {
        Act::html(503)
            .with("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .with("Retry-After", "Sun, 06 Nov 1994 08:49:54 GMT")
    };
    let (result, verdict) = answered(dated).await;
    let error = result.unwrap_err();
    assert!(
        matches!(&error, CallError::ServerError { status: 503, write: true, detail, .. } if detail.contains("upstream")),
        "{error:?}"
    );
    assert_eq!(
        (error.retry_after(), verdict),
        (wait, Verdict::ServerError { retry_after: wait }),
        "measured by the server's own clock"
    );
    assert!(error.maybe_applied());
}

#[tokio::test]
async fn an_absurd_retry_after_overflows_nothing() {
    let wait = Some(Duration::from_secs(300));
    for status in [429, 503] {
        let act = move || Act::json(status, "{}").with("Retry-After", "18446744073709551615");
        let (result, verdict) = answered(act).await;
        assert_eq!(result.unwrap_err().retry_after(), wait);
        assert!(
            matches!(verdict, Verdict::Throttled { retry_after } | Verdict::ServerError { retry_after } if retry_after == wait),
            "{verdict:?}"
        );
        // the login, whose failure is remembered until a point of time
        let server = Server::start(move |_| act()).await;
        let error = client(&server).venue(Permit::unlimited(), "v").await.unwrap_err();
        assert_eq!(error.retry_after(), wait);
    }
}

/// What stands between permit and request is a login: whoever was frozen in it wakes with the lease gone.
#[tokio::test]
async fn nothing_leaves_after_the_lease_has_ended_during_the_login() {
    let ours = Arc::new(AtomicBool::new(true));
    let lapse = ours.clone();
    let server = Server::start(move |seen| {
        assert!(seen.is_login());
        lapse.store(false, SeqCst);
        Act::json(200, r#"{"access_token":"t","expires_in":7199}"#)
    })
    .await;
    let gate = Recorder::default();
    let asked = ours.clone();
    let permit = gate.open().while_true(move || asked.load(SeqCst));
    let error = client(&server)
        .create_passphrase(permit, "p", &new_passphrase())
        .await
        .unwrap_err();
    assert_eq!(error, CallError::NotSent(NotSent::Closed(GateClosed::LeaseLost)));
    assert_eq!((server.logins(), server.calls().len()), (1, 0));
    assert_eq!(gate.verdicts(), [Verdict::Unused]);
}

#[tokio::test]
async fn nothing_is_repeated_after_the_lease_has_ended_during_the_second_login() {
    let ours = Arc::new(AtomicBool::new(true));
    let (lapse, logins) = (ours.clone(), AtomicU32::new(0));
    let server = Server::start(move |seen| match seen.is_login() {
        true => {
            if logins.fetch_add(1, SeqCst) == 1 {
                lapse.store(false, SeqCst);
            }
            Act::json(200, r#"{"access_token":"t","expires_in":7199}"#)
        }
        false => Act::json(401, "{}"),
    })
    .await;
    let gate = Recorder::default();
    let asked = ours.clone();
    let permit = gate.open().while_true(move || asked.load(SeqCst));
    let error = client(&server)
        .create_passphrase(permit, "p", &new_passphrase())
        .await
        .unwrap_err();
    assert_eq!(error, CallError::NotSent(NotSent::Closed(GateClosed::LeaseLost)));
    assert_eq!((server.logins(), server.calls().len()), (2, 1));
    // the first request did use the permit
    assert_eq!(gate.verdicts(), [Verdict::Answered]);
}

#[tokio::test]
async fn a_cut_refusal_is_judged_by_its_status() {
    let cut = || Act::Raw(b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 99\r\n\r\n{".to_vec());
    let (result, _) = answered(cut).await;
    assert_eq!(
        result.unwrap_err(),
        CallError::RateLimited {
            retry_after: Some(Duration::from_secs(3))
        }
    );
}

#[tokio::test]
async fn success_that_is_not_json_is_malformed() {
    let large = || format!(r#"{{"requestId":"r"{}}}"#, " ".repeat(200_000));
    let acts: [Box<dyn Fn() -> Act + Send + Sync>; 5] = [
        Box::new(|| Act::html(200)),
        Box::new(|| Act::json(200, "{\"broken")),
        Box::new(|| Act::json(202, "{}")),
        Box::new(|| Act::typed(202, "text/html", r#"{"requestId":"r"}"#)),
        Box::new(move || Act::json(202, &large())),
    ];
    for act in acts {
        let (result, verdict) = answered(act).await;
        let error = result.unwrap_err();
        assert!(matches!(error, CallError::Malformed { write: true, .. }), "{error:?}");
        assert!(error.maybe_applied());
        assert_eq!(verdict, Verdict::Answered);
    }
}

#[tokio::test]
async fn json_under_text_plain_is_read() {
    let server = serve(|_| Act::typed(200, "text/plain;charset=UTF-8", r#"{"id":"v","name":"Lobby"}"#)).await;
    assert_eq!(
        client(&server).venue(Permit::unlimited(), "v").await.unwrap().name,
        "Lobby"
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_in_flight_is_not_given_back_to_the_budget() {
    let server = serve(|_| Act::Hang).await;
    let (r1, gate) = (client(&server), Recorder::default());
    let call = tokio::spawn({
        let permit = gate.open();
        async move { r1.venue(permit, "v").await }
    });
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while server.calls().is_empty() {
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(gate.verdicts(), [Verdict::NoReply]);
}

#[tokio::test]
async fn no_error_and_no_debug_output_holds_a_secret() {
    let json = serde_json::to_string(PASSPHRASE).unwrap();
    let twice = serde_json::to_string(&json).unwrap();
    let echo = format!(
        r#"{{"code":"X-1","message":"request {{\"passphrase\":{twice}}} by token-1 is bad","errors":[{{"message":{json}}}]}}"#
    );
    let html = format!("<html>{json} and {PASSPHRASE}</html>");
    for status in [
        200, 202, 301, 400, 401, 403, 404, 408, 409, 418, 422, 423, 500, 501, 503,
    ] {
        for (kind, body) in [
            ("application/json", echo.clone()),
            ("text/html", html.clone()),
            ("application/json", json.clone() + "x"),
        ] {
            let server = serve(move |_| Act::typed(status, kind, &body)).await;
            let r1 = client(&server);
            let Err(error) = r1.create_passphrase(Permit::unlimited(), "p", &new_passphrase()).await else {
                continue;
            };
            for shown in [
                format!("{error:?}"),
                format!("{error:#?}"),
                error.to_string(),
                error.code(),
            ] {
                assert!(
                    !shown.contains("Geheim") && !shown.contains(CLIENT_SECRET),
                    "{status}: {shown}"
                );
            }
        }
    }
    let shown = format!("{:?} {:?}", new_passphrase(), controller("http://127.0.0.1:1", ""));
    assert!(!shown.contains("Geheim") && !shown.contains(CLIENT_SECRET));
}

#[tokio::test]
async fn a_row_of_the_wrong_type_does_not_show_its_value() {
    let server = serve(|_| {
        Act::json(
            200,
            r#"{"totalCount":1,"data":[{"id":"p","vlanId":"Geheim99","passphrase":["Geheim99"]}]}"#,
        )
    })
    .await;
    let error = client(&server)
        .sweep_passphrases("p")
        .collect(&Recorder::default())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Malformed { write: false, .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("Geheim"));
}
