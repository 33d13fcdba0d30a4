//! Sign-ins that fail: the terminal and the browser's last page say the same, the exit code tells the kind, and nothing
//! is stored.

use serde_json::{Value, json};

use super::login::{assert_told, provider, sandbox, sign_in};
use crate::support::browser::{Browser, Visit};
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::{Answer, Behaviour, Endpoint, Key, Reply, ResponseIss, SignIn, Signing};

/// Signs in at a provider that `change` has spoiled, and compares what the terminal says after the invitation. Then
/// the page must say it too, and nothing may be left.
#[track_caller]
fn refused(change: impl FnOnce(&mut Behaviour), expected: &str) {
    let idp = provider(change);
    let sandbox = sandbox(&idp);
    let (login, visit) = sign_in(&sandbox, &["login"], "ada");
    assert_told(&login, expected);
    says_the_same(&login, &visit);
    nothing_is_left(&sandbox);
}

#[track_caller]
fn says_the_same(login: &Outcome, visit: &Visit) {
    // The page sets in type what the terminal has in backticks.
    let plain = |text: &str| text.replace('`', "").replace(char::is_whitespace, "").to_lowercase();
    assert_eq!((visit.status(), visit.title()), (200, "Sign-in failed · mdb-login".to_owned()));
    let page = plain(&visit.text());
    let stderr = login.stderr();
    let said: Vec<&str> = ["error: ", "  caused by: ", "hint: "]
        .iter()
        .filter_map(|prefix| stderr.lines().find_map(|line| line.strip_prefix(prefix)))
        .collect();
    assert!(said.len() >= 2, "{stderr}");
    for part in said {
        assert!(page.contains(&plain(part)), "`{part}` is not on the page:\n{}", visit.text());
    }
    assert_eq!(visit.url().query(), None);
}

#[track_caller]
fn nothing_is_left(sandbox: &Sandbox) {
    sandbox.run(["token"]).is("
        exit 4
        --- stderr
        error: not signed in to `[ISSUER]`
        hint: run `mdb-login login`
    ");
    let kept: Vec<_> =
        sandbox.files().into_iter().filter(|(path, bytes)| !path.ends_with("secret") && !bytes.is_empty()).collect();
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn the_person_says_no() {
    let idp = provider(|_| {});
    let sandbox = sandbox(&idp);
    let mut login = sandbox.spawn(["login"]);
    let visit = Browser::new().deny(&login.start_url());
    let login = login.wait();
    assert_told(
        &login,
        "
        exit 5
        --- stderr
        [INVITATION]
        error: cannot sign in at `[ISSUER]`
          caused by: the provider says `access_denied`: the person said no
        ",
    );
    says_the_same(&login, &visit);
    nothing_is_left(&sandbox);
    assert_eq!(idp.requests(Endpoint::Token), 0);
}

#[test]
fn the_provider_says_no_in_the_browser() {
    for (error, exit, hint) in [
        (
            "unauthorized_client",
            3,
            "check `client_id`, and at the provider that it is a public native client with this grant type",
        ),
        ("invalid_scope", 3, "ask for other scopes: `--scope openid`"),
        ("invalid_target", 3, "correct `resource`: `--resource IDENTIFIER`"),
        (
            "invalid_request",
            3,
            "check that the provider has the redirect URI `http://localhost:[PORT]/redirect` registered",
        ),
        ("login_required", 4, "run `mdb-login login`"),
        ("server_error", 7, "run `mdb-login login` again in a while"),
        ("temporarily_unavailable", 7, "run `mdb-login login` again in a while"),
        ("something_new", 5, ""),
    ] {
        let hint = if hint.is_empty() { String::new() } else { format!("hint: {hint}\n") };
        refused(
            |behaviour| behaviour.sign_in = SignIn::Refuse(error.into()),
            &format!(
                "exit {exit}\n--- stderr\n[INVITATION]\nerror: cannot sign in at `[ISSUER]`\n  \
                 caused by: the provider says `{error}`: the test wants it so\n{hint}"
            ),
        );
    }
}

#[test]
fn the_answer_must_come_from_the_issuer() {
    refused(
        |behaviour| behaviour.response_iss = ResponseIss::Wrong("https://evil.example.com".into()),
        "
        exit 10
        --- stderr
        [INVITATION]
        error: cannot sign in at `[ISSUER]`
          caused by: the authorization response: the answer came from `https://evil.example.com`, not from `[ISSUER]`
        ",
    );
    refused(
        |behaviour| behaviour.response_iss = ResponseIss::Missing,
        "
        exit 10
        --- stderr
        [INVITATION]
        error: cannot sign in at `[ISSUER]`
          caused by: the authorization response: the answer does not say that it came from `[ISSUER]`, though the provider promises to
        ",
    );
}

#[test]
fn a_provider_that_promises_no_iss_need_not_send_it() {
    let idp = provider(|behaviour| {
        behaviour.response_iss = ResponseIss::Missing;
        behaviour.metadata = json!({"authorization_response_iss_parameter_supported": null}).into();
    });
    let (login, _) = sign_in(&sandbox(&idp), &["login"], "ada");
    assert_told(&login, "exit 0\n--- stderr\n[INVITATION]\n[REPORT]\n");
}

#[test]
fn an_access_token_that_mongodb_cannot_take_is_refused_with_what_mends_it() {
    refused(
        |behaviour| behaviour.access_token.instead = Some("opaque-1234".into()),
        "
        exit 10
        --- stderr
        [INVITATION]
        error: the provider's access token is of no use to MongoDB
          caused by: it is not a JWT (three parts, separated by dots)
        hint: have the provider give JWTs as access tokens (Okta: a custom authorization server; Auth0: an API of your own), or hand out the ID token and set the server up for ID tokens
        hint: to ask for an API: `--resource IDENTIFIER` or `--auth-param audience=IDENTIFIER`
        hint: to hand out the ID token: `--id-token`
        ",
    );
    refused(
        |behaviour| behaviour.access_token.claims = json!({"aud": "other"}).into(),
        "
        exit 10
        --- stderr
        [INVITATION]
        error: the provider's access token is of no use to MongoDB
          caused by: it is for `other`, not for `mongodb-tools`
        hint: have the provider put the server's audience into access tokens (Keycloak: an audience mapper; Okta: the authorization server's audience), or set the server's `audience` to that of the tokens
        hint: if that is the audience the MongoDB server is configured with: `--audience other`
        ",
    );
    refused(
        |behaviour| behaviour.access_token.claims = json!({"aud": "https://graph.microsoft.com"}).into(),
        "
        exit 10
        --- stderr
        [INVITATION]
        error: the provider's access token is of no use to MongoDB
          caused by: it is for `https://graph.microsoft.com` (Microsoft Graph), not for `mongodb-tools`
        hint: ask for a scope of your own application, `<client id>/.default`: where none is asked for, Entra ID gives a token for Microsoft Graph, which nobody else can verify
        hint: to ask for it: `--scope mongodb-tools/.default --scope openid --scope offline_access`
        ",
    );
}

#[test]
fn with_a_profile_the_hint_is_a_command_that_works() {
    let idp = provider(|behaviour| behaviour.access_token.claims = json!({"aud": "api://mongo db"}).into());
    let mut sandbox = sandbox(&idp);
    sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    sandbox.write_config(&format!("[profile.prod]\nissuer = \"{}\"\nclient_id = \"mongodb-tools\"\n", idp.issuer()));
    let (login, _) = sign_in(&sandbox, &["prod"], "ada");
    let login = login.exits(10);
    let stderr = login.stderr();
    let command = stderr.split('`').find(|text| text.starts_with("mdb-login profile set")).unwrap();
    let words = shlex::split(command).unwrap();
    assert_eq!(words[1..], ["profile", "set", "prod", "audience=api://mongo db"]);
    sandbox.run(&words[1..]).exits(0);
    sign_in(&sandbox, &["prod"], "ada").0.exits(0);
}

#[test]
fn an_id_token_that_breaks_a_rule_ends_the_sign_in() {
    let claims = |patch: Value| move |behaviour: &mut Behaviour| behaviour.id_token.claims = patch.into();
    let signed = |signing| move |behaviour: &mut Behaviour| behaviour.id_token.signing = signing;
    type Change = Box<dyn FnOnce(&mut Behaviour)>;
    let cases: [(Change, &str); 9] = [
        (
            Box::new(claims(json!({"nonce": "another"}))),
            "the ID token: its `nonce` is wrong: it is not the nonce of this sign-in",
        ),
        (Box::new(claims(json!({"nonce": null}))), "the ID token: its `nonce` is wrong: it is missing"),
        (
            Box::new(claims(json!({"aud": "another"}))),
            "the ID token: its `aud` is not for this client: must contain `mongodb-tools` (found audiences: `another`)",
        ),
        (
            Box::new(claims(json!({"iss": "https://evil.example.com"}))),
            "the ID token: its `iss` is not the issuer: expected `[ISSUER]` (found `https://evil.example.com`)",
        ),
        (Box::new(claims(json!({"exp": 1_000_000_000}))), "the ID token: it has expired"),
        (Box::new(signed(Signing::WrongKey)), "the ID token: its signature is wrong"),
        (Box::new(signed(Signing::None)), "the ID token: it has no signature"),
        (
            Box::new(signed(Signing::Hs256WithPublicKey)),
            "the ID token: its signature algorithm is not accepted: algorithm `HS256` is not one of: RS256",
        ),
        (
            Box::new(|behaviour| behaviour.key = Key::Short),
            "the provider's key set (`jwks_uri`): it has no key that may sign (RSA of at least 2,048 bits, EC or OKP)",
        ),
    ];
    for (change, why) in cases {
        refused(
            change,
            &format!("exit 10\n--- stderr\n[INVITATION]\nerror: cannot sign in at `[ISSUER]`\n  caused by: {why}\n"),
        );
    }
    refused(
        |behaviour| behaviour.token_response = json!({"id_token": null}).into(),
        "
        exit 10
        --- stderr
        [INVITATION]
        error: cannot sign in at `[ISSUER]`
          caused by: the token response: it has no ID token although `openid` was asked for
        ",
    );
}

#[test]
fn an_exchange_that_fails_is_told_by_its_kind() {
    let oauth = |status, body: Value| Answer::Instead(Reply::json(status, &body));
    let cases = [
        (
            oauth(400, json!({"error": "invalid_grant", "error_description": "too \u{1b}[31mlate"})),
            5,
            "the provider says `invalid_grant`: too \\u{1b}[31mlate",
            "run `mdb-login login` again",
        ),
        (
            oauth(401, json!({"error": "invalid_client"})),
            3,
            "the provider says `invalid_client`",
            "check `client_id`, and at the provider that it is a public native client with this grant type",
        ),
        (
            oauth(429, json!({"error": "temporarily_unavailable"})),
            7,
            "the provider says `temporarily_unavailable`",
            "check the network and the proxy, then run `mdb-login login` again",
        ),
        (
            Answer::Instead(Reply::html(503, "busy").header("retry-after", "17")),
            7,
            "[ISSUER]/token answered with status 503",
            "try again in 17 s, as the provider asks",
        ),
        (
            Answer::Instead(Reply::html(200, "<h1>Welcome to the hotel</h1>")),
            7,
            "the answer of [ISSUER]/token cannot be read: it is not valid JSON (line 1, column 1)",
            "check the network and the proxy, then run `mdb-login login` again",
        ),
        (
            Answer::Instead(Reply::html(302, "").header("location", "https://evil.example.com/token?x=y")),
            10,
            "the token endpoint: [ISSUER]/token redirects to `evil.example.com`, and a redirect is not followed",
            "",
        ),
        (
            oauth(200, json!({"access_token": "a.b.c", "token_type": "DPoP"})),
            10,
            "token response field `token_type`: it is `DPoP`, and only `Bearer` can be used",
            "",
        ),
    ];
    let idp = provider(|_| {});
    let sandbox = sandbox(&idp);
    for (answer, exit, cause, hint) in cases {
        idp.script(Endpoint::Token, [answer]);
        let (login, visit) = sign_in(&sandbox, &["login"], "ada");
        let hint = if hint.is_empty() { String::new() } else { format!("hint: {hint}\n") };
        assert_told(
            &login,
            &format!(
                "exit {exit}\n--- stderr\n[INVITATION]\nerror: cannot sign in at `[ISSUER]`\n  caused by: {cause}\n{hint}"
            ),
        );
        says_the_same(&login, &visit);
    }
    nothing_is_left(&sandbox);
}

#[test]
fn keys_that_cannot_be_had_are_asked_for_once_more() {
    let idp = provider(|_| {});
    let sandbox = sandbox(&idp);
    let busy = || Answer::Instead(Reply::html(503, "busy"));
    idp.script(Endpoint::Jwks, [busy(), busy()]);
    let (login, visit) = sign_in(&sandbox, &["login"], "ada");
    assert_told(
        &login,
        "
        exit 7
        --- stderr
        [INVITATION]
        error: cannot sign in at `[ISSUER]`
          caused by: [ISSUER]/jwks answered with status 503
        hint: check the network and the proxy, then run `mdb-login login` again
        ",
    );
    says_the_same(&login, &visit);
    nothing_is_left(&sandbox);

    idp.script(Endpoint::Jwks, [busy()]);
    assert_told(&sign_in(&sandbox, &["login"], "ada").0, "exit 0\n--- stderr\n[INVITATION]\n[REPORT]\n");
}
