//! What a write is answered with.

use serde::Deserialize;
use serde_json::Value;

use super::R1;
use super::wire::{Answer, Request};
use crate::gate::Permit;
use crate::remote::CallError;

/// The answer to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// 202: an activity of this id tells what becomes of it.
    Accepted {
        request_id: String,
        /// The id of what will be created, when the controller announced it.
        resource_id: Option<String>,
    },
    /// 200 or 201: done when the answer came. Older versions of the identity calls answer so. Of a create without an id nothing is
    /// known but that it was taken: it has to be read back.
    Done { id: Option<String> },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    request_id: Option<String>,
    id: Option<String>,
    response: Option<Inner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    id: Option<String>,
}

impl R1 {
    pub(super) async fn write(&self, permit: Permit, request: Request) -> Result<Written, CallError> {
        read(&self.wire.call(permit, request).await?)
    }
}

/// Forms seen: `{requestId}`, `{requestId,id}`, `{requestId,response:{id}}`, these as JSON in a JSON string, a bare request id as JSON
/// string, the object itself, and nothing at all.
pub(super) fn read(answer: &Answer) -> Result<Written, CallError> {
    let body = match answer.json() {
        None => Body::default(),
        Some(_) => match answer.parse::<Value>()? {
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(body) => body,
                Err(_) => Body {
                    request_id: Some(text),
                    ..Body::default()
                },
            },
            value => {
                serde_json::from_value(value).map_err(|_| answer.malformed("JSON of another shape than documented"))?
            }
        },
    };
    let id = body.id.or(body.response.and_then(|r| r.id));
    let request_id = body
        .request_id
        .filter(|r| (1..=128).contains(&r.len()) && r.bytes().all(|b| b.is_ascii_graphic()));
    match (answer.status, request_id) {
        (_, Some(request_id)) => Ok(Written::Accepted {
            request_id,
            resource_id: id,
        }),
        // Accepted, and nothing to ask after: what became of it can only be read back.
        (202, None) => Err(answer.malformed("202 without a request id")),
        (_, None) => Ok(Written::Done { id }),
    }
}
