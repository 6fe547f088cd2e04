//! A controller in memory: named things, created asynchronously, with faults on order. And the executors that use it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};
use shared::job::outcome::{Origin, Outcome, Resource, TaskError};
use shared::job::task::TaskInput;
use shared::store::Hold;
use tokio::sync::Semaphore;
use worker::engine::remotes::{Activities, Ended, RemoteLimits, Remotes};
use worker::executors::{Context, Executor, Found, PlanError, Sent, Settle, Task, TaskSink};
use worker::gate::{Gate, Permit, Verdict};
use worker::remote::{CallError, NotSent};

/// What happens to the nth (0-based) create of a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// 503, nothing done.
    Refused,
    /// Applied, the reply is lost.
    LostReply,
    /// Lost on its way, which looks the same from here.
    LostRequest,
    /// Accepted, its activity fails.
    ActivityFails,
    /// Accepted and applied, its activity never ends.
    NeverEnds,
    /// 400.
    Rejected,
    /// 423.
    Locked,
    /// 401.
    Unauthorised,
    /// 401, and by the time it is heard the configuration has been corrected.
    Outdated,
    Throttled(u64),
}

#[derive(Default)]
pub struct Ledger {
    pub things: BTreeMap<String, u32>,
    pub creates: u32,
    /// Names in the order in which they were made.
    pub order: Vec<String>,
    /// Creates that came before every earlier activity had ended.
    pub overlaps: u32,
    pub refused_doubles: u32,
    pub polls: u32,
    pub reads: u32,
    /// Times an executor was asked for a plan.
    pub plans: u32,
    /// Connections are refused.
    pub down: bool,
    /// Changes of the configuration.
    pub readings: u64,
    activities: HashMap<String, (Instant, Result<String, String>, bool)>,
    faults: HashMap<(String, u32), Fault>,
    tries: HashMap<String, u32>,
    next: u32,
}

#[derive(Clone)]
pub struct Toy {
    pub ledger: Arc<Mutex<Ledger>>,
    pub limits: RemoteLimits,
    pub activity_time: Duration,
    /// Creates that are seen to; others get no answer until there are more.
    answers: Arc<Semaphore>,
    /// Reads likewise.
    looks: Arc<Semaphore>,
}

impl Toy {
    pub fn new(limiter: &str, rate: f64) -> Self {
        Toy {
            ledger: Arc::default(),
            limits: RemoteLimits {
                limiter: limiter.into(),
                name: limiter.into(),
                rate,
                burst: rate,
                concurrency: 50,
            },
            activity_time: Duration::from_millis(200),
            answers: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            looks: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS / 2)),
        }
    }

    /// From so many creates on it does not answer, until it is told to.
    pub fn stopping_after(mut self, creates: usize) -> Self {
        self.answers = Arc::new(Semaphore::new(creates));
        self
    }

    /// Nobody who looks something up is answered.
    pub fn without_looks(mut self) -> Self {
        self.looks = Arc::new(Semaphore::new(0));
        self
    }

    /// It answers everything from now on.
    pub fn answer(&self) {
        for calls in [&self.answers, &self.looks] {
            calls.add_permits(Semaphore::MAX_PERMITS / 2);
        }
    }

    pub fn fault(&self, name: &str, nth: u32, fault: Fault) {
        self.ledger.lock().unwrap().faults.insert((name.into(), nth), fault);
    }

    fn create(&self, name: &str) -> Result<String, CallError> {
        let mut l = self.ledger.lock().unwrap();
        l.creates += 1;
        let now = Instant::now();
        l.overlaps += u32::from(l.activities.values().any(|(ends, ..)| *ends > now));
        let nth = *l.tries.entry(name.into()).and_modify(|n| *n += 1).or_insert(0);
        let fault = l.faults.get(&(name.to_owned(), nth)).copied();
        match fault {
            Some(Fault::Refused) => {
                return Err(CallError::ServerError {
                    status: 503,
                    retry_after: None,
                    write: false,
                    detail: String::new(),
                });
            }
            Some(Fault::LostRequest) => return Err(cut()),
            Some(Fault::Locked) => {
                return Err(CallError::Transient {
                    status: 423,
                    retry_after: None,
                    code: None,
                    detail: "somebody else changes it".into(),
                });
            }
            Some(Fault::Rejected) => {
                return Err(CallError::Rejected {
                    status: 400,
                    code: None,
                    detail: "no".into(),
                });
            }
            Some(fault @ (Fault::Unauthorised | Fault::Outdated)) => {
                l.readings += u64::from(fault == Fault::Outdated);
                return Err(CallError::Auth {
                    status: 401,
                    code: None,
                    detail: "expired".into(),
                });
            }
            Some(Fault::Throttled(s)) => {
                return Err(CallError::RateLimited {
                    retry_after: Some(Duration::from_secs(s)),
                });
            }
            _ => {}
        }
        if l.things.contains_key(name) {
            l.refused_doubles += 1;
            return Err(CallError::Conflict {
                status: 409,
                code: None,
                detail: "exists".into(),
                uniqueness: true,
            });
        }
        l.next += 1;
        let id = format!("r{}", l.next);
        let ends = Instant::now() + self.activity_time;
        let result = if fault == Some(Fault::ActivityFails) {
            Err("broken".to_owned())
        } else {
            Ok(format!("id-{name}"))
        };
        if result.is_ok() {
            *l.things.entry(name.into()).or_default() += 1;
            l.order.push(name.into());
        }
        l.activities
            .insert(id.clone(), (ends, result, fault == Some(Fault::NeverEnds)));
        if fault == Some(Fault::LostReply) {
            return Err(cut());
        }
        Ok(id)
    }
}

fn cut() -> CallError {
    CallError::Ambiguous {
        write: true,
        detail: "cut".into(),
    }
}

#[async_trait]
impl Activities for Toy {
    async fn poll(
        &self,
        pending: &BTreeMap<String, u64>,
        gate: &dyn Gate,
    ) -> Result<(Vec<(String, Ended)>, u32), CallError> {
        let permit = gate.permit().await?;
        let mut l = self.ledger.lock().unwrap();
        l.polls += 1;
        let now = Instant::now();
        let ended = pending
            .keys()
            .filter_map(|id| match l.activities.get(id) {
                Some((ends, result, never)) if *ends <= now && !never => Some((
                    id.clone(),
                    match result {
                        Ok(r) => Ended::Success {
                            resource_ids: vec![r.clone()],
                        },
                        Err(m) => Ended::Failed {
                            code: "TOY".into(),
                            message: m.clone(),
                            uniqueness: false,
                        },
                    },
                )),
                _ => None,
            })
            .collect();
        permit.report(Verdict::Answered, Duration::from_millis(1));
        Ok((ended, 1))
    }
}

/// Controllers by id.
#[derive(Clone, Default)]
pub struct Toys(pub BTreeMap<i64, Toy>);

impl Remotes for Toys {
    fn limits(&self, controller: i64) -> Option<RemoteLimits> {
        self.0.get(&controller).map(|t| t.limits.clone())
    }
    fn reading(&self) -> u64 {
        self.0.values().map(|toy| toy.ledger.lock().unwrap().readings).sum()
    }
    fn activities(&self, limiter: &str) -> Option<(RemoteLimits, Arc<dyn Activities>)> {
        let t = self.0.values().find(|t| t.limits.limiter == limiter)?;
        Some((t.limits.clone(), Arc::new(t.clone())))
    }
}

/// Creates `options.n` things named `<prefix><i>`; those that are there when it is planned are adopted.
pub struct Create {
    pub toys: Toys,
    pub name: &'static str,
    pub prefix: &'static str,
}

impl Create {
    fn toy(&self, cx: &Context) -> Toy {
        self.toys.0[&cx.spec.controller].clone()
    }
    fn outcome(index: u32, name: &str, origin: Origin) -> Outcome {
        let resource = Resource {
            kind: "thing".into(),
            id: format!("id-{name}"),
            name: name.into(),
            origin,
        };
        Outcome::completed(index, Some(resource))
    }
}

#[async_trait]
impl Executor for Create {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn plan(&self, cx: &Context, sink: &mut dyn TaskSink) -> Result<Option<Value>, PlanError> {
        if let Some(code) = cx.spec.options["refuse"].as_str() {
            return Err(PlanError::Refused(TaskError::new(code, "refused by the test")));
        }
        self.toy(cx).ledger.lock().unwrap().plans += 1;
        let n = cx.spec.options["n"].as_u64().unwrap_or(0) as u32;
        let tag = cx.spec.options["tag"].as_str().unwrap_or("");
        let name = |index| format!("{}{tag}{index}", self.prefix);
        let names = (0..n).map(|index| format!("thing|{}", name(index)));
        sink.claim(names.chain(self.writes_throughout(cx)).collect()).await?;
        for index in 0..n {
            let name = name(index);
            let there = self.toy(cx).ledger.lock().unwrap().things.contains_key(&name);
            let preset = there.then(|| Self::outcome(index, &name, Origin::Adopted));
            let input = TaskInput {
                index,
                name,
                data: Value::Null,
                preset,
            };
            sink.push(Task {
                input,
                secret: Some(format!("secret-of-{index}").into()),
            })
            .await?;
        }
        let facts = &cx.spec.options["facts"];
        Ok(Some(if facts.is_null() {
            json!({ "planned": n })
        } else {
            facts.clone()
        }))
    }

    fn writes_name(&self, task: &Task) -> Option<String> {
        Some(format!("thing|{}", task.input.name))
    }

    fn writes_throughout(&self, cx: &Context) -> Vec<String> {
        let name = cx.spec.options["throughout"].as_str();
        name.map(str::to_owned).into_iter().collect()
    }

    fn hold(&self) -> Option<Hold> {
        Some(Hold::Remove)
    }

    async fn needs(&self, cx: &Context) -> Result<Vec<String>, PlanError> {
        let names: Option<Vec<String>> = serde_json::from_value(cx.spec.options["needs"].clone()).expect("names");
        Ok(names.unwrap_or_default())
    }

    fn would(&self, _cx: &Context, task: &Task) -> Result<Outcome, CallError> {
        Ok(Self::outcome(task.input.index, &task.input.name, Origin::Created))
    }

    async fn send(&self, cx: &Context, task: &Task, permit: Permit) -> Sent {
        assert_eq!(
            task.secret.as_ref().unwrap().expose(),
            format!("secret-of-{}", task.input.index)
        );
        let answers = self.toy(cx).answers;
        answers.acquire().await.expect("never closed").forget();
        let began = Instant::now();
        if self.toy(cx).ledger.lock().unwrap().down {
            permit.report(Verdict::Unreachable, began.elapsed());
            return Sent::Failed(CallError::NotSent(NotSent::Unreachable {
                detail: "refused".into(),
            }));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        let result = self.toy(cx).create(&task.input.name);
        let verdict = match &result {
            Err(CallError::RateLimited { retry_after }) => Verdict::Throttled {
                retry_after: *retry_after,
            },
            _ => Verdict::Answered,
        };
        permit.report(verdict, began.elapsed());
        match result {
            Ok(request_id) => Sent::Accepted {
                request_id,
                resource_id: None,
            },
            Err(e) => Sent::Failed(e),
        }
    }

    fn settled(&self, _: &Context, task: &Task, id: Option<&str>) -> Settle {
        assert_eq!(id, Some(format!("id-{}", task.input.name).as_str()));
        Settle::Done(Self::outcome(task.input.index, &task.input.name, Origin::Created))
    }

    async fn read_back(&self, cx: &Context, tasks: &[(&Task, bool)]) -> Result<Vec<Found>, CallError> {
        let permit = cx.gate.permit().await?;
        permit.report(Verdict::Answered, Duration::from_millis(1));
        let toy = self.toy(cx);
        toy.ledger.lock().unwrap().reads += 1;
        toy.looks.acquire().await.expect("never closed").forget();
        let l = toy.ledger.lock().unwrap();
        let found = |t: &Task, ours: bool| {
            if l.things.contains_key(&t.input.name) {
                let origin = if ours { Origin::Created } else { Origin::Adopted };
                Found::Present(Self::outcome(t.input.index, &t.input.name, origin))
            } else {
                Found::Absent
            }
        };
        Ok(tasks.iter().map(|(t, ours)| found(t, *ours)).collect())
    }
}
