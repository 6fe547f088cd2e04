//! One import: the product's own client command submits and watches it, we keep the time and look from outside.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::Value;
use testkit::harness::api::has_ended;
use testkit::harness::{Api, VENUE};
use testkit::verify::rows::{Case, account};
use testkit::verify::{Options, Verdict, verify_with};

use crate::args::Args;
use crate::stage::Stage;
use crate::trouble::{self, Trouble};

/// Between two looks at the job; also how exact the makespan is.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The client may take that long to say its last after the job has ended.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);

/// Everything the report needs.
pub struct Imported {
    pub job: Value,
    pub tasks: Vec<Value>,
    pub verdict: Verdict,
    /// What the job says of its rows and is not so.
    pub untruths: Vec<String>,
    pub counts: Value,
    pub ledger: Value,
    pub makespan: Duration,
    pub ideal_seconds: f64,
    pub trouble: Trouble,
}

/// `args`: what to kill and to freeze on the way; none: nothing.
pub async fn run(stage: &mut Stage, args: Option<&Args>) -> anyhow::Result<Imported> {
    let api = stage.fleet.api.clone();
    let before = api.jobs().await?;
    let tenant = stage.controller.remote_tenant.clone();
    let there = stage.fleet.simulators[0].ledger(&tenant).await?;
    let mut command = tokio::process::Command::from(stage.fleet.client()?);
    command
        .arg("import")
        .arg(&stage.export_path)
        .args([
            "--controller",
            &stage.controller.id.to_string(),
            "--venue",
            VENUE,
            "--watch",
        ])
        .args(stage.scene.arguments())
        .kill_on_drop(true);
    let now = Timestamp::now();
    let began = Instant::now();
    let mut client = command.spawn().context("cannot start phaseline")?;
    let pid = client.id();
    pid.into_iter().for_each(|pid| stage.fleet.guard.watch(pid));
    let id = accepted(&api, &before, &mut client).await?;
    let trouble = async {
        match args {
            Some(args) => trouble::make(stage, args, &id).await,
            None => Ok(Trouble::default()),
        }
    };
    let ((job, makespan), trouble) = tokio::join!(follow(&api, &id, began), trouble);
    let trouble = trouble?;
    if tokio::time::timeout(CLIENT_TIMEOUT, client.wait()).await.is_err() {
        bail!("the client command did not notice the end of the job");
    }
    pid.into_iter().for_each(|pid| stage.fleet.guard.forget(pid));
    let simulator = &stage.fleet.simulators[0];
    let ledger = simulator.ledger(&tenant).await?;
    let (options, fault) = (Options::read(&stage.scene.options.clone().into()), |fault: String| {
        anyhow::anyhow!("{fault}")
    });
    let verdict = verify_with(&stage.export, &options, &ledger, now).map_err(fault)?;
    let tasks = api.tasks(&id).await?;
    let _ = std::fs::write(stage.path().join("tasks.json"), serde_json::to_vec(&tasks)?);
    let case = Case {
        export: &stage.export,
        options: &options,
        submitted: now,
        job: &job,
        tasks: &tasks,
        before: &there,
        after: &ledger,
    };
    let untruths = account(&case).map_err(fault)?;
    Ok(Imported {
        job,
        tasks,
        verdict,
        untruths,
        counts: simulator.counts(&tenant).await?,
        ledger,
        makespan,
        ideal_seconds: simulator.ideal(&tenant).await?,
        trouble,
    })
}

/// The id of the job the client has made. An export that is refused makes none: the client has said why.
async fn accepted(api: &Api, before: &[String], client: &mut tokio::process::Child) -> anyhow::Result<String> {
    loop {
        let ended = client.try_wait()?;
        if let Ok(jobs) = api.jobs().await
            && let Some(id) = jobs.into_iter().find(|id| !before.contains(id))
        {
            return Ok(id);
        }
        if let Some(status) = ended {
            bail!("the import was not accepted ({status})");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Until the job has ended, however often Redis or the API are away. A job always ends: it has a deadline.
async fn follow(api: &Api, id: &str, began: Instant) -> (Value, Duration) {
    loop {
        if let Ok(job) = api.job(id).await
            && has_ended(&job)
        {
            return (job, began.elapsed());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
