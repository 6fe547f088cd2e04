//! Published keys (a JWK set, RFC 7517) that tokens may be signed with.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// The keys of one JWK set that can verify a signature we take.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a JWK set. Keys for other uses or of other kinds are passed over, and symmetric ones always: a published
    /// key must never be usable as a shared secret. Fails when none is left.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|e| format!("not a JWK set: {e}"))?;
        let keys: Vec<Key> = set.keys.iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err("no key in it can verify RS256, ES256 or EdDSA signatures".to_owned());
        }
        Ok(KeySet { keys })
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Keys a token with this header may have been signed with. A token that names a key gets that one only.
    pub fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &DecodingKey> {
        self.keys
            .iter()
            .filter(move |k| k.algorithm == algorithm)
            .filter(move |k| match (kid, &k.id) {
                (Some(wanted), Some(id)) => wanted == id,
                _ => true,
            })
            .map(|k| &k.key)
    }
}

fn usable(jwk: &Jwk) -> Option<Key> {
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let declared_fits = match jwk.common.key_algorithm {
        None => true,
        Some(declared) => matches!(
            (declared, algorithm),
            (KeyAlgorithm::RS256, Algorithm::RS256)
                | (KeyAlgorithm::ES256, Algorithm::ES256)
                | (KeyAlgorithm::EdDSA, Algorithm::EdDSA)
        ),
    };
    let key = DecodingKey::from_jwk(jwk).ok().filter(|_| declared_fits)?;
    Some(Key {
        id: jwk.common.key_id.clone(),
        algorithm,
        key,
    })
}
