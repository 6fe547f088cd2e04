//! TLS with an authority of one's own, and with a certificate of ours where Redis asks for one.

use std::path::Path;
use std::process::Command;

use shared::config::Settings;
use shared::seal::Sealer;
use shared::store::{Store, StoreError};
use tempfile::TempDir;
use testkit::redis_server::{Options, RedisServer};

use crate::world::write;

fn openssl(folder: &Path, words: &str) {
    let ran = Command::new("openssl")
        .args(words.split(' '))
        .current_dir(folder)
        .output();
    let ran = ran.expect("openssl makes the certificates of this test");
    assert!(
        ran.status.success(),
        "{words}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// An authority (`ca.pem`), a server's certificate and one of ours.
fn certificates() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("server.ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    std::fs::write(at.join("client.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        at,
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"),
    );
    for who in ["server", "client"] {
        openssl(
            at,
            &format!("req {key} -keyout {who}.key -out {who}.csr -subj /CN={who}"),
        );
        openssl(
            at,
            &format!(
                "x509 -req -in {who}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {who}.pem -days 2 -extfile {who}.ext"
            ),
        );
    }
    folder
}

/// With a port for TLS beside its own. The port, and the server.
fn server(at: &Path, asks: &str, more: &[(&'static str, String)]) -> (u16, RedisServer) {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let file = |name: &str| at.join(name).display().to_string();
    let mut extra = vec![
        ("tls-port", free.to_string()),
        ("tls-cert-file", file("server.pem")),
        ("tls-key-file", file("server.key")),
        ("tls-ca-cert-file", file("ca.pem")),
        ("tls-auth-clients", asks.to_owned()),
    ];
    extra.extend_from_slice(more);
    let options = Options {
        appendonly: true,
        extra,
        ..Options::default()
    };
    (free, RedisServer::start(options).unwrap())
}

async fn prepared(more: &[(&str, String)]) -> Result<Store, StoreError> {
    let key = Sealer::generate_key();
    let mut pairs = vec![("PAYLOAD_KEY", key.as_str())];
    pairs.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
    let s = Settings::from_pairs(&pairs).unwrap();
    let store = Store::open(&s.redis, &s.engine)?;
    store.prepare(&s.redis).await?;
    Ok(store)
}

#[tokio::test]
async fn an_authority_of_ones_own_is_believed_and_no_other() {
    let folder = certificates();
    let at = folder.path();
    let (port, _server) = server(at, "yes", &[]);
    let file = |name: &str| at.join(name).display().to_string();
    let url = ("REDIS_URL", format!("rediss://127.0.0.1:{port}/0"));
    let ca = ("REDIS_TLS_CA_FILE", file("ca.pem"));
    let ours = [
        ("REDIS_TLS_CERT_FILE", file("client.pem")),
        ("REDIS_TLS_KEY_FILE", file("client.key")),
    ];
    let store = prepared(&[url.clone(), ca.clone(), ours[0].clone(), ours[1].clone()])
        .await
        .unwrap();
    write(&store).await.unwrap();

    let told = |e: StoreError| e.to_string();
    let public = prepared(&[url.clone(), ours[0].clone(), ours[1].clone()])
        .await
        .map(drop)
        .map_err(told);
    // no waiting helps: the start stops
    assert!(
        public
            .as_ref()
            .is_err_and(|e| e.starts_with("Redis: its certificate is not believed") && e.contains("REDIS_TLS_CA_FILE")),
        "{public:?}"
    );
    let nobody = prepared(&[url, ca]).await.map(drop).map_err(told);
    assert!(nobody.is_err(), "it asks for a certificate");
}

/// What sentinels name is called with TLS as well, and so are they.
#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_the_master_they_name_speak_tls() {
    let folder = certificates();
    let at = folder.path();
    let (port, master) = server(at, "no", &[]);
    let file = |name: &str| at.join(name).display().to_string();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let text = format!(
        "tls-replication yes\ntls-port {free}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\nsentinel monitor mymaster 127.0.0.1 {port} 1\n",
        file("server.pem"),
        file("server.key"),
        file("ca.pem"),
    );
    let _sentinel = RedisServer::start(Options {
        sentinel: Some(text),
        ..Options::default()
    })
    .unwrap();
    let store = prepared(&[
        ("REDIS_TLS", "true".to_owned()),
        ("REDIS_SENTINELS", format!("127.0.0.1:{free}")),
        ("REDIS_DB", "0".to_owned()),
        ("REDIS_TLS_CA_FILE", file("ca.pem")),
    ])
    .await
    .unwrap();
    write(&store).await.unwrap();
    drop(master);
}
