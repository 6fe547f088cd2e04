//! The plan of `attach_policies`: what of it is there already, and what is left to be done.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use shared::cloudpath::{ImportPlan, NameConflict, PolicySetSpec, PolicySpec};
use shared::job::outcome::{Origin, Outcome, Resource, TaskError};
use shared::job::task::TaskInput;
use shared::store::StoreError;

use super::super::compare::quoted;
use super::super::staged::{LEFT_AS_IS, LEFT_DIFFERENT, made_by};
use super::attach::assigned;
use super::found::{self, Conditions, Next};
use super::links::Link;
use super::{Made, example, first_assignment, first_place, places, whole};
use crate::executors::dry::is_planned;
use crate::executors::{Context, PlanError, Task, TaskSink};
use crate::r1::R1;
use crate::r1::policy::Policy;
use crate::r1::policy_set::PolicySet;

/// How a policy's condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    There,
    /// There with another pattern, which is accepted, or changed before a policy gets its place.
    Other,
    Planned,
    Refused,
}

struct Planner<'a> {
    r1: &'a R1,
    cx: &'a Context,
    plan: &'a ImportPlan,
    policy: NameConflict,
    made: Made,
    pools: HashMap<u32, Resource>,
    /// Policies, by id, that have no condition yet.
    bare: HashSet<String>,
    sets: Vec<PolicySet>,
    tasks: Vec<TaskInput>,
    /// Links that differ and stay.
    left: u32,
}

/// Plans all tasks into `sink`: conditions, places, assignments. Answers the facts.
pub async fn tasks(
    r1: &R1,
    cx: &Context,
    plan: &ImportPlan,
    policy: NameConflict,
    sink: &mut dyn TaskSink,
) -> Result<Value, PlanError> {
    let mut planner = Planner {
        r1,
        cx,
        plan,
        policy,
        made: Made::read(cx, plan).await?,
        pools: made_by(cx, "create_dpsk_pools").await?,
        bare: HashSet::new(),
        sets: Vec::new(),
        tasks: Vec::new(),
        left: 0,
    };
    sink.claim(planner.names()).await?;
    planner.look().await?;
    let conditions = planner.conditions().await?;
    planner.places(&conditions).await?;
    planner.assignments()?;
    let to_do = planner.tasks.iter().filter(|task| task.preset.is_none()).count();
    let left = planner.left;
    for input in planner.tasks {
        sink.push(Task { input, secret: None }).await?;
    }
    let mut facts = json!({"conditions": plan.policies.len(), "places": places(plan).count(),
        "assignments": plan.policy_sets.len(), "to_do": to_do});
    if left > 0 {
        facts[LEFT_DIFFERENT] = left.into();
    }
    Ok(facts)
}

fn missing(code: &str, what: &str, name: &str) -> TaskError {
    TaskError::new(code, format!("{what} {} was not made", quoted(name)))
}

impl Planner<'_> {
    fn names(&self) -> Vec<String> {
        let conditions = self
            .plan
            .policies
            .iter()
            .filter_map(|spec| Some(self.condition(spec)?.claimed()));
        let places = places(self.plan).filter_map(|(set, policy, before)| {
            let (set, policy) = (&self.made.set(set)?.id, &self.made.policy(policy)?.id);
            Some(place(set, policy, before, false).claimed())
        });
        let assignments = self.plan.policy_sets.iter().filter_map(|set| {
            let (made, pool) = (self.made.set(set)?, self.pools.get(&set.pool.into())?);
            Some(assignment(&pool.id, &made.id, set.index, None).claimed())
        });
        conditions.chain(places).chain(assignments).collect()
    }

    fn condition(&self, spec: &PolicySpec) -> Option<Link> {
        Some(Link::Condition {
            policy: self.made.policy(spec)?.id.clone(),
            pattern: spec.pattern.clone(),
            update: None,
        })
    }

    /// Whether a policy that is not ours, or none at all, answers the users of one of ours in a set. Asked only where there are others.
    /// `answers`: ours is in it and has its condition.
    async fn shadow(
        &self,
        set: &str,
        there: &HashMap<String, u32>,
        policy: &PolicySpec,
        answers: bool,
    ) -> Result<Option<whole::Answer>, PlanError> {
        let is_ours = |id: &str| {
            self.plan
                .policies
                .iter()
                .any(|ours| self.made.policy(ours).is_some_and(|p| p.id == id))
        };
        if there.keys().all(|id| is_ours(id)) {
            return Ok(None);
        }
        let answer = whole::answering(self.r1, self.cx.gate.as_ref(), set, policy).await?;
        let is_expected = answer == whole::Answer::Nobody && !answers || answer.other_than(is_ours).is_none();
        Ok(Some(answer).filter(|_| !is_expected))
    }

    fn push(&mut self, index: u32, name: String, link: Link, preset: Option<Outcome>) -> Result<(), PlanError> {
        let data = serde_json::to_value(link).map_err(StoreError::from)?;
        self.tasks.push(TaskInput {
            index,
            name,
            data,
            preset,
        });
        Ok(())
    }

    /// Tells of the task pushed last what of it differs and stays. `counts`: it is an object of its own.
    fn leave(&mut self, differences: &str, counts: bool) {
        if let Some(task) = self.tasks.last_mut() {
            task.data[LEFT_AS_IS] = differences.into();
            self.left += u32::from(counts);
        }
    }

    fn refuse(&mut self, index: u32, name: String, error: TaskError) {
        self.tasks.push(TaskInput {
            index,
            name,
            data: Value::Null,
            preset: Some(Outcome::failed(index, error)),
        });
    }

    /// Counts spare the reading of every policy and set that has just been made: another import may have been there meanwhile, so that
    /// it was made here does not say that it is bare.
    async fn look(&mut self) -> Result<(), PlanError> {
        let (gate, bare) = (self.cx.gate.as_ref(), &mut self.bare);
        let keep = |policy: Policy| {
            if policy.conditions_count == Some(0) {
                bare.insert(policy.id);
            }
        };
        self.r1.policies().visit(gate, keep).await?;
        self.sets = self.r1.policy_sets().collect(gate).await?;
        Ok(())
    }

    async fn conditions(&mut self) -> Result<HashMap<u32, Condition>, PlanError> {
        let (plan, mut all) = (self.plan, HashMap::new());
        for spec in &plan.policies {
            let (index, name) = (spec.index, format!("condition of {}", spec.name));
            let (Some(made), Some(mut link)) = (self.made.policy(spec), self.condition(spec)) else {
                self.refuse(index, name, missing("POLICY_MISSING", "policy", &spec.name));
                all.insert(index, Condition::Refused);
                continue;
            };
            let there = match self.bare.contains(&made.id) || is_planned(&made.id) {
                true => Conditions::default(),
                false => Conditions::read(self.r1, self.cx.gate.as_ref(), &made.id).await?,
            };
            let state = match found::condition(&spec.name, &spec.pattern, &there, self.policy) {
                Next::Done => {
                    let outcome = link.done_with(index, &name, Origin::Adopted);
                    self.push(index, name, link, Some(outcome))?;
                    Condition::There
                }
                Next::Left(differences) => {
                    let outcome = link.done_with(index, &name, Origin::Adopted);
                    self.push(index, name, link, Some(outcome))?;
                    // its policy's task has told it, unless somebody changed it since
                    self.leave(&differences.to_string(), false);
                    Condition::Other
                }
                Next::Create => {
                    self.push(index, name, link, None)?;
                    Condition::Planned
                }
                Next::Change(id) => {
                    if let Link::Condition { update, .. } = &mut link {
                        *update = Some(id);
                    }
                    self.push(index, name, link, None)?;
                    Condition::Other
                }
                Next::Refused(error) => {
                    self.refuse(index, name, error);
                    Condition::Refused
                }
            };
            all.insert(index, state);
        }
        Ok(all)
    }

    async fn places(&mut self, conditions: &HashMap<u32, Condition>) -> Result<(), PlanError> {
        let plan = self.plan;
        let mut members: HashMap<String, HashMap<String, u32>> = HashMap::new();
        for ((set, policy, before), index) in places(plan).zip(first_place(plan)..) {
            let name = format!("{} in {}", policy.name, set.name);
            let (Some(made), Some(member)) = (self.made.set(set), self.made.policy(policy)) else {
                let error = match self.made.set(set) {
                    None => missing("POLICY_SET_MISSING", "policy set", &set.name),
                    Some(_) => missing("POLICY_MISSING", "policy", &policy.name),
                };
                self.refuse(index, name, error);
                continue;
            };
            let condition = conditions.get(&policy.index).copied();
            if !members.contains_key(&made.id) {
                let empty = |set: &PolicySet| set.id == made.id && set.mapped_policy_count == Some(0);
                let there = match self.sets.iter().any(empty) || is_planned(&made.id) {
                    true => HashMap::new(),
                    false => whole::members(self.r1, self.cx.gate.as_ref(), &made.id).await?,
                };
                members.insert(made.id.clone(), there);
            }
            let there = members.get(&made.id).expect("read a moment ago");
            let is_there = there.contains_key(&member.id);
            // one that is put behind them now is looked at when its set is to be assigned
            let shadow = match is_there || self.policy == NameConflict::Update {
                true => {
                    let answers = is_there && condition == Some(Condition::There);
                    self.shadow(&made.id, there, policy, answers).await?
                }
                false => None,
            };
            // behind those that are there; a place behind the end is the end
            let before = there.len() as u32 + before;
            let needs_condition = condition == Some(Condition::Planned);
            let link = place(&made.id, &member.id, before, needs_condition);
            let adopted = link.done_with(index, &name, Origin::Adopted);
            match standing(is_there, shadow.as_ref(), self.policy) {
                Standing::Fits => self.push(index, name, link, Some(adopted))?,
                Standing::Accepted(other) => {
                    self.push(index, name, link, Some(adopted))?;
                    self.leave(&answered_by(policy, &other), true);
                }
                Standing::Refused(other) => {
                    let differs = answered_by(policy, &other);
                    let message = format!("{} exists and differs: {differs}", quoted(&name));
                    self.refuse(index, name, TaskError::new("NAME_CONFLICT", message));
                }
                Standing::Unanswered => {
                    let message = format!(
                        "policy set {} answers user {} with no policy, although {} is in it",
                        quoted(&set.name),
                        quoted(&example(policy)),
                        quoted(&policy.name)
                    );
                    self.refuse(index, name, TaskError::new("NOBODY_ANSWERS", message));
                }
                Standing::Behind | Standing::First if condition == Some(Condition::Refused) => {
                    let message = format!("policy {} has not the condition it should have", quoted(&policy.name));
                    self.refuse(index, name, TaskError::new("CONDITION_MISSING", message));
                }
                Standing::Behind => self.push(index, name, link, None)?,
                Standing::First => {
                    let mut link = place(&made.id, &member.id, 0, needs_condition);
                    if let Link::Place { moves, .. } = &mut link {
                        *moves = is_there;
                    }
                    self.push(index, name, link, None)?;
                }
            }
        }
        Ok(())
    }

    /// Why a set will not be whole, as far as that is known now.
    fn lack(&self, set: &PolicySetSpec) -> Option<TaskError> {
        let is_refused = |index: u32| {
            let task = self.tasks.iter().find(|task| task.index == index);
            task.and_then(|task| task.preset.as_ref())
                .is_some_and(|outcome| outcome.error.is_some())
        };
        let ours = places(self.plan).zip(first_place(self.plan)..);
        let lacks = ours.filter(|((of, ..), _)| of.index == set.index);
        let lacks: Vec<String> = lacks
            .filter_map(|((_, policy, _), index)| match self.made.policy(policy) {
                None => Some(format!("policy {} was not made", quoted(&policy.name))),
                Some(_) if is_refused(index) => Some(format!("policy {} gets no place in it", quoted(&policy.name))),
                Some(_) => None,
            })
            .collect();
        (!lacks.is_empty()).then(|| whole::not_whole(&set.name, &lacks))
    }

    fn assignments(&mut self) -> Result<(), PlanError> {
        let plan = self.plan;
        for (set, index) in plan.policy_sets.iter().zip(first_assignment(plan)..) {
            let pool_name = plan.pools.get(usize::from(set.pool)).map_or("", |pool| &pool.name);
            let name = format!("{} on {pool_name}", set.name);
            let (Some(made), Some(pool)) = (self.made.set(set), self.pools.get(&set.pool.into())) else {
                let error = match self.made.set(set) {
                    None => missing("POLICY_SET_MISSING", "policy set", &set.name),
                    Some(_) => missing("POOL_MISSING", "DPSK pool", pool_name),
                };
                self.refuse(index, name, error);
                continue;
            };
            let now = self.sets.iter().find(|other| other.is_assigned_to(&pool.id));
            let replaces = now.filter(|now| now.id != made.id && self.policy == NameConflict::Update);
            let link = assignment(&pool.id, &made.id, set.index, replaces.map(|now| now.id.clone()));
            let preset = assigned(&link, index, &name, now, self.policy);
            // known before anything is written: its task would be refused in the end
            let preset = preset.or_else(|| Some(Outcome::failed(index, self.lack(set)?)));
            let is_left = preset.as_ref().is_some_and(|outcome| outcome.error.is_none());
            let left = now.filter(|now| is_left && now.id != made.id).map(|theirs| {
                let (theirs, ours) = (quoted(&theirs.name), quoted(&set.name));
                format!("policySetId is that of {theirs}, wanted {ours}")
            });
            self.push(index, name, link, preset)?;
            left.iter().for_each(|left| self.leave(left, true));
        }
        Ok(())
    }
}

/// What becomes of a policy's place in a set.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Fits,
    /// Its users are answered by this one, and that stays.
    Accepted(String),
    Refused(String),
    /// Nobody answers its users, though it is there. No place in the order helps: put at the front again and again, it would be a write
    /// each time.
    Unanswered,
    /// It is put behind those that are there.
    Behind,
    /// It is put before them.
    First,
}

/// `shadow`: who answers its users instead.
fn standing(is_there: bool, shadow: Option<&whole::Answer>, policy: NameConflict) -> Standing {
    let Some(other) = shadow.and_then(|answer| answer.other_than(|_| false)) else {
        return if is_there { Standing::Fits } else { Standing::Behind };
    };
    match policy {
        _ if !is_there => Standing::First,
        NameConflict::Adopt => Standing::Accepted(other),
        NameConflict::Fail => Standing::Refused(other),
        NameConflict::Update if shadow == Some(&whole::Answer::Nobody) => Standing::Unanswered,
        NameConflict::Update => Standing::First,
    }
}

fn answered_by(policy: &PolicySpec, other: &str) -> String {
    let (user, wanted) = (quoted(&example(policy)), quoted(&policy.name));
    format!("user {user} is answered by {other}, wanted {wanted}")
}

fn place(set: &str, policy: &str, before: u32, needs_condition: bool) -> Link {
    Link::Place {
        set: set.to_owned(),
        policy: policy.to_owned(),
        priority: before + 1,
        needs_condition,
        moves: false,
    }
}

fn assignment(pool: &str, set: &str, index: u16, replaces: Option<String>) -> Link {
    Link::Assignment {
        pool: pool.to_owned(),
        set: set.to_owned(),
        index,
        replaces,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executors::cloudpath::policies::whole::Answer;

    #[test]
    fn a_policy_moves_to_the_front_only_where_another_one_answers() {
        let theirs = || Answer::By {
            id: Some("t".into()),
            name: "theirs".into(),
        };
        let theirs_told = || "\"theirs\"".to_owned();
        use NameConflict::{Adopt, Fail, Update};
        for (is_there, shadow, policy, wanted) in [
            (true, None, Fail, Standing::Fits),
            (false, None, Fail, Standing::Behind),
            (true, Some(Answer::NoDryCheck), Update, Standing::Fits),
            (true, Some(theirs()), Adopt, Standing::Accepted(theirs_told())),
            (true, Some(theirs()), Fail, Standing::Refused(theirs_told())),
            (true, Some(theirs()), Update, Standing::First),
            (false, Some(theirs()), Update, Standing::First),
            (false, Some(theirs()), Fail, Standing::First),
            (false, Some(theirs()), Adopt, Standing::First),
            (true, Some(Answer::Nobody), Update, Standing::Unanswered),
            (true, Some(Answer::Nobody), Fail, Standing::Refused("none".into())),
            (true, Some(Answer::Nobody), Adopt, Standing::Accepted("none".into())),
            (false, Some(Answer::Nobody), Update, Standing::First),
        ] {
            assert_eq!(
                standing(is_there, shadow.as_ref(), policy),
                wanted,
                "{is_there} {shadow:?} {policy:?}"
            );
        }
    }
}
