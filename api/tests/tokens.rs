//! Tokens: which are taken, which are refused and why, and what they entitle to.

use std::sync::{Arc, RwLock};

use api::auth::keys::KeySet;
use api::auth::{Caller, Reader, Steerer, Submitter, Verifier};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

const SECRET: &str = "a-secret-of-thirty-two-characters";

/// Keys made for these tests alone (PKCS #8).
const EC_KEY: &str = include_str!("keys/es256.pem");
const ED_KEY: &str = include_str!("keys/ed25519.pem");
const RSA_KEY: &str = include_str!("keys/rs256.pem");

fn claims() -> Value {
    json!({"sub": "u1", "tenant_id": "acme", "roles": ["user"], "exp": get_current_timestamp() + 60})
}

fn with(changes: Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            all.as_object_mut().unwrap().remove(name);
        } else {
            all[name] = value.clone();
        }
    }
    all
}

fn sign(claims: &Value, secret: &str) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn verifier() -> Verifier {
    Verifier::tokens(Some(SECRET), None).unwrap()
}

fn verify(claims: Value) -> Result<Caller, String> {
    verifier()
        .verify(&sign(&claims, SECRET))
        .map_err(|p| p.body().detail.clone())
}

#[test]
fn a_good_token_names_its_caller() {
    let caller = verify(claims()).unwrap();
    assert_eq!(
        (caller.subject.as_str(), caller.tenant.unwrap().as_str()),
        ("u1", "acme")
    );
    assert!(caller.roles.user && !caller.roles.admin && !caller.roles.operator);
}

#[test]
fn each_fault_is_told_and_no_token_is_repeated() {
    let now = get_current_timestamp();
    for (changes, says) in [
        (json!({"exp": now - 60}), "expired"),
        (json!({"exp": null}), "exp"),
        (json!({"nbf": now + 600}), "not valid yet"),
        (json!({"sub": null}), "sub"),
        (json!({"sub": " "}), "sub"),
        (json!({"tenant_id": null}), "tenant_id"),
        (json!({"tenant_id": "a b"}), "tenant name"),
        (json!({"tenant_id": "x:y"}), "tenant name"),
        (json!({"roles": "admin"}), "cannot be read"),
    ] {
        let said = verify(with(changes.clone())).unwrap_err();
        assert!(said.contains(says), "{changes}: {said}");
    }
    let forged = sign(&claims(), "another secret of many characters");
    let problem = verifier().verify(&forged).unwrap_err();
    assert!(problem.body().detail.contains("signature"));
    assert!(!format!("{problem:?}").contains(&forged));
}

#[test]
fn unsigned_tokens_and_other_algorithms_are_refused() {
    // {"alg":"none","typ":"JWT"}
    let body = sign(&claims(), SECRET).split('.').nth(1).unwrap().to_owned();
    assert!(
        verifier()
            .verify(&format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."))
            .is_err()
    );
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let other = encode(&Header::new(Algorithm::HS512), &claims(), &key).unwrap();
    assert!(verifier().verify(&other).is_err());
    for junk in ["", ".", "a.b.c", &"x".repeat(20_000)] {
        assert!(verifier().verify(junk).is_err());
    }
}

#[test]
fn published_keys_verify_and_rotate_but_never_serve_as_a_secret() {
    let pairs = [
        (
            "r",
            Algorithm::RS256,
            EncodingKey::from_rsa_pem(RSA_KEY.as_bytes()).unwrap(),
        ),
        (
            "e",
            Algorithm::ES256,
            EncodingKey::from_ec_pem(EC_KEY.as_bytes()).unwrap(),
        ),
        (
            "d",
            Algorithm::EdDSA,
            EncodingKey::from_ed_pem(ED_KEY.as_bytes()).unwrap(),
        ),
    ];
    let published = |names: &[&str]| {
        let keys = pairs
            .iter()
            .filter(|(kid, ..)| names.contains(kid))
            .map(|(kid, alg, key)| {
                let mut jwk = Jwk::from_encoding_key(key, *alg).unwrap();
                jwk.common.key_id = Some((*kid).to_owned());
                jwk.common.public_key_use = Some(PublicKeyUse::Signature);
                jwk
            });
        let set = JwkSet { keys: keys.collect() };
        Arc::new(KeySet::parse(&serde_json::to_vec(&set).unwrap()).unwrap())
    };
    let shared = Arc::new(RwLock::new(published(&["r", "e", "d"])));
    let verifier = Verifier::tokens(None, Some(shared.clone())).unwrap();
    let token = |kid: Option<&str>, alg, key: &EncodingKey| {
        let mut header = Header::new(alg);
        header.kid = kid.map(str::to_owned);
        encode(&header, &claims(), key).unwrap()
    };
    for (kid, alg, key) in &pairs {
        assert!(verifier.verify(&token(Some(kid), *alg, key)).is_ok(), "{alg:?}");
        assert!(verifier.verify(&token(None, *alg, key)).is_ok(), "{alg:?} without kid");
        assert!(
            verifier.verify(&token(Some("other"), *alg, key)).is_err(),
            "{alg:?} of another key"
        );
    }
    // A token signed with the public key as if it were a shared secret: the oldest trick there is.
    assert!(verifier.verify(&sign(&claims(), RSA_KEY)).is_err());
    *shared.write().unwrap() = published(&["e"]);
    assert!(
        verifier
            .verify(&token(Some("r"), Algorithm::RS256, &pairs[0].2))
            .is_err()
    );
    // Not fetched yet: come back later, rather than: you are nobody.
    *shared.write().unwrap() = Arc::new(KeySet::default());
    let problem = verifier
        .verify(&token(Some("e"), Algorithm::ES256, &pairs[1].2))
        .unwrap_err();
    assert_eq!(problem.body().status, 503);
}

#[test]
fn a_symmetric_key_in_a_published_set_is_no_key() {
    assert!(KeySet::parse(br#"{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}"#).is_err());
    assert!(KeySet::parse(b"{}").is_err());
}

#[test]
fn roles_entitle_exactly_to_what_is_promised() {
    // roles, tenant in the token → may read, submit, steer; sees every tenant
    let table = [
        (json!(["viewer"]), true, (true, false, false, false)),
        (json!(["user"]), true, (true, true, true, false)),
        (json!(["admin"]), true, (true, true, true, false)),
        (json!(["operator"]), false, (true, false, true, true)),
        (json!(["operator", "admin"]), false, (true, false, true, true)),
        (json!(["other"]), true, (false, false, false, false)),
        (json!([]), true, (false, false, false, false)),
    ];
    for (roles, tenant, (read, submit, steer, all)) in table {
        let tenant = if tenant { json!("acme") } else { Value::Null };
        let caller = verify(with(json!({"roles": roles, "tenant_id": tenant}))).unwrap();
        assert_eq!(Reader::try_from(caller.clone()).is_ok(), read, "{roles} reads");
        assert_eq!(Submitter::try_from(caller.clone()).is_ok(), submit, "{roles} submits");
        assert_eq!(Steerer::try_from(caller.clone()).is_ok(), steer, "{roles} steers");
        assert_eq!(caller.sees_all(), all, "{roles} sees all");
    }
}

#[test]
fn an_operator_who_names_a_tenant_is_refused() {
    for roles in [json!(["operator"]), json!(["admin", "operator"])] {
        let told = verify(with(json!({"roles": roles, "tenant_id": "acme"}))).unwrap_err();
        assert!(told.contains("bound to no tenant"), "{roles}: {told}");
    }
}
