//! Sign-ins that end before anybody is asked: the provider's metadata, or the store, are not fit for one.

use std::time::Duration;

use serde_json::json;

use super::login::{provider, sandbox};
use crate::support::cmd::Sandbox;
use crate::support::idp::{Answer, Endpoint, Reply};

#[test]
fn discovery_that_fails_ends_it_before_a_link_is_shown() {
    let html = |status| Answer::Instead(Reply::html(status, "<h1>No</h1>"));
    let unread = "the discovery document of `[ISSUER]` cannot be read";
    let network = "check the network and the proxy, then run `mdb-login login` again";
    let cases = [
        (
            html(404),
            3,
            "discovery: [ORIGIN]/.well-known/oauth-authorization-server[PATH] answered with status 404; \
             is `[ISSUER]` the issuer exactly as the provider writes it?"
                .to_owned(),
            "",
        ),
        (html(500), 7, "[ISSUER]/.well-known/openid-configuration answered with status 500".to_owned(), network),
        (html(200), 7, format!("{unread}: it is not valid JSON (line 1, column 1)"), network),
        (Answer::Instead(Reply::json(200, &json!([]))), 7, format!("{unread}: it is not a JSON object"), network),
        (
            Answer::Instead(Reply::html(301, "").header("location", "https://evil.example.com/")),
            10,
            "discovery: [ISSUER]/.well-known/openid-configuration answered with a redirect (status 301), which is not followed".to_owned(),
            "",
        ),
        (
            Answer::Flood(10 << 20),
            10,
            "the answer of [ISSUER]/.well-known/openid-configuration: it is larger than 262144 bytes".to_owned(),
            "",
        ),
    ];
    for (answer, exit, cause, hint) in cases {
        let idp = provider(|_| {});
        idp.always(Endpoint::Discovery, answer);
        let mut sandbox = sandbox(&idp);
        hide_parts(&mut sandbox, idp.issuer());
        let hint = if hint.is_empty() { String::new() } else { format!("hint: {hint}\n") };
        sandbox
            .run(["login"])
            .is(&format!("exit {exit}\n--- stderr\nerror: cannot sign in at `[ISSUER]`\n  caused by: {cause}\n{hint}"));
    }
}

/// For the one URL that has the issuer in two pieces.
fn hide_parts(sandbox: &mut Sandbox, issuer: &str) {
    let (origin, path) = issuer.rsplit_once('/').unwrap();
    sandbox.hide(origin, "[ORIGIN]").hide(&format!("/{path}"), "[PATH]");
}

#[test]
fn metadata_that_break_a_rule_or_lack_something_are_told_by_field() {
    let cases = [
        (
            json!({"issuer": "https://evil.example.com"}),
            10,
            "metadata field `issuer`: it is `https://evil.example.com` but the configured issuer is `[ISSUER]`; the two must be identical",
            "set the issuer exactly as the provider writes it: `--issuer ISSUER`",
        ),
        (
            json!({"token_endpoint": "http://idp.example.com/token"}),
            10,
            "metadata field `token_endpoint`: `http://idp.example.com/token` does not begin with `https://`",
            "",
        ),
        (
            json!({"authorization_endpoint": "file:///etc/passwd"}),
            10,
            "metadata field `authorization_endpoint`: `file:///etc/passwd` does not begin with `https://`",
            "",
        ),
        (json!({"jwks_uri": null}), 10, "metadata field `jwks_uri`: it is missing", ""),
        (
            json!({"code_challenge_methods_supported": ["plain"]}),
            3,
            "metadata field `code_challenge_methods_supported`: the provider does not offer PKCE with S256",
            "",
        ),
        (
            json!({"response_types_supported": ["token"]}),
            3,
            "metadata field `response_types_supported`: the provider does not offer the authorization code flow (`code`)",
            "",
        ),
    ];
    for (patch, exit, cause, hint) in cases {
        let idp = provider(|behaviour| behaviour.metadata = patch.into());
        let hint = if hint.is_empty() { String::new() } else { format!("hint: {hint}\n") };
        sandbox(&idp)
            .run(["login"])
            .is(&format!("exit {exit}\n--- stderr\nerror: cannot sign in at `[ISSUER]`\n  caused by: {cause}\n{hint}"));
        assert_eq!(idp.log().len(), 1);
    }
}

#[test]
fn a_provider_that_is_away_or_hangs_is_unavailable() {
    let idp = provider(|_| {});
    idp.always(Endpoint::Discovery, Answer::Delay(Duration::from_secs(30)));
    sandbox(&idp).run(["login", "--http-timeout=1s"]).is("
        exit 7
        --- stderr
        error: cannot sign in at `[ISSUER]`
          caused by: no answer from [ISSUER]/.well-known/openid-configuration: it took too long
        hint: check the network and the proxy, then run `mdb-login login --http-timeout 1s` again
    ");
    idp.set_up(false);
    let away = sandbox(&idp).run(["login"]).exits(7);
    let cause = format!("cannot reach {}/.well-known/openid-configuration: ", idp.issuer());
    assert!(away.stderr().contains(&cause), "{}", away.text());
}

#[test]
fn a_store_that_cannot_keep_a_session_is_found_out_before_anybody_is_asked() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    // Permissions would not stop a test that runs as root; a file where a folder is needed stops everybody.
    let file = sandbox.home().join("a-file");
    std::fs::write(&file, "").unwrap();
    sandbox.env("MDB_LOGIN_STATE_DIR", file.join("state"));
    let login = sandbox.run(["login"]).exits(8);
    assert!(login.stderr().starts_with("error: "), "{}", login.text());
    assert!(login.stderr().contains("a-file"), "{}", login.text());
    assert_eq!(idp.log().len(), 0);
}
