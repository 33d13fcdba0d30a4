//! Programs at the certified provider: nobody signs in.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::json;

use crate::connect::{WORK, drivers, exec, report};
use crate::peers::Provider;
use crate::sign_in::claims;
use crate::support::cmd::{Sandbox, program};
use crate::support::mongod::{Mongod, Role};

/// A home whose environment makes it the program that proves itself with `proof`, `secret` or `key`.
fn home(provider: &Provider, proof: &str) -> Sandbox {
    let mut home = Sandbox::new();
    let registered = &provider.programs[proof];
    let text = |name: &str| registered[name].as_str().unwrap();
    home.env("MDB_LOGIN_KIND", "client-credentials")
        .env("MDB_LOGIN_ISSUER", &provider.issuer)
        .env("MDB_LOGIN_CLIENT_ID", text("client_id"))
        .env("MDB_LOGIN_AUDIENCE", &provider.resource)
        .env("MDB_LOGIN_RESOURCE", &provider.resource);
    if proof == "secret" {
        let path = private_file(&home, "secret", text("client_secret"));
        home.env("MDB_LOGIN_CLIENT_SECRET_FILE", path);
    } else {
        let path = private_file(&home, "key.pem", text("key"));
        home.env("MDB_LOGIN_CLIENT_KEY_FILE", path).env("MDB_LOGIN_CLIENT_KEY_ID", text("key_id"));
    }
    home
}

fn private_file(home: &Sandbox, name: &str, text: &str) -> PathBuf {
    let path = home.home().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_secret_and_a_key_get_tokens_and_the_wrong_ones_do_not() {
    let provider = Provider::start();
    for proof in ["secret", "key"] {
        let mut home = home(&provider, proof);
        let first = home.run(["token", "--no-input"]).exits(0).stdout();
        assert_eq!(claims(&first)["aud"], *provider.resource);
        assert_eq!(claims(&first)["client_id"], provider.programs[proof]["client_id"]);
        assert_eq!(home.run(["token"]).exits(0).stdout(), first);
        // The provider takes no assertion twice.
        assert_ne!(home.run(["token", "--force-refresh"]).exits(0).stdout(), first);
        if proof == "key" {
            // It takes its issuer's name in assertions as well as its endpoint's.
            home.env("MDB_LOGIN_CLIENT_ASSERTION_AUDIENCE", "issuer");
            home.run(["token", "--force-refresh"]).exits(0);
            home.env("MDB_LOGIN_CLIENT_KEY_ID", "another");
        } else {
            home.env("MDB_LOGIN_CLIENT_SECRET_COMMAND", "echo wrong").unset("MDB_LOGIN_CLIENT_SECRET_FILE");
        }
        home.run(["token", "--force-refresh"]).exits(3).says("the provider says `invalid_client`");
        // This provider's tokens are `at+jwt`, which MongoDB's server refuses; whoever sets a program up hears it.
        let other = self::home(&provider, proof);
        other.run(["login"]).exits(0).says("warning: a MongoDB server would refuse this token: its header `typ`");
    }
    let journal = provider.journal();
    let asked = journal.grants("client_credentials");
    assert!(asked.iter().filter(|request| request["status"] == 200).count() == 7, "{asked:?}");
    assert!(asked.iter().all(|request| request["scope"].is_null()), "{asked:?}");
}

/// A server for programs alone: no flow for people, and users in place of groups.
fn server(provider: &Provider) -> Mongod {
    let providers = json!([{
        "issuer": provider.issuer,
        "audience": provider.resource,
        "authNamePrefix": "jobs",
        "supportsHumanFlows": false,
        "useAuthorizationClaim": false,
    }]);
    let file = json!({
        "setParameter": { "authenticationMechanisms": "MONGODB-OIDC", "oidcIdentityProviders": providers.to_string() },
    });
    let configured = Mongod::start_from_config(&file.to_string(), |behaviour| {
        behaviour.roles = vec![Role::new("shopkeeper", &Role::EVERYTHING)];
        for proof in ["secret", "key"] {
            let name = format!("jobs/{}", provider.programs[proof]["client_id"].as_str().unwrap());
            behaviour.users.insert(name, vec!["shopkeeper".to_owned()]);
        }
        behaviour.reauthenticate_after = Some(5);
    });
    configured.unwrap()
}

/// From the provider over a file of ours to the server, with what programs are written in.
#[test]
#[ignore = "needs npm oidc-provider, mongosh and mongodb, and PyMongo; run tests/run"]
fn a_program_under_exec_works_at_the_server() {
    for proof in ["secret", "key"] {
        let provider = Provider::with(&[("ACCESS_TOKEN_TYPE", "JWT")]);
        let home = home(&provider, proof);
        let user = format!("jobs/{}", provider.programs[proof]["client_id"].as_str().unwrap());
        let server = server(&provider);
        home.run(["verify", &server.uri()]).exits(0);
        let shell = ["--", "mongosh", &server.uri(), "--quiet", "--norc", "--eval", WORK];
        assert_eq!(report(exec(&home, &shell)), json!({ "user": user, "count": 12 }), "{proof}");
        for (index, [program, script]) in drivers().iter().enumerate() {
            let line = ["--", program, script, &server.uri(), "12", "0"];
            let expected = json!({
                "user": user, "roles": ["shopkeeper"], "rounds": 12, "count": 24 + 12 * index, "callbacks": 0, "idp_info": null,
            });
            assert_eq!(report(exec(&home, &line)), expected, "{proof}: {program}");
        }
        assert_eq!(server.refusals(), [], "{proof}");
        assert_eq!(provider.journal().grants("client_credentials").len(), 1, "{proof}");
    }
}

/// Tokens end while a program works, and nobody is there to do anything about it.
#[test]
#[ignore = "needs npm oidc-provider and mongodb, and PyMongo; run tests/run"]
fn work_outlives_its_tokens_without_a_person() {
    let provider = Provider::with(&[("ACCESS_TOKEN_TYPE", "JWT"), ("ACCESS_TOKEN_TTL", "6")]);
    let home = home(&provider, "key");
    let server = server(&provider);
    for [program, script] in drivers() {
        let report = report(exec(&home, &["--", &program, &script, &server.uri(), "15", "1000"]));
        assert_eq!((&report["rounds"], &report["user"]), (&json!(15), &json!("jobs/nightly-key")), "{program}");
    }
    assert_eq!(server.refusals(), []);
    let used: std::collections::BTreeSet<String> = server.tokens().into_iter().collect();
    assert!(used.len() >= 4, "{} tokens in half a minute", used.len());
}

/// As many `token` at once as there are at the start of every hour on a large machine. All print the same and are silent;
/// what they print.
pub fn a_thousand_at_once(home: &Sandbox) -> String {
    const CALLERS: usize = 1000;
    // From one shell: a thousand pipes would be too many for this process.
    let script =
        format!("i=0; while [ $i -lt {CALLERS} ]; do \"$PROGRAM\" token > got.$i 2> said.$i & i=$((i+1)); done; wait");
    let mut command = home.tool("sh");
    assert!(command.args(["-c", &script]).env("PROGRAM", program()).status().unwrap().success());
    let read = |name: String| std::fs::read_to_string(home.home().join(name)).unwrap();
    let first = read("got.0".to_owned());
    for caller in 0..CALLERS {
        assert_eq!(read(format!("said.{caller}")), "");
        assert_eq!(read(format!("got.{caller}")), first);
    }
    first
}

/// None of them has a token yet.
#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_thousand_callers_are_one_request() {
    let provider = Provider::start();
    let home = home(&provider, "key");
    assert_eq!(claims(&a_thousand_at_once(&home))["aud"], *provider.resource);
    assert_eq!(provider.journal().grants("client_credentials").len(), 1);
}
