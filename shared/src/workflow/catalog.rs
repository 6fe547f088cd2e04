//! The workflows that are shipped. A file in `workflows/` and a line here: that is how one is added.

use std::sync::LazyLock;

use super::{Definition, parse};

static CATALOG: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    [
        include_str!("../../workflows/cloudpath_dpsk_import.yaml"),
        include_str!("../../workflows/cloudpath_dpsk_cleanup.yaml"),
        include_str!("../../workflows/cloudpath_dpsk_audit.yaml"),
    ]
    .into_iter()
    .map(|text| parse::parse(text).expect("shipped definitions are checked by a test"))
    .collect()
});

/// All of them, in the order of the list above.
pub fn all() -> &'static [Definition] {
    &CATALOG
}

pub fn find(name: &str) -> Option<&'static Definition> {
    CATALOG.iter().find(|d| d.name == name)
}

pub const CLOUDPATH_DPSK_IMPORT: &str = "cloudpath_dpsk_import";
/// Begun by the cleanup of a job alone: its input names that job.
pub const CLOUDPATH_DPSK_CLEANUP: &str = "cloudpath_dpsk_cleanup";

/// Begun by the audit of a job alone, likewise.
pub const CLOUDPATH_DPSK_AUDIT: &str = "cloudpath_dpsk_audit";

/// The workflow that looks at what jobs of this one have left behind.
pub fn audit_of(name: &str) -> Option<&'static Definition> {
    (name == CLOUDPATH_DPSK_IMPORT).then(|| find(CLOUDPATH_DPSK_AUDIT))?
}

/// The workflow that takes away what jobs of this one have made.
pub fn cleanup_of(name: &str) -> Option<&'static Definition> {
    (name == CLOUDPATH_DPSK_IMPORT).then(|| find(CLOUDPATH_DPSK_CLEANUP))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_definition_is_sound_and_survives_being_stored() {
        assert!(find(CLOUDPATH_DPSK_IMPORT).is_some());
        for d in all() {
            parse::check(d).unwrap();
            let stored = serde_json::to_string(d).unwrap();
            assert_eq!(&serde_json::from_str::<Definition>(&stored).unwrap(), d);
        }
    }

    #[test]
    fn everything_an_import_makes_is_taken_away_and_of_a_cleanup_nothing_is() {
        assert_eq!(cleanup_of(CLOUDPATH_DPSK_IMPORT).unwrap().name, CLOUDPATH_DPSK_CLEANUP);
        assert!(cleanup_of(CLOUDPATH_DPSK_CLEANUP).is_none());
        assert_eq!(audit_of(CLOUDPATH_DPSK_IMPORT).unwrap().name, CLOUDPATH_DPSK_AUDIT);
        for made in [CLOUDPATH_DPSK_CLEANUP, CLOUDPATH_DPSK_AUDIT] {
            assert!(audit_of(made).is_none() && cleanup_of(made).is_none());
        }
    }

    #[test]
    fn the_import_has_its_eight_phases() {
        let ids: Vec<_> = find(CLOUDPATH_DPSK_IMPORT)
            .unwrap()
            .phases
            .iter()
            .map(|p| p.id.to_string())
            .collect();
        assert_eq!(
            ids,
            [
                "parse_validate",
                "create_identity_groups",
                "create_dpsk_pools",
                "create_policy_sets",
                "attach_policies",
                "create_passphrases",
                "activate_networks",
                "audit_results"
            ]
        );
    }
}
