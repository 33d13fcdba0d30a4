//! Connection strings among a program's arguments: completed, and judged before anything is handed over.

use crate::cases::each;
use crate::signed_in::SignedIn;
use crate::support::cmd::Outcome;

const TAIL: &str = "authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s";

/// Without anybody's word on hosts.
fn ada() -> SignedIn {
    let mut ada = SignedIn::new();
    ada.sandbox.unset("MDB_LOGIN_ALLOWED_HOST");
    ada
}

fn printed(outcome: &Outcome) -> Vec<String> {
    outcome.stdout().lines().map(str::to_owned).collect()
}

#[test]
fn connection_strings_are_completed_for_what_the_program_understands() {
    let ada = ada();
    let show = |inject: &str, uri: &str| {
        let script = "printf '%s\\n' \"$@\" \"$MDB_LOGIN_URI\"";
        ada.run(["exec", "--inject", inject, "--", "sh", "-c", script, "sh", uri, "--gzip"]).exits(0)
    };
    let outcome = show("k8s", "mongodb://ada%40example.com@localhost:27018/db?appName=x");
    let ready = format!("mongodb://localhost:27018/db?appName=x&{TAIL}");
    assert_eq!(printed(&outcome), [ready.clone(), "--gzip".into(), ready]);
    let notice = "the user name `ada@example.com` is left out of the connection string: the token says who you are\n";
    assert_eq!(outcome.stderr(), notice);

    let outcome = show("file", "--uri=mongodb://127.0.0.1");
    assert_eq!(printed(&outcome)[0], format!("--uri=mongodb://127.0.0.1/?{TAIL}"));
    assert_eq!(outcome.stderr(), "");

    // mongosh keeps the user name: with it, it asks the server which provider is meant.
    let outcome = show("mongosh", "mongodb://ada@localhost/");
    let ready = "mongodb://ada@localhost/?authMechanism=MONGODB-OIDC".to_owned();
    assert_eq!(printed(&outcome), [ready.clone(), "--gzip".into(), ready]);
}

#[test]
fn mongosh_is_told_of_hosts_that_are_not_on_its_own_list() {
    let ada = ada();
    let run = |uri: &str| {
        let script = ["exec", "--inject", "mongosh", "--trust-host", "nowhere.invalid", "--", "printf", "%s\\n", uri];
        printed(&ada.run(script).exits(0))
    };
    assert_eq!(run("mongodb://localhost")[1..], Vec::<String>::new());
    assert_eq!(run("mongodb://nowhere.invalid/?tls=true")[0], "--oidcTrustedEndpoint");
}

#[test]
fn nothing_is_started_for_hosts_that_may_have_no_token() {
    let ada = ada();
    let marker = ada.sandbox.home().join("started");
    let rows: &[(&[&str], i32, &str)] = &[
        (&["mongodb://evil.example/?tls=true"], 10, "`evil.example` is not a host that tokens may be given to"),
        (&["mongodb://localhost,evil.example"], 10, "`evil.example` is not a host"),
        (&["mongodb://localhost", "mongodb://evil.example"], 10, "`evil.example` is not a host"),
        (&["--uri=mongodb://evil.example"], 10, "`evil.example` is not a host"),
        (&["mongodb://0x7f.2"], 2, "`0x7f.2` is no host name, or not plainly written"),
        (&["mongodb://evil.com%2Cx.mongodb.net/?tls=true"], 2, "is no host name, or not plainly written"),
        (&["mongodb://x.mongodb.net/?tls=true&appName=a;tlsInsecure=true"], 2, "an option is written `name=value`"),
        (&["uri=mongodb://evil.example"], 10, "`evil.example` is not a host"),
        (&["mongodb://EVIL.Example./?tls=true"], 10, "`EVIL.Example.` is not a host"),
        (&["mongodb://[::ffff:10.0.0.1]/?tls=true"], 10, "give `--trust-host ::ffff:10.0.0.1`"),
        (&["mongodb://x.mong\u{43e}db.net/?tls=true"], 10, "is not a host that tokens may be given to"),
        (&["mongodb://localhost@evil.example"], 10, "`evil.example` is not a host"),
        (&["mongodb://x.mongodb.net/?tls=true&tlsAllowInvalidHostnames=true"], 10, "leaves open who the server is"),
        (&["mongodb://x.mongodb.net.evil.example/?tls=true"], 10, "is not a host that tokens may be given to"),
        (&["mongodb://x.mongodb.net"], 10, "the connection would not be encrypted"),
        (&["mongodb://x.mongodb.net/?tls=true&tlsAllowInvalidCertificates=true"], 10, "leaves open who the server is"),
        (&["mongodb+srv://x.mongodb.net/?tls=false"], 10, "would not be encrypted"),
        (&["mongodb+srv://nowhere.invalid"], 10, "`nowhere.invalid` is not a host"),
        (&["mongodb://localhost/?proxyHost=evil.example"], 10, "`proxyHost` lets the connection string choose"),
        (&["x", "mongodb://u:hunter2@localhost"], 2, "the program's argument 3, a connection string, has a password"),
        (&["mongodb://localhost/?authMechanism=PLAIN"], 2, "has `authMechanism=PLAIN`"),
        (&["mongodb://localhost/?authSource=admin"], 2, "has `authSource=admin`"),
        (&["mongodb://localhost/?authMechanismProperties=ALLOWED_HOSTS:*"], 2, "has `ALLOWED_HOSTS`"),
        (
            &["mongodb://localhost/?authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:x"],
            2,
            "asks for tokens of the cloud",
        ),
        (&[], 2, "`touch` is given no connection string here, so nobody can see where it would send your token"),
    ];
    each(rows, |(arguments, code, words)| {
        for inject in ["k8s", "file"] {
            let line = [&["exec", "--inject", inject, "--", "touch", marker.to_str().unwrap()], *arguments].concat();
            let outcome = ada.run(line).exits(*code).says(words);
            assert!(!outcome.text().contains("hunter2"), "{outcome:?}");
        }
        assert!(!marker.exists(), "{arguments:?}");
    });
    // One in the program's environment or files cannot be seen.
    let mut command = ada.sandbox.command(["exec", "--", "touch", marker.to_str().unwrap()]);
    let output = command.env("MONGODB_URI", "mongodb://localhost").output().unwrap();
    assert!(output.status.code() == Some(2) && !marker.exists(), "{output:?}");
    // Whoever names the host has said it.
    ada.run(["exec", "--trust-host", "db.example.com", "--", "touch", marker.to_str().unwrap()]).exits(0);
    let bin = ada.sandbox.home().join("mongosh");
    std::fs::write(&bin, "#!/bin/sh\ntouch started\n").unwrap();
    std::fs::set_permissions(&bin, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::remove_file(&marker).unwrap();
    for (line, code, words) in [
        (&[][..], 2, "is given no connection string here"),
        (&["--host", "evil.example", "--tls"], 10, "`evil.example` is not a host"),
        (&["--host=rs/x.mongodb.net:1,y.mongodb.net"], 10, "would not be encrypted"),
        (&["mongodb://x.mongodb.net/?tls=true", "--host", "evil.example"], 10, "`evil.example` is not a host"),
        (&["mongodb://x.mongodb.net/?tls=true", "--tlsAllowInvalidCertificates"], 10, "leaves open who the server is"),
    ] {
        ada.run([&["exec", "--", bin.to_str().unwrap()], line].concat()).exits(code).says(words);
        assert!(!marker.exists(), "{line:?}");
    }
    ada.run(["exec", "--", bin.to_str().unwrap(), "--host", "localhost:1"]).exits(0);
}

#[test]
fn every_spelling_of_a_trusted_host_is_that_host() {
    let ada = ada();
    for uri in [
        "mongodb://LOCALHOST",
        "mongodb://localhost.",
        "mongodb://[::ffff:127.0.0.1]",
        "mongodb://[0:0:0:0:0:0:0:1]",
        "mongodb://X.MongoDB.NET./?tls=true",
        "mongodb://b\u{fc}cher.example/?tls=true",
        "mongodb://XN--BCHER-KVA.example/?tls=true",
    ] {
        ada.run(["exec", "--trust-host", "xn--bcher-kva.example", "--", "true", uri]).exits(0);
    }
    let mapped = "mongodb://[::ffff:10.0.0.1]/?tls=true";
    ada.run(["exec", "--trust-host", "::ffff:10.0.0.1", "--", "true", mapped]).exits(0);
}
