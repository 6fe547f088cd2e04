//! TOML → controllers, reporting every fault with its entry and key, and never a value that might be a secret.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use toml::{Table, Value};
use url::{Host, Url};

use super::{Controller, ControllerKind, Controllers, ControllersError, Fault, Limits, is_forbidden_address};
use crate::id::TenantId;
use crate::secret::SecretString;

const KEYS: [&str; 12] = [
    "id",
    "name",
    "kind",
    "tenants",
    "base_url",
    "token_url",
    "tenant_id",
    "client_id",
    "client_secret",
    "client_secret_file",
    "msp_tenant_id",
    "limits",
];

/// A reading of the file, and a hash of everything it was made from (secret files included).
pub(super) struct Reading {
    pub controllers: Controllers,
    pub digest: [u8; 32],
}

pub(super) fn read(path: &Path) -> Result<Reading, ControllersError> {
    let text = read_text(path)?;
    parse(&text, path.parent().unwrap_or(Path::new(".")))
}

pub(super) fn read_text(path: &Path) -> Result<String, ControllersError> {
    std::fs::read_to_string(path).map_err(|e| ControllersError::Unreadable {
        path: path.display().to_string(),
        message: e.to_string(),
    })
}

pub(super) fn parse(text: &str, folder: &Path) -> Result<Reading, ControllersError> {
    let mut faults = Faults::default();
    let mut hash = Sha256::new_with_prefix(text);
    // The Display form of a TOML error quotes the faulty line, which may be the one with the secret: only where and what.
    let table: Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e
            .span()
            .map(|s| text[..s.start.min(text.len())].matches('\n').count() + 1);
        let at = line.map(|l| format!("line {l}")).unwrap_or_default();
        ControllersError::Faulty(vec![Fault {
            entry: at,
            key: String::new(),
            message: format!("not valid TOML: {}", e.message()),
        }])
    })?;
    for key in table.keys().filter(|k| *k != "controllers") {
        faults.add(key, "unknown key; the file holds [[controllers]] tables only");
    }
    let entries: Vec<Value> = match table.get("controllers") {
        Some(Value::Array(entries)) => entries.clone(),
        None => Vec::new(),
        Some(_) => {
            faults.add("controllers", "must be an array of tables: [[controllers]]");
            Vec::new()
        }
    };
    if entries.is_empty() && faults.is_empty() {
        faults.add("controllers", "at least one [[controllers]] table is required");
    }
    let (mut by_id, mut first_of) = (BTreeMap::new(), HashMap::<i64, usize>::new());
    for (row, entry) in entries.iter().enumerate() {
        let id = entry.get("id").and_then(Value::as_integer);
        faults.entry = match id {
            Some(id) => format!("controllers[{row}] (id {id})"),
            None => format!("controllers[{row}]"),
        };
        if let Some(first) = id.and_then(|id| first_of.insert(id, row)) {
            faults.add("id", format!("is used by controllers[{first}] already"));
        }
        let Some(entry) = entry.as_table() else {
            faults.add("", "must be a table");
            continue;
        };
        if let Some(controller) = controller(entry, folder, &mut hash, &mut faults) {
            by_id.insert(controller.id, Arc::new(controller));
        }
    }
    if !faults.is_empty() {
        return Err(ControllersError::Faulty(faults.list));
    }
    Ok(Reading {
        controllers: Controllers { by_id },
        digest: hash.finalize().into(),
    })
}

#[derive(Default)]
struct Faults {
    entry: String,
    list: Vec<Fault>,
}

impl Faults {
    fn add(&mut self, key: &str, message: impl Into<String>) {
        self.list.push(Fault {
            entry: self.entry.clone(),
            key: key.to_owned(),
            message: message.into(),
        });
    }
    fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// `None` only when a fault was added.
fn controller(entry: &Table, folder: &Path, hash: &mut Sha256, faults: &mut Faults) -> Option<Controller> {
    for key in entry.keys().filter(|k| !KEYS.contains(&k.as_str())) {
        faults.add(key, format!("unknown key; known are {}", KEYS.join(", ")));
    }
    let id = integer(entry, "id", 1, i64::MAX, faults);
    if !entry.contains_key("id") {
        faults.add("id", "is required");
    }
    let name = text(entry, "name", faults);
    let kind = match entry.get("kind").map(|k| k.as_str()) {
        None | Some(Some("ruckus-one")) => Some(ControllerKind::RuckusOne),
        Some(_) => {
            faults.add("kind", "must be \"ruckus-one\"");
            None
        }
    };
    let tenants = tenants(entry, faults);
    let base_url = address(entry, "base_url", faults);
    let token_url = address(entry, "token_url", faults);
    let tenant_id = text(entry, "tenant_id", faults);
    let client_id = text(entry, "client_id", faults);
    let client_secret = secret(entry, folder, hash, faults);
    let msp_tenant_id = entry.get("msp_tenant_id").map(|_| text(entry, "msp_tenant_id", faults));
    if msp_tenant_id
        .as_ref()
        .and_then(Option::as_ref)
        .is_some_and(|m| !m.bytes().all(|b| b.is_ascii_graphic()))
    {
        faults.add(
            "msp_tenant_id",
            "is sent as a header: printable ASCII without spaces only",
        );
    }
    let limits = limits(entry, faults);
    Some(Controller {
        id: id?,
        name: name?,
        kind: kind?,
        tenants: tenants?,
        base_url: base_url?,
        token_url: token_url?,
        tenant_id: tenant_id?,
        client_id: client_id?,
        client_secret: client_secret?,
        msp_tenant_id: msp_tenant_id.flatten(),
        limits: limits?,
    })
}

fn text(entry: &Table, key: &str, faults: &mut Faults) -> Option<String> {
    match entry.get(key) {
        Some(Value::String(s)) if !s.trim().is_empty() => return Some(s.clone()),
        Some(Value::String(_)) => faults.add(key, "must not be empty"),
        Some(_) => faults.add(key, "must be a string"),
        None => faults.add(key, "is required"),
    }
    None
}

/// `None` without a fault when the key is absent.
fn integer(entry: &Table, key: &str, min: i64, max: i64, faults: &mut Faults) -> Option<i64> {
    match entry.get(key)? {
        Value::Integer(n) if (min..=max).contains(n) => return Some(*n),
        Value::Integer(n) if max == i64::MAX => faults.add(key, format!("is {n}, must be at least {min}")),
        Value::Integer(n) => faults.add(key, format!("is {n}, must be between {min} and {max}")),
        _ => faults.add(key, "must be an integer"),
    }
    None
}

fn tenants(entry: &Table, faults: &mut Faults) -> Option<Vec<TenantId>> {
    let Some(list) = entry.get("tenants").and_then(Value::as_array).filter(|l| !l.is_empty()) else {
        faults.add("tenants", "is required: a list of at least one tenant");
        return None;
    };
    let mut tenants = Vec::new();
    for tenant in list {
        match tenant.as_str().map(str::parse::<TenantId>) {
            Some(Ok(t)) => tenants.push(t),
            Some(Err(e)) => faults.add("tenants", e.to_string()),
            None => faults.add("tenants", "must hold strings only"),
        }
    }
    (tenants.len() == list.len()).then_some(tenants)
}

fn secret(entry: &Table, folder: &Path, hash: &mut Sha256, faults: &mut Faults) -> Option<SecretString> {
    let named = match (
        entry.contains_key("client_secret"),
        entry.contains_key("client_secret_file"),
    ) {
        (true, true) => {
            faults.add("client_secret", "give it or client_secret_file, not both");
            return None;
        }
        (false, false) => {
            faults.add("client_secret", "it or client_secret_file is required");
            return None;
        }
        (true, false) => return text(entry, "client_secret", faults).map(SecretString::from),
        (false, true) => text(entry, "client_secret_file", faults)?,
    };
    match std::fs::read_to_string(folder.join(&named)) {
        Ok(content) if !content.trim().is_empty() => {
            hash.update(content.as_bytes());
            Some(SecretString::new(content.trim_end_matches(['\r', '\n'])))
        }
        Ok(_) => {
            faults.add("client_secret_file", format!("{named} is empty"));
            None
        }
        Err(e) => {
            faults.add("client_secret_file", format!("cannot read {named}: {e}"));
            None
        }
    }
}

fn address(entry: &Table, key: &str, faults: &mut Faults) -> Option<Url> {
    let given = text(entry, key, faults)?;
    let problem = match Url::parse(&given) {
        // The value is not repeated: user information in it would be a secret.
        Err(e) => format!("is not a URL: {e}"),
        Ok(url) => match url_problem(&url) {
            None => return Some(url),
            Some(problem) => problem,
        },
    };
    faults.add(key, problem);
    None
}

fn url_problem(url: &Url) -> Option<String> {
    if !["http", "https"].contains(&url.scheme()) {
        return Some(format!("must start with https://, not {}:", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not hold a user name or password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("must not have a query or fragment".into());
    }
    let (ip, name) = match url.host()? {
        Host::Ipv4(a) => (Some(IpAddr::V4(a)), String::new()),
        Host::Ipv6(a) => (Some(IpAddr::V6(a)), String::new()),
        Host::Domain(d) => (None, d.trim_end_matches('.').to_ascii_lowercase()),
    };
    if ip.is_some_and(is_forbidden_address) || name == "metadata.google.internal" {
        return Some("is a link-local, metadata, multicast or unspecified address: refused".into());
    }
    let loopback = ip.is_some_and(|ip| ip.to_canonical().is_loopback()) || name == "localhost";
    if url.scheme() == "http" && !loopback {
        return Some("http:// is allowed for loopback addresses only: use https://".into());
    }
    None
}

fn limits(entry: &Table, faults: &mut Faults) -> Option<Limits> {
    let mut limits = Limits::default();
    let Some(given) = entry.get("limits") else {
        return Some(limits);
    };
    let Some(given) = given.as_table() else {
        faults.add("limits", "must be a table");
        return None;
    };
    let before = faults.list.len();
    for (key, max, place) in [
        ("calls_per_minute", 600_000, &mut limits.calls_per_minute),
        ("burst", 10_000, &mut limits.burst),
        ("concurrency", 1_000, &mut limits.concurrency),
    ] {
        if let Some(n) = integer(given, key, 1, max, faults) {
            *place = u32::try_from(n).expect("the maximum is far below 2^32");
        }
    }
    for key in given
        .keys()
        .filter(|k| !["calls_per_minute", "burst", "concurrency"].contains(&k.as_str()))
    {
        faults.add(
            &format!("limits.{key}"),
            "unknown key; known are calls_per_minute, burst, concurrency",
        );
    }
    (faults.list.len() == before).then_some(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        match parse(text, Path::new("/nonexistent")) {
            Err(ControllersError::Faulty(list)) => list.iter().map(Fault::to_string).collect(),
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    }

    const GOOD: &str = "[[controllers]]\nid = 1\nname = \"n\"\ntenants = [\"acme\"]\nbase_url = \"https://api.example.com\"\n\
        token_url = \"https://example.com/oauth2/token/t\"\ntenant_id = \"t\"\nclient_id = \"c\"\nclient_secret = \"hush-hush\"\n";

    #[test]
    fn all_faults_are_reported_at_once_with_entry_and_key() {
        let text = GOOD.to_owned()
            + "[[controllers]]\nid = 1\nname = \"\"\ntenants = [\"a b\"]\nbase_url = \"http://api.example.com\"\n\
               token_url = \"https://169.254.169.254/latest\"\ntenant_id = 5\nclient_secret = \"hush-hush\"\n\
               client_secret_file = \"/x\"\nclientid = \"typo\"\n\
               [controllers.limits]\ncalls_per_minute = 0\nburst = 20000\nspeed = 1\n[other]\n";
        let found = faults(&text);
        for wanted in [
            "other: unknown key",
            "controllers[1] (id 1): id: is used by controllers[0]",
            "(id 1): name: must not be empty",
            "tenants: `a b` is not a valid tenant",
            "base_url: http:// is allowed",
            "token_url: is a link-local",
            "tenant_id: must be a string",
            "client_id: is required",
            "client_secret: give it or client_secret_file, not both",
            "clientid: unknown key",
            "calls_per_minute: is 0, must be between 1 and 600000",
            "burst: is 20000",
            "limits.speed: unknown key",
        ] {
            assert!(
                found.iter().any(|f| f.contains(wanted)),
                "missing `{wanted}` in {found:#?}"
            );
        }
        assert_eq!(found.len(), 13, "{found:#?}");
        assert!(!found.iter().any(|f| f.contains("hush")), "{found:#?}");
    }

    #[test]
    fn addresses_are_checked() {
        let with = |url: &str| faults(&GOOD.replace("https://api.example.com", url));
        for good in [
            "https://10.0.0.5:8443/r1",
            "http://127.0.0.1:8080",
            "http://localhost:1",
            "http://[::1]:5",
            "https://api.eu.ruckus.cloud",
        ] {
            assert_eq!(with(good), Vec::<String>::new(), "{good}");
        }
        for bad in [
            "ftp://example.com",
            "not a url",
            "https://user:hush-hush@example.com",
            "https://example.com?x=1",
            "http://10.0.0.5",
            "https://[fd00:ec2::254]/",
            "https://[::ffff:169.254.169.254]/",
            "https://metadata.google.internal",
            "https://0.0.0.0",
        ] {
            let found = with(bad);
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
            assert!(found[0].contains("base_url") && !found[0].contains("hush"), "{found:?}");
        }
    }

    #[test]
    fn a_toml_error_does_not_quote_the_line_with_the_secret() {
        let found = faults("[[controllers]]\nid = 1\nclient_secret = \"hush-hush\n");
        assert!(
            found[0].starts_with("line 3: not valid TOML") && !found[0].contains("hush"),
            "{found:?}"
        );
        let found = faults("[[controllers]]\nclient_secret = hush-hush\n");
        assert!(!found[0].contains("hush"), "{found:?}");
    }

    #[test]
    fn both_missing_and_unreadable_secrets_are_named() {
        let none = GOOD.replace("client_secret = \"hush-hush\"", "");
        assert_eq!(
            faults(&none),
            ["controllers[0] (id 1): client_secret: it or client_secret_file is required"]
        );
        let file = GOOD.replace("client_secret = \"hush-hush\"", "client_secret_file = \"missing\"");
        assert!(faults(&file)[0].contains("client_secret_file: cannot read missing"));
        assert!(faults("")[0].contains("at least one"));
    }
}
