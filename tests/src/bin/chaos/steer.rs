//! What people do to a job while everything else happens: hold it and let it go on, stop it, and take back what it made.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, bail};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use crate::tries::Tries;
use crate::world::World;

/// When somebody comes, after the job was accepted, and for how long it is held: an import here takes some seconds.
const COMES_MS: RangeInclusive<u64> = 300..=9_000;
const HOLDS_MS: RangeInclusive<u64> = 500..=8_000;
/// A cleanup that foul weather has kept from something is asked for again, so often.
pub const CLEANUPS_MAX: usize = 4;

/// What is done to the first job of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Steering {
    /// Held, and let go.
    Held,
    Cancelled,
    /// Cancelled, and all that it made is taken back.
    Undone,
}

impl Steering {
    pub const ALL: [Steering; 3] = [Steering::Held, Steering::Cancelled, Steering::Undone];

    pub fn name(self) -> &'static str {
        match self {
            Steering::Held => "paused and resumed",
            Steering::Cancelled => "cancelled",
            Steering::Undone => "cancelled and cleaned up",
        }
    }
}

/// What is done, and when.
#[derive(Debug, Clone)]
pub struct Plan {
    pub steering: Steering,
    comes: Duration,
    holds: Duration,
}

impl Plan {
    /// Half of all jobs are let alone.
    pub fn draw(rng: &mut StdRng) -> Option<Self> {
        let (drawn, comes, holds) = (
            rng.random_range(0..6),
            rng.random_range(COMES_MS),
            rng.random_range(HOLDS_MS),
        );
        Some(Plan {
            steering: *Steering::ALL.get(drawn)?,
            comes: Duration::from_millis(comes),
            holds: Duration::from_millis(holds),
        })
    }

    /// Does it. Whether the job was still there to be steered.
    pub async fn steer(&self, world: &World, job: &str) -> anyhow::Result<bool> {
        tokio::time::sleep(self.comes).await;
        let first = match self.steering {
            Steering::Held => "pause",
            Steering::Cancelled | Steering::Undone => "cancel",
        };
        if !asked(world, job, first).await? {
            return Ok(false);
        }
        world.story.line(&format!("{first} job {job}"));
        if self.steering == Steering::Held {
            tokio::time::sleep(self.holds).await;
            // it may have ended all the same: what was sent was the last of it
            asked(world, job, "resume").await?;
        }
        Ok(true)
    }
}

/// Asks until it is answered: true, it is done; false, it is not possible in the job's state.
async fn asked(world: &World, job: &str, call: &str) -> anyhow::Result<bool> {
    let mut tries = Tries::new(world);
    loop {
        match tries.weigh(world.api.steer(job, call).await).await? {
            None => {}
            Some((200 | 202, _)) => return Ok(true),
            Some((409, _)) => return Ok(false),
            Some((status, answer)) => bail!("{call} of job {job} is answered {status}: {answer}"),
        }
    }
}

/// A cleanup of the job under this key; its id.
pub async fn clean(world: &World, job: &str, key: &str) -> anyhow::Result<String> {
    let (path, body) = (
        format!("/api/v1/jobs/{job}/cleanup"),
        json!({"delete_partial_resources": true}).to_string(),
    );
    let headers = [("idempotency-key", key), ("prefer", "wait=0")];
    let mut tries = Tries::new(world);
    loop {
        let said = world.api.post_with(&path, &headers, body.as_bytes()).await;
        match tries.weigh(said).await? {
            None => {}
            Some((200 | 202, answer)) => {
                let id = answer["job_id"].as_str().context("a cleanup has an id")?;
                return Ok(id.to_owned());
            }
            Some((status, answer)) => bail!("a cleanup of job {job} is answered {status}: {answer}"),
        }
    }
}
