//! Activities: what became of the writes the controller has accepted.
//!
//! All pending request ids are asked for together: the activities of a time window, newest first, page by page until every id has
//! been seen. What is not there is *not created yet*, never an error; and an answer that can't be read says nothing of the work.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::R1;
use super::error::ErrorBody;
use super::wire::Request;
use crate::gate::{Gate, Permit};
use crate::remote::CallError;

/// Activities asked for in one page.
const PAGE_SIZE: u32 = 500;
/// After so many pages of the window, what is still missing is asked for by id: stragglers that never end would otherwise cost a
/// walk through everything since, at every poll.
const WINDOW_PAGES: u32 = 3;
/// No window is read further than this: 100,000 activities.
const PAGES_MAX: u32 = 200;
/// Ids in one query by id.
const IDS_PER_QUERY: usize = 100;
/// The window begins this long before the oldest 202 and ends as long after now: clocks differ, and an activity may bear a time
/// before its 202.
const SLACK: Duration = Duration::from_secs(120);

/// What has become of an accepted write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ActivityState {
    /// Not created yet, waiting, running, or in a state this version does not know.
    Pending,
    Success {
        /// What was affected or created, where the controller tells.
        entity_ids: Vec<String>,
    },
    Failed {
        /// The vendor's code, or `ACTIVITY_FAIL`, `ACTIVITY_CANCELLED`, `ACTIVITY_PARTIAL_SUCCESS`, `ACTIVITY_SKIPPED`.
        code: String,
        message: String,
        /// Failed because the object or its name exists already: perhaps it is ours.
        uniqueness: bool,
    },
}

impl ActivityState {
    pub fn is_terminal(&self) -> bool {
        *self != ActivityState::Pending
    }

    /// Ended without success and without a plain failure (cancelled, partly done, skipped): only reading back tells what is there.
    pub fn is_uncertain(&self) -> bool {
        const UNCERTAIN: [&str; 3] = ["ACTIVITY_CANCELLED", "ACTIVITY_PARTIAL_SUCCESS", "ACTIVITY_SKIPPED"];
        matches!(self, ActivityState::Failed { code, .. } if UNCERTAIN.contains(&code.as_str()))
    }
}

/// A 202 whose activity is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    pub request_id: String,
    /// When the 202 came, by our clock.
    pub since: Timestamp,
}

/// What one poll found.
#[derive(Debug, Default)]
pub struct Polled {
    /// The awaited ids that have an activity, [`ActivityState::Pending`] ones included. An id that is not here is pending too.
    pub states: BTreeMap<String, ActivityState>,
    pub calls: u32,
    /// Why reading stopped before every id was looked for. The states above hold all the same.
    pub stopped_by: Option<CallError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    request_id: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    errors: Value,
    #[serde(default)]
    entity_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    total_count: Option<u64>,
    data: Option<Vec<Activity>>,
}

impl Activity {
    fn state(&self) -> ActivityState {
        let status = self.status.as_deref().unwrap_or_default();
        match status {
            "SUCCESS" => ActivityState::Success {
                entity_ids: self.entity_ids.clone().unwrap_or_default(),
            },
            "FAIL" | "CANCELLED" | "PARTIAL_SUCCESS" | "SKIPPED" => {
                let body = ErrorBody::of_values([&self.error, &self.errors].into_iter().filter(|v| !v.is_null()));
                let own = format!("ACTIVITY_{status}");
                ActivityState::Failed {
                    // The code of a partial success must stay recognisable, whatever its errors say.
                    code: if status == "FAIL" {
                        body.code.unwrap_or(own)
                    } else {
                        own
                    },
                    message: match body.message.is_empty() {
                        true => format!("the controller ended the operation as {status} without a reason"),
                        false => body.message,
                    },
                    uniqueness: body.uniqueness,
                }
            }
            _ => ActivityState::Pending,
        }
    }
}

impl R1 {
    /// `GET /activities/{id}`. 404 means that the activity has not been created yet: pending.
    pub async fn activity(&self, permit: Permit, request_id: &str) -> Result<ActivityState, CallError> {
        let request = Request::read(Method::GET, ["activities", request_id]);
        match self.wire.call(permit, request).await {
            Ok(answer) => Ok(answer.parse::<Activity>()?.state()),
            Err(CallError::NotFound { .. }) => Ok(ActivityState::Pending),
            Err(e) => Err(e),
        }
    }

    /// Looks for all `awaited` at once; `now` is our clock. One call for each page of 500 activities since the oldest of them, at most
    /// until each has been seen; after three pages the rest is asked for by id.
    pub async fn poll(&self, gate: &dyn Gate, awaited: &[Awaited], now: Timestamp) -> Polled {
        let mut poll = Poll {
            missing: awaited.iter().map(|a| a.request_id.as_str()).collect(),
            seen: HashSet::new(),
            witness: None,
            found: Polled::default(),
        };
        let Some(oldest) = awaited.iter().map(|a| a.since).min() else {
            return poll.found;
        };
        poll.found.stopped_by = self.walk(gate, &mut poll, oldest, now).await.err();
        poll.found
    }

    async fn walk(
        &self,
        gate: &dyn Gate,
        poll: &mut Poll<'_>,
        oldest: Timestamp,
        now: Timestamp,
    ) -> Result<(), CallError> {
        let window = json!({
            "fromTime": time(self.server_time(oldest) - SLACK),
            "toTime": time(self.server_time(now) + SLACK),
        });
        for page in 1..=PAGES_MAX {
            let answer = self.activities(gate, poll, &window, page).await?;
            let rows = answer.data.len();
            let fresh = poll.take(answer.data);
            let all_seen = answer.total.is_some_and(|t| poll.seen.len() as u64 >= t) && rows < PAGE_SIZE as usize;
            if poll.missing.is_empty() || fresh == 0 || all_seen {
                return Ok(());
            }
            let left = answer.total.map_or(u64::MAX, |t| {
                t.saturating_sub(poll.seen.len() as u64) / u64::from(PAGE_SIZE)
            });
            let by_id = poll.missing.len().div_ceil(IDS_PER_QUERY) as u64;
            if page >= WINDOW_PAGES && by_id <= left && self.ids(gate, poll).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks for the missing by id. Each query also names an activity that is known to exist: if even that does not come back, the
    /// controller does not know the filter (it answers those with nothing at all), the answer means nothing, and the result is false.
    async fn ids(&self, gate: &dyn Gate, poll: &mut Poll<'_>) -> Result<bool, CallError> {
        let Some(witness) = poll
            .witness
            .clone()
            .filter(|_| !self.no_id_filter.load(Ordering::Relaxed))
        else {
            return Ok(false);
        };
        let missing: Vec<String> = poll.missing.iter().map(|&s| s.to_owned()).collect();
        for ids in missing.chunks(IDS_PER_QUERY - 1) {
            let ids: Vec<&str> = ids.iter().map(String::as_str).chain([witness.as_str()]).collect();
            let answer = match self.activities(gate, poll, &json!({ "id": ids }), 1).await {
                Ok(answer) => answer.data,
                Err(CallError::Rejected { .. }) => Vec::new(),
                Err(e) => return Err(e),
            };
            if !answer.iter().any(|a| a.request_id.as_ref() == Some(&witness)) {
                self.no_id_filter.store(true, Ordering::Relaxed);
                return Ok(false);
            }
            poll.take(answer);
        }
        Ok(true)
    }

    async fn activities(
        &self,
        gate: &dyn Gate,
        poll: &mut Poll<'_>,
        filters: &Value,
        page: u32,
    ) -> Result<Rows, CallError> {
        let body = json!({
            "filters": filters, "sortField": "startDatetime", "sortOrder": "DESC", "page": page, "pageSize": PAGE_SIZE,
        });
        let permit = gate.permit().await?;
        poll.found.calls += 1;
        let request = Request::read(Method::POST, ["activities", "query"]).json(&body, Vec::new());
        let answer = self.wire.call(permit, request).await?;
        let page: Page = answer.parse()?;
        Ok(Rows {
            data: page.data.ok_or_else(|| answer.malformed("a page without rows"))?,
            total: page.total_count,
        })
    }
}

struct Rows {
    data: Vec<Activity>,
    total: Option<u64>,
}

struct Poll<'a> {
    missing: HashSet<&'a str>,
    /// Every activity of the window read so far, ours or not.
    seen: HashSet<String>,
    witness: Option<String>,
    found: Polled,
}

impl Poll<'_> {
    /// Notes the states of ours; returns how many activities had not been seen before.
    fn take(&mut self, rows: Vec<Activity>) -> usize {
        let before = self.seen.len();
        for activity in rows {
            let Some(id) = activity.request_id.clone() else {
                continue;
            };
            if self.missing.remove(id.as_str()) {
                self.found.states.insert(id.clone(), activity.state());
            }
            self.witness.get_or_insert_with(|| id.clone());
            self.seen.insert(id);
        }
        self.seen.len() - before
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, the form the window takes.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(activity: Value) -> ActivityState {
        serde_json::from_value::<Activity>(activity).unwrap().state()
    }

    #[test]
    fn states_of_both_specifications_and_unknown_ones() {
        for pending in ["PENDING", "INPROGRESS", "SOMETHING_NEW", ""] {
            assert_eq!(
                state(json!({"requestId": "r", "status": pending})),
                ActivityState::Pending,
                "{pending}"
            );
        }
        assert_eq!(state(json!({"requestId": "r"})), ActivityState::Pending);
        assert_eq!(
            state(json!({"requestId": "r", "status": "SUCCESS", "entityIds": ["e"]})),
            ActivityState::Success {
                entity_ids: vec!["e".into()]
            }
        );
        for uncertain in ["CANCELLED", "PARTIAL_SUCCESS", "SKIPPED"] {
            let ended = state(json!({"requestId": "r", "status": uncertain, "error": r#"{"code":"X-1"}"#}));
            assert!(ended.is_terminal() && ended.is_uncertain(), "{ended:?}");
        }
    }

    #[test]
    fn doubly_nested_errors_are_opened() {
        let error =
            json!({"requestId": "q", "errors": [r#"{"code":"DPSK-020","message":"Username 'x' already exists"}"#]})
                .to_string();
        assert_eq!(
            state(json!({"requestId": "r", "status": "FAIL", "error": error})),
            ActivityState::Failed {
                code: "DPSK-020".into(),
                message: "Username 'x' already exists".into(),
                uniqueness: true
            }
        );
        let validation = r#"{"requestId":"q","errors":["{\"message\":\"Validation Error\",\"subErrors\":[{\"object\":\"DPSK service\",\"field\":\"name\",\"message\":\"Name must be unique\"}]}"]}"#;
        let failed = state(json!({"requestId": "r", "status": "FAIL", "error": validation}));
        assert!(
            matches!(&failed, ActivityState::Failed { code, uniqueness: true, .. } if code == "ACTIVITY_FAIL"),
            "{failed:?}"
        );
        assert!(!failed.is_uncertain());
    }

    #[test]
    fn the_window_is_written_to_the_second() {
        assert_eq!(
            time("2026-11-22T05:06:07.999Z".parse().unwrap()),
            "2026-11-22T05:06:07Z"
        );
    }
}
