//! What becomes of the suffixes of user names.

use serde_json::{Value, json};

use super::super::*;
use super::samples::*;

fn named(number: usize, name: &str) -> Value {
    with(dpsk(number), json!({"name": name}))
}

fn options() -> ImportOptions {
    ImportOptions {
        include_adaptive_policy_sets: true,
        ..ImportOptions::default()
    }
}

fn planned_with(data: Value, options: &ImportOptions) -> ImportPlan {
    let rest = json!({"group_by_vlan": options.group_by_vlan, "expired": options.expired, "invalid_rows": options.invalid_rows});
    let request = parse(&body(data, rest)).unwrap();
    plan(&request.export, options, now()).0
}

fn summary(plan: &ImportPlan) -> Vec<(&str, Vec<&str>)> {
    let suffixes = |set: &PolicySetSpec| {
        let policies = set.policies.iter().map(|index| &plan.policies[*index as usize]);
        policies.map(|policy| &*policy.radius_group).collect()
    };
    let sets = plan.policy_sets.iter();
    sets.map(|set| (&*plan.pools[usize::from(set.pool)].name, suffixes(set)))
        .collect()
}

#[test]
fn each_suffix_gets_one_policy_whatever_pools_use_it() {
    let data = full(vec![
        (
            pool("A"),
            vec![named(0, "anna_gold"), named(1, "ben_x_silver"), named(2, "eve_gold")],
        ),
        (pool("B"), vec![named(3, "anna"), named(4, "")]),
        (pool("C"), vec![named(5, "tom_gold"), named(6, "tim")]),
    ]);
    let plan = planned_with(data, &options());
    assert_eq!(
        serde_json::to_value(&plan.policies).unwrap(),
        json!([
            {"index": 0, "name": "gold-POL", "pattern": "^.*_gold$", "radius_group": "gold", "users": 3},
            {"index": 1, "name": "silver-POL", "pattern": "^.*_silver$", "radius_group": "silver", "users": 1},
        ])
    );
    assert_eq!(
        serde_json::to_value(&plan.policy_sets).unwrap(),
        json!([
            {"index": 0, "pool": 0, "name": "A-PS", "description": "Imported from Cloudpath pool AccountDpskPool-A", "policies": [0, 1]},
            {"index": 1, "pool": 2, "name": "C-PS", "description": "Imported from Cloudpath pool AccountDpskPool-C", "policies": [0]},
        ])
    );
    assert_eq!(
        plan.warnings,
        [
            r#"2 user name(s) of pool "B" have no suffix behind a "_": no policy answers them"#,
            r#"1 user name(s) of pool "C" have no suffix behind a "_": no policy answers them"#,
        ]
    );
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<ImportPlan>(&stored).unwrap(), plan);
}

#[test]
fn without_the_option_the_plan_is_what_it_was_and_older_plans_are_read() {
    let data = || extract(vec![named(0, "anna_gold")]);
    let (plan, _) = planned(data(), json!({}));
    let stored = serde_json::to_value(&plan).unwrap();
    for member in ["policies", "policy_sets", "networks"] {
        assert!(stored.get(member).is_none(), "{member}");
    }
    assert!(stored["pools"][0].get("policy_default_access").is_none());
    assert_eq!(serde_json::from_value::<ImportPlan>(stored).unwrap(), plan);
    assert_eq!(planned_with(data(), &ImportOptions::default()), plan);
}

#[test]
fn keys_that_stay_out_need_no_policy() {
    let old = |number, name| with(named(number, name), json!({"expirationDateTime": "2020-01-01T00:00Z"}));
    let given = ImportOptions {
        expired: Expired::Skip,
        invalid_rows: InvalidRows::Skip,
        ..options()
    };
    let bad = with(named(3, "kim_lead"), json!({"vlanid": "9999"}));
    let revoked = with(named(2, "tom_iron"), json!({"status": "REVOKED"}));
    let plan = planned_with(
        extract(vec![named(0, "anna_gold"), old(1, "ben_silver"), revoked, bad]),
        &given,
    );
    assert_eq!(summary(&plan), [("Lobby-DPSK", vec!["gold"])]);
    assert_eq!(plan.policies[0].users, 1);
}

#[test]
fn suffixes_that_resolve_to_one_policy_name_are_told_apart_and_told() {
    let names = |list: &[&str]| {
        let rows = list.iter().enumerate().map(|(row, name)| named(row, name)).collect();
        planned_with(extract(rows), &options())
    };
    let forth = names(&["a_Gold", "b_gold", "c_GOLD", "d_tin"]);
    let back = names(&["d_tin", "c_GOLD", "b_gold", "a_Gold"]);
    let of = |plan: &ImportPlan| {
        let policies = plan.policies.iter();
        policies
            .map(|p| (p.radius_group.clone(), p.name.clone(), p.name_reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&forth), of(&back), "the order of the file does not matter");
    let mut folded: Vec<_> = forth.policies.iter().map(|policy| policy.name.to_lowercase()).collect();
    folded.sort();
    folded.dedup();
    assert_eq!(folded.len(), 4);
    assert_eq!(forth.policies[0].name_reason, Some(Reason::PolicyNameTaken));
    assert_eq!(
        (&*forth.policies[3].name, forth.policies[3].name_reason),
        ("tin-POL", None)
    );
    assert_eq!(
        forth.warnings,
        [
            r#"suffixes "GOLD" and "Gold" and "gold" differ in letter case only: each gets a policy, and needs a RADIUS attribute group, of its own"#
        ]
    );
}

#[test]
fn long_names_are_shortened_the_same_way_every_time() {
    let display = "x".repeat(255);
    let (pool_a, pool_b) = (
        with(pool("A"), json!({"displayName": display})),
        with(pool("B"), json!({"displayName": display})),
    );
    let suffix = "y".repeat(230);
    let (first, second) = (named(0, &format!("a_{suffix}1")), named(1, &format!("a_{suffix}2")));
    let plan = planned_with(full(vec![(pool_a, vec![first]), (pool_b, vec![second])]), &options());
    let sets: Vec<_> = plan.policy_sets.iter().map(|set| &*set.name).collect();
    assert!(
        sets.iter().all(|name| name.chars().count() <= 255) && sets[0] != sets[1],
        "{sets:?}"
    );
    assert_eq!(plan.policy_sets[0].name_reason, Some(Reason::NameTaken));
    let policies: Vec<_> = plan.policies.iter().map(|policy| &*policy.name).collect();
    assert_eq!(policies, [format!("{suffix}1-POL"), format!("{suffix}2-POL")]);
}

#[test]
fn pools_split_by_vlan_have_their_own_sets() {
    let vlan = |number, name, vlan| with(named(number, name), json!({"vlanid": vlan}));
    let given = ImportOptions {
        group_by_vlan: true,
        ..options()
    };
    let rows = vec![
        vlan(0, "a_gold", "44"),
        vlan(1, "b_gold", ""),
        vlan(2, "c", "7"),
        vlan(3, "d", "44"),
    ];
    let plan = planned_with(extract(rows), &given);
    let sets: Vec<_> = plan.policy_sets.iter().map(|set| (&*set.name, set.pool)).collect();
    assert_eq!(
        sets,
        [("No VLAN - Cloudpath DPSKs-PS", 0), ("VLAN 44 - Cloudpath DPSKs-PS", 2)]
    );
    assert_eq!(
        (plan.policies.len(), plan.warnings.len()),
        (1, 1),
        "told once for the Cloudpath pool"
    );
    assert!(plan.warnings[0].starts_with("2 user name(s)"));
    let array = planned_with(json!([named(0, "a_gold")]), &options());
    assert_eq!(array.policy_sets[0].name, "Cloudpath DPSKs-PS");
}

#[test]
fn who_no_policy_answers_gets_in_where_cloudpath_let_them_in() {
    let access = |supports: bool, access: &str| {
        let given = with(
            pool("A"),
            json!({"supportsPolicies": supports, "defaultAccess": access}),
        );
        let plan = planned_with(full(vec![(given, vec![named(0, "a_gold")])]), &options());
        assert!(
            plan.pools[0]
                .changes
                .iter()
                .all(|change| change.reason != Reason::PoliciesNotImported)
        );
        plan.pools[0].policy_default_access.unwrap()
    };
    assert!(access(true, "ACCEPT") && access(false, "REJECT") && access(true, ""));
    assert!(!access(true, "REJECT") && !access(true, "reject"));
}

#[test]
fn missing_radius_groups_are_named_all_of_them() {
    let plan = planned_with(
        extract(vec![named(0, "a_gold"), named(1, "b_tin"), named(2, "c_iron")]),
        &options(),
    );
    assert_eq!(plan.missing_radius_groups(|_| true), None);
    assert_eq!(
        plan.missing_radius_groups(|name| name == "iron").unwrap(),
        r#"policies answer with RADIUS attribute groups that do not exist; make them first: "gold", "tin""#
    );
    let many = (0..60).map(|n| named(n, &format!("a{n}_s{n:02}"))).collect();
    let told = planned_with(extract(many), &options())
        .missing_radius_groups(|_| false)
        .unwrap();
    assert!(told.ends_with(r#""s49" and 10 more"#), "{told}");
    let (none, _) = planned(extract(vec![named(0, "a_gold")]), json!({}));
    assert_eq!(
        none.missing_radius_groups(|_| false),
        None,
        "without policies none is needed"
    );
}

#[test]
fn suffixes_that_can_not_be_meant_are_refused() {
    let asked = |dpsks: Vec<Value>| {
        let asked = body(extract(dpsks), json!({"include_adaptive_policy_sets": true}));
        parse(&asked).map_or_else(|_| faults(&asked), |_| Vec::new())
    };
    let at = |code| ("/options/include_adaptive_policy_sets".to_owned(), code);
    let many = |count: usize| (0..count).map(|n| named(n, &format!("user_{n}"))).collect();
    assert_eq!(asked(many(1001)), [at(Code::TooManyPolicies)]);
    assert_eq!(asked(many(1000)), []);
    let dots = |count: usize| vec![named(0, &format!("a_{}", ".".repeat(count)))];
    assert_eq!(asked(dots(125)), []);
    assert_eq!(
        asked(dots(126)),
        [at(Code::BadSuffix)],
        "escaped it is 257 characters long"
    );
    let pools = |count: usize, each: usize| {
        let pools = (0..count).map(|number| {
            let rows = (0..each)
                .map(|n| named(number * each + n, &format!("{number}_{n}")))
                .collect();
            (pool(&format!("P{number}")), rows)
        });
        body(full(pools.collect()), json!({"include_adaptive_policy_sets": true}))
    };
    assert_eq!(
        faults(&pools(21, 953)).last().unwrap(),
        &at(Code::TooManyPolicies),
        "20,013 places"
    );
    assert!(parse(&pools(20, 1000)).is_ok(), "20,000 places");
}
