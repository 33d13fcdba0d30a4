//! The README's table of MongoDB's guide: every row is there, and its commands do what they are there for.

use serde_json::{Value, json};

use super::github::in_a_job;
use super::set_up::sandbox;
use crate::support::cloud::azure::{Imds, ManagedIdentity};
use crate::support::cloud::github::Actions;
use crate::support::cloud::google::Metadata;
use crate::support::cloud::kubernetes::ApiServer;
use crate::support::cloud::{Cloud, Minter};
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::tls::Authority;
use crate::support::idp::{Client, ClientAuth, Idp};
use crate::support::readme::{PROGRAMS, section};

/// "Set up Workload Identity Federation with OAuth 2.0": infrastructure and principal types of built-in authentication,
/// callback authentication, service principals, the server's side; then the platforms that this program has besides.
const ROWS: [&str; 17] = [
    "GCP: Compute Engine",
    "GCP: App Engine standard environment",
    "GCP: App Engine flexible environment",
    "GCP: Cloud Functions",
    "GCP: Cloud Run",
    "GCP: Google Kubernetes Engine",
    "GCP: Cloud Build",
    "Azure VM, managed identity, system assigned",
    "Azure VM, managed identity, user assigned",
    "Azure service principal",
    "Callback authentication",
    "Kubernetes, projected token",
    "Kubernetes, by the API server",
    "GitHub Actions",
    "Server: configuration",
    "Server: users (User ID)",
    "Server: roles (Group Membership)",
];

/// A row's name, and the commands in its cells.
fn rows() -> Vec<(String, Vec<String>)> {
    let section = section(PROGRAMS);
    let (_, table) = section.split_once("| in MongoDB's guide |").unwrap();
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
        let name = cells.next().unwrap();
        let command = |cell: String| Some(cell.strip_prefix("`mdb-login ")?.trim_end_matches('`').to_owned());
        (name, cells.filter_map(command).collect())
    };
    lines.map(row).collect()
}

fn run(sandbox: &Sandbox, command: &str, replaced: &[(&str, &str)]) -> Outcome {
    let command = replaced.iter().fold(command.to_owned(), |command, (from, to)| {
        assert!(command.contains(from), "no `{from}` in `{command}`");
        command.replace(from, to)
    });
    sandbox.run(shlex::split(&command).unwrap()).exits(0)
}

/// The claims of the token that a row's last command prints where that row is about.
fn token(sandbox: &Sandbox, commands: &[String], replaced: &[(&str, &str)]) -> Value {
    let outcome = run(sandbox, commands.last().unwrap(), replaced);
    crate::support::idp::jwt::claims(outcome.stdout().trim_end())
}

#[test]
fn every_row_of_the_guide_is_there_and_its_commands_run() {
    let rows = rows();
    let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ROWS);
    for (name, commands) in &rows {
        if let Some(page) = commands.iter().find(|command| command.starts_with("setup ")) {
            let page = run(&sandbox(), page, &[]).stdout();
            assert!(page.contains("Register at ") && page.contains("--workload --interactive"), "{name}: {page}");
        }
        match name.as_str() {
            name if name.starts_with("GCP: ") => at_google(commands),
            "Callback authentication" => for_a_callback(commands),
            name if name.starts_with("Azure VM") => at_azure(commands, name.ends_with("user assigned")),
            "Azure service principal" => a_service_principal(commands),
            "Kubernetes, projected token" => a_projected_token(commands),
            "Kubernetes, by the API server" => an_account_of_the_cluster(commands),
            "GitHub Actions" => a_job(commands),
            _ => at_the_server(name, commands),
        }
    }
}

fn google(idp: &Idp) -> (Cloud<Metadata>, Sandbox) {
    let cloud = Cloud::start(Metadata::new(Minter::of(idp)));
    let mut sandbox = sandbox();
    sandbox.env("GCE_METADATA_HOST", cloud.address().to_string());
    (cloud, sandbox)
}

fn at_google(commands: &[String]) {
    let idp = Idp::start();
    let (_cloud, sandbox) = google(&idp);
    assert_eq!(token(&sandbox, commands, &[])["aud"], "mongodb://orders");
}

fn for_a_callback(commands: &[String]) {
    let idp = Idp::start();
    let (_cloud, mut sandbox) = google(&idp);
    sandbox.env("MDB_LOGIN_KIND", "gcp").env("MDB_LOGIN_AUDIENCE", "mongodb://orders");
    let object: Value = serde_json::from_slice(&run(&sandbox, commands.last().unwrap(), &[]).stdout).unwrap();
    assert!(object["access_token"].is_string() && object["expires_in"].as_u64() > Some(3000), "{object}");
}

fn at_azure(commands: &[String], assigned: bool) {
    let idp = Idp::start();
    let cloud = Cloud::start(Imds::new(Minter::of(&idp)));
    let (one, other) = (ManagedIdentity::new("one", 2), ManagedIdentity::new("other", 3));
    cloud.change(|imds| {
        imds.directory.resources = vec![("api://APPLICATION_ID".to_owned(), json!("APPLICATION_ID"))];
        if assigned {
            imds.directory.user_assigned = vec![one, other.clone()];
        }
    });
    let mut sandbox = sandbox();
    sandbox.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloud.url("/"));
    let replaced: &[(&str, &str)] = if assigned { &[("CLIENT_ID", &other.client_id)] } else { &[] };
    let expected = if assigned { other.object_id.clone() } else { ManagedIdentity::new("system", 1).object_id };
    assert_eq!(token(&sandbox, commands, replaced)["oid"], expected);
}

fn a_service_principal(commands: &[String]) {
    let idp = Idp::start_in("/{}/v2.0", |behaviour| {
        behaviour.clients = vec![Client::program("CLIENT_ID", ClientAuth::SecretBasic("secret".into()))];
        behaviour.scopes.push("APPLICATION_ID/.default".to_owned());
    });
    let sandbox = sandbox();
    let secret = super::set_up::private(&sandbox, "secret", "secret");
    let issuer = ("https://login.microsoftonline.com/TENANT_ID/v2.0", idp.issuer());
    let claims = token(&sandbox, commands, &[issuer, ("FILE", secret.to_str().unwrap())]);
    assert_eq!(claims["sub"], "CLIENT_ID");
}

fn a_projected_token(commands: &[String]) {
    let (idp, sandbox) = (Idp::start(), sandbox());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims =
        json!({ "sub": "system:serviceaccount:shop:orders", "aud": ["orders"], "iat": now, "exp": now + 3600 });
    let path = super::set_up::private(&sandbox, "token", &idp.workload_tokens()(claims.clone()));
    let replaced = [("/var/run/secrets/mongodb/token", path.to_str().unwrap())];
    assert_eq!(token(&sandbox, commands, &replaced)["sub"], claims["sub"]);
}

fn an_account_of_the_cluster(commands: &[String]) {
    let (idp, authority, mut sandbox) = (Idp::start(), Authority::new(), sandbox());
    let cloud = Cloud::start_with_tls(&authority.certificate("127.0.0.1"), ApiServer::new(Minter::of(&idp)));
    let ca = super::set_up::private(&sandbox, "ca.crt", authority.pem());
    let own = super::set_up::private(&sandbox, "token", &ApiServer::pod_token(json!({})));
    sandbox
        .env("MDB_LOGIN_CA_FILE", ca)
        .env("MDB_LOGIN_SOURCE_FILE", own)
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", cloud.address().port().to_string());
    let claims = token(&sandbox, commands, &[("NAMESPACE/NAME", "shop/orders")]);
    assert_eq!(claims["sub"], "system:serviceaccount:shop:orders");
}

fn a_job(commands: &[String]) {
    let idp = Idp::start();
    let cloud = Cloud::start(Actions::new(Minter::of(&idp)));
    let mut sandbox = sandbox();
    in_a_job(&mut sandbox, &cloud);
    assert_eq!(token(&sandbox, commands, &[])["aud"], "mongodb://orders");
}

fn at_the_server(name: &str, commands: &[String]) {
    let sandbox = sandbox();
    sandbox.write_config("[profile.orders]\nkind = \"gcp\"\naudience = \"mongodb://orders\"\n");
    let printed = run(&sandbox, commands.last().unwrap(), &[]).stdout();
    match name {
        "Server: configuration" => {
            let checked = sandbox.run_with(["server", "check", "-"], printed.as_bytes()).exits(0).stdout();
            assert!(checked.contains("programs with tokens of https://accounts.google.com"), "{checked}");
        }
        "Server: users (User ID)" => assert!(printed.contains("user: \"orders/NAME\""), "{printed}"),
        "Server: roles (Group Membership)" => assert!(printed.contains("role: \"orders/NAME\""), "{printed}"),
        other => panic!("no such row: {other}"),
    }
}
