//! What the server is, and waiting for it to change.

use std::time::{Duration, Instant};

use bson::oid::ObjectId;
use bson::{Bson, Document, doc};

use super::client::{Client, section};
use super::{Setting, verdict};
use crate::support::mongod::Release;

/// OP_MSG's flags.
const MORE_TO_COME: u32 = 1 << 1;
const EXHAUST_ALLOWED: u32 = 1 << 16;

const PAUSE: Duration = Duration::from_millis(150);

fn version(client: &mut Client) -> Document {
    client.run("admin", doc! { "hello": 1 }).get_document("topologyVersion").unwrap().clone()
}

fn awaiting(version: &Document, pause: Duration) -> Document {
    doc! { "hello": 1, "topologyVersion": version, "maxAwaitTimeMS": pause.as_millis() as i64, "$db": "admin" }
}

/// The flags of an answer, and what it says.
fn receive(client: &mut Client) -> (u32, Document) {
    let (_, body) = client.receive_bytes().unwrap();
    let (flags, answer) = body.split_first_chunk().unwrap();
    (u32::from_le_bytes(*flags), Document::from_reader(&answer[1..]).unwrap())
}

#[test]
fn hello_tells_what_the_server_is() {
    let setting = Setting::with(|_, behaviour| behaviour.release = Release::Seven);
    let mut client = setting.client();
    let answer = client.run("admin", doc! { "hello": 1, "helloOk": true, "saslSupportedMechs": "$external.ada" });
    assert_eq!(answer.get_i32("maxWireVersion").unwrap(), 21);
    assert!(answer.get_bool("isWritablePrimary").unwrap() && answer.get_bool("helloOk").unwrap());
    let mechanisms: Vec<_> = answer.get_array("saslSupportedMechs").unwrap().iter().filter_map(Bson::as_str).collect();
    assert_eq!(mechanisms, ["MONGODB-OIDC", "SCRAM-SHA-256"]);
    assert_eq!(answer.get("setName"), None);
    let build = client.run("admin", doc! { "buildInfo": 1 });
    assert_eq!(build.get_str("version").unwrap(), "7.0.16");

    setting.server.change(|behaviour| {
        behaviour.release = Release::Six;
        behaviour.replica_set = Some("rs0".into());
    });
    let answer = client.run("admin", doc! { "isMaster": 1 });
    let me = setting.server.address().to_string();
    assert_eq!((answer.get_i32("maxWireVersion").unwrap(), answer.get_bool("ismaster").unwrap()), (17, true));
    assert_eq!((answer.get_str("setName").unwrap(), answer.get_str("primary").unwrap()), ("rs0", me.as_str()));
}

#[test]
fn who_waits_for_a_change_is_answered_when_the_time_is_over() {
    let setting = Setting::new();
    let mut client = setting.client();
    let seen = version(&mut client);
    let mut took = |version: &Document| {
        let started = Instant::now();
        let answer = client.run("admin", awaiting(version, PAUSE));
        assert_eq!(answer.get_document("topologyVersion").unwrap(), &seen);
        started.elapsed()
    };
    assert!(took(&seen) >= PAUSE);
    // A restart is a change, and nobody has waited for it.
    assert!(took(&doc! { "processId": ObjectId::new(), "counter": 0_i64 }) < PAUSE);

    assert_ne!(version(&mut Setting::new().client()), seen);
}

#[test]
fn who_allows_it_is_answered_again_and_again_until_something_is_said() {
    let setting = Setting::new();
    let mut client = setting.client();
    let seen = version(&mut client);
    let body = [&EXHAUST_ALLOWED.to_le_bytes()[..], &section(&awaiting(&seen, PAUSE))].concat();
    client.send(2013, &body).unwrap();
    let started = Instant::now();
    for turn in 1..=3 {
        let (flags, answer) = receive(&mut client);
        assert_eq!((flags, verdict(&answer).as_str()), (MORE_TO_COME, "ok"));
        assert!(started.elapsed() >= PAUSE * turn, "answer {turn} after {:?}", started.elapsed());
    }
    client.send(2013, &[&[0; 4][..], &section(&doc! { "ping": 1, "$db": "admin" })].concat()).unwrap();
    let (last, pong) = (receive(&mut client), receive(&mut client));
    assert_eq!((last.0, last.1.get_document("topologyVersion").unwrap()), (0, &seen));
    assert_eq!(pong, (0, doc! { "ok": 1.0 }));
}

#[test]
fn a_client_that_waits_wrongly_is_told() {
    let setting = Setting::new();
    let mut client = setting.client();
    let seen = version(&mut client);
    let counter = |counter: i64| {
        let mut version = seen.clone();
        version.insert("counter", counter);
        doc! { "hello": 1, "topologyVersion": version, "maxAwaitTimeMS": 1 }
    };
    let rows = [
        (doc! { "hello": 1, "topologyVersion": &seen }, 31368),
        (doc! { "hello": 1, "maxAwaitTimeMS": 1 }, 31368),
        (counter(-1), 31372),
        (counter(1), 51764),
    ];
    for (command, code) in rows {
        assert_eq!(client.run("admin", command.clone()).get_i32("code").unwrap(), code, "{command}");
    }
    let exhaust = client.message(EXHAUST_ALLOWED, &section(&doc! { "hello": 1, "$db": "admin" })).unwrap();
    assert_eq!(exhaust.get_i32("code").unwrap(), 51756);
    assert_eq!(verdict(&client.run("admin", counter(0))), "ok");
}
