//! An application to test against, with or without a store behind it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use actix_web::web;
use api::auth::Verifier;
use api::body::BodyLimits;
use api::metrics::Metrics;
use api::server::Parts;
use api::state::State;
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use shared::config::Settings;
use shared::controllers::ControllersFile;
use shared::seal::Sealer;
use shared::store::Store;

pub const SECRET: &str = "a-secret-of-thirty-two-characters";

/// Controller 1 belongs to `acme` and `dev`, 2 to `other`.
pub const CONTROLLERS: &str = r#"
[[controllers]]
id = 1
name = "one"
tenants = ["acme", "dev"]
base_url = "http://127.0.0.1:1"
token_url = "http://127.0.0.1:1/oauth2/token/t1"
tenant_id = "t1"
client_id = "c"
client_secret = "s3cr3t-s3cr3t"
[[controllers]]
id = 2
name = "two"
tenants = ["other"]
base_url = "http://127.0.0.1:1"
token_url = "http://127.0.0.1:1/oauth2/token/t2"
tenant_id = "t2"
client_id = "c"
client_secret = "s3cr3t-s3cr3t"
"#;

/// Settings of a store at `redis_port`; port 1 is nobody's.
pub fn settings(redis_port: u16) -> Settings {
    let (key, port) = (Sealer::generate_key(), redis_port.to_string());
    Settings::from_pairs(&[("PAYLOAD_KEY", &key), ("REDIS_PORT", &port)]).unwrap()
}

fn controllers() -> Arc<ControllersFile> {
    let path = std::env::temp_dir().join(format!("phaseline-controllers-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&path, CONTROLLERS).unwrap();
    let file = ControllersFile::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    Arc::new(file)
}

/// The parts of an application. `limits` bound the bodies of imports.
pub fn parts(settings: &Settings, store: Store, verifier: Verifier, limits: BodyLimits) -> Parts {
    let mut state = State::new(store, settings.sealer.clone(), settings.engine.clone(), controllers());
    state.body_limits = limits;
    Parts {
        state: web::Data::new(state),
        verifier: web::Data::new(verifier),
        metrics: web::Data::new(Metrics::default()),
    }
}

/// Tokens are asked for, and no store is there.
pub fn storeless() -> Parts {
    let settings = settings(1);
    let store = Store::open(&settings.redis, &settings.engine).unwrap();
    parts(
        &settings,
        store,
        Verifier::tokens(Some(SECRET), None).unwrap(),
        BodyLimits::default(),
    )
}

/// A token for `roles` in `tenant`.
pub fn token(tenant: Option<&str>, roles: &[&str]) -> String {
    let mut claims = json!({"sub": "u1", "roles": roles, "exp": get_current_timestamp() + 600});
    if let Some(tenant) = tenant {
        claims["tenant_id"] = Value::from(tenant);
    }
    encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .unwrap()
}
