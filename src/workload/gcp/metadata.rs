//! The metadata server: beside every workload at Google, and nowhere else.

use oauth2::http::HeaderMap;
use url::Url;

use crate::error::{Error, Kind, Result};
use crate::oidc::{Fault, Outcome};
use crate::secret::Secret;
use crate::settings::Identity;
use crate::workload::environment::{Variables, known};
use crate::workload::request::{self, Granted, Service, unread};
use crate::workload::retry::Rule;
use crate::workload::{Ask, Obtained};

pub const METADATA: Service =
    Service { is_strange: is_unmarked, ..Service::new("Google's metadata server", Rule::GOOGLE) };

/// Its address. By name it would be the network's resolver that decides who answers, and one that does not know the name
/// can take half a minute to say so.
const ADDRESS: &str = "169.254.169.254";

/// Google's own variable for another address, with a port or without, and its older name.
pub const HOST: &str = "GCE_METADATA_HOST";
pub const ROOT: &str = "GCE_METADATA_ROOT";

/// Without it the server refuses: a page or a service that can be made to send a request cannot add a header to it. Its
/// answers have it too.
const FLAVOR: (&str, &str) = ("metadata-flavor", "Google");

/// The server beside this program.
pub struct Server {
    accounts: Url,
}

impl Server {
    pub fn here(variables: &Variables<'_>) -> Result<Self> {
        let mut host = ADDRESS.to_owned();
        for name in [ROOT, HOST] {
            host = variables.text(name)?.unwrap_or(host);
        }
        let accounts = format!("http://{host}/computeMetadata/v1/instance/service-accounts/");
        let is_plain = !host.contains(['/', '?', '#', '@', '\\']);
        let accounts = known(&accounts).ok().filter(|_| is_plain).ok_or_else(|| {
            let what = format!("environment variable `{HOST}` is not a host, or a host and a port");
            Error::new(Kind::Config, what)
        })?;
        Ok(Self { accounts })
    }

    /// The ID token of the account of this workload, or of the one that was asked for.
    pub async fn id_token(&self, ask: &Ask<'_>, audience: &str) -> Result<Obtained> {
        let mut url = self.of(ask, "identity")?;
        // With the e-mail address among the claims, which a MongoDB server can name users by.
        url.query_pairs_mut().append_pair("audience", audience).append_pair("format", "full");
        let answer = self.get(ask, &url).await?;
        let token = answer.text().map(str::trim).ok_or_else(|| METADATA.failed(&unread(&url, "it is not text")))?;
        Ok(Obtained { token: Secret::new(token), expires_in: None, clock: answer.clock })
    }

    /// An access token of the same account.
    pub async fn access_token(&self, ask: &Ask<'_>, scope: &str) -> Result<Secret> {
        let mut url = self.of(ask, "token")?;
        url.query_pairs_mut().append_pair("scopes", scope);
        let answer = self.get(ask, &url).await?;
        request::member(&url, answer.response.body(), &["access_token"]).map_err(|fault| METADATA.failed(&fault))
    }

    fn of(&self, ask: &Ask<'_>, what: &str) -> Result<Url> {
        let account = match ask.identity {
            Some(Identity::Account(email)) => email,
            _ => "default",
        };
        self.accounts.join(&format!("{account}/{what}")).map_err(|_| {
            METADATA.failed(&Fault::broken("the address of the metadata server", "it cannot be asked for an account"))
        })
    }

    async fn get(&self, ask: &Ask<'_>, url: &Url) -> Result<Granted> {
        let request = request::get(url, &[FLAVOR]).map_err(|fault| METADATA.failed(&fault))?;
        METADATA.ask(ask.metadata, &request).await.map_err(|fault| refused(ask, &fault))
    }
}

fn is_unmarked(headers: &HeaderMap) -> bool {
    headers.get(FLAVOR.0).is_none_or(|flavor| flavor != FLAVOR.1)
}

fn refused(ask: &Ask<'_>, fault: &Fault) -> Error {
    let error = METADATA.failed(fault);
    match fault {
        Fault::Unavailable { outcome: Outcome::NotSent, .. } => error
            .because_of(if ask.is_for_driver() {
                "looked nowhere else, as a connection string with `ENVIRONMENT:gcp` is for this server alone"
            } else {
                "looked for a key (`credentials_file`, `GOOGLE_APPLICATION_CREDENTIALS`) and for the metadata server"
            })
            .hint("run this at Google, or name the key of a service account: `--credentials-file FILE`"),
        Fault::Refused { .. } if ask.identity.is_some() => {
            error.hint("check `identity`: it is the e-mail address of an account that this workload has")
        }
        Fault::Refused { .. } => {
            error.hint("check that this workload has a service account, and that `audience` is right")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn the_address_is_fixed_unless_google_s_variable_names_another() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
        let at = |variables: &[(&str, &str)]| {
            let environment = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value))
            };
            Server::here(&Variables::new(&crate::workload::gcp::VARIABLES, &environment))
                .map(|server| server.accounts.authority().to_owned())
                .ok()
        };
        let (host, root) = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT");
        let rows: [Row; 8] = [
            (&[], Some("169.254.169.254")),
            (&[(host, "metadata.google.internal")], Some("metadata.google.internal")),
            (&[(host, "127.0.0.1:988")], Some("127.0.0.1:988")),
            (&[(root, "127.0.0.1:988")], Some("127.0.0.1:988")),
            (&[(host, "127.0.0.1:988"), (root, "other")], Some("127.0.0.1:988")),
            (&[(host, ""), (root, "")], Some("169.254.169.254")),
            (&[(host, "http://127.0.0.1:988")], None),
            (&[(host, "a@b")], None),
        ];
        for (variables, expected) in rows {
            assert_eq!(at(variables).as_deref(), expected, "{variables:?}");
        }
    }
}
