//! A token of a client's own, from any provider (RFC 6749 §4.4). With Entra ID's endpoints and the scope
//! `<application id>/.default` this is what Azure calls a service principal.

use std::path::Path;
use std::time::Duration;

use super::{Failure, Obtained};
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::http::Http;
use crate::oidc::client_assertion::{BadKey, Claims, ClientKey};
use crate::oidc::metadata::{self, TokenEndpoint};
use crate::oidc::token::{self, ClientIdentity};
use crate::oidc::{Fault, unguessable};
use crate::secret::Secret;
use crate::secret::source::{self, Readers, Wanted};
use crate::settings::{AssertionAudience, Settings};
use crate::ui::foreign;

/// A key of 8,192 bits has 6 KiB in PEM, and some put the certificates of a whole chain beside it.
const PEM_MAX: usize = 64 * 1024;

const KEY: Wanted = Wanted { name: "client key", max: PEM_MAX, readers: Readers::Nobody };
const CERTIFICATE: Wanted = Wanted { name: "client certificate", max: PEM_MAX, readers: Readers::Anybody };

/// What the client proves itself with.
enum Proof {
    Secret(Secret),
    Key(ClientKey),
}

/// Two requests: the provider's metadata, and the token.
pub async fn token(http: &Http, settings: &Settings) -> Result<Obtained, Failure> {
    // What is wrong here is to be known without a network.
    let proof = proof(settings).await?;
    let endpoint = metadata::token_endpoint(http, &settings.issuer).await?;
    let (secret, assertion) = match proof {
        Proof::Secret(secret) => (Some(secret), None),
        Proof::Key(key) => (None, Some(assertion(&key, settings, &endpoint)?)),
    };
    let identity = ClientIdentity {
        client_id: settings.client_id.clone(),
        secret,
        secret_in_body: endpoint.client_secret_in_body,
    };
    let scopes = &settings.scopes.list;
    let answer =
        token::client_credentials(http, &identity, assertion.as_ref(), &endpoint.url, scopes, &settings.resource)
            .await?;
    Ok(Obtained { token: answer.access_token, expires_in: answer.expires_in, clock: answer.clock })
}

/// The secret, and the two requests.
pub fn longest(settings: &Settings) -> Duration {
    let secret = settings.client_secret.as_ref().map_or(Duration::ZERO, source::longest);
    secret + 2 * settings.http_timeout
}

async fn proof(settings: &Settings) -> Result<Proof> {
    if let Some(source) = &settings.client_secret {
        return source::read(source, &source::CLIENT_SECRET).await.map(Proof::Secret);
    }
    let path = settings.client_key_file.as_deref();
    let path = path.ok_or_else(|| Error::new(Kind::Config, "neither a client secret nor a client key is set"))?;
    key(settings, path).map(Proof::Key)
}

/// Reads the key in the file at `path`, and the certificate that the settings name beside it.
///
/// # Errors
/// [`Kind::Config`], naming the file of the two whose fault it is.
pub fn key(settings: &Settings, path: &Path) -> Result<ClientKey> {
    let key = source::read_whole(path, &KEY)?;
    let certificate = match &settings.client_certificate_file {
        Some(path) => Some((path, source::read_whole(path, &CERTIFICATE)?)),
        None => None,
    };
    let pem = certificate.as_ref().map(|(_, pem)| pem.as_slice());
    ClientKey::read(&key, pem, settings.client_key_id.as_deref()).map_err(|bad| match &certificate {
        Some((path, _)) if bad.is_of_certificate() => refused(path, &CERTIFICATE, &bad),
        _ => refused(path, &KEY, &bad),
    })
}

fn refused(path: &Path, wanted: &Wanted, bad: &BadKey) -> Error {
    let shown = foreign(&path.display().to_string());
    Error::new(Kind::Config, format!("the {} file `{shown}` {bad}", wanted.name))
}

fn assertion(key: &ClientKey, settings: &Settings, endpoint: &TokenEndpoint) -> Result<Secret, Fault> {
    let audience = match settings.client_assertion_audience.unwrap_or(AssertionAudience::TokenEndpoint) {
        AssertionAudience::TokenEndpoint => endpoint.url.as_str(),
        AssertionAudience::Issuer => &settings.issuer,
    };
    let id = unguessable(16);
    let claims = Claims { client_id: &settings.client_id, audience, now: unix_now(), id: &id };
    key.assertion(&claims, endpoint.assertion_algorithms.as_deref())
}
