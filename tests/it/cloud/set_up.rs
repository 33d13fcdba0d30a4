//! From a platform that nobody has set up to a program at the database, by nothing but what the commands have printed.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::github::in_a_job;
use crate::setup::whole_way::server_with;
use crate::support::cloud::azure::{AppService, Imds, ManagedIdentity};
use crate::support::cloud::github::Actions;
use crate::support::cloud::google::{Metadata, ServiceAccount};
use crate::support::cloud::kubernetes::ApiServer;
use crate::support::cloud::{Cloud, Minter};
use crate::support::cmd::Sandbox;
use crate::support::idp::tls::Authority;
use crate::support::idp::{Client, ClientAuth, Idp, Minting, Patch};

const APPLICATION: &str = "66666666-7777-8888-9999-000000000000";
const AUDIENCE: &str = "mongodb://orders";

/// Sets up, starts a server from the very file that is printed, creates whom `name` says, and gets in. `inspect` has to
/// predict from the file who the program is. `set_up` is the command as far as it is the platform's.
fn gets_in(sandbox: &Sandbox, set_up: &[&str], name: [&str; 2], user: &str) {
    let by: &[&str] = if name[0] == "--group" { &["--authorization", "groups"] } else { &[] };
    let side = [&["--name", "company"], by].concat();
    sandbox.run([&["setup", "--workload", "--profile", "orders"], set_up, &side[..]].concat()).exits(0);

    let config = [&["server", "config", "orders"], &side[..]].concat();
    let file = sandbox.run(&config).exits(0).stdout();
    // The provider on loopback has no TLS, which a server takes only when it is started for tests.
    let file = file.replacen("setParameter:\n", "setParameter:\n  enableTestCommands: 1\n", 1);
    let path = sandbox.home().join("mongod.conf");
    let path = path.to_str().unwrap();
    std::fs::write(path, &file).unwrap();
    let checked = sandbox.run(["server", "check", path]).exits(0).stdout();
    assert!(checked.contains("programs with tokens of") && !checked.contains("warn"), "{checked}");
    let roles = [&config[..], &["--format", "roles", "--grant", "readWrite@app"], &name].concat();
    let commands = sandbox.run(roles).exits(0).stdout();
    let server = server_with(&file, &name, &commands);

    let object =
        |arguments: &[&str]| -> Value { serde_json::from_slice(&sandbox.run(arguments).exits(0).stdout).unwrap() };
    let predicted = object(&["inspect", "orders", "--server-config", path, "--json"]);
    if name[0] == "--user" {
        // What is printed for programs is what is expected of them where nobody has a file at hand.
        let usual = object(&["inspect", "orders", "--prefix", "company", "--json"]);
        assert_eq!((&usual["user"], &usual["roles"]), (&predicted["user"], &Value::Null));
        assert_eq!(usual["accepted"], true);
    }
    let verified = object(&["verify", "orders", "--uri", &server.uri(), "--json"]);
    assert_eq!((&predicted["user"], &verified["user"]), (&json!(format!("company/{user}")), &predicted["user"]));
    let seen: Vec<&Value> = verified["roles"].as_array().unwrap().iter().map(|role| &role["role"]).collect();
    if name[0] == "--group" {
        assert_eq!(predicted["roles"], json!(seen));
        assert_eq!(seen, [&json!(format!("company/{}", name[1]))]);
    } else {
        assert_eq!(
            (&predicted["roles"], seen),
            (&Value::Null, vec![&json!("readWrite")]),
            "the user's document has them"
        );
    }
    assert_eq!(server.refusals(), []);
    // Whoever has no user does not get in, whatever the token is worth.
    if name[0] == "--user" {
        server.change(|behaviour| behaviour.users.clear());
        sandbox.run(["verify", "orders", "--uri", &server.uri()]).exits(5);
    }
}

/// A provider whose issuer looks like a tenant's of Entra ID.
fn tenant() -> Idp {
    Idp::start_in("/{}/v2.0", |_| {})
}

pub(super) fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "20s");
    sandbox
}

/// What tokens of version 2 name their audience by, whatever they were asked for by.
fn resources() -> Vec<(String, Value)> {
    vec![(format!("api://{APPLICATION}"), json!(APPLICATION))]
}

#[test]
fn a_virtual_machine_of_azure_with_its_own_identity() {
    let idp = tenant();
    let cloud = Cloud::start(Imds::new(Minter::of(&idp)));
    cloud.change(|imds| imds.directory.resources = resources());
    let mut sandbox = sandbox();
    sandbox.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloud.url("/"));
    let identity = ManagedIdentity::new("system", 1).object_id;
    let set_up = ["entra", "--issuer", idp.issuer(), "--audience", APPLICATION];
    gets_in(&sandbox, &set_up, ["--user", &identity], &identity);
}

#[test]
fn a_virtual_machine_of_azure_with_an_identity_that_was_assigned() {
    let idp = tenant();
    let cloud = Cloud::start(Imds::new(Minter::of(&idp)));
    let (one, other) = (ManagedIdentity::new("one", 2), ManagedIdentity::new("other", 3));
    cloud.change(|imds| {
        imds.directory.resources = resources();
        imds.directory.user_assigned = vec![one, other.clone()];
    });
    let mut sandbox = sandbox();
    sandbox.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloud.url("/"));
    let identity = format!("client_id:{}", other.client_id);
    let set_up = ["entra", "--issuer", idp.issuer(), "--audience", APPLICATION, "--identity", &identity];
    gets_in(&sandbox, &set_up, ["--user", &other.object_id], &other.object_id);
}

#[test]
fn an_app_service() {
    let idp = tenant();
    let cloud = Cloud::start(AppService::new(Minter::of(&idp), "header"));
    cloud.change(|service| service.directory.resources = resources());
    let mut sandbox = sandbox();
    sandbox.env("IDENTITY_ENDPOINT", cloud.url(AppService::PATH)).env("IDENTITY_HEADER", "header");
    let identity = ManagedIdentity::new("system", 1).object_id;
    let set_up = ["entra", "--issuer", idp.issuer(), "--audience", APPLICATION];
    gets_in(&sandbox, &set_up, ["--user", &identity], &identity);
}

#[test]
fn a_service_principal_by_its_groups() {
    const PROGRAM: &str = "77777777-7777-8888-9999-000000000000";
    let idp = Idp::start_in("/{}/v2.0", |behaviour| {
        behaviour.clients = vec![Client::program(PROGRAM, ClientAuth::SecretBasic("secret".into()))];
        behaviour.scopes.push(format!("{APPLICATION}/.default"));
        let claims = json!({ "aud": APPLICATION, "groups": ["5f1c2d3e"] });
        behaviour.access_token = Minting { claims: Patch::merge(claims), ..Minting::default() };
    });
    let sandbox = sandbox();
    let secret = private(&sandbox, "secret", "secret");
    let known = ["entra", "--issuer", idp.issuer(), "--audience", APPLICATION, "--client-id", PROGRAM];
    let set_up = [&known[..], &["--client-secret-file", secret.to_str().unwrap()]].concat();
    gets_in(&sandbox, &set_up, ["--group", "5f1c2d3e"], PROGRAM);
}

#[test]
fn a_client_of_any_provider() {
    let idp = Idp::start_with(|behaviour| {
        behaviour.clients = vec![Client::program("program", ClientAuth::SecretBasic("secret".into()))];
        let claims = json!({ "aud": AUDIENCE });
        behaviour.access_token = Minting { claims: Patch::merge(claims), ..Minting::default() };
    });
    let sandbox = sandbox();
    let secret = private(&sandbox, "secret", "secret");
    let known = ["generic", "--issuer", idp.issuer(), "--audience", AUDIENCE, "--client-id", "program"];
    let set_up = [&known[..], &["--client-secret-file", secret.to_str().unwrap()]].concat();
    gets_in(&sandbox, &set_up, ["--user", "program"], "program");
}

/// Compute Engine, App Engine, Cloud Functions, Cloud Run, GKE and Cloud Build: one metadata server for all of them.
#[test]
fn a_service_account_of_google_s() {
    let idp = Idp::start();
    let cloud = Cloud::start(Metadata::new(Minter::of(&idp)));
    let mut sandbox = sandbox();
    sandbox.env("GCE_METADATA_HOST", cloud.address().to_string());
    let account = ServiceAccount::new("orders", 1).unique_id;
    let set_up = ["google", "--issuer", idp.issuer(), "--audience", AUDIENCE];
    gets_in(&sandbox, &set_up, ["--user", &account], &account);
}

#[test]
fn a_service_account_of_a_cluster_by_its_projected_token() {
    let idp = Idp::start();
    let sandbox = sandbox();
    let account = "system:serviceaccount:shop:orders";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let token = idp.workload_tokens()(json!({ "sub": account, "aud": [AUDIENCE], "iat": now, "exp": now + 3600 }));
    let path = sandbox.home().join("token");
    std::fs::write(&path, token).unwrap();
    let known = ["kubernetes", "--issuer", idp.issuer(), "--audience", AUDIENCE];
    let set_up = [&known[..], &["--source-file", path.to_str().unwrap()]].concat();
    gets_in(&sandbox, &set_up, ["--user", account], account);
}

#[test]
fn a_service_account_of_a_cluster_by_its_api_server() {
    let idp = Idp::start();
    let authority = Authority::new();
    let cloud = Cloud::start_with_tls(&authority.certificate("127.0.0.1"), ApiServer::new(Minter::of(&idp)));
    let mut sandbox = sandbox();
    let (ca, own) = (sandbox.home().join("ca.crt"), sandbox.home().join("token"));
    std::fs::write(&ca, authority.pem()).unwrap();
    std::fs::write(&own, ApiServer::pod_token(json!({}))).unwrap();
    sandbox
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", cloud.address().port().to_string());
    let known = ["kubernetes", "--issuer", idp.issuer(), "--audience", AUDIENCE, "--identity", "shop/orders"];
    let files = ["--ca-file", ca.to_str().unwrap(), "--source-file", own.to_str().unwrap()];
    let account = "system:serviceaccount:shop:orders";
    gets_in(&sandbox, &[&known[..], &files[..]].concat(), ["--user", account], account);
}

#[test]
fn a_job_of_github_s() {
    let idp = Idp::start();
    let cloud = Cloud::start(Actions::new(Minter::of(&idp)));
    let mut sandbox = sandbox();
    in_a_job(&mut sandbox, &cloud);
    let subject = "repo:octo-org/octo-repo:ref:refs/heads/main";
    let set_up = ["github", "--issuer", idp.issuer(), "--audience", AUDIENCE];
    gets_in(&sandbox, &set_up, ["--user", subject], subject);
}

/// A file that its owner alone can read.
pub(super) fn private(sandbox: &Sandbox, name: &str, text: &str) -> PathBuf {
    let path = sandbox.home().join(name);
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}
