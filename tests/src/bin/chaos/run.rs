//! From the first fault to the verdict.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testkit::harness::{dump, wait_until};
use tokio::task::JoinSet;

use crate::args::Args;
use crate::crew::Crew;
use crate::import::{Import, Played};
use crate::kinds::Kind;
use crate::schedule::schedule;
use crate::table::{Injected, tell};
use crate::world::World;
use crate::{story, upload, verdict, world};

const TICK: Duration = Duration::from_millis(50);
/// For what has begun to end in fair weather. What was lost to a deleted stream is found after half a minute, phase by phase.
const END_TIMEOUT: Duration = Duration::from_secs(420);
const HEAL_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether everything is as it should be.
pub async fn run(args: &Args) -> anyhow::Result<bool> {
    let folder = tempfile::Builder::new().prefix("phaseline-chaos-").tempdir()?;
    let ended = chaos(args, folder.path()).await;
    let is_good = matches!(ended, Ok(true));
    if args.keep || !is_good {
        story::result(&format!(
            "all logs are in {} (seed {})",
            folder.keep().display(),
            args.start
        ));
    }
    ended
}

async fn chaos(args: &Args, folder: &std::path::Path) -> anyhow::Result<bool> {
    let (fleet, world) = world::start(args, folder).await?;
    let mut crew = Crew::new(fleet, world.story.clone());
    let mut acts = Acts {
        imports: JoinSet::new(),
        played: Vec::new(),
        numbers: 0..world.controllers.len(),
        world,
    };
    let mut injected = faults(args, &mut crew, &mut acts).await?;
    heal(&mut crew, &acts.world).await?;
    let is_over = acts.end(&mut crew).await?;
    if !is_over {
        std::fs::write(folder.join("state.txt"), dump::dump(&crew.fleet))?;
    }
    let verdict = verdict::judge(&crew.fleet, &acts.world, &acts.played).await?;
    injected.ended = crew.ended;
    tell(&injected, &verdict, crew.tally.repeated());
    let is_good = is_over && verdict.is_good() && injected.in_vain.is_empty();
    if !is_good {
        std::fs::write(folder.join("state.txt"), dump::dump(&crew.fleet))?;
        std::fs::write(folder.join("verdict.txt"), format!("{verdict:#?}"))?;
    }
    if args.keep || !is_good {
        let _ = std::fs::copy(crew.fleet.redis.dir().join("log"), folder.join("redis.log"));
    }
    Ok(is_good)
}

/// The imports, beside the faults.
struct Acts {
    imports: JoinSet<Played>,
    played: Vec<Played>,
    /// Left.
    numbers: std::ops::Range<usize>,
    world: World,
}

impl Acts {
    async fn next(&mut self, is_upload: bool) -> anyhow::Result<Option<Import>> {
        let Some(number) = self.numbers.next() else {
            return Ok(None);
        };
        let import = Import::new(&self.world, number, is_upload)?;
        import.prepare(&self.world).await?;
        Ok(Some(import))
    }

    fn play(&mut self, import: Import) {
        self.imports.spawn(import.play(self.world.clone()));
    }

    /// Imports under way.
    fn under_way(&mut self) -> anyhow::Result<usize> {
        while let Some(one) = self.imports.try_join_next() {
            self.played.push(one?);
        }
        Ok(self.imports.len())
    }

    /// Whether everything has come to its end in time.
    async fn end(&mut self, crew: &mut Crew) -> anyhow::Result<bool> {
        let by = Instant::now() + END_TIMEOUT;
        loop {
            match tokio::time::timeout(TICK * 10, self.imports.join_next()).await {
                Ok(None) => return Ok(true),
                Ok(Some(one)) => self.played.push(one?),
                Err(_) if Instant::now() >= by => {
                    let left = self.imports.len();
                    self.world.story.line(&format!("{left} imports have not ended in time"));
                    return Ok(false);
                }
                Err(_) => crew.supervise().await?,
            }
        }
    }
}

async fn faults(args: &Args, crew: &mut Crew, acts: &mut Acts) -> anyhow::Result<Injected> {
    let wanted = |kind: &Kind| {
        args.only
            .as_ref()
            .is_none_or(|only| kind.name().contains(only.as_str()))
    };
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(wanted).collect();
    let mut left = schedule(args.start, args.time(), &kinds).into_iter().peekable();
    let mut injected = Injected {
        seed: args.start,
        minutes: args.minutes,
        counts: BTreeMap::new(),
        ended: 0,
        in_vain: Vec::new(),
    };
    let began = Instant::now();
    while began.elapsed() < args.time() {
        crew.heal(false);
        crew.supervise().await?;
        if acts.under_way()? < args.imports as usize
            && let Some(import) = acts.next(false).await?
        {
            acts.play(import);
        }
        if let Some(fault) = left.next_if(|fault| began.elapsed() >= fault.at) {
            let done = match (fault.kind, crew.inject(&fault).await) {
                (Kind::ApiKilledInUpload, Ok(())) => match acts.next(true).await? {
                    Some(import) => {
                        let told = upload::interrupt(&mut crew.fleet, &import, &fault).await?;
                        acts.world.story.line(&told);
                        acts.play(import);
                        Ok(())
                    }
                    None => Err(anyhow::anyhow!("there are no controllers left")),
                },
                (_, done) => done,
            };
            match done {
                Ok(()) => *injected.counts.entry(fault.kind).or_default() += 1,
                Err(e) => injected.in_vain.push(format!("{}: {e:#}", fault.kind.name())),
            }
        }
        tokio::time::sleep(TICK).await;
    }
    Ok(injected)
}

/// Ends every fault.
async fn heal(crew: &mut Crew, world: &World) -> anyhow::Result<()> {
    world.story.line("everything is healed");
    let by = Instant::now() + HEAL_TIMEOUT;
    loop {
        crew.heal(true);
        crew.supervise().await?;
        if crew.is_whole() || Instant::now() >= by {
            break;
        }
        tokio::time::sleep(TICK).await;
    }
    let ready = wait_until("the API to be ready", HEAL_TIMEOUT, async || {
        matches!(world.api.get("/readyz").await, Ok((200, _))).then_some(())
    });
    ready.await?;
    world.heal();
    Ok(())
}
