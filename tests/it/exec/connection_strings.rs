//! Connection strings among a program's arguments, completed. What is refused before anything is handed over is in
//! `bad_input::servers`.

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
fn a_host_that_mongosh_is_told_by_a_flag_is_where_tokens_go() {
    let ada = ada();
    let bin = ada.sandbox.home().join("mongosh");
    std::fs::write(&bin, "#!/bin/sh\ntouch started\n").unwrap();
    std::fs::set_permissions(&bin, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    ada.run(["exec", "--", bin.to_str().unwrap(), "--host", "localhost:1"]).exits(0);
    assert!(ada.sandbox.home().join("started").exists());
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
