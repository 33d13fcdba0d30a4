//! Renewing: what a refresh keeps and refuses, one refresh however many ask, and what never costs the session.

mod crowd;
mod lost;
mod trouble;

use std::time::Duration;

use serde_json::{Value, json};

use crate::cases::each;
use crate::signed_in::{SignedIn, parameters, sign_in, unix_now};
use crate::support::idp::{Answer, CLIENT_ID, Endpoint, Patch, Reply, Rotation, jwt};

#[test]
fn a_chain_of_refreshes_never_presents_a_refresh_token_twice() {
    let ada = SignedIn::new();
    let (mut tokens, mut kept) = (vec![ada.token()], vec![ada.refresh_token()]);
    for _ in 0..5 {
        tokens.push(ada.run(["token", "--force-refresh"]).exits(0).stdout());
        kept.push(ada.refresh_token());
    }
    for list in [&mut tokens, &mut kept] {
        list.sort();
        list.dedup();
        assert_eq!(list.len(), 6, "something came twice");
    }
    ada.nothing_was_reused();
    // Endpoints are known since the sign-in, and a refresh asks for nothing that could be refused.
    assert_eq!((ada.refreshes(), ada.idp.requests(Endpoint::Discovery), ada.idp.requests(Endpoint::Jwks)), (5, 1, 1));
    let sent: Vec<_> = ada.idp.log().into_iter().filter(|request| request.endpoint == Endpoint::Token).collect();
    let names: Vec<_> = sent.last().unwrap().parameters.keys().map(String::as_str).collect();
    assert_eq!(names, ["client_id", "grant_type", "refresh_token"]);
}

#[test]
fn a_refresh_asks_for_the_resource_again() {
    let resource = "https://mongodb.example.com";
    let mut ada = SignedIn::new();
    ada.sandbox.env("MDB_LOGIN_RESOURCE", resource).env("MDB_LOGIN_AUDIENCE", resource);
    sign_in(&ada.sandbox, &[]);
    let token = ada.run(["token", "--force-refresh"]).exits(0).stdout();
    assert_eq!(jwt::claims(&token)["aud"], resource);
    assert_eq!(parameters(&ada.idp, Endpoint::Token, "resource"), ["", resource, resource]);
}

#[test]
fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let ada = SignedIn::with(|behaviour| {
        behaviour.rotation = Rotation::Static;
        behaviour.omit_refresh_token = true;
    });
    let kept = ada.refresh_token();
    for number in 1..=2 {
        ada.run(["token", "--force-refresh"]).exits(0);
        assert_eq!((ada.refresh_token(), ada.refreshes()), (kept.clone(), number));
    }
}

#[test]
fn an_answer_without_an_id_token_is_fine() {
    let ada = SignedIn::with(|behaviour| behaviour.omit_id_token = true);
    for _ in 0..2 {
        let outcome = ada.run(["token", "--force-refresh"]).exits(0);
        assert_eq!(outcome.stderr(), "");
    }
    // The one of the sign-in is still there, for signing out.
    assert!(ada.record().unwrap()["id_token"].is_string());
}

/// OIDC Core §12.2. Were the session kept, the next answer without an ID token would hand out the other person's token.
#[test]
fn another_person_issuer_or_client_in_a_refresh_is_refused_and_ends_the_session() {
    type Turn = fn(&mut crate::support::idp::Behaviour);
    let turns: [(&str, Turn); 4] = [
        ("sub", |behaviour| behaviour.subject_on_refresh = Some("00u-eve".into())),
        ("sub", |behaviour| behaviour.id_token.claims = Patch::merge(json!({ "sub": null }))),
        ("iss", |behaviour| behaviour.id_token.claims = Patch::merge(json!({ "iss": "https://evil.example.com" }))),
        ("aud", |behaviour| behaviour.id_token.claims = Patch::merge(json!({ "aud": "other-client" }))),
    ];
    each(turns, |(claim, turn)| {
        let ada = SignedIn::stale();
        ada.idp.change(turn);
        let why = format!("the ID token: its `{claim}` is not that of the sign-in; this is not the same session");
        let hint = "hint: run `mdb-login login`";
        ada.run(["token", "--token-file", "token"]).is(&format!(
            "
            exit 10
            --- stderr
            error: cannot renew the session at `[ISSUER]`
              caused by: {why}
            {hint}
        "
        ));
        assert!(!ada.sandbox.home().join("token").exists());
        assert!(ada.record().is_none(), "the session is still there");
        ada.idp.change(|behaviour| {
            behaviour.subject_on_refresh = None;
            behaviour.id_token.claims = Patch::none();
            behaviour.omit_id_token = true;
        });
        ada.run(["token"]).is(&format!(
            "
            exit 4
            --- stderr
            error: the session for `[ISSUER]` has ended
              caused by: {why}
            {hint}
        "
        ));
    });
}

/// The rule that an ID token's other audiences may change is not ours to break: more of them are no attack.
#[test]
fn a_further_audience_in_the_id_token_is_fine() {
    let ada = SignedIn::stale();
    let more = json!({ "aud": [CLIENT_ID, "https://mongodb.example.com"] });
    ada.idp.change(|behaviour| behaviour.id_token.claims = Patch::merge(more));
    ada.token();
}

#[test]
fn an_access_token_that_mongodb_cannot_take_is_withheld_and_the_session_kept() {
    let opaque = |behaviour: &mut crate::support::idp::Behaviour| {
        behaviour.access_token.instead = Some("opaque-0123456789".into());
    };
    let elsewhere = |behaviour: &mut crate::support::idp::Behaviour| {
        behaviour.access_token.claims = Patch::merge(json!({ "aud": "https://graph.microsoft.com" }));
    };
    type Turn = fn(&mut crate::support::idp::Behaviour);
    for (turn, part) in [(opaque as Turn, "is not a JWT"), (elsewhere, "(Microsoft Graph)")] {
        let ada = SignedIn::stale();
        ada.idp.change(turn);
        let outcome = ada.run(["token"]).exits(10);
        assert!(outcome.text().contains(part) && !outcome.text().contains("opaque-0123"), "{outcome:?}");
        assert_eq!(outcome.stdout(), "");
        ada.idp.change(|behaviour| behaviour.access_token = Default::default());
        ada.token();
        ada.nothing_was_reused();
    }
}

/// RFC 6749 §5.1 and what providers make of it. Honest `exp`: an hour.
#[test]
fn odd_lifetimes_have_a_defined_meaning() {
    let hour = 3590..=3600;
    let rows = [
        (json!("3600"), true, hour.clone()),
        (json!("600"), true, 590..=600),
        (json!(600), true, 590..=600),
        (json!(7200), true, hour.clone()),
        (json!(0), true, hour.clone()),
        (json!(3.5), true, hour.clone()),
        (json!(1e300), true, hour.clone()),
        (json!(u64::MAX), true, hour.clone()),
        (json!("soon"), true, hour.clone()),
        (Value::Null, true, hour),
        (json!(600), false, 590..=600),
        (Value::Null, false, 290..=300),
    ];
    each(rows, |(sent, exp, expected)| {
        let ada = SignedIn::stale();
        ada.idp.change(|behaviour| {
            let value = sent.clone();
            behaviour.refresh_response = Patch::with(move |answer| answer["expires_in"] = value.clone());
            if !exp {
                behaviour.access_token.claims = Patch::merge(json!({ "exp": null }));
            }
        });
        let token: Value = serde_json::from_slice(&ada.run(["token", "--json"]).exits(0).stdout).unwrap();
        let left = token["expires_at"].as_u64().unwrap() - unix_now();
        assert!(expected.contains(&left), "{sent}, exp {exp}: {left} s");
        assert_eq!(ada.run(["token"]).exits(0).stdout(), token["access_token"].as_str().unwrap());
        assert_eq!(ada.refreshes(), 1, "{sent}: asked again at once");
    });
}

#[test]
fn a_negative_lifetime_is_no_lifetime() {
    let ada = SignedIn::stale_with(|behaviour| behaviour.rotation = Rotation::Static);
    ada.idp.change(|behaviour| behaviour.refresh_response = Patch::merge(json!({ "expires_in": -1 })));
    let outcome = ada.run(["token"]).exits(10);
    assert!(outcome.text().contains("`expires_in`: it is negative"), "{outcome:?}");
    ada.idp.change(|behaviour| behaviour.refresh_response = Patch::none());
    ada.token();
}

/// The server that judges the token has the provider's time; a laptop that woke up in another year does not.
#[test]
fn a_wrong_clock_is_said_once_and_changes_nothing() {
    each([(3 * 3600, "3h"), (-3 * 3600, "3h"), (10 * 365 * 86_400, "10years")], |(ahead, said)| {
        let ada = SignedIn::with(|behaviour| behaviour.clock_ahead = ahead);
        let login = sign_in(&ada.sandbox, &[]).stderr();
        let warnings: Vec<_> = login.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warnings.len(), 1, "{login}");
        assert!(warnings[0].starts_with("warning: this computer's clock differs from the provider's by "), "{login}");
        // Whole seconds on both sides: 3h, or 2h 59m 59s.
        let off_by_one = said == "3h" && warnings[0].contains("2h 59m 59s");
        assert!(warnings[0].contains(said) || off_by_one || ahead > 86_400, "{login}");

        let expires = |outcome: &crate::support::cmd::Outcome| {
            let object: Value = serde_json::from_slice(&outcome.stdout).unwrap();
            object["expires_in"].as_u64().unwrap()
        };
        for arguments in [&["token", "--json"][..], &["token", "--json", "--force-refresh"], &["token", "--json"]] {
            let outcome = ada.run(arguments).exits(0);
            assert_eq!(outcome.stderr(), "", "said again by {arguments:?}");
            assert!((3590..=3601).contains(&expires(&outcome)), "{ahead}: {outcome:?}");
        }
        assert_eq!(ada.refreshes(), 1);
    });
}

#[test]
fn a_wrong_clock_does_not_make_an_expired_token_good() {
    each([-3600, 3600], |ahead| {
        let ada = SignedIn::with(|behaviour| {
            behaviour.clock_ahead = ahead;
            behaviour.access_token_lifetime = Duration::from_secs(3);
        });
        let at_the_last_moment = || ada.run(["token", "--min-ttl", "0s"]).exits(0).stdout();
        let first = at_the_last_moment();
        assert_eq!(ada.refreshes(), 0);
        std::thread::sleep(Duration::from_millis(3100));
        assert_ne!(at_the_last_moment(), first);
        assert_eq!(ada.refreshes(), 1);
    });
}

/// A session whose endpoints have last been asked for more than a day ago.
fn of_yesterday() -> SignedIn {
    let ada = SignedIn::stale();
    let mut record = ada.record().unwrap();
    record["endpoints"]["fetched_at"] = json!(unix_now() - 90_000);
    std::fs::write(ada.file("secret"), record.to_string()).unwrap();
    ada
}

#[test]
fn what_the_provider_knows_of_its_endpoints_is_asked_for_again_after_a_day() {
    let ada = of_yesterday();
    ada.token();
    assert_eq!(ada.idp.requests(Endpoint::Discovery), 2);
    ada.run(["token", "--force-refresh"]).exits(0);
    assert_eq!(ada.idp.requests(Endpoint::Discovery), 2, "asked again too soon");
}

/// Anybody on the way can keep the metadata away; the endpoints are known, and their certificates are looked at anew.
#[test]
fn metadata_that_do_not_come_cost_nothing_while_the_token_endpoint_answers() {
    let page = |status| Reply::html(status, "<h1>Welcome to the hotel</h1>");
    let answers = [
        Answer::DropBefore,
        Answer::Instead(page(200)),
        Answer::Instead(page(302).header("location", "http://portal.example.net/")),
        Answer::Instead(page(403)),
        Answer::Instead(page(404)),
        Answer::Instead(page(500)),
        Answer::Flood(10 << 20),
    ];
    each(answers, |answer| {
        let ada = of_yesterday();
        ada.idp.always(Endpoint::Discovery, answer.clone());
        ada.token();
        assert_eq!(ada.refreshes(), 1, "{answer:?}");
        assert!(ada.idp.requests(Endpoint::Discovery) >= 2, "{answer:?}: not asked");
    });
    let ada = of_yesterday();
    ada.idp.always(Endpoint::Discovery, Answer::Instead(page(403)));
    let traced = ada.run(["token", "-vv"]).exits(0).stderr();
    assert!(traced.contains("keeping the known endpoints"), "{traced}");
}

/// Metadata that do come are the provider's word. What a renewal does not need is no reason to fail.
#[test]
fn metadata_that_break_a_rule_are_an_error_before_the_refresh_token_is_sent() {
    let rows = [
        (json!({ "issuer": "https://evil.example.com" }), 10),
        (json!({ "token_endpoint": "http://idp.example.com/token" }), 10),
        (json!({ "token_endpoint": null }), 10),
        (json!({ "revocation_endpoint": "https://u:p@idp.example.com/revoke" }), 10),
        (json!({ "code_challenge_methods_supported": ["plain"] }), 0),
        (json!({ "require_pushed_authorization_requests": true }), 0),
    ];
    each(rows, |(patch, exit)| {
        let ada = of_yesterday();
        ada.idp.change(|behaviour| behaviour.metadata = patch.clone().into());
        ada.run(["token"]).exits(exit);
        assert_eq!(ada.refreshes(), usize::from(exit == 0), "{patch}");
        ada.idp.change(|behaviour| behaviour.metadata = Patch::none());
        ada.token();
    });
}
