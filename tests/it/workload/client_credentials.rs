//! `client-credentials`: what is asked of a provider, and what each refusal is called.

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::*;
use crate::cases::each;
use crate::support::idp::{Answer, Audience, Reply, jwt};
#[cfg(unix)]
use crate::support::terminal::Terminal;

/// A certificate of a test key, as PEM and as DER.
pub(super) fn certificate(key: Key) -> (String, Vec<u8>) {
    let pair = KeyPair::from_pem(key.pem()).unwrap();
    let certificate =
        CertificateParams::new(vec!["program.example.com".to_owned()]).unwrap().self_signed(&pair).unwrap();
    (certificate.pem(), certificate.der().to_vec())
}

#[test]
fn a_secret_gets_a_token_in_the_way_that_the_provider_takes() {
    let ways = [ClientAuth::SecretBasic(SECRET.into()), ClientAuth::SecretPost(SECRET.into())];
    each(ways, |auth| {
        let mut program = Program::of(auth, |_| {});
        let path = program.file("secret", SECRET);
        program.sandbox.env("MDB_LOGIN_CLIENT_SECRET_FILE", path);
        let claims = jwt::claims(&program.token());
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!(CLIENT_ID), &json!(CLIENT_ID)));
        assert_eq!((program.asked(), program.idp.log().len()), (1, 2), "metadata, and the token");
        let names: Vec<String> = program.last_request().parameters.keys().cloned().collect();
        // Nobody signs in, so nothing is said of a person: Entra ID refuses `openid` here.
        assert!(!names.iter().any(|name| name == "scope"), "{names:?}");
    });
}

#[test]
fn a_command_may_print_the_secret() {
    let mut program = Program::new();
    program.sandbox.unset("MDB_LOGIN_CLIENT_SECRET_FILE");
    let path = program.file("secret", SECRET);
    program.sandbox.env("MDB_LOGIN_CLIENT_SECRET_COMMAND", format!("cat {}", path.display()));
    program.token();
    assert_eq!(program.asked(), 1);
}

/// A pipe gives the secret once; it is there for as long as the command runs.
#[test]
fn stdin_may_hold_the_secret() {
    let mut program = Program::new();
    program.sandbox.unset("MDB_LOGIN_CLIENT_SECRET_FILE");
    let piped = |program: &Program, command: &[&str], input: &str| {
        let line = [command, &["--client-secret-file", "-"]].concat();
        program.sandbox.run_with(line, input.as_bytes())
    };
    let token = piped(&program, &["token"], &format!("{SECRET}\n")).exits(0).stdout();
    // What is cached needs no secret, and nothing of it was written down.
    assert_eq!(piped(&program, &["token"], "").exits(0).stdout(), token);
    assert_eq!(program.asked(), 1);
    assert!(program.sandbox.files_with(SECRET).is_empty());
    // An answer that is lost is asked for once more, with the same secret.
    program.idp.script(Endpoint::Token, [Answer::DropAfter]);
    piped(&program, &["token", "--force-refresh"], SECRET).exits(0);
    assert_eq!(program.asked(), 3);
    let rows = [
        ("", 3, "stdin must give the client secret and nothing else, on one line"),
        ("a\nb", 3, "stdin must give the client secret and nothing else, on one line"),
        ("wrong", 3, "the provider says `invalid_client`"),
    ];
    for (input, code, words) in rows {
        piped(&program, &["token", "--force-refresh"], input).exits(code).says(words);
    }
    let long = "x".repeat(5000);
    piped(&program, &["token", "--force-refresh"], &long).exits(3).says("stdin gave more than 4096 bytes");
    // It is the program's stdin there, and a file has none.
    piped(&program, &["inspect", "--server-config", "-"], SECRET)
        .exits(2)
        .says("client secret and configuration cannot both come from stdin");
    piped(&program, &["exec", "--print-env"], SECRET).exits(2).says("stdin is the program's");
    program
        .run(["profile", "set", "p", "client_secret_file=-"])
        .exits(2)
        .says("is stdin, which no configuration can hold");
    program.sandbox.write_config("[profile.p]\nclient_secret_file = '-'\n");
    program.run(["token", "p"]).exits(3).says("`client_secret_file` must be a full path");
}

#[cfg(unix)]
#[test]
fn a_terminal_is_no_place_for_a_secret() {
    let mut program = Program::new();
    program.sandbox.unset("MDB_LOGIN_CLIENT_SECRET_FILE");
    let line = ["token", "--client-secret-file", "-"];
    let mut terminal = Terminal::start(&program.sandbox, line);
    terminal.wait_for("stdin is a terminal, and a client secret does not belong there");
    assert_eq!(terminal.wait().0, Some(2));
    assert_eq!(program.idp.log().len(), 0);
}

/// Whoever holds the pipe open holds nothing else up.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_wait_for_stdin() {
    let program = Program::new();
    let (stdin, _writer) = std::io::pipe().unwrap();
    let token = program.sandbox.spawn_with(["token", "--client-secret-file", "-"], stdin);
    token.wait_until_it_catches(rustix::process::Signal::INT);
    token.interrupt();
    let outcome = token.wait();
    outcome.is("exit 130\n--- stderr\nerror: interrupted");
    assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
}

#[test]
fn scopes_and_a_resource_are_asked_for_but_none_that_speak_of_a_person() {
    let resource = "https://mongodb.example.com";
    let mut program = Program::with(|behaviour| behaviour.scopes.push("api://db/.default".into()));
    program
        .sandbox
        .env("MDB_LOGIN_SCOPE", "openid offline_access api://db/.default")
        .env("MDB_LOGIN_RESOURCE", resource);
    let token = program.token();
    assert_eq!(jwt::claims(&token)["aud"], resource);
    let sent = program.last_request().parameters;
    assert_eq!((sent["scope"].as_str(), sent["resource"].as_str()), ("api://db/.default", resource));
    let printed = object(&program.run(["token", "--json"]).exits(0));
    assert_eq!((&printed["audience"], &printed["scope"]), (&json!(resource), &json!("api://db/.default")));
    assert_eq!((&printed["issuer"], &printed["subject"]), (&json!(program.idp.issuer()), &json!(CLIENT_ID)));
}

#[test]
fn a_key_signs_for_each_request_what_the_provider_takes() {
    let (pem, der) = certificate(Key::First);
    let algorithms = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let by_id = || Registered::new(Key::First);
    let by_certificate = || Registered::by_certificate(Key::First, &der);
    let rows = [
        ("a key id", by_id(), false),
        ("no key id", Registered { key_id: None, ..by_id() }, false),
        ("PS256 alone", Registered { algorithms: algorithms(&["PS256"]), ..by_id() }, false),
        ("RS256 alone", Registered { algorithms: algorithms(&["RS256", "ES256"]), ..by_id() }, false),
        ("the issuer named", Registered { audience: Audience::Issuer, ..by_id() }, false),
        // Entra ID says nothing of algorithms, and takes PS256.
        ("a certificate", by_certificate(), true),
        ("a certificate, RS256 alone", Registered { algorithms: algorithms(&["RS256"]), ..by_certificate() }, true),
    ];
    each(rows, |(what, registered, has_certificate)| {
        let issuer = registered.audience == Audience::Issuer;
        let mut program = Program::with_key(registered);
        if has_certificate {
            let path = program.file("certificate.pem", &pem);
            program.sandbox.env("MDB_LOGIN_CLIENT_CERTIFICATE_FILE", path);
        }
        if issuer {
            program.sandbox.env("MDB_LOGIN_CLIENT_ASSERTION_AUDIENCE", "issuer");
        }
        let first = program.token();
        // The provider takes no assertion twice.
        let second = program.run(["token", "--force-refresh"]).exits(0).stdout();
        assert!(first != second && program.asked() == 2, "{what}");
        let sent = program.last_request();
        let parameters: Vec<&str> = sent.parameters.keys().map(String::as_str).collect();
        assert_eq!(parameters, ["client_assertion", "client_assertion_type", "client_id", "grant_type"], "{what}");
        assert!(!sent.headers.contains_key("authorization"), "{what}");
    });
}

#[test]
fn key_and_certificate_may_lie_in_one_file() {
    let (pem, der) = certificate(Key::First);
    let mut program = Program::with_key(Registered::by_certificate(Key::First, &der));
    let both = program.file("both.pem", &format!("{pem}{}", Key::First.pem()));
    program.sandbox.env("MDB_LOGIN_CLIENT_KEY_FILE", &both).env("MDB_LOGIN_CLIENT_CERTIFICATE_FILE", &both);
    program.token();
}

/// What the provider has against a client, which setting mends it, and that nothing is kept of it.
#[test]
fn every_refusal_has_its_words_and_its_exit_code() {
    type Make = fn(&mut Program);
    let secret: [(&str, Make, i32, &str, &str); 12] = [
        (
            "another secret",
            |p| p.idp.change(|b| b.clients[0].auth = ClientAuth::SecretBasic("another".into())),
            3,
            "the provider says `invalid_client`",
            "hint: check `client_id`, and that its secret has not expired or been replaced",
        ),
        (
            "an unknown client",
            |p| _ = p.sandbox.env("MDB_LOGIN_CLIENT_ID", "somebody"),
            3,
            "the provider says `invalid_client`",
            "hint: check `client_id`",
        ),
        (
            "a client for people",
            |p| p.idp.change(|b| b.clients[0].grant_types = vec!["authorization_code".into()]),
            3,
            "the provider says `unauthorized_client`",
            "hint: allow the grant type `client_credentials`",
        ),
        (
            "an unknown scope",
            |p| _ = p.sandbox.env("MDB_LOGIN_SCOPE", "api://other/.default"),
            3,
            "the provider says `invalid_scope`",
            "hint: correct `scope`: `--scope SCOPE`",
        ),
        (
            "an unknown resource",
            |p| _ = p.sandbox.env("MDB_LOGIN_RESOURCE", "https://other.example.com"),
            3,
            "the provider says `invalid_target`",
            "hint: correct `resource`: `--resource IDENTIFIER`",
        ),
        (
            "another issuer in the metadata",
            |p| p.idp.change(|b| b.metadata = json!({ "issuer": "https://evil.example.com" }).into()),
            10,
            "metadata field `issuer`",
            "hint: set the issuer exactly as the provider writes it",
        ),
        (
            "no token endpoint",
            |p| p.idp.change(|b| b.metadata = json!({ "token_endpoint": null }).into()),
            10,
            "metadata field `token_endpoint`: it is missing",
            "",
        ),
        (
            "an opaque token",
            |p| p.idp.change(|b| b.access_token.instead = Some("opaque-0123456789".into())),
            10,
            "is of no use to MongoDB\n  caused by: it is not a JWT",
            "to ask for an API: `--scope SCOPE`, or `--resource IDENTIFIER`",
        ),
        (
            "a token for somebody else",
            |p| _ = p.sandbox.env("MDB_LOGIN_AUDIENCE", "mongodb"),
            10,
            "it is for `mongodb-tools`, not for `mongodb`",
            "hint: if that is the audience the MongoDB server is configured with: `--audience mongodb-tools`",
        ),
        (
            "a token that has expired",
            |p| p.idp.change(|b| b.access_token.claims = json!({ "exp": 1 }).into()),
            10,
            "caused by: it expired ",
            "hint: compare this computer's clock",
        ),
        (
            "an error page",
            |p| p.idp.always(Endpoint::Token, Answer::Instead(Reply::html(500, "<h1>oh"))),
            7,
            "answered with status 500",
            "hint: check the network and the proxy, then try again",
        ),
        (
            "nobody there",
            |p| p.idp.set_up(false),
            7,
            "cannot get a token at `[ISSUER]`\n  caused by: cannot reach",
            "hint: check the network and the proxy, then try again",
        ),
    ];
    each(secret, |(what, make, code, words, hint)| {
        let mut program = Program::new();
        make(&mut program);
        let outcome = program.run(["token"]).exits(code);
        assert!(outcome.text().contains(words) && outcome.text().contains(hint), "{what}: {outcome:?}");
        assert!(outcome.stdout.is_empty() && !outcome.stderr().contains("opaque-0123"), "{what}: {outcome:?}");
        program.run(["status"]).exits(4);
    });
    let key: [(&str, Make, &str); 5] = [
        ("another key", |p| register(p, |r| r.key = Key::Second), "does not fit the registered key"),
        ("another key id", |p| _ = p.sandbox.env("MDB_LOGIN_CLIENT_KEY_ID", "old"), "`kid` is not that"),
        (
            "a thumbprint that is not sent",
            |p| register(p, |r| r.thumbprint = Some("dGh1bWI".into())),
            "`x5t#S256` is not that",
        ),
        ("the other audience", |p| register(p, |r| r.audience = Audience::Issuer), "`aud` is not what it must be"),
        (
            "a secret in place of the key",
            |p| p.idp.change(|b| b.clients[0].auth = ClientAuth::SecretBasic(SECRET.into())),
            "not the registered way",
        ),
    ];
    each(key, |(what, make, words)| {
        let mut program = Program::with_key(Registered::new(Key::First));
        make(&mut program);
        let outcome = program.run(["token"]).exits(3);
        assert!(outcome.text().contains("the provider says `invalid_client`"), "{what}: {outcome:?}");
        assert!(outcome.text().contains(words), "{what}: {outcome:?}");
        assert!(outcome.text().contains("`MDB_LOGIN_CLIENT_ASSERTION_AUDIENCE=issuer`"), "{what}: {outcome:?}");
    });
    let program = Program::with_key(Registered { algorithms: vec!["ES256".to_owned()], ..Registered::new(Key::First) });
    program.run(["token"]).exits(3).says("the provider takes neither PS256 nor RS256 from clients");
    assert_eq!(program.asked(), 0);
}

fn register(program: &Program, change: impl FnOnce(&mut Registered)) {
    program.idp.change(|behaviour| {
        if let ClientAuth::PrivateKeyJwt(registered) = &mut behaviour.clients[0].auth {
            change(registered);
        }
    });
}

/// Nobody is asked anything with a key or a secret that is of no use, or that others can read.
#[test]
fn what_is_wrong_with_a_secret_a_key_or_a_certificate_is_known_without_a_network() {
    let other = certificate(Key::Second).0;
    let ec = KeyPair::generate().unwrap().serialize_pem();
    let encrypted = Key::First.pem().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let rows: Vec<(&str, Option<&str>, u32, &str)> = vec![
        ("CLIENT_SECRET", None, 0o600, "cannot read the client secret file `[FILES]/it`\n  caused by: No such file"),
        ("CLIENT_SECRET", Some("secret"), 0o640, "the client secret file `[FILES]/it` can be read by others"),
        ("CLIENT_SECRET", Some(""), 0o600, "must give the client secret and nothing else, on one line"),
        ("CLIENT_SECRET", Some("a\nb"), 0o600, "must give the client secret and nothing else, on one line"),
        ("CLIENT_KEY", None, 0o600, "cannot read the client key file `[FILES]/it`\n  caused by: No such file"),
        ("CLIENT_KEY", Some(Key::First.pem()), 0o604, "the client key file `[FILES]/it` can be read by others"),
        ("CLIENT_KEY", Some("nonsense"), 0o600, "holds no private key in PEM that is not encrypted"),
        ("CLIENT_KEY", Some(&encrypted), 0o600, "holds no private key in PEM that is not encrypted"),
        ("CLIENT_KEY", Some(Key::Short.pem()), 0o600, "holds no RSA key of 2,048 to 8,192 bits"),
        ("CLIENT_KEY", Some(&ec), 0o600, "holds no RSA key of 2,048 to 8,192 bits"),
        ("CLIENT_CERTIFICATE", None, 0o644, "cannot read the client certificate file `[FILES]/it`"),
        ("CLIENT_CERTIFICATE", Some(Key::First.pem()), 0o644, "holds no certificate in PEM"),
        ("CLIENT_CERTIFICATE", Some(&other), 0o644, "holds the certificate of another key"),
        (
            "CLIENT_CERTIFICATE",
            Some(&other),
            0o666,
            "the client certificate file `[FILES]/it` can be written by others",
        ),
    ];
    each(rows, |(what, text, mode, words)| {
        let mut program =
            if what == "CLIENT_SECRET" { Program::new() } else { Program::with_key(Registered::new(Key::First)) };
        let path = program.outside.path().join("it");
        if let Some(text) = text {
            private_file(path.clone(), text);
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        program.sandbox.env(format!("MDB_LOGIN_{what}_FILE"), &path);
        let folder = program.outside.path().display().to_string();
        program.sandbox.hide(&folder, "[FILES]");
        let outcome = program.run(["token"]).exits(3);
        assert!(outcome.text().contains(words), "{what} {mode:o}: {outcome:?}");
        assert!(program.idp.log().is_empty(), "{what}: somebody was asked");
    });
}

#[test]
fn an_answer_that_is_lost_is_asked_for_once_more() {
    for answer in [Answer::DropAfter, Answer::CutAfter(10)] {
        let program = Program::with_key(Registered::new(Key::First));
        program.idp.script(Endpoint::Token, [answer.clone()]);
        program.token();
        assert_eq!(program.asked(), 2, "{answer:?}");
    }
    let program = Program::new();
    program.idp.always(Endpoint::Token, Answer::DropAfter);
    program.run(["token"]).exits(7);
    assert_eq!(program.asked(), 2, "asked on and on");
}

#[test]
fn a_provider_that_wants_to_be_left_alone_is() {
    let program = stale();
    let busy = Reply::json(429, &json!({ "error": "slow_down" })).header("retry-after", "60");
    program.idp.always(Endpoint::Token, Answer::Instead(busy));
    program.run(["token"]).exits(5);
    let busy = Reply::html(429, "busy").header("retry-after", "60");
    program.idp.always(Endpoint::Token, Answer::Instead(busy));
    program.run(["token"]).exits(7).says("hint: try again in 60 s, as the provider asks");
    let asked = program.asked();
    program.idp.be_honest();
    let outcome = program.run(["token"]).exits(7).says("the provider has asked not to be called for a while");
    assert!(outcome.took < Duration::from_secs(5) && program.asked() == asked, "{outcome:?}");
}
