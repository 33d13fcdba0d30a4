//! The key of a service account: it signs for the account, and Google's token endpoint believes it (RFC 7523 §2.1).

use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::http::{Http, is_loopback};
use crate::oidc::Fault;
use crate::oidc::client_assertion::ClientKey;
use crate::secret::Secret;
use crate::secret::source::{self, Readers, Wanted};
use crate::ui::foreign;
use crate::workload::Obtained;
use crate::workload::environment::known;
use crate::workload::request::{self, FORM, Granted, Service};
use crate::workload::retry::Rule;

pub const TOKEN_ENDPOINT: Service = Service::new("Google's token endpoint", Rule::GOOGLE);

/// They have some 2.5 KiB.
const CREDENTIALS: Wanted = Wanted { name: "Google credentials", max: 64 * 1024, readers: Readers::Nobody };

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How long what the key signs is good for, in seconds. Google takes an hour; it is sent at once.
const LIFETIME: u64 = 300;

/// The file, as Google's console makes it. Everything may be missing: then the file is named, and the field.
#[derive(Deserialize)]
struct KeyFile {
    r#type: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

pub struct ServiceAccountKey {
    email: String,
    key: ClientKey,
    token_uri: Url,
}

/// Reads the key of a service account.
///
/// # Errors
/// [`Kind::Config`], with file, field and line, and nothing of what is in it.
pub fn read(path: &Path) -> Result<ServiceAccountKey> {
    let bytes = source::read_whole(path, &CREDENTIALS)?;
    parse(&bytes).map_err(|why| {
        let shown = foreign(&path.display().to_string());
        Error::new(Kind::Config, format!("the Google credentials file `{shown}` {why}"))
    })
}

/// The reason is the rest of a sentence that begins with the file.
fn parse(bytes: &[u8]) -> Result<ServiceAccountKey, String> {
    let place = |error: serde_json::Error| {
        format!("is not the JSON of a service account's key (line {}, column {})", error.line(), error.column())
    };
    let file: KeyFile = serde_json::from_slice(bytes).map_err(place)?;
    let private_key = file.private_key.map(Secret::new);
    match file.r#type.as_deref() {
        Some("service_account") => {}
        Some(other) => {
            return Err(format!(
                "is of the type `{}`, and a token for MongoDB can only be had with `service_account`",
                foreign(other)
            ));
        }
        None => return Err("has no `type`".to_owned()),
    }
    let missing = |field: &str| format!("has no `{field}`");
    let email = file.client_email.ok_or_else(|| missing("client_email"))?;
    let private_key = private_key.ok_or_else(|| missing("private_key"))?;
    let token_uri = file.token_uri.ok_or_else(|| missing("token_uri"))?;
    let token_uri = known(&token_uri).ok().filter(|url| url.scheme() == "https" || is_loopback(url));
    let token_uri = token_uri.ok_or("has a `token_uri` that is not a URL of https")?;
    let key = ClientKey::read(private_key.expose().as_bytes(), None, file.private_key_id.as_deref());
    let key = key.map_err(|bad| format!("has a `private_key` that {bad}"))?;
    Ok(ServiceAccountKey { email, key, token_uri })
}

impl ServiceAccountKey {
    /// The account's ID token for `audience`.
    pub async fn id_token(&self, http: &Http, audience: &str) -> Result<Obtained> {
        let answer = self.exchange(http, "target_audience", audience).await?;
        let token = request::member(&self.token_uri, answer.response.body(), &["id_token"]);
        let token = token.map_err(|fault| TOKEN_ENDPOINT.failed(&fault))?;
        Ok(Obtained { token, expires_in: None, clock: answer.clock })
    }

    /// The account's access token for `scope`.
    pub async fn access_token(&self, http: &Http, scope: &str) -> Result<Secret> {
        let answer = self.exchange(http, "scope", scope).await?;
        request::member(&self.token_uri, answer.response.body(), &["access_token"])
            .map_err(|fault| TOKEN_ENDPOINT.failed(&fault))
    }

    /// Signs claims, with the one that says what is asked for, and sends them.
    async fn exchange(&self, http: &Http, claim: &str, wanted: &str) -> Result<Granted> {
        let now = unix_now();
        let claims = json!({
            "iss": self.email,
            // The endpoint that it is sent to, so that another one which the file may name has no use for it.
            "aud": self.token_uri,
            "iat": now,
            "exp": now + LIFETIME,
            (claim): wanted,
        });
        let assertion = self.key.sign_rs256(&claims).map_err(|fault| TOKEN_ENDPOINT.failed(&fault))?;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", JWT_BEARER).append_pair("assertion", assertion.expose());
        let request = request::post(&self.token_uri, &[], FORM, form.finish());
        let request = request.map_err(|fault| TOKEN_ENDPOINT.failed(&fault))?;
        TOKEN_ENDPOINT.ask(http, &request).await.map_err(|fault| match fault {
            Fault::Refused { .. } => TOKEN_ENDPOINT.failed(&fault).hint(format!(
                "check this computer's clock, and that the key of `{}` has not been deleted at Google",
                foreign(&self.email)
            )),
            _ => TOKEN_ENDPOINT.failed(&fault),
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_key_file_is_named_and_not_shown() {
        let pem = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap().serialize_pem();
        let good = json!({
            "type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key": pem,
            "private_key_id": "1", "token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com",
        });
        assert!(parse(good.to_string().as_bytes()).is_ok());
        let rows = [
            ("type", Value::Null, "has no `type`"),
            ("type", json!("authorized_user"), "is of the type `authorized_user`"),
            ("type", json!("external_account"), "is of the type `external_account`"),
            ("client_email", Value::Null, "has no `client_email`"),
            ("private_key", Value::Null, "has no `private_key`"),
            ("private_key", json!("s3cret"), "has a `private_key` that holds no private key in PEM"),
            ("private_key", json!(["s3cret"]), "is not the JSON of a service account's key (line 1, column"),
            ("token_uri", Value::Null, "has no `token_uri`"),
            ("token_uri", json!("http://oauth2.googleapis.com/token"), "has a `token_uri` that is not a URL of https"),
            ("token_uri", json!("s3cret"), "has a `token_uri` that is not a URL of https"),
        ];
        for (field, value, expected) in rows {
            let mut file = good.clone();
            file[field] = value;
            let Err(why) = parse(file.to_string().as_bytes()) else { panic!("{field}: {expected}") };
            assert!(why.starts_with(expected) && !why.contains("s3cret"), "{why}");
        }
        for (text, expected) in [
            ("", "is not the JSON of a service account's key (line 1, column 0)"),
            ("{\n\"type\": oops}", "is not the JSON of a service account's key (line 2, column 9)"),
            ("-----BEGIN PRIVATE KEY-----", "is not the JSON of a service account's key (line 1, column"),
            ("{\"type\":\"a\",\"type\":\"b\"}", "is not the JSON of a service account's key (line 1, column"),
        ] {
            assert!(parse(text.as_bytes()).err().unwrap().starts_with(expected), "{text}");
        }
    }
}
