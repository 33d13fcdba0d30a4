//! What each request to the listener gets: a pure function of the request and of what has happened so far.
//!
//! Anybody on this machine, and any web page in the person's browser, can send requests here. One rule holds
//! everything together: only a request with the right `state` may change anything, and everybody else is turned away
//! without ending the wait (gh, kubelogin and aws-cli let the first request decide, so any page could abort a sign-in).

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use super::sockets::Owner;
use super::{Callback, CallbackError, Doubt, ExpectedAnswer, Notice};
use crate::oidc::is_nqschar;
use crate::secret::Secret;
use crate::ui::foreign;

/// Marks the browser that used the start link first, so that it may come back (reload, restored tab) and others may not.
pub(super) const START_COOKIE: &str = "mdb-login-start";

/// Longer than any provider's code (Entra's reach some 1,500 characters).
const CODE_MAX: usize = 4096;
/// Entra's descriptions carry a time and three identifiers behind the sentence that matters.
const ERROR_TEXT_MAX: usize = 500;

/// What is fixed for the whole attempt.
pub(super) struct Rules {
    pub port: u16,
    pub redirect_path: String,
    pub start_path: String,
    pub done_path: String,
    pub answer: Option<ExpectedAnswer>,
}

/// What has happened so far.
#[derive(Default)]
pub(super) struct Progress {
    /// The cookie of the browser that used the start link.
    pub browser: Option<Secret>,
    /// Whose browser that is.
    pub owner: Option<Owner>,
    /// The fingerprint of the answer that was accepted.
    pub answered: Option<Fingerprint>,
}

/// Tells a repeated answer from a different one without keeping the code.
pub(super) type Fingerprint = [u8; 32];

/// How the attempt ended, as the provider (or somebody who knows `state`) had it.
pub(super) type Answer = Result<Callback, CallbackError>;

#[derive(Debug)]
pub(super) enum Decision {
    /// The first use of the start link: give the browser its cookie and send it to the provider.
    Start,
    /// The same browser once more.
    StartAgain,
    /// The one answer that ends the wait.
    Accept(Box<Answer>, Fingerprint),
    /// The accepted answer again (reload, restored tab), or the start link after it: show how it ended.
    Done,
    /// The page that reports the outcome.
    Outcome,
    Refuse(Refusal),
}

/// Why a request was turned away. None of these ends the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    Method,
    FormPost,
    AbsoluteTarget,
    Host,
    UnknownPath,
    Speculative,
    NotNavigation,
    WrongState,
    Malformed,
    SecondAnswer,
    StartUsed,
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method | Self::FormPost => StatusCode::METHOD_NOT_ALLOWED,
            Self::AbsoluteTarget | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Speculative => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotNavigation | Self::WrongState => StatusCode::FORBIDDEN,
            Self::SecondAnswer => StatusCode::CONFLICT,
            Self::StartUsed => StatusCode::GONE,
        }
    }

    /// For counters and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Method => "method other than GET",
            Self::FormPost => "posted answer",
            Self::AbsoluteTarget => "absolute request target",
            Self::Host => "foreign host",
            Self::UnknownPath => "unknown path",
            Self::Speculative => "prefetch",
            Self::NotNavigation => "request by a page or script",
            Self::WrongState => "wrong state",
            Self::Malformed => "malformed answer",
            Self::SecondAnswer => "second answer",
            Self::StartUsed => "start link used again",
        }
    }

    pub fn notice(self) -> Option<Notice> {
        match self {
            Self::FormPost => Some(Notice::PostedAnswer),
            Self::WrongState => Some(Notice::WrongState),
            Self::SecondAnswer => Some(Notice::SecondAnswer),
            Self::StartUsed => Some(Notice::StartUsedAgain),
            _ => None,
        }
    }
}

enum Place<'a> {
    Start,
    /// With what an answer there must agree with.
    Redirect(&'a ExpectedAnswer),
    Outcome,
}

impl Rules {
    /// Exact comparison on the path as it was sent: nothing is decoded, folded or joined before.
    fn place(&self, head: &Parts) -> Option<Place<'_>> {
        match (head.uri.path(), head.uri.query()) {
            (path, _) if path == self.redirect_path => self.answer.as_ref().map(Place::Redirect),
            (path, None) if path == self.start_path => Some(Place::Start),
            (path, None) if path == self.done_path => Some(Place::Outcome),
            _ => None,
        }
    }

    /// For the log: the place without the random parts, and the parameters' names without their values.
    pub fn describe(&self, head: &Parts) -> String {
        let names: Vec<_> = parameters(head).map(|(name, _)| foreign(&name)).collect();
        match self.place(head) {
            Some(Place::Redirect(_)) => format!("{} with {}", self.redirect_path, names.join(" ")),
            Some(Place::Start) => "/start".into(),
            Some(Place::Outcome) => "/done".into(),
            None => "an unknown path".into(),
        }
    }
}

/// What is to be doubted after `decision`. Only the first one to follow the start link got anything, so it depends on
/// whose that was: a person's own double click is no reason for a question.
pub(super) fn doubt(decision: &Decision, first: Option<Owner>) -> Option<Doubt> {
    match (decision, first?) {
        (Decision::Start, Owner::Other { uid }) => Some(Doubt::OtherUser { uid }),
        (Decision::Refuse(Refusal::StartUsed), Owner::Unknown) => Some(Doubt::TwoBrowsers),
        _ => None,
    }
}

/// Decides, and changes nothing.
pub(super) fn decide(rules: &Rules, progress: &Progress, head: &Parts) -> Decision {
    judge(rules, progress, head).unwrap_or_else(Decision::Refuse)
}

fn judge(rules: &Rules, progress: &Progress, head: &Parts) -> Result<Decision, Refusal> {
    if head.method != Method::GET {
        let posted = head.method == Method::POST && matches!(rules.place(head), Some(Place::Redirect(_)));
        return Err(if posted { Refusal::FormPost } else { Refusal::Method });
    }
    check_addressee(rules, head)?;
    let place = rules.place(head).ok_or(Refusal::UnknownPath)?;
    check_navigation(&head.headers)?;
    match place {
        Place::Outcome if progress.answered.is_none() => Err(Refusal::UnknownPath),
        Place::Outcome => Ok(Decision::Outcome),
        Place::Start => start(progress, head),
        Place::Redirect(expected) => {
            let (answer, fingerprint) = judge_answer(expected, head)?;
            match progress.answered {
                None => Ok(Decision::Accept(Box::new(answer), fingerprint)),
                Some(accepted) if accepted == fingerprint => Ok(Decision::Done),
                Some(_) => Err(Refusal::SecondAnswer),
            }
        }
    }
}

/// A page whose own host name was rebound to 127.0.0.1 still sends that name (CVE-2025-66414 and its kin), and a client
/// that takes us for a proxy sends the whole URL.
fn check_addressee(rules: &Rules, head: &Parts) -> Result<(), Refusal> {
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        return Err(Refusal::AbsoluteTarget);
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).ok_or(Refusal::Host)?;
    let ours = ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| {
        // Browsers leave out the port that the scheme implies.
        host.strip_prefix(name).is_some_and(|port| {
            port.strip_prefix(':') == Some(rules.port.to_string().as_str()) || (port.is_empty() && rules.port == 80)
        })
    });
    if ours && hosts.next().is_none() { Ok(()) } else { Err(Refusal::Host) }
}

/// Only a person's own navigation counts: not an image, frame, script or `fetch`, and not a page loaded on suspicion,
/// which would use up the start link or the code before anybody has clicked. Browsers that send none of these headers
/// (and `curl`) pass.
fn check_navigation(headers: &HeaderMap) -> Result<(), Refusal> {
    let purposes = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
    if purposes.iter().any(|name| headers.contains_key(*name)) {
        return Err(Refusal::Speculative);
    }
    let only = |name: &'static str, wanted: &str| {
        headers.get_all(HeaderName::from_static(name)).iter().all(|value| value == wanted)
    };
    if only("sec-fetch-mode", "navigate") && only("sec-fetch-dest", "document") {
        Ok(())
    } else {
        Err(Refusal::NotNavigation)
    }
}

fn start(progress: &Progress, head: &Parts) -> Result<Decision, Refusal> {
    let Some(browser) = &progress.browser else { return Ok(Decision::Start) };
    let known = head
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split("; "))
        .filter_map(|cookie| cookie.split_once('='))
        .any(|(name, value)| name == START_COOKIE && browser.matches(value));
    match (known, progress.answered) {
        (false, _) => Err(Refusal::StartUsed),
        (true, None) => Ok(Decision::StartAgain),
        (true, Some(_)) => Ok(Decision::Done),
    }
}

/// Judges an authorization response (RFC 6749 §4.1.2, RFC 9207 §2.4).
///
/// `state` comes first, and nothing else is looked at before it: without it, anybody could end the attempt.
fn judge_answer(expected: &ExpectedAnswer, head: &Parts) -> Result<(Answer, Fingerprint), Refusal> {
    let two = |name: &'static str| {
        let mut values = parameters(head).filter(move |(given, _)| given == name).map(|(_, value)| value);
        (values.next(), values.next())
    };
    match two("state") {
        (Some(state), None) if expected.state.matches(&state) => {}
        _ => return Err(Refusal::WrongState),
    }
    let one = |name| match two(name) {
        (_, Some(_)) => Err(Refusal::Malformed), // RFC 6749 §3.1: parameters must not be included more than once
        (value, None) => Ok(value),
    };
    let (code, iss, error) = (one("code")?, one("iss")?, one("error")?);
    let (description, uri) = (one("error_description")?, one("error_uri")?);
    if code.is_some() && error.is_some() {
        return Err(Refusal::Malformed);
    }
    let print = |kind: &str, text: &str| fingerprint(&format!("{kind}={text}"));
    // Before `iss`: what is no answer at all must not end the wait, whatever else it says or leaves out.
    let (callback, fingerprint) = match (code, error) {
        (_, Some(error)) if !error.is_empty() => {
            let print = print("error", &error);
            let description = description.filter(|text| !text.is_empty()).map(|text| quotable(&text));
            (Callback::Refused { error: quotable(&error), description, uri: uri.and_then(web_page) }, print)
        }
        (Some(code), _) if (1..=CODE_MAX).contains(&code.len()) && code.bytes().all(is_vschar) => {
            let print = print("code", &code);
            (Callback::Code { code: Secret::new(code) }, print)
        }
        _ => return Err(Refusal::Malformed),
    };
    match iss {
        // The mix-up defence: another provider's answer, however good it looks, must not reach our token endpoint.
        Some(iss) if iss != expected.issuer => {
            let print = print("iss", &iss);
            let received = foreign(&iss);
            Ok((Err(CallbackError::Issuer { expected: expected.issuer.clone(), received }), print))
        }
        None if expected.iss_promised => {
            Ok((Err(CallbackError::IssuerMissing { expected: expected.issuer.clone() }), fingerprint))
        }
        _ => Ok((Ok(callback), fingerprint)),
    }
}

/// The query's parameters, decoded. What is not UTF-8 becomes U+FFFD, which no rule below lets through.
fn parameters(head: &Parts) -> impl Iterator<Item = (String, String)> {
    let query = head.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

fn fingerprint(text: &str) -> Fingerprint {
    Sha256::digest(text).into()
}

/// RFC 6749 appendix A: VSCHAR.
fn is_vschar(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

/// A provider's words, made to match NQSCHAR (RFC 6749 appendix A) whatever they were, as the workforce OIDC
/// requirements demand of everything that is shown. Refusing them whole would hide what Entra says about a missing
/// assignment, because its descriptions contain line breaks and quotes.
fn quotable(text: &str) -> String {
    let allowed = |c: char| match c {
        '"' => '\'',
        c if is_nqschar(c) => c,
        c if c.is_whitespace() => ' ',
        _ => '?',
    };
    text.chars().map(allowed).take(ERROR_TEXT_MAX).collect()
}

/// A provider's help page: a valid http(s) URL without user information, or nothing.
fn web_page(text: String) -> Option<String> {
    let allowed = |c| c != ' ' && is_nqschar(c);
    let url = Url::parse(&text).ok().filter(|_| text.len() <= ERROR_TEXT_MAX && text.chars().all(allowed))?;
    (matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()).then_some(text)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
