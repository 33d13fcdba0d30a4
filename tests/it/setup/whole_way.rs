//! From a provider that nobody has set up to a person at the database, by nothing but what the commands have printed.

use serde_json::{Value, json};

use super::set_up;
use crate::support::browser::Browser;
use crate::support::cmd::Sandbox;
use crate::support::idp::{Idp, SignIn};
use crate::support::mongod::{Mongod, Role};

/// The name in a command of mongosh, which is a string of JSON.
fn created(commands: &str, what: &str) -> String {
    let line = commands.lines().find_map(|line| line.trim().strip_prefix(&format!("{what}: "))).unwrap();
    serde_json::from_str(line.strip_suffix(',').unwrap()).unwrap()
}

/// A server from the very file that is printed, with the role or the user that `commands` create: `name` is the flag that
/// has said which.
pub fn server_with(file: &str, name: &[&str], commands: &str) -> Mongod {
    Mongod::start_from_config(file, |behaviour| {
        if name[0] == "--group" {
            behaviour.roles = vec![Role::new(&created(commands, "role"), &Role::EVERYTHING)];
        } else {
            behaviour.roles = vec![Role::new("readWrite", &Role::EVERYTHING)];
            behaviour.users = [(created(commands, "user"), vec!["readWrite".to_owned()])].into();
        }
    })
    .unwrap()
}

/// Sets up, starts a server from the very file that is printed, creates whom `name` says, signs ada in, and gives
/// who that makes her at the server, with her roles. `inspect` has to predict both from the file.
fn ada_at_the_server(by: &[&str], name: &[&str]) -> (String, Value) {
    let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
    let mut sandbox = Sandbox::new();
    sandbox.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
    let side = [&["--name", "company"], by].concat();
    set_up(&sandbox, &idp, "generic", &[&["--profile", "prod"], &side[..]].concat()).exits(0);

    let config = [&["server", "config", "prod"], &side[..]].concat();
    let file = sandbox.run(&config).exits(0).stdout();
    let roles = [&config[..], &["--format", "roles", "--grant", "readWrite@app"], name].concat();
    let commands = sandbox.run(roles).exits(0).stdout();
    let server = server_with(&file, name, &commands);

    let mut login = sandbox.spawn(["login", "prod", "--no-browser"]);
    Browser::new().open(&login.start_url());
    login.wait().exits(0);
    let verified = sandbox.run(["verify", "prod", "--uri", &server.uri(), "--json"]).exits(0);
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    let file_name = sandbox.home().join("mongod.conf");
    // The provider on loopback has no TLS, which a server takes only when it is started for tests.
    let file = file.replacen("setParameter:\n", "setParameter:\n  enableTestCommands: 1\n", 1);
    std::fs::write(&file_name, &file).unwrap();
    let predicted = sandbox.run(["inspect", "prod", "--server-config", file_name.to_str().unwrap(), "--json"]).exits(0);
    let predicted: Value = serde_json::from_slice(&predicted.stdout).unwrap();
    assert_eq!(predicted["user"], verified["user"]);
    if name[0] == "--group" {
        let names: Vec<&Value> = verified["roles"].as_array().unwrap().iter().map(|role| &role["role"]).collect();
        assert_eq!(predicted["roles"], json!(names));
    } else {
        assert_eq!(predicted["roles"], Value::Null, "the user's document has them");
    }
    (verified["user"].as_str().unwrap().to_owned(), verified["roles"].clone())
}

#[test]
fn a_group_s_role_is_the_one_that_was_created() {
    let (user, roles) = ada_at_the_server(&[], &["--group", "dba"]);
    assert_eq!(user, "company/00u-ada");
    assert_eq!(roles, json!([{ "role": "company/dba", "db": "admin" }]));
}

#[test]
fn a_user_is_the_one_that_was_created() {
    let (user, roles) = ada_at_the_server(&["--authorization", "user"], &["--user", "00u-ada"]);
    assert_eq!(user, "company/00u-ada");
    assert_eq!(roles, json!([{ "role": "readWrite", "db": "admin" }]));
}
