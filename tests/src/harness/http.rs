//! Plain HTTP with JSON, as far as a test needs it.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, Method};
use serde_json::Value;

/// A call takes milliseconds; under load, seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One base URL.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    pub base: String,
}

impl Http {
    pub fn new(base: &str) -> anyhow::Result<Self> {
        // one provider in the whole tree; a second installation changes nothing
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Http {
            client,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// Status and JSON body; a body that is no JSON is given as text.
    pub async fn call(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> anyhow::Result<(u16, Value)> {
        let (status, text) = self.text(method, path, body).await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub async fn text(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> anyhow::Result<(u16, String)> {
        self.with_headers(method, path, body, &[]).await
    }

    pub async fn with_headers(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<(u16, String)> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method.clone(), &url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.with_context(|| format!("{method} {url}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.with_context(|| format!("{method} {url}"))?))
    }
}
