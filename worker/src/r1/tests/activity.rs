//! Polling for many ids at once.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::r1::activity::{ActivityState, Awaited};
use crate::remote::CallError;

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn awaited(ids: impl IntoIterator<Item = usize>) -> Vec<Awaited> {
    ids.into_iter()
        .map(|i| Awaited {
            request_id: format!("r{i}"),
            since: now() - SignedDuration::from_secs(60),
        })
        .collect()
}

fn row(i: usize) -> Value {
    json!({"requestId": format!("r{i}"), "status": "SUCCESS", "entityIds": [format!("e{i}")]})
}

/// Answers window queries over `r0..r{total}`, newest (0) first, and queries by id when `knows_ids`.
fn activities(seen: &Seen, total: usize, knows_ids: bool) -> Act {
    let body = seen.json();
    if let Some(ids) = body["filters"]["id"].as_array() {
        let data: Vec<Value> = (0..total)
            .filter(|i| knows_ids && ids.contains(&json!(format!("r{i}"))))
            .map(row)
            .collect();
        return Act::json(200, &json!({"totalCount": data.len(), "data": data}).to_string());
    }
    let from = (seen.page() as usize - 1) * 500;
    let data: Vec<Value> = (from..(from + 500).min(total)).map(row).collect();
    Act::json(
        200,
        &json!({"totalCount": total, "page": seen.page(), "data": data}).to_string(),
    )
}

#[tokio::test]
async fn one_call_for_all_when_the_newest_page_has_them() {
    let server = serve(|seen| activities(seen, 1500, true)).await;
    let polled = client(&server)
        .poll(&Recorder::default(), &awaited(0..100), now())
        .await;
    assert_eq!((polled.states.len(), polled.calls, polled.stopped_by), (100, 1, None));
    assert_eq!(
        polled.states["r7"],
        ActivityState::Success {
            entity_ids: vec!["e7".into()]
        }
    );
    let body = server.calls()[0].json();
    assert_eq!(
        body,
        json!({"filters": {"fromTime": "2026-11-22T09:57:00Z", "toTime": "2026-11-22T10:02:00Z"}, "sortField": "startDatetime",
               "sortOrder": "DESC", "page": 1, "pageSize": 500})
    );
}

#[tokio::test]
async fn activities_beyond_the_first_page_are_found() {
    let server = serve(|seen| activities(seen, 1500, true)).await;
    let polled = client(&server)
        .poll(&Recorder::default(), &awaited([3, 700, 1400]), now())
        .await;
    assert_eq!((polled.states.len(), polled.calls), (3, 3));
}

#[tokio::test]
async fn an_id_without_an_activity_is_pending_and_the_window_ends() {
    let server = serve(|seen| activities(seen, 700, true)).await;
    let polled = client(&server)
        .poll(&Recorder::default(), &awaited([1, 9999]), now())
        .await;
    assert_eq!((polled.states.len(), polled.calls, polled.stopped_by), (1, 2, None));
    let none = client(&server).poll(&Recorder::default(), &[], now()).await;
    assert_eq!((none.states.len(), none.calls), (0, 0));
}

#[tokio::test]
async fn stragglers_are_asked_for_by_id_after_three_pages() {
    let server = serve(|seen| activities(seen, 20_000, true)).await;
    let polled = client(&server)
        .poll(&Recorder::default(), &awaited([3, 15_000, 19_000]), now())
        .await;
    assert_eq!((polled.states.len(), polled.calls), (3, 4), "instead of 39 pages");
}

#[tokio::test]
async fn a_controller_that_does_not_know_the_filter_by_id_is_read_page_by_page() {
    let server = serve(|seen| activities(seen, 5_000, false)).await;
    let r1 = client(&server);
    let polled = r1.poll(&Recorder::default(), &awaited([3, 4_900]), now()).await;
    assert_eq!((polled.states.len(), polled.calls), (2, 11));
    let polled = r1.poll(&Recorder::default(), &awaited([3, 4_900]), now()).await;
    assert_eq!((polled.states.len(), polled.calls), (2, 10), "found out once");
}

#[tokio::test]
async fn what_was_read_before_a_failure_counts() {
    let server = serve(|seen| match seen.page() {
        1 => activities(seen, 1500, true),
        _ => Act::html(503),
    })
    .await;
    let polled = client(&server)
        .poll(&Recorder::default(), &awaited([3, 700]), now())
        .await;
    assert_eq!(polled.states.keys().collect::<Vec<_>>(), ["r3"]);
    assert!(
        matches!(polled.stopped_by, Some(CallError::ServerError { status: 503, .. })),
        "{:?}",
        polled.stopped_by
    );
}

#[tokio::test]
async fn a_single_activity_not_created_yet_is_pending_and_trouble_is_trouble() {
    let server = serve(|seen| match seen.target.as_str() {
        "/activities/late" => Act::json(404, r#"{"code":"A-1","message":"not found"}"#),
        "/activities/done" => Act::json(200, &row(1).to_string()),
        "/activities/stuck" => Act::json(200, r#"{"requestId":"stuck","status":"INPROGRESS"}"#),
        _ => Act::html(503),
    })
    .await;
    let r1 = client(&server);
    let state = async |id: &str| r1.activity(Permit::unlimited(), id).await;
    assert_eq!(state("late").await.unwrap(), ActivityState::Pending);
    assert_eq!(state("stuck").await.unwrap(), ActivityState::Pending);
    assert!(state("done").await.unwrap().is_terminal());
    assert!(matches!(state("other").await, Err(CallError::ServerError { .. })));
}

#[tokio::test]
async fn a_clock_that_is_off_by_an_hour_moves_the_window() {
    let ahead = || {
        (Timestamp::now() + SignedDuration::from_hours(1))
            .strftime("%a, %d %b %Y %H:%M:%S GMT")
            .to_string()
    };
    let server = serve(move |seen| match seen.method.as_str() {
        "GET" => Act::json(200, r#"{"id":"v"}"#).with("Date", &ahead()),
        _ => activities(seen, 10, true).with("Date", &ahead()),
    })
    .await;
    let r1 = client(&server);
    r1.venue(Permit::unlimited(), "v").await.unwrap();
    r1.poll(&Recorder::default(), &awaited([1]), now()).await;
    let filters = server.calls()[1].json()["filters"].clone();
    let from: Timestamp = filters["fromTime"].as_str().unwrap().parse().unwrap();
    let wanted: Timestamp = "2026-11-22T10:57:00Z".parse().unwrap();
    assert!(
        from.duration_since(wanted).abs() <= SignedDuration::from_secs(2),
        "{filters}"
    );
}
