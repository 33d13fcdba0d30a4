//! `doctor` for programs: what only people need is no fault, and what the kind needs is looked at. Nobody is asked for a
//! token, and no command is run.

use super::client_credentials::certificate;
use super::*;
use crate::cases::each;
use crate::support::mongod::Mongod;

/// The checks of `doctor`, which must end with `code`: name, status, and text with notes.
#[track_caller]
fn checks(sandbox: &Sandbox, arguments: &[&str], code: i32) -> Vec<(String, String, String)> {
    let outcome = sandbox.run([&["doctor", "--json"], arguments].concat()).exits(code);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |check: &Value| {
        let notes = check["notes"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join("\n");
        (text(&check["name"]), text(&check["status"]), format!("{}\n{notes}", text(&check["text"])))
    };
    object(&outcome)["checks"].as_array().unwrap().iter().map(one).collect()
}

#[track_caller]
fn says(checks: &[(String, String, String)], name: &str, status: &str, words: &str) {
    let said = checks.iter().any(|check| check.0 == name && check.1 == status && check.2.contains(words));
    assert!(said, "no {status} of {name} with `{words}`:\n{checks:#?}");
}

#[test]
fn what_only_people_need_is_no_fault_of_a_program_s() {
    // The kind, further variables, and what is said of where its tokens come from.
    type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);
    let rows: [Row; 8] = [
        ("azure-managed-identity", &[("MDB_LOGIN_RESOURCE", "api://db")], "no variable of its own is set"),
        (
            "azure-managed-identity",
            &[
                ("MDB_LOGIN_RESOURCE", "api://db"),
                ("IDENTITY_ENDPOINT", "http://127.0.0.1:1"),
                ("IDENTITY_HEADER", "h"),
            ],
            "set: `IDENTITY_ENDPOINT`, `IDENTITY_HEADER`",
        ),
        // Here `token` would say that this is Azure Cloud Shell.
        (
            "azure-managed-identity",
            &[("MDB_LOGIN_RESOURCE", "api://db"), ("MSI_ENDPOINT", "http://127.0.0.1:1")],
            "set: `MSI_ENDPOINT`",
        ),
        ("gcp", &[("MDB_LOGIN_AUDIENCE", "mongodb"), ("GCE_METADATA_HOST", "127.0.0.1:1")], "set: `GCE_METADATA_HOST`"),
        (
            "kubernetes",
            &[("MDB_LOGIN_IDENTITY", "shop/orders"), ("MDB_LOGIN_AUDIENCE", "mongodb")],
            "no variable of its own is set",
        ),
        ("github-actions", &[("MDB_LOGIN_AUDIENCE", "mongodb")], "no variable of its own is set"),
        ("command", &[("MDB_LOGIN_SOURCE_COMMAND", "touch ran")], "comes from a command, which is not run here"),
        ("command", &[("MDB_LOGIN_SOURCE_COMMAND", "no-such-command")], "comes from a command, which is not run here"),
    ];
    each(rows, |(kind, variables, source)| {
        let mut sandbox = Sandbox::new();
        // No keyring, no browser, and a port that somebody has.
        let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let redirect = format!("http://127.0.0.1:{}/redirect", squatter.local_addr().unwrap().port());
        sandbox
            .unset("MDB_LOGIN_STORE")
            .env("MDB_LOGIN_KIND", kind)
            .env("MDB_LOGIN_REDIRECT_URI", redirect)
            .env("MDB_LOGIN_BROWSER", "no-such-browser %s");
        for (name, value) in variables {
            sandbox.env(name, value);
        }
        let before = sandbox.files();
        let checks = checks(&sandbox, &[], 0);
        says(&checks, "source", "skip", source);
        for (name, words) in [
            ("redirect_port", "nobody signs in to a program's session"),
            ("browser", "nobody signs in to a program's session"),
            ("keyring", "a program's session needs none"),
            ("proxy", "asks none"),
            ("dns", "asks none"),
            ("discovery", "asks none"),
            ("session", "no token has been asked for yet"),
            ("token", "no access token is at hand"),
        ] {
            says(&checks, name, "skip", words);
        }
        says(&checks, "settings", "ok", "no profile");
        let bad: Vec<_> = checks.iter().filter(|check| check.1 == "fail").collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert_eq!(sandbox.files(), before, "something was left, or run");
    });
}

#[test]
fn a_client_s_provider_and_what_it_proves_itself_with_are_looked_at() {
    let program = Program::new();
    program.token();
    let asked = program.asked();
    let checks_of = |program: &Program, code| checks(&program.sandbox, &[], code);
    let healthy = checks_of(&program, 0);
    says(&healthy, "discovery", "ok", "answers, and is the issuer");
    says(&healthy, "client_secret", "ok", "closed to others");
    says(&healthy, "session", "ok", "a token is at hand, and is replaced in time");
    says(&healthy, "token", "ok", "nothing in it that a server would refuse it for");
    assert!(!healthy.iter().any(|check| check.0 == "refresh_tokens" || check.2.contains("device")), "{healthy:#?}");
    assert_eq!(program.asked(), asked, "a token was asked for");

    // A provider for programs alone has no page for people.
    program.idp.change(|b| b.metadata = serde_json::json!({ "authorization_endpoint": null, "jwks_uri": null }).into());
    says(&checks_of(&program, 0), "discovery", "ok", "answers");
    program.idp.change(|b| b.metadata = serde_json::json!({ "token_endpoint": null }).into());
    says(&checks_of(&program, 10), "discovery", "fail", "`token_endpoint`: it is missing");
    program.idp.change(|b| b.metadata = serde_json::json!({ "grant_types_supported": ["authorization_code"] }).into());
    says(&checks_of(&program, 0), "supports", "warn", "`client_credentials` is none of the provider's");
    program.idp.set_up(false);
    says(&checks_of(&program, 7), "discovery", "fail", "check the network and the proxy, then try again");
}

#[test]
fn a_key_is_looked_at_with_its_certificate() {
    let mut program = Program::with_key(Registered::new(Key::First));
    says(&checks(&program.sandbox, &[], 0), "client_key", "ok", "an RSA key and closed to others");
    let other = program.file("other.pem", &certificate(Key::Second).0);
    program.sandbox.env("MDB_LOGIN_CLIENT_CERTIFICATE_FILE", other);
    says(&checks(&program.sandbox, &[], 3), "client_key", "fail", "holds the certificate of another key");
    program.sandbox.unset("MDB_LOGIN_CLIENT_CERTIFICATE_FILE").env("MDB_LOGIN_CLIENT_KEY_FILE", "/no/such/key");
    says(&checks(&program.sandbox, &[], 3), "client_key", "fail", "cannot read the client key file");
    let algorithms = serde_json::json!({ "token_endpoint_auth_signing_alg_values_supported": ["ES256"] });
    let mut program = Program::with_key(Registered::new(Key::First));
    program.idp.change(|behaviour| behaviour.metadata = algorithms.into());
    says(&checks(&program.sandbox, &[], 3), "discovery", "fail", "takes neither PS256 nor RS256");
    program.sandbox.env("MDB_LOGIN_STORE", "kernel");
    assert_eq!(program.asked(), 0);
}

#[test]
fn a_token_in_a_file_is_judged_where_it_lies() {
    let idp = Idp::start();
    let mut sandbox = Sandbox::new();
    let path = private_file(sandbox.home().join("token.jwt"), &idp.access_token("ada"));
    sandbox.env("MDB_LOGIN_KIND", "file").env("MDB_LOGIN_SOURCE_FILE", &path);
    let healthy = checks(&sandbox, &[], 0);
    says(&healthy, "source", "ok", "holds a token, and others cannot write to it");
    says(&healthy, "store", "ok", "nothing is kept");
    says(&healthy, "session", "ok", "the token is what its file holds");
    says(&healthy, "token", "ok", "nothing in it that a server would refuse it for");
    sandbox.env("MDB_LOGIN_AUDIENCE", "another");
    says(&checks(&sandbox, &[], 10), "token", "fail", "every MongoDB server would refuse it");
    std::fs::remove_file(&path).unwrap();
    says(&checks(&sandbox, &[], 3), "source", "fail", "cannot read the token file");
    // The same where a variable names it.
    sandbox.unset("MDB_LOGIN_SOURCE_FILE").env("MDB_LOGIN_KIND", "kubernetes");
    sandbox.env("AZURE_FEDERATED_TOKEN_FILE", &path);
    says(&checks(&sandbox, &[], 3), "source", "fail", "named by `AZURE_FEDERATED_TOKEN_FILE`");
}

/// A server that knows programs only names no provider of people, and that is as it should be.
#[test]
fn a_server_for_programs_alone_is_no_fault() {
    let program = Program::new();
    let server = Mongod::start_with(&program.idp, |behaviour| {
        let provider = &mut behaviour.identity_providers[0];
        provider.client_id = None;
        provider.supports_human_flows = false;
    });
    let checks = checks(&program.sandbox, &[&server.uri()], 0);
    says(&checks, "server", "ok", "offers MONGODB-OIDC");
    says(&checks, "server_provider", "skip", "does not say which programs it knows");
    assert!(server.tokens().is_empty());
}
