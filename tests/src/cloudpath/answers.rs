//! What is answered to what.

use std::collections::HashMap;

use serde_json::{Value, json};
use url::Url;

use super::serve::{Answer, Request};
use super::{Kind, PASSWORD, State, USER};

/// Rows of a page when nobody asks for a number.
const PAGE: usize = 20;

fn answer(status: u16, body: &Value) -> Answer {
    Answer {
        status,
        kind: "application/json",
        header: None,
        body: body.to_string(),
        is_cut: false,
    }
}

fn html(status: u16) -> Answer {
    Answer {
        kind: "text/html",
        body: "<html><body>Cloudpath</body></html>".to_owned(),
        ..answer(status, &Value::Null)
    }
}

impl State {
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let trouble = self
            .settings
            .troubles
            .iter_mut()
            .find(|trouble| trouble.times > 0 && request.seen.path.contains(trouble.at));
        let kind = trouble.map(|trouble| {
            trouble.times -= 1;
            trouble.kind.clone()
        });
        match kind {
            Some(Kind::Status(status, header)) => Answer { header, ..html(status) },
            Some(Kind::Html) => html(200),
            Some(Kind::CutShort) => Answer {
                is_cut: true,
                ..self.well(request, 0)
            },
            Some(Kind::Short(rows)) => self.well(request, rows),
            Some(Kind::Deleted) => {
                let is_asked = |pool: &&mut Value| pool["guid"].as_str().is_some_and(|g| request.seen.path.contains(g));
                let pool = self.settings.pools.iter_mut().find(is_asked);
                if let Some(dpsks) = pool.and_then(|pool| pool["dpsks"].as_array_mut()) {
                    dpsks.remove(0);
                }
                self.well(request, 0)
            }
            None => self.well(request, 0),
        }
    }

    /// As it should be, but for the last rows of a page.
    fn well(&mut self, request: &Request, rows_missing: usize) -> Answer {
        let Ok(url) = Url::parse(&format!("http://cloudpath{}", request.seen.path)) else {
            return answer(400, &json!({}));
        };
        let Some(path) = url.path().strip_prefix("/admin/publicApi/") else {
            return html(404);
        };
        if path == "token" {
            return self.token(request);
        }
        let token = format!("token-{}", self.tokens);
        if request.seen.authorization.as_deref() != Some(&token) || self.token_left == 0 {
            return answer(401, &json!({"message": "expired"}));
        }
        self.token_left -= 1;
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let number = |name: &str, default| query.get(name).and_then(|n| n.parse().ok()).unwrap_or(default);
        let (page, size) = (number("page", 1), number("pageSize", PAGE).min(self.settings.page_max));
        let pool = |guid: &str| self.settings.pools.iter().find(|pool| pool["guid"] == guid);
        let dpsks = |pool: &Value| pool["dpsks"].as_array().cloned().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["dpskPools"] => list(self.settings.pools.iter().map(bare), page, size, rows_missing),
            ["dpskPools", guid, "dpsks"] => match pool(guid) {
                Some(pool) => {
                    let hide = self.settings.lists_hide_passphrases;
                    let rows = dpsks(pool).into_iter().map(|mut dpsk| {
                        if let Some(members) = dpsk.as_object_mut().filter(|_| hide) {
                            members.remove("passphrase");
                        }
                        dpsk
                    });
                    list(rows, page, size, rows_missing)
                }
                None => answer(404, &json!({})),
            },
            ["dpskPools", guid, "dpsks", dpsk] => {
                let found = pool(guid).and_then(|pool| dpsks(pool).into_iter().find(|d| d["guid"] == *dpsk));
                found.map_or_else(|| answer(404, &json!({})), |found| answer(200, &linked(found)))
            }
            _ => answer(404, &json!({})),
        }
    }

    fn token(&mut self, request: &Request) -> Answer {
        let login: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if request.seen.method != "POST" || login != json!({"userName": USER, "password": PASSWORD}) {
            return answer(401, &json!({"message": "bad credentials"}));
        }
        self.tokens += 1;
        self.token_left = self.settings.token_requests;
        let expires = "2026-11-27T12:06:51-07:00[America/Denver]";
        answer(
            200,
            &json!({"token": format!("token-{}", self.tokens), "userName": USER, "expireDateTime": expires, "serverVersion": "5.12"}),
        )
    }
}

/// A pool without its DPSKs.
fn bare(pool: &Value) -> Value {
    let mut pool = pool.clone();
    pool.as_object_mut().map(|members| members.remove("dpsks"));
    pool
}

fn linked(mut row: Value) -> Value {
    row["links"] = json!([{"rel": "self", "href": "https://cloudpath/admin/publicApi/…"}]);
    row
}

fn list(rows: impl Iterator<Item = Value>, page: usize, size: usize, rows_missing: usize) -> Answer {
    let rows: Vec<Value> = rows.collect();
    let from = page.saturating_sub(1) * size;
    let mut contents: Vec<Value> = rows.iter().skip(from).take(size).cloned().map(linked).collect();
    contents.truncate(contents.len().saturating_sub(rows_missing));
    let about = json!({"totalCount": rows.len(), "page": page, "pageSize": size});
    answer(200, &json!({"contents": contents, "page": about, "links": []}))
}
