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

use std::path::Path;
use std::time::Duration;

pub use client_credentials::key as client_key;
pub use given::Place;

use environment::{Lookup, Variables};

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
    pub environment: Lookup<'a>,
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
pub fn variables_set(kind: SessionKind, environment: Lookup<'_>) -> Vec<&'static str> {
    let known: &[&str] = match kind {
        SessionKind::AzureManagedIdentity => &azure::VARIABLES,
        SessionKind::Gcp => &gcp::VARIABLES,
        SessionKind::Kubernetes => &kubernetes::VARIABLES,
        SessionKind::GithubActions => &github::VARIABLES,
        SessionKind::Workforce | SessionKind::ClientCredentials | SessionKind::File | SessionKind::Command => &[],
    };
    Variables::new(known, environment).set()
}

impl<'a> Ask<'a> {
    pub fn new(settings: &'a Settings, http: &'a Http, metadata: &'a Http, environment: Lookup<'a>) -> Self {
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    /// Each of them decides where a token is asked for, or why none is.
    #[test]
    fn the_variables_of_a_platform_are_its_own_and_those_that_are_set() {
        let everything = |_: &str| Some(OsString::from("x"));
        let rows: [(SessionKind, &[&str]); 5] = [
            (
                SessionKind::AzureManagedIdentity,
                &[
                    "IDENTITY_ENDPOINT",
                    "IDENTITY_HEADER",
                    "IDENTITY_SERVER_THUMBPRINT",
                    "IMDS_ENDPOINT",
                    "MSI_ENDPOINT",
                    "MSI_SECRET",
                    "AZURE_FEDERATED_TOKEN_FILE",
                    "AZURE_CLIENT_ID",
                    "AZURE_TENANT_ID",
                    "AZURE_AUTHORITY_HOST",
                    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                ],
            ),
            (
                SessionKind::Gcp,
                &[
                    "GOOGLE_APPLICATION_CREDENTIALS",
                    "GCE_METADATA_HOST",
                    "GCE_METADATA_ROOT",
                    "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
                ],
            ),
            (SessionKind::Kubernetes, &["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"]),
            (SessionKind::GithubActions, &["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"]),
            (SessionKind::Command, &[]),
        ];
        for (kind, expected) in rows {
            assert_eq!(variables_set(kind, &everything), expected);
            let last = |name: &str| Some(OsString::from(if Some(&name) == expected.last() { "x" } else { "" }));
            assert_eq!(variables_set(kind, &last).as_slice(), expected.last().map_or(&[][..], std::slice::from_ref));
            assert!(variables_set(kind, &|_| None).is_empty());
        }
    }
}
