//! `deploy/cloudpath-export` against a Cloudpath that has the troubles of a real one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use shared::cloudpath::parse_request;
use tempfile::TempDir;
use testkit::cloudpath::{Cloudpath, Kind, PASSWORD, Settings, Trouble, USER};
use testkit::export;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The script, and the folder it writes into.
struct Run {
    folder: TempDir,
    output: Output,
}

impl Run {
    fn of(server: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = Self::again(&folder, server, args);
        Run { folder, output }
    }

    fn again(folder: &TempDir, server: &str, args: &[&str]) -> Output {
        Command::new("python3")
            .arg(root().join("deploy/cloudpath-export"))
            .args(["--server", server, "--user", USER])
            .args(args)
            .current_dir(folder.path())
            .env("CLOUDPATH_PASSWORD", PASSWORD)
            .output()
            .unwrap()
    }

    fn said(&self) -> String {
        let said = String::from_utf8(self.output.stderr.clone()).unwrap();
        assert!(
            !said.contains(PASSWORD) && !said.contains("token-") && !said.contains("Traceback"),
            "{said}"
        );
        said
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("export.json")
    }

    fn export(&self) -> Value {
        assert!(self.output.status.success(), "{}", self.said());
        serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap()
    }

    /// It has failed with these words, and left nothing behind.
    fn failed(&self, words: &str) {
        let said = self.said();
        assert_eq!(self.output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(
            std::fs::read_dir(self.folder.path()).unwrap().count(),
            0,
            "a file is left"
        );
    }
}

fn pools(keys: usize) -> Value {
    export::full(keys, 7, Timestamp::now())
}

fn start(settings: Settings) -> (Cloudpath, String) {
    let server = Cloudpath::start(settings, None).unwrap();
    let url = format!("http://127.0.0.1:{}", server.port);
    (server, url)
}

#[test]
fn every_page_is_read_and_the_import_takes_the_file() {
    let source = pools(1234);
    // the server gives fewer rows than are asked for
    let settings = Settings {
        page_max: 100,
        ..Settings::of(&source)
    };
    let (server, url) = start(settings);
    let run = Run::of(&url, &[]);
    let export = run.export();
    assert_eq!(
        export["dpskPools"], source["dpskPools"],
        "every field, in the order of the server, without links"
    );
    assert_eq!(export["metadata"]["mode"], "extract_all");
    assert_eq!(run.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(run.said().contains("1234 DPSKs"), "{}", run.said());
    let seen = server.seen();
    assert_eq!(server.logins(), 1);
    assert!(
        seen[1..]
            .iter()
            .all(|s| s.method == "GET" && s.authorization.as_deref() == Some("token-1")),
        "{seen:?}"
    );

    let body = json!({"controller_id": 1, "venue_id": "v-1", "dpsk_data": export});
    let request = parse_request(body.to_string().as_bytes(), Timestamp::now()).unwrap();
    assert_eq!(request.export.rows.len(), 1234);

    // what is there already is kept, unless it is to be replaced
    let refused = Run::again(&run.folder, &url, &[]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force replaces it"));
    assert_eq!((refused.status.code(), server.seen().len()), (Some(1), seen.len()));
    assert!(Run::again(&run.folder, &url, &["--force"]).status.success());
}

#[test]
fn a_token_that_runs_out_is_replaced_and_nothing_is_missing() {
    let source = pools(300);
    let settings = Settings {
        page_max: 50,
        token_requests: 3,
        ..Settings::of(&source)
    };
    let (server, url) = start(settings);
    assert_eq!(Run::of(&url, &[]).export()["dpskPools"], source["dpskPools"]);
    assert!(server.logins() > 2, "{}", server.logins());
}

#[test]
fn a_server_that_is_busy_or_breaks_off_is_asked_again() {
    let source = pools(300);
    let busy = || Kind::Status(503, Some(("retry-after", "0")));
    let settings = Settings {
        page_max: 50,
        troubles: vec![
            Trouble::new("token", 1, busy()),
            Trouble::new("page=2", 2, busy()),
            Trouble::new("page=3", 1, Kind::CutShort),
            Trouble::new("dpskPools?", 1, Kind::Status(500, None)),
        ],
        ..Settings::of(&source)
    };
    let run = Run::of(&start(settings).1, &[]);
    assert_eq!(run.export()["dpskPools"], source["dpskPools"]);
    assert!(
        run.said().contains("answered 503; again in 0 s") && run.said().contains("did not answer"),
        "{}",
        run.said()
    );

    let settings = Settings {
        troubles: vec![Trouble::new("page=1", 5, busy())],
        ..Settings::of(&source)
    };
    Run::of(&start(settings).1, &[]).failed("5 times; nothing was written");
}

#[test]
fn rows_that_are_missing_are_asked_for_again_and_never_silently_lost() {
    let source = pools(300);
    let short = |times| {
        let settings = Settings {
            page_max: 50,
            troubles: vec![Trouble::new("dpsks?page=2", times, Kind::Short(7))],
            ..Settings::of(&source)
        };
        Run::of(&start(settings).1, &[])
    };
    let run = short(1);
    assert_eq!(run.export()["dpskPools"], source["dpskPools"]);
    assert!(
        run.said().contains("announced; reading the list again"),
        "{}",
        run.said()
    );
    short(u32::MAX).failed("announced, 5 times; nothing was written");
}

#[test]
fn a_key_that_slips_past_when_another_is_deleted_is_not_lost() {
    let mut source = pools(300);
    let settings = Settings {
        page_max: 50,
        troubles: vec![Trouble::new("dpsks?page=2", 1, Kind::Deleted)],
        ..Settings::of(&source)
    };
    let run = Run::of(&start(settings).1, &[]);
    // as many rows as announced came of the first reading: one that is gone, and not the one that has moved up
    source["dpskPools"][0]["dpsks"].as_array_mut().unwrap().remove(0);
    assert_eq!(run.export()["dpskPools"], source["dpskPools"]);
    assert!(run.said().contains("has changed while it was read"), "{}", run.said());
}

#[test]
fn each_refusal_says_what_to_do() {
    let source = pools(10);
    let with = |at, kind| {
        let settings = Settings {
            troubles: vec![Trouble::new(at, u32::MAX, kind)],
            ..Settings::of(&source)
        };
        Run::of(&start(settings).1, &[])
    };
    with("token", Kind::Status(401, None)).failed("name or password is wrong");
    with("token", Kind::Status(404, None)).failed("is it Cloudpath 5.11 or later?");
    with("token", Kind::Html).failed("is it a Cloudpath server?");
    with("dpskPools", Kind::Status(401, None)).failed("does not accept the token it has just given");
    with("dpskPools", Kind::Status(403, None)).failed("may not read");
    with("dpskPools", Kind::Html).failed("something else than a JSON object");
    with("dpskPools", Kind::Status(302, Some(("location", "https://elsewhere/"))))
        .failed("give the address it leads to");
    Run::of("http://cloudpath.example.net", &[]).failed("a password is not sent in the clear");
    Run::of("https://cloudpath.example.net/admin/", &[]).failed("write the address alone");
}

#[test]
fn some_pools_can_be_chosen_and_hidden_passphrases_are_looked_up() {
    let source = pools(20);
    let settings = Settings {
        lists_hide_passphrases: true,
        ..Settings::of(&source)
    };
    let (_server, url) = start(settings);
    let second = &source["dpskPools"][1];
    let name = second["displayName"].as_str().unwrap();
    let run = Run::of(&url, &["--pool", name]);
    assert_eq!(run.export()["dpskPools"], json!([second]));
    let wrong = Run::of(&url, &["--pool", "Nowhere"]);
    wrong.failed(&format!(
        "0 pools are called Nowhere; there are: {}",
        source["dpskPools"][0]["displayName"].as_str().unwrap()
    ));
}

#[test]
fn a_certificate_nobody_vouches_for_is_refused() {
    let keys = root().join("tests/tests/cloudpath/keys");
    let certificate = keys.join("server.pem");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&certificate).unwrap()],
            PrivateKeyDer::from_pem_file(keys.join("server.key")).unwrap(),
        )
        .unwrap();
    let source = pools(10);
    let server = Cloudpath::start(Settings::of(&source), Some(Arc::new(tls))).unwrap();
    let url = format!("https://127.0.0.1:{}", server.port);
    Run::of(&url, &[]).failed("is not to be trusted");
    assert!(server.seen().is_empty(), "the password has left");
    let run = Run::of(&url, &["--ca-file", certificate.to_str().unwrap()]);
    assert_eq!(run.export()["dpskPools"], source["dpskPools"]);
}
