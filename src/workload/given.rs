//! Tokens that something else has made: read or run, and judged like any other.

use std::path::{Path, PathBuf};

use super::Obtained;
use super::environment::Lookup;
use crate::error::Result;
use crate::secret::source::{self, Readers, Source, Wanted};
use crate::settings::{SessionKind, Settings};

const TOKEN: Wanted = Wanted { name: "token", max: 16 * 1024, readers: Readers::Anybody };

/// Where a cluster puts the token of a pod's service account unless it is told otherwise.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A file in which tokens lie, and the variable that names it, if one does.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub path: PathBuf,
    named_by: Option<&'static str>,
}

impl Place {
    /// The file that something else keeps a session's token in; `None` where it comes from elsewhere. A cluster's is where
    /// the drivers' `ENVIRONMENT:k8s` looks, unless the settings name it.
    pub fn of(settings: &Settings, environment: Lookup<'_>) -> Option<Self> {
        let own = || settings.source_file.clone().map(|path| Self { path, named_by: None });
        match settings.kind {
            SessionKind::File => own(),
            SessionKind::Kubernetes if settings.identity.is_none() => own().or_else(|| Some(projected(environment))),
            _ => None,
        }
    }

    /// The token by which a pod proves itself to its cluster. It is not the one that the drivers' variables name, which is
    /// for somebody else.
    pub(super) fn of_pod(settings: &Settings) -> Self {
        let path = settings.source_file.clone().unwrap_or_else(|| SERVICE_ACCOUNT.into());
        Self { path, named_by: None }
    }

    /// The token that is there now.
    pub fn read(&self) -> Result<Obtained> {
        let token = source::read_line(&self.path, &TOKEN).map_err(|error| match self.named_by {
            Some(variable) => error.because_of(format!("the file is named by `{variable}`")),
            None => error,
        });
        token.map(Obtained::bare)
    }
}

fn projected(environment: Lookup<'_>) -> Place {
    let named = ["AZURE_FEDERATED_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"].into_iter().find_map(|variable| {
        let path = environment(variable).filter(|path| !path.is_empty())?;
        Some(Place { path: path.into(), named_by: Some(variable) })
    });
    named.unwrap_or_else(|| Place { path: Path::new(SERVICE_ACCOUNT).to_owned(), named_by: None })
}

/// The token that a command prints.
pub async fn command(argv: &[String]) -> Result<Obtained> {
    source::read(&Source::Command(argv.to_vec()), &TOKEN).await.map(Obtained::bare)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    /// The order of the drivers' specification.
    #[test]
    fn a_projected_token_is_where_the_drivers_look() {
        let (azure, aws) = ("AZURE_FEDERATED_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE");
        let rows: [(&[(&str, &str)], &str); 5] = [
            (&[(azure, "/az"), (aws, "/aws")], "/az"),
            (&[(aws, "/aws")], "/aws"),
            (&[(azure, ""), (aws, "/aws")], "/aws"),
            (&[(azure, ""), (aws, "")], SERVICE_ACCOUNT),
            (&[], SERVICE_ACCOUNT),
        ];
        for (variables, expected) in rows {
            let environment = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value))
            };
            assert_eq!(projected(&environment).path, Path::new(expected), "{variables:?}");
        }
    }
}
