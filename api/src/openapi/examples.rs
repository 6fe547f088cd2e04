//! Examples of requests and answers: what is shown where. Each is a file, so that it can be read, sent and checked as it is.

use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::{Content, RefOr};

/// One example of one operation's request, or of one of its answers.
struct Shown {
    /// Handler, which is the operation's id.
    operation: &'static str,
    /// `request`, or the status of an answer.
    of: &'static str,
    name: &'static str,
    summary: &'static str,
    json: &'static str,
}

macro_rules! shown {
    ($($operation:literal $of:literal $file:literal $summary:literal;)*) => {
        &[$(Shown {
            operation: $operation,
            of: $of,
            name: $file,
            summary: $summary,
            json: include_str!(concat!("examples/", $file, ".json")),
        }),*]
    };
}

const SHOWN: &[Shown] = shown! {
    "import" "request" "import_pool" "One pool, as the extractor writes it";
    "import" "request" "import_array" "A bare array of DPSKs";
    "import" "request" "import_full" "A full export, with a network that is to be activated";
    "import" "202" "accepted" "Accepted";
    "import" "200" "accepted" "The job of then";
    "import" "400" "problem_400_body" "Two keys cannot be imported as they are";
    "import" "422" "problem_422" "Another body under the same key";
    "import" "409" "problem_409_plan" "It would not do what was planned";
    "plan" "request" "import_pool" "One pool, as the extractor writes it";
    "plan" "202" "accepted_plan" "Accepted";
    "plan" "200" "accepted_plan" "The job of then";
    "plan" "422" "problem_422" "Another body under the same key";
    "plan_workflow" "request" "import_array" "A bare array of DPSKs";
    "plan_workflow" "202" "accepted_plan" "Accepted";
    "plan_workflow" "200" "accepted_plan" "The job of then";
    "plan_workflow" "422" "problem_422" "Another body under the same key";
    "status" "200" "status_running" "While keys are being made";
    "status" "200" "status_plan" "A plan that is made";
    "jobs" "200" "jobs" "The newest job, and where the next page begins";
    "job" "200" "job" "A job that has ended";
    "tasks" "200" "tasks" "A key that was made, one that failed, one that was skipped";
    "confirm" "request" "steer" "With a reason";
    "pause" "request" "steer" "With a reason";
    "resume" "request" "steer" "With a reason";
    "cancel" "request" "steer" "With a reason";
    "pause" "200" "steered" "Paused";
    "retry" "request" "retry" "Two rows corrected, one told by its place, one by its task";
    "retry" "202" "retried" "Accepted";
    "retry" "200" "retried" "The job of then";
    "retry" "400" "problem_400_retry" "Corrections that cannot be taken";
    "retry" "422" "problem_422" "Another body under the same key";
    "dead_letters" "200" "dead_letters" "A batch of keys that was given up";
    "replay_dead_letter" "202" "retried" "Accepted";
    "replay_dead_letter" "200" "retried" "The job of then";
    "replay_dead_letter" "422" "problem_422" "The key of another letter";
    "cleanup" "request" "cleanup" "Delete what the job made";
    "cleanup" "200" "cleaned" "Everything is gone";
    "cleanup" "202" "cleaning" "It goes on as a job";
    "cleanup" "422" "problem_422" "Another body under the same key";
    "cleanup_import" "request" "cleanup" "Delete what the import made";
    "cleanup_import" "200" "cleaned" "Everything is gone";
    "cleanup_import" "202" "cleaning" "It goes on as a job";
    "cleanup_import" "422" "problem_422" "Another body under the same key";
    "audit" "request" "audit" "Nothing has to be said";
    "audit" "200" "audited" "One key is gone, one was changed, one was put there by somebody else";
    "audit" "202" "auditing" "It goes on as a job";
    "audit" "422" "problem_422" "Another body under the same key";
    "audit_import" "request" "audit" "Nothing has to be said";
    "audit_import" "200" "audited" "One key is gone, one was changed, one was put there by somebody else";
    "audit_import" "202" "auditing" "It goes on as a job";
    "audit_import" "422" "problem_422" "Another body under the same key";
    "workflows" "200" "workflows" "All workflows of this version";
    "workflow" "200" "workflow" "The definition, shortened";
    "healthz" "200" "health" "Alive";
    "readyz" "200" "health" "Ready";
};

/// For errors of operations that have none of their own.
const PROBLEMS: &[(&str, &str)] = &[
    ("400", include_str!("examples/problem_400.json")),
    ("401", include_str!("examples/problem_401.json")),
    ("403", include_str!("examples/problem_403.json")),
    ("404", include_str!("examples/problem_404.json")),
    ("408", include_str!("examples/problem_408.json")),
    ("409", include_str!("examples/problem_409.json")),
    ("413", include_str!("examples/problem_413.json")),
    ("415", include_str!("examples/problem_415.json")),
    ("431", include_str!("examples/problem_431.json")),
    ("500", include_str!("examples/problem_500.json")),
    ("503", include_str!("examples/problem_503.json")),
    ("505", include_str!("examples/problem_505.json")),
];

/// Adds the examples of `operation`'s request or answer to its content.
pub fn add(operation: &str, of: &str, content: &mut Content) {
    for shown in SHOWN.iter().filter(|s| s.operation == operation && s.of == of) {
        let example = example(shown.summary, shown.json);
        content.examples.insert(shown.name.to_owned(), RefOr::T(example));
    }
    let problem = PROBLEMS.iter().find(|(status, _)| *status == of);
    if let Some((status, json)) = problem.filter(|_| content.examples.is_empty()) {
        content
            .examples
            .insert(format!("problem_{status}"), RefOr::T(example("", json)));
    }
}

fn example(summary: &str, json: &str) -> Example {
    // A file that is no JSON is left out here and fails the test below.
    let value = serde_json::from_str(json).ok();
    ExampleBuilder::new().summary(summary).value(value).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_json_of_an_operation_that_there_is() {
        let document = serde_json::to_value(super::super::document()).unwrap();
        let text = document["paths"].to_string();
        for shown in SHOWN {
            assert!(
                serde_json::from_str::<serde_json::Value>(shown.json).is_ok(),
                "{}",
                shown.name
            );
            assert!(
                text.contains(&format!("\"operationId\":\"{}\"", shown.operation)),
                "{}",
                shown.operation
            );
            assert!(
                text.contains(&format!("\"{}\":{{\"summary\":\"{}\"", shown.name, shown.summary)),
                "{}",
                shown.summary
            );
        }
        for (status, json) in PROBLEMS {
            let problem: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(problem["status"].to_string(), *status);
        }
    }
}
