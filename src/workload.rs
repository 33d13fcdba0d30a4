//! Tokens of programs: nobody signs in, and there is no listener, no browser and no question.
//!
//! | file | kinds |
//! |---|---|
//! | `client_credentials` | a client of any provider, with a secret or a key of its own |
//! | `given` | a token that something else has made: a file, a cluster's projected file, a command |
//! | `azure` | a managed identity: virtual machines, App Service and Functions, Arc, pods on AKS |
//! | `gcp` | a service account of Google's: the metadata server, a key, another account that is lent |
//! | `kubernetes` | a token that the cluster's API server is asked for |
//! | `github` | a run of GitHub Actions |
//!
//! The platforms share `request` (one request and its answer), `retry` (when it is made again) and `environment` (the
//! vendors' variables).
//!
//! Each says where its token was asked for when there is none. What a token is worth is judged by the session, as that of
//! a person is; nothing here keeps one.

mod azure;
mod client_credentials;
mod environment;
mod gcp;
mod github;
mod given;
mod kubernetes;
mod request;
mod retry;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

pub use client_credentials::key as client_key;
pub use given::Place;

use crate::error::{Error, Kind};
use crate::http::Http;
use crate::oidc::Fault;
use crate::oidc::token::Clock;
use crate::secret::Secret;
use crate::secret::source;
use crate::settings::{Identity, Origin, SessionKind, Settings, schema};

/// What a platform is asked, and with what.
pub struct Ask<'a> {
    /// To providers, through the proxy that is configured.
    pub http: &'a Http,
    /// To metadata addresses: never through a proxy, and an address that is not there is known within a second.
    pub metadata: &'a Http,
    /// Looks a variable up.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whom the token must be for, if that matters.
    pub audience: Option<&'a str>,
    /// What Azure is asked for.
    pub resource: Option<&'a str>,
    pub identity: Option<&'a Identity>,
    /// A service account's key.
    pub credentials_file: Option<&'a Path>,
    /// The account whose token is asked for.
    pub impersonate: Option<&'a str>,
    settings: &'a Settings,
}

/// A token as it came. Nothing in it has been judged.
#[derive(Debug)]
pub struct Obtained {
    pub token: Secret,
    /// Seconds; `None` where only the token itself says.
    pub expires_in: Option<u64>,
    pub clock: Clock,
}

impl Obtained {
    /// A token that came without a `Date` and without a word on how long it lives.
    fn bare(token: Secret) -> Self {
        Self { token, expires_in: None, clock: Clock::alone() }
    }
}

/// Why there is no token.
#[derive(Debug)]
pub enum Failure {
    /// A provider's answer, or want of one.
    Provider(Fault),
    /// Everything else, in words that name where was looked.
    Other(Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Provider(fault)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// What [`Ask::token`] may take, whatever happens meanwhile: for those who wait for the same token.
pub fn longest(settings: &Settings) -> Duration {
    let timeout = settings.http_timeout;
    match settings.kind {
        SessionKind::ClientCredentials => client_credentials::longest(settings),
        SessionKind::Command => source::DEADLINE,
        SessionKind::AzureManagedIdentity => azure::longest(timeout),
        SessionKind::Gcp => gcp::longest(timeout, settings.impersonate.is_some()),
        SessionKind::GithubActions => github::longest(timeout),
        SessionKind::Kubernetes => kubernetes::longest(timeout),
        // Nobody is asked.
        SessionKind::Workforce | SessionKind::File => Duration::ZERO,
    }
}

/// The variables that tell where a kind's platform is, and are set. They are the vendors' own.
pub fn variables_set(kind: SessionKind) -> Vec<&'static str> {
    let known: &[&str] = match kind {
        SessionKind::AzureManagedIdentity => &[
            "IDENTITY_ENDPOINT",
            "IDENTITY_HEADER",
            "IMDS_ENDPOINT",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_AUTHORITY_HOST",
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        ],
        SessionKind::Gcp => &["GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"],
        SessionKind::Kubernetes => &["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"],
        SessionKind::GithubActions => &["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
        SessionKind::Workforce | SessionKind::ClientCredentials | SessionKind::File | SessionKind::Command => &[],
    };
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    known.iter().filter(is_set).copied().collect()
}

impl<'a> Ask<'a> {
    pub fn new(
        settings: &'a Settings,
        http: &'a Http,
        metadata: &'a Http,
        environment: &'a dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        Self {
            http,
            metadata,
            environment,
            audience: Some(settings.audience.as_str()).filter(|audience| !audience.is_empty()),
            resource: settings.resource.first().map(String::as_str),
            identity: settings.identity.as_ref(),
            credentials_file: settings.credentials_file.as_deref(),
            impersonate: settings.impersonate.as_deref(),
            settings,
        }
    }

    /// Whether the connection string asks for the platform. The drivers then ask its metadata server and nobody else, and
    /// another way could lead to another identity.
    fn is_for_driver(&self) -> bool {
        *self.settings.origin(schema::KIND.key) == Origin::Uri
    }

    /// A token from where the session's kind gets it.
    pub async fn token(&self) -> Result<Obtained, Failure> {
        let settings = self.settings;
        match settings.kind {
            SessionKind::ClientCredentials => client_credentials::token(self.http, settings).await,
            SessionKind::Command => Ok(given::command(&settings.source_command).await?),
            SessionKind::AzureManagedIdentity => Ok(azure::token(self).await?),
            SessionKind::Gcp => Ok(gcp::token(self).await?),
            SessionKind::GithubActions => Ok(github::token(self).await?),
            SessionKind::Kubernetes => Ok(kubernetes::token(self).await?),
            // A person's is had by signing in, one in a file by `Place::read`.
            SessionKind::Workforce | SessionKind::File => Err(Error::new(
                Kind::Config,
                format!("this mdb-login has no way to get tokens of the kind `{}`", settings.kind.name()),
            )
            .into()),
        }
    }
}
