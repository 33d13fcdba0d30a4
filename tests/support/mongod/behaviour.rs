//! What the server is told to be: honest and strict by default, hostile exactly where a test says so.

use std::collections::BTreeMap;
use std::time::Duration;

use super::configuration::Configuration;

/// The mechanism's name, in `authenticationMechanisms` and in `saslStart`.
pub(super) const MONGODB_OIDC: &str = "MONGODB-OIDC";

/// What the administrator has set up, and what a test can turn. Read afresh for each command, so
/// [`super::Mongod::change`] works at any time.
#[derive(Clone, Debug)]
pub struct Behaviour {
    pub release: Release,
    /// The name of the replica set that this node is of; `None` is a standalone server.
    pub replica_set: Option<String>,
    /// The other members that it names, as `host:port`, and its arbiters.
    pub members: Vec<String>,
    pub arbiters: Vec<String>,
    /// Server parameter `authenticationMechanisms`. Community has no MONGODB-OIDC, nor has anything before 7.0.
    pub mechanisms: Vec<String>,
    /// Server parameter `oidcIdentityProviders`.
    pub identity_providers: Vec<IdentityProvider>,
    /// The roles that exist, on the database `admin`. One that a token names and that does not exist grants nothing.
    pub roles: Vec<Role>,
    /// Users of `$external` and the names of their roles: for providers without `use_authorization_claim`.
    pub users: BTreeMap<String, Vec<String>>,
    /// Server parameter `JWKSMinimumQuiescePeriodSecs`: how long after a fetch an unknown `kid` is refused without
    /// another. 60 s in life; none here, as before 8.1.
    pub jwks_quiet: Duration,
    /// ES256 and ES384: only the newest servers have them.
    pub elliptic_curves: bool,

    /// A connection has to authenticate again after so many commands that need authentication, although its token is
    /// good for longer: the test's stand-in for a long day.
    pub reauthenticate_after: Option<usize>,
    /// Seconds by which the server's clock is ahead of this computer's.
    pub clock_ahead: i64,

    pub manner: Manner,
    /// TLS, with a certificate of [`super::Mongod::ca_pem`] for these names and addresses. Plain text if `None`.
    pub tls: Option<Vec<String>>,
}

impl Behaviour {
    pub(super) fn trusting(issuer: &str) -> Self {
        Self {
            release: Release::Eight,
            replica_set: None,
            members: Vec::new(),
            arbiters: Vec::new(),
            mechanisms: vec![MONGODB_OIDC.to_owned(), "SCRAM-SHA-256".to_owned()],
            identity_providers: vec![IdentityProvider::workforce(issuer)],
            roles: vec![Role::new("test/dba", &Role::EVERYTHING)],
            users: BTreeMap::new(),
            jwks_quiet: Duration::ZERO,
            elliptic_curves: true,
            reauthenticate_after: None,
            clock_ahead: 0,
            manner: Manner::Prompt,
            tls: None,
        }
    }

    /// What a file says, and otherwise no role and no user.
    pub(super) fn configured(configuration: Configuration) -> Self {
        Self {
            mechanisms: configuration.mechanisms,
            identity_providers: configuration.identity_providers,
            jwks_quiet: configuration.jwks_quiet,
            roles: Vec::new(),
            ..Self::trusting("")
        }
    }

    pub(super) fn offers(&self, mechanism: &str) -> bool {
        self.mechanisms.iter().any(|known| known == mechanism)
    }
}

/// What [`Behaviour::tls`] needs for a client that connects to the address of [`super::Mongod::uri`].
pub fn loopback_names() -> Option<Vec<String>> {
    Some(["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec())
}

/// The server's release series, as far as clients look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 6.0, the last without MONGODB-OIDC.
    Six,
    Seven,
    Eight,
}

impl Release {
    pub(super) fn max_wire_version(self) -> i32 {
        match self {
            Self::Six => 17,
            Self::Seven => 21,
            Self::Eight => 25,
        }
    }

    /// Major, minor, patch.
    pub(super) fn version(self) -> [i32; 3] {
        match self {
            Self::Six => [6, 0, 20],
            Self::Seven => [7, 0, 16],
            Self::Eight => [8, 0, 4],
        }
    }
}

/// An entry of `oidcIdentityProviders`, in the manual's words.
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    pub issuer: String,
    pub audience: String,
    /// In front of the names of users and roles, with a slash.
    pub auth_name_prefix: String,
    /// A regular expression that is searched in the user name that the client gives.
    pub match_pattern: Option<String>,
    /// Left out for an identity provider that is there for machines only.
    pub client_id: Option<String>,
    pub request_scopes: Option<Vec<String>>,
    /// The claim that names the user.
    pub principal_name: String,
    /// Roles from the token; otherwise those of the user document, which has to exist.
    pub use_authorization_claim: bool,
    /// The claim that names the roles.
    pub authorization_claim: String,
    pub supports_human_flows: bool,
}

impl IdentityProvider {
    /// For people who sign in through [`crate::support::idp::CLIENT_ID`]: users `test/<sub>`, roles `test/<group>`.
    pub fn workforce(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: crate::support::idp::CLIENT_ID.to_owned(),
            auth_name_prefix: "test".to_owned(),
            match_pattern: None,
            client_id: Some(crate::support::idp::CLIENT_ID.to_owned()),
            request_scopes: None,
            principal_name: "sub".to_owned(),
            use_authorization_claim: true,
            authorization_claim: "groups".to_owned(),
            supports_human_flows: true,
        }
    }

    /// For machines: no client id, no human flow; users `machine/<sub>`.
    pub fn workload(issuer: &str, audience: &str) -> Self {
        Self {
            audience: audience.to_owned(),
            auth_name_prefix: "machine".to_owned(),
            client_id: None,
            supports_human_flows: false,
            ..Self::workforce(issuer)
        }
    }
}

/// A role, and what it allows on every database.
#[derive(Clone, Debug)]
pub struct Role {
    pub name: String,
    /// Privilege actions, as in `connectionStatus` with `showPrivileges`.
    pub actions: Vec<String>,
}

impl Role {
    /// Every action that a command of this server asks for.
    pub const EVERYTHING: [&str; 9] = [
        "find",
        "getLog",
        "getParameter",
        "insert",
        "killCursors",
        "listCollections",
        "listDatabases",
        "oidcListKeys",
        "oidcRefreshKeys",
    ];

    pub fn new(name: &str, actions: &[&str]) -> Self {
        Self { name: name.to_owned(), actions: actions.iter().map(|action| (*action).to_owned()).collect() }
    }
}

/// How connections are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Prompt,
    /// Each answer after a pause.
    Slow(Duration),
    /// Connections are taken, and nothing is ever answered.
    Dead,
    /// Not a MongoDB server at all: each connection gets an HTTP error and is closed.
    Http,
}
