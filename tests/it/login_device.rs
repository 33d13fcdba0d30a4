//! Signing in with a code on another device (RFC 8628).

use std::time::Duration;

use serde_json::{Value, json};

use super::login::{REPORT, only, provider, sandbox};
use crate::support::browser::Browser;
use crate::support::cmd::{Outcome, Sandbox, assert_text};
use crate::support::idp::{Answer, Behaviour, CLIENT_ID, Client, Endpoint, Idp, Reply, jwt};

/// A provider that lets itself be asked once a second.
fn quick(change: impl FnOnce(&mut Behaviour)) -> Idp {
    provider(|behaviour| {
        behaviour.device.interval = 1;
        change(behaviour);
    })
}

fn approving(after: usize) -> impl FnOnce(&mut Behaviour) {
    move |behaviour| behaviour.device.auto_approve = Some((after, "ada".into()))
}

/// Compares, with what every device sign-in begins with as one line.
#[track_caller]
fn assert_shown(idp: &Idp, outcome: &Outcome, expected: &str) {
    let user_code = idp.user_codes().pop().unwrap();
    let invitation = format!(
        "open   [ISSUER]/device\nenter  {user_code}\n\
         the code is valid for 10 min and signs this terminal in at 127.0.0.1\n\
         only go on if you started this yourself; never enter a code that somebody sent you\n"
    );
    assert_text(&outcome.text().replace(REPORT, "[REPORT]\n").replace(&invitation, "[CODE]\n"), expected);
}

/// The pauses before each poll, from the code's arrival on, by the provider's clock.
fn pauses(idp: &Idp) -> Vec<Duration> {
    let times: Vec<_> = idp
        .log()
        .iter()
        .filter(|request| matches!(request.endpoint, Endpoint::DeviceAuthorization | Endpoint::Token))
        .map(|request| request.at)
        .collect();
    times.windows(2).map(|two| two[1] - two[0]).collect()
}

#[track_caller]
fn nothing_is_left(sandbox: &Sandbox) {
    sandbox.run(["token"]).exits(4);
}

#[test]
fn a_code_is_shown_and_a_person_enters_it_elsewhere() {
    let idp = quick(|_| {});
    let sandbox = sandbox(&idp);
    let mut login = sandbox.spawn(["--device"]);
    let page = login.line_with("open ").split_whitespace().nth(1).unwrap().to_owned();
    let code = login.line_with("enter ").split_whitespace().nth(1).unwrap().to_owned();
    login.line_with("only go on if you started this yourself");
    let mut telephone = Browser::new();
    let form = telephone.open(&page);
    telephone.submit(&form, &[("user_code", &code), ("user", "ada"), ("decision", "allow")]);
    let login = login.wait();
    login.is(&format!(
        "exit 0
--- stderr
open   [ISSUER]/device
enter  {code}
the code is valid for 10 min and signs this terminal in at 127.0.0.1
only go on if you started this yourself; never enter a code that somebody sent you
signed in as ada@example.com at [ISSUER]
token valid for 1 h; it renews by itself
kept in the file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
next: `mdb-login token`
"
    ));
    // The device code is a secret; the user code is not.
    for secret in idp.secrets() {
        assert!(!login.stderr().contains(&secret));
    }
    assert_eq!(jwt::claims(&sandbox.run(["token"]).stdout())["sub"], "00u-ada");
    assert_eq!((idp.requests(Endpoint::Discovery), idp.requests(Endpoint::Jwks)), (1, 1));
}

#[test]
fn polls_keep_to_the_interval_and_slow_down_when_told() {
    let idp = quick(approving(1));
    let slow_down = Answer::Instead(Reply::json(400, &json!({"error": "slow_down"})));
    // Before the provider's own clock has seen a poll, so that only the answer counts.
    idp.script(Endpoint::Token, [slow_down]);
    let login = sandbox(&idp).run(["--device"]);
    assert_shown(&idp, &login, "exit 0\n--- stderr\n[CODE]\n[REPORT]\n");
    let pauses = pauses(&idp);
    // RFC 8628 §3.5: the interval is one second, and five more after `slow_down`.
    let [first, second] = pauses.as_slice() else { panic!("{pauses:?}") };
    assert!(*first >= Duration::from_secs(1) && *second >= Duration::from_secs(6), "{pauses:?}");
}

#[test]
fn pending_answers_are_waited_out() {
    let idp = quick(approving(4));
    let login = sandbox(&idp).run(["--device"]);
    assert_shown(&idp, &login, "exit 0\n--- stderr\n[CODE]\n[REPORT]\n");
    let pauses = pauses(&idp);
    assert_eq!(pauses.len(), 4);
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_secs(1)), "{pauses:?}");
}

#[test]
fn a_network_that_goes_away_while_the_person_types_does_not_end_it() {
    let troubles = [
        Answer::Instead(Reply::html(503, "<h1>busy</h1>")),
        Answer::Instead(Reply::html(502, "bad gateway").header("retry-after", "1")),
        Answer::Instead(Reply::json(429, &json!({"error": "temporarily_unavailable"}))),
        Answer::DropBefore,
    ];
    // At once, because each of them has nothing to do but wait.
    std::thread::scope(|scope| {
        for trouble in &troubles {
            scope.spawn(move || {
                let idp = quick(approving(1));
                idp.script(Endpoint::Token, [trouble.clone()]);
                let login = sandbox(&idp).run(["--device"]);
                assert_shown(&idp, &login, "exit 0\n--- stderr\n[CODE]\n[REPORT]\n");
                assert_eq!(idp.requests(Endpoint::Token), 2, "{trouble:?}");
            });
        }
    });
}

#[test]
fn the_person_says_no() {
    let idp = quick(|_| {});
    let sandbox = sandbox(&idp);
    let mut login = sandbox.spawn(["--device"]);
    let code = login.line_with("enter ").split_whitespace().nth(1).unwrap().to_owned();
    idp.answer_device(&code, None);
    assert_shown(
        &idp,
        &login.wait(),
        "
        exit 5
        --- stderr
        [CODE]
        error: cannot sign in at `[ISSUER]`
          caused by: the provider says `access_denied`: the person said no
        hint: many organisations forbid the device flow and allow a browser: `mdb-login login`, which says how to reach one from here
        ",
    );
    nothing_is_left(&sandbox);
}

#[test]
fn the_code_expires() {
    let idp = quick(|behaviour| behaviour.device.expires_in = 1);
    let sandbox = sandbox(&idp);
    let login = sandbox.run(["--device"]);
    let code = idp.user_codes()[0].clone();
    // A code that lives for a second cannot be typed: at least a minute is waited, and the provider decides.
    login.is(&format!(
        "exit 6
--- stderr
open   [ISSUER]/device
enter  {code}
the code is valid for 1 min and signs this terminal in at 127.0.0.1
only go on if you started this yourself; never enter a code that somebody sent you
error: cannot sign in at `[ISSUER]`
  caused by: the provider says `expired_token`: this device_code is too old
hint: run `mdb-login login --device` for a new code
"
    ));
    nothing_is_left(&sandbox);
}

#[test]
fn a_timeout_that_was_asked_for_is_kept() {
    let idp = quick(|_| {});
    let login = sandbox(&idp).run(["--device", "--timeout=5s"]);
    assert_shown(
        &idp,
        &login,
        "
        exit 6
        --- stderr
        [CODE]
        error: nobody entered the code within 5s
        hint: run `mdb-login login --device` again, with more time: `--timeout 10m`
        ",
    );
    assert!(login.took >= Duration::from_secs(5), "{:?}", login.took);
}

#[test]
fn a_provider_without_the_device_flow_is_told_by_field() {
    let idp = quick(|behaviour| behaviour.metadata = json!({"device_authorization_endpoint": null}).into());
    sandbox(&idp).run(["--device"]).is("
        exit 3
        --- stderr
        error: cannot sign in at `[ISSUER]`
          caused by: metadata field `device_authorization_endpoint`: the provider does not offer the device flow
        hint: sign in with a browser: `mdb-login login`, or allow the device flow at the provider
    ");
}

#[test]
fn a_client_that_may_not_use_it_is_told_so() {
    let idp = quick(|behaviour| {
        behaviour.clients =
            vec![Client { grant_types: vec!["authorization_code".into()], ..Client::public(CLIENT_ID) }];
    });
    sandbox(&idp).run(["--device"]).is("
        exit 3
        --- stderr
        error: cannot sign in at `[ISSUER]`
          caused by: the provider says `unauthorized_client`: this client may not use the device flow
        hint: check `client_id`, and at the provider that it is a public native client with this grant type
        hint: many organisations forbid the device flow and allow a browser: `mdb-login login`, which says how to reach one from here
    ");
}

#[test]
fn a_code_or_address_that_no_person_should_see_is_refused() {
    let field = |name: &str, value: Value| json!({ name: value });
    for (patch, name, why) in [
        (field("user_code", json!("")), "user_code", "it is ``, not a code of letters, digits and dashes"),
        (
            field("user_code", json!("AB\u{1b}[2J")),
            "user_code",
            "it is `AB\\u{1b}[2J`, not a code of letters, digits and dashes",
        ),
        (
            field("user_code", json!("AB\u{202e}CD")),
            "user_code",
            "it is `AB\\u{202e}CD`, not a code of letters, digits and dashes",
        ),
        (field("user_code", json!(null)), "user_code", "it is nothing, not a code of letters, digits and dashes"),
        (
            field("verification_uri", json!("javascript:alert(1)")),
            "verification_uri",
            "`javascript:alert(1)` is not an https address",
        ),
        (
            field("verification_uri", json!("http://idp.example.com/device")),
            "verification_uri",
            "`http://idp.example.com/device` is not an https address",
        ),
        (
            field("verification_uri", json!("https://login.example.com@evil.example.com/")),
            "verification_uri",
            "`https://login.example.com@evil.example.com/` is not an https address",
        ),
        (field("verification_uri", json!(null)), "verification_uri", "it is missing"),
        (
            field("verification_uri_complete", json!("file:///etc/passwd")),
            "verification_uri_complete",
            "`file:///etc/passwd` is not an https address",
        ),
        (field("device_code", json!(7)), "device_code", "it is missing or empty"),
    ] {
        let idp = quick(|behaviour| behaviour.device.response = patch.into());
        sandbox(&idp).run(["--device"]).is(&format!(
            "exit 10\n--- stderr\nerror: cannot sign in at `[ISSUER]`\n  caused by: device authorization field `{name}`: {why}\n"
        ));
        assert_eq!(idp.requests(Endpoint::Token), 0);
    }
}

#[test]
fn loose_spelling_of_numbers_and_names_is_understood() {
    let idp = quick(|behaviour| {
        approving(1)(behaviour);
        behaviour.device.response = crate::support::idp::Patch::with(|value| {
            let page = value["verification_uri"].take();
            let members = value.as_object_mut().unwrap();
            members.remove("verification_uri");
            members.insert("verification_url".into(), page);
            members.insert("interval".into(), json!("1"));
            members.insert("expires_in".into(), json!("600"));
        });
    });
    let login = sandbox(&idp).run(["--device"]);
    assert_shown(&idp, &login, "exit 0\n--- stderr\n[CODE]\n[REPORT]\n");
}

#[test]
fn without_a_refresh_token_it_works_and_says_so() {
    let idp = quick(|behaviour| {
        approving(1)(behaviour);
        behaviour.scopes = vec!["openid".into()];
        behaviour.always_refresh_token = false;
    });
    let sandbox = sandbox(&idp);
    let login = sandbox.run(["--device"]).exits(0);
    let warning = "warning: the provider gave no refresh token: you will have to sign in again when this token expires\nsigned in as ada@example.com";
    assert!(login.stderr().contains(warning), "{}", login.text());
    sandbox.run(["token"]).exits(0);
}

#[test]
fn resource_and_parameters_are_sent_where_they_belong() {
    let idp = quick(approving(1));
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_AUDIENCE", "https://mongodb.example.com");
    let login = sandbox.run(["--device", "--resource=https://mongodb.example.com", "--login-hint=ada@example.com"]);
    let login = login.exits(0);
    assert!(login.stderr().contains("signed in as ada"), "{}", login.text());
    let asked = only(&idp, Endpoint::DeviceAuthorization).parameters;
    let expected = [
        ("client_id", CLIENT_ID),
        ("login_hint", "ada@example.com"),
        ("resource", "https://mongodb.example.com"),
        ("scope", "openid offline_access"),
    ];
    assert_eq!(asked, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(only(&idp, Endpoint::Token).parameters["resource"], "https://mongodb.example.com");
}

#[test]
fn it_serves_where_no_browser_can_be_opened_and_the_profile_allows_it() {
    let idp = quick(approving(1));
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_BROWSER", "no-such-browser").env("MDB_LOGIN_DEVICE_FALLBACK", "true");
    assert_shown(
        &idp,
        &sandbox.run(["login"]),
        "
        exit 0
        --- stderr
        your browser will show the sign-in page of 127.0.0.1; if it does not, open
          http://localhost:[PORT]/start/[ID]
        warning: the browser could not be opened: `no-such-browser` is in no directory of PATH
        using a device code instead, as the profile allows
        [CODE]
        [REPORT]
        ",
    );
}

#[test]
fn a_device_flow_that_the_provider_lacks_is_suggested_nowhere() {
    let idp = quick(|behaviour| behaviour.metadata = json!({"device_authorization_endpoint": null}).into());
    let mut sandbox = sandbox(&idp);
    sandbox.run(["login", "--no-browser", "--timeout=5s"]).is("
        exit 6
        --- stderr
        open this address in a browser on this machine to sign in at 127.0.0.1
          http://localhost:[PORT]/start/[ID]
        error: nobody signed in within 5s
          caused by: no browser came for the sign-in page
        hint: run `mdb-login login` again, with `--timeout 10m` for more time
    ");

    // What the profile allows does not help where there is none: the browser's way is gone on with, or said to be shut.
    sandbox.env("MDB_LOGIN_BROWSER", "no-such-browser").env("MDB_LOGIN_DEVICE_FALLBACK", "true");
    let mut login = sandbox.spawn(["login"]);
    let url = login.start_url();
    login.line_with("open the address above in a browser on this machine");
    Browser::new().sign_in(&url, "ada");
    let login = login.wait().exits(0);
    assert!(!login.stderr().contains("code"), "{}", login.text());

    let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = squatter.local_addr().unwrap().port();
    let login = sandbox.run(["login", "--redirect-uri", &format!("http://localhost:{port}/redirect")]).exits(9);
    assert!(!login.stderr().contains("code") && !login.stderr().contains("--device"), "{}", login.text());
    assert_eq!(idp.requests(Endpoint::DeviceAuthorization), 0);
}

#[test]
fn the_device_flow_never_starts_by_itself() {
    // No port, no browser, no display, no terminal: still nobody has agreed to it.
    let idp = quick(|_| {});
    let mut sandbox = Sandbox::with(&idp);
    sandbox.unset("MDB_LOGIN_BROWSER");
    sandbox.run(["login"]).exits(4);
    let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = squatter.local_addr().unwrap().port();
    sandbox.run(["login", "--no-browser", "--redirect-uri", &format!("http://localhost:{port}/redirect")]).exits(9);
    assert_eq!(idp.requests(Endpoint::DeviceAuthorization), 0);
}
