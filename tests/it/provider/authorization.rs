//! What the authorization endpoint lets pass, what it sends back to the client, and what it tells the person only.

use serde_json::json;

use super::*;
use crate::support::browser::Browser;
use crate::support::idp::{Patch, ResponseIss};

#[test]
fn a_good_request_gets_a_code_with_state_and_issuer() {
    let idp = quick();
    let answer = authorize(&idp, &good_request());
    assert_eq!(answer.status, 303);
    assert!(answer.header("location").unwrap().starts_with(&format!("{REDIRECT}?")));
    assert_eq!(redirected(&answer, "state").as_deref(), Some("the-state"));
    assert_eq!(redirected(&answer, "iss").as_deref(), Some(idp.issuer()));
    assert_eq!(idp.counters().codes_issued, 1);
}

#[test]
fn without_a_believable_client_nothing_is_sent_anywhere() {
    let cases: &[(&str, &[Change])] = &[
        ("no client", &[("client_id", None)]),
        ("unknown client", &[("client_id", Some("somebody"))]),
        ("no redirect URI", &[("redirect_uri", None)]),
        ("another path", &[("redirect_uri", Some("http://localhost:27097/other"))]),
        ("a slash more", &[("redirect_uri", Some("http://localhost:27097/redirect/"))]),
        ("another host", &[("redirect_uri", Some("http://evil.example:27097/redirect"))]),
        ("a host that begins alike", &[("redirect_uri", Some("http://localhost.evil.example:27097/redirect"))]),
        ("a user name", &[("redirect_uri", Some("http://localhost:1@evil.example/redirect"))]),
        ("https", &[("redirect_uri", Some("https://localhost:27097/redirect"))]),
        ("a query", &[("redirect_uri", Some("http://localhost:27097/redirect?x=1"))]),
        ("a fragment", &[("redirect_uri", Some("http://localhost:27097/redirect#x"))]),
    ];
    let idp = quick();
    for (name, changes) in cases {
        let answer = authorize(&idp, &change(good_request(), changes));
        assert_eq!((answer.status, answer.header("location")), (400, None), "{name}");
    }
    let twice = [good_request(), fields(&[("redirect_uri", "http://localhost:1/redirect")])].concat();
    assert_eq!(authorize(&idp, &twice).status, 400, "redirect_uri twice");
    assert_eq!(idp.counters().codes_issued, 0);
}

#[test]
fn mistakes_go_back_to_the_client_as_errors() {
    let cases: &[(&[Change], &str)] = &[
        (&[("response_type", None)], "invalid_request"),
        (&[("response_type", Some("token"))], "unsupported_response_type"),
        (&[("response_type", Some("code id_token"))], "unsupported_response_type"),
        (&[("response_mode", Some("form_post"))], "invalid_request"),
        (&[("code_challenge", None)], "invalid_request"),
        (&[("code_challenge", Some("short"))], "invalid_request"),
        (&[("code_challenge_method", None)], "invalid_request"),
        (&[("code_challenge_method", Some("plain"))], "invalid_request"),
        (&[("state", None)], "invalid_request"),
        (&[("scope", None)], "invalid_scope"),
        (&[("scope", Some("offline_access"))], "invalid_scope"),
        (&[("scope", Some("openid root"))], "invalid_scope"),
        (&[("scope", Some("openid openid"))], "invalid_scope"),
        (&[("scope", Some("openid  email"))], "invalid_scope"),
        (&[("prompt", Some("none login"))], "invalid_request"),
        (&[("prompt", Some("maybe"))], "invalid_request"),
        (&[("max_age", Some("soon"))], "invalid_request"),
        (&[("resource", Some("https://other.example"))], "invalid_target"),
        (&[("request", Some("eyJ"))], "request_not_supported"),
        (&[("request_uri", Some("urn:x"))], "request_uri_not_supported"),
        (&[("client_secret", Some("oops"))], "invalid_request"),
        (&[("code_verifier", Some(VERIFIER))], "invalid_request"),
        (&[("shiny", Some("1"))], "invalid_request"),
    ];
    let idp = quick();
    for (changes, error) in cases {
        let answer = authorize(&idp, &change(good_request(), changes));
        assert_eq!(redirected(&answer, "error").as_deref(), Some(*error), "{changes:?}");
        assert_eq!(redirected(&answer, "code"), None, "{changes:?}");
        assert_eq!(redirected(&answer, "iss").as_deref(), Some(idp.issuer()), "{changes:?}");
    }
    assert_eq!(idp.counters().codes_issued, 0);
}

#[test]
fn strictness_yields_where_a_test_says_so() {
    let idp = quick();
    idp.change(|behaviour| behaviour.extra_parameters.push("shiny".into()));
    let answer = authorize(&idp, &change(good_request(), &[("shiny", Some("1"))]));
    assert!(redirected(&answer, "code").is_some());

    idp.change(|behaviour| behaviour.clients[0].any_loopback_port = false);
    assert_eq!(authorize(&idp, &good_request()).status, 400, "the port is not the registered one");
    let registered = [("redirect_uri", Some("http://localhost:27097/redirect"))];
    assert_eq!(authorize(&idp, &change(good_request(), &registered)).status, 303);
}

#[test]
fn offline_access_can_need_the_persons_consent() {
    let idp = quick();
    idp.change(|behaviour| behaviour.offline_access_needs_consent = true);
    assert!(tokens(&idp).get("refresh_token").is_some(), "`prompt=consent` is in a good request");
    let answer = authorize(&idp, &change(good_request(), &[("prompt", None)]));
    let code = redirected(&answer, "code").unwrap();
    let answer = post(&idp, Endpoint::Token, &good_redemption(&code)).json();
    assert_eq!(answer.get("refresh_token"), None);
    assert_eq!(answer["scope"], "openid");
}

#[test]
fn the_response_can_lie() {
    let idp = quick();
    idp.change(|behaviour| behaviour.response_iss = ResponseIss::Wrong("https://evil.example".into()));
    assert_eq!(redirected(&authorize(&idp, &good_request()), "iss").as_deref(), Some("https://evil.example"));
    idp.change(|behaviour| behaviour.response_iss = ResponseIss::Missing);
    assert_eq!(redirected(&authorize(&idp, &good_request()), "iss"), None);
    idp.change(|behaviour| behaviour.authorization_response = json!({ "state": ["one", "two"], "code": null }).into());
    let answer = authorize(&idp, &good_request());
    assert!(answer.header("location").unwrap().ends_with("?state=one&state=two"), "{answer:?}");
    idp.change(|behaviour| {
        behaviour.authorization_response = Patch::none();
        behaviour.sign_in = SignIn::Refuse("temporarily_unavailable".into());
    });
    assert_eq!(redirected(&authorize(&idp, &good_request()), "error").as_deref(), Some("temporarily_unavailable"));
}

#[test]
fn a_person_signs_in_or_refuses_on_the_page() {
    let idp = Idp::start();
    let url = Url::parse_with_params(&idp.url(Endpoint::Authorization), good_request()).unwrap();
    let mut browser = Browser::new();
    let page = browser.open(url.as_str());
    assert_eq!((page.status(), page.title().as_str()), (200, "Sign in"));
    assert!(
        page.text().contains("mongodb-tools asks who you are. It wants: openid, offline_access."),
        "{}",
        page.text()
    );

    // Nobody listens at the redirect URI here, so the way ends there without an answer.
    let yes = browser.submit(&page, &[("user", "grace"), ("decision", "allow")]);
    let code = redirected(&yes.hops[0].answer, "code").unwrap();
    assert!(yes.failure.is_some());
    let again = browser.submit(&page, &[("user", "grace"), ("decision", "allow")]);
    assert_eq!(again.status(), 400, "a page is good for one decision");

    let answer = post(&idp, Endpoint::Token, &good_redemption(&code)).json();
    assert_eq!(crate::support::idp::jwt::claims(text(&answer, "id_token"))["sub"], "00u-grace");

    let no = browser.deny(url.as_str());
    assert_eq!(redirected(&no.hops[1].answer, "error").as_deref(), Some("access_denied"));
}

#[test]
fn silent_sign_in_needs_a_session() {
    let idp = Idp::start();
    let answer = authorize(&idp, &change(good_request(), &[("prompt", Some("none"))]));
    assert_eq!(redirected(&answer, "error").as_deref(), Some("login_required"));
}
