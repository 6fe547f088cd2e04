//! What a network engineer can do about an error: by its code, or, of what the controller refused, by its HTTP status.

use shared::store::model::ErrorView;
use shared::workflow::catalog;

const AGAIN: &str =
    "look at it in RUCKUS One, then import the same export again: what is there and equal is left alone";
const LATER: &str = "import the same export again later: what is there and equal is left alone";
const MEND: &str =
    "correct what it names, in the export or in RUCKUS One, then import again: what is there and equal is left alone";
const CLEAN_AGAIN: &str =
    "see in RUCKUS One whether something still uses it, then clean up the job once more: what is gone is left alone";
const AUDIT_AGAIN: &str = "what it was about could not be read: audit the job once more; an audit writes nothing";
const CREDENTIALS_OF_AUDIT: &str = "check the controller's client_id and client_secret in controllers.toml, and the role of this application token in RUCKUS One, \
                                    then audit the job once more";
const CREDENTIALS: &str = "check the controller's client_id and client_secret in controllers.toml, and the role of this application token in RUCKUS One, \
                           then import the same export again";

/// Codes of Phaseline whose messages say what to do, or about which nothing can be done but what the message says.
const SAID_IN_MESSAGE: [&str; 18] = [
    "ALREADY_GONE",
    "CHANGED_MEANWHILE",
    "CHANGED_SINCE",
    "CRITICAL_PHASE_FAILED",
    "FIELDS_NOT_SET",
    "HOLDS_OTHERS",
    "MAY_NOT_BE_OURS",
    "NOT_CONFIRMED",
    "NOT_DONE_YET",
    "NOT_JUDGED",
    "NOT_MADE",
    "PASSPHRASE_REPLACED",
    "PLAN_CHANGED",
    "PLAN_NOT_CHECKED",
    "SKIP_CONDITION",
    "STORED_UNDER_ANOTHER_NAME",
    "TIMEOUT",
    "WENT_ON_MEANWHILE",
];

/// None: its message says it.
pub fn advice(e: &ErrorView) -> Option<&'static str> {
    // one that says itself what to do is not told it twice
    if e.message.contains("name_conflict") || SAID_IN_MESSAGE.contains(&e.code.as_str()) {
        return None;
    }
    let told = of_ours(&e.code, e.phase.as_deref()).unwrap_or_else(|| of_refusal(&e.code, e.status));
    // no import helps against what a cleanup could not take away, or an audit could not read
    let of = |workflow: &str| e.phase.as_deref().is_some_and(|phase| is_of(workflow, phase));
    Some(match told {
        CREDENTIALS if of(catalog::CLOUDPATH_DPSK_AUDIT) => CREDENTIALS_OF_AUDIT,
        CREDENTIALS => CREDENTIALS,
        _ if of(catalog::CLOUDPATH_DPSK_CLEANUP) => CLEAN_AGAIN,
        _ if of(catalog::CLOUDPATH_DPSK_AUDIT) => AUDIT_AGAIN,
        told => told,
    })
}

/// Whether a phase of this id is one of a workflow.
fn is_of(workflow: &str, phase: &str) -> bool {
    let workflow = catalog::find(workflow);
    workflow.is_some_and(|workflow| workflow.phases.iter().any(|p| p.id.as_str() == phase))
}

/// Codes of Phaseline.
fn of_ours(code: &str, phase: Option<&str>) -> Option<&'static str> {
    Some(match code {
        "VENUE_NOT_FOUND" => "check the venue's id: it is in the address of the venue's page in RUCKUS One",
        "NAME_CONFLICT" => of_conflict(phase),
        "AMBIGUOUS_NAME" => "rename or delete all but one of them in RUCKUS One, then import again",
        "PASSPHRASE_TAKEN" => {
            "two users of a pool cannot have the same passphrase: change or delete one of the two, then import again"
        }
        "PASSPHRASE_TOO_SHORT" => "lengthen it in the export, then import again",
        "GROUP_MISSING" | "POOL_MISSING" => "see the error of that group or pool first",
        "POLICY_MISSING" | "POLICY_SET_MISSING" | "CONDITION_MISSING" | "SET_NOT_WHOLE" => {
            "see the errors of the policies it names first, then import again"
        }
        "NOBODY_ANSWERS" => "check the policy's condition and RADIUS group in RUCKUS One, then import again",
        "RADIUS_GROUP_MISSING" => "make a RADIUS attribute group of that name in RUCKUS One, then import again",
        "NETWORK_NOT_FOUND" | "NETWORK_UNFIT" => {
            "name another network in ssid_network_map, or correct this one in RUCKUS One, then import again"
        }
        "NOT_LINKED" => "see the error of the link of that network first, then import again",
        "GROUP_HAS_POOL" => {
            "an identity group has one pool: rename or delete one of the two in RUCKUS One, then import again"
        }
        "INVENTED_NAME" => "give the user another name in the export",
        "ACTIVATION_CLASH" | "IDENTITY_HAS_KEY" | "IDENTITY_TAKEN" | "NOT_WHOLE" => MEND,
        "STILL_THERE" => CLEAN_AGAIN,
        "ACTIVITY_NEVER_ENDED"
        | "AUDIT_MISMATCH"
        | "MALFORMED_ANSWER"
        | "NETWORK_MISSING"
        | "NEVER_SEEN"
        | "NO_REPLY"
        | "NOT_FOUND"
        | "NOT_VISIBLE_YET"
        | "TAKEN_OVER"
        | "UNREADABLE" => AGAIN,
        // how an activity that gives no code of its own has ended
        "ACTIVITY_FAIL" | "ACTIVITY_CANCELLED" | "ACTIVITY_PARTIAL_SUCCESS" | "ACTIVITY_SKIPPED" => AGAIN,
        "COOL_DOWN" | "LEASE_LOST" | "LOGIN_UNAVAILABLE" | "NAMES_RELEASED" | "NOT_SENT" | "RATE_LIMITED"
        | "STOPPED" | "UNREACHABLE" | "LIST_CUT" => LATER,
        "CONTROLLER_UNKNOWN" | "CONTROLLER_UNUSABLE" => {
            "correct the controller in controllers.toml, then import the same export again"
        }
        "POISON" => {
            "look at the workers' logs; then import the same export again: what is there and equal is left alone"
        }
        "STORE" | "STORE_FAILED" | "STORE_UNAVAILABLE" => {
            "look at Redis and the workers' logs; then import the same export again: what is there and equal is left alone"
        }
        "INPUT_DAMAGED" | "INPUT_INCOMPLETE" | "PASSPHRASE_MISSING" | "TASK_DAMAGED" => "import the export again",
        "TOO_MANY_TASKS" => "split the export, and import one part after the other",
        _ => return None,
    })
}

/// What the controller refused, with its own code where it gave one: by that code where it is known, else by the status, whatever the code. A
/// code without a status is that of an activity that failed, or of an error that was stored before the status was.
fn of_refusal(code: &str, status: Option<u16>) -> &'static str {
    match code {
        "WIFI-10126" => {
            return "RUCKUS One has too few licences for it: add or free some there, then import the same export again: what is there and \
                    equal is left alone";
        }
        // the name of a user, or of an identity
        "DPSK-020" | "GENERAL-010" => {
            return "RUCKUS One has this name already: import the same export again, which compares it with the export and says what differs";
        }
        "RCG-10003" => return CREDENTIALS,
        _ => {}
    }
    match status.or_else(|| code.strip_prefix("HTTP_")?.parse().ok()) {
        Some(401 | 403) => CREDENTIALS,
        Some(300..=399) => "check the controller's base_url in controllers.toml, then import the same export again",
        Some(405 | 501 | 505) => {
            "this RUCKUS One does not take the call: report it to whoever runs Phaseline, with the request id"
        }
        Some(404) => AGAIN,
        Some(419) => {
            "RUCKUS One takes no more objects of this kind: delete what is not needed there, then import the same export again"
        }
        // 423: somebody or something else is changing it
        Some(408 | 409 | 423 | 425 | 429 | 500..) => LATER,
        _ => MEND,
    }
}

/// What to do about an object that is there and differs. Only what is named after the export can be told apart by another name; and
/// RUCKUS One has no call that changes a group's description.
fn of_conflict(phase: Option<&str>) -> &'static str {
    match phase {
        Some("create_identity_groups") => {
            "rename one of the two, or import again with name_conflict=adopt (use it as it is: RUCKUS One has no call that changes it)"
        }
        Some("create_dpsk_pools") => {
            "rename one of the two, or import again with name_conflict=adopt (use it as it is) or update (change it)"
        }
        Some("create_policy_sets") => {
            "rename the one in RUCKUS One, or import again with name_conflict=adopt (leave it as it is) or update (change it)"
        }
        Some("create_passphrases") => {
            "correct the export, or import again with name_conflict=adopt (leave the key as it is) or update (change it to what the \
             export says)"
        }
        Some("activate_networks") => {
            "import again with name_conflict=adopt (leave the network as it is) or update (change it: access points reload)"
        }
        _ => "import again with name_conflict=adopt (leave it as it is) or update (change it)",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn told(code: &str, status: Option<u16>) -> Option<&'static str> {
        advice(&ErrorView {
            code: code.to_owned(),
            message: "anna: refused".to_owned(),
            phase: Some("create_passphrases".to_owned()),
            task: None,
            request_id: None,
            status,
        })
    }

    #[test]
    fn what_the_controller_refused_ends_with_what_to_do() {
        for (code, status, part) in [
            ("WIFI-10126", Some(422), "too few licences"),
            ("DPSK-020", Some(409), "compares it"),
            ("GENERAL-010", Some(409), "compares it"),
            ("RCG-10003", Some(401), "client_secret"),
            ("AUTH-1", Some(403), "client_secret"),
            ("HTTP_401", None, "client_secret"),
            ("HTTP_302", Some(302), "base_url"),
            ("HTTP_501", Some(501), "report it"),
            ("HTTP_404", None, "look at it in RUCKUS One"),
            ("GENERAL-404", Some(404), "look at it in RUCKUS One"),
            ("HTTP_419", Some(419), "no more objects"),
            ("HTTP_423", Some(423), "again later"),
            ("GENERAL-423", Some(423), "again later"),
            ("WIFI-1", Some(409), "again later"),
            ("CODE_MASKED", Some(503), "again later"),
            ("HTTP_503", Some(503), "again later"),
            ("ACTIVITY_FAIL", None, "look at it in RUCKUS One"),
            ("HTTP_400", Some(400), "correct what it names"),
            ("EXT-AUTH-10400", Some(422), "correct what it names"),
            // of any form, and of an activity, which has no status
            ("error.of_theirs", Some(418), "correct what it names"),
            ("WIFI-77", None, "correct what it names"),
        ] {
            let told = told(code, status).unwrap_or_default();
            assert!(told.contains(part), "{code}: {told}");
        }
    }

    #[test]
    fn what_a_cleanup_could_not_take_away_is_cleaned_up_again_and_not_imported() {
        let told = |code: &str, status| {
            let error = ErrorView {
                code: code.to_owned(),
                message: "Lobby-DPSK: refused".to_owned(),
                phase: Some("delete_dpsk_pools".to_owned()),
                task: None,
                request_id: None,
                status,
            };
            advice(&error).unwrap_or_default()
        };
        for (code, status) in [
            ("DPSK-026", Some(409)),
            ("STILL_THERE", None),
            ("NO_REPLY", None),
            ("WIFI-10001", Some(422)),
        ] {
            assert_eq!(told(code, status), CLEAN_AGAIN, "{code}");
        }
        assert_eq!(told("AUTH-1", Some(403)), CREDENTIALS);
    }

    #[test]
    fn what_an_audit_could_not_read_is_audited_again() {
        let told = |code: &str, status| {
            let error = ErrorView {
                code: code.to_owned(),
                message: "the list was cut".to_owned(),
                phase: Some("audit_passphrases".to_owned()),
                task: None,
                request_id: None,
                status,
            };
            advice(&error)
        };
        assert_eq!(told("LIST_CUT", None), Some(AUDIT_AGAIN));
        assert_eq!(told("HTTP_503", Some(503)), Some(AUDIT_AGAIN));
        assert_eq!(told("HTTP_401", Some(401)), Some(CREDENTIALS_OF_AUDIT));
        assert_eq!(told("WENT_ON_MEANWHILE", None), None);
    }

    #[test]
    fn words_that_say_it_themselves_have_no_advice() {
        assert_eq!(told("TIMEOUT", None), None);
        let says_it = ErrorView {
            code: "NAME_CONFLICT".to_owned(),
            message: "it is widened with name_conflict=update".to_owned(),
            phase: None,
            task: None,
            request_id: None,
            status: None,
        };
        assert_eq!(advice(&says_it), None);
    }

    /// Texts in capitals that are no codes of errors: words of RUCKUS One and Redis, states, and the stand-in for a code of the controller.
    const NO_CODES: [&str; 12] = [
        "CANCEL",
        "CARGO_PKG_VERSION",
        "CODE_MASKED",
        "CRITICAL",
        "DAYS_AFTER_TIME",
        "DICTIONARY_WORDS",
        "KEYBOARD_FRIENDLY",
        "MOST_SECURED",
        "NEVER_WRITES",
        "NOGROUP",
        "NUMBERS_ONLY",
        "SPECIFIED_DATE",
    ];

    fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("tests") || path.ends_with("tests.rs") {
                continue;
            } else if path.is_dir() {
                sources(&path, all);
            } else {
                all.push(path);
            }
        }
    }

    /// Words of capitals in quotes, outside of tests.
    fn words(source: &str) -> impl Iterator<Item = &str> {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let is_word = |text: &&str| {
            let is_of_a_word = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
            text.len() > 3 && text.bytes().all(is_of_a_word) && text.starts_with(|c: char| c.is_ascii_uppercase())
        };
        code.split('"').filter(is_word)
    }

    #[test]
    fn every_code_of_ours_has_advice_or_says_it_itself() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = vec![
            root.join("worker/src/remote.rs"),
            root.join("shared/src/store/outlook.rs"),
            root.join("shared/src/store/plan_checks.rs"),
        ];
        sources(&root.join("worker/src/engine"), &mut files);
        sources(&root.join("worker/src/executors"), &mut files);
        let files: Vec<String> = files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect();
        let codes: BTreeSet<&str> = files.iter().flat_map(|file| words(file)).collect();
        assert!(codes.contains("POISON") && codes.contains("NO_REPLY"), "{codes:?}");
        let has_word = |code: &str| of_ours(code, None).is_some() || SAID_IN_MESSAGE.contains(&code);
        let without: Vec<_> = codes
            .iter()
            .filter(|code| !NO_CODES.contains(code) && !has_word(code))
            .collect();
        assert!(without.is_empty(), "what can be done about {without:?}?");
        let gone: Vec<_> = SAID_IN_MESSAGE.iter().filter(|code| !codes.contains(**code)).collect();
        assert!(gone.is_empty(), "nobody says {gone:?} any more");
    }
}
