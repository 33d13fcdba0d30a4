//! What is behind the sign-in: who may do what, and a database that answers as drivers expect.

use bson::{Bson, Document, doc};

use super::client::Client;
use super::{Setting, verdict};
use crate::support::mongod::Role;

fn first_batch(answer: &Document) -> Vec<Document> {
    assert_eq!(verdict(answer), "ok");
    let cursor = answer.get_document("cursor").unwrap();
    assert_eq!(cursor.get_i64("id").unwrap(), 0);
    cursor.get_array("firstBatch").unwrap().iter().map(|one| one.as_document().unwrap().clone()).collect()
}

#[test]
fn without_authentication_there_is_nothing_to_see() {
    let setting = Setting::new();
    let mut client = setting.client();
    for name in ["find", "insert", "aggregate", "count", "listCollections", "killCursors", "getMore"] {
        let expected = format!("13 Unauthorized: Command {name} requires authentication");
        assert_eq!(verdict(&client.run("test", doc! { name: "c" })), expected);
    }
    for name in ["getParameter", "getLog", "listDatabases", "oidcListKeys", "oidcRefreshKeys"] {
        let expected = format!("13 Unauthorized: Command {name} requires authentication");
        assert_eq!(verdict(&client.run("admin", doc! { name: 1 })), expected);
        let expected = format!("13 Unauthorized: {name} may only be run against the admin database.");
        assert_eq!(verdict(&client.run("test", doc! { name: 1 })), expected);
    }
    for name in ["hello", "isMaster", "ping", "buildInfo", "connectionStatus", "endSessions", "logout"] {
        assert_eq!(verdict(&client.run("admin", doc! { name: 1 })), "ok", "{name}");
    }
    let unknown = "59 CommandNotFound: no such command: 'oidcRevokeKeys'";
    assert_eq!(verdict(&client.run("admin", doc! { "oidcRevokeKeys": 1 })), unknown);
    assert_eq!((setting.server.commands("find"), setting.server.commands("isMaster")), (1, 1));
}

#[test]
fn a_role_allows_what_it_says_and_one_that_does_not_exist_nothing() {
    let setting = Setting::with(|_, behaviour| behaviour.roles = vec![Role::new("test/dba", &["find"])]);
    let mut client = setting.ada();
    assert_eq!(verdict(&client.run("test", doc! { "find": "c" })), "ok");
    let refused = "13 Unauthorized: not authorized on test to execute command insert";
    assert_eq!(verdict(&client.run("test", doc! { "insert": "c", "documents": [{}] })), refused);
    let privileges = |client: &mut Client| {
        let answer = client.run("admin", doc! { "connectionStatus": 1, "showPrivileges": true });
        answer.get_document("authInfo").unwrap().get_array("authenticatedUserPrivileges").unwrap().clone()
    };
    let expected = doc! { "resource": { "db": "", "collection": "" }, "actions": ["find"] };
    assert_eq!(privileges(&mut client), [Bson::Document(expected)]);

    setting.server.change(|behaviour| behaviour.roles.clear());
    let refused = "13 Unauthorized: not authorized on test to execute command find";
    assert_eq!(verdict(&client.run("test", doc! { "find": "c" })), refused);
    assert_eq!(privileges(&mut client), []);
}

#[test]
fn client_metadata_are_as_the_handshake_wants_them() {
    let setting = Setting::new();
    let hello = |client: Document| verdict(&setting.client().run("admin", doc! { "hello": 1, "client": client }));
    let good = doc! { "driver": { "name": "x", "version": "1" }, "os": { "type": "Linux" } };
    assert_eq!(hello(good.clone()), "ok");
    assert!(hello(doc! { "driver": { "name": "x", "version": "1" } }).starts_with("2 BadValue"), "no os");
    let mut long = good;
    long.insert("platform", "x".repeat(500));
    assert!(hello(long).starts_with("2 BadValue"), "too long");
}

#[test]
fn parameters_can_be_asked_for() {
    let setting = Setting::new();
    let mut client = setting.ada();
    let mut ask = |command| client.run("admin", command);
    let answer = ask(doc! { "getParameter": 1, "authenticationMechanisms": 1 });
    assert_eq!(answer.get_array("authenticationMechanisms").unwrap().len(), 2);
    assert!(!answer.contains_key("featureCompatibilityVersion"));
    assert!(ask(doc! { "getParameter": "*" }).contains_key("featureCompatibilityVersion"));
    let unknown = "72 InvalidOptions: no option found to get";
    assert_eq!(verdict(&ask(doc! { "getParameter": 1, "foo": 1 })), unknown);
    assert!(ask(doc! { "getLog": "startupWarnings" }).get_array("log").unwrap().is_empty());
}

#[test]
fn what_is_inserted_is_found_counted_and_listed() {
    let setting = Setting::new();
    let mut client = setting.ada();
    let documents = [doc! { "_id": 1, "name": "ada" }, doc! { "name": "grace" }, doc! { "_id": 1 }];
    let answer = client.run("shop", doc! { "insert": "people", "documents": &documents[..] });
    assert_eq!((verdict(&answer).as_str(), answer.get_i32("n").unwrap()), ("ok", 2));
    let error = answer.get_array("writeErrors").unwrap()[0].as_document().unwrap();
    assert_eq!((error.get_i32("index").unwrap(), error.get_i32("code").unwrap()), (2, 11000));

    let find = |client: &mut Client, mut command: Document| {
        let mut whole = doc! { "find": "people" };
        whole.extend(std::mem::take(&mut command));
        first_batch(&client.run("shop", whole))
    };
    let all = find(&mut client, doc! {});
    assert_eq!(all[0], doc! { "_id": 1, "name": "ada" });
    assert!(all[1].get_object_id("_id").is_ok(), "the server made one");
    assert_eq!(find(&mut client, doc! { "filter": { "name": "ada" } }), &all[..1]);
    assert_eq!(find(&mut client, doc! { "skip": 1, "limit": 1_i64 }), &all[1..]);
    assert_eq!(find(&mut client, doc! { "filter": { "name": "nobody" } }), []);
    let operator = doc! { "find": "people", "filter": { "_id": { "$gt": 0 } } };
    assert_eq!(verdict(&client.run("shop", operator)), "2 BadValue: unknown operator: $gt");

    let count = [doc! { "$match": { "name": "ada" } }, doc! { "$group": { "_id": 1, "n": { "$sum": 1 } } }];
    let answer = client.run("shop", doc! { "aggregate": "people", "pipeline": &count[..], "cursor": {} });
    assert_eq!(first_batch(&answer), [doc! { "_id": 1, "n": 1 }]);
    assert_eq!(client.run("shop", doc! { "count": "people" }).get_i32("n").unwrap(), 2);
    let stage = client.run("shop", doc! { "aggregate": "people", "pipeline": [{ "$out": "x" }], "cursor": {} });
    assert_eq!(verdict(&stage), "40324 Location40324: Unrecognized pipeline stage name: '$out'");

    let collections = first_batch(&client.run("shop", doc! { "listCollections": 1 }));
    assert_eq!(collections.iter().map(|one| one.get_str("name").unwrap()).collect::<Vec<_>>(), ["people"]);
    let databases = client.run("admin", doc! { "listDatabases": 1 });
    let databases = databases.get_array("databases").unwrap().iter().filter_map(Bson::as_document);
    assert_eq!(databases.map(|one| one.get_str("name").unwrap()).collect::<Vec<_>>(), ["admin", "shop"]);
}
