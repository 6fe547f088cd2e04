//! The binary: what stops its start and with which words, and that it waits for a store that is merely away.

#![expect(clippy::disallowed_methods, reason = "waits for processes, without a runtime")]

mod common;
#[path = "common/redis.rs"]
mod redis;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{CONTROLLERS, SECRET, token};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use redis::Redis;
use serde_json::json;
use shared::seal::Sealer;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("phaseline-api-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("controllers.toml"), CONTROLLERS).unwrap();
        Folder(path)
    }

    fn command(&self, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phaseline-api"));
        command
            .env_clear()
            .env("PAYLOAD_KEY", Sealer::generate_key())
            .env("API_BIND", "127.0.0.1:0")
            .envs(settings.iter().copied())
            .current_dir(&self.0);
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A serving process; killed at the end.
struct Api {
    child: Child,
    port: u16,
    _folder: Folder,
}

impl Api {
    fn start(settings: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let mut child = folder.command(settings).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let serving = log
            .by_ref()
            .map(Result::unwrap)
            .find(|l| l.contains("serving on"))
            .expect("it serves");
        let port = serving.split("127.0.0.1:").nth(1).unwrap();
        let port = port
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .unwrap();
        // Somebody has to read on, or the process would stop at a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        Api {
            child,
            port,
            _folder: folder,
        }
    }

    fn get(&self, path: &str, token: &str) -> u16 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn wait_for(&self, path: &str, token: &str, status: u16) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.get(path, token) != status {
            assert!(Instant::now() < deadline, "{path} does not answer {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(mut command: Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn wrong_settings_stop_the_start_with_a_line_each() {
    let folder = Folder::new();
    let secret = ("AUTH_JWT_SECRET", SECRET);
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 7] = [
        (&[], &["no way to verify tokens"]),
        (&[secret, ("PAYLOAD_KEY", "short")], &["PAYLOAD_KEY"]),
        (
            &[secret, ("LOCK_TTL", "1"), ("REDIS_PORT", "x")],
            &["LOCK_TTL=1", "REDIS_PORT=x"],
        ),
        (
            &[("AUTH_MODE", "dev"), ("API_BIND", "0.0.0.0:0")],
            &["AUTH_MODE=dev", "0.0.0.0:0", "loopback"],
        ),
        (&[("AUTH_JWKS_FILE", "/nowhere")], &["AUTH_JWKS_FILE /nowhere"]),
        (&[("AUTH_JWKS_FILE", "controllers.toml")], &["not a JWK set"]),
        (
            &[("AUTH_JWKS_URL", "http://idp.example/keys")],
            &["AUTH_JWKS_URL", "https://"],
        ),
    ];
    // right in themselves, but what they name is not there: 1, as a worker ends
    let missing: [Case<'_>; 2] = [
        (
            &[secret, ("CONTROLLERS_FILE", "/nowhere")],
            &["CONTROLLERS_FILE", "/nowhere"],
        ),
        (&[secret, ("API_BIND", "192.0.2.1:80")], &["API_BIND=192.0.2.1:80"]),
    ];
    let all = cases.iter().map(|c| (2, c)).chain(missing.iter().map(|c| (1, c)));
    for (expected, (settings, words)) in all {
        let (code, said) = ended(folder.command(settings));
        assert_eq!(code, expected, "{settings:?}: {said}");
        for word in *words {
            assert!(said.contains(word), "{settings:?}: {said}");
        }
        assert!(!said.contains(SECRET) && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_store_that_does_not_fit_stops_the_process_with_a_line() {
    let redis = Redis::start(&["--appendonly", "no"]);
    let port = redis.port.to_string();
    let folder = Folder::new();
    let (code, said) = ended(folder.command(&[("AUTH_JWT_SECRET", SECRET), ("REDIS_PORT", &port)]));
    assert_eq!(code, 1, "{said}");
    let line = said.lines().find(|l| l.starts_with("phaseline-api: ")).unwrap();
    assert!(line.contains("appendonly"), "{line}");
}

#[test]
fn a_store_that_is_away_is_waited_for() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut api = Api::start(&[("AUTH_JWT_SECRET", SECRET), ("REDIS_PORT", &port.to_string())]);
    let user = token(Some("acme"), &["user"]);
    assert_eq!(api.get("/healthz", ""), 200);
    assert_eq!(api.get("/readyz", ""), 503);
    assert_eq!(api.get("/api/v1/jobs", &user), 503);
    assert_eq!(api.get("/api/v1/jobs", ""), 401);
    let _redis = Redis::start_on(port);
    api.wait_for("/readyz", "", 200);
    assert_eq!(api.get("/api/v1/jobs", &user), 200);
    let pid = api.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(api.child.wait().unwrap().success(), "SIGTERM is a proper end");
}

#[test]
fn who_waits_for_a_job_is_answered_when_the_process_stops() {
    let redis = Redis::start(&[]);
    let mut api = Api::start(&[("AUTH_JWT_SECRET", SECRET), ("REDIS_PORT", &redis.port.to_string())]);
    api.wait_for("/readyz", "", 200);
    let keys = json!([{"guid": "g-1", "name": "anna", "passphrase": "long-enough-1"}]);
    let body = json!({"controller_id": 1, "venue_id": "v-1", "dpsk_data": keys}).to_string();
    let head = format!(
        "POST /api/cloudpath-dpsk/import HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nprefer: wait=60\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        token(Some("acme"), &["user"]),
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", api.port)).unwrap();
    stream.write_all((head + &body).as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while redis.lines(&["ZCARD", "workflow:{p0}:index"]) != ["1"] {
        assert!(Instant::now() < deadline, "nothing was accepted");
        std::thread::sleep(Duration::from_millis(10));
    }
    let began = Instant::now();
    let pid = api.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(api.child.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn published_keys_are_fetched_once_they_can_be() {
    let key = EncodingKey::from_ed_pem(include_bytes!("keys/ed25519.pem")).unwrap();
    let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
    let keys = serde_json::to_string(&JwkSet { keys: vec![jwk] }).unwrap();
    let claims = json!({"sub": "u1", "tenant_id": "acme", "roles": ["viewer"], "exp": get_current_timestamp() + 600});
    let token = encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    // The first answer is an error, as of a provider that is being restarted.
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            assert!(head.by_ref().any(|line| line.is_empty()));
            let (status, body) = if n == 0 { (500, "") } else { (200, keys.as_str()) };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    let api = Api::start(&[("AUTH_JWKS_URL", &url), ("REDIS_PORT", "1")]);
    assert_eq!(
        api.get("/api/v1/workflows", &token),
        503,
        "not fetched yet: come back later"
    );
    api.wait_for("/api/v1/workflows", &token, 200);
}

#[test]
fn keygen_makes_a_key_that_seals() {
    let output = Folder::new().command(&[]).arg("keygen").output().unwrap();
    let key = String::from_utf8(output.stdout).unwrap();
    assert!(Sealer::from_base64(key.trim()).is_ok());
}

/// The settings beside it may be faulty: whoever makes a token need not be able to start the API.
#[test]
fn a_token_is_signed_with_the_secret_of_the_file() {
    let folder = Folder::new();
    std::fs::write(
        folder.0.join("phaseline.toml"),
        format!("auth_jwt_secret = \"{SECRET}\"\nlock_ttl = 1\n"),
    )
    .unwrap();
    let issued = |settings: &[(&str, &str)]| {
        let mut command = folder.command(settings);
        command.args(["token", "--subject", "anna", "--tenant", "acme"]);
        let output = command.env_remove("PAYLOAD_KEY").output().unwrap();
        let words = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        (output.status.code(), words(output.stdout), words(output.stderr))
    };
    let signed_with = |secret: &str, token: &str| {
        let verifier = api::auth::Verifier::tokens(Some(secret), None).unwrap();
        verifier.verify(token).is_ok()
    };
    let (code, token, told) = issued(&[]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert!(signed_with(SECRET, &token));
    let other = "another one, of the environment";
    assert!(
        signed_with(other, &issued(&[("AUTH_JWT_SECRET", other)]).1),
        "it lies above the file"
    );
    let (code, _, told) = issued(&[("PHASELINE_CONFIG", "no-such.toml")]);
    assert_eq!(code, Some(2));
    assert!(told.contains("no-such.toml"), "{told}");
}
