//! Device authorization (RFC 8628): ask for a code, then poll until the person has decided.

use std::cell::RefCell;
use std::time::Duration;

use oauth2::http::StatusCode;
use oauth2::{
    DeviceAuthorizationResponse, DeviceAuthorizationUrl, EmptyExtraDeviceAuthorizationFields, HttpResponse,
    RequestTokenError, Scope,
};
use serde_json::{Map, Value};
use url::Url;

use super::metadata::ProviderMetadata;
use super::token::{self, ClientIdentity, Exchange, TokenResponse};
use super::{Fault, Outcome, json, shown};
use crate::http::{Http, is_loopback};
use crate::ui::foreign;

/// A device authorization under way. The device code in it is a secret and stays in it (RFC 8628 §5.2).
pub struct DeviceAuthorization {
    response: DeviceAuthorizationResponse<EmptyExtraDeviceAuthorizationFields>,
}

impl DeviceAuthorization {
    /// What the person types; checked to be letters, digits and dashes.
    pub fn user_code(&self) -> &str {
        self.response.user_code().secret()
    }

    /// Where the person types it. https, or http on loopback.
    pub fn verification_uri(&self) -> String {
        foreign(self.response.verification_uri())
    }

    /// The same with the code filled in, for a QR code.
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.response.verification_uri_complete().map(|uri| uri.secret().as_str())
    }

    pub fn expires_in(&self) -> Duration {
        self.response.expires_in()
    }
}

/// What is asked for.
pub struct DeviceRequest<'a> {
    pub scopes: &'a [String],
    /// RFC 8707.
    pub resource: &'a [String],
    /// As in the authorization request, in order.
    pub parameters: &'a [(String, String)],
}

/// Asks for a code (RFC 8628 §3.1).
pub async fn authorize(
    http: &Http,
    provider: &ProviderMetadata,
    identity: &ClientIdentity,
    request: &DeviceRequest<'_>,
) -> Result<DeviceAuthorization, Fault> {
    let endpoint = provider.device_authorization_endpoint.clone().ok_or(Fault::NoDeviceFlow)?;
    let client = token::client(identity).set_device_authorization_url(DeviceAuthorizationUrl::from_url(endpoint));
    let resource = request.resource.iter().map(|resource| ("resource".to_owned(), resource.clone()));
    let extra = resource.chain(request.parameters.iter().cloned());
    let scopes = request.scopes.iter().cloned().map(Scope::new);
    let request = extra.fold(client.exchange_device_code().add_scopes(scopes), |request, (name, value)| {
        request.add_extra_param(name, value)
    });
    let send = |request| async move {
        let response = http.send(request).await?;
        judge(&response)
    };
    let response = request.request_async(&send).await.map_err(token::fault)?;
    Ok(DeviceAuthorization { response })
}

/// Polls until the person has decided or the code has expired (RFC 8628 §3.4, §3.5). Never sooner than the provider
/// allows, and a network that goes away for a while does not end the sign-in.
pub async fn poll(
    http: &Http,
    provider: &ProviderMetadata,
    identity: &ClientIdentity,
    authorization: &DeviceAuthorization,
    resource: &[String],
) -> Result<TokenResponse, Fault> {
    let client = token::token_client(identity, &provider.token_endpoint);
    let mut request = client
        .exchange_device_access_token(&authorization.response)
        .set_max_backoff_interval(Duration::from_secs(INTERVAL_MAX));
    for resource in resource {
        request = request.add_extra_param("resource", resource.clone());
    }
    let exchange = Exchange::new(http);
    // `oauth2` takes every error of its client as a lost connection, and goes on. A verdict on an answer must end the
    // wait instead: it is put aside here, and the loop is given an error code that stops it.
    let verdict = RefCell::new(None);
    let send = |request| async {
        match exchange.send(request).await {
            Err(fault @ Fault::Unavailable { .. }) => Err(fault),
            Err(Fault::Refused { error, .. }) if error == "authorization_pending" || error == "slow_down" => {
                Ok(oauth_error(&error))
            }
            Err(fault) => {
                *verdict.borrow_mut() = Some(fault);
                Ok(oauth_error("access_denied"))
            }
            Ok(response) => Ok(response),
        }
    };
    pause(authorization.response.interval()).await;
    let answer = request.request_async(&send, pause, None).await;
    let answer = answer.map_err(|error| match (verdict.take(), error) {
        (Some(fault), _) => fault,
        // The loop itself gives up with `expired_token` when the code's time is over.
        (None, RequestTokenError::ServerResponse(_)) => {
            Fault::Refused { error: "expired_token".to_owned(), description: None }
        }
        (None, error) => token::fault(error),
    });
    exchange.finish(answer)
}

/// The monotonic clock of WSL and of some virtual machines runs up to 30 % fast, and the provider then answers
/// `slow_down` for ever (cli/cli#9370). A margin costs a second and cures it.
async fn pause(interval: Duration) {
    tokio::time::sleep(interval.mul_f32(1.2)).await;
}

fn oauth_error(code: &str) -> HttpResponse {
    let mut response = HttpResponse::new(serde_json::json!({ "error": code }).to_string().into_bytes());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// Seconds between polls: what the provider may ask for.
const INTERVAL_MAX: u64 = 60;
/// RFC 8628 §3.2.
const INTERVAL_DEFAULT: u64 = 5;
/// Seconds that a code lives: what the provider may say.
const EXPIRES_MIN: u64 = 60;
const EXPIRES_MAX: u64 = 1800;

/// Judges a device authorization response (RFC 8628 §3.2) and puts its numbers into bounds.
fn judge(response: &HttpResponse) -> Result<HttpResponse, Fault> {
    const ENDPOINT: &str = "the device authorization endpoint";
    let status = response.status();
    let unavailable = |why: String| Fault::Unavailable {
        why,
        outcome: Outcome::Later,
        retry_after: token::retry_after(response.headers()),
    };
    let body = json::object(response.body());
    if let Ok(body) = &body
        && status.is_client_error()
        && body.contains_key("error")
    {
        return token::judge(ENDPOINT, response);
    }
    if status != StatusCode::OK {
        return Err(unavailable(format!("{ENDPOINT} answered with status {}", status.as_u16())));
    }
    let straightened =
        straighten(body.map_err(|why| unavailable(format!("the answer of {ENDPOINT} cannot be read: {why}")))?)?;
    Ok(HttpResponse::new(Value::Object(straightened).to_string().into_bytes()))
}

fn straighten(mut body: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let broken = |field: &str, why: String| Fault::broken(format!("device authorization field `{field}`"), why);
    if body.get("device_code").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(broken("device_code", "it is missing or empty".to_owned()));
    }
    // It is shown in the terminal and typed by a person: anything else has no business in it.
    let is_code =
        |code: &str| (1..=40).contains(&code.len()) && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !body.get("user_code").and_then(Value::as_str).is_some_and(is_code) {
        return Err(broken(
            "user_code",
            format!("it is {}, not a code of letters, digits and dashes", shown(body.get("user_code"))),
        ));
    }
    // Google wrote `verification_url` before the standard was finished.
    if let Some(url) = body.remove("verification_url") {
        body.entry("verification_uri").or_insert(url);
    }
    page(&body, "verification_uri")?.ok_or_else(|| broken("verification_uri", "it is missing".to_owned()))?;
    page(&body, "verification_uri_complete")?;

    let interval = seconds(body.get("interval")).unwrap_or(INTERVAL_DEFAULT).clamp(1, INTERVAL_MAX);
    let expires_in = seconds(body.get("expires_in")).unwrap_or(EXPIRES_MAX).clamp(EXPIRES_MIN, EXPIRES_MAX);
    body.insert("interval".to_owned(), interval.into());
    body.insert("expires_in".to_owned(), expires_in.into());
    Ok(body)
}

/// A page that a person is sent to: https, or this machine; no user name that looks like a host.
fn page(body: &Map<String, Value>, field: &str) -> Result<Option<Url>, Fault> {
    let value = match body.get(field) {
        None | Some(Value::Null) => return Ok(None),
        value => value,
    };
    let url = value.and_then(Value::as_str).filter(|text| text.len() <= 2048).and_then(|text| Url::parse(text).ok());
    url.filter(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .map(Some)
        .ok_or_else(|| {
            Fault::broken(
                format!("device authorization field `{field}`"),
                format!("{} is not an https address", shown(value)),
            )
        })
}

/// A number of seconds, also as digits in a text or with a fraction; negative counts as 0.
fn seconds(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::String(digits) => digits.parse().ok(),
        // Casting a float saturates: 1e300 becomes the maximum, -1 becomes 0.
        number => number.as_f64().map(|seconds| seconds as u64),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(patch: Value) -> Result<Map<String, Value>, String> {
        let mut body = json!({"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "https://idp.example.com/device", "expires_in": 600});
        for (key, value) in patch.as_object().unwrap() {
            if value == "(absent)" {
                body.as_object_mut().unwrap().remove(key);
            } else {
                body[key] = value.clone();
            }
        }
        straighten(body.as_object().unwrap().clone()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn numbers_are_put_into_bounds() {
        for (patch, interval, expires_in) in [
            (json!({}), 5, 600),
            (json!({"interval": 0}), 1, 600),
            (json!({"interval": -1}), 1, 600),
            (json!({"interval": "7"}), 7, 600),
            (json!({"interval": 1e9}), 60, 600),
            (json!({"expires_in": 0}), 5, 60),
            (json!({"expires_in": 1e12}), 5, 1800),
            (json!({"expires_in": "900"}), 5, 900),
            (json!({"expires_in": "(absent)"}), 5, 1800),
        ] {
            let body = judged(patch.clone()).unwrap();
            assert_eq!((&body["interval"], &body["expires_in"]), (&json!(interval), &json!(expires_in)), "{patch}");
        }
        let google =
            judged(json!({"verification_uri": "(absent)", "verification_url": "https://g.example/device"})).unwrap();
        assert_eq!(google["verification_uri"], "https://g.example/device");
    }

    #[test]
    fn what_a_person_is_shown_is_checked() {
        for (patch, expected) in [
            (json!({"device_code": "(absent)"}), "device authorization field `device_code`: it is missing or empty"),
            (
                json!({"user_code": ""}),
                "device authorization field `user_code`: it is ``, not a code of letters, digits and dashes",
            ),
            (
                json!({"user_code": "AB\u{1b}[1m"}),
                "device authorization field `user_code`: it is `AB\\u{1b}[1m`, not a code of letters, digits and dashes",
            ),
            (
                json!({"user_code": "AB\u{202e}CD"}),
                "device authorization field `user_code`: it is `AB\\u{202e}CD`, not a code of letters, digits and dashes",
            ),
            (
                json!({"user_code": 5}),
                "device authorization field `user_code`: it is `5`, not a code of letters, digits and dashes",
            ),
            (json!({"verification_uri": "(absent)"}), "device authorization field `verification_uri`: it is missing"),
            (
                json!({"verification_uri": "http://idp.example.com/device"}),
                "device authorization field `verification_uri`: `http://idp.example.com/device` is not an https address",
            ),
            (
                json!({"verification_uri": "javascript:alert(1)"}),
                "device authorization field `verification_uri`: `javascript:alert(1)` is not an https address",
            ),
            (
                json!({"verification_uri": "https://microsoft.com@evil.example/"}),
                "device authorization field `verification_uri`: `https://microsoft.com@evil.example/` is not an https address",
            ),
            (
                json!({"verification_uri_complete": "file:///x"}),
                "device authorization field `verification_uri_complete`: `file:///x` is not an https address",
            ),
        ] {
            assert_eq!(judged(patch.clone()).unwrap_err(), expected, "{patch}");
        }
        assert!(judged(json!({"user_code": "x".repeat(200)})).is_err());
    }
}
