//! Google: the ID token of a service account.
//!
//! | where it comes from | told by | file |
//! |---|---|---|
//! | the key of an account | `credentials_file`, or `GOOGLE_APPLICATION_CREDENTIALS` | `key` |
//! | the metadata server: Compute Engine, GKE, Cloud Run, Cloud Functions, App Engine, Cloud Build | neither of them | `metadata` |
//! | another account, which the first may act as | `impersonate` | here |
//!
//! The order is that of Google's own libraries (AIP-4110).

mod key;
mod metadata;

use std::time::Duration;

use serde_json::json;
use url::Url;

use super::environment::{Variables, known};
use super::request::{self, Service};
use super::retry::Rule;
use super::{Ask, Obtained};
use crate::error::{Error, Kind, Result};
use crate::http::is_loopback;
use crate::oidc::Fault;
use crate::secret::Secret;

const IAM: Service = Service::new("Google's IAM", Rule::GOOGLE);

const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// All that is read here and in the rooms below.
pub const VARIABLES: [&str; 4] = [CREDENTIALS, metadata::HOST, metadata::ROOT, IAM_OVERRIDE];

/// What an access token must allow for an account to be acted as.
const IAM_SCOPE: &str = "https://www.googleapis.com/auth/iam";

/// Where accounts are lent. The variable of gcloud's property `api_endpoint_overrides/iamcredentials`, by which gcloud itself
/// lends them, may name another address, such as a private one.
const IAM_URL: &str = "https://iamcredentials.googleapis.com/";
const IAM_OVERRIDE: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS";

pub async fn token(ask: &Ask<'_>) -> Result<Obtained> {
    let variables = Variables::new(&VARIABLES, ask.environment);
    let named = variables.path(CREDENTIALS).filter(|_| !ask.is_for_driver());
    let file = match (ask.credentials_file, named) {
        (Some(path), _) => Some((path.to_owned(), false)),
        // An account that is asked for by name is the metadata server's.
        (None, Some(path)) if ask.identity.is_none() => Some((path, true)),
        _ => None,
    };
    let audience = ask.audience.unwrap_or_default();
    let account = match &file {
        None => Account::OfMachine(metadata::Server::here(&variables)?),
        Some((path, named_by_variable)) => {
            Account::OfKey(key::read(path).map_err(|error| match named_by_variable {
                true => error.because_of(format!("the file is named by `{CREDENTIALS}`")),
                false => error,
            })?)
        }
    };
    match ask.impersonate {
        None => account.id_token(ask, audience).await,
        Some(other) => {
            let access_token = account.access_token(ask).await?;
            lent(ask, &variables, other, audience, &access_token).await
        }
    }
}

/// A token of the program's own account; with `impersonate` it is followed by that of the account that is lent.
pub fn longest(timeout: Duration, impersonate: bool) -> Duration {
    let own = metadata::METADATA.longest(timeout).max(key::TOKEN_ENDPOINT.longest(timeout));
    if impersonate { own + IAM.longest(timeout) } else { own }
}

/// The account that this program has by itself.
enum Account {
    OfMachine(metadata::Server),
    OfKey(key::ServiceAccountKey),
}

impl Account {
    async fn id_token(&self, ask: &Ask<'_>, audience: &str) -> Result<Obtained> {
        match self {
            Self::OfMachine(server) => server.id_token(ask, audience).await,
            Self::OfKey(key) => key.id_token(ask.http, audience).await,
        }
    }

    /// One that is good for calling IAM.
    async fn access_token(&self, ask: &Ask<'_>) -> Result<Secret> {
        match self {
            Self::OfMachine(server) => server.access_token(ask, IAM_SCOPE).await,
            Self::OfKey(key) => key.access_token(ask.http, IAM_SCOPE).await,
        }
    }
}

/// The ID token of an account that the owner of `access_token` may act as.
async fn lent(
    ask: &Ask<'_>,
    variables: &Variables<'_>,
    account: &str,
    audience: &str,
    access_token: &Secret,
) -> Result<Obtained> {
    let url = iam_endpoint(variables, account)?;
    let authorization = Secret::new(format!("Bearer {}", access_token.expose()));
    let headers = [("authorization", authorization.expose())];
    // With the e-mail address, which is what people give roles to; the numeric id is there in any case.
    let body = json!({ "audience": audience, "includeEmail": true });
    let request = request::post(&url, &headers, "application/json", body.to_string()).map_err(|f| IAM.failed(&f))?;
    let answer = IAM.ask(ask.http, &request).await.map_err(|fault| match fault {
        Fault::Refused { .. } => IAM.failed(&fault).hint(format!(
            "give the account that this runs as the role `roles/iam.serviceAccountOpenIdTokenCreator` on `{account}`"
        )),
        _ => IAM.failed(&fault),
    })?;
    request::member(&url, answer.response.body(), &["token"])
        .map(|token| Obtained { token, expires_in: None, clock: answer.clock })
        .map_err(|fault| IAM.failed(&fault))
}

fn iam_endpoint(variables: &Variables<'_>, account: &str) -> Result<Url> {
    let mut url = match variables.url(IAM_OVERRIDE)? {
        Some(url) => url,
        None => known(IAM_URL)?,
    };
    if url.scheme() != "https" && !is_loopback(&url) {
        let what = format!("environment variable `{IAM_OVERRIDE}` must start with `https://`");
        return Err(Error::new(Kind::Config, what));
    }
    let path = format!("{}/v1/projects/-/serviceAccounts/{account}:generateIdToken", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn an_account_is_a_part_of_the_path_and_the_address_is_https() {
        let at = |address: &str, account: &str| {
            let environment = |name: &str| (name == IAM_OVERRIDE).then(|| OsString::from(address));
            iam_endpoint(&Variables::new(&VARIABLES, &environment), account).map(|url| url.to_string()).ok()
        };
        let path = "/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateIdToken";
        let account = "a@p.iam.gserviceaccount.com";
        assert_eq!(at("", account), Some(format!("https://iamcredentials.googleapis.com{path}")));
        assert_eq!(at("https://iam.p.example.com/x/", account), Some(format!("https://iam.p.example.com/x{path}")));
        assert_eq!(at("http://127.0.0.1:5", account), Some(format!("http://127.0.0.1:5{path}")));
        assert_eq!(at("http://iam.example.com/", account), None);
    }
}
