//! RADIUS attribute groups: what adaptive policies answer with. Looked up, never changed.

use serde::Deserialize;
use serde_json::Map;

use super::sweep::{List, Row};
use super::wire::Media;
use super::{R1, Sweep};

/// A RADIUS attribute group as it is on the controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RadiusGroup {
    pub id: String,
    /// Unique in the tenant.
    #[serde(default)]
    pub name: String,
}

impl Row for RadiusGroup {
    fn id(&self) -> &str {
        &self.id
    }
}

impl R1 {
    /// All RADIUS attribute groups of the tenant.
    pub fn radius_groups(&self) -> Sweep<RadiusGroup> {
        let path = ["radiusAttributeGroups", "query"].map(String::from).to_vec();
        let (media, body) = (Media::Json, Map::new());
        Sweep::new(self, List::Body { path, media, body })
    }
}
