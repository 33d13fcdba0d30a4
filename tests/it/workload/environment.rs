//! `ENVIRONMENT` of a connection string: understood as the drivers do, for programs that have no such thing built in.

use super::*;
use crate::cases::each;
use crate::signed_in::SignedIn;
use crate::support::mongod::Mongod;

/// A server that takes tokens of programs, and a token of one in a file.
struct Job {
    idp: Idp,
    server: Mongod,
    sandbox: Sandbox,
    path: PathBuf,
}

impl Job {
    fn new() -> Self {
        let idp = Idp::start();
        let server = Mongod::start_with(&idp, |behaviour| {
            let provider = &mut behaviour.identity_providers[0];
            provider.client_id = None;
            provider.supports_human_flows = false;
        });
        let mut sandbox = Sandbox::new();
        sandbox.hide(&server.address().to_string(), "[SERVER]");
        let path = private_file(sandbox.home().join("token.jwt"), &idp.access_token("ada"));
        Self { idp, server, sandbox, path }
    }

    fn uri(&self, properties: &str) -> String {
        format!("{}?authMechanism=MONGODB-OIDC&authMechanismProperties={properties}", self.server.uri())
    }

    fn token(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }
}

#[test]
fn the_file_that_a_driver_would_read_is_read() {
    each(
        [("k8s", "AZURE_FEDERATED_TOKEN_FILE"), ("k8s", "AWS_WEB_IDENTITY_TOKEN_FILE"), ("test", "OIDC_TOKEN_FILE")],
        |row| {
            let (environment, variable) = row;
            let mut job = Job::new();
            job.sandbox.env(variable, &job.path);
            let uri = job.uri(&format!("ENVIRONMENT:{environment}"));
            assert_eq!(job.sandbox.run(["token", &uri]).exits(0).stdout(), job.token(), "{row:?}");
            let verified = object(&job.sandbox.run(["verify", &uri, "--json"]).exits(0));
            assert_eq!(verified["user"], "test/00u-ada", "{row:?}");
            // A line break, which a driver would send along, is none of the token's.
            std::fs::write(&job.path, format!("{}\n", job.token())).unwrap();
            job.sandbox.run(["verify", &uri]).exits(0);
            assert!(job.idp.log().is_empty() || job.idp.requests(Endpoint::Token) == 0, "{row:?}");
        },
    );
}

#[cfg(unix)]
#[test]
fn a_program_under_exec_gets_what_a_driver_would_have_read() {
    let mut job = Job::new();
    job.sandbox.env("OIDC_TOKEN_FILE", &job.path);
    let uri = job.uri("ENVIRONMENT:test");
    let script = "printf '%s\\n' \"$1\"; cat $AZURE_FEDERATED_TOKEN_FILE; echo; \
                  test \"$AZURE_FEDERATED_TOKEN_FILE\" = \"$AWS_WEB_IDENTITY_TOKEN_FILE\"; echo $MDB_LOGIN_KIND";
    let outcome = job.sandbox.run(["exec", "--", "sh", "-c", script, "sh", &uri]).exits(0);
    let ready = job.uri("ENVIRONMENT:k8s&authSource=%24external&directConnection=true");
    assert_eq!(outcome.stdout(), format!("{ready}\n{}\nfile\n", job.token()));
    // mongosh's own protocol is for people.
    let outcome = job.sandbox.run(["exec", "--", "env", "mongosh", &uri]);
    outcome.exits(127);
    let printed = job.sandbox.run(["exec", "--print-env", "--", "mongosh", &uri]).exits(0).stdout();
    assert!(printed.contains("MDB_LOGIN_EXEC=k8s\n"), "{printed}");
    job.sandbox
        .run(["exec", "--inject", "mongosh", "--", "mongosh", &uri])
        .exits(2)
        .says("`--inject mongosh` is for people, and this session is of the kind `file`");
}

/// `exec` and `mdb-login uri` write `ENVIRONMENT:k8s` into connection strings themselves, for the sessions of people.
#[test]
fn a_file_s_environment_means_a_person_s_session_where_one_is_meant() {
    let ada = SignedIn::new();
    let server = Mongod::start(&ada.idp);
    let uri = ada.run(["uri", &server.uri()]).exits(0).stdout().trim().to_owned();
    assert!(uri.contains("ENVIRONMENT:k8s"), "{uri}");
    let token = ada.token();
    assert_eq!(ada.run(["token", &uri]).exits(0).stdout(), token);
    ada.run(["verify", &uri]).exits(0);
    let found = ada.run(["exec", "--", "sh", "-c", "cat $OIDC_TOKEN_FILE", "sh", &uri]).exits(0);
    assert_eq!(found.stdout(), token);
}

#[test]
fn what_a_driver_would_refuse_is_refused() {
    type Row = (&'static str, &'static str, i32, &'static str);
    let rows: [Row; 11] = [
        ("", "TOKEN_RESOURCE:a", 2, "has `TOKEN_RESOURCE` without `ENVIRONMENT:azure` or `ENVIRONMENT:gcp`"),
        ("", "ENVIRONMENT:k8s,ENVIRONMENT:azure,TOKEN_RESOURCE:a", 2, "has `ENVIRONMENT` twice"),
        ("", "ENVIRONMENT:azure", 2, "the connection string has `ENVIRONMENT:azure` without `TOKEN_RESOURCE`"),
        ("", "ENVIRONMENT:gcp", 2, "the connection string has `ENVIRONMENT:gcp` without `TOKEN_RESOURCE`"),
        ("u@", "ENVIRONMENT:gcp,TOKEN_RESOURCE:a", 2, "`ENVIRONMENT:gcp` and a user name"),
        ("u@", "ENVIRONMENT:k8s", 2, "`ENVIRONMENT:k8s` and a user name"),
        ("", "ENVIRONMENT:k8s,TOKEN_RESOURCE:a", 2, "`ENVIRONMENT:k8s` and `TOKEN_RESOURCE`"),
        ("", "ENVIRONMENT:aws", 2, "has `ENVIRONMENT:aws`, which is none of `azure`, `gcp`, `k8s` and `test`"),
        ("", "ENVIRONMENT:test", 3, "the token in `OIDC_TOKEN_FILE`, which is not set"),
        ("", "ENVIRONMENT:azure,TOKEN_RESOURCE:a%20b", 2, "the connection string's `resource` contains a space"),
        (
            "u%20v@",
            "ENVIRONMENT:azure,TOKEN_RESOURCE:api%3A%2F%2Fdb",
            2,
            "the connection string's `identity` contains a space",
        ),
    ];
    each(rows, |(user, properties, code, words)| {
        let sandbox = Sandbox::new();
        let uri = format!("mongodb://{user}localhost/?authMechanismProperties={properties}");
        for command in [&["token"][..], &["verify"]] {
            let outcome = sandbox.run([command, &[&uri]].concat()).exits(code);
            assert!(outcome.text().contains(words), "{uri}: {outcome:?}");
        }
        let outcome = sandbox.run(["exec", "--", "true", &uri]).exits(code);
        assert!(outcome.text().contains(words), "{uri}: {outcome:?}");
        assert!(sandbox.files().is_empty(), "{uri}");
    });
}

/// What the string says is shown with its origin, and settings that the person has made are stronger.
#[test]
fn a_connection_string_s_platform_is_shown_and_overruled() {
    let sandbox = Sandbox::new();
    let azure = "mongodb://0b1c2d3e-0000-4000-8000-000000000001@localhost/?authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:api%3A%2F%2Fdb";
    let profile = |name: &str, more: &str| format!("[profile.{name}]\nuri = {azure:?}\n{more}");
    let file = "kind = 'file'\nsource_file = '/t'\n";
    let named = format!("[profile.named]\nuri = {:?}\n", azure.replace("api%3A%2F%2Fdb", "orders"));
    sandbox.write_config(&(profile("cloud", "") + &profile("own", file) + &named));
    let shown =
        |name: &str| object(&sandbox.run(["profile", "show", name, "--origin", "--json"]).exits(0))["settings"].clone();
    let cloud = shown("cloud");
    for (key, value) in [
        ("kind", serde_json::json!("azure-managed-identity")),
        ("resource", serde_json::json!(["api://db"])),
        ("identity", serde_json::json!("client_id:0b1c2d3e-0000-4000-8000-000000000001")),
    ] {
        assert_eq!(cloud[key]["value"], value, "{key}");
        assert_eq!(cloud[key]["origin"]["kind"], "connection_string", "{key}");
    }
    // Azure's directory knows what it is called there; for people a resource is a URI (RFC 8707).
    assert_eq!(shown("named")["resource"]["value"], serde_json::json!(["orders"]));
    sandbox.run(["profile", "set", "cloud", "resource=stocks"]).exits(0);
    assert_eq!(shown("cloud")["resource"]["value"], serde_json::json!(["stocks"]));
    sandbox.run(["profile", "set", "people", "resource=orders"]).exits(0);
    sandbox.run(["profile", "show", "people"]).exits(3).says("`resource` must be an absolute URI");
    let own = shown("own");
    assert_eq!((&own["kind"]["value"], &own["resource"]["value"]), (&"file".into(), &Value::Null));
}

/// A person's session has nothing to do with a string that asks for a cloud's identity, however usual that session is.
#[cfg(unix)]
#[test]
fn a_platform_s_string_never_gets_a_person_s_token() {
    let mut ada = SignedIn::new();
    let issuer = ada.idp.issuer().to_owned();
    ada.sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    ada.sandbox.write_config(&format!("[profile.prod]\nissuer = {issuer:?}\nclient_id = {CLIENT_ID:?}\n"));
    ada.token();
    let uri = "mongodb://localhost/?authMechanismProperties=ENVIRONMENT:gcp,TOKEN_RESOURCE:mongodb";
    let shown = object(&ada.run(["profile", "show", "--json", "--profile", "prod"]).exits(0));
    assert_eq!(shown["settings"]["kind"], "workforce");
    let printed = ada.run(["exec", "--print-env", "--", "mongodump", uri]).exits(0).stdout();
    assert!(printed.contains("MDB_LOGIN_KIND=gcp\n") && printed.contains("MDB_LOGIN_AUDIENCE=mongodb\n"), "{printed}");
    assert!(!printed.contains(&issuer), "{printed}");
    ada.run(["exec", "--profile", "prod", "--", "true", uri]).is("
        exit 2
        --- stderr
        error: the connection string asks for tokens of the cloud (`ENVIRONMENT`)
          caused by: the session that is meant has others, and a program has the tokens of one session
        hint: leave `authMechanismProperties` out, and the program gets those of your session
        hint: or name no session, and the program gets those of the cloud
    ");
}
