//! Policy sets, policies, conditions, RADIUS groups, and the dry check.

use serde_json::{Value, json};

use super::*;
use crate::r1::Written;
use crate::r1::policy::{NewPolicy, PolicyPatch};
use crate::r1::policy_set::{NewPolicySet, PrioritizedPolicy};
use crate::remote::CallError;

/// `rows` as the policy service pages them.
fn paged(seen: &Seen, total: u64, row: impl Fn(u64) -> Value) -> Act {
    let (page, size) = (seen.page(), 500);
    let content: Vec<Value> = (page * size..((page + 1) * size).min(total)).map(row).collect();
    Act::json(
        200,
        &json!({"paging": {"totalCount": total, "page": page, "pageSize": size, "pageCount": total.div_ceil(size)}, "content": content})
            .to_string(),
    )
}

fn wanted() -> NewPolicy {
    NewPolicy {
        name: "gold".into(),
        description: None,
        on_match_response: "r-1".into(),
    }
}

#[tokio::test]
async fn sets_and_policies_are_read_whole_by_the_total_of_their_own_paging() {
    let server = serve(|seen| {
        assert_eq!(seen.method, "POST");
        paged(seen, 1201, |i| json!({"id": format!("x{i}"), "name": format!("n{i}")}))
    })
    .await;
    let (r1, gate) = (client(&server), Recorder::default());
    assert_eq!(r1.policy_sets().collect(&gate).await.unwrap().len(), 1201);
    assert_eq!(r1.policies().collect(&gate).await.unwrap().len(), 1201);
    let calls: Vec<_> = server.calls().iter().map(|s| (s.target.clone(), s.json())).collect();
    let asked = |target: &str| {
        (0..3)
            .map(|page| (target.to_owned(), json!({"page": page, "pageSize": 500})))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        calls,
        [asked("/policySets/query"), asked("/policyTemplates/100/policies/query")].concat(),
        "three pages each, and no filter"
    );
}

/// Pages that hold fewer rows than were asked for: without the total they would look like the end.
#[tokio::test]
async fn pages_capped_silently_lose_no_policy() {
    let server = serve(|seen| {
        let rows: Vec<Value> = (seen.page() * 100..(seen.page() * 100 + 100).min(250))
            .map(|i| json!({"id": format!("p{i}"), "name": "n"}))
            .collect();
        Act::json(
            200,
            &json!({"paging": {"totalCount": 250}, "content": rows}).to_string(),
        )
    })
    .await;
    let found = client(&server).policies().collect(&Recorder::default()).await.unwrap();
    assert_eq!(found.len(), 250);
}

#[tokio::test]
async fn rows_without_a_name_are_listed_without_sorting_by_it() {
    let server = serve(|seen| {
        if seen.target.contains("conditions") {
            paged(seen, 1, |_| {
                json!({"id": "c", "policyId": "p", "templateAttributeId": 1012, "templateAttribute": {"id": 1012, "name": "x"},
                       "evaluationRule": {"criteriaType": "StringCriteria", "regexStringCriteria": "^.*_gold$"}})
            })
        } else if seen.target.contains("assignments") {
            paged(seen, 1, |_| json!({"id": "a", "identityId": "pool-1", "identityName": "DPSK"}))
        } else {
            paged(seen, 600, |i| json!({"policyId": format!("p{i}"), "priority": i + 1}))
        }
    })
    .await;
    let (r1, gate) = (client(&server), Recorder::default());
    let conditions = r1.conditions("p").collect(&gate).await.unwrap();
    assert_eq!(
        (conditions[0].template_attribute_id, conditions[0].pattern()),
        (crate::r1::policy::DPSK_USERNAME, Some("^.*_gold$"))
    );
    assert_eq!(
        r1.policy_set_assignments("s").collect(&gate).await.unwrap()[0].identity_id,
        "pool-1"
    );
    let places = r1.prioritized_policies("s").collect(&gate).await.unwrap();
    assert_eq!((places.len(), places[599].priority), (600, 600));
    let targets: Vec<_> = server.calls().iter().map(|s| s.target.clone()).collect();
    assert_eq!(
        targets,
        [
            "/policyTemplates/100/policies/p/conditions?page=0&size=500",
            "/policySets/s/assignments?page=0&size=500",
            "/policySets/s/prioritizedPolicies?page=0&size=500",
            "/policySets/s/prioritizedPolicies?page=1&size=500",
        ]
    );
}

#[tokio::test]
async fn a_policy_is_done_only_when_it_is_whole() {
    for (status, body, expected) in [
        // Live: accepted, with the policy, and nothing to ask after.
        (202, json!({"id": "p-1", "name": "gold", "policyType": "DPSK"}), None),
        (
            202,
            json!({"id": "p-1", "name": "gold", "onMatchResponse": "r-1"}),
            None,
        ),
        (202, json!({}), None),
        (201, json!({"id": "p-1", "name": "gold"}), None),
        (
            201,
            json!({"id": "p-1", "name": "gold", "onMatchResponse": "r-2"}),
            None,
        ),
        (
            201,
            json!({"id": "p-1", "name": "gold", "onMatchResponse": "r-1"}),
            Some("p-1"),
        ),
    ] {
        let text = body.to_string();
        let server = serve(move |_| Act::json(status, &text)).await;
        let written = client(&server).create_policy(Permit::unlimited(), &wanted()).await;
        let done = Written::Done {
            id: expected.map(str::to_owned),
        };
        assert_eq!(written.unwrap(), done, "{status} {body}");
    }
    let server = serve(|_| Act::json(202, r#"{"requestId":"r","id":"p-1"}"#)).await;
    let written = client(&server).create_policy(Permit::unlimited(), &wanted()).await;
    assert!(matches!(written, Ok(Written::Accepted { request_id, .. }) if request_id == "r"));
    let server = serve(|_| Act::json(409, r#"{"message":"name 'gold' is already in use"}"#)).await;
    let refused = client(&server).create_policy(Permit::unlimited(), &wanted()).await;
    assert!(matches!(refused, Err(CallError::Conflict { uniqueness: true, .. })));
}

#[tokio::test]
async fn writes_say_what_the_vendor_requires() {
    let server = serve(|seen| match seen.method.as_str() {
        "DELETE" => Act::json(204, ""),
        "PUT" if seen.target.starts_with("/dpskServices") => Act::json(202, r#"{"requestId":"r"}"#),
        "PUT" => Act::json(201, r#"{"policyId":"p","priority":2}"#),
        "PATCH" => Act::json(200, r#"{"id":"p","name":"gold"}"#),
        _ => Act::json(201, r#"{"id":"new","name":"x"}"#),
    })
    .await;
    let (r1, permit) = (client(&server), Permit::unlimited);
    let set = NewPolicySet {
        name: "Lobby-PS".into(),
        description: String::new(),
    };
    let made = |id: &str| Written::Done { id: Some(id.into()) };
    let gone = Written::Done { id: None };
    assert_eq!(r1.create_policy_set(permit(), &set).await.unwrap(), made("new"));
    r1.create_policy(permit(), &wanted()).await.unwrap();
    assert_eq!(
        r1.create_condition(permit(), "p", "^.*_gold$").await.unwrap(),
        made("new")
    );
    r1.update_condition(permit(), "p", "c", "^.*_x$").await.unwrap();
    let patch = PolicyPatch {
        name: "gold".into(),
        description: None,
        on_match_response: Some("r-2".into()),
    };
    r1.update_policy(permit(), "p", &patch).await.unwrap();
    let place = PrioritizedPolicy {
        policy_id: "p".into(),
        priority: 2,
    };
    assert_eq!(
        r1.put_prioritized_policy(permit(), "s", &place).await.unwrap(),
        made("p"),
        "the link goes by the policy's id"
    );
    assert_eq!(r1.delete_prioritized_policy(permit(), "s", "p").await.unwrap(), gone);
    assert!(matches!(
        r1.assign_policy_set(permit(), "pool", "s").await,
        Ok(Written::Accepted { .. })
    ));
    assert_eq!(r1.unassign_policy_set(permit(), "pool", "s").await.unwrap(), gone);
    assert_eq!(r1.delete_policy(permit(), "p").await.unwrap(), gone);
    assert_eq!(r1.delete_policy_set(permit(), "s").await.unwrap(), gone);
    let seen: Vec<_> = server
        .calls()
        .iter()
        .map(|s| {
            let body = if s.body.is_empty() { Value::Null } else { s.json() };
            (format!("{} {}", s.method, s.target), body)
        })
        .collect();
    let rule = |pattern: &str| json!({"criteriaType": "StringCriteria", "regexStringCriteria": pattern});
    let expected = [
        ("POST /policySets", json!({"name": "Lobby-PS", "description": ""})),
        (
            "POST /policyTemplates/100/policies",
            json!({"name": "gold", "policyType": "DPSK", "onMatchResponse": "r-1"}),
        ),
        (
            "POST /policyTemplates/100/policies/p/conditions",
            json!({"policyId": "p", "templateAttributeId": 1012, "evaluationRule": rule("^.*_gold$")}),
        ),
        (
            "PATCH /policyTemplates/100/policies/p/conditions/c",
            json!({"templateAttributeId": 1012, "evaluationRule": rule("^.*_x$")}),
        ),
        (
            "PATCH /policyTemplates/100/policies/p",
            json!({"name": "gold", "onMatchResponse": "r-2"}),
        ),
        (
            "PUT /policySets/s/prioritizedPolicies/p",
            json!({"policyId": "p", "priority": 2}),
        ),
        ("DELETE /policySets/s/prioritizedPolicies/p", Value::Null),
        ("PUT /dpskServices/pool/policySets/s", Value::Null),
        ("DELETE /dpskServices/pool/policySets/s", Value::Null),
        ("DELETE /policyTemplates/100/policies/p", Value::Null),
        ("DELETE /policySets/s", Value::Null),
    ];
    assert_eq!(seen, expected.map(|(call, body)| (call.to_owned(), body)));
}

#[tokio::test]
async fn a_condition_that_is_there_is_no_passing_conflict() {
    let server = serve(|_| Act::json(409, r#"{"message":"Condition type is already mapped."}"#)).await;
    let refused = client(&server).create_condition(Permit::unlimited(), "p", "^x$").await;
    assert!(
        matches!(refused, Err(CallError::Conflict { uniqueness: true, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_set_tells_the_pools_it_is_assigned_to() {
    let server = serve(|_| {
        Act::json(
            200,
            r#"{"paging":{"totalCount":2},"content":[
                {"id":"s","name":"Lobby-PS","description":"","mappedPolicyCount":2,"assignmentCount":3,"externalAssignments":[
                    {"identityName":"GROUPS","identityId":["g"]},{"identityName":"DPSK","identityId":["pool-1","pool-2"]}]},
                {"id":"t","name":"Bar-PS","externalAssignments":null}]}"#,
        )
    })
    .await;
    let sets = client(&server)
        .policy_sets()
        .collect(&Recorder::default())
        .await
        .unwrap();
    assert!(sets[0].is_assigned_to("pool-2") && !sets[0].is_assigned_to("pool-3") && !sets[1].is_assigned_to("pool-1"));
}

#[tokio::test]
async fn radius_groups_are_read_in_the_style_of_their_service() {
    let server = serve(|seen| {
        let rows: Vec<Value> = (seen.page() * 500..(seen.page() * 500 + 500).min(501))
            .map(|i| json!({"id": format!("r{i}"), "name": format!("g{i}"), "attributeAssignments": []}))
            .collect();
        Act::json(
            200,
            &json!({"totalCount": 501, "page": seen.page(), "data": rows}).to_string(),
        )
    })
    .await;
    let groups = client(&server)
        .radius_groups()
        .collect(&Recorder::default())
        .await
        .unwrap();
    assert_eq!((groups.len(), groups[500].name.as_str()), (501, "g500"));
    assert_eq!(server.calls()[0].target, "/radiusAttributeGroups/query");
}

#[tokio::test]
async fn a_dry_check_asks_for_a_user_and_is_no_write() {
    let server = serve(|seen| match seen.json()["evaluationCriteria"][0]["value"]["stringValue"].as_str() {
        Some("anna_gold") => Act::json(
            200,
            r#"{"policySetId":"s","evaluationCriteria":[],"wasMatched":true,"policyId":"p","policyName":"gold","onMatchResponse":"r-1"}"#,
        ),
        Some("ben") => Act::json(200, r#"{"policySetId":"s","evaluationCriteria":[],"wasMatched":false}"#),
        _ => Act::html(503),
    })
    .await;
    let r1 = client(&server);
    let check = |user| r1.evaluate_policy_set(Permit::unlimited(), "s", user, Some("Lobby"));
    let matched = check("anna_gold").await.unwrap();
    assert!(matched.was_matched && matched.on_match_response.as_deref() == Some("r-1"));
    assert!(!check("ben").await.unwrap().was_matched);
    assert!(
        !check("eve").await.unwrap_err().maybe_applied(),
        "asking changes nothing"
    );
    let value = |text: &str| json!({"type": "StringEvaluation", "stringValue": text});
    assert_eq!(
        server.calls()[0].json(),
        json!({"policySetId": "s", "evaluationCriteria": [
            {"matchName": "Dpsk_Username", "value": value("anna_gold")}, {"matchName": "SSID", "value": value("Lobby")}]})
    );
    assert_eq!(server.calls()[0].target, "/policySets/s/evaluationReports");
}
