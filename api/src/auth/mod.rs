//! Who calls, and what they may do.
//!
//! A request carries a bearer token (JWT) with `sub`, `tenant_id`, `roles` and `exp`. Roles: `viewer` reads, `user` also
//! submits and steers jobs, `admin` also administers its own tenant; `operator` is bound to no tenant (a token that names
//! one besides is refused) and sees and steers every tenant's jobs, but owns none, so that it cannot submit. Handlers name the right they need by taking one of the
//! extractors [`Reader`], [`Submitter`], [`Steerer`], [`Administrator`] and [`Operator`]; a route without one is open to everybody.

mod fetch;
pub mod issue;
pub mod keys;
pub mod refresh;
mod verify;

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use shared::id::TenantId;

use crate::error::{Kind, Problem};

pub use verify::{Verifier, VerifierFault};

/// What a role lets its bearer do. Several roles add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles {
    pub viewer: bool,
    pub user: bool,
    pub admin: bool,
    pub operator: bool,
}

impl Roles {
    const OPERATOR: Roles = Roles {
        viewer: false,
        user: false,
        admin: false,
        operator: true,
    };

    /// Names that are not ours are passed over: an identity provider may put others into the same claim.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut roles = Self::default();
        for name in names {
            match name {
                "viewer" => roles.viewer = true,
                "user" => roles.user = true,
                "admin" => roles.admin = true,
                "operator" => roles.operator = true,
                _ => {}
            }
        }
        roles
    }

    /// Any role that is bound to a tenant.
    pub fn of_tenant(self) -> bool {
        self.viewer || self.user || self.admin
    }
}

/// Who calls. Never holds the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub subject: String,
    /// None for an operator.
    pub tenant: Option<TenantId>,
    pub roles: Roles,
}

/// Kept with the request so that the access log can name the tenant.
#[derive(Debug, Clone)]
pub struct CallerTenant(pub Option<TenantId>);

impl Caller {
    /// Without a token, when `AUTH_MODE=dev`: operator, and admin of tenant `dev`.
    fn dev() -> Self {
        Caller {
            subject: "dev".to_owned(),
            tenant: "dev".parse().ok(),
            roles: Roles {
                admin: true,
                operator: true,
                ..Roles::default()
            },
        }
    }

    /// May see jobs of every tenant.
    pub fn sees_all(&self) -> bool {
        self.roles.operator
    }

    fn from_request(req: &HttpRequest) -> Result<Self, Problem> {
        let verifier = req.app_data::<web::Data<Verifier>>().ok_or_else(Problem::internal)?;
        let caller = if verifier.is_dev() {
            from_this_machine(req)?;
            Self::dev()
        } else {
            verifier.verify(bearer(req)?)?
        };
        req.extensions_mut().insert(CallerTenant(caller.tenant.clone()));
        Ok(caller)
    }
}

fn bearer(req: &HttpRequest) -> Result<&str, Problem> {
    let missing = || Problem::new(Kind::Unauthenticated, "send a token: `Authorization: Bearer …`");
    let value = req.headers().get(header::AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|v| v.split_once(' '))
        .ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        Ok(token.trim())
    } else {
        Err(missing())
    }
}

/// Dev mode asks for no token, so any web page open on the same machine could steer jobs with a form or through DNS
/// rebinding. Browsers tell where a request comes from; only this machine's own pages are let through.
fn from_this_machine(req: &HttpRequest) -> Result<(), Problem> {
    let text = |name| req.headers().get(name).map(|v| v.to_str().unwrap_or("?"));
    let host_is_local = |authority: &str| {
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    };
    let host_ok = text(header::HOST).is_none_or(host_is_local);
    let origin_ok = text(header::ORIGIN).is_none_or(|o| {
        o.split_once("://")
            .is_some_and(|(_, authority)| host_is_local(authority))
    });
    if host_ok && origin_ok {
        Ok(())
    } else {
        Err(Problem::new(
            Kind::Forbidden,
            "AUTH_MODE=dev serves this machine only: address it as localhost, and not from a page of another site",
        ))
    }
}

fn forbidden(needed: &str) -> Problem {
    Problem::new(Kind::Forbidden, format!("this needs the role {needed}"))
}

/// A caller who may read: every role.
#[derive(Debug)]
pub struct Reader(pub Caller);

/// A caller who may start jobs, and the tenant that will own them.
#[derive(Debug)]
pub struct Submitter {
    pub caller: Caller,
    pub tenant: TenantId,
}

/// A caller who may pause, resume and cancel.
#[derive(Debug)]
pub struct Steerer(pub Caller);

/// A caller who may see what concerns a tenant's controllers, or everybody's.
#[derive(Debug)]
pub struct Administrator(pub Caller);

/// A caller who may see the fleet.
#[derive(Debug)]
pub struct Operator(pub Caller);

impl TryFrom<Caller> for Administrator {
    type Error = Problem;
    fn try_from(caller: Caller) -> Result<Self, Problem> {
        if caller.roles.admin || caller.roles.operator {
            Ok(Administrator(caller))
        } else {
            Err(forbidden("admin or operator"))
        }
    }
}

impl TryFrom<Caller> for Operator {
    type Error = Problem;
    fn try_from(caller: Caller) -> Result<Self, Problem> {
        if caller.roles.operator {
            Ok(Operator(caller))
        } else {
            Err(forbidden("operator"))
        }
    }
}

impl TryFrom<Caller> for Reader {
    type Error = Problem;
    fn try_from(caller: Caller) -> Result<Self, Problem> {
        if caller.roles.of_tenant() || caller.roles.operator {
            Ok(Reader(caller))
        } else {
            Err(forbidden("viewer, user, admin or operator"))
        }
    }
}

impl TryFrom<Caller> for Submitter {
    type Error = Problem;
    fn try_from(caller: Caller) -> Result<Self, Problem> {
        match &caller.tenant {
            Some(tenant) if caller.roles.user || caller.roles.admin => Ok(Submitter {
                tenant: tenant.clone(),
                caller,
            }),
            _ => Err(forbidden("user or admin of the tenant that will own the job")),
        }
    }
}

impl TryFrom<Caller> for Steerer {
    type Error = Problem;
    fn try_from(caller: Caller) -> Result<Self, Problem> {
        if caller.roles.user || caller.roles.admin || caller.roles.operator {
            Ok(Steerer(caller))
        } else {
            Err(forbidden("user, admin or operator"))
        }
    }
}

macro_rules! extractor {
    ($($name:ident),*) => {$(
        impl FromRequest for $name {
            type Error = Problem;
            type Future = Ready<Result<Self, Problem>>;
            fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(Caller::from_request(req).and_then(Self::try_from))
            }
        }
    )*};
}
extractor!(Reader, Submitter, Steerer, Administrator, Operator);
