//! Connection strings among a program's arguments, completed. What is refused before anything is handed over is in
//! `bad_input::servers`.

use crate::signed_in::SignedIn;
use crate::support::cmd::Outcome;

const TAIL: &str = "authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s";

/// Without TLS no driver follows a server to the members that it names.
const STAY: &str = "directConnection=true";

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
    let ready = format!("mongodb://localhost:27018/db?appName=x&{TAIL}&{STAY}");
    assert_eq!(printed(&outcome), [ready.clone(), "--gzip".into(), ready]);
    let notice = "the user name `ada@example.com` is left out of the connection string: the token says who you are\n";
    assert_eq!(outcome.stderr(), notice);

    let outcome = show("file", "--uri=mongodb://127.0.0.1");
    assert_eq!(printed(&outcome)[0], format!("--uri=mongodb://127.0.0.1/?{TAIL}&{STAY}"));
    assert_eq!(outcome.stderr(), "");

    // mongosh keeps the user name: with it, it asks the server which provider is meant.
    let outcome = show("mongosh", "mongodb://ada@localhost/");
    let ready = format!("mongodb://ada@localhost/?authMechanism=MONGODB-OIDC&{STAY}");
    assert_eq!(printed(&outcome), [ready.clone(), "--gzip".into(), ready]);
}

/// Only the programs are missing here, and DNS records.
#[test]
fn the_examples_of_help_are_not_refused() {
    let mut ada = ada();
    let empty = ada.sandbox.home().to_owned();
    ada.sandbox.env("PATH", empty);
    ada.sandbox.write_config("[profile.prod]\n");
    let help = [["exec", "--help"], ["--help", "--quiet"]].map(|line| ada.run(line).exits(0).stdout());
    let lines = help.iter().flat_map(|help| help.lines()).map(str::trim);
    let examples: Vec<&str> = lines.filter_map(|line| line.strip_prefix("mdb-login exec ")).collect();
    let run: Vec<&&str> = examples.iter().filter(|example| !example.starts_with('[')).collect();
    assert_eq!(run.len(), 5, "{examples:?}");
    for example in run {
        let example = example.replace("mongodb+srv://cluster0.example.mongodb.net", "mongodb://localhost");
        let code = if example.contains("--print-env") { 0 } else { 127 };
        ada.run(["exec"].into_iter().chain(example.split(' '))).exits(code);
    }
}

#[test]
fn without_tls_no_program_is_led_on_to_hosts_that_nobody_has_judged() {
    let mut ada = ada();
    let led_on = [
        "mongodb://localhost,127.0.0.1:27018",
        "mongodb://localhost/?replicaSet=rs0",
        "mongodb://localhost/?directConnection=false",
    ];
    for uri in led_on {
        ada.run(["exec", "--", "true", uri]).exits(10).says("the server could send the program and its token anywhere");
    }
    let shown = |ada: &SignedIn, uri: &str| ada.run(["exec", "--", "printf", "%s", uri]).exits(0).stdout();
    for uri in ["mongodb://localhost/?replicaSet=rs0&directConnection=true", "mongodb://localhost/?loadBalanced=true"] {
        assert!(shown(&ada, uri).starts_with(uri));
    }
    let with_tls = shown(&ada, "mongodb://localhost,127.0.0.1:27018/?tls=true&replicaSet=rs0");
    assert!(!with_tls.contains("directConnection"), "{with_tls}");
    // Who has said that it must be so has said it of the whole.
    ada.sandbox.env("MDB_LOGIN_INSECURE_SERVER", "true");
    for uri in led_on {
        assert!(!shown(&ada, uri).contains(STAY));
    }
}

#[test]
fn where_mongosh_would_really_go_is_judged() {
    let ada = ada();
    let good = "mongodb://localhost/";
    let mongosh = |words: &[&str]| ada.run([&["exec", "--print-env", "--", "mongosh"], words].concat());
    for words in [
        &["evil.example/x", good][..],
        &["--quiet", "evil.example/x", good, "--oidcTrustedEndpoint"],
        &["--eval", "1", "evil.example:27017", good],
    ] {
        mongosh(words).exits(10).says("`evil.example` is not a host that tokens may be given to");
    }
    mongosh(&["c.mongodb.net/test", good]).exits(10).says("the connection would not be encrypted");
    let tls = "mongodb://x.mongodb.net/?tls=true";
    for words in [[tls, "--tls=false"], [tls, "--no-ssl"], [tls, "--no-tls"]] {
        mongosh(&words).exits(10).says("leaves open who the server is");
    }
    mongosh(&[tls, "--tls", "false"]).exits(10);
    mongosh(&[tls, "--tls"]).exits(0);
}

#[test]
fn what_a_profile_trusts_is_no_word_on_connection_strings_that_are_hidden() {
    let mut ada = ada();
    ada.sandbox.env("MDB_LOGIN_URI", "mongodb://localhost").env("MDB_LOGIN_ALLOWED_HOST", "db.example.com");
    for (words, why) in [
        (&["mongodump", "--config=evil.yaml"][..], "`mongodump` takes a connection string from a file"),
        (&["sh", "-c", "app 'mongodb://evil.example'"], "`sh` has a connection string inside of an argument"),
        (&["mongosh", "--eval", "connect('mongodb://evil')"], "`mongosh` has a connection string inside of an"),
    ] {
        ada.run([&["exec", "--"], words].concat()).exits(2).says(why);
    }
    ada.run(["exec", "--trust-host", "x.example", "--", "sh", "-c", "true mongodb://x.example"]).exits(0);
    let docker = ["exec", "--print-env", "--", "docker", "run", "--env=U=mongodb://evil.example/", "app"];
    ada.run(docker).exits(10).says("`evil.example` is not a host");
}

#[test]
fn options_by_which_single_drivers_trust_others_are_refused() {
    let ada = ada();
    for option in [
        "sslInsecure=true",
        "sslVerifyCertificate=false",
        "sslInvalidHostNameAllowed=true",
        "servername=evil.example",
        "ca=PEM",
        "rejectUnauthorized=false",
        "srvAllowedHostsSuffix=evil.example",
        "passphrase=hunter2",
    ] {
        let uri = format!("mongodb://localhost/?tls=true&{option}");
        let outcome = ada.run(["exec", "--", "true", &uri]).exits(2).says("by which some drivers trust other servers");
        assert!(!outcome.stderr().contains("hunter2"), "{outcome:?}");
    }
}

#[test]
fn mongosh_is_told_of_hosts_that_are_not_on_its_own_list() {
    let ada = ada();
    let run = |uri: &str| {
        let script = ["exec", "--inject", "mongosh", "--trust-host", "nowhere.invalid", "--", "printf", "%s\\n", uri];
        printed(&ada.run(script).exits(0))
    };
    assert_eq!(run("mongodb://localhost").len(), 1);
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
