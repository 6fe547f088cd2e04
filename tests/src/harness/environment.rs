//! What the processes are told: environment variables and the controllers file, composed in one place.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::CLIENT_SECRET;
use super::fleet::{Controller, Plan};

/// Handed on from our own environment; everything else would make a run depend on who runs it.
const HANDED_ON: [&str; 5] = [
    "PATH",
    "TMPDIR",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
    "SIM_RECORD_DIR",
];

/// What goes wrong and is tried again is told at `debug`; a failing test must be explained from its logs alone.
const LOG: &str = "info,api=debug,shared=debug,worker=debug";

/// What API and workers have in common.
pub struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    pub fn new(plan: &Plan, redis_url: &str, payload_key: &str, controllers_file: &Path) -> Self {
        let mut variables: Vec<(String, String)> = vec![
            ("REDIS_URL".into(), redis_url.into()),
            ("PAYLOAD_KEY".into(), payload_key.into()),
            ("CONTROLLERS_FILE".into(), controllers_file.display().to_string()),
            ("AUTH_MODE".into(), "dev".into()),
            ("WORKER_BIND".into(), "127.0.0.1:0".into()),
            (
                "RUST_LOG".into(),
                std::env::var("RUST_LOG").unwrap_or_else(|_| LOG.into()),
            ),
        ];
        if let Some(seconds) = plan.lock_ttl_seconds {
            variables.push(("LOCK_TTL".into(), seconds.to_string()));
        }
        variables.extend(plan.environment.iter().cloned());
        Environment { variables }
    }

    pub fn command(&self, program: &Path) -> Command {
        let mut command = bare(program);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// With next to no environment.
pub fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in HANDED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// The controllers file: `base_urls` are those of the simulators.
pub fn controllers_toml(controllers: &[Controller], base_urls: &[String]) -> String {
    let mut text = String::new();
    for controller in controllers {
        let base = &base_urls[controller.simulator];
        let Controller {
            id,
            tenant,
            remote_tenant,
            calls_per_minute,
            ..
        } = controller;
        let burst = controller.burst();
        // writing to a String does not fail
        let _ = write!(
            text,
            r#"[[controllers]]
id = {id}
name = "Simulated {id}"
tenants = ["{tenant}"]
base_url = "{base}"
token_url = "{base}/oauth2/token/{remote_tenant}"
tenant_id = "{remote_tenant}"
client_id = "phaseline-{id}"
client_secret = "{CLIENT_SECRET}"
[controllers.limits]
calls_per_minute = {calls_per_minute}
burst = {burst}
concurrency = {concurrency}

"#,
            concurrency = controller.concurrency,
        );
    }
    text
}
