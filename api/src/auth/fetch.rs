//! Fetches published keys over HTTPS: one GET, no redirects, bounded in time and size. The only outgoing request the API
//! makes, and never inside a caller's request.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Uri;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The whole exchange, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Key sets have a few kilobytes.
const BYTES_MAX: usize = 1024 * 1024;

/// An address that keys may be fetched from.
#[derive(Debug, Clone)]
pub struct KeyUrl {
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl KeyUrl {
    /// `https://…`; plain `http://` only to this machine, because whoever can change the keys on their way can forge tokens.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| "not an address".to_owned())?;
        let authority = uri.authority().ok_or("the address has no host")?;
        if authority.as_str().contains('@') {
            return Err("user names in the address are not supported".to_owned());
        }
        let host = authority.host().to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") => false,
            _ => return Err("the address must begin with https://".to_owned()),
        };
        Ok(KeyUrl {
            tls,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            host,
        })
    }
}

/// The body of a 200. Every failure is one line.
pub async fn get(url: &KeyUrl) -> Result<Bytes, String> {
    tokio::time::timeout(TIMEOUT, exchange(url))
        .await
        .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?
}

async fn exchange(url: &KeyUrl) -> Result<Bytes, String> {
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, url.port))
        .await
        .map_err(|e| format!("cannot connect: {e}"))?;
    if !url.tls {
        return request(url, stream).await;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(|e| format!("TLS cannot be set up: {e}"))?
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| "not a host name".to_owned())?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|e| format!("no TLS connection: {e}"))?;
    request(url, stream).await
}

async fn request<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(url: &KeyUrl, stream: S) -> Result<Bytes, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| format!("no HTTP connection: {e}"))?;
    let driver = tokio::spawn(connection);
    let request = hyper::Request::get(&url.path)
        .header("host", &url.authority)
        .header("accept", "application/jwk-set+json, application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|e| format!("the request cannot be made: {e}"))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|e| format!("no answer: {e}"))?;
    if answer.status() != 200 {
        return Err(format!("answered {}", answer.status().as_u16()));
    }
    let body = Limited::new(answer.into_body(), BYTES_MAX)
        .collect()
        .await
        .map_err(|_| "the answer broke off or is too large".to_owned())?;
    driver.abort();
    Ok(body.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_cannot_be_tampered_with_are_taken() {
        for bad in [
            "http://idp.example/keys",
            "ftp://x/y",
            "/keys",
            "https://user:pw@idp.example/keys",
            "",
        ] {
            assert!(KeyUrl::parse(bad).is_err(), "{bad}");
        }
        let url = KeyUrl::parse("https://idp.example/keys?x=1").unwrap();
        assert_eq!((url.port, url.path.as_str()), (443, "/keys?x=1"));
        assert_eq!(KeyUrl::parse("http://127.0.0.1:81/k").unwrap().port, 81);
    }
}
