//! Doing it, undoing it, and keeping the fleet at strength, as whoever supervises processes would.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::Context;
use testkit::harness::{Fleet, Proxy, Signal, Starting, Weather};
use tokio::net::TcpSocket;

use crate::kinds::Kind;
use crate::schedule::Fault;
use crate::story::Story;
use crate::tally::Tally;

const WORK: &str = "workflow:{p0}:work";
/// How much later a chunk arrives on a slow way.
const DELAYS_MS: [u64; 4] = [60, 250, 900, 2_500];
/// Answers cut off before a way is whole again, at most.
const CUTS_MAX: u64 = 8;
/// A cut that has met no answer waits so much longer for one.
const CUT_WAITS: Duration = Duration::from_secs(12);

/// A busy machine may keep Redis from answering for longer than the harness waits.
const COMMAND_TRIES: u32 = 4;

/// How something ends.
enum Heal {
    Thaw(String),
    StartRedis,
    ResumeRedis,
    GiveMemory,
    /// With the port of the master that is none.
    Promote(#[expect(dead_code, reason = "held, so that nobody can be there")] TcpSocket),
    ClearWay(Way),
}

#[derive(Debug, Clone)]
enum Way {
    ApiToRedis,
    /// By the worker's id: it may be dead by then.
    WorkerToRedis(String),
    ToSimulator(usize),
}

struct Ends {
    at: Instant,
    heal: Heal,
    /// Answers cut off before.
    cuts: u64,
}

pub struct Crew {
    pub fleet: Fleet,
    pub tally: Tally,
    story: Story,
    strength: usize,
    starting: Vec<Starting>,
    frozen: Vec<String>,
    under_way: Vec<Ends>,
    /// Processes that ended although nobody killed them.
    pub ended: usize,
}

impl Crew {
    pub fn new(fleet: Fleet, story: Story) -> Self {
        Crew {
            strength: fleet.workers.len(),
            fleet,
            tally: Tally::default(),
            story,
            starting: Vec::new(),
            frozen: Vec::new(),
            under_way: Vec::new(),
            ended: 0,
        }
    }

    /// Injects a fault. Uploads are interrupted elsewhere.
    pub async fn inject(&mut self, fault: &Fault) -> anyhow::Result<()> {
        let (what, heal) = match fault.kind {
            Kind::WorkerKilled => (self.kill_worker(fault).await?, None),
            Kind::WorkerFrozen => {
                let id = self.victim(fault);
                self.worker(&id)?.process.signal(Signal::Stop)?;
                self.frozen.push(id.clone());
                (id.clone(), Some(Heal::Thaw(id)))
            }
            Kind::RedisKilled => {
                self.fleet.kill_redis();
                (String::new(), Some(Heal::StartRedis))
            }
            Kind::RedisPaused => {
                self.fleet.redis.pause()?;
                (String::new(), Some(Heal::ResumeRedis))
            }
            Kind::RedisFull => {
                self.command(&["CONFIG", "SET", "maxmemory", "1"])?;
                (String::new(), Some(Heal::GiveMemory))
            }
            Kind::RedisDemoted => {
                // bound and never listening: nobody else can be there, so no data set is ever exchanged for another
                let nobody = TcpSocket::new_v4()?;
                nobody.bind((Ipv4Addr::LOCALHOST, 0).into())?;
                let port = nobody.local_addr()?.port().to_string();
                self.command(&["REPLICAOF", "127.0.0.1", &port])?;
                (String::new(), Some(Heal::Promote(nobody)))
            }
            Kind::ScriptsFlushed => {
                self.command(&["SCRIPT", "FLUSH"])?;
                (String::new(), None)
            }
            Kind::ConsumerDeleted => {
                let id = self.victim(fault);
                let held = self.command(&["XGROUP", "DELCONSUMER", WORK, "workers", &id]);
                // the stream may have been deleted a moment ago
                let held = held.map_or_else(|e| e.to_string(), |held| format!("{held} pending"));
                (format!("{id}, {held}"), None)
            }
            Kind::StreamDeleted => {
                let entries = self.command(&["XLEN", WORK])?;
                self.command(&["DEL", WORK])?;
                (format!("{entries} entries"), None)
            }
            Kind::ApiKilledInUpload => (String::new(), None),
            Kind::RedisBlackHole | Kind::RedisDelayed | Kind::RedisCut => {
                let way = match fault.choose(2, 3) {
                    0 => Way::ApiToRedis,
                    _ => Way::WorkerToRedis(self.victim(fault)),
                };
                (self.spoil(fault, &way), Some(Heal::ClearWay(way)))
            }
            Kind::ControllerBlackHole | Kind::ControllerDelayed | Kind::ControllerCut => {
                let way = Way::ToSimulator(fault.choose(2, self.fleet.to_simulators.len()));
                (self.spoil(fault, &way), Some(Heal::ClearWay(way)))
            }
        };
        let lasts = match heal {
            Some(_) => format!(" for {:.1} s", fault.lasts.as_secs_f64()),
            None => String::new(),
        };
        self.story.line(&format!("FAULT {}{lasts} {what}", fault.kind.name()));
        if let Some(heal) = heal {
            let cuts = match &heal {
                Heal::ClearWay(way) => self.proxy(way).map_or(0, Proxy::cuts),
                _ => 0,
            };
            self.under_way.push(Ends {
                at: Instant::now() + fault.lasts,
                heal,
                cuts,
            });
        }
        Ok(())
    }

    /// Ends what is due to end, or everything.
    pub fn heal(&mut self, all: bool) {
        let now = Instant::now();
        for ends in std::mem::take(&mut self.under_way) {
            if !(all || self.is_due(&ends, now)) {
                self.under_way.push(ends);
                continue;
            }
            if let Err(e) = self.undo(&ends.heal) {
                self.story.line(&format!("not healed yet: {e:#}"));
                self.under_way.push(ends);
            }
        }
    }

    pub fn is_whole(&self) -> bool {
        self.under_way.is_empty() && self.fleet.workers.len() >= self.strength
    }

    fn is_due(&self, ends: &Ends, now: Instant) -> bool {
        let Heal::ClearWay(way) = &ends.heal else {
            return now >= ends.at;
        };
        let Some(proxy) = self.proxy(way) else { return true };
        match (proxy.weather(), proxy.cuts() - ends.cuts) {
            (Weather::Cut, CUTS_MAX..) => true,
            (Weather::Cut, 0) => now >= ends.at + CUT_WAITS,
            _ => now >= ends.at,
        }
    }

    fn undo(&mut self, heal: &Heal) -> anyhow::Result<()> {
        match heal {
            Heal::Thaw(id) => {
                self.frozen.retain(|frozen| frozen != id);
                // it may have been killed in its sleep
                if let Ok(worker) = self.worker(id) {
                    worker.process.signal(Signal::Continue)?;
                }
            }
            Heal::StartRedis => self.fleet.restart_redis()?,
            Heal::ResumeRedis => self.fleet.redis.resume()?,
            Heal::GiveMemory => _ = self.command(&["CONFIG", "SET", "maxmemory", "0"])?,
            Heal::Promote(_) => _ = self.command(&["REPLICAOF", "NO", "ONE"])?,
            Heal::ClearWay(way) => {
                if let Some(proxy) = self.proxy(way) {
                    proxy.set(Weather::Fair);
                }
            }
        }
        Ok(())
    }

    /// Starts what has ended, and takes among the workers what runs by now. Called often.
    pub async fn supervise(&mut self) -> anyhow::Result<()> {
        if !self.fleet.api_runs() {
            self.ended += 1;
            self.story.line("the API has ended by itself");
            self.fleet.spawn_api()?;
        }
        for mut starting in std::mem::take(&mut self.starting) {
            if starting.process.is_running() {
                self.starting.extend(self.fleet.adopt(starting)?);
            } else {
                self.ended += 1;
                self.story
                    .line(&format!("{} has ended by itself", starting.process.name));
            }
        }
        let (ended, story) = (&mut self.ended, &self.story);
        self.fleet.workers.retain_mut(|worker| {
            let runs = worker.process.is_running();
            if !runs {
                *ended += 1;
                story.line(&format!("{} has ended by itself", worker.process.name));
            }
            runs
        });
        while self.fleet.workers.len() + self.starting.len() < self.strength {
            let starting = self.fleet.spawn_worker().await?;
            self.starting.push(starting);
        }
        let awake = self
            .fleet
            .workers
            .iter()
            .filter(|worker| !self.frozen.contains(&worker.id));
        self.tally.look(awake).await;
        Ok(())
    }

    async fn kill_worker(&mut self, fault: &Fault) -> anyhow::Result<String> {
        let id = self.victim(fault);
        let worker = self.worker(&id)?;
        let place = worker.process.name.clone();
        let at = self.fleet.workers.iter().position(|worker| worker.id == id);
        if let Some(at) = at {
            self.tally.last_look(&self.fleet.workers[at]).await;
            self.fleet.workers.remove(at).process.kill();
        }
        self.supervise().await?;
        Ok(format!("{place} {id}"))
    }

    /// One of the workers that run and are awake; of all, if none is awake.
    fn victim(&self, fault: &Fault) -> String {
        let ids = self.fleet.workers.iter().map(|worker| &worker.id);
        let awake: Vec<&String> = ids.clone().filter(|id| !self.frozen.contains(id)).collect();
        let among = if awake.is_empty() { ids.collect() } else { awake };
        let chosen = among.get(fault.choose(0, among.len()));
        chosen.map(|id| (*id).clone()).unwrap_or_default()
    }

    fn worker(&mut self, id: &str) -> anyhow::Result<&mut testkit::harness::Worker> {
        let mut workers = self.fleet.workers.iter_mut();
        workers.find(|worker| worker.id == id).context("no worker runs")
    }

    fn proxy(&self, way: &Way) -> Option<&Proxy> {
        match way {
            Way::ApiToRedis => self.fleet.api_to_redis.as_ref(),
            Way::WorkerToRedis(id) => {
                let mut workers = self.fleet.workers.iter();
                workers.find(|worker| worker.id == *id)?.to_redis.as_ref()
            }
            Way::ToSimulator(index) => self.fleet.to_simulators.get(*index),
        }
    }

    fn spoil(&self, fault: &Fault, way: &Way) -> String {
        let weather = match fault.kind {
            Kind::RedisBlackHole | Kind::ControllerBlackHole => Weather::BlackHole,
            Kind::RedisCut | Kind::ControllerCut => Weather::Cut,
            _ => Weather::Delay(Duration::from_millis(DELAYS_MS[fault.choose(3, DELAYS_MS.len())])),
        };
        if let Some(proxy) = self.proxy(way) {
            proxy.set(weather);
        }
        format!("{way:?} {weather:?}")
    }

    /// To Redis itself, past the proxies. All of them may be said twice: who waits in vain for an answer says it again, since a
    /// server that heard the first one must not be left as it is.
    fn command(&self, words: &[&str]) -> anyhow::Result<String> {
        for _ in 1..COMMAND_TRIES {
            let said = self.fleet.redis_connection().map(|mut redis| redis.call(words));
            match said {
                Ok(Ok(reply)) => return Ok(reply.text()),
                // its word is final
                Ok(Err(e)) if e.kind() == std::io::ErrorKind::Other => return Err(e).context(words.join(" ")),
                _ => {}
            }
        }
        let mut redis = self.fleet.redis_connection()?;
        Ok(redis.call(words).with_context(|| words.join(" "))?.text())
    }
}
