//! Lists of the API, followed page by page.

use serde_json::{Value, json};

use crate::api::Api;
use crate::exit::Failure;
use crate::wire::Page;

/// The API's largest page.
const PAGE_MAX: u64 = 200;
/// What `--all` stops at. A job has at most about 125,000 tasks.
pub const ALL: u64 = 1_000_000;

/// Items of a list up to a limit.
pub struct List {
    pub items: Vec<Value>,
    /// Where it goes on; none: these are all.
    pub next_cursor: Option<String>,
}

impl List {
    /// Pages until `limit` items or the end.
    pub async fn read(api: &Api, path: &str, query: &[(&str, String)], limit: u64) -> Result<Self, Failure> {
        let mut list = List {
            items: Vec::new(),
            next_cursor: None,
        };
        loop {
            let left = limit - list.items.len() as u64;
            let mut query: Vec<(&str, String)> = query.to_vec();
            query.push(("limit", left.min(PAGE_MAX).to_string()));
            query.extend(list.next_cursor.take().map(|c| ("cursor", c)));
            let asked = query
                .last()
                .filter(|(name, _)| *name == "cursor")
                .map(|(_, c)| c.clone());
            let (page, _): (Page, Value) = api.get(path, &query).await?;
            if page.next_cursor.is_some() && page.next_cursor == asked {
                let what = format!("{path}: the API answers the same page again and again");
                return Err(Failure::Unexpected(what));
            }
            list.items.extend(page.items);
            list.items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            // A filter may leave a page empty although more pages follow.
            list.next_cursor = page.next_cursor;
            if list.next_cursor.is_none() || list.items.len() as u64 >= limit {
                return Ok(list);
            }
        }
    }

    /// One document, whatever the number of pages it came in.
    pub fn document(self) -> Value {
        json!({ "items": self.items, "next_cursor": self.next_cursor })
    }

    /// Said below a list that is cut; none: nothing is missing.
    pub fn more(&self, limit: u64) -> Option<String> {
        self.next_cursor
            .is_some()
            .then(|| format!("(the first {limit}; --limit N shows more, --all shows all)"))
    }
}
