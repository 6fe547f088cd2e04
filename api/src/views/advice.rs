//! What a network engineer can do about an error, by its code.

use shared::store::model::ErrorView;

const AGAIN: &str =
    "look at it in RUCKUS One, then import the same export again: what is there and equal is left alone";
const LATER: &str = "import the same export again later: what is there and equal is left alone";
const MEND: &str =
    "correct what it names, in the export or in RUCKUS One, then import again: what is there and equal is left alone";

/// None: its message says it, or there is nothing to do but look.
pub fn advice(e: &ErrorView) -> Option<&'static str> {
    // one that says itself what to do is not told it twice
    if e.message.contains("name_conflict") {
        return None;
    }
    of_ours(&e.code, e.phase.as_deref()).or_else(|| of_refusal(&e.code, &e.message))
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
        "GROUP_MISSING" | "POOL_MISSING" => "see the error of that group or pool first",
        "GROUP_HAS_POOL" => {
            "an identity group has one pool: rename or delete one of the two in RUCKUS One, then import again"
        }
        "INVENTED_NAME" => "give the user another name in the export",
        "ACTIVITY_NEVER_ENDED" | "NO_REPLY" | "NOT_FOUND" | "NOT_VISIBLE_YET" | "TAKEN_OVER" => AGAIN,
        "RATE_LIMITED" | "UNREACHABLE" | "LOGIN_UNAVAILABLE" => LATER,
        "POISON" => {
            "look at the workers' logs; then import the same export again: what is there and equal is left alone"
        }
        "INPUT_DAMAGED" | "INPUT_INCOMPLETE" | "TASK_DAMAGED" => "import the export again",
        _ => return None,
    })
}

/// What the controller itself refused, with its own code where it gave one, else with the HTTP status. With its own code the status is
/// told by the words that workers put before the controller's (`remote::CallError::to_message`).
fn of_refusal(code: &str, message: &str) -> Option<&'static str> {
    let status: Option<u16> = code.strip_prefix("HTTP_").and_then(|n| n.parse().ok());
    Some(match (code, status) {
        ("WIFI-10126", _) => {
            "RUCKUS One has too few licences for it: add or free some there, then import the same export again: what is there and equal is \
             left alone"
        }
        // the name of a user, or of an identity
        ("DPSK-020" | "GENERAL-010", _) => {
            "RUCKUS One has this name already: import the same export again, which compares it with the export and says what differs"
        }
        ("RCG-10003", _) | (_, Some(401 | 403)) => CREDENTIALS,
        _ if message.contains("the controller refused our credentials (") => CREDENTIALS,
        (_, Some(300..=399)) => {
            "check the controller's base_url in controllers.toml, then import the same export again"
        }
        (_, Some(405 | 501 | 505)) => {
            "this RUCKUS One does not take the call: report it to whoever runs Phaseline, with the request id"
        }
        (_, Some(404)) => AGAIN,
        (_, Some(419)) => {
            "RUCKUS One takes no more objects of this kind: delete what is not needed there, then import the same export again"
        }
        (_, Some(408 | 409 | 423 | 425 | 429 | 500..)) => LATER,
        // 423: somebody or something else is changing it
        _ if message.contains("the controller is not ready for it (") => LATER,
        ("ACTIVITY_FAIL" | "ACTIVITY_CANCELLED" | "ACTIVITY_PARTIAL_SUCCESS" | "ACTIVITY_SKIPPED", _) => AGAIN,
        (_, Some(_)) => MEND,
        _ if is_of_the_vendor(code) => MEND,
        _ => return None,
    })
}

const CREDENTIALS: &str = "check the controller's client_id and client_secret in controllers.toml, and the role of this application token in RUCKUS One, \
                           then import the same export again";

/// `WIFI-10126`, `EXT-AUTH-10400`: words of capitals and a number, joined by hyphens. Ours have underscores.
fn is_of_the_vendor(code: &str) -> bool {
    code.rsplit_once('-').is_some_and(|(words, number)| {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase());
        words.split('-').all(is_word) && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    })
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
    use super::*;

    fn told(code: &str, message: &str) -> Option<&'static str> {
        advice(&ErrorView {
            code: code.to_owned(),
            message: message.to_owned(),
            phase: Some("create_passphrases".to_owned()),
            task: None,
            request_id: None,
        })
    }

    #[test]
    fn what_the_controller_refused_ends_with_what_to_do() {
        for (code, message, part) in [
            ("WIFI-10126", "Insufficient licenses", "too few licences"),
            (
                "DPSK-020",
                "it exists already (409): Username 'anna' already exists",
                "compares it",
            ),
            ("GENERAL-010", "it exists already (409)", "compares it"),
            ("RCG-10003", "Please re-login", "client_secret"),
            (
                "AUTH-1",
                "the controller refused our credentials (403): no",
                "client_secret",
            ),
            (
                "HTTP_401",
                "the controller refused our credentials (401)",
                "client_secret",
            ),
            (
                "HTTP_302",
                "it redirects to elsewhere, which is not followed",
                "base_url",
            ),
            ("HTTP_501", "the controller refused it (501)", "report it"),
            (
                "HTTP_404",
                "the controller does not know it (404)",
                "look at it in RUCKUS One",
            ),
            ("HTTP_419", "the controller refused it (419)", "no more objects"),
            ("HTTP_423", "the controller is not ready for it (423)", "again later"),
            (
                "GENERAL-423",
                "the controller is not ready for it (423): locked",
                "again later",
            ),
            ("HTTP_503", "the controller failed (503)", "again later"),
            ("ACTIVITY_FAIL", "its activity failed", "look at it in RUCKUS One"),
            ("HTTP_400", "the controller refused it (400)", "correct what it names"),
            (
                "EXT-AUTH-10400",
                "the controller refused it (422): bad",
                "correct what it names",
            ),
        ] {
            let told = told(code, message).unwrap_or_default();
            assert!(told.contains(part), "{code}: {told}");
        }
    }

    #[test]
    fn codes_that_nobody_knows_and_words_that_say_it_themselves_have_no_advice() {
        for code in [
            "X",
            "SOMETHING_OF_OURS",
            "-1",
            "dpsk-1",
            "A--1",
            "A-",
            "HTTP_",
            "HTTP_x",
        ] {
            assert_eq!(told(code, "anna: refused"), None, "{code}");
        }
        assert_eq!(told("NAME_CONFLICT", "it is widened with name_conflict=update"), None);
    }
}
