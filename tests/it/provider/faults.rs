//! Ordered trouble, and the log that tells what happened.

use std::time::{Duration, Instant};

use super::*;
use crate::support::idp::{Answer, Reply};
use crate::support::peer::parameters::veil;

/// Sends a refresh, and gives the answer or how it broke.
fn try_refresh(idp: &Idp, refresh_token: &str) -> Result<Exchange, String> {
    let body = format!("grant_type=refresh_token&client_id={CLIENT_ID}&refresh_token={refresh_token}");
    let headers = fields(&[("Content-Type", "application/x-www-form-urlencoded")]);
    let url = Url::parse(&idp.url(Endpoint::Token)).unwrap();
    send("POST", &url, &headers, Some(body.as_bytes())).map_err(|error| error.to_string())
}

#[test]
fn a_script_is_followed_in_order_and_then_forgotten() {
    let idp = quick();
    let first = tokens(&idp);
    let token = text(&first, "refresh_token");
    let busy = Reply::new(429, "text/plain", "later").header("retry-after", "7");
    idp.script(Endpoint::Token, [Answer::Instead(busy), Answer::Instead(Reply::html(502, "<h1>Bad gateway"))]);
    let answer = try_refresh(&idp, token).unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    let answer = try_refresh(&idp, token).unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("text/html; charset=utf-8")));
    assert_eq!(idp.counters().refreshes, 0, "neither was carried out");
    assert_eq!(try_refresh(&idp, token).unwrap().status, 200);
    assert_eq!((idp.grants("refresh_token"), idp.grants("authorization_code")), (3, 1));

    idp.always(Endpoint::Token, Answer::Instead(Reply::html(503, "")));
    assert_eq!(try_refresh(&idp, token).unwrap().status, 503);
    assert_eq!(try_refresh(&idp, token).unwrap().status, 503);
    idp.be_honest();
    assert_eq!(verdict(&try_refresh(&idp, token).unwrap()), "400 invalid_grant", "used above");
}

#[test]
fn a_connection_breaks_before_or_after_the_work_is_done() {
    let idp = quick();
    let first = tokens(&idp);
    let token = text(&first, "refresh_token");
    idp.script(Endpoint::Token, [Answer::DropBefore]);
    assert!(try_refresh(&idp, token).is_err());
    assert_eq!(idp.counters().refreshes, 0);
    idp.script(Endpoint::Token, [Answer::DropAfter]);
    assert!(try_refresh(&idp, token).is_err());
    assert_eq!(idp.counters().refreshes, 1);
    assert_eq!(idp.log().last().unwrap().status, None);

    let second = tokens(&idp);
    idp.script(Endpoint::Token, [Answer::CutAfter(20)]);
    let cut = try_refresh(&idp, text(&second, "refresh_token"));
    assert_eq!(cut.unwrap_err(), "body cut short");
    assert_eq!(idp.counters().refreshes, 2);

    let third = tokens(&idp);
    idp.script(Endpoint::Token, [Answer::Processed(Reply::html(504, "too late"))]);
    assert_eq!(try_refresh(&idp, text(&third, "refresh_token")).unwrap().status, 504);
    assert_eq!(idp.counters().refreshes, 3);
}

#[test]
fn answers_can_be_late_slow_or_endless() {
    let idp = quick();
    let url = idp.url(Endpoint::Jwks);
    let size = get(&url).body.len();
    let pause = Duration::from_millis(150);
    let start = Instant::now();
    idp.script(Endpoint::Jwks, [Answer::Delay(pause)]);
    assert_eq!(get(&url).body.len(), size);
    assert!(start.elapsed() >= pause);

    let start = Instant::now();
    idp.script(Endpoint::Jwks, [Answer::Trickle(Duration::from_millis(1))]);
    assert_eq!(get(&url).body.len(), size);
    assert!(start.elapsed() >= Duration::from_millis(size as u64));

    idp.script(Endpoint::Jwks, [Answer::Flood(3_000_000)]);
    assert_eq!(get(&url).body.len(), 3_000_000);
}

#[test]
fn the_port_can_be_closed_and_opened_again() {
    let idp = quick();
    idp.set_up(false);
    let url = Url::parse(&idp.url(Endpoint::Jwks)).unwrap();
    assert!(send("GET", &url, &[], None).is_err());
    idp.set_up(true);
    assert_eq!(get(url.as_str()).status, 200);
    assert_eq!(idp.requests(Endpoint::Jwks), 1);
}

#[test]
fn the_log_tells_everything_but_secrets() {
    let idp = quick();
    let first = tokens(&idp);
    refresh(&idp, text(&first, "refresh_token"));
    let log = format!("{:?}", idp.log());
    for secret in idp.secrets() {
        assert!(!log.contains(&secret), "{secret}");
    }
    // The code, and twice an access, an ID and a refresh token.
    assert_eq!(idp.secrets().len(), 7);
    let last = idp.log().pop().unwrap();
    assert_eq!((last.endpoint, last.method.as_str(), last.status), (Endpoint::Token, "POST", Some(200)));
    assert_eq!(last.parameters["grant_type"], "refresh_token");
    assert_eq!(last.parameters["refresh_token"], veil(text(&first, "refresh_token")));
    assert!(!log.contains(VERIFIER));
}
