//! Providers and networks that fail: what ends a session (the provider's definite word), and what never does.

use std::time::Duration;

use serde_json::json;

use crate::cases::each;
use crate::signed_in::{SignedIn, sign_in, unix_now};
use crate::support::idp::{Answer, Endpoint, Patch, Reply, Rotation};

fn refusal(status: u16, error: &str) -> Answer {
    Answer::Instead(Reply::json(status, &json!({ "error": error, "error_description": "as ordered" })))
}

#[test]
fn a_session_that_the_provider_has_ended_is_said_to_be_over_and_the_provider_left_alone() {
    let ada = SignedIn::stale();
    ada.idp.end_all_sessions();
    ada.run(["token"]).is("
        exit 4
        --- stderr
        error: the session for `[ISSUER]` has ended
          caused by: the provider says `invalid_grant`: this session has ended
        hint: run `mdb-login login`
    ");
    assert!(ada.record().is_none(), "the dead token is still there");
    let asked = ada.requests();
    for arguments in [&["token"][..], &["token", "--force-refresh"], &["status", "--check"]] {
        let outcome = ada.run(arguments).exits(4);
        assert!(outcome.stderr().contains("`invalid_grant`: this session has ended"), "{outcome:?}");
        assert_eq!(outcome.stdout(), "");
    }
    let status = ada.run(["status"]).exits(4);
    assert!(status.stdout().contains(" s ago: the provider says `invalid_grant`"), "{status:?}");
    assert_eq!(ada.requests(), asked, "asked again with a dead token");

    sign_in(&ada.sandbox, &[]);
    ada.token();
}

/// Which of the provider's words end a session, and which exit code each has.
#[test]
fn only_words_that_ask_for_the_person_end_a_session() {
    let rows = [
        (400, "invalid_grant", 4, true),
        (400, "interaction_required", 4, true),
        (400, "consent_required", 4, true),
        (400, "login_required", 4, true),
        (200, "invalid_grant", 4, true),
        (401, "invalid_client", 3, false),
        (400, "unauthorized_client", 3, false),
        (400, "invalid_scope", 3, false),
        (400, "invalid_target", 3, false),
        (400, "invalid_request", 3, false),
        (403, "access_denied", 5, false),
        (400, "unheard_of", 5, false),
        (400, "temporarily_unavailable", 7, false),
        (400, "server_error", 7, false),
        (500, "invalid_grant", 7, false),
        (429, "slow_down", 5, false),
    ];
    each(rows, |(status, error, exit, ended)| {
        let ada = SignedIn::stale();
        ada.idp.always(Endpoint::Token, refusal(status, error));
        let outcome = ada.run(["token"]).exits(exit);
        assert_eq!(outcome.stdout(), "", "{error}");
        if status < 500 {
            assert!(outcome.stderr().contains(&format!("`{error}`")), "{outcome:?}");
        }
        assert_eq!(ada.record().is_none(), ended, "{status} {error}");
        ada.idp.be_honest();
        if !ended {
            ada.token();
            ada.nothing_was_reused();
        }
    });
}

/// What a network may put in the provider's place. None of it costs the session.
#[test]
fn a_provider_that_does_not_answer_properly_never_costs_the_session() {
    let page = |status: u16| Reply::html(status, "<html><h1>Welcome to the hotel</h1></html>");
    let after = |reply: Reply, value: &str| reply.header("retry-after", value);
    // How often the provider is asked: after a 5xx once more, as it may have been the load balancer's; after an answer
    // that cannot be read once more; after "later" or an own word about when, not again.
    let rows = [
        (page(500), 7, "answered with status 500", 2),
        (page(502), 7, "answered with status 502", 2),
        (page(511), 7, "answered with status 511", 2),
        (after(page(503), "7"), 7, "hint: try again in 7 s, as the provider asks", 1),
        (after(page(429), "7"), 7, "hint: try again in 7 s, as the provider asks", 1),
        (page(429), 7, "answered with status 429", 1),
        (page(403), 7, "answered with status 403", 1),
        (page(404), 7, "answered with status 404", 1),
        (page(200), 7, "cannot be read: it is not valid JSON", 2),
        (Reply::new(200, "application/json", ""), 7, "cannot be read", 2),
        (Reply::new(200, "application/json", "null"), 7, "cannot be read", 2),
        (Reply::new(200, "application/json", "[]"), 7, "cannot be read", 2),
        (Reply::new(200, "application/json", "{\"a\":1,\"a\":2}"), 7, "a key occurs twice", 2),
        (Reply::new(400, "text/plain", "no"), 7, "answered with status 400", 1),
        (page(302).header("location", "http://portal.example.net/in?x=1"), 10, "redirects to `portal.example.net`", 1),
        (page(307).header("location", "/token2"), 10, "redirects to `/token2`", 1),
    ];
    each(rows, |(reply, exit, part, posts)| {
        let ada = SignedIn::stale();
        let before = ada.refresh_token();
        ada.idp.always(Endpoint::Token, Answer::Instead(reply));
        let outcome = ada.run(["token"]).exits(exit);
        assert!(outcome.text().contains(part), "no `{part}` in:\n{outcome:?}");
        assert_eq!((outcome.stdout().as_str(), ada.refreshes()), ("", posts), "{part}");
        assert_eq!(ada.refresh_token(), before);
    });
}

#[test]
fn answers_without_end_are_cut_off() {
    let mut ada = SignedIn::stale();
    ada.sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "2s");
    ada.idp.always(Endpoint::Token, Answer::Flood(1_000_000_000));
    let outcome = ada.run(["token"]).exits(10);
    assert!(outcome.text().contains("is larger than 262144 bytes"), "{outcome:?}");
    ada.idp.be_honest();
    ada.idp.always(Endpoint::Token, Answer::Trickle(Duration::from_secs(1)));
    let outcome = ada.run(["token"]).exits(7);
    assert!(outcome.took < Duration::from_secs(7), "{:?}", outcome.took);
}

#[test]
fn a_server_error_that_passes_is_waited_out() {
    let ada = SignedIn::stale();
    ada.idp.script(Endpoint::Token, [Answer::Instead(Reply::html(503, ""))]);
    let outcome = ada.run(["token"]).exits(0);
    assert_eq!((outcome.stderr().as_str(), ada.refreshes()), ("", 2));
    assert!(outcome.took >= Duration::from_secs(2), "{:?}", outcome.took);
}

/// The warning is one line, and the person's work goes on.
#[test]
fn a_token_that_is_still_good_is_handed_out_when_it_cannot_be_renewed() {
    let ada = SignedIn::new();
    let token = ada.token();
    ada.idp.set_up(false);
    let asking = ["token", "--min-ttl", "2h"];
    let outcome = ada.run(asking);
    assert!(outcome.took < Duration::from_secs(2), "{:?}", outcome.took);
    let outcome = outcome.exits(0);
    assert_eq!(outcome.stdout(), token);
    let said = outcome.text().split_once("--- stderr\n").unwrap().1.to_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("warning: using the current token, because it could not be renewed: "), "{said}");

    // The same where the provider answers, and says no for now; it is then asked once, not twice.
    ada.idp.set_up(true);
    let before = ada.refreshes();
    ada.idp.always(Endpoint::Token, Answer::Instead(Reply::html(502, "")));
    let outcome = ada.run(asking).exits(0);
    assert_eq!((outcome.stdout(), ada.refreshes()), (token.clone(), before + 1));
    assert!(outcome.stderr().contains("answered with status 502"), "{outcome:?}");
    assert_eq!(outcome.stderr().lines().count(), 1);

    // Who says that the server has refused the token does not want it again.
    ada.run(["token", "--force-refresh"]).exits(7);
    ada.idp.be_honest();
    assert_ne!(ada.run(["token", "--force-refresh"]).exits(0).stdout(), token);
    ada.nothing_was_reused();
}

#[test]
fn without_a_good_token_a_provider_that_is_down_means_try_again() {
    let ada = SignedIn::stale();
    let before = ada.refresh_token();
    ada.idp.set_up(false);
    for _ in 0..2 {
        let outcome = ada.run(["token"]).exits(7);
        assert!(outcome.took < Duration::from_secs(5), "{:?}", outcome.took);
        let said = outcome.text().to_owned();
        assert!(said.starts_with("exit 7\n--- stderr\nerror: cannot renew the session at `[ISSUER]`\n  caused by: "));
        assert!(
            said.ends_with("hint: check the network and the proxy, then try again; the session is kept\n"),
            "{said}"
        );
    }
    let error = ada.run(["token", "--json"]).exits(7);
    let object: serde_json::Value = serde_json::from_slice(&error.stderr).unwrap();
    assert_eq!((&object["error"]["code"], &object["error"]["retryable"]), (&json!("unavailable"), &json!(true)));
    assert_eq!(ada.refresh_token(), before);
    ada.idp.set_up(true);
    ada.token();
    ada.nothing_was_reused();
}

/// `Retry-After` is a word to this computer, not to one process.
#[test]
fn a_provider_that_asks_to_be_left_alone_is_left_alone_by_everybody() {
    let ada = SignedIn::stale();
    let busy = Reply::html(429, "").header("retry-after", "40");
    ada.idp.script(Endpoint::Token, [Answer::Instead(busy)]);
    let crowd: Vec<_> = (0..10).map(|_| ada.spawn(["token"])).collect();
    for one in crowd {
        let outcome = one.wait().exits(7);
        let left = outcome.stderr();
        let left = left.split_once("hint: try again in ").unwrap().1.split(' ').next().unwrap().parse::<u64>().unwrap();
        assert!((30..=40).contains(&left), "{outcome:?}");
    }
    ada.run(["token", "--force-refresh"]).exits(7);
    assert_eq!(ada.refreshes(), 1);
    // A new sign-in starts afresh.
    sign_in(&ada.sandbox, &[]);
    ada.token();
}

#[test]
fn a_provider_that_asks_to_be_left_alone_is_asked_again_afterwards() {
    let rows = [("1", 1), ("0", 0), ("-5", 0), ("garbage", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 0)];
    each(rows, |(value, pause)| {
        let ada = SignedIn::stale();
        let busy = Reply::html(429, "").header("retry-after", value);
        ada.idp.script(Endpoint::Token, [Answer::Instead(busy)]);
        ada.run(["token"]).exits(7);
        std::thread::sleep(Duration::from_millis(1100 * pause));
        ada.token();
        assert_eq!(ada.refreshes(), 2, "{value}");
    });
    // An hour at most: more is a mistake, or an attempt to lock people out.
    let ada = SignedIn::stale();
    let busy = Reply::html(503, "").header("retry-after", "99999999");
    ada.idp.script(Endpoint::Token, [Answer::Instead(busy)]);
    let outcome = ada.run(["token"]).exits(7);
    assert!(outcome.stderr().contains("try again in 3600 s"), "{outcome:?}");
}

/// Noted while this computer's clock was ahead, it would lock people out for as long as the clock was wrong.
#[test]
fn a_word_that_would_last_for_more_than_an_hour_is_not_believed() {
    let ada = SignedIn::stale();
    let mut entry: serde_json::Value = serde_json::from_slice(&std::fs::read(ada.file("json")).unwrap()).unwrap();
    for (ahead, exit) in [(3500, 7), (3700, 0)] {
        entry["not_before"] = json!(unix_now() + ahead);
        std::fs::write(ada.file("json"), entry.to_string()).unwrap();
        ada.run(["token"]).exits(exit);
    }
}

#[test]
fn a_good_token_is_handed_out_while_another_process_holds_the_session() {
    let mut ada = SignedIn::new();
    let token = ada.token();
    ada.sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "1s");
    let lock = std::fs::File::open(ada.file("lock")).unwrap();
    lock.lock().unwrap();
    let outcome = ada.run(["token", "--min-ttl", "2h"]).exits(0);
    assert_eq!(outcome.stdout(), token);
    let said = outcome.stderr();
    assert!(said.starts_with("warning: using the current token, because it could not be renewed: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    ada.run(["token", "--force-refresh"]).exits(6);
    assert_eq!(ada.refreshes(), 0);
}

#[test]
fn a_good_token_is_handed_out_while_the_provider_wants_to_be_left_alone() {
    let ada = SignedIn::new();
    let busy = Reply::html(429, "").header("retry-after", "40");
    ada.idp.script(Endpoint::Token, [Answer::Instead(busy)]);
    for _ in 0..2 {
        let outcome = ada.run(["token", "--min-ttl", "2h"]).exits(0);
        assert_eq!(outcome.stderr().lines().count(), 1, "{outcome:?}");
    }
    assert_eq!(ada.refreshes(), 1);
}

#[test]
fn the_successor_in_an_answer_that_is_otherwise_useless_is_kept() {
    let spoilt = [
        (json!({ "expires_in": -1 }), "field `expires_in`: it is negative"),
        (json!({ "token_type": "DPoP" }), "field `token_type`"),
        (json!({ "access_token": null }), "field `access_token`"),
        (json!({ "id_token": 5 }), "field `id_token`"),
    ];
    each(spoilt, |(patch, part)| {
        let ada = SignedIn::stale_with(|behaviour| behaviour.rotation = Rotation::Strict);
        let before = ada.refresh_token();
        ada.idp.change(|behaviour| behaviour.refresh_response = patch.into());
        let outcome = ada.run(["token"]).exits(10);
        assert!(outcome.stderr().contains(part), "no `{part}` in:\n{outcome:?}");
        assert_eq!(outcome.stdout(), "");
        assert_ne!(ada.refresh_token(), before, "the spent token was kept");

        ada.idp.change(|behaviour| behaviour.refresh_response = Patch::none());
        ada.token();
        assert_eq!(ada.idp.counters().reuse_detected, 0);
    });
}
