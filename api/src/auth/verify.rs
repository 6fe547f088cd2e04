//! From a token to a caller.

use std::sync::{Arc, RwLock};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use shared::id::TenantId;

use super::keys::KeySet;
use super::{Caller, Roles};
use crate::error::{Kind, Problem};

/// Clocks of two machines may differ by this much.
const LEEWAY_SECONDS: u64 = 30;
/// No token of ours is near this long; longer ones are refused before any cryptography.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Why the API cannot verify tokens and therefore does not start.
#[derive(Debug, thiserror::Error)]
pub enum VerifierFault {
    #[error(
        "no way to verify tokens: set AUTH_JWT_SECRET, AUTH_JWKS_FILE or AUTH_JWKS_URL, or AUTH_MODE=dev on a loopback address"
    )]
    NothingConfigured,
    #[error("AUTH_MODE=dev needs no token and is therefore only served on a loopback address, but API_BIND is {0}")]
    DevNotLoopback(std::net::SocketAddr),
}

/// Verifies tokens. Cheap to share; the key set inside may be exchanged while it runs.
pub struct Verifier {
    mode: Mode,
}

enum Mode {
    Dev,
    Tokens {
        hmac: Option<DecodingKey>,
        jwks: Option<SharedKeys>,
    },
}

/// The published keys as they are now. Replaced as a whole by the refresher.
pub type SharedKeys = Arc<RwLock<Arc<KeySet>>>;

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    #[serde(default)]
    tenant_id: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

impl Verifier {
    /// No tokens asked for: development on one machine.
    pub fn dev() -> Self {
        Verifier { mode: Mode::Dev }
    }

    /// At least one of the two must be there.
    pub fn tokens(secret: Option<&str>, jwks: Option<SharedKeys>) -> Result<Self, VerifierFault> {
        if secret.is_none() && jwks.is_none() {
            return Err(VerifierFault::NothingConfigured);
        }
        let hmac = secret.map(|s| DecodingKey::from_secret(s.as_bytes()));
        Ok(Verifier {
            mode: Mode::Tokens { hmac, jwks },
        })
    }

    pub fn is_dev(&self) -> bool {
        matches!(self.mode, Mode::Dev)
    }

    /// Checks signature and times, and reads who it is. Every failure is a 401 that says which check failed and never
    /// repeats the token; but a genuine one that claims what nobody can be is a 403.
    pub fn verify(&self, token: &str) -> Result<Caller, Problem> {
        let Mode::Tokens { hmac, jwks } = &self.mode else {
            return Ok(Caller::dev());
        };
        if token.len() > TOKEN_BYTES_MAX {
            return Err(refused("the token is too long"));
        }
        let header = decode_header(token).map_err(|_| refused("the token is not a JWT this server takes"))?;
        match header.alg {
            Algorithm::HS256 => match hmac {
                Some(key) => claims(token, key, Algorithm::HS256),
                None => Err(refused("tokens signed with HS256 are not taken here")),
            },
            alg @ (Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) => {
                let keys = match jwks {
                    Some(shared) => current(shared),
                    None => return Err(refused("only tokens signed with HS256 are taken here")),
                };
                if keys.is_empty() {
                    return Err(Problem::new(
                        Kind::Unavailable,
                        "the keys that verify tokens have not been fetched yet",
                    ));
                }
                let mut answer = Err(refused("no key is known for this token"));
                for key in keys.candidates(header.kid.as_deref(), alg) {
                    answer = claims(token, key, alg);
                    if answer.is_ok() {
                        break;
                    }
                }
                answer
            }
            _ => Err(refused(
                "the token's algorithm is not taken: HS256, RS256, ES256 or EdDSA",
            )),
        }
        .and_then(caller)
    }
}

fn current(keys: &SharedKeys) -> Arc<KeySet> {
    // A poisoned lock still holds a whole set: it is only ever replaced as one.
    keys.read().unwrap_or_else(|e| e.into_inner()).clone()
}

fn claims(token: &str, key: &DecodingKey, alg: Algorithm) -> Result<Claims, Problem> {
    let mut checks = Validation::new(alg);
    checks.leeway = LEEWAY_SECONDS;
    checks.validate_nbf = true;
    // There is no setting for an audience; a token made for several services is fine.
    checks.validate_aud = false;
    checks.set_required_spec_claims(&["exp", "sub"]);
    decode::<Claims>(token, key, &checks)
        .map(|data| data.claims)
        .map_err(|fault| {
            refused(match fault.kind() {
                ErrorKind::ExpiredSignature => "the token has expired",
                ErrorKind::ImmatureSignature => "the token is not valid yet",
                ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim: sub and exp are needed",
                ErrorKind::InvalidSignature => "the token's signature does not fit",
                _ => "the token cannot be read",
            })
        })
}

fn caller(claims: Claims) -> Result<Caller, Problem> {
    if claims.sub.trim().is_empty() || claims.sub.len() > 255 {
        return Err(refused("the token's sub must have 1 to 255 characters"));
    }
    let roles = Roles::parse(claims.roles.iter().map(String::as_str));
    let (tenant, roles) = match claims.tenant_id.as_deref() {
        // Which of the two is meant can't be told: one would see and steer the jobs of every tenant.
        Some(_) if roles.operator => {
            return Err(Problem::new(
                Kind::Forbidden,
                "the role operator is bound to no tenant, but the token has a tenant_id: take out the one or the other",
            ));
        }
        Some(name) => {
            let tenant = name.parse::<TenantId>();
            let tenant = tenant.map_err(|_| refused("the token's tenant_id is no tenant name"))?;
            (Some(tenant), roles)
        }
        // the other roles are roles in a tenant, and there is none
        None if roles.operator => (None, Roles::OPERATOR),
        None => return Err(refused("the token lacks the claim tenant_id")),
    };
    Ok(Caller {
        subject: claims.sub,
        tenant,
        roles,
    })
}

fn refused(detail: &str) -> Problem {
    Problem::new(Kind::Unauthenticated, detail).challenge("Bearer realm=\"phaseline\", error=\"invalid_token\"")
}
