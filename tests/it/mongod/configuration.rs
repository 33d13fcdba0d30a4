//! A server that is started from a file does what the file says.

use super::{REFUSED, client::Client, verdict, who};
use crate::support::idp::{CLIENT_ID, Idp};
use crate::support::mongod::{Mongod, Role};

fn file(idp: &Idp) -> String {
    let issuer = idp.issuer();
    format!(
        "net:\n  port: 27017\nsetParameter:\n  authenticationMechanisms: SCRAM-SHA-256,MONGODB-OIDC\n  \
         oidcIdentityProviders: '[ {{ \"issuer\": \"{issuer}\", \"audience\": \"{CLIENT_ID}\", \"authNamePrefix\": \"corp\",\n    \
         \"clientId\": \"{CLIENT_ID}\", \"authorizationClaim\": \"groups\", \"matchPattern\": \"@(corp|example)[.]com$\" }},\n    \
         {{ \"issuer\": \"{issuer}\", \"audience\": \"other\", \"authNamePrefix\": \"machine\",\n    \
         \"supportsHumanFlows\": false, \"useAuthorizationClaim\": false }} ]'\n"
    )
}

#[test]
fn the_file_s_providers_are_trusted_by_its_names() {
    let idp = Idp::start();
    let server = Mongod::start_from_config(&file(&idp), |behaviour| {
        behaviour.roles = vec![Role::new("corp/dba", &Role::EVERYTHING)];
    })
    .unwrap();
    let mut client = Client::connect(&server);
    assert_eq!(verdict(&client.present(&idp.access_token("ada"))), "ok");
    let (users, roles) = who(&mut client);
    assert_eq!(users, ["corp/00u-ada@$external"]);
    assert!(roles.contains(&"corp/dba@admin".to_owned()), "{roles:?}");
}

#[test]
fn a_file_without_the_mechanism_lets_nobody_in() {
    let idp = Idp::start();
    let text = file(&idp).replace(",MONGODB-OIDC", "");
    let server = Mongod::start_from_config(&text, |_| {}).unwrap();
    let answer = verdict(&Client::connect(&server).present(&idp.access_token("ada")));
    assert!(answer.starts_with("334 MechanismUnavailable"), "{answer}");
    let text = file(&idp).replace(CLIENT_ID, "another");
    let server = Mongod::start_from_config(&text, |_| {}).unwrap();
    assert_eq!(verdict(&Client::connect(&server).present(&idp.access_token("ada"))), REFUSED);
}

/// The words are those of a server that does not start; what is refused otherwise is in the agreement of `server check`.
#[test]
fn a_bad_file_starts_no_server() {
    let idp = Idp::start();
    let good = file(&idp);
    for (from, to, expected) in [
        ("\"audience\": \"other\",", "", "BSON field 'audience' is missing but a required field"),
        (
            "\"audience\": \"other\"",
            "\"audience\": 7",
            "BSON field 'audience' is the wrong type 'int', expected type 'string'",
        ),
        ("\"supportsHumanFlows\": false,", "", "`clientId` must present"),
        ("\"machine\"", "\"m#\"", "`authNamePrefix` contains illegal char `#`"),
        ("(corp", "((corp", "Invalid matchPattern"),
        (" } ]'", ", } ]'", "First character in field must be"),
        (" } ]'", " }, ]'", "Bad characters in value"),
        ("\"other\"", "'other'", "Error parsing YAML config file"),
        ("net:", "nets:", "Unrecognized option: nets.port"),
        ("setParameter:", "setParameter:\n  colour: red", "Unknown --setParameter 'colour'"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = Mongod::start_from_config(&good.replacen(from, to, 1), |_| {}).map(drop).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
