//! MongoDB's shell at the test server: with a token of ours, and with a login of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::drivers::{FROM_FILE, Setting, TOKEN_FILE_VARIABLES};
use crate::peers::{node, node_modules};
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::mongod::Refusal;

/// A home for the shell, apart from ours.
fn shell() -> Sandbox {
    Sandbox::of(PathBuf::from(node()))
}

/// The same with a token file for `ENVIRONMENT:k8s`.
fn shell_with(token_file: &Path) -> Sandbox {
    let mut shell = shell();
    for name in TOKEN_FILE_VARIABLES {
        shell.env(name, token_file);
    }
    shell
}

/// The shell's arguments for a script that needs no person.
fn evaluate(uri: &str, script: &str) -> Vec<String> {
    let program = node_modules().join("@mongosh/cli-repl/bin/mongosh.js");
    let program = program.to_str().unwrap();
    [program, uri, "--quiet", "--norc", "--eval", script].map(str::to_owned).to_vec()
}

/// What the shell's script printed last.
fn report(outcome: Outcome) -> Value {
    let said = outcome.exits(0).stdout();
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said}"))
}

const WORK: &str = r#"
    const shop = db.getSiblingDB("shop");
    const user = db.runCommand({ connectionStatus: 1 }).authInfo.authenticatedUsers[0].user;
    shop.people.insertOne({ name: "ada" });
    print(JSON.stringify({
        user,
        ping: db.runCommand({ ping: 1 }).ok,
        found: shop.people.find({ name: "ada" }).toArray().length,
        count: shop.people.countDocuments({}),
        collections: shop.getCollectionNames(),
        databases: db.adminCommand({ listDatabases: 1 }).databases.map(({ name }) => name),
        version: db.version(),
    }));
"#;

fn worked() -> Value {
    json!({
        "user": "test/00u-ada", "ping": 1, "found": 1, "count": 1, "collections": ["people"],
        "databases": ["admin", "shop"], "version": "8.0.4",
    })
}

#[test]
#[ignore = "needs npm mongosh; run tests/run"]
fn the_shell_works_with_a_token_file() {
    let setting = Setting::new();
    let file = setting.token_file(&setting.token());
    let shell = shell_with(&file);
    assert_eq!(report(shell.run(evaluate(&setting.uri(FROM_FILE), WORK))), worked());
    assert_eq!(setting.server.refusals(), []);
}

#[cfg(unix)]
#[test]
#[ignore = "needs npm mongosh; run tests/run"]
fn the_shells_own_browser_login_ends_at_the_server() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    use crate::support::browser::Browser;
    use crate::support::idp::Endpoint;
    use crate::support::mongod::Event;

    let setting = Setting::new();
    let shell = shell();
    // The shell starts a "browser" that leaves the address for the person of this test.
    let (browser, address) = (shell.home().join("browser"), shell.home().join("address"));
    let script = format!("#!/bin/sh\nprintf %s \"$1\" >'{0}.new' && mv '{0}.new' '{0}'\n", address.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut arguments = evaluate(&setting.uri(""), WORK);
    arguments.extend(["--browser".to_owned(), browser.to_str().unwrap().to_owned()]);
    arguments.extend(["--oidcRedirectUri", "http://localhost:0/redirect"].map(str::to_owned));
    let sign_ins = setting.idp.requests(Endpoint::Authorization);
    let mut running = shell.spawn(arguments);

    let deadline = Instant::now() + Duration::from_secs(30);
    while !address.exists() && running.is_running() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let visit = Browser::new().sign_in(&std::fs::read_to_string(&address).unwrap_or_default(), "ada");
    assert_eq!(visit.status(), 200, "{}", visit.text());
    assert_eq!(report(running.wait()), worked());

    assert_eq!(setting.idp.requests(Endpoint::Authorization), sign_ins + 1);
    let log = setting.server.log();
    let asked = matches!(&log[0], Event::Asked { principal: None, issuer, .. } if issuer == setting.idp.issuer());
    assert!(asked, "{log:?}");
    assert_eq!(setting.server.refusals(), []);
}

#[test]
#[ignore = "needs npm mongosh; run tests/run"]
fn the_shell_takes_a_renewed_file_when_the_server_asks_again() {
    let mut setting = Setting::with(|provider| provider.access_token_lifetime = Duration::from_secs(4), |_| {});
    setting.home.env("MDB_LOGIN_MIN_TTL", "3s");
    let renew = || setting.token_file(&setting.token());
    let file = renew();
    let shell = shell_with(&file);
    let script = r#"
        const people = db.getSiblingDB("shop").people;
        for (let number = 0; number < 20; number++) { people.insertOne({ number }); sleep(500); }
        print(JSON.stringify(people.countDocuments({})));
    "#;
    let mut running = shell.spawn(evaluate(&setting.uri(FROM_FILE), script));
    while running.is_running() {
        renew();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(report(running.wait()), json!(20));
    assert!(setting.server.counters().reauthentications >= 2, "{:?}", setting.server.counters());
    assert_eq!(setting.server.refusals(), []);
}

#[test]
#[ignore = "needs npm mongosh; run tests/run"]
fn the_shell_is_told_nothing_of_why_a_token_is_refused() {
    let setting = Setting::new();
    let file = setting.token_file(&format!("{}\n", setting.idp.access_token("ada")));
    let shell = shell_with(&file);
    shell.run(evaluate(&setting.uri(FROM_FILE), "1")).exits(1).says("Authentication failed.");
    // The line break at the end of the file.
    assert_eq!(setting.server.refusals()[0], Refusal::Form);
}
