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

use crate::steer::{self, Steering};
use crate::tries::Tries;
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

pub struct Import {
    pub number: usize,
    pub controller: Controller,
    pub export: Value,
    pub scene: Scene,
    /// When its export was made: which keys had expired.
    pub made: Timestamp,
    again: bool,
    twice: bool,
    /// What people do to its first job.
    plan: Option<steer::Plan>,
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
    /// What was done to the first of them.
    pub steered: Option<Steering>,
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
            plan: steer::Plan::draw(&mut rng),
        })
    }

    /// Of its first job, and of those that follow.
    pub fn key(&self, job: usize) -> String {
        format!("chaos-{}-{job}", self.number)
    }

    pub fn simulator<'w>(&self, world: &'w World) -> &'w Control {
        &world.simulators[self.controller.simulator]
    }

    /// What it needs at its controller; which has to be there for its ledger to be read before.
    pub async fn prepare(&self, world: &World) -> anyhow::Result<()> {
        let mut seed = self.scene.seed.clone();
        seed.insert("tenant".to_owned(), self.controller.remote_tenant.as_str().into());
        self.simulator(world).seed(seed.into()).await.map(drop)
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
        let (mut jobs, mut faults, mut steered) = (Vec::new(), Vec::new(), None);
        while jobs.len() < JOBS_MAX {
            let begun = jobs.len();
            let ended = match (begun, self.twice, &self.plan) {
                (0, true, _) => {
                    let both = tokio::join!(self.job(&world, 0), self.job(&world, 1));
                    vec![both.0, both.1]
                }
                (0, false, Some(plan)) => {
                    let (job, done) = self.steered(&world, plan).await;
                    steered = done.then_some(plan.steering);
                    vec![job]
                }
                _ => vec![self.job(&world, begun).await],
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
            if begun == 0 && steered == Some(Steering::Undone) && faults.is_empty() {
                match self.undone(&world, &jobs[0]).await {
                    Ok(cleanups) => jobs.extend(cleanups),
                    Err(e) => faults.push(format!("import {}: {e:#}", self.number)),
                }
                is_done = false;
            }
            if !faults.is_empty() || is_done && !(self.again && begun == 0) {
                break;
            }
            if !is_done {
                self.scene.mend();
            }
        }
        Played {
            import: self,
            jobs,
            steered,
            faults,
        }
    }

    async fn job(&self, world: &World, index: usize) -> anyhow::Result<Job> {
        let (key, body) = (self.key(index), self.body()?);
        let before = self.ledger(world).await?;
        let submitted = if index == 0 { self.made } else { Timestamp::now() };
        let id = accepted(world, &key, &body).await?;
        let job = self.followed(world, &key, &id).await?;
        // who has lost the answer asks again, with the same key, and gets the same job
        let same = accepted(world, &key, &body).await?;
        Ok(Job {
            other: Some(same).filter(|same| *same != id),
            submitted,
            before: Some(before),
            after: self.ledger(world).await?,
            id,
            key,
            ended: job,
        })
    }

    /// The first job, with what people do to it meanwhile, and whether they came in time.
    async fn steered(&self, world: &World, plan: &steer::Plan) -> (anyhow::Result<Job>, bool) {
        let people = async {
            // the same key finds the same job
            let id = accepted(world, &self.key(0), &self.body()?).await?;
            plan.steer(world, &id).await
        };
        match tokio::join!(self.job(world, 0), people) {
            (job, Ok(done)) => (job, done),
            (_, Err(e)) => (Err(e), false),
        }
    }

    /// Takes back what the job has made; the cleanups. Then everything is as it was before it.
    async fn undone(&self, world: &World, job: &Job) -> anyhow::Result<Vec<Job>> {
        let mut cleanups = Vec::new();
        loop {
            let key = format!("{}-cleanup-{}", job.key, cleanups.len());
            let submitted = Timestamp::now();
            let id = steer::clean(world, &job.id, &key).await?;
            let ended = self.followed(world, &key, &id).await?;
            let same = steer::clean(world, &job.id, &key).await?;
            let is_done = ended["status"] == "COMPLETED";
            let after = self.ledger(world).await?;
            let (was, is) = (job.before.as_ref().map(held), held(&after));
            cleanups.push(Job {
                other: Some(same).filter(|same| *same != id),
                id,
                key,
                submitted,
                before: None,
                ended,
                after,
            });
            if is_done {
                let apart = was.map_or_else(Vec::new, |was| apart(&was, &is));
                if !apart.is_empty() {
                    let apart = apart.join(", ");
                    bail!(
                        "job {} was cleaned up, and things are not as before it: {apart}",
                        job.id
                    );
                }
                return Ok(cleanups);
            }
            if cleanups.len() >= steer::CLEANUPS_MAX {
                bail!("job {} is not cleaned up by {} cleanups", job.id, cleanups.len());
            }
        }
    }

    /// An accepted job, as it is when it has ended.
    async fn followed(&self, world: &World, key: &str, id: &str) -> anyhow::Result<Value> {
        world.accepted(key, id);
        let job = loop {
            match world.api.job(id).await {
                Ok(job) if has_ended(&job) => break job,
                // the API or Redis is away; a job that is gone is told by the verdict
                _ => tokio::time::sleep(PAUSE).await,
            }
        };
        let controller = &self.controller.id;
        let status = job["status"].as_str().unwrap_or_default();
        let told = format!(
            "import {} ({key}) at controller {controller}: job {id} is {status}",
            self.number
        );
        world.story.line(&told);
        Ok(job)
    }
}

/// What there is, without what only tells that something was done.
fn held(ledger: &Value) -> Value {
    let mut held = ledger.clone();
    held["totals"]["activities"] = Value::Null;
    testkit::scene::timeless(&mut held);
    held
}

/// Where two ledgers differ.
fn apart(was: &Value, is: &Value) -> Vec<String> {
    let kinds = is.as_object().into_iter().flatten();
    let differing = kinds.filter(|(kind, now)| was[kind.as_str()] != **now);
    let told = differing.map(|(kind, now)| match (was[kind].as_array(), now.as_array()) {
        (Some(then), Some(now)) => {
            let only = |of: &[Value], other: &[Value]| -> Vec<Value> {
                let only = of.iter().filter(|thing| !other.contains(thing));
                only.map(|thing| thing["name"].clone()).collect()
            };
            format!("{kind}: gone {:?}, new {:?}", only(then, now), only(now, then))
        }
        _ => format!("{kind}: {} before, {now} now", was[kind]),
    });
    told.collect()
}

/// Submits until the job is accepted; the same key every time.
async fn accepted(world: &World, key: &str, body: &[u8]) -> anyhow::Result<String> {
    let mut tries = Tries::new(world);
    loop {
        match tries.weigh(world.api.import_once(key, body).await).await? {
            None => {}
            Some((200 | 202, answer)) => {
                let id = answer["job_id"].as_str().context("an accepted job has an id")?;
                return Ok(id.to_owned());
            }
            Some((status, answer)) => bail!("{key} is answered {status}: {answer}"),
        }
    }
}
