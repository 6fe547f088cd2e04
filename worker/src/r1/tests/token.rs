//! Logging in: once for many, again when the session dies, and not too often when it can't work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::*;
use crate::remote::{CallError, NotSent};

const VENUE: &str = r#"{"id":"v","name":"V"}"#;
const EXPIRED: &str = r#"{"code":"RCG-10003","message":"Please re-login, the session has expired."}"#;

#[tokio::test]
async fn fifty_callers_share_one_login() {
    let told = Arc::new(Notify::new());
    let hold = told.clone();
    let server = Server::start(move |seen| match seen.is_login() {
        true => Act::After(
            hold.clone(),
            Box::new(Act::json(200, r#"{"access_token":"t","expires_in":"7199"}"#)),
        ),
        false => Act::json(200, VENUE),
    })
    .await;
    let r1 = client(&server);
    let calls: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let r1 = r1.clone();
                async move { r1.venue(Permit::unlimited(), "v").await }
            })
        })
        .collect();
    // Single-threaded runtime: after this every task has run until it waits for the login.
    tokio::task::yield_now().await;
    told.notify_one();
    for call in join_all(calls).await {
        assert_eq!(call.unwrap().unwrap().name, "V");
    }
    assert_eq!((server.logins(), server.calls().len()), (1, 50));
}

#[tokio::test]
async fn the_login_is_a_form_with_the_client_credentials() {
    let forms = Arc::new(Mutex::new(Vec::new()));
    let kept = forms.clone();
    let server = Server::start(move |seen| match seen.is_login() {
        true => {
            kept.lock().unwrap().push((
                seen.target.clone(),
                seen.header("content-type").unwrap().to_owned(),
                seen.body.clone(),
            ));
            Act::json(200, r#"{"access_token":"abc"}"#)
        }
        false => Act::json(200, VENUE),
    })
    .await;
    client(&server).venue(Permit::unlimited(), "v").await.unwrap();
    let body = format!("grant_type=client_credentials&client_id=client-1&client_secret={CLIENT_SECRET}");
    assert_eq!(
        *forms.lock().unwrap(),
        [(
            "/oauth2/token/t1".into(),
            "application/x-www-form-urlencoded".into(),
            body
        )]
    );
    assert_eq!(server.calls()[0].token(), "abc");
}

#[tokio::test]
async fn a_session_that_dies_early_costs_one_login_for_all_callers() {
    // Fifty calls are held until all have arrived with the first token; then the session dies under all of them.
    let (arrived, told) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let (count, hold) = (arrived.clone(), told.clone());
    let server = serve(move |seen| match (seen.target.as_str(), seen.token()) {
        ("/venues/first", _) | (_, "token-2") => Act::json(200, VENUE),
        (_, "token-1") => {
            if count.fetch_add(1, SeqCst) == 49 {
                hold.notify_waiters();
            }
            match count.load(SeqCst) {
                50 => Act::json(401, EXPIRED),
                _ => Act::After(hold.clone(), Box::new(Act::json(401, EXPIRED))),
            }
        }
        (_, other) => panic!("{other}"),
    })
    .await;
    let r1 = client(&server);
    r1.venue(Permit::unlimited(), "first").await.unwrap();
    let gate = Recorder::default();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let (r1, permit) = (r1.clone(), gate.open());
                async move { r1.venue(permit, "v").await }
            })
        })
        .collect();
    for call in join_all(calls).await {
        call.unwrap().unwrap();
    }
    assert_eq!(
        (arrived.load(SeqCst), server.logins(), server.calls().len()),
        (50, 2, 101)
    );
    assert_eq!(gate.verdicts(), [Verdict::Answered; 50]);
}

#[tokio::test]
async fn a_late_401_of_the_old_session_does_not_end_the_new_one() {
    let told = Arc::new(Notify::new());
    let hold = told.clone();
    let server = serve(move |seen| match (seen.target.as_str(), seen.token()) {
        ("/venues/slow", "token-1") => Act::After(hold.clone(), Box::new(Act::json(401, EXPIRED))),
        (_, "token-1") => Act::json(401, EXPIRED),
        _ => Act::json(200, VENUE),
    })
    .await;
    let r1 = client(&server);
    let slow = tokio::spawn({
        let r1 = r1.clone();
        async move { r1.venue(Permit::unlimited(), "slow").await }
    });
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while server.calls().is_empty() {
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    r1.venue(Permit::unlimited(), "quick").await.unwrap();
    told.notify_one();
    slow.await.unwrap().unwrap();
    assert_eq!((server.logins(), server.calls().len()), (2, 4));
}

#[tokio::test]
async fn a_401_stands_after_one_new_login_and_does_not_cause_more() {
    let server = serve(|_| Act::json(401, EXPIRED)).await;
    let r1 = client(&server);
    let error = r1.venue(Permit::unlimited(), "v").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Auth { status: 401, code: Some(c), .. } if c == "RCG-10003"),
        "{error:?}"
    );
    assert_eq!((server.logins(), server.calls().len()), (2, 2));
    r1.venue(Permit::unlimited(), "v").await.unwrap_err();
    assert_eq!(
        (server.logins(), server.calls().len()),
        (2, 3),
        "a token that never worked is not replaced again and again"
    );
}

#[tokio::test]
async fn sessions_may_die_one_after_the_other() {
    let calls = AtomicU32::new(0);
    let server = serve(move |_| match calls.fetch_add(1, SeqCst) {
        1 | 3 | 5 => Act::json(401, EXPIRED),
        _ => Act::json(200, VENUE),
    })
    .await;
    let r1 = client(&server);
    for _ in 0..4 {
        r1.venue(Permit::unlimited(), "v").await.unwrap();
    }
    assert_eq!(server.logins(), 4);
}

#[tokio::test]
async fn refused_credentials_are_remembered_for_a_while() {
    let server = Server::start(|_| {
        Act::json(
            401,
            r#"{"error":"invalid_client","error_description":"Bad client credentials"}"#,
        )
    })
    .await;
    let r1 = client(&server);
    let gate = Recorder::default();
    for _ in 0..10 {
        let error = r1.venue(gate.open(), "v").await.unwrap_err();
        assert!(
            matches!(&error, CallError::Auth { status: 401, code: Some(c), .. } if c == "invalid_client"),
            "{error:?}"
        );
        assert!(!format!("{error:?} {error}").contains(CLIENT_SECRET));
    }
    assert_eq!((server.logins(), server.calls().len()), (1, 0));
    assert_eq!(gate.verdicts(), [Verdict::Unused; 10], "no call was made");
}

#[tokio::test]
async fn html_with_status_200_is_a_refusal_and_no_token() {
    for (kind, body) in [
        ("text/html", "<html>error</html>"),
        ("application/json", "{}"),
        ("application/json", "<html>"),
        ("text/html", r#"{"access_token":"x"}"#),
        ("text/plain", ""),
    ] {
        let server = Server::start(move |_| Act::typed(200, kind, body)).await;
        let error = client(&server).venue(Permit::unlimited(), "v").await.unwrap_err();
        assert!(
            matches!(&error, CallError::Auth { code: Some(c), .. } if c == "NOT_A_TOKEN"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_is_no_matter_of_credentials() {
    for (act, retry_after) in [
        ((|| Act::html(503)) as fn() -> Act, None),
        (
            || Act::json(429, "{}").with("Retry-After", "7"),
            Some(Duration::from_secs(7)),
        ),
        (
            || Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{".to_vec()),
            None,
        ),
        (|| Act::Raw(Vec::new()), None),
    ] {
        let server = Server::start(move |_| act()).await;
        let error = client(&server).venue(Permit::unlimited(), "v").await.unwrap_err();
        assert!(matches!(&error, CallError::NotSent(NotSent::Login { .. })), "{error:?}");
        assert!(error.is_transient() && !error.maybe_applied());
        assert_eq!(error.retry_after(), retry_after);
    }
}

#[tokio::test]
async fn a_redirect_of_the_login_is_not_followed() {
    let elsewhere = Server::start(|_| Act::json(200, r#"{"access_token":"x"}"#)).await;
    let target = format!("{}/steal?client_secret={CLIENT_SECRET}", elsewhere.base());
    let server = Server::start(move |_| Act::json(307, "").with("Location", &target)).await;
    let error = client(&server).venue(Permit::unlimited(), "v").await.unwrap_err();
    assert!(matches!(error, CallError::Auth { status: 307, .. }), "{error:?}");
    assert!(!format!("{error:?}").contains(CLIENT_SECRET));
    assert_eq!((elsewhere.logins(), elsewhere.calls().len()), (0, 0));
}

#[tokio::test]
async fn a_short_lived_token_is_renewed_before_it_ends() {
    let issued = AtomicU32::new(0);
    let server = Server::start(move |seen| match seen.is_login() {
        // One second of life is renewed after nine tenths of it.
        true => Act::json(
            200,
            &format!(
                r#"{{"access_token":"t{}","expires_in":1}}"#,
                issued.fetch_add(1, SeqCst)
            ),
        ),
        false => Act::json(200, VENUE),
    })
    .await;
    let r1 = client(&server);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while server.logins() < 2 {
        r1.venue(Permit::unlimited(), "v").await.unwrap();
        assert!(std::time::Instant::now() < deadline, "never renewed");
    }
    let calls = server.calls();
    assert_eq!((calls[0].token(), calls.last().unwrap().token()), ("t0", "t1"));
}
