//! Lists of several pages.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use serde_json::{Value, json};

use super::*;
use crate::r1::find::Sought;
use crate::remote::CallError;

fn sought(name: &str) -> Sought<'_> {
    Sought { name, written: false }
}

/// Passphrases `from..to` of a list of `total`.
fn rows(from: u64, to: u64, total: u64) -> Act {
    let data: Vec<Value> = (from..to.min(total))
        .map(|i| json!({"id": format!("p{i}"), "username": format!("u{i}"), "passphrase": "x".repeat(9)}))
        .collect();
    Act::json(200, &json!({"totalCount": total, "page": 0, "data": data}).to_string())
}

#[tokio::test]
async fn a_page_that_fails_is_asked_for_again_and_no_row_is_lost() {
    let tries = AtomicU32::new(0);
    let server = serve(move |seen| match seen.page() {
        // five times in a row it is given up: who asked for the list asks again, and nothing begins anew
        2 if tries.fetch_add(1, SeqCst) < 6 => Act::html(503),
        page => rows(page * 500, page * 500 + 500, 1700),
    })
    .await;
    let (gate, mut sweep) = (Recorder::default(), client(&server).sweep_passphrases("pool"));
    let (mut found, mut errors) = (Vec::new(), 0);
    while let Err(error) = sweep.visit(&gate, |row| found.push(row.id)).await {
        assert!(
            matches!(
                error,
                CallError::ServerError {
                    status: 503,
                    write: false,
                    ..
                }
            ),
            "{error:?}"
        );
        errors += 1;
        assert!(errors < 5);
    }
    let pages: Vec<u64> = server.calls().iter().map(Seen::page).collect();
    assert_eq!(
        (errors, found.len(), pages),
        (1, 1700, vec![0, 1, 2, 2, 2, 2, 2, 2, 2, 3])
    );
    assert_eq!((sweep.seen(), sweep.missing()), (1700, 0));
    let trouble = Verdict::ServerError { retry_after: None };
    let answered = [Verdict::Answered; 2];
    assert_eq!(gate.verdicts(), [&answered[..], &[trouble; 6], &answered].concat());
    let call = &server.calls()[0];
    assert_eq!(
        (call.target.as_str(), call.json()),
        (
            "/dpskServices/pool/passphrases/query",
            json!({"page": 0, "pageSize": 500})
        )
    );
}

#[tokio::test]
async fn a_server_that_counts_from_one_or_refuses_zero_is_read_whole() {
    for refuses in [false, true] {
        let server = serve(move |seen| match seen.page() {
            0 if refuses => Act::json(400, r#"{"message":"page must be at least 1"}"#),
            page => rows(page.saturating_sub(1) * 500, page.max(1) * 500, 1200),
        })
        .await;
        let found = client(&server)
            .sweep_passphrases("pool")
            .collect(&Recorder::default())
            .await
            .unwrap();
        assert_eq!(found.len(), 1200);
    }
}

#[tokio::test]
async fn silent_caps_and_false_totals_are_seen_through() {
    let capped = serve(|seen| rows(seen.page() * 200, seen.page() * 200 + 200, 900)).await;
    assert_eq!(
        client(&capped)
            .sweep_passphrases("p")
            .collect(&Recorder::default())
            .await
            .unwrap()
            .len(),
        900
    );

    let too_high = serve(|seen| {
        let data: Vec<Value> = (seen.page() * 500..(seen.page() * 500 + 500).min(700))
            .map(|i| json!({"id": format!("p{i}")}))
            .collect();
        Act::json(200, &json!({"totalCount": 705, "data": data}).to_string())
    })
    .await;
    let mut sweep = client(&too_high).sweep_passphrases("p");
    let mut count = 0;
    sweep.visit(&Recorder::default(), |_| count += 1).await.unwrap();
    assert_eq!((count, sweep.missing()), (700, 5));
}

#[tokio::test]
async fn identity_groups_are_found_by_exact_name_over_pages_from_zero() {
    let server = serve(|seen| {
        let page = seen.page();
        let names = if page == 0 {
            ["Guest", "guests"]
        } else {
            ["Guests 2", "Guests"]
        };
        let content: Vec<Value> = names
            .iter()
            .map(|n| json!({"id": format!("id-{n}"), "name": n}))
            .collect();
        Act::json(
            200,
            &json!({"content": content, "totalElements": 4, "last": page == 1, "number": page}).to_string(),
        )
    })
    .await;
    let (r1, gate) = (client(&server), Recorder::default());
    assert_eq!(
        r1.find_identity_group(&gate, "Guests").await.unwrap().unwrap().id,
        "id-Guests"
    );
    assert_eq!(r1.find_identity_group(&gate, "GUESTS").await.unwrap(), None);
    let first = &server.calls()[0];
    assert_eq!(
        (first.method.as_str(), first.target.as_str(), first.json()),
        (
            "POST",
            "/identityGroups/query?page=0&size=500&sort=name%2Casc",
            json!({"keyword": "Guests"})
        )
    );
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn identities_come_as_page_or_as_bare_array() {
    let paged = serve(|seen| {
        let from = seen.page() * 500;
        let content: Vec<Value> = (from..(from + 500).min(600))
            .map(|i| json!({"id": format!("i{i}"), "name": "n"}))
            .collect();
        Act::json(
            200,
            &json!({"content": content, "totalElements": 600, "last": from > 0}).to_string(),
        )
    })
    .await;
    assert_eq!(
        client(&paged)
            .sweep_identities("g")
            .collect(&Recorder::default())
            .await
            .unwrap()
            .len(),
        600
    );
    let bare = serve(|_| {
        Act::json(
            200,
            r#"[{"id":"a","name":"x","dpskPassphrase":"geheim12"},{"id":"b","name":"y"}]"#,
        )
    })
    .await;
    let found = client(&bare)
        .sweep_identities("g")
        .collect(&Recorder::default())
        .await
        .unwrap();
    assert_eq!((found.len(), bare.calls().len()), (2, 1));
    assert!(!format!("{found:?}").contains("geheim"));
}

#[tokio::test]
async fn user_names_are_asked_for_in_chunks_and_compared_exactly() {
    let server = serve(|seen| {
        let names = seen.json()["filters"]["username"].as_array().unwrap().clone();
        assert!(names.len() <= 100);
        // A filter that matches parts of names, as some do.
        let data: Vec<Value> = names
            .iter()
            .flat_map(|n| {
                let n = n.as_str().unwrap().to_owned();
                [
                    json!({"id": format!("id-{n}"), "username": n}),
                    json!({"id": format!("other-{n}"), "username": format!("{n}-x")}),
                ]
            })
            .collect();
        Act::json(200, &json!({"totalCount": data.len(), "data": data}).to_string())
    })
    .await;
    let names: Vec<String> = (0..120).map(|i| format!("u{i}")).collect();
    let names: Vec<Sought> = names.iter().map(|name| sought(name)).collect();
    let found = client(&server)
        .find_passphrases(&Recorder::default(), "p", &names)
        .await
        .unwrap();
    assert_eq!((found.len(), server.calls().len()), (120, 2));
    assert!(found.iter().all(|p| p.id.starts_with("id-u")));
}

/// A pool of 1,200 keys whose query, asked for user names, answers `by_name` of those that are there.
async fn looked_up(by_name: impl Fn(&[&str]) -> bool + Send + Sync + 'static) -> (usize, usize) {
    looked_up_of(&["u1100", "gone-1"], by_name).await
}

async fn looked_up_of(wanted: &[&str], by_name: impl Fn(&[&str]) -> bool + Send + Sync + 'static) -> (usize, usize) {
    let server = serve(move |seen| {
        let body = seen.json();
        let Some(names) = body["filters"]["username"].as_array() else {
            let page = seen.page().saturating_sub(1);
            return rows(page * 500, page * 500 + 500, 1200);
        };
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        let there = names.iter().filter(|name| by_name(&names) && !name.starts_with("gone"));
        let data: Vec<Value> = there
            .map(|name| json!({"id": name.replace('u', "p"), "username": name}))
            .collect();
        Act::json(200, &json!({"totalCount": data.len(), "data": data}).to_string())
    })
    .await;
    let wanted: Vec<Sought> = wanted.iter().map(|name| sought(name)).collect();
    let found = client(&server)
        .find_passphrases(&Recorder::default(), "p", &wanted)
        .await
        .unwrap();
    let named = |name: &str| found.iter().filter(|row| row.username.as_deref() == Some(name)).count();
    assert_eq!(named("gone-1"), 0);
    (named("u1100"), server.calls().len())
}

#[tokio::test]
async fn nothing_is_believed_of_a_filter_that_does_not_find_what_is_known_to_be_there() {
    // one name is not there: the newest keys, and a query that names one of them
    assert_eq!(looked_up(|_| true).await, (1, 3));
    // an answer with nothing, once: the witness brings the others with it
    assert_eq!(looked_up(|names| names.len() > 2).await, (1, 3));
    // never anything: the whole pool
    let (found, calls) = looked_up(|_| false).await;
    assert!(found == 1 && calls >= 5, "{found} found with {calls} calls");
    // one of two queries is understood: it vouches for itself only
    let gone: Vec<String> = (0..120).map(|i| format!("gone-{i}")).collect();
    let wanted: Vec<&str> = gone.iter().map(String::as_str).chain(["u1100"]).collect();
    assert_eq!(looked_up_of(&wanted, |names| names.len() == 100).await.0, 1);
}

#[tokio::test]
async fn pools_are_listed_with_no_field_the_query_does_not_know() {
    let server = serve(|_| {
        Act::json(
            200,
            r#"{"totalCount":1,"page":1,"data":[{"id":"p1","name":"Guests","passphraseFormat":"SOMETHING_NEW","passphraseLength":8,
                "deviceCountLimit":null,"identityGroupId":"g1","isReferenced":true}]}"#,
        )
    })
    .await;
    let r1 = client(&server);
    let pools = r1.list_pools(None).collect(&Recorder::default()).await.unwrap();
    assert_eq!(
        (pools[0].identity_group_id.as_deref(), pools[0].body.name.as_str()),
        (Some("g1"), "Guests")
    );
    r1.list_pools(Some("Guests"))
        .collect(&Recorder::default())
        .await
        .unwrap();
    let bodies: Vec<Value> = server.calls().iter().map(Seen::json).collect();
    assert_eq!(
        bodies,
        [
            json!({"page": 0, "pageSize": 500}),
            json!({"page": 0, "pageSize": 500, "searchString": "Guests", "searchTargetFields": ["name"]})
        ]
    );
    r1.update_pool(Permit::unlimited(), "p1", &pools[0].body).await.ok();
    assert_eq!(
        server.calls()[2].json()["passphraseFormat"],
        "SOMETHING_NEW",
        "what we do not know is written back as it was"
    );
}

#[tokio::test]
async fn a_closed_gate_stops_a_sweep_before_the_call() {
    struct Closed;
    #[async_trait]
    impl Gate for Closed {
        async fn permit(&self) -> Result<Permit, GateClosed> {
            Err(GateClosed::LeaseLost)
        }
    }
    let server = serve(|_| rows(0, 1, 1)).await;
    let error = client(&server)
        .sweep_passphrases("p")
        .collect(&Closed)
        .await
        .unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.is_transient(), server.calls().len()),
        ("LEASE_LOST", false, 0)
    );
}
