//! Tokens for those who have no identity provider yet: signed with the secret that the API verifies with.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use shared::id::TenantId;

use super::Roles;

/// As many as the settings ask for.
const SECRET_CHARACTERS_LEAST: usize = 16;
const HOUR_SECONDS: i64 = 3600;

/// What a token is to say.
pub struct Bearer {
    /// Who bears it; jobs are told to be submitted by it.
    pub subject: String,
    /// None: an operator.
    pub tenant: Option<TenantId>,
    pub roles: Vec<String>,
    pub hours: u32,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BearerFault {
    #[error(
        "AUTH_JWT_SECRET has to be set, to at least {SECRET_CHARACTERS_LEAST} characters: it is what the API verifies tokens with"
    )]
    Secret,
    #[error("--subject has 1 to 255 characters")]
    Subject,
    #[error("there is no role `{0}`: viewer, user, admin (of a tenant) or operator (of the fleet)")]
    Role(String),
    #[error("the role operator is bound to no tenant: give --role operator without --tenant, or another role with it")]
    TenantAndOperator,
    #[error("--tenant is needed: whose jobs these roles are about")]
    NoTenant,
    #[error("it could not be signed: {0}")]
    Signing(String),
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a TenantId>,
    roles: &'a [String],
    iat: i64,
    exp: i64,
}

/// A token (JWT, HS256) that the API takes from `now` on, for so many hours.
pub fn issue(bearer: &Bearer, secret: &str, now: Timestamp) -> Result<String, BearerFault> {
    if secret.chars().count() < SECRET_CHARACTERS_LEAST {
        return Err(BearerFault::Secret);
    }
    if bearer.subject.trim().is_empty() || bearer.subject.len() > 255 {
        return Err(BearerFault::Subject);
    }
    if let Some(other) = bearer
        .roles
        .iter()
        .find(|role| Roles::parse([role.as_str()]) == Roles::default())
    {
        return Err(BearerFault::Role(other.clone()));
    }
    let roles = Roles::parse(bearer.roles.iter().map(String::as_str));
    match &bearer.tenant {
        Some(_) if roles.operator => return Err(BearerFault::TenantAndOperator),
        None if roles.of_tenant() => {
            return Err(match roles.operator {
                true => BearerFault::TenantAndOperator,
                false => BearerFault::NoTenant,
            });
        }
        _ => {}
    }
    let now = now.as_second();
    let claims = Claims {
        sub: &bearer.subject,
        tenant_id: bearer.tenant.as_ref(),
        roles: &bearer.roles,
        iat: now,
        exp: now + i64::from(bearer.hours) * HOUR_SECONDS,
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|e| BearerFault::Signing(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Verifier;

    const SECRET: &str = "sixteen characters at least";

    fn bearer(tenant: Option<&str>, roles: &[&str]) -> Bearer {
        Bearer {
            subject: "anna".to_owned(),
            tenant: tenant.map(|t| t.parse().unwrap()),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            hours: 1,
        }
    }

    #[test]
    fn what_is_issued_is_taken_for_what_it_says() {
        let verifier = Verifier::tokens(Some(SECRET), None).unwrap();
        for (tenant, roles) in [
            (Some("acme"), &["user"][..]),
            (Some("acme"), &["viewer", "admin"]),
            (None, &["operator"]),
        ] {
            let token = issue(&bearer(tenant, roles), SECRET, Timestamp::now()).unwrap();
            let caller = verifier.verify(&token).unwrap();
            assert_eq!(caller.subject, "anna");
            assert_eq!(caller.tenant, tenant.map(|t| t.parse().unwrap()));
            assert_eq!(caller.roles, Roles::parse(roles.iter().copied()));
        }
        let past = Timestamp::now() - jiff::SignedDuration::from_hours(2);
        let old = issue(&bearer(Some("acme"), &["user"]), SECRET, past).unwrap();
        assert!(verifier.verify(&old).is_err(), "its hour is over");
    }

    #[test]
    fn what_nobody_would_take_is_not_issued() {
        let fault = |tenant, roles| issue(&bearer(tenant, roles), SECRET, Timestamp::now()).unwrap_err();
        assert_eq!(fault(Some("acme"), &["root"]), BearerFault::Role("root".to_owned()));
        assert_eq!(fault(Some("acme"), &["operator"]), BearerFault::TenantAndOperator);
        assert_eq!(fault(None, &["operator", "user"]), BearerFault::TenantAndOperator);
        assert_eq!(fault(None, &["user"]), BearerFault::NoTenant);
        let short = issue(&bearer(Some("acme"), &["user"]), "short", Timestamp::now());
        assert_eq!(short, Err(BearerFault::Secret));
    }
}
