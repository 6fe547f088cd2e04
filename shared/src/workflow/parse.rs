//! Text (YAML or JSON) into a checked [`Definition`]: every fault is reported, cycles and unknown ids by name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Cleanup, Definition, expression};
use crate::id::PhaseId;

/// What is wrong with a definition. All of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("workflow definition: {}", .0.join("; "))]
pub struct DefinitionFaults(pub Vec<String>);

/// Phases of one workflow, at most.
pub const PHASES_MAX: usize = 64;
/// Tasks of one batch, at most: a batch's blob and its checkpoints stay small enough for one script call.
pub const BATCH_SIZE_MAX: u32 = 500;
/// Retries of one task, at most, and as many on top.
pub const RETRIES_MAX: u32 = 20;

/// Fields that may be declared. A stored definition may have more: it may come from a later version.
const DEFINITION: [&str; 4] = ["name", "version", "title", "phases"];
const PHASE: [&str; 13] = [
    "id",
    "name",
    "dependencies",
    "parallelizable",
    "critical",
    "skip_condition",
    "executor",
    "batch_size",
    "retry",
    "extra_retries",
    "tolerated",
    "cleanup",
    "in_plan",
];
const RETRY: [&str; 2] = ["max_retries", "backoff_seconds"];
const TOLERATED: [&str; 2] = ["count", "percent"];

/// Reads YAML or JSON (which is YAML). Syntax faults name line and column.
pub fn parse(text: &str) -> Result<Definition, DefinitionFaults> {
    let de = serde_norway::Deserializer::from_str(text);
    let read: Result<Definition, _> = serde_path_to_error::deserialize(de);
    let mut faults = unknown_fields(text);
    match read {
        Ok(definition) => {
            faults.extend(check(&definition).err().into_iter().flat_map(|e| e.0));
            if faults.is_empty() {
                return Ok(definition);
            }
        }
        Err(e) => faults.push(match e.path().to_string().as_str() {
            // the document as a whole
            "." => e.inner().to_string(),
            path => format!("{path}: {}", e.inner()),
        }),
    }
    Err(DefinitionFaults(faults))
}

/// A misspelt field would be a default nobody asked for.
fn unknown_fields(text: &str) -> Vec<String> {
    // what is no such document is told by the reading itself
    let Ok(document) = serde_norway::from_str::<Value>(text) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let mut hold = |at: &str, value: &Value, known: &[&str]| {
        let names = value.as_object().into_iter().flat_map(|o| o.keys());
        for name in names.filter(|n| !known.contains(&n.as_str())) {
            faults.push(format!(
                "{at}: unknown field `{name}`, expected one of {}",
                known.join(", ")
            ));
        }
    };
    hold(".", &document, &DEFINITION);
    for (i, phase) in document["phases"].as_array().into_iter().flatten().enumerate() {
        hold(&format!("phases[{i}]"), phase, &PHASE);
        hold(&format!("phases[{i}].retry"), &phase["retry"], &RETRY);
        hold(&format!("phases[{i}].tolerated"), &phase["tolerated"], &TOLERATED);
    }
    faults
}

/// Ids, references, cycles, ranges, expressions.
pub fn check(d: &Definition) -> Result<(), DefinitionFaults> {
    let mut faults = Vec::new();
    if d.name.is_empty() || d.name.len() > 64 || !d.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        faults.push(format!("name `{}`: 1 to 64 characters of A-Z a-z 0-9 _", d.name));
    }
    for p in &d.phases {
        if !p.id.as_str().starts_with(|c: char| c.is_ascii_alphabetic()) {
            faults.push(format!("phase id `{}` does not start with a letter", p.id));
        }
    }
    if d.phases.is_empty() || d.phases.len() > PHASES_MAX {
        faults.push(format!("{} phases: 1 to {PHASES_MAX} are allowed", d.phases.len()));
    }
    let mut ids = BTreeSet::new();
    for p in &d.phases {
        if !ids.insert(&p.id) {
            faults.push(format!("phase id `{}` is used twice", p.id));
        }
    }
    for p in &d.phases {
        for dep in &p.dependencies {
            if !ids.contains(dep) {
                faults.push(format!("phase `{}` depends on `{dep}`, which does not exist", p.id));
            }
        }
        if p.dependencies.iter().collect::<BTreeSet<_>>().len() != p.dependencies.len() {
            faults.push(format!("phase `{}` names a dependency twice", p.id));
        }
        if !(1..=BATCH_SIZE_MAX).contains(&p.batch_size) {
            faults.push(format!(
                "phase `{}`: batch_size {} is not 1 to {BATCH_SIZE_MAX}",
                p.id, p.batch_size
            ));
        }
        if !(0.0..=100.0).contains(&p.tolerated.percent) {
            faults.push(format!(
                "phase `{}`: tolerated.percent {} is not 0 to 100",
                p.id, p.tolerated.percent
            ));
        }
        if p.cleanup == Cleanup::Unknown {
            faults.push(format!("phase `{}`: cleanup takes nothing or delete_created", p.id));
        }
        if let Some(r) = &p.retry
            && (r.max_retries > RETRIES_MAX || !(0.0..=300.0).contains(&r.backoff_seconds))
        {
            faults.push(format!(
                "phase `{}`: retry takes max_retries 0 to {RETRIES_MAX} and backoff_seconds 0 to 300",
                p.id
            ));
        }
        if p.extra_retries > RETRIES_MAX {
            faults.push(format!("phase `{}`: extra_retries takes 0 to {RETRIES_MAX}", p.id));
        }
        if let Some(text) = &p.skip_condition
            && let Err(e) = expression::compile(text)
        {
            faults.push(format!("phase `{}`: skip_condition: {e}", p.id));
        }
    }
    if faults.is_empty()
        && let Some(cycle) = find_cycle(d)
    {
        let names: Vec<_> = cycle.iter().map(|p| p.as_str()).collect();
        faults.push(format!("the dependencies form a cycle: {}", names.join(" → ")));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(DefinitionFaults(faults))
    }
}

/// One cycle, first id repeated at the end; none if the graph is a DAG.
fn find_cycle(d: &Definition) -> Option<Vec<&PhaseId>> {
    let deps: BTreeMap<&PhaseId, &[PhaseId]> = d.phases.iter().map(|p| (&p.id, p.dependencies.as_slice())).collect();
    let mut ended: BTreeSet<&PhaseId> = BTreeSet::new();
    for start in deps.keys() {
        let mut path: Vec<&PhaseId> = Vec::new();
        if let Some(cycle) = descend(start, &deps, &mut path, &mut ended) {
            return Some(cycle);
        }
    }
    None
}

fn descend<'a>(
    at: &'a PhaseId,
    deps: &BTreeMap<&'a PhaseId, &'a [PhaseId]>,
    path: &mut Vec<&'a PhaseId>,
    ended: &mut BTreeSet<&'a PhaseId>,
) -> Option<Vec<&'a PhaseId>> {
    if ended.contains(at) {
        return None;
    }
    if let Some(from) = path.iter().position(|p| *p == at) {
        let mut cycle = path[from..].to_vec();
        cycle.push(at);
        return Some(cycle);
    }
    path.push(at);
    for next in deps[at] {
        if let Some(cycle) = descend(next, deps, path, ended) {
            return Some(cycle);
        }
    }
    path.pop();
    ended.insert(at);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(phases: &str) -> String {
        format!("name: t\nversion: 1\nphases:\n{phases}")
    }

    #[test]
    fn a_cycle_is_refused_by_name() {
        let text = yaml(
            "  - {id: a, name: A, executor: x, dependencies: [c]}\n  - {id: b, name: B, executor: x, dependencies: [a]}\n  - {id: c, name: C, executor: x, dependencies: [b]}\n",
        );
        let e = parse(&text).unwrap_err().to_string();
        assert!(e.contains("a → c → b → a"), "{e}");
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let text = yaml(
            "  - {id: a, name: A, executor: x, dependencies: [nope, gone], batch_size: 0}\n  - {id: a, name: B, executor: x, skip_condition: 'options.('}\n",
        );
        let e = parse(&text).unwrap_err();
        let all = e.to_string();
        for part in ["`nope`", "`gone`", "batch_size 0", "used twice", "skip_condition"] {
            assert!(all.contains(part), "{part} missing in {all}");
        }
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path() {
        let e = parse(&yaml("  - {id: a, name: A, executor: x, bach_size: 3}\n"))
            .unwrap_err()
            .to_string();
        assert!(e.contains("phases[0]") && e.contains("bach_size"), "{e}");
    }

    #[test]
    fn every_unknown_word_of_declared_text_is_refused() {
        let text = "name: t\nversion: 1\nlater: 1\nphases:\n  - {id: a, name: A, executor: x, retry: {max_retries: 1, backoff_seconds: 1, slowly: 1}, tolerated: {count: 1, promille: 2}, cleanup: burn}\n";
        let all = parse(text).unwrap_err().to_string();
        for part in ["`later`", "phases[0].retry", "`slowly`", "`promille`", "cleanup takes"] {
            assert!(all.contains(part), "{part} missing in {all}");
        }
    }

    /// An API of the next version stores; a worker of this one has to go on.
    #[test]
    fn a_stored_definition_of_a_later_version_is_read() {
        let stored = r#"{"name":"t","version":2,"labels":{"a":1},"phases":[{"id":"a","name":"A","executor":"x","priority":9,
            "tolerated":{"count":3,"of":"batch"},"retry":{"max_retries":1,"backoff_seconds":2,"jitter":"none"},"cleanup":"archive"}]}"#;
        let d: Definition = serde_json::from_str(stored).unwrap();
        let phase = &d.phases[0];
        assert_eq!((phase.tolerated.count, phase.retry.unwrap().max_retries), (3, 1));
        assert_eq!(
            phase.cleanup,
            Cleanup::Unknown,
            "what is not understood deletes nothing"
        );
    }

    #[test]
    fn the_known_fields_are_those_of_the_model() {
        let text = "name: t\nversion: 1\ntitle: T\nphases:\n  - {id: a, name: A, executor: x, skip_condition: 'true', retry: {max_retries: 1, backoff_seconds: 1}, extra_retries: 2, tolerated: {count: 1, percent: 2}, in_plan: false}\n";
        let stored = serde_json::to_value(parse(text).unwrap()).unwrap();
        let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let same = |v: &Value, known: &[&str]| {
            assert_eq!(keys(v), known.iter().map(|k| (*k).to_owned()).collect());
        };
        let phase = &stored["phases"][0];
        same(&stored, &DEFINITION);
        same(phase, &PHASE);
        same(&phase["retry"], &RETRY);
        same(&phase["tolerated"], &TOLERATED);
    }
}
