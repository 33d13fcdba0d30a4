//! What the README tells people to write, run from its own text: by drivers and mongosh, for people and for programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::connect::{exec, report};
use crate::drivers::{Setting, TOKEN_FILE_VARIABLES};
use crate::peers::{node, node_modules, python, python_packages};
use crate::support::cmd::{Sandbox, program};
use crate::support::idp::Idp;
use crate::support::mongod::{IdentityProvider, Mongod};
use crate::support::readme::{CONNECT, PROGRAMS, recipe};

/// The program that cargo makes of one of the examples, now: only a whole `cargo test` would have built it before.
fn example(name: &str) -> PathBuf {
    let folder = program().parent().unwrap().to_owned();
    // Beside the program under test, so that nothing is built a second time.
    let profile = if folder.ends_with("release") { "release" } else { "dev" };
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--profile", profile, "--example", name, "--manifest-path"]);
    assert!(build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).status().unwrap().success());
    folder.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Runs a section's recipes as they stand there, but for the name of the server, and gives who each is at the server. The
/// recipe for Rust is the text of an example (`tests/it/recipes.rs`) that is given the server as people give it theirs.
fn run_recipes(
    home: &Sandbox,
    section: &str,
    uri: &str,
    rust: (&str, &str),
    variables: &[(&str, &Path)],
) -> [String; 3] {
    let here = |language: &str| {
        let recipe = recipe(section, language);
        assert!(recipe.contains("mongodb://db.example.com/"), "{recipe}");
        recipe.replace("mongodb://db.example.com/", uri)
    };
    let python_script = home.home().join("recipe.py");
    let work = "print(client.admin.command('connectionStatus')['authInfo']['authenticatedUsers'][0]['user'])";
    std::fs::write(&python_script, format!("{}\n{work}\n", here("python"))).unwrap();
    // Modules are looked for beside the script that imports them.
    let node_script = node_modules().parent().unwrap().join(format!("recipe-{}.mjs", std::process::id()));
    let work = "const status = await client.db('admin').command({ connectionStatus: 1 });
        console.log(status.authInfo.authenticatedUsers[0].user); await client.close();";
    std::fs::write(&node_script, format!("{}\n{work}\n", here("js"))).unwrap();

    let script = |interpreter, file: &Path| {
        let mut command = home.tool(interpreter);
        command.arg(file).env("PYTHONPATH", python_packages());
        command
    };
    let mut compiled = home.tool(example(rust.0));
    compiled.arg(rust.1);
    let before = std::env::var_os("PATH").unwrap();
    let path = std::iter::once(program().parent().unwrap().to_owned()).chain(std::env::split_paths(&before));
    let path = std::env::join_paths(path).unwrap();
    let outputs = [script(python(), &python_script), script(node(), &node_script), compiled]
        .map(|mut command| command.env("PATH", &path).envs(variables.iter().copied()).output().unwrap());
    std::fs::remove_file(&node_script).unwrap();
    outputs.map(|output| {
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}{errors}");
        said.trim().to_owned()
    })
}

/// What the README tells people to write works.
#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn the_recipes_of_the_readme_run() {
    let setting = Setting::new();
    let uri = setting.server.uri();
    let users = run_recipes(&setting.home, CONNECT, &uri, ("callback", &uri), &[]);
    assert_eq!(users, ["test/00u-ada"; 3]);
    assert_eq!(setting.server.refusals(), []);
}

/// A pod: a server that takes the cluster's tokens and knows the pod's account, a home, and the token's path.
fn pod() -> (Idp, Mongod, Sandbox, PathBuf) {
    let account = "system:serviceaccount:shop:orders";
    let idp = Idp::start();
    let server = Mongod::start_with(&idp, |behaviour| {
        let provider = IdentityProvider::workload(idp.issuer(), "mongodb://orders");
        behaviour.identity_providers = vec![IdentityProvider { use_authorization_claim: false, ..provider }];
        behaviour.users.insert(format!("machine/{account}"), vec!["test/dba".to_owned()]);
    });
    let home = Sandbox::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "sub": account, "aud": ["mongodb://orders"], "iat": now, "exp": now + 3600 });
    let file = home.home().join("token");
    std::fs::write(&file, idp.workload_tokens()(claims)).unwrap();
    (idp, server, home, file)
}

const USER: &str = "machine/system:serviceaccount:shop:orders";

/// Built-in authentication, as the README has it for each driver: the token is the driver's own affair.
#[test]
#[ignore = "needs PyMongo, npm mongodb and mongosh; run tests/run"]
fn the_recipes_for_built_in_authentication_run() {
    let (_idp, server, home, file) = pod();
    let variables = TOKEN_FILE_VARIABLES.map(|name| (name, file.as_path()));
    let address = server.address().to_string();
    let users = run_recipes(&home, PROGRAMS, &server.uri(), ("built_in", &address), &variables);
    assert_eq!(users, [USER; 3]);

    // As a shell reads it, with something to do.
    let line = recipe(PROGRAMS, "sh").replace("mongodb://db.example.com/", &server.uri());
    let words = shlex::split(&line).unwrap();
    let who = "print(JSON.stringify(db.runCommand({ connectionStatus: 1 }).authInfo.authenticatedUsers[0].user))";
    let more = ["--quiet", "--norc", "--eval", who];
    // `exec` would write variables of its own, so it only finds the program.
    let found = exec(&home, &[]);
    let path = found.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_owned();
    let mut shell = home.tool("env");
    shell.arg(&words[0]).args(&words[1..]).args(more).env("PATH", path).envs(variables);
    assert_eq!(report(shell), json!(USER));
    assert_eq!(server.refusals(), []);
}

/// Callback authentication: the recipes of people are those of programs, whose variables say where tokens come from.
#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn the_recipes_with_a_callback_are_a_program_s_too() {
    let (_idp, server, mut home, file) = pod();
    home.env("MDB_LOGIN_KIND", "kubernetes").env("MDB_LOGIN_SOURCE_FILE", &file);
    let users = run_recipes(&home, CONNECT, &server.uri(), ("callback", &server.uri()), &[]);
    assert_eq!(users, [USER; 3]);
    assert_eq!(server.refusals(), []);
}
