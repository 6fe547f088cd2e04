//! How a node is called: everything but host and port is the same for all nodes.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, TlsCertificates,
};

use super::StoreError;
use super::connection::describe;
use crate::config::{Address, RedisSettings, SentinelSettings};

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// User, password, database, TLS and the socket's options.
#[derive(Clone)]
pub struct Dial {
    info: ConnectionInfo,
    certificates: Option<TlsCertificates>,
}

impl Dial {
    pub fn new(settings: &RedisSettings) -> Result<Self, StoreError> {
        // one provider in the whole process; a second call changes nothing
        let _ = rustls::crypto::ring::default_provider().install_default();
        let info: ConnectionInfo = settings
            .url
            .as_str()
            .into_connection_info()
            .map_err(|e| StoreError::Server(format!("REDIS_URL: {}", describe(&e))))?;
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(15))
            .with_interval(Duration::from_secs(5))
            .with_retries(3);
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive)
            .set_user_timeout(Duration::from_secs(10));
        // RESP3: the disconnect is pushed, so the first command after it already finds a new connection
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        // a library's name is not worth a right that Redis 7.0 can't even grant
        let redis = redis.set_skip_set_lib_name();
        let tls = &settings.tls;
        let is_any = tls.authorities.is_some() || tls.client.is_some();
        Ok(Dial {
            info: info.set_tcp_settings(tcp).set_redis_settings(redis),
            certificates: is_any.then(|| TlsCertificates {
                root_cert: tls.authorities.clone(),
                client_tls: tls.client.as_ref().map(|(certificate, key)| ClientTlsConfig {
                    client_cert: certificate.clone(),
                    client_key: key.to_vec(),
                }),
            }),
        })
    }

    /// Of the address in the settings.
    pub fn client(&self) -> Result<Client, StoreError> {
        self.open(self.info.clone())
    }

    pub fn client_at(&self, (host, port): &Address) -> Result<Client, StoreError> {
        self.open(self.info.clone().set_addr(self.address(host, *port)))
    }

    /// Sentinels have users of their own, and no databases.
    pub fn sentinel_at(&self, (host, port): &Address, of: &SentinelSettings) -> Result<Client, StoreError> {
        let mut redis = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(user) = &of.username {
            redis = redis.set_username(user);
        }
        if let Some(password) = &of.password {
            redis = redis.set_password(password.as_str());
        }
        let info = self.info.clone().set_addr(self.address(host, *port));
        self.open(info.set_redis_settings(redis))
    }

    fn address(&self, host: &str, port: u16) -> ConnectionAddr {
        match self.info.addr() {
            ConnectionAddr::TcpTls { .. } => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: false,
                tls_params: None,
            },
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        }
    }

    fn open(&self, info: ConnectionInfo) -> Result<Client, StoreError> {
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
        .map_err(|e| StoreError::Server(describe(&e)))
    }
}

/// A connection for a question or two.
pub(super) async fn brief(client: &Client, limit: Duration) -> Result<MultiplexedConnection, StoreError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limit))
        .set_response_timeout(Some(limit));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    connection.map_err(StoreError::from)
}
