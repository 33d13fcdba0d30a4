//! Sign in, hand out, renew, sign out, at the certified provider.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use serde_json::Value;

use crate::peers::{Page, Provider, person};
use crate::support::cmd::{Outcome, Sandbox};

/// Signs in with the person's plain browser and gives the command's answer and the final page.
pub fn sign_in(home: &Sandbox, options: &[&str]) -> (Outcome, Page) {
    let mut login = home.spawn(["login"]);
    let page = person(&login.start_url(), options);
    (login.wait(), page)
}

/// The claims of a JWT, unverified.
pub fn claims(token: &str) -> Value {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "not a JWT: {token:?}");
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap()
}

fn token(home: &Sandbox, arguments: &[&str]) -> String {
    home.run([&["token"], arguments].concat()).exits(0).stdout()
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_session_from_sign_in_to_sign_out() {
    let provider = Provider::start();
    let home = provider.home();

    let (answer, page) = sign_in(&home, &[]);
    // This provider types its access tokens `at+jwt`, which mongod refuses: kept, with one warning.
    let answer = answer.exits(0).says("ada@example.com").says("at+jwt");
    assert_eq!(answer.stdout(), "", "{answer:?}");
    assert_eq!(answer.stderr().matches("warning").count(), 1, "{answer:?}");
    assert!(page.text().contains("ada@example.com"), "{:?}", page.0);
    assert!(!page.url().contains("code=") && !page.url().contains("state="), "{:?}", page.0);
    let journal = provider.journal();
    assert_eq!(journal.at("authorization").len(), 1);
    assert_eq!(journal.at("authorization")[0]["pkce"], "S256");
    assert_eq!(journal.grants("authorization_code").len(), 1);

    let first = token(&home, &[]);
    let payload = claims(&first);
    assert_eq!(payload["iss"], *provider.issuer);
    assert_eq!(payload["aud"], *provider.resource);
    let asked = provider.journal().requests().len();
    assert_eq!(token(&home, &[]), first);
    assert_eq!(provider.journal().requests().len(), asked, "a cached token asks nobody");

    // Each renewal spends the refresh token of the one before; a reused one would end the grant.
    let renewed: BTreeSet<String> = (0..5).map(|_| token(&home, &["--force-refresh"])).collect();
    assert_eq!(renewed.len(), 5);
    let journal = provider.journal();
    assert_eq!(journal.grants("refresh_token").len(), 5);
    assert!(journal.grants("refresh_token").iter().all(|request| request["status"] == 200));

    let status = home.run(["status", "--json"]).exits(0);
    serde_json::from_str::<Value>(&status.stdout()).unwrap();
    assert!(status.stdout().contains("ada@example.com"), "{status:?}");
    for secret in journal.refresh_tokens().into_iter().chain(renewed.iter().map(String::as_str)) {
        assert!(!status.stdout().contains(secret), "status shows a secret: {status:?}");
    }

    let last = journal.refresh_tokens().last().copied().unwrap().to_owned();
    home.run(["logout"]).exits(0);
    assert!(provider.journal().at("revocation").iter().any(|request| request["status"] == 200));
    let form = [("grant_type", "refresh_token"), ("client_id", &provider.client_id), ("refresh_token", &last)];
    let (status, body) = provider.post("/token", &form);
    assert_eq!(status, 400, "the refresh token still works after logout");
    assert!(body.contains("invalid_grant"), "{body}");
    assert_eq!(home.files_with(&last), Vec::<std::path::PathBuf>::new());
    home.run(["token"]).exits(4).says("mdb-login login").within(Duration::from_secs(1));
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn many_callers_of_an_expired_token_cost_one_refresh() {
    let provider = Provider::with(&[("ACCESS_TOKEN_TTL", "8")]);
    let mut home = provider.home();
    home.env("MDB_LOGIN_MIN_TTL", "1s");
    sign_in(&home, &[]).0.exits(0);
    let first = token(&home, &[]);
    std::thread::sleep(Duration::from_secs(8));

    let callers: Vec<_> = (0..20).map(|_| home.spawn(["token"])).collect();
    let answers: BTreeSet<String> = callers.into_iter().map(|caller| caller.wait().exits(0).stdout()).collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(!answers.contains(&first));
    let journal = provider.journal();
    assert_eq!(journal.grants("refresh_token").len(), 1);
    // The grant is alive: a twentieth of a race would have had it revoked.
    token(&home, &["--force-refresh"]);
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_stolen_refresh_token_ends_the_session_with_the_command_to_type() {
    let provider = Provider::start();
    let home = provider.home();
    sign_in(&home, &[]).0.exits(0);
    let stolen = provider.journal().refresh_tokens().last().copied().unwrap().to_owned();
    let form = [("grant_type", "refresh_token"), ("client_id", &provider.client_id), ("refresh_token", &stolen)];
    assert_eq!(provider.post("/token", &form).0, 200, "the thief comes first");

    home.run(["token", "--force-refresh"]).exits(4).says("mdb-login login");
    // A definite refusal is remembered: the dead token is not presented again.
    let asked = provider.journal().grants("refresh_token").len();
    home.run(["token", "--force-refresh"]).exits(4);
    assert_eq!(provider.journal().grants("refresh_token").len(), asked);
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn an_opaque_access_token_is_refused_with_the_setting_that_mends_it() {
    let provider = Provider::start();
    let mut home = provider.home();
    home.unset("MDB_LOGIN_RESOURCE");
    let (answer, page) = sign_in(&home, &[]);
    answer.exits(10).says("JWT").says("resource");
    assert!(!page.text().contains("Signed in"), "{:?}", page.0);
    home.run(["token"]).exits(4);
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn without_consent_there_is_no_refresh_token_and_the_person_is_told() {
    let provider = Provider::start();
    let mut home = provider.home();
    home.unset("MDB_LOGIN_PROMPT");
    sign_in(&home, &[]).0.exits(0).says("no refresh token");
    assert_eq!(provider.journal().refresh_tokens(), Vec::<&str>::new());
    claims(&token(&home, &[]));
    home.run(["token", "--force-refresh"]).exits(4);
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_person_who_says_no_is_believed() {
    let provider = Provider::start();
    let home = provider.home();
    let (answer, page) = sign_in(&home, &["--deny"]);
    answer.exits(5).says("the person said no");
    assert!(!page.text().contains("Signed in"), "{:?}", page.0);
    assert_eq!(provider.journal().at("token").len(), 0);
    home.run(["token"]).exits(4);
}

#[cfg(unix)]
#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn an_interrupted_login_stores_nothing_and_frees_its_port() {
    let provider = Provider::start();
    let home = provider.home();
    let mut login = home.spawn(["login"]);
    let url = login.start_url();
    login.interrupt();
    login.wait().exits(130);
    let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
    assert!(std::net::TcpStream::connect(authority).is_err(), "{authority} still answers");
    home.run(["token"]).exits(4);
}
