//! What a sign-in sends to the provider: each parameter once, where it belongs, and the client's secret its own way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::login::{only, provider, sandbox, sign_in};
use crate::support::cmd::Sandbox;
use crate::support::idp::{CLIENT_ID, Client, ClientAuth, Endpoint};

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
    // The command is there to be pasted into a shell.
    let spaced = path.with_file_name("my secret");
    std::fs::rename(path, &spaced).unwrap();
    sandbox.env("MDB_LOGIN_CLIENT_SECRET_FILE", &spaced);
    sandbox.run(["login"]).is("
        exit 3
        --- stderr
        error: the client secret file `[HOME]/my secret` can be read by others
        hint: run `chmod 600 '[HOME]/my secret'`
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
