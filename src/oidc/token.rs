//! The token endpoint: code, refresh token or a client's own credentials in, token set out (RFC 6749 §4.1.3, §4.4, §5,
//! §6), and revocation (RFC 7009).
//!
//! Every answer passes [`judge`] before a library parses it. That is also where the provider's loose spelling is
//! straightened: `"expires_in": "3600"`, `"refresh_token": null`, `"id_token": ""`, a list as `scope`.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::UNIX_EPOCH;

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::http::{HeaderMap, Method, Request, StatusCode, header};
use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::client_assertion::ASSERTION_TYPE;
use super::{Fault, Outcome, TOKEN_MAX, TOO_LONG, is_nqschar, json};
use crate::clock::unix_now;
use crate::http::{Http, shown_host, shown_url};
use crate::secret::Secret;
use crate::ui::foreign;

/// Who we are at the provider.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    pub client_id: String,
    /// Most clients are public and have none (RFC 8252 §8.4).
    pub secret: Option<Secret>,
    pub secret_in_body: bool,
}

/// What a token endpoint gave, in the provider's own words. Nothing in it has been verified but its form.
#[derive(Debug)]
pub struct TokenResponse {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    /// The compact JWS; its signature and claims are judged in `id_token`.
    pub id_token: Option<Secret>,
    /// Seconds. `None` when the provider did not say, or said something that is no lifetime.
    pub expires_in: Option<u64>,
    /// `None` means "as asked" (RFC 6749 §5.1).
    pub scopes: Option<Vec<String>>,
    pub clock: Clock,
}

/// The moment an answer arrived, on both clocks.
///
/// The server that will judge the token keeps the provider's time, not that of a laptop that has just woken up; all
/// judging is done in provider time, and the result is stored in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// This computer's time, in seconds since 1970.
    pub local: u64,
    /// The provider's time by its `Date` header, or the local one when it sent none.
    pub provider: u64,
}

impl Clock {
    /// `Date` counts whole seconds and the answer travelled: a smaller difference says nothing.
    const NOISE: u64 = 30;

    pub fn of(headers: &HeaderMap) -> Self {
        let local = unix_now();
        let date = headers.get(header::DATE).and_then(|value| http_date(value.to_str().ok()?));
        let provider = date.filter(|date| date.abs_diff(local) > Self::NOISE).unwrap_or(local);
        Self { local, provider }
    }

    /// Nobody else has told the time.
    pub fn alone() -> Self {
        let now = unix_now();
        Self { local: now, provider: now }
    }

    /// Seconds by which the two clocks differ; 0 when they agree.
    pub fn difference(self) -> u64 {
        self.local.abs_diff(self.provider)
    }

    /// A moment in provider time as local time.
    pub fn to_local(self, provider_time: u64) -> u64 {
        (provider_time + self.local).saturating_sub(self.provider)
    }
}

fn http_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|elapsed| elapsed.as_secs())
}

/// The longest `Retry-After` that is believed, in seconds. MSAL caps at the same hour; a longer wait is a mistake or an
/// attempt to lock people out.
pub const RETRY_AFTER_MAX: u64 = 3600;

/// `Retry-After` in seconds (RFC 9110 §10.2.3), 0 to 3600. What cannot be read counts as not sent.
pub fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => http_date(text)?.saturating_sub(Clock::of(headers).provider),
    };
    Some(seconds.min(RETRY_AFTER_MAX))
}

/// Keeps the ID token as text: its claims are judged later and elsewhere, and an odd claim in it must not cost us the
/// refresh token in the same answer.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct IdTokenText {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenText {}

pub(super) type Response = StandardTokenResponse<IdTokenText, BasicTokenType>;

pub(super) type Client<HasAuthUrl, HasDeviceAuthUrl, HasTokenUrl> = oauth2::Client<
    BasicErrorResponse,
    Response,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    HasAuthUrl,
    HasDeviceAuthUrl,
    EndpointNotSet,
    EndpointNotSet,
    HasTokenUrl,
>;

/// The `oauth2` client for one identity; endpoints are set by those who need them.
pub(super) fn client(identity: &ClientIdentity) -> Client<EndpointNotSet, EndpointNotSet, EndpointNotSet> {
    let client = Client::new(ClientId::new(identity.client_id.clone()));
    let client = match &identity.secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
        None => client,
    };
    client.set_auth_type(if identity.secret_in_body { AuthType::RequestBody } else { AuthType::BasicAuth })
}

pub(super) fn token_client(
    identity: &ClientIdentity,
    token_endpoint: &Url,
) -> Client<EndpointNotSet, EndpointNotSet, EndpointSet> {
    client(identity).set_token_uri(TokenUrl::from_url(token_endpoint.clone()))
}

/// Redeems an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5). The code is sent once and never again.
pub(super) async fn redeem(
    http: &Http,
    identity: &ClientIdentity,
    token_endpoint: &Url,
    code: &Secret,
    verifier: PkceCodeVerifier,
    redirect_uri: &str,
    resource: &[String],
) -> Result<TokenResponse, Fault> {
    let redirect_uri =
        RedirectUrl::new(redirect_uri.to_owned()).map_err(|_| Fault::unsupported("redirect URI", "it is not a URL"))?;
    let client = token_client(identity, token_endpoint);
    let mut request = client
        .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
        .set_pkce_verifier(verifier)
        .set_redirect_uri(Cow::Owned(redirect_uri));
    for resource in resource {
        request = request.add_extra_param("resource", resource.clone());
    }
    let exchange = Exchange::new(http);
    let answer = request.request_async(&|request| exchange.send(request)).await;
    exchange.finish(answer.map_err(fault))
}

/// Exchanges a refresh token (RFC 6749 §6). Asks for no scope: "as granted" is the only request that cannot be wrong.
pub async fn refresh(
    http: &Http,
    identity: &ClientIdentity,
    token_endpoint: &Url,
    refresh_token: &Secret,
    resource: &[String],
) -> Result<TokenResponse, Fault> {
    let client = token_client(identity, token_endpoint);
    let refresh_token = RefreshToken::new(refresh_token.expose().to_owned());
    let mut request = client.exchange_refresh_token(&refresh_token);
    for resource in resource {
        request = request.add_extra_param("resource", resource.clone());
    }
    let exchange = Exchange::new(http);
    let answer = request.request_async(&|request| exchange.send(request)).await;
    exchange.finish(answer.map_err(fault))
}

/// Asks for a token of the client's own (RFC 6749 §4.4). `assertion` stands for a secret, where `identity` has none
/// (RFC 7523 §2.2). Asking twice costs nothing but an assertion, which is good for once.
pub async fn client_credentials(
    http: &Http,
    identity: &ClientIdentity,
    assertion: Option<&Secret>,
    token_endpoint: &Url,
    scopes: &[String],
    resource: &[String],
) -> Result<TokenResponse, Fault> {
    let client = token_client(identity, token_endpoint);
    let mut request = client.exchange_client_credentials();
    for scope in scopes {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    for resource in resource {
        request = request.add_extra_param("resource", resource.clone());
    }
    if let Some(assertion) = assertion {
        request = request
            .add_extra_param("client_assertion_type", ASSERTION_TYPE)
            .add_extra_param("client_assertion", assertion.expose().to_owned());
    }
    let exchange = Exchange::new(http);
    let answer = request.request_async(&|request| exchange.send(request)).await;
    exchange.finish(answer.map_err(fault))
}

/// One request to the token endpoint: sends, judges, and remembers the clocks for the token response.
pub(super) struct Exchange<'a> {
    http: &'a Http,
    clock: Cell<Clock>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(http: &'a Http) -> Self {
        Self { http, clock: Cell::new(Clock { local: 0, provider: 0 }) }
    }

    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Fault> {
        let url = shown_url(&request.uri().to_string());
        let response = self.http.send(request).await?;
        self.clock.set(Clock::of(response.headers()));
        judge(&url, &response)
    }

    pub(super) fn finish(&self, answer: Result<Response, Fault>) -> Result<TokenResponse, Fault> {
        let answer = answer?;
        Ok(TokenResponse {
            access_token: Secret::new(answer.access_token().secret().clone()),
            refresh_token: answer.refresh_token().map(|token| Secret::new(token.secret().clone())),
            id_token: answer.extra_fields().id_token.as_ref().map(|token| Secret::new(token.clone())),
            expires_in: answer.expires_in().map(|lifetime| lifetime.as_secs()),
            scopes: answer.scopes().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
            clock: self.clock.get(),
        })
    }
}

/// The library's error as ours. Its `Parse` variant carries the raw body, which may hold a token: it is dropped.
pub(super) fn fault<TE: oauth2::ErrorResponse>(error: RequestTokenError<Fault, TE>) -> Fault {
    match error {
        RequestTokenError::Request(fault) => fault,
        RequestTokenError::ServerResponse(_) | RequestTokenError::Parse(..) => {
            Fault::broken("the token response", "it cannot be read")
        }
        RequestTokenError::Other(why) => Fault::broken("the token request", foreign(&why)),
    }
}

/// Judges the answer of a token endpoint and returns it with the provider's loose spelling straightened.
///
/// `url` is for messages. What is not clearly JSON of the provider is treated as "no answer": captive portals, proxies
/// and load balancers speak HTML, and none of them may end a session (RFC 6749 §5.2 errors alone can).
pub(super) fn judge(url: &str, response: &HttpResponse) -> Result<HttpResponse, Fault> {
    let straightened = bearer(url, response)?;
    let mut answer = HttpResponse::new(Value::Object(straightened).to_string().into_bytes());
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(answer)
}

/// As [`judge`], for a service that is no provider and answers as its token endpoint would: the members of the answer.
pub fn bearer(url: &str, response: &HttpResponse) -> Result<Map<String, Value>, Fault> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let unavailable = |why: String, outcome| Fault::Unavailable { why, outcome, retry_after };

    if status.is_redirection() {
        let target = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let target = target.map_or_else(|| "another address".to_owned(), |target| format!("`{}`", shown_host(target)));
        return Err(Fault::broken(
            "the token endpoint",
            format!("{url} redirects to {target}, and a redirect is not followed"),
        ));
    }
    let body = json::object(response.body());
    if let Ok(body) = &body
        && let Some(error) = body.get("error")
        && (status.is_client_error() || status == StatusCode::OK)
    {
        return Err(oauth_error(error, body, retry_after));
    }
    if status != StatusCode::OK {
        // The request may have been carried out behind whatever produced this page.
        let outcome = if status.is_server_error() { Outcome::ServerError } else { Outcome::Later };
        return Err(unavailable(format!("{url} answered with status {}", status.as_u16()), outcome));
    }
    let body = body.map_err(|why| unavailable(format!("the answer of {url} cannot be read: {why}"), Outcome::Lost))?;
    let successor = body.get("refresh_token").and_then(Value::as_str).filter(|token| is_token(token)).map(Secret::new);
    straighten(body).map_err(|fault| match fault {
        Fault::Broken { what, why, .. } => Fault::Broken { what, why, successor },
        other => other,
    })
}

fn oauth_error(error: &Value, body: &Map<String, Value>, retry_after: Option<u64>) -> Fault {
    let error = match error.as_str() {
        Some(error) if !error.is_empty() && error.len() <= 64 && error.chars().all(is_nqschar) => error,
        _ => return Fault::broken("the provider's error", "its field `error` is not an OAuth error code"),
    };
    let description =
        body.get("error_description").and_then(Value::as_str).map(foreign).filter(|text| !text.is_empty());
    match error {
        "temporarily_unavailable" | "server_error" => {
            Fault::Unavailable { why: format!("the provider says `{error}`"), outcome: Outcome::Later, retry_after }
        }
        _ => Fault::Refused { error: error.to_owned(), description },
    }
}

/// A lifetime of more than ten years is a mistake in units or an attempt at overflow.
const LIFETIME_MAX: u64 = 10 * 365 * 86_400;

/// The form of a refresh or ID token: visible ASCII (RFC 6749, appendix A.17), and not too long to be kept.
fn is_token(text: &str) -> bool {
    (1..=TOKEN_MAX).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

/// RFC 6749 §5.1 and §7.1, field by field.
fn straighten(mut body: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let broken = |field: &str, why: &str| Fault::broken(format!("token response field `{field}`"), why);

    let is_b68 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/' | '=');
    match body.get("access_token") {
        None => return Err(broken("access_token", "it is missing")),
        Some(Value::String(token)) if token.is_empty() => return Err(broken("access_token", "it is empty")),
        Some(Value::String(token)) if token.len() > TOKEN_MAX => {
            return Err(broken("access_token", TOO_LONG));
        }
        // A line break in a token becomes a second header or a second line in somebody's protocol (CVE-2024-50338).
        Some(Value::String(token)) if !token.chars().all(is_b68) => {
            return Err(broken("access_token", "it contains characters that no bearer token has (RFC 6750 §2.1)"));
        }
        Some(Value::String(_)) => {}
        Some(_) => return Err(broken("access_token", "it is not a text")),
    }
    match body.get("token_type").and_then(Value::as_str) {
        Some(kind) if kind.eq_ignore_ascii_case("bearer") => {
            body.insert("token_type".to_owned(), "bearer".into());
        }
        Some(kind) => {
            return Err(broken("token_type", &format!("it is `{}`, and only `Bearer` can be used", foreign(kind))));
        }
        None => return Err(broken("token_type", "it is missing or not a text")),
    }
    for field in ["refresh_token", "id_token"] {
        match body.get(field) {
            Some(Value::Null) => drop(body.remove(field)),
            Some(Value::String(token)) if token.is_empty() => drop(body.remove(field)),
            Some(Value::String(token)) if token.len() > TOKEN_MAX => {
                return Err(broken(field, TOO_LONG));
            }
            Some(Value::String(token)) if !is_token(token) => {
                return Err(broken(field, "it contains spaces, control or non-ASCII characters"));
            }
            Some(Value::String(_)) | None => {}
            Some(_) => return Err(broken(field, "it is not a text")),
        }
    }
    if let Some(seconds) = lifetime(body.remove("expires_in"))? {
        body.insert("expires_in".to_owned(), seconds.into());
    }
    if let Some(Value::Array(scopes)) = body.get("scope") {
        let joined = scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        body.insert("scope".to_owned(), joined.into());
    } else if !matches!(body.get("scope"), None | Some(Value::String(_))) {
        body.remove("scope");
    }
    Ok(body)
}

/// `expires_in` in seconds. Digits in a text are taken as meant; what is no lifetime counts as not said; a negative one
/// is refused, because whoever sends it is not describing this token.
fn lifetime(value: Option<Value>) -> Result<Option<u64>, Fault> {
    let value = match value {
        Some(Value::String(text)) => text.trim().parse::<i64>().map(Value::from).unwrap_or(Value::Null),
        Some(value) => value,
        None => Value::Null,
    };
    if value.as_f64().is_some_and(|seconds| seconds < 0.0) {
        return Err(Fault::broken("token response field `expires_in`", "it is negative"));
    }
    Ok(value.as_u64().filter(|seconds| (1..=LIFETIME_MAX).contains(seconds)))
}

/// Which token a revocation request is about (RFC 7009 §2.1).
#[derive(Clone, Copy)]
pub enum TokenKind {
    RefreshToken,
    AccessToken,
}

/// Revokes a token (RFC 7009). A token that the provider does not know counts as revoked (§2.2).
///
/// Built here because `oauth2` refuses plain http even on loopback, where the providers of our tests live.
pub async fn revoke(
    http: &Http,
    identity: &ClientIdentity,
    endpoint: &Url,
    kind: TokenKind,
    token: &Secret,
) -> Result<(), Fault> {
    let hint = match kind {
        TokenKind::RefreshToken => "refresh_token",
        TokenKind::AccessToken => "access_token",
    };
    let mut form = Serializer::new(String::new());
    form.append_pair("token", token.expose()).append_pair("token_type_hint", hint);
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    match &identity.secret {
        Some(secret) if !identity.secret_in_body => {
            request = request.header(header::AUTHORIZATION, basic(identity, secret))
        }
        secret => {
            form.append_pair("client_id", &identity.client_id);
            if let Some(secret) = secret {
                form.append_pair("client_secret", secret.expose());
            }
        }
    }
    let request = request.body(form.finish().into_bytes()).map_err(|_| {
        Fault::unsupported("metadata field `revocation_endpoint`", "it cannot be turned into a request")
    })?;
    let url = shown_url(endpoint.as_str());
    let response = http.send(request).await?;
    let status = response.status();
    match json::object(response.body()).ok().as_ref().and_then(|body| Some((body.get("error")?, body))) {
        _ if status.is_success() => Ok(()),
        Some((error, body)) if status.is_client_error() => {
            Err(oauth_error(error, body, retry_after(response.headers())))
        }
        _ => Err(Fault::Unavailable {
            why: format!("{url} answered with status {}", status.as_u16()),
            outcome: Outcome::Later,
            retry_after: retry_after(response.headers()),
        }),
    }
}

/// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
fn basic(identity: &ClientIdentity, secret: &Secret) -> String {
    use base64::Engine as _;
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(&identity.client_id), encode(secret.expose()));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use oauth2::http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn response(status: u16, body: &str) -> HttpResponse {
        let mut response = HttpResponse::new(body.as_bytes().to_vec());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    fn verdict(status: u16, body: &str) -> Result<Value, String> {
        judge("https://idp.example.com/token", &response(status, body))
            .map(|answer| serde_json::from_slice(answer.body()).unwrap())
            .map_err(|fault| {
                let family = match &fault {
                    Fault::Refused { .. } => "refused",
                    Fault::Broken { .. } | Fault::OtherIssuer { .. } | Fault::Untrusted { .. } => "broken",
                    Fault::Unsupported { .. } | Fault::NoDeviceFlow => "unsupported",
                    Fault::Unavailable { outcome: Outcome::NotSent, .. } => "not sent",
                    Fault::Unavailable { outcome: Outcome::Lost, .. } => "lost",
                    Fault::Unavailable { outcome: Outcome::ServerError, .. } => "server error",
                    Fault::Unavailable { outcome: Outcome::Later, .. } => "later",
                };
                format!("{family}: {fault}")
            })
    }

    #[test]
    fn loose_spelling_is_straightened() {
        let straight = json!({"access_token": "a.b.c", "token_type": "bearer"});
        for (loose, added) in [
            (json!({}), json!({})),
            (json!({"expires_in": "3600"}), json!({"expires_in": 3600})),
            (json!({"expires_in": 3600}), json!({"expires_in": 3600})),
            (json!({"expires_in": 0}), json!({})),
            (json!({"expires_in": 3.5}), json!({})),
            (json!({"expires_in": 1e308}), json!({})),
            (json!({"expires_in": "soon"}), json!({})),
            (json!({"expires_in": null}), json!({})),
            (json!({"refresh_token": null, "id_token": ""}), json!({})),
            (json!({"refresh_token": "r"}), json!({"refresh_token": "r"})),
            (json!({"scope": ["openid", "x"]}), json!({"scope": "openid x"})),
            (json!({"scope": 5}), json!({})),
            (json!({"scope": ""}), json!({"scope": ""})),
        ] {
            let merge = |base: &Value, more: &Value| {
                let mut merged = base.clone();
                merged.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                merged
            };
            let sent = merge(&json!({"access_token": "a.b.c", "token_type": "BEARER"}), &loose);
            assert_eq!(verdict(200, &sent.to_string()).unwrap(), merge(&straight, &added), "{loose}");
        }
    }

    #[test]
    fn every_bad_answer_falls_into_its_family() {
        let long = "x".repeat(TOKEN_MAX + 1);
        for (status, body, expected) in [
            (
                200,
                json!({"token_type": "bearer"}).to_string(),
                "broken: token response field `access_token`: it is missing",
            ),
            (
                200,
                json!({"access_token": "", "token_type": "bearer"}).to_string(),
                "broken: token response field `access_token`: it is empty",
            ),
            (
                200,
                json!({"access_token": 5, "token_type": "bearer"}).to_string(),
                "broken: token response field `access_token`: it is not a text",
            ),
            (
                200,
                json!({"access_token": "a\r\nb", "token_type": "bearer"}).to_string(),
                "broken: token response field `access_token`: it contains characters that no bearer token has (RFC 6750 §2.1)",
            ),
            (
                200,
                json!({"access_token": "a b", "token_type": "bearer"}).to_string(),
                "broken: token response field `access_token`: it contains characters that no bearer token has (RFC 6750 §2.1)",
            ),
            (
                200,
                json!({"access_token": long, "token_type": "bearer"}).to_string(),
                "broken: token response field `access_token`: it is longer than 16 KiB",
            ),
            (
                200,
                json!({"access_token": "a", "token_type": "DPoP"}).to_string(),
                "broken: token response field `token_type`: it is `DPoP`, and only `Bearer` can be used",
            ),
            (
                200,
                json!({"access_token": "a"}).to_string(),
                "broken: token response field `token_type`: it is missing or not a text",
            ),
            (
                200,
                json!({"access_token": "a", "token_type": "bearer", "expires_in": -1}).to_string(),
                "broken: token response field `expires_in`: it is negative",
            ),
            (
                200,
                json!({"access_token": "a", "token_type": "bearer", "refresh_token": "r\u{1b}"}).to_string(),
                "broken: token response field `refresh_token`: it contains spaces, control or non-ASCII characters",
            ),
            (
                200,
                json!({"access_token": "a", "token_type": "bearer", "refresh_token": long}).to_string(),
                "broken: token response field `refresh_token`: it is longer than 16 KiB",
            ),
            (
                200,
                "{\"access_token\":\"a\",\"access_token\":\"b\"}".to_owned(),
                "lost: the answer of https://idp.example.com/token cannot be read: a key occurs twice",
            ),
            (
                200,
                "<html>portal</html>".to_owned(),
                "lost: the answer of https://idp.example.com/token cannot be read: it is not valid JSON (line 1, column 1)",
            ),
            (200, json!({"error": "invalid_grant"}).to_string(), "refused: `invalid_grant`"),
            (
                400,
                json!({"error": "invalid_grant", "error_description": "gone\u{1b}[2J"}).to_string(),
                "refused: `invalid_grant`: gone\\u{1b}[2J",
            ),
            (
                400,
                json!({"error": "x\ny"}).to_string(),
                "broken: the provider's error: its field `error` is not an OAuth error code",
            ),
            (400, "nonsense".to_owned(), "later: https://idp.example.com/token answered with status 400"),
            (401, json!({"error": "invalid_client"}).to_string(), "refused: `invalid_client`"),
            (
                400,
                json!({"error": "temporarily_unavailable"}).to_string(),
                "later: the provider says `temporarily_unavailable`",
            ),
            (429, "slow".to_owned(), "later: https://idp.example.com/token answered with status 429"),
            (502, "<html>".to_owned(), "server error: https://idp.example.com/token answered with status 502"),
            (
                503,
                json!({"error": "invalid_grant"}).to_string(),
                "server error: https://idp.example.com/token answered with status 503",
            ),
            (511, String::new(), "server error: https://idp.example.com/token answered with status 511"),
        ] {
            assert_eq!(verdict(status, &body).unwrap_err(), expected, "{status} {body:.80}");
        }
    }

    #[test]
    fn a_redirect_is_named_and_not_followed() {
        let mut redirect = response(302, "");
        redirect.headers_mut().insert(header::LOCATION, HeaderValue::from_static("http://169.254.169.254/latest?x=1"));
        let fault = judge("https://idp.example.com/token", &redirect).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "the token endpoint: https://idp.example.com/token redirects to `169.254.169.254`, and a redirect is not followed"
        );
    }

    #[test]
    fn retry_after_is_bounded() {
        let headers =
            |value: &str| HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(value).unwrap())]);
        for (value, expected) in [
            ("30", Some(30)),
            ("0", Some(0)),
            ("99999999", Some(RETRY_AFTER_MAX)),
            ("-5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
        ] {
            assert_eq!(retry_after(&headers(value)), expected, "{value}");
        }
    }

    #[test]
    fn a_wrong_local_clock_is_seen_and_corrected() {
        let date = |ahead: u64| {
            let moment = std::time::SystemTime::now() + std::time::Duration::from_secs(ahead);
            HeaderMap::from_iter([(header::DATE, HeaderValue::from_str(&httpdate::fmt_http_date(moment)).unwrap())])
        };
        assert_eq!(Clock::of(&date(5)).difference(), 0);
        let clock = Clock::of(&date(11_000));
        assert!((10_998..=11_001).contains(&clock.difference()));
        assert_eq!(clock.to_local(clock.provider + 60), clock.local + 60);
        assert_eq!(Clock::of(&HeaderMap::new()).difference(), 0);
    }
}
