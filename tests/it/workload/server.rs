//! A program's token at a MongoDB server.

use serde_json::json;

use super::*;
use crate::support::mongod::Mongod;

/// A server that takes tokens of programs only, as MongoDB's documentation sets one up for workloads.
fn server(program: &Program) -> Mongod {
    Mongod::start_with(&program.idp, |behaviour| {
        let provider = &mut behaviour.identity_providers[0];
        provider.client_id = None;
        provider.supports_human_flows = false;
    })
}

#[test]
fn a_server_takes_the_token_and_says_who_the_program_is() {
    let program = Program::new();
    let server = server(&program);
    let verified = object(&program.run(["verify", &server.uri(), "--json"]).exits(0));
    assert_eq!(verified["user"], format!("test/{CLIENT_ID}"));
    assert_eq!(verified["issuer"], program.idp.issuer());
    assert_eq!(program.asked(), 1);
    // A refused token is a reason to ask for another one, once.
    program.idp.change(|behaviour| behaviour.access_token.claims = json!({ "aud": "other" }).into());
    server.change(|behaviour| behaviour.identity_providers[0].audience = "other".into());
    program.run(["verify", &server.uri()]).exits(0);
    assert_eq!(program.asked(), 2);
}

#[test]
fn a_refused_program_is_told_what_can_be_known() {
    let program = Program::with(|behaviour| behaviour.access_token.header = json!({ "typ": "at+jwt" }).into());
    let server = server(&program);
    let outcome = program.run(["verify", &server.uri()]).exits(5);
    assert!(outcome.text().contains("its header `typ` is `at+jwt`"), "{outcome:?}");
}

#[cfg(unix)]
#[test]
fn a_program_under_exec_finds_its_token_and_can_ask_for_others() {
    let program = Program::new();
    let token = program.token();
    let script =
        "cat $AZURE_FEDERATED_TOKEN_FILE; echo; env | grep -E '^MDB_LOGIN_(KIND|CLIENT_SECRET_FILE|URI)=' | sort";
    let outcome = program.run(["exec", "--", "sh", "-c", script, "sh", "mongodb://localhost/"]).exits(0);
    let secret = program.outside.path().join("secret");
    let expected = format!(
        "{token}\nMDB_LOGIN_CLIENT_SECRET_FILE={}\nMDB_LOGIN_KIND=client-credentials\nMDB_LOGIN_URI=mongodb://localhost/?authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s&directConnection=true\n",
        secret.display()
    );
    assert_eq!(outcome.stdout(), expected);
    assert_eq!(program.asked(), 1);
}

/// What a flag has said, a child of `exec` must know too, or it would be another session or none.
#[cfg(unix)]
#[test]
fn a_child_means_the_same_program_as_the_flags() {
    let mut program = Program::new();
    let secret = program.outside.path().join("secret").display().to_string();
    program.sandbox.unset("MDB_LOGIN_KIND").unset("MDB_LOGIN_CLIENT_SECRET_FILE");
    program.sandbox.env("PROGRAM", crate::support::cmd::program());
    let outcome = program.run([
        "exec",
        "--kind",
        "client-credentials",
        "--client-secret-file",
        &secret,
        "--trust-host",
        "db.example.com",
        "--",
        "sh",
        "-c",
        "cat $OIDC_TOKEN_FILE; echo; $PROGRAM token; echo; $PROGRAM token --force-refresh > /dev/null && $PROGRAM status > /dev/null",
    ]);
    let outcome = outcome.exits(0);
    let printed = outcome.stdout();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!((lines.len(), lines[0] == lines[1]), (2, true), "{outcome:?}");
    assert_eq!(program.asked(), 2);
}
