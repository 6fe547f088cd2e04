//! A worker in this process that can be killed at any moment: it stops where it is, as with SIGKILL.

use std::net::SocketAddr;
use std::time::Duration;

use shared::config::Settings;
use testkit::harness::Fleet;
use tokio::runtime::{Builder, Runtime};

/// Shorter than the product takes, so that many deaths fit in a test.
const LOCK_TTL: Duration = Duration::from_secs(4);

/// Dies when dropped.
pub struct Killable(Option<Runtime>);

impl Killable {
    /// With the fleet's settings, but its own way to Redis.
    pub fn start(fleet: &Fleet, redis: SocketAddr) -> Self {
        let command = fleet.command("phaseline-worker").unwrap();
        let text = |os: &std::ffi::OsStr| os.to_str().unwrap().to_owned();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in command.get_envs() {
            let (name, Some(value)) = (text(name), value.map(text)) else {
                continue;
            };
            if shared::config::VARIABLES.iter().any(|variable| variable.0 == name) && name != "REDIS_URL" {
                pairs.push((name, value));
            }
        }
        pairs.push(("REDIS_URL".into(), format!("redis://{redis}/1")));
        pairs.push(("WORKER_BIND".into(), "127.0.0.1:0".into()));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut settings = Settings::from_pairs(&pairs).unwrap();
        settings.engine.lock_ttl = LOCK_TTL;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async {
            if let Err(e) = worker::run::run(settings).await {
                panic!("the worker ended by itself: {e:#}");
            }
        });
        Killable(Some(runtime))
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
