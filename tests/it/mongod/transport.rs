//! Bytes: the framing that drivers use, the framing that is refused, TLS, and servers that do not behave.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Document, doc};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::client::{Client, binary, payload, section};
use super::{Setting, verdict, who};
use crate::support::mongod::behaviour::loopback_names;
use crate::support::mongod::{Answer, Manner, Mongod};

const OP_QUERY: i32 = 2004;

fn ping() -> Document {
    doc! { "ping": 1, "$db": "admin" }
}

/// An OP_QUERY for one document.
fn query(collection: &str, command: &Document) -> Vec<u8> {
    [&[0; 4], collection.as_bytes(), &[0], &[0; 4], &(-1_i32).to_le_bytes(), &command.to_vec().unwrap()].concat()
}

#[test]
fn the_old_greeting_is_answered_in_kind_and_nothing_else_is() {
    let setting = Setting::new();
    let mut client = setting.client();
    let mut ask = |command: &Document| {
        client.send(OP_QUERY, &query("admin.$cmd", command)).unwrap();
        let ([_, _, response_to, opcode], body) = client.receive_bytes().unwrap();
        assert_eq!((response_to, opcode), (77, 1));
        assert_eq!(body[16..20], 1_i32.to_le_bytes(), "one document");
        Document::from_reader(&body[20..]).unwrap()
    };
    let answer = ask(&doc! { "isMaster": 1, "helloOk": true });
    assert!(answer.get_bool("ismaster").unwrap() && answer.get_bool("helloOk").unwrap());
    assert_eq!(verdict(&ask(&doc! { "$query": { "hello": 1 }, "$readPreference": {} })), "ok");
    assert!(verdict(&ask(&doc! { "ping": 1 })).starts_with("352 UnsupportedOpQueryCommand"));
}

#[test]
fn document_sequences_checksums_and_unanswered_messages_are_understood() {
    let setting = Setting::new();
    let mut client = setting.ada();
    // A section of kind 1: size, name, documents.
    let mut sequence = b"documents\0".to_vec();
    for number in 0..3 {
        sequence.extend(doc! { "_id": number }.to_vec().unwrap());
    }
    let size = i32::try_from(sequence.len() + 4).unwrap().to_le_bytes();
    let sequence = [&[1], &size[..], &sequence].concat();
    let insert = section(&doc! { "insert": "c", "$db": "test" });
    let answer = client.message(0, &[insert, sequence].concat()).unwrap();
    assert_eq!(answer.get_i32("n").unwrap(), 3);

    let answer = client.message(1, &[section(&ping()), vec![0xde, 0xad, 0xbe, 0xef]].concat()).unwrap();
    assert_eq!(verdict(&answer), "ok", "the checksum is no section");
    let exhaust_allowed = 1 << 16;
    assert_eq!(verdict(&client.message(exhaust_allowed, &section(&ping())).unwrap()), "ok");

    let more_to_come =
        [2_u32.to_le_bytes().to_vec(), section(&doc! { "insert": "c", "documents": [{}], "$db": "test" })];
    client.send(2013, &more_to_come.concat()).unwrap();
    let answer = client.run("test", doc! { "count": "c" });
    assert_eq!(answer.get_i32("n").unwrap(), 4, "carried out, and the next answer is the next command's");
}

#[test]
fn bytes_that_are_no_message_end_the_connection() {
    let setting = Setting::new();
    let header = |length: i32, opcode: i32| [length, 1, 0, opcode].map(i32::to_le_bytes).concat();
    let message = |flags: u32, body: &[u8]| {
        let body = [&flags.to_le_bytes(), body].concat();
        [header(16 + body.len() as i32, 2013), body].concat()
    };
    let twice = [section(&ping()), section(&ping())].concat();
    let sequence = |size: i32| {
        let documents = [&b"documents\0"[..], &doc! {}.to_vec().unwrap()].concat();
        message(0, &[&section(&ping()), &[1][..], &size.to_le_bytes(), &documents].concat())
    };
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("negative length", header(-1, 2013)),
        ("length below the header's", header(15, 2013)),
        ("too long", header(48_000_001, 2013)),
        ("OP_COMPRESSED, never agreed on", header(16, 2012)),
        ("an unknown flag that has to be known", message(4, &section(&ping()))),
        ("no section", message(0, &[])),
        ("a section of another kind", message(0, &[2])),
        ("two bodies", message(0, &twice)),
        ("a document that is none", message(0, &[0, 5, 0, 0, 0, 1])),
        ("a sequence longer than it says", sequence(4 + 10 + 5 - 1)),
        ("a sequence shorter than it says", sequence(4 + 10 + 5 + 1)),
        ("an old query", [header(16 + 22, 2004), query("test.c", &doc! {})].concat()),
    ];
    for (what, bytes) in rows {
        let mut client = setting.client();
        client.raw(&bytes).unwrap();
        let gone = client.receive_bytes().unwrap_err().kind();
        assert!(
            matches!(gone, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted),
            "{what}: {gone}"
        );
    }
    let answer = setting.client().message(0, &section(&doc! { "ping": 1 })).unwrap();
    assert!(verdict(&answer).starts_with("40414 "), "no $db");
}

#[test]
fn tls_is_spoken_with_a_certificate_of_its_own_authority() {
    let setting = Setting::with(|_, behaviour| behaviour.tls = loopback_names());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(Mongod::ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let connect = || {
        let tls = ClientConnection::new(Arc::clone(&config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
        Client::over(StreamOwned::new(tls, TcpStream::connect(setting.server.address()).unwrap()))
    };
    let mut client = connect();
    assert_eq!(verdict(&client.present(&setting.idp.access_token("ada"))), "ok");
    assert_eq!(who(&mut client).0, ["test/00u-ada@$external"]);

    assert!(setting.client().message(0, &section(&ping())).is_err(), "plain text");
    setting.server.change(|behaviour| behaviour.tls = Some(vec!["db.example.com".into()]));
    let refused = connect().message(0, &section(&ping())).unwrap_err();
    assert!(refused.to_string().contains("not valid for"), "{refused}");
}

#[test]
fn a_slow_server_answers_late_and_a_dead_one_never() {
    let setting = Setting::with(|_, behaviour| behaviour.manner = Manner::Slow(Duration::from_millis(150)));
    let started = Instant::now();
    setting.client().run("admin", ping());
    assert!(started.elapsed() >= Duration::from_millis(150));

    setting.server.change(|behaviour| behaviour.manner = Manner::Dead);
    let mut client = Client::connect_with_patience(&setting.server, Duration::from_millis(200));
    let nothing = client.message(0, &section(&ping())).unwrap_err();
    assert!(matches!(nothing.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{nothing}");
}

#[test]
fn something_else_may_listen_on_the_port() {
    let setting = Setting::with(|_, behaviour| behaviour.manner = Manner::Http);
    let mut client = setting.client();
    client.raw(&[0; 16]).unwrap();
    assert!(client.rest().starts_with(b"HTTP/1.1 400 "));
}

#[test]
fn single_commands_are_answered_as_ordered() {
    let setting = Setting::new();
    let flood = doc! { "issuer": "x".repeat(2 * 1024 * 1024), "clientId": "y" };
    let elsewhere = doc! { "issuer": "https://evil.example.com", "clientId": "mongodb-tools" };
    setting.server.script(
        "saslStart",
        [
            Answer::payload(b"garbage".to_vec()),
            Answer::payload(Vec::new()),
            Answer::idp_info(&flood),
            Answer::idp_info(&elsewhere),
            Answer::Failure(18),
            Answer::Close,
            Answer::Bytes(b"nonsense".to_vec()),
            Answer::Silence,
        ],
    );
    let ask = || setting.client().sasl_start(&doc! {});
    let raw = |answer: &Document| answer.get_binary_generic("payload").unwrap().clone();
    assert_eq!(raw(&ask()), b"garbage");
    assert_eq!(raw(&ask()), b"");
    assert_eq!(payload(&ask()), flood);
    assert_eq!(payload(&ask()), elsewhere);
    assert_eq!(verdict(&ask()), "18 AuthenticationFailed: the test wants it so");
    let step = section(&doc! {
        "saslStart": 1, "mechanism": "MONGODB-OIDC", "payload": binary(&doc! {}), "$db": "$external",
    });
    assert_eq!(setting.client().message(0, &step).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let mut client = setting.client();
    assert!(client.message(0, &step).is_err());
    let mut client = Client::connect_with_patience(&setting.server, Duration::from_millis(200));
    assert!(client.message(0, &step).is_err(), "silence");
    assert_eq!(verdict(&ask()), "ok", "the list is used up");
    assert_eq!(setting.server.commands("saslStart"), 9);
}

#[test]
fn connections_end_when_the_server_is_told_to_cut_them_or_is_gone() {
    let setting = Setting::new();
    let mut client = setting.ada();
    setting.server.disconnect_all();
    assert_eq!(client.rest(), b"");
    let mut other = setting.client();
    assert_eq!(verdict(&other.run("admin", ping())), "ok");
    let address = setting.server.address();
    drop(setting);
    assert_eq!(other.rest(), b"");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn strangers_may_send_short_messages_only() {
    let setting = Setting::new();
    let long = section(&doc! { "ping": 1, "$db": "admin", "comment": "x".repeat(16 * 1024) });
    let mut client = setting.client();
    assert!(client.message(0, &long).is_err(), "the connection is closed");
    assert_eq!(verdict(&setting.ada().message(0, &long).unwrap()), "ok");
}
