//! A secret in memory: it never prints itself, and its bytes are overwritten when it is dropped.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize;

/// What stands in the place of a secret wherever one would be printed or serialised.
pub const MASK: &str = "***";

/// A passphrase, token or client secret.
///
/// `Debug` and `Serialize` write [`MASK`], so that no log, error, event or stored document can carry the value
/// by accident; the only way to it is [`SecretString::expose`], which is easy to find in a review. There is
/// no `Display`. Reading one back from a document that was written with `Serialize` therefore gives the mask.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretString(Box<str>);

impl SecretString {
    pub fn new(value: impl Into<Box<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself. The caller owes it the same care: no formatting, no copies that outlive the call.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for SecretString {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for SecretString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<str>::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_serialize_show_the_mask_only() {
        let secret = SecretString::new("correct horse");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), r#""***""#);
    }

    #[test]
    fn a_value_read_from_a_document_is_exposed_unchanged() {
        let secret: SecretString = serde_json::from_str(r#""p\u00e4ss""#).unwrap();
        assert_eq!(secret.expose(), "päss");
        assert_eq!(secret, SecretString::new("päss"));
    }

    #[test]
    fn a_wrong_type_is_refused_without_its_value() {
        let error = serde_json::from_str::<SecretString>("12345678")
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected a string"), "{error}");
    }
}
