//! The server parameter `oidcIdentityProviders`, as a server is started with it.

use serde::Serialize;

use super::{Configuration, MECHANISMS, line, pretty};
use crate::federation::{Authorization, IdentityProvider};
use crate::ui::shell_quoted;

/// An element of `oidcIdentityProviders`. What has the server's own default is left out, but for the claim of the user:
/// whoever reads the file wants to know it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Element<'a> {
    issuer: &'a str,
    audience: &'a str,
    auth_name_prefix: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    match_pattern: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    request_scopes: &'a [String],
    principal_name: &'a str,
    /// Servers before 7.0.5 do not know it, and true is what they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    use_authorization_claim: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_claim: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supports_human_flows: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_claims: Option<&'a [String]>,
    #[serde(rename = "JWKSPollSecs", skip_serializing_if = "Option::is_none")]
    jwks_poll_secs: Option<u32>,
}

impl<'a> From<&'a IdentityProvider> for Element<'a> {
    fn from(provider: &'a IdentityProvider) -> Self {
        let (use_authorization_claim, authorization_claim) = match &provider.authorization {
            Authorization::GroupMembership(claim) => (None, Some(claim.as_str())),
            Authorization::UserId => (Some(false), None),
        };
        Self {
            issuer: &provider.issuer,
            audience: &provider.audience,
            auth_name_prefix: &provider.auth_name_prefix,
            match_pattern: provider.match_pattern.as_deref(),
            client_id: provider.client_id.as_deref(),
            request_scopes: &provider.request_scopes,
            principal_name: &provider.principal_name,
            use_authorization_claim,
            authorization_claim,
            supports_human_flows: (!provider.supports_human_flows).then_some(false),
            log_claims: provider.log_claims.as_deref(),
            jwks_poll_secs: provider.jwks_poll_secs,
        }
    }
}

const NOTES: &[&str] = &[
    "read at the start: restart every mongod and mongos, one after the other",
    "the list of mechanisms replaces the one you have: keep those that members, agents and administrators sign in with",
];

/// The list is a string with JSON in it, as MongoDB's manual has it: a block, so that nothing in it has to be quoted.
pub(super) fn yaml(provider: &IdentityProvider) -> Configuration {
    let mut text = String::new();
    line(&mut text, 0, "setParameter:");
    line(&mut text, 2, &format!("authenticationMechanisms: {MECHANISMS}"));
    line(&mut text, 2, "oidcIdentityProviders: |");
    for json in pretty(&[Element::from(provider)]).lines() {
        line(&mut text, 4, json);
    }
    Configuration::new(text, NOTES)
}

/// The list by itself: a server takes it as it is at its command line, and refuses it as a list in its file.
pub(super) fn json(provider: &IdentityProvider) -> Configuration {
    let notes = &[
        "the value of the parameter `oidcIdentityProviders`; in mongod.conf it has to be a string with this in it",
        "`authenticationMechanisms` has to list MONGODB-OIDC as well",
    ];
    Configuration::new(pretty(&[Element::from(provider)]) + "\n", notes)
}

pub(super) fn command_line(provider: &IdentityProvider) -> Configuration {
    let json = serde_json::to_string(&[Element::from(provider)]).unwrap_or_default();
    let mut text = String::new();
    line(&mut text, 0, &format!("--setParameter authenticationMechanisms={MECHANISMS} \\"));
    line(&mut text, 0, &format!("--setParameter {}", shell_quoted(&format!("oidcIdentityProviders={json}"))));
    Configuration::new(text, NOTES)
}
