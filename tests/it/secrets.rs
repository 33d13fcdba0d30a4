//! No token, code, verifier, state, device code or client secret is anywhere but where it was asked for: not on stdout
//! or stderr, not in a log however talkative, not in a browser's argument list, not in any file but the store's.
//!
//! What the provider hands out it remembers ([`Idp::secrets`]); what the client makes up is taken from the browser's way.

use std::time::Duration;

use crate::cases::each;
use crate::signed_in::sign_in;
use crate::support::browser::{Browser, Visit};
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::{Answer, CLIENT_ID, Client, ClientAuth, Endpoint, Idp, Patch, Reply, SignIn};

const CLIENT_SECRET: &str = "canary-of-the-client-0123456789";

/// Everything that must not be seen, in the spellings in which it might be.
pub struct Canaries(Vec<String>);

impl Canaries {
    fn of(idp: &Idp, visits: &[Visit]) -> Self {
        let mut plain = idp.secrets();
        plain.push(CLIENT_SECRET.to_owned());
        for hop in visits.iter().flat_map(|visit| &visit.hops) {
            let secret = |name: &str| matches!(name, "state" | "code" | "nonce");
            let pairs = hop.url.query_pairs().filter(|(name, _)| secret(name));
            plain.extend(pairs.map(|(_, value)| value.into_owned()).filter(|value| value.len() > 10));
        }
        Self::of_texts(plain)
    }

    pub fn of_texts(texts: Vec<String>) -> Self {
        let mut all = Vec::new();
        for text in texts {
            // A JWT's middle alone says who, and its end alone may be put behind another middle.
            all.extend(text.split('.').filter(|part| part.len() > 20).map(str::to_owned));
            all.push(hex(&text));
            all.push(text.chars().rev().collect());
            all.push(text);
        }
        Self(all)
    }

    pub fn assert_absent(&self, place: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for canary in &self.0 {
            assert!(!text.contains(canary), "{place} holds `{canary}`:\n{text}");
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Every way to talk more.
fn talkative(sandbox: &mut Sandbox) {
    let key_log = sandbox.home().join("tls-keys");
    sandbox.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").env("SSLKEYLOGFILE", key_log);
    sandbox.env("MDB_LOGIN_LOG", "trace");
}

/// A provider that wants a client secret, and a sandbox that has it in a file outside of what is searched.
fn confidential() -> (Idp, Sandbox, tempfile::TempDir) {
    let idp = Idp::start_with(|behaviour| {
        behaviour.sign_in = SignIn::Auto("ada".into());
        let auth = ClientAuth::SecretBasic(CLIENT_SECRET.into());
        behaviour.clients = vec![Client { auth, ..Client::public(CLIENT_ID) }];
    });
    let mut sandbox = Sandbox::with(&idp);
    talkative(&mut sandbox);
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("client-secret");
    std::fs::write(&path, CLIENT_SECRET).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    sandbox.env("MDB_LOGIN_CLIENT_SECRET_FILE", &path);
    (idp, sandbox, outside)
}

/// Looks everywhere, after a command that was not asked for a token. `stored`: the store may hold the session.
fn look(idp: &Idp, sandbox: &Sandbox, visits: &[Visit], outcome: &Outcome, stored: bool) {
    let canaries = Canaries::of(idp, visits);
    canaries.assert_absent("stdout", &outcome.stdout);
    canaries.assert_absent("stderr", &outcome.stderr);
    for (path, bytes) in sandbox.files() {
        // Where there is no kernel keyring, the access token lies next to the session.
        if stored && path.extension().is_some_and(|extension| extension == "secret" || extension == "access") {
            continue;
        }
        canaries.assert_absent(&path.display().to_string(), &bytes);
    }
    assert!(!sandbox.home().join("tls-keys").exists(), "TLS keys were written down");
}

const LOUD: [&[&str]; 3] = [&["-vv"], &["--json", "-vvv"], &["-v"]];

/// The one thing that stands for all: if the canaries were wrong, these tests could not fail.
#[test]
fn the_canaries_are_what_is_really_handed_out() {
    let (idp, sandbox, _outside) = confidential();
    let mut login = sandbox.spawn(["login"]);
    let visit = Browser::new().open(&login.start_url());
    login.wait().exits(0);
    let canaries = Canaries::of(&idp, &[visit]);
    let token = sandbox.run(["token"]).exits(0);
    assert!(std::panic::catch_unwind(|| canaries.assert_absent("stdout", &token.stdout)).is_err());
    let (_, store) =
        sandbox.files().into_iter().find(|(path, _)| path.extension().is_some_and(|e| e == "secret")).unwrap();
    assert!(std::panic::catch_unwind(|| canaries.assert_absent("the store", &store)).is_err());
    let id_token = String::from_utf8_lossy(&store);
    assert!(id_token.contains("refresh-"), "the provider marks its refresh tokens");
    // Code, state and nonce, access, ID and refresh token, client secret: each with its spellings.
    assert!(canaries.0.len() >= 3 * 7, "{}", canaries.0.len());
}

#[test]
fn signing_in_shows_and_leaves_no_secret() {
    let failing = |endpoint, answer| move |idp: &Idp| idp.always(endpoint, answer);
    let refusal = Reply::json(400, &serde_json::json!({"error": "invalid_grant", "error_description": "no"}));
    type Turn = Box<dyn Fn(&Idp) + Send>;
    let turns: Vec<(&str, Turn, bool)> = vec![
        ("all is well", Box::new(|_: &Idp| {}), true),
        (
            "the code is refused",
            Box::new(move |idp: &Idp| failing(Endpoint::Token, Answer::Instead(refusal.clone()))(idp)),
            false,
        ),
        ("the exchange is lost", Box::new(move |idp: &Idp| failing(Endpoint::Token, Answer::DropAfter)(idp)), false),
        (
            "the answer is cut short",
            Box::new(move |idp: &Idp| failing(Endpoint::Token, Answer::CutAfter(900))(idp)),
            false,
        ),
        ("the keys are missing", Box::new(move |idp: &Idp| failing(Endpoint::Jwks, Answer::DropBefore)(idp)), false),
        (
            "the token is for somebody else",
            Box::new(|idp: &Idp| {
                idp.change(|behaviour| {
                    behaviour.access_token.claims = Patch::merge(serde_json::json!({"aud": "other"}));
                })
            }),
            false,
        ),
        (
            "the ID token is for somebody else",
            Box::new(|idp: &Idp| {
                idp.change(|behaviour| {
                    behaviour.id_token.claims = Patch::merge(serde_json::json!({"aud": "other", "nonce": "x"}));
                })
            }),
            false,
        ),
        (
            "the answer is no token response",
            Box::new(|idp: &Idp| {
                idp.change(|behaviour| {
                    behaviour.token_response =
                        Patch::merge(serde_json::json!({"token_type": "mac", "expires_in": "x"}));
                })
            }),
            false,
        ),
        (
            "the refresh token cannot be kept",
            Box::new(|idp: &Idp| {
                idp.change(|behaviour| {
                    behaviour.token_response =
                        Patch::merge(serde_json::json!({"refresh_token": "canary canary canary"}));
                })
            }),
            false,
        ),
    ];
    let rows = turns.into_iter().flat_map(|(name, turn, good)| {
        let turn = std::sync::Arc::new(std::sync::Mutex::new(turn));
        LOUD.map(|flags| (name, std::sync::Arc::clone(&turn), good, flags))
    });
    each(rows.collect::<Vec<_>>(), |(name, turn, good, flags)| {
        let (idp, sandbox, _outside) = confidential();
        turn.lock().unwrap()(&idp);
        let mut login = sandbox.spawn(["login"].iter().chain(flags));
        let visit = Browser::new().open(&login.start_url());
        let outcome = login.wait();
        assert_eq!(outcome.code() == Some(0), good, "{name}: {outcome:?}");
        look(&idp, &sandbox, &[visit], &outcome, good);
    });
}

/// A browser's argument list can be read by every user of the machine.
#[cfg(unix)]
#[test]
fn a_browser_command_is_told_nothing_but_the_local_link() {
    use std::os::unix::fs::PermissionsExt as _;

    let (idp, mut sandbox, outside) = confidential();
    let seen = outside.path().join("seen");
    let browser = outside.path().join("browser");
    let script =
        format!("#!/bin/sh\n{{ printf '%s\\n' \"$0\" \"$@\"; env; }} > {0}.new; mv {0}.new {0}\n", seen.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o700)).unwrap();
    sandbox.env("MDB_LOGIN_BROWSER", &browser);
    for command in [&["login"][..], &["logout", "--browser-session"]] {
        let mut running = sandbox.spawn(command.iter().chain(&["-vv"]));
        let start = std::time::Instant::now();
        while !seen.exists() {
            assert!(start.elapsed() < Duration::from_secs(20) && running.is_running(), "the browser was not started");
            std::thread::sleep(Duration::from_millis(10));
        }
        let told = std::fs::read_to_string(&seen).unwrap();
        std::fs::remove_file(&seen).unwrap();
        let url = told.lines().nth(1).unwrap();
        let (_, id) = url.split_once("/start/").unwrap();
        assert!(
            url.starts_with("http://localhost:") && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        );
        let visit = Browser::new().open(url);
        let outcome = running.wait().exits(0);
        Canaries::of(&idp, std::slice::from_ref(&visit))
            .assert_absent("the browser's arguments and environment", told.as_bytes());
        look(&idp, &sandbox, &[visit], &outcome, command == ["login"]);
    }
}

#[test]
fn a_device_code_stays_between_the_program_and_the_provider() {
    each(LOUD, |flags| {
        let (idp, sandbox, _outside) = confidential();
        idp.change(|behaviour| {
            behaviour.device.interval = 1;
            behaviour.device.auto_approve = Some((1, "ada".into()));
        });
        let outcome = sandbox.run(["login", "--device"].iter().chain(flags)).exits(0);
        look(&idp, &sandbox, &[], &outcome, true);
        assert!(idp.secrets().len() >= 4, "device code, and three tokens");

        idp.always(Endpoint::Token, Answer::Instead(Reply::json(400, &serde_json::json!({"error": "access_denied"}))));
        let outcome = sandbox.run(["login", "--device"].iter().chain(flags)).exits(5);
        look(&idp, &sandbox, &[], &outcome, true);
    });
}

#[test]
fn other_commands_show_and_leave_no_secret() {
    let rows = LOUD.into_iter().flat_map(|flags| [true, false].map(|good| (flags, good)));
    each(rows.collect::<Vec<_>>(), |(flags, good)| {
        let (idp, sandbox, _outside) = confidential();
        sign_in(&sandbox, &[]);
        let run = |arguments: &[&str]| sandbox.run(arguments.iter().chain(flags));
        if !good {
            idp.always(Endpoint::Token, Answer::Processed(Reply::html(500, "<h1>canary")));
            idp.always(Endpoint::Revocation, Answer::DropAfter);
        }
        for arguments in [
            &["status"][..],
            &["status", "--all"],
            &["status", "--check"],
            &["profile", "show", "--origin"],
            &["profile", "list"],
            &["doctor"],
            &["doctor", "mongodb://127.0.0.1:1"],
            &["token", "--min-ttl", "nonsense"],
            &["token", "--client-secret", CLIENT_SECRET],
            &["token", "--nonsense", "--json"],
        ] {
            let outcome = run(arguments);
            look(&idp, &sandbox, &[], &outcome, true);
        }
        // A token goes where it was asked for, and nowhere else.
        let mut asked = run(&["token", "-o", "raw", "--min-ttl", "2h"]);
        asked.stdout.clear();
        look(&idp, &sandbox, &[], &asked, true);
        let path = sandbox.home().join("token.secret");
        let outcome = run(&["token", "--token-file", path.to_str().unwrap(), "--force-refresh"]);
        assert_eq!(outcome.code() == Some(0), good, "{outcome:?}");
        look(&idp, &sandbox, &[], &outcome, true);
        let _ = std::fs::remove_file(path);

        let outcome = run(&["logout"]).exits(0);
        look(&idp, &sandbox, &[], &outcome, false);
        let outcome = run(&["token"]).exits(4);
        look(&idp, &sandbox, &[], &outcome, false);
    });
}
