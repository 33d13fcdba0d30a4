//! One request to a platform: sent, sent again as the vendor's rule has it, and its answer judged in form.
//!
//! What a platform says of itself is shown, and nothing is decided by it: the vendors change their texts.

use std::time::{Duration, Instant};

use oauth2::http::{HeaderMap, Method, Request, header};
use oauth2::{HttpRequest, HttpResponse};
use serde_json::Value;
use tracing::debug;
use url::Url;

use super::retry::{Failure, Rule};
use crate::error::{Error, Kind};
use crate::http::{Http, SendError, shown_host, shown_url};
use crate::oidc::token::{Clock, retry_after};
use crate::oidc::{Fault, Outcome, json};
use crate::secret::Secret;
use crate::ui::foreign;

/// How OAuth's requests are written (RFC 6749, appendix B).
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A service of a platform's.
#[derive(Debug)]
pub struct Service {
    /// As in "cannot get a token from …".
    pub name: &'static str,
    pub rule: Rule,
    /// Whether an answer with these headers is certainly somebody else's: this is not where the service is.
    pub is_strange: fn(&HeaderMap) -> bool,
}

/// An answer that grants something (2xx).
pub struct Granted {
    pub response: HttpResponse,
    pub clock: Clock,
}

/// A GET with these headers.
pub fn get(url: &Url, headers: &[(&'static str, &str)]) -> Result<HttpRequest, Fault> {
    request(Method::GET, url, headers, Vec::new())
}

/// A POST with these headers and a body of this type.
pub fn post(
    url: &Url,
    headers: &[(&'static str, &str)],
    media_type: &'static str,
    body: String,
) -> Result<HttpRequest, Fault> {
    let mut headers = headers.to_vec();
    headers.push(("content-type", media_type));
    request(Method::POST, url, &headers, body.into_bytes())
}

fn request(method: Method, url: &Url, headers: &[(&'static str, &str)], body: Vec<u8>) -> Result<HttpRequest, Fault> {
    let mut request = Request::builder().method(method).uri(url.as_str()).header(header::ACCEPT, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let shown = || shown_url(url.as_str());
    request.body(body).map_err(|_| Fault::broken(shown(), "no request can be made of it"))
}

impl Service {
    /// One that nothing marks.
    pub const fn new(name: &'static str, rule: Rule) -> Self {
        Self { name, rule, is_strange: |_| false }
    }

    /// What [`Self::ask`] may take. `timeout` is what one request may.
    pub fn longest(&self, timeout: Duration) -> Duration {
        self.rule.longest(timeout)
    }

    /// Sends `request` until it is answered with something other than a passing trouble, or the rule gives up.
    ///
    /// # Errors
    /// Everything but a 2xx is a fault: a refusal, a redirect, trouble that has not passed, nobody there.
    pub async fn ask(&self, http: &Http, request: &HttpRequest) -> Result<Granted, Fault> {
        let response = self.send(http, request).await?;
        self.judge(&shown_url(&request.uri().to_string()), response)
    }

    /// As [`Self::ask`], with any status.
    pub async fn send(&self, http: &Http, request: &HttpRequest) -> Result<HttpResponse, Fault> {
        let url = shown_url(&request.uri().to_string());
        let started = Instant::now();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = http.send(request.clone()).await;
            let failure = match &outcome {
                Ok(response) if (self.is_strange)(response.headers()) => return Err(self.absent(request)),
                Ok(response) => Failure::Status(response.status().as_u16(), retry_after(response.headers())),
                Err(SendError::Lost { .. }) => Failure::Lost,
                // Nobody is there, or somebody else is: asking again would not change it.
                Err(_) => Failure::Final,
            };
            let Some(pause) = self.rule.wait(failure, attempt, started.elapsed(), http.timeout(), jitter()) else {
                return outcome.map_err(Fault::from);
            };
            debug!(%url, ?failure, attempt, pause_ms = pause.as_millis(), "asking again");
            tokio::time::sleep(pause).await;
        }
    }

    /// As if nobody had answered: who did is a stranger.
    fn absent(&self, request: &HttpRequest) -> Fault {
        let host = request.uri().authority().map(|host| foreign(host.as_str())).unwrap_or_default();
        let why = format!("whoever answers at `{host}` is not {}", self.name);
        Fault::Unavailable { why, outcome: Outcome::NotSent, retry_after: None }
    }

    /// Judges an answer by its status. `url` is for messages.
    pub fn judge(&self, url: &str, response: HttpResponse) -> Result<Granted, Fault> {
        let status = response.status();
        if status.is_success() {
            let clock = Clock::of(response.headers());
            return Ok(Granted { response, clock });
        }
        if status.is_redirection() {
            let target = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let target = target.map_or_else(|| "another address".to_owned(), |url| format!("`{}`", shown_host(url)));
            let why = format!("it redirects to {target}, and a redirect is not followed");
            return Err(Fault::broken(format!("the answer of {url}"), why));
        }
        if status.is_client_error() && !self.rule.passes(status.as_u16()) {
            let (code, description) = reason(&response);
            let error = code.unwrap_or_else(|| format!("status {}", status.as_u16()));
            return Err(Fault::Refused { error, description });
        }
        let (_, description) = reason(&response);
        let said = description.map(|text| format!(": {text}")).unwrap_or_default();
        Err(Fault::Unavailable {
            why: format!("{url} answered with status {}{said}", status.as_u16()),
            outcome: if status.is_server_error() { Outcome::ServerError } else { Outcome::Later },
            retry_after: retry_after(response.headers()),
        })
    }

    /// `fault` as an error that says who was asked. What can be done about it is the caller's to add.
    pub fn failed(&self, fault: &Fault) -> Error {
        let kind = match fault {
            Fault::Refused { .. } => Kind::Denied,
            Fault::Broken { .. } | Fault::OtherIssuer { .. } | Fault::Untrusted { .. } => Kind::RuleBroken,
            Fault::Unsupported { .. } | Fault::NoDeviceFlow => Kind::Config,
            Fault::Unavailable { .. } => Kind::Unavailable,
        };
        let error = Error::new(kind, format!("cannot get a token from {}", self.name)).because_of(fault.to_string());
        match fault {
            Fault::Unavailable { retry_after: Some(seconds @ 1..), .. } => {
                error.hint(format!("try again in {seconds} s, as it asks"))
            }
            _ => error,
        }
    }
}

impl Granted {
    /// The body as text. `None` if it is none.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.response.body()).ok()
    }
}

/// The token at `path` in the object that an answer is.
pub fn member(url: &Url, body: &[u8], path: &[&str]) -> Result<Secret, Fault> {
    let body = json::object(body).map_err(|why| unread(url, &why))?;
    let mut found = body.get(path.first().copied().unwrap_or_default());
    for name in path.iter().skip(1) {
        found = found.and_then(|value| value.get(name));
    }
    match found {
        Some(Value::String(token)) if !token.is_empty() => Ok(Secret::new(token.as_str())),
        _ => {
            let what = format!("the answer of {}", shown_url(url.as_str()));
            Err(Fault::broken(what, format!("its field `{}` holds no token", path.join("."))))
        }
    }
}

/// An answer with a good status that is not what it should be: nobody's word but that of a portal or a proxy.
pub fn unread(url: &Url, why: &str) -> Fault {
    let why = format!("the answer of {} cannot be read: {why}", shown_url(url.as_str()));
    Fault::Unavailable { why, outcome: Outcome::Lost, retry_after: None }
}

/// A number from 0 to 1, another one each time. Without the system's randomness there is no jitter.
fn jitter() -> f64 {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_or(0.5, |()| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

/// The code and the words with which a platform refuses, safe to show.
///
/// OAuth and IMDS: `error`, `error_description`. Google: `error.status`, `error.message`. Kubernetes: `reason`,
/// `message`. App Service and GitHub: `message`.
fn reason(response: &HttpResponse) -> (Option<String>, Option<String>) {
    let Ok(body) = json::object(response.body()) else { return (None, plain(response)) };
    let inner = body.get("error").and_then(Value::as_object).unwrap_or(&body);
    let text = |names: &[&str]| {
        let texts = names.iter().filter_map(|name| inner.get(*name)?.as_str());
        texts.filter(|text| !text.is_empty()).map(foreign).next()
    };
    (text(&["error", "reason", "status"]), text(&["error_description", "message"]))
}

/// A refusal in plain words, as Google's metadata server has them; a page is none.
fn plain(response: &HttpResponse) -> Option<String> {
    let text = std::str::from_utf8(response.body()).ok()?.trim();
    let is_words = !text.is_empty() && text.len() <= 200 && !text.contains('<');
    is_words.then(|| foreign(text))
}

#[cfg(test)]
mod tests {
    use oauth2::http::StatusCode;

    use super::*;

    fn response(status: u16, body: &str) -> HttpResponse {
        let mut response = HttpResponse::new(body.as_bytes().to_vec());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    #[test]
    fn every_vendor_s_way_to_refuse_is_read() {
        let rows = [
            (
                400,
                r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
                "`invalid_request`: Identity not found",
            ),
            (400, r#"{"statusCode":400,"message":"No identity"}"#, "`status 400`: No identity"),
            (
                403,
                r#"{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}"#,
                "`PERMISSION_DENIED`: Permission denied",
            ),
            (
                404,
                r#"{"kind":"Status","status":"Failure","message":"not found","reason":"NotFound","code":404}"#,
                "`NotFound`: not found",
            ),
            (400, "non-empty audience parameter required", "`status 400`: non-empty audience parameter required"),
            (403, "<!DOCTYPE html><title>403</title>", "`status 403`"),
            (401, r#"{"error":7,"message":"\u001b[2Jgone"}"#, "`status 401`: \\u{1b}[2Jgone"),
            (400, r#"{"error":"a","error":"b"}"#, "`status 400`: {\"error\":\"a\",\"error\":\"b\"}"),
            (400, "", "`status 400`"),
        ];
        let service = Service::new("a platform", Rule::GOOGLE);
        for (status, body, expected) in rows {
            let Err(fault) = service.judge("http://host/path", response(status, body)) else { panic!("{body}") };
            assert_eq!(fault.to_string(), expected);
            assert_eq!(service.failed(&fault).kind(), Kind::Denied);
        }
    }

    #[test]
    fn what_passes_is_no_refusal_and_what_leads_elsewhere_is_none_either() {
        let service = Service::new("a platform", Rule::IMDS);
        let judged = |response| service.judge("http://host/path", response).err().map(|fault| service.failed(&fault));
        for status in [404, 410, 429, 500, 503] {
            let error = judged(response(status, "")).unwrap();
            assert_eq!(error.kind(), Kind::Unavailable);
            assert_eq!(error.causes(), [format!("http://host/path answered with status {status}")]);
        }
        let mut redirect = response(302, "");
        redirect.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("http://evil.example/?t=1"));
        let error = judged(redirect).unwrap();
        assert_eq!(error.kind(), Kind::RuleBroken);
        let why = "the answer of http://host/path: it redirects to `evil.example`, and a redirect is not followed";
        assert_eq!(error.causes(), [why]);
        assert!(judged(response(200, "")).is_none() && judged(response(201, "")).is_none());
    }

    #[test]
    fn an_answer_without_a_token_is_none() {
        let service = Service::new("a platform", Rule::GOOGLE);
        let url = Url::parse("http://host/path").unwrap();
        let read = |body: &str| {
            member(&url, body.as_bytes(), &["status", "token"]).map_err(|fault| service.failed(&fault).kind())
        };
        assert_eq!(read(r#"{"status":{"token":"a.b.c"}}"#).unwrap().expose(), "a.b.c");
        for body in
            [r#"{"status":{"token":""}}"#, r#"{"status":{"token":7}}"#, r#"{"status":"a"}"#, r#"{"token":"a"}"#, "{}"]
        {
            assert_eq!(read(body).unwrap_err(), Kind::RuleBroken, "{body}");
        }
        assert_eq!(read("<html>").unwrap_err(), Kind::Unavailable);
    }

    #[test]
    fn jitter_is_from_0_to_1_and_not_always_the_same() {
        let many: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(many.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
        assert!(many.iter().any(|jitter| jitter != &many[0]));
    }
}
