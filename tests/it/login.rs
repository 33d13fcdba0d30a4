//! Signing in with a browser: what the person, the provider and the next program see when all goes well.

use std::time::Duration;

use serde_json::json;

use crate::support::browser::{Browser, Visit};
use crate::support::cmd::{Outcome, Sandbox, assert_text};
use crate::support::idp::{Behaviour, CLIENT_ID, Endpoint, Idp, Request, jwt};

/// A provider whose tokens live "1 h" even if half a minute passes before the program says so.
pub fn provider(change: impl FnOnce(&mut Behaviour)) -> Idp {
    Idp::start_with(|behaviour| {
        behaviour.access_token_lifetime = Duration::from_secs(3630);
        behaviour.always_refresh_token = true;
        change(behaviour);
    })
}

/// A sandbox on a desktop, whatever machine this is; the browser is the test's business.
pub fn sandbox(idp: &Idp) -> Sandbox {
    let mut sandbox = Sandbox::with(idp);
    sandbox.env("DISPLAY", ":0");
    sandbox
}

/// Signs `user` in with the scripted browser. Gives how the program ended, and what the browser saw.
pub fn sign_in(sandbox: &Sandbox, arguments: &[&str], user: &str) -> (Outcome, Visit) {
    let mut login = sandbox.spawn(arguments);
    let visit = Browser::new().sign_in(&login.start_url(), user);
    (login.wait(), visit)
}

/// Runs a command that must be done within `limit`, up to five times: a machine with much else to do may be slow once,
/// but what waits for something is slow every time. Gives the last outcome.
#[track_caller]
pub fn within(limit: Duration, run: impl Fn() -> Outcome) -> Outcome {
    let mut outcome = run();
    for _ in 1..5 {
        if outcome.took < limit {
            return outcome;
        }
        outcome = run();
    }
    assert!(outcome.took < limit, "it took {:?}:\n{}", outcome.took, outcome.text());
    outcome
}

/// What every sign-in without a browser of its own begins with.
const INVITATION: &str = "\
open this address in a browser on this machine to sign in at 127.0.0.1
  http://localhost:[PORT]/start/[ID]
or sign in with a code on any other device: `mdb-login login --device`
";

/// What a sign-in is told to have done when nothing is odd.
pub const REPORT: &str = "\
signed in as ada@example.com at [ISSUER]
token valid for 1 h; it renews by itself
kept in the file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
next: `mdb-login token`
";

/// Compares, with the invitation and the report each as one line.
#[track_caller]
pub fn assert_told(outcome: &Outcome, expected: &str) {
    assert_text(&outcome.text().replace(INVITATION, "[INVITATION]\n").replace(REPORT, "[REPORT]\n"), expected);
}

/// The one request that an endpoint has had.
#[track_caller]
pub fn only(idp: &Idp, endpoint: Endpoint) -> Request {
    let mut requests: Vec<Request> = idp.log().into_iter().filter(|request| request.endpoint == endpoint).collect();
    assert_eq!(requests.len(), 1, "{endpoint:?}: {requests:?}");
    requests.remove(0)
}

/// Where a browser went, without what differs from run to run.
pub fn way(visit: &Visit) -> Vec<String> {
    let first = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
    visit
        .hops
        .iter()
        .map(|hop| {
            let place = match hop.url.host_str() {
                Some("localhost") => format!("localhost/{}", first(hop.url.path())),
                _ => format!("provider/{}", hop.url.path().rsplit('/').next().unwrap_or_default()),
            };
            format!("{} {place} {}", hop.method, hop.answer.status)
        })
        .collect()
}

fn endpoints(idp: &Idp) -> Vec<Endpoint> {
    idp.log().iter().map(|request| request.endpoint).collect()
}

#[test]
fn a_person_signs_in_and_scripts_have_a_token() {
    let idp = provider(|_| {});
    let sandbox = sandbox(&idp);

    let (login, visit) = sign_in(&sandbox, &[], "ada");
    login.is("
        exit 0
        --- stderr
        open this address in a browser on this machine to sign in at 127.0.0.1
          http://localhost:[PORT]/start/[ID]
        or sign in with a code on any other device: `mdb-login login --device`
        signed in as ada@example.com at [ISSUER]
        token valid for 1 h; it renews by itself
        kept in the file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
        next: `mdb-login token`
    ");
    assert_eq!(
        way(&visit),
        [
            "GET localhost/start 307",
            "GET provider/authorize 200",
            "POST provider/sign-in 303",
            "GET localhost/redirect 303",
            "GET localhost/done 200"
        ]
    );
    assert_eq!(visit.title(), "Signed in · mdb-login");
    assert_eq!(
        visit.text(),
        "Signed in as ada@example.com at 127.0.0.1 Your terminal has the session. \
         The database has not been asked yet: it decides when you connect. You can close this tab. mdb-login"
    );

    // One discovery, one exchange, one look at the keys; the next process asks nobody.
    use Endpoint::{Authorization, Discovery, Jwks, SignIn, Token};
    assert_eq!(endpoints(&idp), [Discovery, Authorization, SignIn, Token, Jwks]);
    let token = sandbox.run(["token"]);
    token.is("
        exit 0
        --- stdout
        [JWT][no newline]
    ");
    assert_eq!(jwt::claims(&token.stdout())["sub"], "00u-ada");
    assert_eq!(idp.log().len(), 5);
}

#[test]
fn nothing_of_the_answer_stays_in_the_browser_or_reaches_the_log() {
    let idp = provider(|_| {});
    let (login, visit) = sign_in(&sandbox(&idp), &["login", "-vv"], "ada");
    let login = login.exits(0);

    assert_eq!((visit.url().query(), visit.url().fragment()), (None, None));
    for hop in visit.hops.iter().filter(|hop| hop.url.host_str() == Some("localhost")) {
        let header = |name| hop.answer.header(name).unwrap_or_default();
        assert_eq!(header("cache-control"), "no-store", "{}", hop.url);
        assert_eq!(header("referrer-policy"), "no-referrer", "{}", hop.url);
        assert_eq!(header("x-frame-options"), "DENY", "{}", hop.url);
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{}: {policy}", hop.url);
        }
        let sharing = hop.answer.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
        assert_eq!(sharing, None, "{}", hop.url);
    }

    let request = only(&idp, Endpoint::Authorization);
    let mut secrets = idp.secrets();
    secrets.extend(["state", "nonce", "code_challenge"].map(|name| request.parameters[name].clone()));
    assert!(secrets.len() >= 6, "{secrets:?}");
    for secret in secrets {
        assert!(!login.stderr().contains(&secret), "`{secret}` in the log:\n{}", login.stderr());
        assert!(!visit.last().answer.text().contains(&secret), "`{secret}` on the last page");
    }
    assert!(login.stderr().contains("code exchanged"), "-vv says nothing:\n{}", login.stderr());
}

#[test]
fn the_result_can_be_had_as_an_object() {
    let idp = provider(|_| {});
    let (login, _) = sign_in(&sandbox(&idp), &["login", "--json"], "ada");
    let mut result: serde_json::Value = serde_json::from_slice(&login.stdout).unwrap();
    let expires_at = result["expires_at"].take().as_u64().unwrap();
    let issued_at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((issued_at + 3570..=issued_at + 3630).contains(&expires_at), "{expires_at} is not in about an hour");
    let store = result["store"].take();
    assert!(store.as_str().unwrap().starts_with("the file `"), "{store}");
    assert_eq!(
        result,
        json!({
            "schema": 1, "who": "ada@example.com", "subject": "00u-ada", "issuer": idp.issuer(),
            "expires_at": null, "renewable": true, "store": null,
        })
    );
    // The address must be seen whatever stdout is for; the report is in the object.
    let stderr = login.text().rsplit("--- stderr\n").next().unwrap_or_default();
    assert_eq!(stderr, INVITATION);
}

#[test]
fn a_profile_is_named_in_every_command_that_is_suggested() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    sandbox.write_config(&format!("[profile.prod]\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n", idp.issuer()));
    sign_in(&sandbox, &["prod"], "ada").0.is("
        exit 0
        --- stderr
        open this address in a browser on this machine to sign in at 127.0.0.1
          http://localhost:[PORT]/start/[ID]
        or sign in with a code on any other device: `mdb-login login --profile prod --device`
        signed in as ada@example.com at [ISSUER]
        token valid for 1 h; it renews by itself
        kept in the file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
        next: `mdb-login token --profile prod`
    ");
}

#[test]
fn signing_in_as_somebody_else_says_whose_session_is_replaced() {
    let idp = provider(|_| {});
    let sandbox = sandbox(&idp);
    sign_in(&sandbox, &["login"], "grace").0.exits(0);
    let (login, _) = sign_in(&sandbox, &["login"], "ada");
    assert_told(
        &login,
        "
        exit 0
        --- stderr
        [INVITATION]
        warning: this replaces the session of grace@example.com
        [REPORT]
        ",
    );
    assert_eq!(jwt::claims(&sandbox.run(["token"]).stdout())["sub"], "00u-ada");
}

#[test]
fn what_only_the_server_would_refuse_is_kept_with_one_warning() {
    for (header, expected) in [
        (json!({"typ": "at+jwt"}), "its header `typ` is `at+jwt` and must be `JWT` or absent"),
        (json!({"kid": null}), "its header has no `kid`"),
        (
            json!({"typ": "at+jwt", "kid": null}),
            "its header `typ` is `at+jwt` and must be `JWT` or absent; its header has no `kid`",
        ),
    ] {
        let idp = provider(|behaviour| behaviour.access_token.header = header.into());
        let sandbox = sandbox(&idp);
        let (login, visit) = sign_in(&sandbox, &["login"], "ada");
        assert_told(
            &login,
            &format!(
                "exit 0\n--- stderr\n[INVITATION]\n\
                 warning: a MongoDB server would refuse this token: {expected}\n[REPORT]\n"
            ),
        );
        assert_eq!(visit.title(), "Signed in · mdb-login");
        sandbox.run(["token"]).exits(0);
    }
}

#[test]
fn what_the_provider_left_out_is_said() {
    // Strict as OIDC Core §11 has it: no refresh token without consent, and not a word about it.
    let idp = provider(|behaviour| {
        behaviour.always_refresh_token = false;
        behaviour.offline_access_needs_consent = true;
        behaviour.token_response = json!({"scope": "openid"}).into();
    });
    let (login, _) =
        sign_in(&sandbox(&idp), &["login", "--scope=openid", "--scope=offline_access", "--scope=groups"], "ada");
    let shown = login.text().split(", until ").next().unwrap().to_owned();
    let invitation = INVITATION.replace("login --device", "login --scope 'openid offline_access groups' --device");
    assert_text(
        &shown.replace(&invitation, "[INVITATION]\n"),
        "
        exit 0
        --- stderr
        [INVITATION]
        warning: the provider gave no refresh token: you will have to sign in again when this token expires
        hint: some providers give one only with `--prompt consent`
        warning: the provider did not grant `groups`
        signed in as ada@example.com at [ISSUER]
        token valid for 1 h
        ",
    );
}

#[test]
fn an_id_token_can_be_handed_out_where_access_tokens_are_opaque() {
    let idp = provider(|behaviour| behaviour.access_token.instead = Some("opaque-1234".into()));
    let sandbox = sandbox(&idp);
    sign_in(&sandbox, &["login", "--id-token"], "ada").0.exits(0);
    let token = sandbox.run(["token", "--id-token"]).exits(0);
    assert!(jwt::claims(&token.stdout()).get("nonce").is_some(), "not the ID token");
}
