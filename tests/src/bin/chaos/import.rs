//! One export on its way into a controller of its own: submitted until it is accepted, followed to its end, and once more where that
//! is asked for or the first job did not do all of it.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use testkit::harness::api::has_ended;
use testkit::harness::simulator::Control;
use testkit::harness::{Controller, VENUE};
use testkit::scene::Scene;

use crate::world::World;

/// Keys of an export.
const KEYS: std::ops::RangeInclusive<usize> = 10..=320;
/// Of one whose upload is interrupted: rows go to Redis a thousand at a time while they arrive.
const KEYS_UPLOADED: std::ops::RangeInclusive<usize> = 600..=1_300;
/// One of so many is imported a second time, and finds everything.
const AGAIN: u64 = 4;
/// One of so many is imported by two jobs at once: what one makes, the other finds.
const TWICE_AT_ONCE: u64 = 5;
/// Jobs for one export, at most: what the first left undone in foul weather is to be done by one in fair weather.
const JOBS_MAX: usize = 4;
const PAUSE: Duration = Duration::from_millis(400);
/// An API that answers must accept within this once everything is healed.
const ACCEPT_TRIES_HEALED: u32 = 100;

pub struct Import {
    pub number: usize,
    pub controller: Controller,
    pub export: Value,
    pub scene: Scene,
    /// When its export was made: which keys had expired.
    pub made: Timestamp,
    again: bool,
    twice: bool,
}

/// One job of an import that was accepted.
pub struct Job {
    pub id: String,
    pub key: String,
    /// A second job of the same key.
    pub other: Option<String>,
    pub submitted: Timestamp,
    /// What was there. None: another job of the same export is under way, and what is whose only the two together tell.
    pub before: Option<Value>,
    /// As it had ended.
    pub ended: Value,
    /// What was there when it had ended.
    pub after: Value,
}

/// An import and its jobs, the last of which is to have done it.
pub struct Played {
    pub import: Import,
    pub jobs: Vec<Job>,
    /// What went wrong on the way.
    pub faults: Vec<String>,
}

impl Import {
    /// The export with this number, of this run's seed.
    pub fn new(world: &World, number: usize, is_upload: bool) -> anyhow::Result<Self> {
        let mut rng = StdRng::seed_from_u64(world.seed.wrapping_mul(0x9E37_79B9).wrapping_add(number as u64));
        let keys = rng.random_range(if is_upload { KEYS_UPLOADED } else { KEYS });
        let made = Timestamp::now();
        let export = testkit::export::full(keys, rng.random(), made);
        let (policies, activate) = (rng.random_bool(0.4), rng.random_bool(0.4));
        let mut scene = Scene::of(&export, policies, activate).map_err(anyhow::Error::msg)?;
        if !policies && !activate && rng.random_bool(0.5) {
            scene.options.insert("group_by_vlan".to_owned(), true.into());
        }
        let controller = world.controllers.get(number).context("there are no controllers left")?;
        Ok(Import {
            number,
            controller: controller.clone(),
            export,
            scene,
            made,
            again: rng.random_range(0..AGAIN) == 0,
            twice: !is_upload && rng.random_range(0..TWICE_AT_ONCE) == 0,
        })
    }

    /// Of its first job, and of those that follow.
    pub fn key(&self, job: usize) -> String {
        format!("chaos-{}-{job}", self.number)
    }

    pub fn simulator<'w>(&self, world: &'w World) -> &'w Control {
        &world.simulators[self.controller.simulator]
    }

    /// What it needs at its controller.
    pub async fn prepare(&self, world: &World) -> anyhow::Result<()> {
        if !self.scene.seed.is_empty() {
            let mut seed = self.scene.seed.clone();
            seed.insert("tenant".to_owned(), self.controller.remote_tenant.as_str().into());
            self.simulator(world).seed(seed.into()).await?;
        }
        Ok(())
    }

    /// The body of its request.
    pub fn body(&self) -> anyhow::Result<Vec<u8>> {
        let body = json!({"controller_id": self.controller.id, "venue_id": VENUE, "dpsk_data": self.export, "options": self.scene.options});
        Ok(serde_json::to_vec(&body)?)
    }

    pub async fn ledger(&self, world: &World) -> anyhow::Result<Value> {
        self.simulator(world).ledger(&self.controller.remote_tenant).await
    }

    /// To the end, which is awaited for as long as the caller likes.
    pub async fn play(mut self, world: World) -> Played {
        let (mut jobs, mut faults) = (Vec::new(), Vec::new());
        while jobs.len() < JOBS_MAX {
            let first = self.job(&world, jobs.len());
            let ended = match self.twice && jobs.is_empty() {
                true => {
                    let both = tokio::join!(first, self.job(&world, 1));
                    vec![both.0, both.1]
                }
                false => vec![first.await],
            };
            let is_one = ended.len() == 1;
            let mut is_done = true;
            for job in ended {
                match job {
                    Ok(mut job) => {
                        is_done &= job.ended["status"] == "COMPLETED";
                        job.before = job.before.filter(|_| is_one);
                        jobs.push(job);
                    }
                    Err(e) => faults.push(format!("import {}: {e:#}", self.number)),
                }
            }
            if !faults.is_empty() || is_done && !(self.again && jobs.len() == 1) {
                break;
            }
            if !is_done {
                self.scene.mend();
            }
        }
        Played {
            import: self,
            jobs,
            faults,
        }
    }

    async fn job(&self, world: &World, index: usize) -> anyhow::Result<Job> {
        let (key, body) = (self.key(index), self.body()?);
        let before = self.ledger(world).await?;
        let submitted = if index == 0 { self.made } else { Timestamp::now() };
        let id = accepted(world, &key, &body).await?;
        world.accepted(&key, &id);
        let job = loop {
            match world.api.job(&id).await {
                Ok(job) if has_ended(&job) => break job,
                // the API or Redis is away; a job that is gone is told by the verdict
                _ => tokio::time::sleep(PAUSE).await,
            }
        };
        // who has lost the answer asks again, with the same key, and gets the same job
        let same = accepted(world, &key, &body).await?;
        let controller = &self.controller.id;
        let status = job["status"].as_str().unwrap_or_default();
        let told = format!(
            "import {} ({key}) at controller {controller}: job {id} is {status}",
            self.number
        );
        world.story.line(&told);
        let after = self.ledger(world).await?;
        Ok(Job {
            other: Some(same).filter(|same| *same != id),
            id,
            key,
            submitted,
            before: Some(before),
            ended: job,
            after,
        })
    }
}

/// Submits until the job is accepted; the same key every time.
async fn accepted(world: &World, key: &str, body: &[u8]) -> anyhow::Result<String> {
    let mut tries_left = ACCEPT_TRIES_HEALED;
    loop {
        let said = match world.api.import_once(key, body).await {
            Ok((200 | 202, answer)) => {
                let id = answer["job_id"].as_str().context("an accepted job has an id")?;
                return Ok(id.to_owned());
            }
            // away, full, or not the master: it says so, and it is worth another try
            Ok((408 | 429 | 500.., answer)) => answer.to_string(),
            Ok((status, answer)) => bail!("{key} is answered {status}: {answer}"),
            Err(e) => format!("{e:#}"),
        };
        if world.is_healed() {
            tries_left -= 1;
        }
        if tries_left == 0 {
            bail!("{key} is not accepted: {said}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
