//! From the platform to the MongoDB server: its token opens a connection, and a program gets it.

use serde_json::Value;

use super::{azure, github, google, kubernetes};
use crate::cases::each;
use crate::support::cloud::Platform;
use crate::support::cloud::azure::ManagedIdentity;
use crate::support::cloud::google::ServiceAccount;
use crate::support::cloud::place::Place;
use crate::support::cmd::Sandbox;
use crate::support::idp::jwt::claims;
use crate::support::mongod::Refusal;

/// `verify`, and `exec` with a program that shows what it was given.
fn opens_a_connection<P: Platform>(place: &Place<P>) {
    let token = super::token(&place.sandbox);
    let subject = claims(&token)["sub"].as_str().unwrap().to_owned();
    let server = place.server(&subject);
    let verified = place.sandbox.run(["verify", &server.uri(), "--json"]).exits(0).stdout();
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["user"], format!("machine/{subject}"));
    assert_eq!((server.tokens(), server.refusals()), (vec![token.clone()], Vec::<Refusal>::new()));
    #[cfg(unix)]
    {
        let script = "cat \"$AZURE_FEDERATED_TOKEN_FILE\"; printf ' %s' \"$1\"";
        // On AKS the variables of the Azure SDKs are set, and this program is none of theirs.
        let arguments = ["exec", "--allow-cloud-env", "--", "sh", "-c", script, "sh", &server.uri()];
        let given = place.sandbox.run(arguments).exits(0).stdout();
        let (handed_over, uri) = given.split_once(' ').unwrap();
        assert_eq!(handed_over, token);
        assert!(uri.contains("authMechanismProperties=ENVIRONMENT:k8s"), "{uri}");
    }
    assert_eq!(place.cloud.requests(), 1, "the platform was asked more than once");
}

#[test]
fn a_virtual_machine_of_azure_reaches_its_database() {
    opens_a_connection(&Place::virtual_machine());
}

#[test]
fn a_pod_on_aks_reaches_its_database() {
    opens_a_connection(&azure::pod_for_mongodb());
}

#[test]
fn an_app_service_reaches_its_database() {
    opens_a_connection(&azure::app_service());
}

#[test]
fn a_machine_at_google_reaches_its_database() {
    opens_a_connection(&Place::machine());
}

#[test]
fn a_key_of_google_s_reaches_its_database() {
    opens_a_connection(&google::with_key());
}

#[test]
fn a_service_account_of_a_cluster_reaches_its_database() {
    opens_a_connection(&kubernetes::pod());
}

#[test]
fn a_job_of_github_reaches_its_database() {
    opens_a_connection(&github::job());
}

/// The connection strings by which drivers ask a platform themselves, for programs whose driver cannot. A driver asks the
/// metadata server whatever the environment says, so that one string means one identity.
#[test]
fn a_connection_string_that_names_the_platform_is_enough() {
    fn opens<P: Platform>(mut place: Place<P>, user: &str, environment: &str, subject: &str) {
        place
            .sandbox
            .unset("MDB_LOGIN_KIND")
            .unset("MDB_LOGIN_ISSUER")
            .unset("MDB_LOGIN_RESOURCE")
            .unset("MDB_LOGIN_AUDIENCE");
        let server = place.server(subject);
        let properties = "authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:";
        let uri = format!("mongodb://{user}{}/?{properties}{environment}", server.address());
        let verified = place.sandbox.run(["verify", &uri, "--json"]).exits(0).stdout();
        let verified: Value = serde_json::from_str(&verified).unwrap();
        assert_eq!(verified["user"], format!("machine/{subject}"));
        #[cfg(unix)]
        {
            let script = "cat \"$AZURE_FEDERATED_TOKEN_FILE\"; printf ' %s' \"$1\"";
            let given = place.sandbox.run(["exec", "--", "sh", "-c", script, "sh", &uri]).exits(0).stdout();
            let (handed_over, uri) = given.split_once(' ').unwrap();
            assert_eq!(server.tokens(), [handed_over]);
            // What a driver would have asked the platform for is not asked for a second time, by a driver that cannot.
            assert!(
                uri.contains("authMechanismProperties=ENVIRONMENT:k8s") && !uri.contains("TOKEN_RESOURCE"),
                "{uri}"
            );
        }
        assert_eq!(place.cloud.requests(), 1);
    }
    let (mut machine, other) = (Place::virtual_machine(), ManagedIdentity::new("other", 2));
    machine.cloud.change(|imds| imds.directory.user_assigned = vec![other.clone()]);
    machine.sandbox.env("IDENTITY_ENDPOINT", "http://127.0.0.1:9/").env("IDENTITY_HEADER", "elsewhere");
    let environment = "azure,TOKEN_RESOURCE:api%3A%2F%2Fmongodb";
    opens(machine, &format!("{}@", other.client_id), environment, &other.object_id);

    let mut machine = Place::machine();
    machine.sandbox.env("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere");
    let account = ServiceAccount::new("orders", 1);
    opens(machine, "", "gcp,TOKEN_RESOURCE:mongodb%3A%2F%2Forders", &account.unique_id);
}

/// A crowd that comes at once asks the platform once.
#[test]
fn a_hundred_callers_are_one_request() {
    let place = Place::virtual_machine();
    let running: Vec<_> = (0..100).map(|_| place.sandbox.spawn(["token"])).collect();
    let mut tokens: Vec<String> = running.into_iter().map(|running| running.wait().exits(0).stdout()).collect();
    tokens.dedup();
    assert_eq!((tokens.len(), place.cloud.requests()), (1, 1));
}

/// A driver would not look for a key, for App Service or for an agent either.
#[test]
fn a_driver_s_connection_string_is_for_one_place_and_the_error_says_so() {
    let nobody = "127.0.0.1:1";
    let rows = [
        ("azure", "AZURE_POD_IDENTITY_AUTHORITY_HOST", format!("http://{nobody}")),
        ("gcp", "GCE_METADATA_HOST", nobody.to_owned()),
    ];
    each(rows, |(environment, variable, address)| {
        let mut sandbox = Sandbox::new();
        sandbox.env(variable, address);
        let properties = format!("ENVIRONMENT:{environment},TOKEN_RESOURCE:mongodb");
        let uri = format!("mongodb://localhost/?authMechanism=MONGODB-OIDC&authMechanismProperties={properties}");
        let outcome = sandbox.run(["token", &uri]).exits(7).says("looked nowhere else");
        assert!(!outcome.stderr().contains("AKS") && !outcome.stderr().contains("CREDENTIALS"), "{outcome:?}");
    });
}
