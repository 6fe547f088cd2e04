//! Names that people write for a field of a DPSK and that no export has. Passed over like other unknown names they would lose an
//! expiry, a VLAN or a user name without a word.

/// Spellings, in small letters and without `_` and `-`, of the fields a DPSK can do without. A missing `guid` or `passphrase` is a
/// fault anyway.
const SPELLINGS: [(&str, &[&str]); 5] = [
    ("name", &["name", "username", "user"]),
    ("status", &["status"]),
    (
        "expirationDateTime",
        &[
            "expirationdatetime",
            "expirationdate",
            "expirationtime",
            "expiration",
            "expires",
            "expiresat",
            "expiry",
            "expirydate",
        ],
    ),
    ("useDeviceCountLimit", &["usedevicecountlimit"]),
    ("vlanid", &["vlanid", "vlan", "vlannumber"]),
];
/// Letters of the longest spelling, and a few `_` on the way.
const NAME_MAX: usize = 32;

/// The field that is meant by a name that is no field's.
pub(super) fn meant_by(name: &str) -> Option<&'static str> {
    if name.len() > NAME_MAX {
        return None;
    }
    let plain = || {
        let letters = name.bytes().filter(|b| !b"_-".contains(b));
        letters.map(|b| b.to_ascii_lowercase())
    };
    let is_one = |spellings: &[&str]| spellings.iter().any(|s| s.bytes().eq(plain()));
    SPELLINGS
        .iter()
        .find(|(_, spellings)| is_one(spellings))
        .map(|(field, _)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_recognised_and_what_exports_have_is_not() {
        for (name, field) in [
            ("expirationDate", "expirationDateTime"),
            ("vlanId", "vlanid"),
            ("vlan_id", "vlanid"),
            ("userName", "name"),
            ("Status", "status"),
        ] {
            assert_eq!(meant_by(name), Some(field), "{name}");
        }
        for name in [
            "deviceCount",
            "devices",
            "links",
            "ssidList",
            "useExpirationDate",
            "vlanName",
        ] {
            assert_eq!(meant_by(name), None, "{name}");
        }
    }
}
