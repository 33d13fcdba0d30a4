//! `status`: who, where, until when, in which store; without a secret, and without asking anybody unless told to.

use serde_json::{Value, json};

use crate::signed_in::{SignedIn, sign_in, unix_now};
use crate::support::cmd::Sandbox;
use crate::support::idp::{Answer, CLIENT_ID, Endpoint, Idp, Patch, Reply, SignIn};

/// `2026-11-22T03:08:54Z` and `59 min` differ from run to run.
fn without_times(text: &str) -> String {
    let words = text.lines().map(|line| match line.split_at_checked(14) {
        Some((name @ ("token         " | "since         "), _)) => format!("{name}[TIMES]"),
        _ => line.to_owned(),
    });
    words.collect::<Vec<_>>().join("\n")
}

#[test]
fn it_says_who_where_until_when_and_what_the_store_is_worth() {
    let ada = SignedIn::new();
    let asked = ada.requests();
    ada.idp.set_up(false);
    let outcome = ada.run(["status"]).exits(0);
    crate::support::cmd::assert_text(
        &without_times(outcome.text()),
        "
        exit 0
        --- stdout
        signed in as  ada@example.com (sub 00u-ada)
        issuer        [ISSUER]
        client id     mongodb-tools
        audience      mongodb-tools
        scopes        openid offline_access
        token         [TIMES]
        since         [TIMES]
        kept in       a file (`--store file`): every program of yours, and every backup, can read it
        ",
    );
    let text = outcome.stdout();
    assert!(
        text.contains("\ntoken         valid for 59 min (until 2") || text.contains("valid for 1 h (until 2"),
        "{text}"
    );
    assert!(text.contains("Z; renewed "), "{text}");
    ada.idp.set_up(true);
    assert_eq!(ada.requests(), asked);
}

#[test]
fn json_has_the_same_for_programs() {
    let ada = SignedIn::new();
    let mut object = ada.status();
    let now = unix_now();
    let mut time = |name: &str| object[name].take().as_u64().unwrap();
    assert!((now - 60..=now).contains(&time("signed_in_at")));
    assert!((now - 60..=now).contains(&time("renewed_at")));
    assert!((now + 3500..=now + 3600).contains(&time("expires_at")));
    let expected = json!({
        "schema": 1, "renewable": true, "profile": null, "kind": "workforce", "who": "ada@example.com", "subject": "00u-ada", "issuer": ada.idp.issuer(),
        "client_id": CLIENT_ID, "audience": CLIENT_ID, "scope": "openid offline_access", "account": null,
        "signed_in_at": null, "renewed_at": null, "expires_at": null, "expired": false, "ended": null, "store": "file",
    });
    assert_eq!(object, expected);
}

#[test]
fn an_expired_token_is_no_bad_news() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = std::time::Duration::from_secs(2));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let outcome = ada.run(["status"]).exits(0);
    assert!(outcome.stdout().contains("\ntoken         expired; the next use renews it\n"), "{outcome:?}");
    assert_eq!(ada.status()["expired"], true);
}

#[test]
fn not_signed_in_is_exit_4_with_the_command_to_type() {
    let idp = Idp::start();
    let sandbox = Sandbox::with(&idp);
    for arguments in [&["status"][..], &["status", "--check"]] {
        let outcome = sandbox.run(arguments).exits(4);
        assert!(outcome.text().contains("hint: run `mdb-login login`"));
        assert_eq!(outcome.stdout(), "");
    }
    sandbox.run(["status", "--all"]).is("exit 0\n--- stderr\nthere is no session");
    sandbox.run(["status", "--all", "--json"]).is(r#"
        exit 0
        --- stdout
        {"schema":1,"sessions":[]}
    "#);
    assert_eq!(sandbox.files().len(), 0);
}

#[test]
fn check_asks_the_provider() {
    let ada = SignedIn::new();
    let before = ada.token();
    ada.run(["status", "--check"]).exits(0);
    assert_eq!(ada.refreshes(), 1);
    assert_ne!(ada.token(), before);

    // Unknown is not "ended".
    ada.idp.set_up(false);
    ada.run(["status", "--check"]).exits(7);
    ada.run(["status"]).exits(0);
    ada.idp.set_up(true);

    ada.idp.end_all_sessions();
    let outcome = ada.run(["status", "--check"]).exits(4);
    assert!(outcome.text().contains("caused by: the provider says `invalid_grant`: this session has ended"));
    let outcome = ada.run(["status"]).exits(4);
    assert!(outcome.text().contains(" s ago: the provider says `invalid_grant`"), "{outcome:?}");
    assert_eq!(ada.status()["ended"]["reason"], "the provider says `invalid_grant`: this session has ended");
}

#[test]
fn all_shows_every_session_and_names_what_cannot_be_read() {
    let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
    let other = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("grace".into()));
    let mut sandbox = Sandbox::with(&idp);
    sign_in(&sandbox, &[]);
    sign_in(&sandbox, &["--login-hint", "ada"]);
    sandbox.env("MDB_LOGIN_ISSUER", other.issuer());
    sign_in(&sandbox, &[]);
    // Neither settings nor a readable file of them are needed.
    sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID").write_config("nonsense");

    // A line each, however wide: nobody's terminal is at the other end.
    let outcome = sandbox.run(["status", "--all"]).exits(0);
    let stdout = outcome.stdout();
    let lines: Vec<Vec<&str>> = stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        ["signed", "in", "as", "issuer", "client", "id", "account", "token", "kept", "in"],
        "{outcome:?}"
    );
    let mut people: Vec<(&str, &str, bool)> =
        lines[1..].iter().map(|line| (line[0], line[1], line[3] == "ada")).collect();
    people.sort_unstable_by_key(|(who, _, account)| (*who, *account));
    let (ada, grace) = ("ada@example.com", "grace@example.com");
    assert_eq!(people, [(ada, idp.issuer(), false), (ada, idp.issuer(), true), (grace, other.issuer(), false)]);
    let outcome = sandbox.run(["status", "--all", "--json"]).exits(0);
    let object: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!((object["sessions"].as_array().unwrap().len(), &object["schema"]), (3, &json!(1)));

    let index = std::fs::read_dir(sandbox.state_dir().join("sessions")).unwrap();
    let path = index.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|e| e == "json"));
    std::fs::write(path.unwrap(), "{").unwrap();
    let outcome = sandbox.run(["status", "--all"]).exits(8);
    assert_eq!(outcome.stdout().lines().count(), 3, "{outcome:?}");
    assert!(outcome.stderr().starts_with("error: the stored session is damaged (`"), "{outcome:?}");
}

#[test]
fn check_of_all_asks_every_provider_and_shows_all() {
    let ada = SignedIn::new();
    sign_in(&ada.sandbox, &["--login-hint", "ada"]);
    let outcome = ada.run(["status", "--all", "--check"]).exits(0);
    assert_eq!((ada.refreshes(), outcome.stdout().lines().count()), (2, 3), "{outcome:?}");
    ada.idp.script(Endpoint::Token, [Answer::Instead(Reply::html(429, ""))]);
    let outcome = ada.run(["status", "--all", "--check"]).exits(7);
    assert_eq!((ada.refreshes(), outcome.stdout().lines().count()), (4, 3), "{outcome:?}");
}

/// Without a refresh token there is nothing to ask with, and the session is the token.
#[test]
fn check_of_a_session_without_a_refresh_token_looks_at_its_token() {
    let ada = SignedIn::with(|behaviour| {
        behaviour.offline_access_needs_consent = true;
        behaviour.access_token_lifetime = std::time::Duration::from_secs(4);
    });
    let asked = ada.requests();
    let outcome = ada.run(["status", "--check"]).exits(0);
    assert_eq!(outcome.stderr(), "");
    ada.run(["status", "--all", "--check"]).exits(0);
    std::thread::sleep(std::time::Duration::from_millis(4100));
    ada.run(["status", "--check"]).exits(4).says("cannot be renewed");
    assert_eq!(ada.requests(), asked);
}

#[test]
fn the_command_for_a_session_that_no_profile_describes_means_that_session() {
    let mut ada = SignedIn::new();
    let flags = ["--login-hint", "ada", "--scope", "openid offline_access profile"];
    sign_in(&ada.sandbox, &flags);
    ada.run(["logout"]).exits(0);
    ada.idp.end_all_sessions();
    let ids = ada.sandbox.session_ids();
    ada.sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    let said = ada.run(["status", "--all", "--check", "--store", "kernel"]).exits(4).stderr();
    assert!(!said.contains("--store"), "{said}");
    let hint = said.split('`').rfind(|part| part.starts_with("mdb-login login ")).unwrap();
    let words = shlex::split(hint).unwrap();
    sign_in(&ada.sandbox, &words[2..].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ada.sandbox.session_ids().len(), ids.len(), "{hint}");
    ada.run(["status", "--all", "--check"]).exits(0);
}

#[test]
fn a_target_or_profile_is_named_in_the_answer() {
    let mut ada = SignedIn::new();
    ada.sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    let profile = format!("[profile.prod]\nissuer = {:?}\nclient_id = {CLIENT_ID:?}\n", ada.idp.issuer());
    ada.sandbox.write_config(&profile);
    for arguments in [&["status"][..], &["status", "prod"], &["status", "--profile", "prod"]] {
        let said = ada.run(arguments).exits(0).stdout();
        assert!(said.starts_with("profile       prod\nsigned in as  ada@example.com"), "{said}");
    }
    assert_eq!(ada.status()["profile"], "prod");
    ada.run(["status", "--all", "prod"]).exits(2);
}

#[test]
fn a_renewal_that_cannot_happen_is_not_promised() {
    let ada = SignedIn::with(|behaviour| {
        behaviour.offline_access_needs_consent = true;
        behaviour.access_token_lifetime = std::time::Duration::from_secs(1);
    });
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let text = ada.run(["status"]).exits(0).stdout();
    assert!(text.contains("token         expired, and the provider gave no refresh token; sign in again"), "{text}");
    assert_eq!(ada.status()["renewable"], json!(false));
}

/// Sessions of all kinds, each with its token's state in a word; columns in which there is nothing to tell are left out.
#[test]
fn the_table_tells_what_will_become_of_each_token() {
    let soon = std::time::Duration::from_secs(1);
    let mut ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = soon);
    let lines = |ada: &SignedIn| {
        let stdout = ada.run(["status", "--all"]).exits(0).stdout();
        stdout
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect())
            .collect::<Vec<Vec<_>>>()
    };
    std::thread::sleep(soon * 2);
    let issuer = ada.idp.issuer().to_owned();
    let who = "ada@example.com";
    let head = ["signed in as", "issuer", "client id", "token", "kept in"];
    assert_eq!(lines(&ada), [head, [who, &issuer, CLIENT_ID, "renews", "file"]]);

    ada.idp.end_all_sessions();
    ada.run(["token"]).exits(4);
    assert_eq!(lines(&ada)[1][3], "ended");

    ada.run(["logout"]).exits(0);
    ada.idp.change(|behaviour| behaviour.offline_access_needs_consent = true);
    sign_in(&ada.sandbox, &[]);
    std::thread::sleep(soon * 2);
    assert_eq!(lines(&ada)[1][3], "expired");

    ada.run(["logout"]).exits(0);
    ada.idp.change(|behaviour| {
        behaviour.access_token.claims = Patch::merge(json!({"aud": "https://mongodb.example.com"}))
    });
    ada.sandbox.env("MDB_LOGIN_AUDIENCE", "https://mongodb.example.com");
    ada.idp.change(|behaviour| behaviour.access_token_lifetime = std::time::Duration::from_secs(5399));
    sign_in(&ada.sandbox, &[]);
    let seen = lines(&ada);
    assert_eq!((seen[0][3].as_str(), seen[1][3].as_str()), ("audience", "https://mongodb.example.com"));
    assert_eq!(seen[1][4], "1 h 29 min");
}

#[cfg(unix)]
#[test]
fn a_terminal_s_width_decides_between_table_and_blocks() {
    use crate::support::screen::assert_screens;
    // An hour and a half, so that a second more or less changes no digit but one that is hidden.
    let mut ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = std::time::Duration::from_secs(5390));
    let status = ada.status();
    for moment in ["signed_in_at", "expires_at"] {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(status[moment].as_u64().unwrap());
        ada.sandbox.hide(&humantime::format_rfc3339_seconds(at).to_string(), "[MOMENT]");
    }
    for seconds in 0..60 {
        ada.sandbox.hide(&format!("renewed {seconds} s ago"), "renewed [AGO]");
    }
    assert_screens(&ada.sandbox, "status", &["status"]);
    sign_in(&ada.sandbox, &["--login-hint", "ada"]);
    assert_screens(&ada.sandbox, "status-all", &["status", "--all"]);
}
