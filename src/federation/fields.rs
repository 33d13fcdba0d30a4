//! The fields of an identity provider's entry: what each is called and what it holds.

use super::release::Release;
use super::tree::{Node, Value};

pub(super) const ISSUER: &str = "issuer";
pub(super) const AUDIENCE: &str = "audience";
pub(super) const AUTH_NAME_PREFIX: &str = "authNamePrefix";
pub(super) const MATCH_PATTERN: &str = "matchPattern";
pub(super) const CLIENT_ID: &str = "clientId";
pub(super) const REQUEST_SCOPES: &str = "requestScopes";
pub(super) const PRINCIPAL_NAME: &str = "principalName";
pub(super) const USE_AUTHORIZATION_CLAIM: &str = "useAuthorizationClaim";
pub(super) const AUTHORIZATION_CLAIM: &str = "authorizationClaim";
pub(super) const LOG_CLAIMS: &str = "logClaims";
pub(super) const JWKS_POLL_SECS: &str = "JWKSPollSecs";
pub(super) const SUPPORTS_HUMAN_FLOWS: &str = "supportsHumanFlows";
pub(super) const SERVER_CA_FILE: &str = "serverCAFile";

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Texts,
    Switch,
    /// A whole number from 0 to 2³¹ − 1.
    Seconds,
}

pub(super) struct Field {
    /// As the server's parameter has it.
    pub name: &'static str,
    /// As automation configurations have it.
    automation: &'static str,
    pub kind: Kind,
    /// The releases that brought it; empty for what was there from the start (7.0).
    pub since: &'static [Release],
}

/// SERVER-82143 and the manual: with 7.2, and in 7.0 with 7.0.5.
const WITH_WORKLOAD: &[Release] = &[Release::new(7, 0, 5), Release::new(7, 2, 0)];

const fn field(name: &'static str, automation: &'static str, kind: Kind) -> Field {
    Field { name, automation, kind, since: &[] }
}

/// The manual's table, in its order, and what Percona's server adds.
pub(super) const ALL: &[Field] = &[
    field(ISSUER, "issuerUri", Kind::Text),
    field(AUTH_NAME_PREFIX, AUTH_NAME_PREFIX, Kind::Text),
    field(MATCH_PATTERN, MATCH_PATTERN, Kind::Text),
    field(CLIENT_ID, CLIENT_ID, Kind::Text),
    field(AUDIENCE, AUDIENCE, Kind::Text),
    field(REQUEST_SCOPES, "requestedScopes", Kind::Texts),
    field(PRINCIPAL_NAME, "userClaim", Kind::Text),
    Field { since: WITH_WORKLOAD, ..field(USE_AUTHORIZATION_CLAIM, USE_AUTHORIZATION_CLAIM, Kind::Switch) },
    field(AUTHORIZATION_CLAIM, "groupsClaim", Kind::Text),
    field(LOG_CLAIMS, LOG_CLAIMS, Kind::Texts),
    field(JWKS_POLL_SECS, JWKS_POLL_SECS, Kind::Seconds),
    Field { since: WITH_WORKLOAD, ..field(SUPPORTS_HUMAN_FLOWS, SUPPORTS_HUMAN_FLOWS, Kind::Switch) },
    field(SERVER_CA_FILE, SERVER_CA_FILE, Kind::Text),
];

/// Whose names are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `oidcIdentityProviders` of the server.
    Server,
    /// `oidcProviderConfigs` of an automation configuration (Ops Manager, Cloud Manager).
    Automation,
}

impl Spelling {
    /// What the list is called.
    pub fn list(self) -> &'static str {
        match self {
            Self::Server => "oidcIdentityProviders",
            Self::Automation => "oidcProviderConfigs",
        }
    }

    /// What a field is called, given the server's name for it.
    pub fn name(self, server: &'static str) -> &'static str {
        let field = ALL.iter().find(|field| field.name == server);
        field.map_or(server, |field| field.called(self))
    }

    pub fn find(self, name: &str) -> Option<&'static Field> {
        ALL.iter().find(|field| field.called(self) == name)
    }
}

impl Field {
    pub fn called(&self, spelling: Spelling) -> &'static str {
        match spelling {
            Spelling::Server => self.name,
            Spelling::Automation => self.automation,
        }
    }
}

impl Kind {
    pub fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Texts => "a list of strings",
            Self::Switch => "true or false",
            Self::Seconds => "a whole number of seconds, 0 or more",
        }
    }

    /// Whether a value is of this kind. Null is as if nothing were said.
    pub fn fits(self, node: &Node) -> bool {
        match (self, &node.value) {
            (_, Value::Null) | (Self::Text, Value::Text(_)) | (Self::Switch, Value::Bool(_)) => true,
            (Self::Texts, Value::List(items)) => items.iter().all(|item| item.text().is_some()),
            (Self::Seconds, Value::Number(number)) => number.parse::<i32>().is_ok_and(|seconds| seconds >= 0),
            _ => false,
        }
    }
}
