//! The conversation: steps, choice of provider, speculation, and the end of a token on an open connection.

use std::time::Duration;

use bson::{Document, doc};

use super::client::{Client, binary, payload, sasl_start};
use super::{REFUSED, Setting, verdict, who};
use crate::support::idp::CLIENT_ID;
use crate::support::mongod::{Counters, Event, IdentityProvider, Refusal, Release};

const EXPIRED: &str = "391 ReauthenticationRequired: Command find requires reauthentication since the current \
                       authorization session has expired. Please re-auth.";

fn find(client: &mut Client) -> String {
    verdict(&client.run("test", doc! { "find": "c" }))
}

#[test]
fn two_steps_tell_where_to_sign_in_and_take_the_token() {
    let setting = Setting::with(|_, behaviour| {
        behaviour.identity_providers[0].request_scopes = Some(vec!["groups".into()]);
    });
    for principal in [None, Some("ada@example.com")] {
        let mut client = setting.client();
        let step = principal.map_or_else(Document::new, |name| doc! { "n": name });
        let answer = client.sasl_start(&step);
        assert_eq!((verdict(&answer).as_str(), answer.get_bool("done").unwrap()), ("ok", false));
        let expected = doc! { "issuer": setting.idp.issuer(), "clientId": CLIENT_ID, "requestScopes": ["groups"] };
        assert_eq!(payload(&answer), expected);
        assert_eq!(who(&mut client).0, [""; 0]);

        let answer = client.sasl_continue(&doc! { "jwt": setting.idp.access_token("ada") });
        assert_eq!((verdict(&answer).as_str(), answer.get_bool("done").unwrap()), ("ok", true));
        assert_eq!(answer.get_binary_generic("payload").unwrap().len(), 0);
        assert_eq!(who(&mut client).0, ["test/00u-ada@$external"]);
    }
    let issuer = || setting.idp.issuer().to_owned();
    let (user, roles) = ("test/00u-ada".to_owned(), vec!["test/dba".to_owned()]);
    let expected = [
        Event::Asked { connection: 1, principal: None, issuer: issuer() },
        Event::Authenticated { connection: 1, user: user.clone(), roles: roles.clone() },
        Event::Asked { connection: 2, principal: Some("ada@example.com".into()), issuer: issuer() },
        Event::Authenticated { connection: 2, user, roles },
    ];
    assert_eq!(setting.server.log(), expected);
}

#[test]
fn the_principal_chooses_among_several_providers() {
    let setting = Setting::with(|issuer, behaviour| {
        let human = |pattern: Option<&str>, issuer: &str| IdentityProvider {
            match_pattern: pattern.map(str::to_owned),
            ..IdentityProvider::workforce(issuer)
        };
        behaviour.identity_providers = vec![
            IdentityProvider::workload("https://machines.example.com", "api"),
            human(Some("@corp.example.com"), issuer),
            human(Some("@partner.example.com"), "https://partner.example.com"),
        ];
    });
    let ask = |step: Document| setting.client().sasl_start(&step);
    let issuer = |step: Document| payload(&ask(step)).get_str("issuer").unwrap().to_owned();
    assert_eq!(issuer(doc! { "n": "ada@corp.example.com" }), setting.idp.issuer());
    assert_eq!(issuer(doc! { "n": "eve@partner.example.com" }), "https://partner.example.com");
    assert_eq!(verdict(&ask(doc! { "n": "ada@elsewhere.example.com" })), REFUSED);
    assert_eq!(verdict(&ask(doc! {})), REFUSED);
    let expected = [Refusal::NoProviderFor(Some("ada@elsewhere.example.com".into())), Refusal::SeveralProviders];
    assert_eq!(setting.server.refusals(), expected);

    // One that takes the rest, as the manual has it at the end.
    setting.server.change(|behaviour| {
        behaviour.identity_providers.push(IdentityProvider::workforce("https://rest.example.com"));
    });
    assert_eq!(issuer(doc! { "n": "ada@elsewhere.example.com" }), "https://rest.example.com");
    // The pattern is a signpost and no fence: a good token of any provider will do.
    let mut client = setting.client();
    client.sasl_start(&doc! { "n": "eve@partner.example.com" });
    assert_eq!(verdict(&client.sasl_continue(&doc! { "jwt": setting.idp.access_token("ada") })), "ok");
}

#[test]
fn a_provider_for_machines_has_no_client_id_to_give() {
    let setting = Setting::with(|issuer, behaviour| {
        behaviour.identity_providers = vec![IdentityProvider::workload(issuer, CLIENT_ID)];
    });
    let answer = setting.client().sasl_start(&doc! {});
    assert_eq!(payload(&answer), doc! { "issuer": setting.idp.issuer() });
    setting.server.change(|behaviour| behaviour.identity_providers.clear());
    assert_eq!(verdict(&setting.client().sasl_start(&doc! {})), REFUSED);
}

#[test]
fn steps_out_of_order_or_form_are_refused() {
    let setting = Setting::new();
    let token = doc! { "jwt": setting.idp.access_token("ada") };
    let mut client = setting.client();
    assert_eq!(verdict(&client.sasl_continue(&token)), "17 ProtocolError: No SASL session state found");

    let wrong = doc! { "saslContinue": 1, "conversationId": 2, "payload": binary(&token) };
    client.sasl_start(&doc! {});
    assert_eq!(verdict(&client.run("$external", wrong)), "17 ProtocolError: sasl: Mismatched conversation id");

    for step in [doc! { "jwt": 1 }, doc! { "n": 1 }, doc! { "jwt": null }] {
        assert_eq!(verdict(&client.sasl_start(&step)), REFUSED, "{step}");
    }
    client.sasl_start(&doc! {});
    assert_eq!(verdict(&client.sasl_continue(&doc! {})), REFUSED, "no token");
    assert_eq!(setting.server.refusals(), vec![Refusal::Payload; 4]);

    let mut text = sasl_start(&token);
    text.insert("payload", "jwt");
    assert!(verdict(&client.run("$external", text)).starts_with("14 TypeMismatch"));
    assert!(verdict(&client.run("admin", sasl_start(&token))).starts_with("2 BadValue"));
    assert_eq!(who(&mut client).0, [""; 0]);
    assert_eq!(verdict(&client.sasl_start(&token)), "ok", "all that has spoiled nothing");
}

#[test]
fn community_and_old_servers_do_not_have_the_mechanism() {
    let setting = Setting::with(|_, behaviour| behaviour.mechanisms = vec!["SCRAM-SHA-256".into()]);
    let unavailable = "334 MechanismUnavailable: Received authentication for mechanism MONGODB-OIDC which is unknown \
                       or not enabled";
    assert_eq!(verdict(&setting.client().sasl_start(&doc! {})), unavailable);
    let setting = Setting::with(|_, behaviour| behaviour.release = Release::Six);
    assert_eq!(verdict(&setting.client().sasl_start(&doc! {})), unavailable);
}

#[test]
fn hello_may_bring_the_token_along() {
    let setting = Setting::new();
    let hello = |token: &str| {
        let mut speculative = sasl_start(&doc! { "jwt": token });
        speculative.insert("db", "$external");
        doc! { "hello": 1, "speculativeAuthenticate": speculative }
    };
    let mut client = setting.client();
    let answer = client.run("admin", hello(&setting.idp.access_token("ada")));
    let step = answer.get_document("speculativeAuthenticate").unwrap();
    assert_eq!(step.get_bool("done").ok(), Some(true));
    assert_eq!(who(&mut client).0, ["test/00u-ada@$external"]);

    let mut client = setting.client();
    let answer = client.run("admin", hello("bad"));
    assert_eq!((verdict(&answer).as_str(), answer.get("speculativeAuthenticate")), ("ok", None));
    assert_eq!(setting.server.refusals(), [Refusal::Form]);
}

#[test]
fn an_expired_token_has_to_be_replaced_on_the_same_connection_by_the_same_user() {
    let setting = Setting::new();
    setting.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(300));
    let mut client = setting.ada();
    assert_eq!(find(&mut client), "ok");
    let old = setting.server.tokens().pop().unwrap();

    setting.server.change(|behaviour| behaviour.clock_ahead = 300);
    assert_eq!(find(&mut client), EXPIRED);
    assert_eq!(verdict(&client.run("admin", doc! { "ping": 1 })), "ok", "needs no authentication");
    assert_eq!(who(&mut client).0, [""; 0]);
    assert_eq!(verdict(&client.present(&old)), REFUSED);
    setting.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(900));
    assert_eq!(verdict(&client.present(&setting.idp.access_token("grace"))), REFUSED);
    assert_eq!(find(&mut client), EXPIRED);
    assert_eq!(setting.server.refusals(), [Refusal::Expired, Refusal::OtherUser("test/00u-ada".into())]);

    assert_eq!(verdict(&client.present(&setting.idp.access_token("ada"))), "ok");
    assert_eq!(find(&mut client), "ok");
    let expected =
        Counters { connections: 1, authentications: 1, reauthentications: 1, reauthentications_asked_for: 2 };
    assert_eq!(setting.server.counters(), expected);
}

#[test]
fn a_connection_can_be_made_to_ask_again_after_so_many_commands() {
    let setting = Setting::with(|_, behaviour| behaviour.reauthenticate_after = Some(2));
    let mut client = setting.ada();
    let commands: Vec<String> = (0..3).map(|_| find(&mut client)).collect();
    assert_eq!(commands, ["ok", "ok", EXPIRED]);
    assert_eq!(verdict(&client.present(&setting.idp.access_token("ada"))), "ok");
    assert_eq!(find(&mut client), "ok");
    assert_eq!(setting.server.counters().reauthentications, 1);
}

#[test]
fn a_connection_that_is_somebodys_stays_that_ones_until_logout() {
    let setting = Setting::new();
    let mut client = setting.ada();
    assert_eq!(verdict(&client.present(&setting.idp.access_token("grace"))), REFUSED);
    assert_eq!(setting.server.refusals(), [Refusal::OtherUser("test/00u-ada".into())]);
    assert_eq!(who(&mut client).0, ["test/00u-ada@$external"]);
    client.run("$external", doc! { "logout": 1 });
    assert_eq!(find(&mut client), "13 Unauthorized: Command find requires authentication");
    assert_eq!(verdict(&client.present(&setting.idp.access_token("grace"))), "ok");
}

#[test]
fn a_second_token_of_the_same_user_does_not_lengthen_the_first_ones_time() {
    let setting = Setting::new();
    setting.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(300));
    let mut client = setting.ada();
    setting.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(3600));
    assert_eq!(verdict(&client.present(&setting.idp.access_token("ada"))), "ok");
    setting.server.change(|behaviour| behaviour.clock_ahead = 301);
    assert_eq!(find(&mut client), EXPIRED);
}
