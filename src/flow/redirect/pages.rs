//! The pages a browser may see, and the headers that every response carries.
//!
//! Each page is one document: no script, no font, no picture from elsewhere, so that nobody learns of the sign-in and
//! the content policy can forbid everything but the one style sheet, by its hash. Nothing of a request is ever
//! repeated on a page.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, HeaderName, Response, StatusCode};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest, Sha256};

use super::Outcome;
use crate::ui::foreign;

const STYLE: &str = include_str!("page.css");

const CHECK: &str = r#"<path d="M4.5 12.5l5 5 10-11"/>"#;
const CROSS: &str = r#"<path d="M6 6l12 12M18 6L6 18"/>"#;
const CLOCK: &str = r#"<circle cx="12" cy="12" r="9.5"/><path d="M12 6.5V12l3.5 2.5"/>"#;
const PROMPT: &str = r#"<path d="M4 6l6 6-6 6M13 18.5h7"/>"#;

/// The final page: what really became of the sign-in.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::SignedIn { who, issuer_host } => {
            let (who, host) = (escape(&foreign(who)), escape(&foreign(issuer_host)));
            let heading = format!("Signed in as <bdi>{who}</bdi>");
            let body = format!(
                "<p class=\"where\">at <bdi>{host}</bdi></p>\n\
                 <p>Your terminal has the session. The database has not been asked yet: it decides when you connect.</p>\n\
                 <p class=\"close\">You can close this tab.</p>"
            );
            document("good", CHECK, "status", "Signed in", &heading, &body)
        }
        Outcome::Failed { what, todo } => {
            let body = format!(
                "<p>{}</p>\n<dl><dt>What to do</dt><dd>{}</dd></dl>\n\
                 <p class=\"close\">Your terminal says the same. You can close this tab.</p>",
                prose(what),
                prose(todo)
            );
            document("bad", CROSS, "alert", "Sign-in failed", "Sign-in failed", &body)
        }
    }
}

/// For a browser that has waited long for the outcome. It claims nothing that is not known.
pub(super) fn working() -> String {
    let body = "<p>Your answer has arrived, and the session is still being fetched from the identity provider. \
                Your terminal shows how it ends.</p>\n<p class=\"close\">You can close this tab.</p>";
    document("wait", CLOCK, "status", "Still working", "Still working", body)
}

/// For every request that is turned away, whatever the reason: a page that tries paths or guesses a state learns
/// nothing, and a person who got here by accident learns where to look.
pub(super) fn neutral() -> String {
    let body = "<p>A command-line program, <code>mdb-login</code>, is waiting at this address for somebody to sign in. \
                This page is not part of that.</p>\n\
                <p>If it was you who started it, look at your terminal: it shows the link to open.</p>";
    document("none", PROMPT, "note", "Nothing to see here", "Nothing to see here", body)
}

fn document(tone: &str, mark: &str, role: &str, title: &str, heading: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\" class=\"{tone}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title} · mdb-login</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <svg viewBox=\"0 0 24 24\" aria-hidden=\"true\">{mark}</svg>\n\
         <div role=\"{role}\">\n<h1>{heading}</h1>\n{body}\n</div>\n</main>\n<footer>mdb-login</footer>\n</body>\n</html>\n"
    )
}

/// Escapes plain text, sets what stands in backticks as code, and makes a sentence of it: messages of this program are
/// written for a terminal, lower-case and without a full stop.
fn prose(text: &str) -> String {
    let mut html = String::new();
    let mut pieces = text.split('`').peekable();
    let mut is_code = false;
    while let Some(piece) = pieces.next() {
        match (is_code, pieces.peek()) {
            (true, Some(_)) => _ = write!(html, "<code>{}</code>", escape(piece)),
            (true, None) => _ = write!(html, "`{}", escape(piece)), // a lone backtick is only that
            (false, _) => html.push_str(&escape(piece)),
        }
        is_code = !is_code;
    }
    if let Some(first) = html.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if text.ends_with(|c: char| c.is_alphanumeric() || "`)'".contains(c)) {
        html.push('.');
    }
    html
}

/// Makes text inert in HTML, both between tags and within a quoted attribute.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// A response with a page.
pub(super) fn page(status: StatusCode, html: String) -> Response<Body> {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    guard(response.headers_mut());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// A response that only sends the browser on.
pub(super) fn send_on(status: StatusCode, location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    guard(response.headers_mut());
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn guard(headers: &mut HeaderMap) {
    const FIXED: [(HeaderName, &str); 7] = [
        // The code and the state must reach neither a cache nor the next page's Referer (RFC 9700 §4.2.4, §4.3.1).
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        // A kept connection would outlive the attempt and hold up closing the port.
        (header::CONNECTION, "close"),
    ];
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        BASE64_STANDARD.encode(Sha256::digest(STYLE))
    );
    // Base64 and the text above are visible ASCII, of which every header value may be made.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [String; 4] {
        [
            outcome(&Outcome::SignedIn { who: "ada@example.com".into(), issuer_host: "login.example.com".into() }),
            outcome(&Outcome::Failed { what: "it broke".into(), todo: "run `mdb-login login`".into() }),
            working(),
            neutral(),
        ]
    }

    #[test]
    fn pages_refer_to_nothing_outside_themselves() {
        for html in all() {
            for reference in ["http:", "https:", "//", "src=", "href=", "url(", "@import", "<script", "<link", "style="]
            {
                assert!(!html.contains(reference), "{reference} in {html}");
            }
        }
    }

    #[test]
    fn the_style_is_what_the_policy_allows() {
        let response = page(StatusCode::OK, neutral());
        let policy = response.headers().get("content-security-policy").unwrap().to_str().unwrap();
        for html in all() {
            let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
            assert!(policy.contains(&format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(style)))));
        }
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
    }

    #[test]
    fn foreign_text_is_inert() {
        let hostile = "<script>alert(1)</script>\"'&\u{202e}\u{1b}[2J";
        let html = outcome(&Outcome::SignedIn { who: hostile.into(), issuer_host: hostile.into() });
        assert!(!html.contains("<script"));
        assert!(!html.contains(['\u{202e}', '\u{1b}']));
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\u{202e}\\u{1b}[2J"));
        let html = outcome(&Outcome::Failed { what: hostile.into(), todo: format!("`{hostile}`") });
        assert!(!html.contains("<script"));
    }

    #[test]
    fn messages_become_sentences_and_backticks_code() {
        let cases = [
            ("run `a <b>` now", "Run <code>a &lt;b&gt;</code> now."),
            ("`a` or `b`", "<code>a</code> or <code>b</code>."),
            ("it`s done!", "It`s done!"),
            ("états", "états."),
            ("", ""),
        ];
        for (text, html) in cases {
            assert_eq!(prose(text), html);
        }
    }
}
