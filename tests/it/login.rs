//! Signing in with a browser: what the person, the provider and the next program see when all goes well.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::support::browser::{Browser, Visit};
use crate::support::cmd::{Outcome, Sandbox, assert_text};
use crate::support::idp::{Behaviour, CLIENT_ID, Client, ClientAuth, Endpoint, Idp, Request, jwt};

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

/// What every sign-in without a browser of its own begins with.
const INVITATION: &str = "\
open this address in a browser on this machine to sign in at 127.0.0.1
  http://localhost:[PORT]/start/[ID]
or sign in with a code on any other device: `mdb-login login --issuer [ISSUER] --client-id mongodb-tools --device`
";

/// What a sign-in is told to have done when nothing is odd.
pub const REPORT: &str = "\
signed in as ada@example.com at [ISSUER]
token valid for 1 h; it renews by itself
kept in file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
next: `mdb-login token --issuer [ISSUER] --client-id mongodb-tools`
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
        or sign in with a code on any other device: `mdb-login login --issuer [ISSUER] --client-id mongodb-tools --device`
        signed in as ada@example.com at [ISSUER]
        token valid for 1 h; it renews by itself
        kept in file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
        next: `mdb-login token --issuer [ISSUER] --client-id mongodb-tools`
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
fn parameters_are_sent_once_and_where_they_belong() {
    let idp = provider(|behaviour| behaviour.extra_parameters = vec!["organization".into()]);
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_AUDIENCE", "https://mongodb.example.com");
    let arguments = [
        "login",
        "--resource=https://mongodb.example.com",
        "--prompt=consent",
        "--login-hint=ada@example.com",
        "--acr-values=urn:mfa urn:pwd",
        "--max-age=900",
        "--domain-hint=example.com",
        "--auth-param=organization=a&b=c",
    ];
    sign_in(&sandbox, &arguments, "ada").0.exits(0);

    // The provider refuses a parameter that comes twice, so a map tells everything.
    let mut sent = only(&idp, Endpoint::Authorization).parameters;
    let redirect_uri = sent["redirect_uri"].clone();
    assert!(redirect_uri.starts_with("http://localhost:") && redirect_uri.ends_with("/redirect"), "{redirect_uri}");
    for random in ["state", "nonce", "code_challenge"] {
        let value = sent.remove(random).unwrap_or_default();
        assert!(value.len() >= 43, "`{random}` is only {} characters long", value.len());
    }
    assert_eq!(
        sent,
        texts(&[
            ("acr_values", "urn:mfa urn:pwd"),
            ("client_id", CLIENT_ID),
            ("code_challenge_method", "S256"),
            ("domain_hint", "example.com"),
            ("login_hint", "ada@example.com"),
            ("max_age", "900"),
            ("organization", "a&b=c"),
            ("prompt", "consent"),
            ("redirect_uri", &redirect_uri),
            ("resource", "https://mongodb.example.com"),
            ("response_type", "code"),
            ("scope", "openid offline_access"),
        ])
    );
    let mut sent = only(&idp, Endpoint::Token).parameters;
    for secret in ["code", "code_verifier"] {
        assert!(sent.remove(secret).is_some(), "no `{secret}`");
    }
    assert_eq!(
        sent,
        texts(&[
            ("client_id", CLIENT_ID),
            ("grant_type", "authorization_code"),
            ("redirect_uri", &redirect_uri),
            ("resource", "https://mongodb.example.com"),
        ])
    );
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn state_nonce_and_challenge_are_new_each_time_and_the_nonce_can_be_left_out() {
    let idp = provider(|_| {});
    let sandbox = sandbox(&idp);
    for _ in 0..2 {
        sign_in(&sandbox, &["login"], "ada").0.exits(0);
    }
    sign_in(&sandbox, &["login", "--no-nonce"], "ada").0.exits(0);
    let sent = |name: &str| -> Vec<Option<String>> {
        let requests = idp.log().into_iter().filter(|request| request.endpoint == Endpoint::Authorization);
        requests.map(|request| request.parameters.get(name).cloned()).collect()
    };
    for name in ["state", "nonce", "code_challenge"] {
        let values = sent(name);
        assert_ne!(values[0], values[1], "{name}");
        assert!(values[0].is_some());
    }
    assert_eq!(sent("nonce")[2], None);
}

#[test]
fn default_scopes_are_cut_to_what_the_provider_has_and_chosen_ones_are_not() {
    for (supported, arguments, expected) in [
        (&["openid", "offline_access", "email"][..], &["login"][..], "openid offline_access"),
        (&["openid", "email"], &["login"], "openid"),
        (&["openid", "groups"], &["login", "--scope=openid", "--scope=groups"], "openid groups"),
    ] {
        let idp = provider(|behaviour| behaviour.scopes = supported.iter().map(|scope| (*scope).into()).collect());
        sign_in(&sandbox(&idp), arguments, "ada").0.exits(0);
        assert_eq!(only(&idp, Endpoint::Authorization).parameters["scope"], expected);
    }
}

#[test]
fn a_client_secret_comes_from_a_file_or_a_command_and_goes_the_registered_way() {
    let basic = ClientAuth::SecretBasic("s3cr3t & more".into());
    let post = ClientAuth::SecretPost("s3cr3t & more".into());
    for (auth, variable) in [
        (&basic, "MDB_LOGIN_CLIENT_SECRET_FILE"),
        (&post, "MDB_LOGIN_CLIENT_SECRET_FILE"),
        (&basic, "MDB_LOGIN_CLIENT_SECRET_COMMAND"),
    ] {
        let idp = provider(|behaviour| {
            behaviour.clients = vec![Client { auth: auth.clone(), ..Client::public(CLIENT_ID) }];
        });
        let mut sandbox = sandbox(&idp);
        let path = secret_file(&sandbox, "s3cr3t & more\n", 0o600);
        let value = match variable {
            "MDB_LOGIN_CLIENT_SECRET_COMMAND" if cfg!(windows) => format!("cmd /c type {}", path.display()),
            "MDB_LOGIN_CLIENT_SECRET_COMMAND" => format!("cat {}", path.display()),
            _ => path.display().to_string(),
        };
        sandbox.env(variable, value);
        sign_in(&sandbox, &["login"], "ada").0.exits(0);
        let request = only(&idp, Endpoint::Token);
        let (in_header, in_body) =
            (request.headers.contains_key("authorization"), request.parameters.contains_key("client_secret"));
        let expected = matches!(auth, ClientAuth::SecretBasic(_));
        assert_eq!((in_header, in_body), (expected, !expected), "{auth:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_client_secret_that_others_can_read_is_refused_before_anything_happens() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    let path = secret_file(&sandbox, "s3cr3t", 0o644);
    sandbox.env("MDB_LOGIN_CLIENT_SECRET_FILE", &path);
    sandbox.run(["login"]).is("
        exit 3
        --- stderr
        error: the client secret file `[HOME]/secret` can be read by others
        hint: run `chmod 600 [HOME]/secret`
    ");
    assert_eq!(idp.requests(Endpoint::Authorization), 0);
}

fn secret_file(sandbox: &Sandbox, text: &str, _mode: u32) -> PathBuf {
    let path = sandbox.home().join("secret");
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(_mode)).unwrap();
    path
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
    assert!(store.as_str().unwrap().starts_with("file `"), "{store}");
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
        kept in file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
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
        behaviour.token_response = json!({"scope": "openid"}).into();
    });
    let (login, _) =
        sign_in(&sandbox(&idp), &["login", "--scope=openid", "--scope=offline_access", "--scope=groups"], "ada");
    let shown = login.text().split(", until ").next().unwrap().to_owned();
    assert_text(
        &shown.replace(INVITATION, "[INVITATION]\n"),
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
