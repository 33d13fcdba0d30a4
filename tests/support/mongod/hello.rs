//! `hello`: what the server is, at once, or when that changes.
//!
//! A client that waits for a change sends back the `topologyVersion` that it has seen, and `maxAwaitTimeMS`; with the flag
//! `exhaustAllowed` it is answered again and again, without asking (driver specification "Server Monitoring", "Awaitable
//! hello or legacy hello Server Specification"). Nothing ever changes here, so it is the time that runs out.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};

use super::authentication;
use super::behaviour::Behaviour;
use super::failure::{
    AWAIT_TIME_WITHOUT_VERSION, BAD_VALUE, EXHAUST_WITHOUT_AWAIT_TIME, Failure, NEGATIVE_COUNTER, VERSION_OF_THE_FUTURE,
};
use super::server::{Connection, Shared};
use super::wire::{Kind, MESSAGE_MAX, Request};

/// How often the server's topology has changed.
const COUNTER: i64 = 0;

/// Whether `name` is this command, by one of its names.
pub(super) fn is(name: &str) -> bool {
    matches!(name, "hello" | "isMaster" | "ismaster")
}

/// How long the client of this command wants to wait for a change; `None` where the answer is due at once.
pub(super) fn waits(shared: &Shared, request: &Request) -> Option<Duration> {
    let command = &request.body;
    let version = command.get_document("topologyVersion").ok().filter(|_| is(request.name()))?;
    let same = is_of(shared, version) && version.get("counter").and_then(integer) == Some(COUNTER);
    let millis = u64::try_from(integer(command.get("maxAwaitTimeMS")?)?).ok()?;
    same.then(|| Duration::from_millis(millis))
}

pub(super) fn answer(
    connection: &mut Connection,
    behaviour: &Behaviour,
    name: &str,
    request: &Request,
) -> Result<Document, Failure> {
    let command = &request.body;
    if let Some(client) = command.get("client") {
        check_client(client)?;
    }
    check_awaiting(&connection.shared, request)?;
    let primary = if name == "hello" { "isWritablePrimary" } else { "ismaster" };
    let mut answer = doc! {
        primary: true,
        "topologyVersion": { "processId": connection.shared.process, "counter": COUNTER },
        "maxBsonObjectSize": 16 * 1024 * 1024,
        "maxMessageSizeBytes": MESSAGE_MAX,
        "maxWriteBatchSize": 100_000,
        "localTime": DateTime::now(),
        "logicalSessionTimeoutMinutes": 30,
        "connectionId": connection.number,
        "minWireVersion": 0,
        "maxWireVersion": behaviour.release.max_wire_version(),
        "readOnly": false,
    };
    if command.get_bool("helloOk").unwrap_or_default() {
        answer.insert("helloOk", true);
    }
    if let Some(set) = &behaviour.replica_set {
        let me = connection.shared.address.to_string();
        let hosts: Vec<&String> = std::iter::once(&me).chain(&behaviour.members).collect();
        answer.extend(doc! {
            "setName": set, "setVersion": 1, "secondary": false,
            "hosts": hosts, "arbiters": behaviour.arbiters.clone(), "me": &me, "primary": &me,
        });
    }
    if command.contains_key("saslSupportedMechs") {
        answer.insert("saslSupportedMechs", behaviour.mechanisms.clone());
    }
    if let Ok(sasl) = command.get_document("speculativeAuthenticate") {
        let database = sasl.get_str("db").unwrap_or_default();
        // A refusal is left out, and the client goes the ordinary way.
        if let Ok(step) = authentication::start(connection, behaviour, database, sasl) {
            answer.insert("speculativeAuthenticate", step);
        }
    }
    Ok(answer)
}

/// What the handshake specification wants of client metadata.
fn check_client(client: &Bson) -> Result<(), Failure> {
    let refuse = |why: &str| Err(Failure::new(BAD_VALUE, why));
    let Some(client) = client.as_document() else { return refuse("the client metadata are no document") };
    if client.to_vec().is_ok_and(|bytes| bytes.len() > 512) {
        return refuse("the client metadata document must be less than or equal to 512 bytes");
    }
    let text = |part: &str, field: &str| client.get_document(part).is_ok_and(|part| part.get_str(field).is_ok());
    if !(text("driver", "name") && text("driver", "version") && text("os", "type")) {
        return refuse("the client metadata lack driver.name, driver.version or os.type");
    }
    Ok(())
}

/// The rules of waiting, with the codes of the server.
fn check_awaiting(shared: &Shared, request: &Request) -> Result<(), Failure> {
    let refuse = |code, why: &str| Err(Failure::new(code, why));
    match (request.body.get_document("topologyVersion"), request.body.contains_key("maxAwaitTimeMS")) {
        (Ok(_), false) => {
            let why = "A request with a 'topologyVersion' must include 'maxAwaitTimeMS'";
            refuse(AWAIT_TIME_WITHOUT_VERSION, why)
        }
        (Err(_), true) => {
            let why = "A request with 'maxAwaitTimeMS' must include a 'topologyVersion'";
            refuse(AWAIT_TIME_WITHOUT_VERSION, why)
        }
        (Err(_), false) if request.kind == Kind::Exhaust => {
            let why = "An isMaster or hello request with exhaust must specify 'maxAwaitTimeMS'";
            refuse(EXHAUST_WITHOUT_AWAIT_TIME, why)
        }
        (Err(_), false) => Ok(()),
        (Ok(version), true) => match version.get("counter").and_then(integer) {
            Some(counter) if counter < 0 => {
                refuse(NEGATIVE_COUNTER, "topologyVersion must have a non-negative counter")
            }
            Some(counter) if counter > COUNTER && is_of(shared, version) => {
                let why = format!(
                    "Received a topology version with counter: {counter} which is greater than the server topology \
                     version counter: {COUNTER}"
                );
                refuse(VERSION_OF_THE_FUTURE, &why)
            }
            Some(_) => Ok(()),
            None => refuse(BAD_VALUE, "topologyVersion lacks a counter"),
        },
    }
}

/// Whether a version is of this process, and of none before a restart.
fn is_of(shared: &Shared, version: &Document) -> bool {
    version.get("processId") == Some(&Bson::ObjectId(shared.process))
}

/// Drivers send numbers of either width.
fn integer(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}
