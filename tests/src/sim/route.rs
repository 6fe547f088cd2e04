//! Which operation a call is about, how it is counted, and what a fault rule may call it.

pub use super::routes::Op;
use super::routes::ROUTES;

/// What a call costs and how it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The token endpoint: costs nothing.
    Token,
    /// Reads and queries of objects.
    Read,
    /// Reads and queries of activities.
    Poll,
    /// Everything that changes something.
    Write,
}

impl Op {
    /// `POST /dpskServices/{poolId}/passphrases`: the name of the operation in counts and fault plans.
    pub fn name(self) -> String {
        let found = ROUTES.iter().find(|(_, _, op)| *op == self);
        found.map_or_else(String::new, |(method, template, _)| format!("{method} {template}"))
    }

    /// How the operation is counted.
    pub fn class(self) -> Class {
        use Op::*;
        match self {
            Token => Class::Token,
            ActivityGet | ActivityQuery | BulkGet => Class::Poll,
            Evaluate => Class::Read,
            _ => match ROUTES.iter().find(|(_, _, op)| *op == self) {
                Some(("GET", ..)) => Class::Read,
                Some((_, template, _)) if template.ends_with("/query") => Class::Read,
                _ => Class::Write,
            },
        }
    }

    /// Whether it sets an activity going, or, creating a policy, work in the background.
    pub fn has_activity(self) -> bool {
        let name = self.name();
        let synchronous = [
            "/bulkActions",
            "/policySets",
            "/policyTemplates",
            "/radiusAttributeGroups",
        ];
        let synchronous = synchronous
            .iter()
            .any(|service| name.split_once(' ').is_some_and(|(_, path)| path.starts_with(service)));
        self.class() == Class::Write && (!synchronous || self == Op::PolicyCreate)
    }

    /// Whether it answers a list with Spring's paging.
    pub fn is_list(self) -> bool {
        use Op::*;
        matches!(
            self,
            GroupList
                | IdentityListOfGroup
                | IdentityList
                | PassphraseList
                | PolicyList
                | ConditionList
                | RadiusList
                | AssignmentList
        )
    }

    /// Whether a fault rule's `operation` means this one. Unknown words mean nothing: see [`known_selector`].
    pub fn selected_by(self, selector: &str) -> bool {
        match selector {
            "any" => self != Op::Token,
            "token" => self == Op::Token,
            "read" => self.class() == Class::Read,
            "poll" => self.class() == Class::Poll,
            "write" => self.class() == Class::Write,
            "create_group" => self == Op::GroupCreate,
            "create_pool" => matches!(self, Op::PoolCreate | Op::PoolCreateInGroup),
            "create_passphrase" => self == Op::PassphraseCreate,
            "create_identity" => self == Op::IdentityCreate,
            "create_policy_set" => self == Op::SetCreate,
            "create_network" => self == Op::NetworkCreate,
            "activate" => matches!(self, Op::VenueNetworkPut | Op::ApGroupNetworkPut | Op::NetworkPoolPut),
            "create_policy" => self == Op::PolicyCreate,
            template => self.name() == template,
        }
    }
}

/// Whether a fault rule's `operation` means anything.
pub fn known_selector(selector: &str) -> bool {
    ROUTES.iter().any(|(_, _, op)| op.selected_by(selector))
}

/// Finds the operation of a call and its path parameters, in order.
pub fn find<'p>(method: &str, path: &'p str) -> Option<(Op, Vec<&'p str>)> {
    ROUTES
        .iter()
        .filter(|(known, _, _)| *known == method)
        .find_map(|(_, template, op)| parameters(template, path).map(|found| (*op, found)))
}

fn parameters<'p>(template: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let (mut wanted, mut given, mut found) = (template.split('/'), path.split('/'), Vec::new());
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(slot), Some(segment)) if slot.starts_with('{') && !segment.is_empty() => found.push(segment),
            (Some(literal), Some(segment)) if literal == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_win_over_parameters() {
        assert_eq!(find("POST", "/dpskServices/query"), Some((Op::PoolQuery, vec![])));
        assert_eq!(
            find("GET", "/dpskServices/p/passphrases/k"),
            Some((Op::PassphraseGet, vec!["p", "k"]))
        );
        assert_eq!(find("GET", "/dpskServices/"), None);
        assert_eq!(find("DELETE", "/venues/v"), None);
    }

    #[test]
    fn every_operation_is_reached_by_its_own_template() {
        for (method, template, op) in ROUTES {
            let path = template.replace(['{', '}'], "");
            assert_eq!(
                find(method, &path).map(|found| found.0),
                Some(*op),
                "{method} {template}"
            );
        }
    }
}
