//! One import, watched from outside.

use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use testkit::harness::api::summary;
use testkit::harness::{Fleet, Plan, SimulatorPlan};
use testkit::verify::verify;
use tokio::sync::watch;

use crate::args::Args;
use crate::latency::Latency;
use crate::memory;
use crate::pace::Pace;

/// 100,000 keys at 2,000 calls a minute take 52 minutes.
const END_TIMEOUT: Duration = Duration::from_secs(2 * 3600);

/// Name of a figure, and the figure.
pub type Figures = Vec<(String, String)>;

pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    let folder = tempfile::Builder::new().prefix("phaseline-measure-").tempdir()?;
    let mut plan = Plan::simple(folder.path(), args.rate, args.workers as usize);
    plan.simulators = vec![SimulatorPlan {
        record: args.record.clone(),
        ..SimulatorPlan::at_rate(args.rate)
    }];
    // what is logged for tests would be part of what is measured
    plan.environment.push(("RUST_LOG".into(), "info".into()));
    let fleet = Fleet::start(plan).await?;
    let tenant = fleet.controllers[0].remote_tenant.clone();
    if let Some(objects) = &args.seed_objects {
        let mut objects = objects.clone();
        objects["tenant"] = tenant.clone().into();
        fleet.simulators[0].seed(objects).await?;
    }
    let now = Timestamp::now();
    let export = testkit::export::full(args.dpsks as usize, args.seed, now);
    let mut figures = Figures::new();
    let mut tell = |name: &str, figure: String| figures.push((name.to_owned(), figure));

    let began = Instant::now();
    let job = fleet.api.import(1, &export, args.options.clone()).await?;
    tell("accepted after", format!("{:.2} s", began.elapsed().as_secs_f64()));
    let (ended, is_ended) = watch::channel(false);
    let paths = [
        ("status", format!("/api/cloudpath-dpsk/jobs/{job}/status")),
        ("tasks, first page", format!("/api/v1/jobs/{job}/tasks?limit=50")),
        ("tasks, failed ones", format!("/api/v1/jobs/{job}/tasks?status=FAILED")),
        ("jobs", "/api/v1/jobs".to_owned()),
    ];
    let watchers = paths.map(|(name, path)| {
        let watched = Latency::of(fleet.api.clone(), path, is_ended.clone());
        (name, tokio::spawn(watched))
    });
    if let Some(keys) = args.stop_after {
        let pace = Pace::of(&fleet.simulators[0], &tenant, keys, args.rate).await?;
        tell("pace", pace.to_string());
        fleet.api.steer(&job, "cancel").await?;
    }
    let view = fleet.api.ended(&job, END_TIMEOUT).await?;
    let took = began.elapsed();
    ended.send_replace(true);
    tell("job", format!("{} after {:.1} s", view["status"], took.as_secs_f64()));
    tell("summary", summary(&view));
    for (name, watcher) in watchers {
        tell(name, watcher.await?.to_string());
    }

    let mib = |pid| memory::peak_mib(pid).map(|n| format!("{n} MiB at most"));
    tell("memory of the API", mib(fleet.api_pid())?);
    for worker in &fleet.workers {
        tell(
            &format!("memory of {}", worker.process.name),
            mib(worker.process.pid())?,
        );
    }
    let mut redis = fleet.redis_connection()?;
    let tasks = view["summary"]["total_tasks"]
        .as_u64()
        .context("the job tells its tasks")?;
    let (bytes, keys) = memory::job_bytes(&mut redis, &job)?;
    tell(
        "Redis, the job's keys",
        format!(
            "{bytes} bytes in {keys} keys: {:.1} bytes a task of {tasks}",
            bytes as f64 / tasks.max(1) as f64
        ),
    );
    let now_mib = memory::info_mib(&mut redis, "used_memory")?;
    let peak_mib = memory::info_mib(&mut redis, "used_memory_peak")?;
    tell("Redis, all", format!("{now_mib} MiB now, {peak_mib} MiB at most"));

    let counts = fleet.simulators[0].counts(&tenant).await?;
    tell(
        "calls",
        format!(
            "{} writes, {} reads, {} polls, {} answers 429, {} duplicates",
            counts["writes"], counts["reads"], counts["polls"], counts["http_429"], counts["duplicates"]
        ),
    );
    if args.stop_after.is_none() && args.options.as_object().is_some_and(|options| options.is_empty()) {
        let ledger = fleet.simulators[0].ledger(&tenant).await?;
        let verdict = verify(&export, &ledger, now).map_err(|fault| anyhow::anyhow!(fault))?;
        tell(
            "ledger",
            format!(
                "{} of {} keys right, {} faults",
                verdict.keys_right,
                verdict.keys_expected,
                verdict.faults().count()
            ),
        );
    }
    Ok(figures)
}
