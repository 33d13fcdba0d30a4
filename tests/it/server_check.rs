//! `mdb-login server check`: what it says of configurations, good and broken.

mod broken;

use serde_json::{Value, json};

use crate::support::cmd::{Outcome, Sandbox};

fn object(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout()).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

/// One provider for people, and one for programs.
pub const GOOD: &str = "\
net:
  port: 27017
setParameter:
  authenticationMechanisms: SCRAM-SHA-256,MONGODB-OIDC
  oidcIdentityProviders: '[ {
      \"issuer\": \"https://login.example.com\",
      \"audience\": \"mongodb\",
      \"authNamePrefix\": \"corp\",
      \"clientId\": \"0oa1\",
      \"authorizationClaim\": \"groups\"
    }, {
      \"issuer\": \"https://accounts.google.com\",
      \"audience\": \"reports\",
      \"authNamePrefix\": \"gcp\",
      \"supportsHumanFlows\": false,
      \"useAuthorizationClaim\": false
    } ]'
";

#[test]
fn a_good_configuration_is_explained() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.home().join("mongod.conf"), GOOD).unwrap();
    sandbox.run(["server", "check", "mongod.conf"]).is("
        exit 0
        --- stdout
        As MongoDB 8.2 reads it
        ok    corp  people with tokens of https://login.example.com for `mongodb`
                    become `corp/<sub>` at $external, with roles `corp/<groups>` at
                    admin
        ok    gcp   programs with tokens of https://accounts.google.com for `reports`
                    become `gcp/<sub>` at $external, with the roles of that user, who
                    has to be there
    ");
    let object = object(&sandbox.run_with(["server", "check", "-", "--json"], GOOD.as_bytes()).exits(0));
    assert_eq!(object["schema"], 1);
    assert_eq!((&object["ok"], &object["file"], &object["findings"]), (&json!(true), &json!("stdin"), &json!([])));
    assert_eq!(object["identity_providers"][1]["auth_name_prefix"], "gcp");
    assert_eq!(sandbox.files().len(), 1, "{:?}", sandbox.files());
}

#[test]
fn every_mistake_is_named_at_once_and_the_first_one_again() {
    let sandbox = Sandbox::new();
    let text = GOOD.replace("\"mongodb\"", "\" mongodb\"").replace("\"0oa1\"", "7").replace("gcp", "g c p");
    std::fs::write(sandbox.home().join("mongod.conf"), text).unwrap();
    sandbox.run(["server", "check", "mongod.conf"]).is("
        exit 3
        --- stdout
        FAIL  mongod.conf:7:19
              `oidcIdentityProviders[0].audience`: begins or ends with a blank, and is
              compared as it stands
              hint: leave the blank out
        FAIL  mongod.conf:9:19
              `oidcIdentityProviders[0].clientId`: must be a string, not 7
        FAIL  mongod.conf:14:25
              `oidcIdentityProviders[1].authNamePrefix`: ` ` is not allowed in it:
              letters and digits of ASCII, `-` and `_` are
        --- stderr
        error: mongod.conf:7:19: `oidcIdentityProviders[0].audience`: begins or ends with a blank, and is compared as it stands
    ");
}
