//! The RUCKUS One simulator as a process; `testkit::sim` tells what it does.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use serde_json::Value;
use testkit::sim::{FaultPlan, Refusal, Settings, Simulator};

/// A RUCKUS One that is not there: same HTTP, same traps, its own ledger under /_sim.
#[derive(Parser)]
struct Cli {
    /// Loopback address; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: String,
    /// Receives the base URL, one line, once calls are taken
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Objects that exist from the start
    #[arg(long)]
    seed_file: Option<PathBuf>,
    /// Faults to inject
    #[arg(long)]
    fault_plan: Option<PathBuf>,
    /// Calls a minute per tenant
    #[arg(long, default_value_t = 2000.0)]
    rate: f64,
    /// Calls at once per tenant; default: 34 or 1.02 seconds' worth of the rate
    #[arg(long)]
    burst: Option<f64>,
    /// Seconds of Retry-After when the bucket is empty; default: no such header
    #[arg(long)]
    retry_after: Option<u64>,
    /// Seed of all random decisions
    #[arg(long)]
    rng_seed: Option<u64>,
    /// Latency of writes, milliseconds
    #[arg(long, default_value_t = 40)]
    write_ms: u64,
    /// Latency of reads, milliseconds
    #[arg(long, default_value_t = 20)]
    read_ms: u64,
    /// Shortest activity, milliseconds
    #[arg(long, default_value_t = 300)]
    activity_min_ms: u64,
    /// Longest activity, milliseconds
    #[arg(long, default_value_t = 1000)]
    activity_max_ms: u64,
    /// Objects can be read from the 202 on
    #[arg(long)]
    visible_at_202: bool,
    /// A create that loses against one in flight gets a 202 whose activity fails, instead of a 409
    #[arg(long)]
    conflict_as_activity: bool,
    /// Answers 202 without the id of the object
    #[arg(long)]
    omit_ids: bool,
    /// Life of a token, seconds
    #[arg(long, default_value_t = 7199)]
    token_ttl: u64,
    /// The client secret that is accepted
    #[arg(
        long,
        env = "SIM_CLIENT_SECRET",
        hide_env_values = true,
        default_value = "sim-secret",
        hide_default_value = true
    )]
    client_secret: String,
    /// A client id that is accepted; none: any
    #[arg(long = "client-id")]
    client_ids: Vec<String>,
    /// A tenant that exists; none: any
    #[arg(long = "tenant")]
    tenants: Vec<String>,
    /// Appends every call to this file, a JSON line each
    #[arg(long, env = "SIM_RECORD")]
    record: Option<PathBuf>,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn json_file(path: Option<&PathBuf>) -> anyhow::Result<Value> {
    let Some(path) = path else { return Ok(Value::Null) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

impl Cli {
    fn settings(self) -> anyhow::Result<Settings> {
        let plan = json_file(self.fault_plan.as_ref())?;
        let mut settings = Settings {
            faults: FaultPlan::try_from(plan).map_err(|text| anyhow::anyhow!("fault plan: {text}"))?,
            seed: json_file(self.seed_file.as_ref())?,
            bind: self.bind,
            calls_per_minute: self.rate,
            burst: self.burst,
            retry_after_s: self.retry_after,
            rng_seed: self.rng_seed,
            write_ms: self.write_ms,
            read_ms: self.read_ms,
            activity_ms: (self.activity_min_ms, self.activity_max_ms),
            visible_at_202: self.visible_at_202,
            reply_ids: !self.omit_ids,
            token_ttl_s: self.token_ttl,
            client_secret: self.client_secret,
            client_ids: self.client_ids,
            tenants: self.tenants,
            record: self.record,
            threads: self.threads,
            ..Settings::default()
        };
        if self.conflict_as_activity {
            (settings.refuse_existing, settings.refuse_in_flight) = (Refusal::Activity, Refusal::Activity);
        }
        Ok(settings)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let ready_file = cli.ready_file.clone();
    // caught before anybody is told that we are ready
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let handle = Simulator::start(cli.settings()?)?;
    writeln!(std::io::stdout(), "simulator listening on {}", handle.base_url)?;
    if let Some(path) = ready_file {
        // renamed into place: a reader never sees half a line
        let part = path.with_extension("part");
        std::fs::write(&part, format!("{}\n", handle.base_url))?;
        std::fs::rename(&part, &path)?;
    }
    tokio::select! {
        _ = terminate.recv() => {}
        done = tokio::signal::ctrl_c() => done?,
    }
    handle.stop();
    Ok(())
}
