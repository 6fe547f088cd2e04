//! The one policy template seen in use and the attributes a condition can be about.

use serde_json::{Value, json};

/// Template of DPSK policies.
pub const DPSK_TEMPLATE: i64 = 100;

/// An attribute of a template.
pub struct Attribute {
    /// Its id.
    pub id: i64,
    /// For people.
    pub name: &'static str,
    /// What evaluation criteria call it (`matchName`).
    pub text_match: &'static str,
    /// Whether `GET /policyTemplates/100/attributes` names it: live, it leaves the SSID out, and conditions take it all the same.
    pub listed: bool,
}

/// The two attributes of template 100 whose ids and names were seen live.
pub const ATTRIBUTES: [Attribute; 2] = [
    Attribute {
        id: 1012,
        name: "DPSK Username",
        text_match: "Dpsk_Username",
        listed: true,
    },
    Attribute {
        id: 1013,
        name: "Wireless SSID",
        text_match: "SSID",
        listed: false,
    },
];

/// An attribute by id.
pub fn attribute(id: i64) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|attribute| attribute.id == id)
}

impl Attribute {
    /// As RUCKUS One shows it.
    pub fn view(&self) -> Value {
        json!({"id": self.id, "name": self.name, "description": self.name, "attributeTextMatch": self.text_match,
               "attributeType": "STRING", "category": "Authentication"})
    }
}

/// The template as RUCKUS One shows it.
pub fn template_view() -> Value {
    json!({"id": DPSK_TEMPLATE, "name": "DPSK Policy", "description": "Policies for DPSK users", "ruleType": "DPSK",
           "returnType": "RADIUS_ATTRIB_GROUP"})
}
