//! A call that is made until it is answered, by an API that may be away, full, or without its Redis.

use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use crate::world::World;

const PAUSE: Duration = Duration::from_millis(400);
/// An API that answers must have answered within this once everything is healed.
const TRIES_HEALED: u32 = 100;

/// Attempts at a call; only those in fair weather are counted.
pub struct Tries<'w> {
    world: &'w World,
    left: u32,
}

impl<'w> Tries<'w> {
    pub fn new(world: &'w World) -> Self {
        Tries {
            world,
            left: TRIES_HEALED,
        }
    }

    /// None, after a pause: it says no more than to come again.
    pub async fn weigh(&mut self, said: anyhow::Result<(u16, Value)>) -> anyhow::Result<Option<(u16, Value)>> {
        let said = match said {
            Ok((408 | 429 | 500.., answer)) => answer.to_string(),
            Ok(answer) => return Ok(Some(answer)),
            Err(e) => format!("{e:#}"),
        };
        if self.world.is_healed() {
            self.left -= 1;
        }
        if self.left == 0 {
            bail!("it is not answered: {said}");
        }
        tokio::time::sleep(PAUSE).await;
        Ok(None)
    }
}
