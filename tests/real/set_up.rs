//! From a provider that nobody has set up to mongosh at a server that was started from the printed configuration.

use serde_json::{Value, json};

use crate::connect::{exec, report};
use crate::support::browser::Browser;
use crate::support::cmd::Sandbox;
use crate::support::idp::{CLIENT_ID, Idp, SignIn};
use crate::support::mongod::{Mongod, Role};

const WHO: &str = r#"
    const { authenticatedUsers, authenticatedUserRoles } = db.runCommand({ connectionStatus: 1 }).authInfo;
    print(JSON.stringify({ user: authenticatedUsers[0].user, roles: authenticatedUserRoles.map(({ role }) => role) }));
"#;

#[test]
#[ignore = "needs npm mongosh; run tests/run"]
fn mongosh_sees_whom_inspect_predicts() {
    let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
    let mut home = Sandbox::new();
    home.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
    let known = ["--issuer", idp.issuer(), "--client-id", CLIENT_ID, "--profile", "prod", "--name", "company"];
    home.run(["setup", "generic"].iter().chain(&known)).exits(0);
    let file = home.run(["server", "config", "prod", "--name", "company"]).exits(0).stdout();
    // The provider on loopback has no TLS, which a server takes only when it is started for tests.
    let file = file.replacen("setParameter:\n", "setParameter:\n  enableTestCommands: 1\n", 1);
    let path = home.home().join("mongod.conf");
    std::fs::write(&path, &file).unwrap();
    home.run(["server", "check", path.to_str().unwrap()]).exits(0);
    let role = Role::new("company/dba", &Role::EVERYTHING);
    let server = Mongod::start_from_config(&file, |behaviour| behaviour.roles = vec![role]).unwrap();

    let mut login = home.spawn(["login", "prod", "--no-browser"]);
    Browser::new().open(&login.start_url());
    login.wait().exits(0);
    let predicted = home.run(["inspect", "prod", "--server-config", path.to_str().unwrap(), "--json"]).exits(0);
    let predicted: Value = serde_json::from_slice(&predicted.stdout).unwrap();

    let shell = ["mongosh", &server.uri(), "--quiet", "--norc", "--eval", WHO];
    let seen = report(exec(&home, &[&["--profile", "prod", "--"], &shell[..]].concat()));
    assert_eq!(seen, json!({ "user": predicted["user"], "roles": predicted["roles"] }));
    assert_eq!(seen, json!({ "user": "company/00u-ada", "roles": ["company/dba"] }));
    assert_eq!(server.refusals(), []);
}
