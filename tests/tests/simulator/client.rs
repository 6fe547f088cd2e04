//! A client that says exactly what it is told to say, over HTTP.

use std::sync::Once;
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use testkit::sim::{Handle, Settings, Simulator};

/// An answer: status, JSON body (null when there is none), `Retry-After`, content type.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub retry_after: Option<String>,
    pub content_type: String,
    pub text: String,
}

/// A client of one tenant.
pub struct Remote {
    pub sim: Handle,
    pub http: Client,
    pub token: String,
}

pub const TENANT: &str = "t1";

pub fn http() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().timeout(Duration::from_secs(20)).build().unwrap()
}

pub async fn token(http: &Client, sim: &Handle, tenant: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "me"),
        ("client_secret", "sim-secret"),
    ];
    let answer = http.post(sim.token_url(tenant)).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

impl Remote {
    pub async fn start(settings: Settings) -> Self {
        let (sim, http) = (Simulator::start(settings).unwrap(), http());
        let token = token(&http, &sim, TENANT).await;
        Self { sim, http, token }
    }

    pub async fn quick() -> Self {
        Self::start(Settings::quick()).await
    }

    pub async fn with_faults(rules: Value) -> Self {
        let remote = Self::quick().await;
        remote.sim.post("faults", &json!({ "rules": rules }));
        remote
    }

    /// A call; `Err` when the connection broke.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Answer> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.sim.base_url))
            .bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(&body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await?;
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let (status, retry_after) = (answer.status().as_u16(), header("retry-after"));
        let content_type = header("content-type").unwrap_or_default();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer {
            status,
            body,
            retry_after,
            content_type,
            text,
        })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Value::Null, &[]).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body, &[]).await.unwrap()
    }

    /// Waits for the terminal state of the activity of a 202.
    pub async fn finish(&self, accepted: &Answer) -> Value {
        assert_eq!(accepted.status, 202, "{}", accepted.text);
        let path = format!("/activities/{}", accepted.body["requestId"].as_str().unwrap());
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let activity = self.get(&path).await;
            if activity.body["endDatetime"].is_string() {
                return activity.body;
            }
            assert!(Instant::now() < deadline, "no end: {}", activity.text);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A write whose activity must end SUCCESS; the id in the 202.
    pub async fn done(&self, method: &str, path: &str, body: Value) -> String {
        let accepted = self.send(method, path, body, &[]).await.unwrap();
        let activity = self.finish(&accepted).await;
        assert_eq!(activity["status"], "SUCCESS", "{activity}");
        accepted.body["id"].as_str().unwrap_or_default().to_owned()
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, body, &[]).await.unwrap()
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, body, &[]).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, Value::Null, &[]).await.unwrap()
    }

    /// A synchronous create: the id in the 201.
    pub async fn created(&self, path: &str, body: Value) -> String {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// Asks until the answer fits.
    pub async fn until(&self, path: &str, fits: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let answer = self.get(path).await;
            if fits(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "never: {}", answer.text);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A group with a pool of the given minimum length: their ids.
    pub async fn pool(&self, length: u64) -> (String, String) {
        let group = self.done("POST", "/identityGroups", json!({"name": "G"})).await;
        let pool = json!({"name": "Pool", "passphraseFormat": "KEYBOARD_FRIENDLY", "passphraseLength": length});
        let pool = self
            .done("POST", &format!("/identityGroups/{group}/dpskServices"), pool)
            .await;
        (group, pool)
    }

    pub fn ledger(&self) -> Value {
        self.sim.ledger(TENANT)
    }

    pub fn counts(&self) -> Value {
        self.sim.counts(TENANT)
    }
}

/// `code` and `message` of the doubly nested error of a failed activity.
pub fn nested(activity: &Value) -> Value {
    let outer: Value = serde_json::from_str(activity["error"].as_str().unwrap()).unwrap();
    serde_json::from_str(outer["errors"][0].as_str().unwrap()).unwrap()
}
