//! What follows from what is there. Pure; the same for planning, for a look before the write, and for reading back.

use shared::cloudpath::NameConflict;
use shared::job::outcome::{Origin, TaskError};

use super::super::compare::quoted;
use super::task::Data;
use super::there::{Place, unfit};
use crate::r1::network::{LinkedPool, WifiNetwork};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is as wanted.
    Fits,
    /// It differs in this, and that was accepted.
    Accept(String),
    /// Nothing is there.
    Write,
    /// Something else is there, and shall give way.
    Replace,
    Refuse(TaskError),
}

fn by_policy(policy: NameConflict, network: &str, difference: String) -> Decision {
    match policy {
        NameConflict::Adopt => Decision::Accept(difference),
        NameConflict::Update => Decision::Replace,
        NameConflict::Fail => {
            let message = format!("Wi-Fi network {} exists and differs: {difference}", quoted(network));
            Decision::Refuse(TaskError::new("NAME_CONFLICT", message))
        }
    }
}

/// Of the link of a network to the pool of an id and a name. A network has one pool.
pub fn link(network: &str, linked: &[LinkedPool], (id, name): (&str, &str), policy: NameConflict) -> Decision {
    if linked.iter().any(|pool| pool.id == id) {
        return Decision::Fits;
    }
    let Some(other) = linked.first() else {
        return Decision::Write;
    };
    let other = if other.name.is_empty() { &other.id } else { &other.name };
    by_policy(
        policy,
        network,
        format!("its DPSK pool is {}, wanted {}", quoted(other), quoted(name)),
    )
}

/// Of the activation of a network on all AP groups.
pub fn activate(network: &str, place: Place, policy: NameConflict) -> Decision {
    match place {
        Place::AllGroups => Decision::Fits,
        Place::Nowhere => Decision::Write,
        Place::SomeGroups => by_policy(
            policy,
            network,
            "it is on some AP groups of the venue, wanted all".into(),
        ),
    }
}

/// What reading back says of a task.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not there (yet).
    Absent,
    There(Origin),
    Wrong(TaskError),
}

/// Of a link or an activation. `ours`: a write of ours may have made it.
pub fn seen(decision: Decision, data: &Data, ours: bool) -> Seen {
    let replaces = data.origin() == Origin::Updated;
    match decision {
        Decision::Fits if ours => Seen::There(data.origin()),
        Decision::Fits | Decision::Accept(_) => Seen::There(Origin::Adopted),
        Decision::Write => Seen::Absent,
        // what was to give way is still there
        Decision::Replace | Decision::Refuse(_) if replaces => Seen::Absent,
        Decision::Replace => Seen::Wrong(changed_meanwhile(data.ssid())),
        Decision::Refuse(error) => Seen::Wrong(error),
    }
}

/// Of a network that was to be made: it is found by its name.
pub fn made(network: &WifiNetwork, ssid: &str, ours: bool) -> Seen {
    match unfit(network, ssid) {
        Some(error) => Seen::Wrong(error),
        None if ours => Seen::There(Origin::Created),
        None => Seen::There(Origin::Adopted),
    }
}

/// Nothing was there when it was planned, and something else is now. Whoever put it there wanted it.
pub fn changed_meanwhile(network: &str) -> TaskError {
    let message = format!(
        "Wi-Fi network {} was changed by somebody else meanwhile; import again",
        quoted(network)
    );
    TaskError::new("CHANGED_MEANWHILE", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(id: &str, name: &str) -> LinkedPool {
        LinkedPool {
            id: id.into(),
            name: name.into(),
        }
    }

    #[test]
    fn what_is_there_already_is_left_alone_and_what_differs_goes_by_the_policy() {
        let link = |pools: &[LinkedPool], policy| link("Lobby", pools, ("p", "Lobby-DPSK"), policy);
        assert_eq!(link(&[], NameConflict::Fail), Decision::Write);
        assert_eq!(link(&[linked("p", "renamed")], NameConflict::Fail), Decision::Fits);
        let other = [linked("q", "Theirs")];
        assert_eq!(
            link(&other, NameConflict::Adopt),
            Decision::Accept("its DPSK pool is \"Theirs\", wanted \"Lobby-DPSK\"".into())
        );
        assert_eq!(link(&other, NameConflict::Update), Decision::Replace);
        let Decision::Refuse(error) = link(&other, NameConflict::Fail) else {
            panic!("not refused")
        };
        assert_eq!(
            error.message,
            "Wi-Fi network \"Lobby\" exists and differs: its DPSK pool is \"Theirs\", wanted \"Lobby-DPSK\""
        );
        let some = |policy| activate("Lobby", Place::SomeGroups, policy);
        assert!(matches!(some(NameConflict::Adopt), Decision::Accept(_)));
        assert_eq!(some(NameConflict::Update), Decision::Replace);
        assert!(matches!(some(NameConflict::Fail), Decision::Refuse(_)));
        assert_eq!(activate("Lobby", Place::Nowhere, NameConflict::Fail), Decision::Write);
        assert_eq!(activate("Lobby", Place::AllGroups, NameConflict::Fail), Decision::Fits);
    }

    #[test]
    fn reading_back_tells_made_from_found_and_changed_from_not_yet_changed() {
        let data = |widens| Data::Activate {
            ssid: "Lobby".into(),
            network_id: None,
            needs_pool_id: None,
            widens,
        };
        let seen = |decision, widens, ours| seen(decision, &data(widens), ours);
        assert_eq!(seen(Decision::Fits, false, true), Seen::There(Origin::Created));
        assert_eq!(seen(Decision::Fits, true, true), Seen::There(Origin::Updated));
        assert_eq!(seen(Decision::Fits, true, false), Seen::There(Origin::Adopted));
        assert_eq!(
            seen(Decision::Accept(String::new()), false, true),
            Seen::There(Origin::Adopted),
            "not what we sent"
        );
        assert_eq!(seen(Decision::Write, false, true), Seen::Absent);
        assert_eq!(seen(Decision::Replace, true, true), Seen::Absent);
        assert!(matches!(seen(Decision::Replace, false, true), Seen::Wrong(_)));
    }
}
