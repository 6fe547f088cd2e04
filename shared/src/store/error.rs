//! What the store can't do, classified for whoever has to decide: wait, give up, or complain.

use redis::{ErrorKind, RedisError, RetryMethod};

use super::connection::describe;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No answer, no connection, loading, read-only: worth trying again. A write may or may not have happened.
    #[error("Redis is not available: {reason}")]
    Unavailable {
        reason: String,
        timeout: bool,
        /// The connection talks to the wrong server (a demoted master, a slot that has moved).
        stale: bool,
    },
    /// `maxmemory` is reached. Completions still go through; new work is refused.
    #[error("Redis is out of memory")]
    OutOfMemory,
    /// The server does not fit, or refuses a command for good.
    #[error("Redis: {0}")]
    Server(String),
    /// Something stored can't be read back.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// The same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. } | StoreError::OutOfMemory)
    }
}

impl From<RedisError> for StoreError {
    fn from(e: RedisError) -> Self {
        let text = describe(&e);
        // a pipeline has no code of its own, a transaction only EXECABORT: the first of its parts that failed tells why
        let parts = e.clone().into_server_errors();
        let first = parts.as_ref().and_then(|p| p.first()).map(|(_, part)| part.code());
        let code = first.or(e.code()).unwrap_or_default().to_owned();
        // an error inside a script arrives as "ERR … OOM command not allowed …" as well
        if code == "OOM" || text.contains("OOM command not allowed") {
            return StoreError::OutOfMemory;
        }
        // no waiting helps: somebody has to correct the password or the user's rights
        let is_forbidden = code == "NOPERM" || text.contains("can't run this command");
        if is_forbidden
            || e.kind() == ErrorKind::AuthenticationFailed
            || matches!(code.as_str(), "WRONGPASS" | "NOAUTH")
        {
            let what = match is_forbidden {
                // the server's words name the command, or the line of the script
                true => "our user lacks a right (deploy/redis/users.acl has all of them)",
                false => "it refuses our credentials",
            };
            return StoreError::Server(format!("{what}: {text}"));
        }
        // nor against a certificate
        if text.contains("invalid peer certificate") {
            return StoreError::Server(format!(
                "its certificate is not believed (REDIS_TLS_CA_FILE names an authority of one's own): {text}"
            ));
        }
        let stale = matches!(code.as_str(), "READONLY" | "MASTERDOWN" | "MOVED") || text.contains("READONLY");
        let loading = matches!(
            code.as_str(),
            "LOADING" | "BUSY" | "TRYAGAIN" | "ASK" | "CLUSTERDOWN" | "UNBLOCKED" | "NOREPLICAS" | "MISCONF"
        );
        let gone = e.is_timeout() || e.is_io_error() || e.is_connection_dropped() || e.is_connection_refusal();
        if stale || loading || gone || e.is_unrecoverable_error() && !matches!(e.retry_method(), RetryMethod::NoRetry) {
            return StoreError::Unavailable {
                timeout: e.is_timeout(),
                stale,
                reason: text,
            };
        }
        StoreError::Server(text)
    }
}

impl From<crate::blob::BlobError> for StoreError {
    fn from(e: crate::blob::BlobError) -> Self {
        StoreError::Corrupt(e.to_string())
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(e: serde_json::Error) -> Self {
        StoreError::Corrupt(e.to_string())
    }
}
