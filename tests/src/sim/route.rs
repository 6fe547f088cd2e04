//! The operations the simulator knows and the paths that lead to them.

/// An operation of RUCKUS One.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each name is explained by its row of ROUTES")]
pub enum Op {
    Token,
    VenueList,
    VenueGet,
    VenueQuery,
    GroupCreate,
    GroupList,
    GroupQuery,
    GroupGet,
    GroupDelete,
    GroupAttachPool,
    IdentityCreate,
    IdentityListOfGroup,
    IdentityDeleteMany,
    IdentityGet,
    IdentityPatch,
    IdentityDelete,
    IdentityList,
    IdentityQuery,
    PoolCreateInGroup,
    PoolCreate,
    PoolQuery,
    PoolGet,
    PoolPut,
    PoolPatch,
    PoolDelete,
    PassphraseCreate,
    PassphraseList,
    PassphraseQuery,
    PassphrasePatchMany,
    PassphraseDelete,
    PassphraseGet,
    PassphrasePut,
    PassphrasePatch,
    ActivityGet,
    ActivityQuery,
}

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

/// Literal segments stand before parameters.
const ROUTES: &[(&str, &str, Op)] = &[
    ("POST", "/oauth2/token/{tenantId}", Op::Token),
    ("GET", "/venues", Op::VenueList),
    ("POST", "/venues/query", Op::VenueQuery),
    ("GET", "/venues/{venueId}", Op::VenueGet),
    ("POST", "/identityGroups", Op::GroupCreate),
    ("GET", "/identityGroups", Op::GroupList),
    ("POST", "/identityGroups/query", Op::GroupQuery),
    ("GET", "/identityGroups/{id}", Op::GroupGet),
    ("DELETE", "/identityGroups/{id}", Op::GroupDelete),
    (
        "PUT",
        "/identityGroups/{id}/dpskPools/{dpskPoolId}",
        Op::GroupAttachPool,
    ),
    ("POST", "/identityGroups/{groupId}/identities", Op::IdentityCreate),
    ("GET", "/identityGroups/{groupId}/identities", Op::IdentityListOfGroup),
    ("DELETE", "/identityGroups/{groupId}/identities", Op::IdentityDeleteMany),
    ("GET", "/identityGroups/{groupId}/identities/{id}", Op::IdentityGet),
    ("PATCH", "/identityGroups/{groupId}/identities/{id}", Op::IdentityPatch),
    (
        "DELETE",
        "/identityGroups/{groupId}/identities/{id}",
        Op::IdentityDelete,
    ),
    ("GET", "/identities", Op::IdentityList),
    ("POST", "/identities/query", Op::IdentityQuery),
    (
        "POST",
        "/identityGroups/{identityGroupId}/dpskServices",
        Op::PoolCreateInGroup,
    ),
    ("POST", "/dpskServices", Op::PoolCreate),
    ("POST", "/dpskServices/query", Op::PoolQuery),
    ("GET", "/dpskServices/{poolId}", Op::PoolGet),
    ("PUT", "/dpskServices/{poolId}", Op::PoolPut),
    ("PATCH", "/dpskServices/{poolId}", Op::PoolPatch),
    ("DELETE", "/dpskServices/{poolId}", Op::PoolDelete),
    ("POST", "/dpskServices/{poolId}/passphrases", Op::PassphraseCreate),
    ("GET", "/dpskServices/{poolId}/passphrases", Op::PassphraseList),
    ("PATCH", "/dpskServices/{poolId}/passphrases", Op::PassphrasePatchMany),
    ("DELETE", "/dpskServices/{poolId}/passphrases", Op::PassphraseDelete),
    ("POST", "/dpskServices/{poolId}/passphrases/query", Op::PassphraseQuery),
    ("GET", "/dpskServices/{poolId}/passphrases/{id}", Op::PassphraseGet),
    ("PUT", "/dpskServices/{poolId}/passphrases/{id}", Op::PassphrasePut),
    ("PATCH", "/dpskServices/{poolId}/passphrases/{id}", Op::PassphrasePatch),
    ("POST", "/activities/query", Op::ActivityQuery),
    ("GET", "/activities/{activityId}", Op::ActivityGet),
];

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
            ActivityGet | ActivityQuery => Class::Poll,
            VenueList | VenueGet | VenueQuery | GroupList | GroupQuery | GroupGet | IdentityListOfGroup
            | IdentityGet | IdentityList | IdentityQuery | PoolQuery | PoolGet | PassphraseList | PassphraseQuery
            | PassphraseGet => Class::Read,
            _ => Class::Write,
        }
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
