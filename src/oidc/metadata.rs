//! Provider metadata: the discovery document (OIDC Discovery §4, RFC 8414 §3) and the JSON Web Key Set (RFC 7517).

use oauth2::http::{Method, Request, header};
use openidconnect::JsonWebKeySet;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use serde_json::{Map, Value};
use url::Url;

use super::token::{Clock, retry_after};
use super::{Fault, Outcome, json, shown};
use crate::http::{Http, is_loopback, shown_url};
use crate::ui::foreign;

/// What we need of a provider's metadata, checked. Made once a login; immutable.
#[derive(Clone, Debug)]
pub struct ProviderMetadata {
    /// Byte for byte what was configured.
    pub issuer: String,
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    pub device_authorization_endpoint: Option<Url>,
    pub revocation_endpoint: Option<Url>,
    pub end_session_endpoint: Option<Url>,
    /// `None` when the provider does not say.
    pub scopes_supported: Option<Vec<String>>,
    /// `None` when the provider does not say, which means authorization code and implicit (RFC 8414 §2), and is not kept
    /// to.
    pub grant_types_supported: Option<Vec<String>>,
    /// The provider says that it has PKCE with S256. One that says nothing may have it all the same.
    pub pkce_promised: bool,
    /// The provider promises `iss` in the authorization response (RFC 9207 §3).
    pub iss_parameter_promised: bool,
    /// The provider takes a client secret in the body but not as Basic authentication.
    pub client_secret_in_body: bool,
    /// The algorithms that ID tokens may be signed with, already reduced to those we accept.
    pub id_token_algorithms: Vec<CoreJwsSigningAlgorithm>,
}

/// Hosts on which providers are known to have endpoints, beside the issuer's own.
const KNOWN_PAIRS: &[(&str, &[&str])] = &[
    ("accounts.google.com", &["oauth2.googleapis.com", "www.googleapis.com", "openidconnect.googleapis.com"]),
    ("sts.windows.net", &["login.microsoftonline.com", "login.windows.net"]),
];

impl ProviderMetadata {
    /// The first endpoint that is neither on the issuer's host, nor on one that is known to belong to it, nor on one of
    /// `more`: its name in the metadata, and its host.
    pub fn endpoint_elsewhere(&self, more: &[String]) -> Option<(&'static str, String)> {
        let issuer = Url::parse(&self.issuer).ok()?;
        let home = issuer.host_str()?;
        let known = KNOWN_PAIRS.iter().find(|(issuer, _)| *issuer == home).map_or(&[] as &[&str], |(_, hosts)| hosts);
        let endpoints = [
            ("authorization_endpoint", Some(&self.authorization_endpoint)),
            ("token_endpoint", Some(&self.token_endpoint)),
            ("jwks_uri", Some(&self.jwks_uri)),
            ("device_authorization_endpoint", self.device_authorization_endpoint.as_ref()),
            ("revocation_endpoint", self.revocation_endpoint.as_ref()),
            ("end_session_endpoint", self.end_session_endpoint.as_ref()),
        ];
        endpoints.into_iter().find_map(|(name, url)| {
            let host = url?.host_str().unwrap_or_default();
            let at_home = host == home || known.contains(&host) || more.iter().any(|more| more == host);
            (!at_home).then(|| (name, host.to_owned()))
        })
    }
}

/// Fetches and judges the discovery document.
pub async fn discover(http: &Http, issuer: &str) -> Result<ProviderMetadata, Fault> {
    judge(issuer, &fetch(http, issuer).await?.body)
}

/// A discovery document as it came.
#[derive(Clone, Debug)]
pub struct Document {
    pub body: Vec<u8>,
    /// When it came, by both clocks.
    pub clock: Clock,
}

/// What a program needs of a provider's metadata: it sends nobody anywhere, and verifies no ID token.
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    pub url: Url,
    /// As [`ProviderMetadata::client_secret_in_body`].
    pub client_secret_in_body: bool,
    /// The algorithms in which client assertions may be signed; `None` when the provider does not say.
    pub assertion_algorithms: Option<Vec<String>>,
}

/// Fetches the discovery document, and judges what a program needs of it.
pub async fn token_endpoint(http: &Http, issuer: &str) -> Result<TokenEndpoint, Fault> {
    judge_token_endpoint(issuer, &fetch(http, issuer).await?.body)
}

/// Judges a discovery document fetched for `issuer`, as far as the client credentials grant needs it (RFC 6749 §4.4).
pub fn judge_token_endpoint(issuer: &str, body: &[u8]) -> Result<TokenEndpoint, Fault> {
    let map = document(issuer, body)?;
    same_issuer(issuer, &map)?;
    Ok(TokenEndpoint {
        url: required_endpoint(&map, "token_endpoint")?,
        client_secret_in_body: client_secret_in_body(&map),
        assertion_algorithms: texts(&map, "token_endpoint_auth_signing_alg_values_supported"),
    })
}

/// Fetches the discovery document, and judges nothing in it: an error says that none came, whoever's doing that was. One
/// request; a second one, to the RFC 8414 address, only after a 404.
pub async fn fetch(http: &Http, issuer: &str) -> Result<Document, Fault> {
    let [openid, oauth] = well_known(issuer)?;
    let answer = get(http, "issuer", &openid).await?;
    let (url, answer) = match answer.status {
        404 => (&oauth, get(http, "issuer", &oauth).await?),
        _ => (&openid, answer),
    };
    let shown = shown_url(url.as_str());
    let Answer { status, body, retry_after, clock } = answer;
    match status {
        200 => Ok(Document { body, clock }),
        408 | 425 | 429 | 500.. => Err(Fault::Unavailable {
            why: format!("{shown} answered with status {status}"),
            outcome: Outcome::Later,
            retry_after,
        }),
        300..400 => Err(Fault::broken(
            "discovery",
            format!("{shown} answered with a redirect (status {status}), which is not followed"),
        )),
        _ => Err(Fault::unsupported(
            "discovery",
            format!(
                "{shown} answered with status {status}; is `{}` the issuer exactly as the provider writes it?",
                foreign(issuer)
            ),
        )),
    }
}

/// The two places where metadata may lie: OIDC Discovery §4 appends to the issuer, RFC 8414 §3.1 inserts before its path.
pub(super) fn well_known(issuer: &str) -> Result<[Url; 2], Fault> {
    let invalid = || Fault::unsupported("issuer", "it is not a URL");
    let base = Url::parse(issuer).map_err(|_| invalid())?;
    let trimmed = issuer.strip_suffix('/').unwrap_or(issuer);
    let openid = Url::parse(&format!("{trimmed}/.well-known/openid-configuration")).map_err(|_| invalid())?;
    let mut oauth = base.clone();
    oauth.set_path(&format!("/.well-known/oauth-authorization-server{}", base.path().trim_end_matches('/')));
    Ok([openid, oauth])
}

/// What came of a GET, whatever its status.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub retry_after: Option<u64>,
    pub clock: Clock,
}

/// `what` is to blame if `url` cannot be asked.
pub(super) async fn get(http: &Http, what: &str, url: &Url) -> Result<Answer, Fault> {
    let request = Request::builder()
        .method(Method::GET)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(|_| Fault::unsupported(what, "it cannot be turned into a request"))?;
    let response = http.send(request).await?;
    let (retry_after, clock) = (retry_after(response.headers()), Clock::of(response.headers()));
    Ok(Answer { status: response.status().as_u16(), body: response.into_body(), retry_after, clock })
}

/// Judges a discovery document fetched for `issuer`.
pub fn judge(issuer: &str, body: &[u8]) -> Result<ProviderMetadata, Fault> {
    let map = document(issuer, body)?;
    same_issuer(issuer, &map)?;
    supports_our_request(&map)?;

    Ok(ProviderMetadata {
        issuer: issuer.to_owned(),
        authorization_endpoint: required_endpoint(&map, "authorization_endpoint")?,
        token_endpoint: required_endpoint(&map, "token_endpoint")?,
        jwks_uri: required_endpoint(&map, "jwks_uri")?,
        device_authorization_endpoint: endpoint(&map, "device_authorization_endpoint")?,
        revocation_endpoint: endpoint(&map, "revocation_endpoint")?,
        end_session_endpoint: endpoint(&map, "end_session_endpoint")?,
        scopes_supported: texts(&map, "scopes_supported"),
        grant_types_supported: texts(&map, "grant_types_supported"),
        pkce_promised: lists(&map, "code_challenge_methods_supported", "S256"),
        iss_parameter_promised: map.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        client_secret_in_body: client_secret_in_body(&map),
        id_token_algorithms: id_token_algorithms(&map),
    })
}

fn document(issuer: &str, body: &[u8]) -> Result<Map<String, Value>, Fault> {
    json::object(body).map_err(|why| {
        // A portal page with status 200 is no statement of the provider, so it must read like a network problem.
        Fault::Unavailable {
            why: format!("the discovery document of `{}` cannot be read: {why}", foreign(issuer)),
            outcome: Outcome::Later,
            retry_after: None,
        }
    })
}

fn lists(map: &Map<String, Value>, field: &str, wanted: &str) -> bool {
    texts(map, field).is_some_and(|list| list.iter().any(|item| item == wanted))
}

fn client_secret_in_body(map: &Map<String, Value>) -> bool {
    let takes = |method| lists(map, "token_endpoint_auth_methods_supported", method);
    takes("client_secret_post") && !takes("client_secret_basic")
}

/// What a provider says of features that a sign-in can do without. `None` where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offers {
    /// S256 (RFC 7636).
    pub pkce: Option<bool>,
    /// The grant type `refresh_token`.
    pub refresh_token: Option<bool>,
    /// The grant type `client_credentials`.
    pub client_credentials: Option<bool>,
    /// The scope `offline_access`.
    pub offline_access: Option<bool>,
    /// RFC 8628.
    pub device_authorization: bool,
    /// RFC 7009.
    pub revocation: bool,
    /// OIDC RP-Initiated Logout.
    pub end_session: bool,
    /// RFC 9207.
    pub iss_parameter: bool,
    /// What ID tokens are signed with, as it stands there.
    pub algorithms: Vec<String>,
}

/// Reads the offers off a discovery document that [`judge`] takes; `None` for one that is no document at all.
pub fn offers(body: &[u8]) -> Option<Offers> {
    let map = json::object(body).ok()?;
    let lists = |field: &str, wanted: &str| Some(texts(&map, field)?.iter().any(|item| item == wanted));
    let has = |field: &str| map.get(field).is_some_and(Value::is_string);
    Some(Offers {
        pkce: lists("code_challenge_methods_supported", "S256"),
        refresh_token: lists("grant_types_supported", "refresh_token"),
        client_credentials: lists("grant_types_supported", "client_credentials"),
        offline_access: lists("scopes_supported", "offline_access"),
        device_authorization: has("device_authorization_endpoint"),
        revocation: has("revocation_endpoint"),
        end_session: has("end_session_endpoint"),
        iss_parameter: map.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        algorithms: texts(&map, "id_token_signing_alg_values_supported").unwrap_or_else(|| vec!["RS256".to_owned()]),
    })
}

/// RFC 8414 §3.3: the issuer in the document must be identical, or another provider's document could be used here.
fn same_issuer(issuer: &str, map: &Map<String, Value>) -> Result<(), Fault> {
    if map.get("issuer").and_then(Value::as_str) == Some(issuer) {
        return Ok(());
    }
    Err(Fault::OtherIssuer { configured: issuer.to_owned(), found: shown(map.get("issuer")) })
}

/// Refuses, before a browser is opened, what would only fail after the person has signed in.
fn supports_our_request(map: &Map<String, Value>) -> Result<(), Fault> {
    match texts(map, "response_types_supported") {
        None => {
            return Err(Fault::broken(
                "metadata field `response_types_supported`",
                "it is missing or not a list of texts",
            ));
        }
        Some(list) if !list.iter().any(|item| item == "code") => {
            return Err(Fault::unsupported(
                "metadata field `response_types_supported`",
                "the provider does not offer the authorization code flow (`code`)",
            ));
        }
        Some(_) => {}
    }
    // Absent means nothing (Entra ID leaves it out and supports S256); present without S256 means no (RFC 7636 §4.2).
    if texts(map, "code_challenge_methods_supported").is_some_and(|list| !list.iter().any(|item| item == "S256")) {
        return Err(Fault::unsupported(
            "metadata field `code_challenge_methods_supported`",
            "the provider does not offer PKCE with S256",
        ));
    }
    for (field, what) in [
        ("require_pushed_authorization_requests", "pushed authorization requests (RFC 9126)"),
        ("require_signed_request_object", "signed request objects (RFC 9101)"),
    ] {
        if map.get(field) == Some(&Value::Bool(true)) {
            return Err(Fault::unsupported(
                format!("metadata field `{field}`"),
                format!("the provider insists on {what}, which mdb-login does not send"),
            ));
        }
    }
    Ok(())
}

fn required_endpoint(map: &Map<String, Value>, field: &str) -> Result<Url, Fault> {
    endpoint(map, field)?.ok_or_else(|| Fault::broken(format!("metadata field `{field}`"), "it is missing"))
}

/// RFC 8414 §2 and MongoDB's rules for clients: https everywhere, except on this machine.
pub(super) fn endpoint(map: &Map<String, Value>, field: &str) -> Result<Option<Url>, Fault> {
    let broken =
        |why: &str| Fault::broken(format!("metadata field `{field}`"), format!("{} {why}", shown(map.get(field))));
    let text = match map.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.len() <= 2048 => text,
        Some(Value::String(_)) => return Err(broken("is longer than 2048 bytes")),
        Some(_) => return Err(broken("is not a text")),
    };
    let url = Url::parse(text).map_err(|_| broken("is not an absolute URL"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err(broken("does not begin with `https://`")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(broken("contains a user name or password"));
    }
    if url.fragment().is_some() {
        return Err(broken("has a fragment"));
    }
    Ok(Some(url))
}

fn texts(map: &Map<String, Value>, field: &str) -> Option<Vec<String>> {
    map.get(field)?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// RFC 8725 §3.1: an allow-list of our own. No `none`, and no HMAC: a public client has no secret, and an HMAC keyed
/// with a public RSA key is the classic forgery.
pub(super) fn accepted_algorithms() -> [(&'static str, CoreJwsSigningAlgorithm); 9] {
    use CoreJwsSigningAlgorithm as Alg;
    [
        ("RS256", Alg::RsaSsaPkcs1V15Sha256),
        ("RS384", Alg::RsaSsaPkcs1V15Sha384),
        ("RS512", Alg::RsaSsaPkcs1V15Sha512),
        ("PS256", Alg::RsaSsaPssSha256),
        ("PS384", Alg::RsaSsaPssSha384),
        ("PS512", Alg::RsaSsaPssSha512),
        ("ES256", Alg::EcdsaP256Sha256),
        ("ES384", Alg::EcdsaP384Sha384),
        ("EdDSA", Alg::EdDsa),
    ]
}

/// The provider's list cut down to ours; RS256 when it gives none (OIDC Discovery §3 makes RS256 mandatory).
fn id_token_algorithms(map: &Map<String, Value>) -> Vec<CoreJwsSigningAlgorithm> {
    let offered = texts(map, "id_token_signing_alg_values_supported").unwrap_or_else(|| vec!["RS256".to_owned()]);
    accepted_algorithms()
        .into_iter()
        .filter(|(name, _)| offered.iter().any(|item| item == name))
        .map(|(_, alg)| alg)
        .collect()
}

/// The provider's keys that may sign, judged one by one.
#[derive(Debug)]
pub struct KeySet(pub(super) CoreJsonWebKeySet);

/// Fetches the provider's signing keys. One request.
pub async fn fetch_keys(http: &Http, provider: &ProviderMetadata) -> Result<KeySet, Fault> {
    let Answer { status, body, retry_after, .. } = get(http, "metadata field `jwks_uri`", &provider.jwks_uri).await?;
    if status != 200 {
        return Err(Fault::Unavailable {
            why: format!("{} answered with status {status}", shown_url(provider.jwks_uri.as_str())),
            outcome: Outcome::Later,
            retry_after,
        });
    }
    judge_keys(&body)
}

/// More keys than any rotation needs; each one costs a signature check when a token names none.
const KEYS_MAX: usize = 100;

/// Keeps the keys that may sign: public RSA of 2,048 to 8,192 bits, EC, OKP, not marked for encryption.
pub(super) fn judge_keys(body: &[u8]) -> Result<KeySet, Fault> {
    let broken = |why: &str| Fault::broken("the provider's key set (`jwks_uri`)", why.to_owned());
    let map = json::object(body).map_err(|why| broken(&why))?;
    let keys = map.get("keys").and_then(Value::as_array).ok_or_else(|| broken("it has no list `keys`"))?;
    if keys.len() > KEYS_MAX {
        return Err(broken("it has more than 100 keys"));
    }
    let usable: Vec<CoreJsonWebKey> =
        keys.iter().filter(|key| may_sign(key)).filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
    if usable.is_empty() {
        return Err(broken("it has no key that may sign (RSA of at least 2,048 bits, EC or OKP)"));
    }
    Ok(KeySet(JsonWebKeySet::new(usable)))
}

fn may_sign(key: &Value) -> bool {
    if key.get("use").and_then(Value::as_str).is_some_and(|usage| usage != "sig") {
        return false;
    }
    match key.get("kty").and_then(Value::as_str) {
        // base64url of the modulus: 4 characters hold 3 bytes.
        Some("RSA") => {
            key.get("n").and_then(Value::as_str).is_some_and(|n| (342..=1366).contains(&n.trim_end_matches('=').len()))
        }
        Some("EC" | "OKP") => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://idp.example.com/tenant";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://idp.example.com/authorize",
            "token_endpoint": "https://idp.example.com/token",
            "jwks_uri": "https://idp.example.com/keys",
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
        })
    }

    fn patched(patch: Value) -> Result<ProviderMetadata, Fault> {
        let mut document = document();
        for (key, value) in patch.as_object().unwrap() {
            if value == "(absent)" {
                document.as_object_mut().unwrap().remove(key);
            } else {
                document[key] = value.clone();
            }
        }
        judge(ISSUER, document.to_string().as_bytes())
    }

    #[test]
    fn a_plain_document_is_accepted_and_weak_algorithms_are_dropped() {
        let metadata = patched(json!({})).unwrap();
        assert_eq!(metadata.id_token_algorithms, [CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256]);
        assert!(!metadata.iss_parameter_promised);
        assert_eq!(metadata.scopes_supported, None);
        assert!(patched(json!({"token_endpoint": "http://127.0.0.1:9/token", "unknown": [1, 2]})).is_ok());
    }

    #[test]
    fn each_bad_field_is_named() {
        for (patch, expected) in [
            (
                json!({"issuer": "https://idp.example.com/tenant/"}),
                "metadata field `issuer`: it is `https://idp.example.com/tenant/` but the configured issuer is `https://idp.example.com/tenant`; the two must be identical",
            ),
            (
                json!({"issuer": "https://IDP.example.com/tenant"}),
                "metadata field `issuer`: it is `https://IDP.example.com/tenant` but the configured issuer is `https://idp.example.com/tenant`; the two must be identical",
            ),
            (
                json!({"issuer": "(absent)"}),
                "metadata field `issuer`: it is nothing but the configured issuer is `https://idp.example.com/tenant`; the two must be identical",
            ),
            (json!({"token_endpoint": "(absent)"}), "metadata field `token_endpoint`: it is missing"),
            (json!({"jwks_uri": null}), "metadata field `jwks_uri`: it is missing"),
            (json!({"token_endpoint": 7}), "metadata field `token_endpoint`: `7` is not a text"),
            (json!({"token_endpoint": "/token"}), "metadata field `token_endpoint`: `/token` is not an absolute URL"),
            (
                json!({"token_endpoint": "http://idp.example.com/token"}),
                "metadata field `token_endpoint`: `http://idp.example.com/token` does not begin with `https://`",
            ),
            (
                json!({"authorization_endpoint": "javascript:alert(1)"}),
                "metadata field `authorization_endpoint`: `javascript:alert(1)` does not begin with `https://`",
            ),
            (
                json!({"authorization_endpoint": "file:///etc/passwd"}),
                "metadata field `authorization_endpoint`: `file:///etc/passwd` does not begin with `https://`",
            ),
            (
                json!({"device_authorization_endpoint": "http://localhost.example.com/d"}),
                "metadata field `device_authorization_endpoint`: `http://localhost.example.com/d` does not begin with `https://`",
            ),
            (
                json!({"revocation_endpoint": "https://u:p@idp.example.com/r"}),
                "metadata field `revocation_endpoint`: `https://u:p@idp.example.com/r` contains a user name or password",
            ),
            (
                json!({"end_session_endpoint": "https://idp.example.com/e#x"}),
                "metadata field `end_session_endpoint`: `https://idp.example.com/e#x` has a fragment",
            ),
            (
                json!({"response_types_supported": ["token"]}),
                "metadata field `response_types_supported`: the provider does not offer the authorization code flow (`code`)",
            ),
            (
                json!({"response_types_supported": "code"}),
                "metadata field `response_types_supported`: it is missing or not a list of texts",
            ),
            (
                json!({"code_challenge_methods_supported": ["plain"]}),
                "metadata field `code_challenge_methods_supported`: the provider does not offer PKCE with S256",
            ),
            (
                json!({"require_pushed_authorization_requests": true}),
                "metadata field `require_pushed_authorization_requests`: the provider insists on pushed authorization requests (RFC 9126), which mdb-login does not send",
            ),
        ] {
            assert_eq!(patched(patch.clone()).unwrap_err().to_string(), expected, "{patch}");
        }
        assert!(patched(json!({"token_endpoint": format!("https://idp.example.com/{}", "x".repeat(5000))})).is_err());
    }

    #[test]
    fn a_page_in_place_of_the_document_reads_like_a_network_problem() {
        assert!(matches!(judge(ISSUER, b"<html>sign in to WiFi</html>"), Err(Fault::Unavailable { .. })));
        assert!(matches!(judge_token_endpoint(ISSUER, b"<html>"), Err(Fault::Unavailable { .. })));
    }

    /// A provider of programs may have no page to send people to, and no ID tokens.
    #[test]
    fn a_program_needs_the_token_endpoint_alone() {
        let judged = |document: Value| judge_token_endpoint(ISSUER, document.to_string().as_bytes());
        let endpoint = "https://idp.example.com/token";
        let least = judged(json!({ "issuer": ISSUER, "token_endpoint": endpoint })).unwrap();
        assert_eq!((least.url.as_str(), least.client_secret_in_body), (endpoint, false));
        assert_eq!(least.assertion_algorithms, None);
        let said = judged(json!({
            "issuer": ISSUER, "token_endpoint": endpoint,
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["PS256"],
        }));
        let said = said.unwrap();
        assert!(said.client_secret_in_body && said.assertion_algorithms == Some(vec!["PS256".to_owned()]));
        assert!(judged(json!({ "issuer": "https://other.example.com", "token_endpoint": endpoint })).is_err());
        assert!(judged(json!({ "issuer": ISSUER })).is_err());
        assert!(judged(json!({ "issuer": ISSUER, "token_endpoint": "http://idp.example.com/token" })).is_err());
    }

    #[test]
    fn metadata_addresses() {
        for (issuer, openid, oauth) in [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example:8443/x/y/",
                "https://a.example:8443/x/y/.well-known/openid-configuration",
                "https://a.example:8443/.well-known/oauth-authorization-server/x/y",
            ),
        ] {
            assert_eq!(well_known(issuer).unwrap().map(|url| url.to_string()), [openid, oauth], "{issuer}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_asked_for_is_blamed_itself() {
        let timeout = std::time::Duration::from_secs(1);
        let options = crate::http::HttpOptions { issuer: ISSUER, ca_file: None, proxy: None, timeout };
        let http = Http::new(&options).unwrap();
        let mut provider = patched(json!({})).unwrap();
        // `http::Uri` ends at 65,535 bytes.
        provider.jwks_uri = Url::parse(&format!("{ISSUER}/{}", "x".repeat(70_000))).unwrap();
        let fault = fetch_keys(&http, &provider).await.unwrap_err();
        assert_eq!(fault.to_string(), "metadata field `jwks_uri`: it cannot be turned into a request");
    }

    #[test]
    fn only_keys_that_may_sign_are_kept() {
        let rsa = |bits: usize| json!({"kty": "RSA", "kid": "1", "e": "AQAB", "n": "v".repeat(bits.div_ceil(6))});
        for (keys, why) in [
            (json!([]), Some("no key that may sign")),
            (json!([rsa(512)]), Some("no key that may sign")),
            (json!([rsa(16384)]), Some("no key that may sign")),
            (json!([{"kty": "oct", "k": "c2VjcmV0"}]), Some("no key that may sign")),
            (json!([{"kty": "RSA", "use": "enc", "n": "v".repeat(342), "e": "AQAB"}]), Some("no key that may sign")),
            (json!("none"), Some("it has no list `keys`")),
            (Value::Array(vec![rsa(2048); 101]), Some("more than 100 keys")),
            (json!([rsa(2048), {"kty": "oct", "k": "eA"}]), None),
        ] {
            let verdict = judge_keys(json!({ "keys": keys }).to_string().as_bytes());
            match why {
                Some(why) => assert!(verdict.unwrap_err().to_string().contains(why), "{keys}"),
                None => assert_eq!(verdict.unwrap().0.keys().len(), 1, "{keys}"),
            }
        }
    }
}
