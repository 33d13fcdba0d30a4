//! From a provider that nobody has set up to a person at the database, by nothing but what the commands have printed.

use serde_json::Value;

use super::set_up;
use crate::support::browser::Browser;
use crate::support::cmd::Sandbox;
use crate::support::idp::{Idp, SignIn};
use crate::support::mongod::{IdentityProvider, Mongod, Role};

/// The provider as the server reads it from its parameter.
fn configured(list: &Value) -> IdentityProvider {
    let [element] = list.as_array().unwrap().as_slice() else { panic!("{list}") };
    let text = |field: &str| element[field].as_str().unwrap().to_owned();
    let scopes = element["requestScopes"].as_array();
    IdentityProvider {
        issuer: text("issuer"),
        audience: text("audience"),
        auth_name_prefix: text("authNamePrefix"),
        match_pattern: None,
        client_id: element["clientId"].as_str().map(str::to_owned),
        request_scopes: scopes.map(|scopes| scopes.iter().map(|scope| scope.as_str().unwrap().to_owned()).collect()),
        principal_name: text("principalName"),
        use_authorization_claim: element["useAuthorizationClaim"] != false,
        authorization_claim: element["authorizationClaim"].as_str().unwrap_or_default().to_owned(),
        supports_human_flows: element["supportsHumanFlows"] != false,
    }
}

/// The name in a command of mongosh, which is a string of JSON.
fn created(commands: &str, what: &str) -> String {
    let line = commands.lines().find_map(|line| line.trim().strip_prefix(&format!("{what}: "))).unwrap();
    serde_json::from_str(line.strip_suffix(',').unwrap()).unwrap()
}

/// Sets up, signs in, and gives who that makes ada at the server, with her roles.
fn ada_at_the_server(by: &[&str]) -> (String, Value) {
    let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
    let mut sandbox = Sandbox::new();
    sandbox.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
    let side = [&["--name", "company"], by].concat();
    set_up(&sandbox, &idp, "generic", &[&["--profile", "prod"], &side[..]].concat()).exits(0);

    let print = |format: &str, more: &[&str]| {
        let arguments = [&["server", "config", "prod", "-q", "--format", format], &side[..], more].concat();
        sandbox.run(arguments).exits(0).stdout()
    };
    let list = serde_json::from_str(&print("json", &[])).unwrap();
    let people = match configured(&list).use_authorization_claim {
        true => created(&print("roles", &["--group", "dba", "--grant", "readWrite@app"]), "role"),
        false => created(&print("roles", &["--user", "00u-ada", "--grant", "readWrite@app"]), "user"),
    };
    let server = Mongod::start_with(&idp, |behaviour| {
        let provider = configured(&list);
        if provider.use_authorization_claim {
            behaviour.roles = vec![Role::new(&people, &Role::EVERYTHING)];
        } else {
            behaviour.roles = vec![Role::new("readWrite", &Role::EVERYTHING)];
            behaviour.users = [(people.clone(), vec!["readWrite".to_owned()])].into();
        }
        behaviour.identity_providers = vec![provider];
    });

    let mut login = sandbox.spawn(["login", "prod", "--no-browser"]);
    Browser::new().open(&login.start_url());
    login.wait().exits(0);
    let verified = sandbox.run(["verify", "prod", "--uri", &server.uri(), "--json"]).exits(0);
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    (verified["user"].as_str().unwrap().to_owned(), verified["roles"].clone())
}

#[test]
fn a_group_s_role_is_the_one_that_was_created() {
    let (user, roles) = ada_at_the_server(&[]);
    assert_eq!(user, "company/00u-ada");
    assert_eq!(roles, serde_json::json!([{ "role": "company/dba", "db": "admin" }]));
}

#[test]
fn a_user_is_the_one_that_was_created() {
    let (user, roles) = ada_at_the_server(&["--authorization", "user"]);
    assert_eq!(user, "company/00u-ada");
    assert_eq!(roles, serde_json::json!([{ "role": "readWrite", "db": "admin" }]));
}
