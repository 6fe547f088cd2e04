//! The OpenAPI document: what is committed is what is served, and it says enough to call everything it names.

use std::collections::BTreeSet;
use std::path::Path;

use api::limits::Body;
use api::openapi;
use api::routes::{self, Access};
use serde_json::Value;

fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

/// (method and path, operation) of each.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let items = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap();
        methods
            .iter()
            .map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    items.collect()
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let served = openapi::document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("RENEW_OPENAPI").is_some() {
        std::fs::write(&path, &served).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = served.lines().zip(committed.lines()).position(|(a, b)| a != b);
    assert!(
        committed == served,
        "api/openapi.json is stale, from line {} on. Look whether the change is meant, say so in CHANGELOG.md, and renew it:\n    \
         cargo run -p phaseline-api -- openapi > api/openapi.json      (or this test with RENEW_OPENAPI=1)",
        differs.unwrap_or_else(|| served.lines().count().min(committed.lines().count())) + 1
    );
}

#[test]
fn every_operation_says_what_it_does_what_it_takes_and_how_it_ends() {
    let document = document();
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["name"])
        .map(Value::to_string)
        .collect();
    let mut ids = BTreeSet::new();
    for (what, operation) in operations(&document) {
        let text = |field: &str| operation[field].as_str().unwrap_or_default().to_owned();
        assert!(ids.insert(text("operationId")), "{what}: its operationId is used twice");
        assert!(text("summary").len() > 4, "{what}: no summary");
        let description = text("description");
        assert!(
            !description.starts_with("Limits:"),
            "{what}: no description but its limits"
        );
        assert!(description.contains("Limits: "), "{what}: its limits are not told");
        for tag in operation["tags"].as_array().unwrap() {
            assert!(tags.contains(&tag.to_string()), "{what}: {tag} is not explained");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(
                parameter["description"].as_str().is_some_and(|d| !d.is_empty()),
                "{what} {name}: no description"
            );
            let told = parameter.to_string();
            assert!(
                told.contains("\"example\"") || name == "cursor",
                "{what} {name}: no example"
            );
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                response["description"].as_str().is_some_and(|d| !d.is_empty()),
                "{what} {status}: no description"
            );
            let content = response["content"].as_object();
            for (kind, body) in content.into_iter().flatten() {
                assert!(!body["schema"].is_null(), "{what} {status} {kind}: no schema");
                let is_ours = status.starts_with(['4', '5']);
                assert!(!is_ours || body["examples"].is_object(), "{what} {status}: no example");
            }
        }
        if let Some(content) = operation["requestBody"]["content"].as_object() {
            assert!(
                content["application/json"]["examples"].is_object(),
                "{what}: no example of a request"
            );
        }
    }
}

#[test]
fn limits_and_their_errors_are_told_as_they_are_kept() {
    let document = document();
    for endpoint in routes::all().into_iter().filter(|e| !e.is_page) {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        let told = &operation["x-limits"];
        assert_eq!(
            told["answer_seconds"],
            endpoint.limits.answer.as_secs(),
            "{}",
            endpoint.path
        );
        assert_eq!(
            told["body_bytes"].as_u64(),
            endpoint.limits.body.limits().map(|b| b.bytes_max),
            "{}",
            endpoint.path
        );
        assert_eq!(
            told["stream_seconds"].as_u64(),
            endpoint.limits.stream.map(|s| s.as_secs()),
            "{}",
            endpoint.path
        );
        let takes = endpoint.limits.body != Body::None;
        assert_eq!(takes, operation["requestBody"].is_object(), "body of {}", endpoint.path);
        for status in ["408", "413", "415"] {
            assert_eq!(
                operation["responses"].get(status).is_some(),
                takes,
                "{status} of {}",
                endpoint.path
            );
        }
        for (status, there) in [("503", true), ("431", true), ("400", endpoint.access != Access::Open)] {
            assert_eq!(
                operation["responses"].get(status).is_some(),
                there,
                "{status} of {}",
                endpoint.path
            );
        }
    }
}

#[test]
fn words_are_enums_and_requests_are_closed() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    for (name, word) in [
        ("JobStatus", "CANCELLING"),
        ("PhaseStatus", "SKIPPED"),
        ("TaskStatus", "UNKNOWN"),
        ("LimitedBy", "cool_down"),
        ("NameConflict", "adopt"),
        ("InvalidRows", "skip"),
        ("Expired", "renew"),
    ] {
        let words = schemas[name]["enum"]
            .as_array()
            .unwrap_or_else(|| panic!("{name} is no enum"));
        assert!(words.contains(&Value::from(word)), "{name}");
    }
    for name in ["Import", "ImportOptions", "Steering"] {
        assert_eq!(schemas[name]["additionalProperties"], false, "{name}");
    }
    // fields of an export that are not known are passed over
    assert!(schemas["CloudpathDpsk"].get("additionalProperties").is_none());
}
