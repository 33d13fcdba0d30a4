//! MongoDB's side: which identity providers a server is configured to trust, and who a token makes somebody there.
//!
//! Pure: nothing here asks anybody. The parameter is `oidcIdentityProviders`; Cloud Manager, Atlas and the Kubernetes
//! operator have other spellings of the same.
//!
//! | file | what |
//! |---|---|
//! | [`document`] | a configuration, whatever its form, to its providers and what is wrong: [`read`] |
//! | `entry`, `fields` | one entry of the list: names, types, what is required |
//! | `rules` | whether the values are right, alone and together |
//! | [`choices`] | an administrator's choices to a provider: the same rules, by flag |
//! | [`emit`] | a provider to a configuration, in each form that somebody reads |
//! | [`release`] | which server knows what |
//! | `yaml`, `json`, `command_line` | the languages of configurations, each to a tree of values with their places |
//! | `tree` | that tree, places, and findings |

pub mod choices;
mod command_line;
pub mod document;
pub mod emit;
mod entry;
mod fields;
mod json;
pub mod release;
mod rules;
mod tree;
mod yaml;

pub use document::{Reading, read, read_for};
pub use release::Release;
pub use tree::Finding;

/// One identity provider as a MongoDB server is told of it: an element of `oidcIdentityProviders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider {
    /// `issuer`: equal to the tokens' `iss`, byte for byte.
    pub issuer: String,
    /// `audience`: the one value that tokens have in `aud`.
    pub audience: String,
    /// `authNamePrefix`, which Cloud Manager calls the configuration name; in Atlas, the provider's id.
    pub auth_name_prefix: String,
    /// `matchPattern`: a regular expression that is searched in the user name of a client.
    pub match_pattern: Option<String>,
    /// `clientId`: with which people sign in.
    pub client_id: Option<String>,
    /// `requestScopes`: what clients ask for, beyond the usual.
    pub request_scopes: Vec<String>,
    /// `supportsHumanFlows`: false for one that has tokens of programs only.
    pub supports_human_flows: bool,
    /// `principalName`: the claim that names the user.
    pub principal_name: String,
    pub authorization: Authorization,
    /// `logClaims`, if given.
    pub log_claims: Option<Vec<String>>,
    /// `JWKSPollSecs`, in seconds; 0 is no polling.
    pub jwks_poll_secs: Option<u32>,
}

/// Where roles come from: `useAuthorizationClaim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// From this claim of the token, `authorizationClaim`: a role for each group.
    GroupMembership(String),
    /// From the user's document in `$external`, which has to exist.
    UserId,
}

impl Authorization {
    /// The claim that lists the groups.
    pub fn claim(&self) -> Option<&str> {
        match self {
            Self::GroupMembership(claim) => Some(claim),
            Self::UserId => None,
        }
    }
}

/// The claim that names the user unless another is set.
pub const DEFAULT_PRINCIPAL_NAME: &str = "sub";

impl IdentityProvider {
    /// One of which nothing else is known: all as a server has it where nothing is said, no name yet, and roles from the
    /// users' documents, since groups take a claim.
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            auth_name_prefix: String::new(),
            match_pattern: None,
            client_id: None,
            request_scopes: Vec::new(),
            supports_human_flows: true,
            principal_name: DEFAULT_PRINCIPAL_NAME.to_owned(),
            authorization: Authorization::UserId,
            log_claims: None,
            jwks_poll_secs: None,
        }
    }

    /// The name of a principal, at `$external`.
    pub fn user(&self, principal: &str) -> String {
        format!("{}/{principal}", self.auth_name_prefix)
    }

    /// The name of a group's role, at `admin`.
    pub fn role(&self, group: &str) -> String {
        format!("{}/{group}", self.auth_name_prefix)
    }
}
