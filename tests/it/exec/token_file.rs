//! `ENVIRONMENT:k8s`: a path from which a live token is read.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::wait_for;
use crate::signed_in::SignedIn;
use crate::support::cmd::Running;

const WAYS: [&str; 2] = ["k8s", "file"];

#[test]
fn the_file_holds_the_token_and_nothing_else_and_is_ours_alone() {
    let ada = SignedIn::new();
    let token = ada.token();
    for way in WAYS {
        let script = "cat $AZURE_FEDERATED_TOKEN_FILE $AWS_WEB_IDENTITY_TOKEN_FILE; cd \"$(dirname $OIDC_TOKEN_FILE)\"; \
                      stat -c ' %a %F' token . ..";
        let outcome = ada.exec(&["--inject", way], script).exits(0);
        assert_eq!(outcome.stdout(), format!("{token}{token} 600 regular file\n 700 directory\n 700 directory\n"));
        assert_eq!(outcome.stderr(), "");
    }
    assert_eq!(ada.refreshes(), 0);
}

#[test]
fn readers_that_come_together_each_get_the_token() {
    let ada = SignedIn::new();
    let token = ada.token();
    let script = "for round in 1 2 3 4 5; do for i in 1 2 3 4 5 6 7 8; do cat $OIDC_TOKEN_FILE > got$round.$i & done; wait; done";
    ada.exec(&[], script).exits(0);
    for round in 1..=5 {
        for i in 1..=8 {
            let got = ada.sandbox.home().join(format!("got{round}.{i}"));
            assert_eq!(std::fs::read_to_string(got).unwrap(), token, "{round}.{i}");
        }
    }
}

#[test]
fn the_file_is_replaced_at_half_of_a_short_life() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(12));
    for (refreshes, way) in [(1, "k8s"), (2, "file")] {
        // What is open keeps the old token: replaced, not written over.
        let script = "exec 3< $OIDC_TOKEN_FILE; first=$(cat $OIDC_TOKEN_FILE); sleep 8; test \"$first\" = \"$(cat <&3)\" || exit 3; \
                      test \"$first\" != \"$(cat $OIDC_TOKEN_FILE)\" || exit 4; ls -A \"$(dirname $OIDC_TOKEN_FILE)\"";
        let outcome = ada.exec(&["--inject", way], script).exits(0);
        assert_eq!((outcome.stdout(), outcome.stderr()), ("lock\ntoken\n".to_owned(), String::new()));
        assert!(ada.refreshes() >= refreshes);
    }
    ada.nothing_was_reused();
}

/// Reads every tenth of a second for 16 lives of a token, and never gets one that has expired or anything else.
#[test]
fn each_read_gets_a_token_that_lives() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(5));
    let script = "for i in $(seq 150); do date +%s; cat $OIDC_TOKEN_FILE; echo; sleep 0.1; done";
    let outcome = ada.exec(&[], script).exits(0);
    let lines: Vec<String> = outcome.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 300);
    for pair in lines.chunks(2) {
        assert!(expiry(&pair[1]) > pair[0].parse().unwrap(), "dead at {}: {}", pair[0], pair[1]);
    }
    assert_eq!(outcome.stderr(), "");
    ada.nothing_was_reused();
}

fn expiry(jwt: &str) -> u64 {
    use base64::Engine as _;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["exp"].as_u64().unwrap()
}

/// A program whose token has died while the provider was away: `go` in its folder lets it run `script`.
fn starved(ada: &SignedIn, way: &str, script: &str) -> Running {
    let exec = ada.spawn_exec(&["--inject", way], &format!("while ! test -e go; do sleep 0.05; done; {script}"));
    let file = wait_for("the token file", || {
        let run = ada.runs().pop()?.join("token");
        run.exists().then_some(run)
    });
    ada.idp.set_up(false);
    match way {
        "k8s" => wait_for("a FIFO", || (!std::fs::metadata(&file).ok()?.is_file()).then_some(())),
        _ => std::thread::sleep(Duration::from_secs(7)),
    }
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    exec
}

fn go(ada: &SignedIn) {
    std::fs::write(ada.sandbox.home().join("go"), "").unwrap();
}

#[test]
fn where_renewing_was_late_an_open_waits_for_it() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(4));
    let exec = starved(&ada, "k8s", "cat $OIDC_TOKEN_FILE; echo; test -f $OIDC_TOKEN_FILE && cat $OIDC_TOKEN_FILE");
    ada.idp.set_up(true);
    go(&ada);
    let outcome = exec.wait().exits(0);
    let tokens: Vec<String> = outcome.stdout().lines().map(str::to_owned).collect();
    assert!(tokens.len() == 2 && tokens[0] == tokens[1], "{outcome:?}");
    assert!(expiry(&tokens[0]) > crate::signed_in::unix_now() - 2);
    assert_eq!(outcome.stderr().matches("error: ").count(), 1, "{outcome:?}");
}

#[test]
fn where_renewing_fails_an_open_gets_nothing_at_once_and_one_error_is_said() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(4));
    let exec = starved(&ada, "k8s", "cat $OIDC_TOKEN_FILE $OIDC_TOKEN_FILE $OIDC_TOKEN_FILE | wc -c");
    go(&ada);
    let outcome = exec.wait().exits(0).within(Duration::from_secs(30));
    assert_eq!(outcome.stdout().trim(), "0");
    assert_eq!(outcome.stderr().matches("error: ").count(), 1, "{outcome:?}");
}

#[test]
fn a_plain_file_stays_one_and_recovers() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(4));
    let script = "test -f $OIDC_TOKEN_FILE || exit 3; first=$(cat $OIDC_TOKEN_FILE); sleep 9; test \"$first\" != \"$(cat $OIDC_TOKEN_FILE)\"";
    let exec = starved(&ada, "file", script);
    go(&ada);
    ada.idp.set_up(true);
    let outcome = exec.wait().exits(0);
    assert_eq!(outcome.stderr().matches("error: ").count(), 1, "{outcome:?}");
}

#[test]
fn an_ended_session_is_said_with_what_to_do() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(4));
    ada.idp.end_all_sessions();
    ada.exec(&[], "sleep 5").exits(0).says("the session for").says("hint: run `mdb-login login");
}
