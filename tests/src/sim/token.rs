//! Access tokens: opaque, bound to a tenant, and able to die early.

use serde_json::json;

use super::call::{Call, Reply, fresh_id};
use super::clock::Millis;
use super::errors::Fault;
use super::injected::Injected;
use super::world::World;

/// A token that was given.
#[derive(Debug)]
pub struct Token {
    /// The tenant it was asked for.
    pub tenant: String,
    /// Who asked.
    pub client_id: String,
    expires_at: Millis,
    calls_left: Option<u64>,
}

/// What a call gets that nobody understands.
pub const LOGIN_PAGE: &str = "<!DOCTYPE html><html><head><title>RUCKUS One</title></head><body>Sign in</body></html>";

impl World {
    /// Answers `POST /oauth2/token/{tenantId}`. A request that is no client-credentials grant gets a login page with status 200,
    /// as the real service was seen to do.
    pub fn grant(&mut self, call: &Call, tenant: &str, known: bool, fault: Option<&Injected>, now: Millis) -> Reply {
        let (mut grant_type, mut client_id, mut secret) = (String::new(), String::new(), String::new());
        for (key, value) in url::form_urlencoded::parse(&call.body) {
            match key.as_ref() {
                "grant_type" => grant_type = value.into_owned(),
                "client_id" => client_id = value.into_owned(),
                "client_secret" => secret = value.into_owned(),
                _ => {}
            }
        }
        if grant_type != "client_credentials" {
            return Reply::html(200, LOGIN_PAGE);
        }
        let ids = &self.settings.client_ids;
        let welcome = known
            && !client_id.is_empty()
            && (ids.is_empty() || ids.contains(&client_id))
            && secret == self.settings.client_secret;
        if !welcome {
            return Reply::json(
                401,
                json!({"error": "invalid_client", "error_description": "Client authentication failed"}),
            );
        }
        let mut expires_at = now + self.settings.token_ttl_s * 1000;
        let mut calls_left = None;
        if let Some(Injected::TokenDiesEarly {
            after_calls,
            after_seconds,
            ..
        }) = fault
        {
            calls_left = *after_calls;
            if let Some(seconds) = after_seconds {
                expires_at = expires_at.min(now + (seconds * 1000.0) as Millis);
            }
        }
        let text = format!("sim.{}{}", fresh_id(&mut self.rng), fresh_id(&mut self.rng)).replace('-', "");
        self.tokens.insert(
            text.clone(),
            Token {
                tenant: tenant.into(),
                client_id,
                expires_at,
                calls_left,
            },
        );
        Reply::ok(json!({"access_token": text, "token_type": "Bearer", "expires_in": self.settings.token_ttl_s}))
    }

    /// The effective tenant and the client of a call; else 401, with the tenant that shall count it.
    pub fn authenticate(&mut self, call: &Call, now: Millis) -> Result<(String, String), (Option<String>, Fault)> {
        let Some(token) = self.tokens.get_mut(&call.bearer) else {
            return Err((None, Fault::new(401, "RCG-10001", "Unauthorized")));
        };
        let tenant = if call.tenant.is_empty() {
            token.tenant.clone()
        } else {
            call.tenant.clone()
        };
        if now >= token.expires_at || token.calls_left == Some(0) {
            let fault = Fault::new(401, "RCG-10003", "Please re-login, the session has expired.");
            return Err((Some(tenant), fault));
        }
        if let Some(left) = &mut token.calls_left {
            *left -= 1;
        }
        let (client, own) = (token.client_id.clone(), token.tenant.clone());
        let customers = &self.settings.msp_customers;
        let reached = customers.get(&own).is_some_and(|all| all.contains(&tenant));
        if own != tenant && !customers.is_empty() && !reached {
            return Err((None, Fault::new(403, "RCG-10002", "Forbidden")));
        }
        match self.tenant(&tenant, now) {
            Some(_) => Ok((tenant, client)),
            None => Err((None, Fault::new(403, "RCG-10002", "Forbidden"))),
        }
    }
}
