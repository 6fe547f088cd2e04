//! Bulk actions: one call that stands for up to 10,000 of the same operation. Only some operations may be asked for in this way.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::clock::{Millis, iso};

/// Most actions of one call.
pub const ACTIONS_MAX: usize = 10_000;

/// The operations that may be asked for and that the simulator knows, as the documents write them.
pub const ALLOWED: [(&str, &str); 6] = [
    ("DELETE", "/dpskServices/{serviceId}"),
    ("DELETE", "/dpskServices/{serviceId}/passphrases"),
    ("DELETE", "/identityGroups/{groupId}"),
    ("DELETE", "/identityGroups/{groupId}/identities"),
    ("PATCH", "/identityGroups/{groupId}/identities/{id}"),
    ("DELETE", "/venues/{venueId}/apGroups/{apGroupId}"),
];

/// One action after it was tried.
pub struct Action {
    /// `DELETE` and so on.
    pub method: String,
    /// The path with its parameters put in.
    pub url: String,
    /// Status the operation answered with.
    pub status: u16,
    /// What it answered.
    pub response: Value,
}

/// One bulk call.
pub struct Bulk {
    /// When it came.
    pub started: Millis,
    /// When all of it is over.
    pub due: Millis,
    /// In the order of the call.
    pub actions: Vec<Action>,
}

/// Bulk calls by request id.
pub type Bulks = HashMap<String, Bulk>;

impl Action {
    /// `SUCCEEDED`, also for a 202 whose activity fails later, or `FAILED`.
    pub fn state(&self) -> &'static str {
        match self.status {
            200..300 => "SUCCEEDED",
            _ => "FAILED",
        }
    }

    /// A row of `POST /bulkActions/{id}/query`; while the bulk runs it is `IN_PROGRESS`.
    pub fn view(&self, sequence: usize, over: bool) -> Value {
        let description = format!("{} {}", self.method, self.url);
        let mut row = json!({"sequence": sequence, "status": "IN_PROGRESS", "description": description,
                             "resolved": {"method": self.method, "url": self.url}});
        if over {
            row["status"] = self.state().into();
            row["httpStatus"] = self.status.into();
            row["requestId"] = self.response["requestId"].clone();
            row["response"] = self.response.clone();
        }
        row
    }
}

impl Bulk {
    /// `GET /bulkActions/{id}`. COMPLETED does not mean that all succeeded.
    pub fn view(&self, now: Millis) -> Value {
        let over = now >= self.due;
        let succeeded = self
            .actions
            .iter()
            .filter(|action| action.state() == "SUCCEEDED")
            .count();
        let total = self.actions.len();
        let (good, bad, open) = if over {
            (succeeded, total - succeeded, 0)
        } else {
            (0, 0, total)
        };
        let mut view = json!({"status": if over { "COMPLETED" } else { "IN_PROGRESS" }, "startedDate": iso(self.started),
            "progress": {"total": total, "succeeded": good, "failed": bad, "inProgress": open}});
        if over {
            view["completedDate"] = iso(self.due).into();
        }
        view
    }
}
