//! Commands: what each needs, and its answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use bson::{Bson, Document, doc};

use super::answer::Answer;
use super::authentication::{self, User};
use super::behaviour::{Behaviour, MONGODB_OIDC};
use super::failure::{
    COMMAND_NOT_FOUND, CURSOR_NOT_FOUND, Failure, INVALID_OPTIONS, MISSING_FIELD, OPERATION_FAILED,
    REAUTHENTICATION_REQUIRED, UNAUTHORIZED, UNSUPPORTED_OP_QUERY_COMMAND,
};
use super::hello;
use super::jwks::KeySets;
use super::server::Connection;
use super::wire::{Kind, Request};

/// What goes back for a command.
pub(super) enum Reply {
    Document(Document),
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    Silence,
    Close,
}

/// What somebody needs to be allowed a command.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    Authentication,
    /// A privilege action, on any resource.
    Action(&'static str),
}

/// Carries out a command, or what the test has ordered in its place.
pub(super) fn answer(connection: &mut Connection, request: &Request) -> Reply {
    let name = request.name();
    let ordered = {
        let mut state = connection.shared.state();
        *state.commands.entry(name.to_owned()).or_default() += 1;
        state.scripts.get_mut(name).and_then(std::collections::VecDeque::pop_front)
    };
    match ordered {
        None => {}
        Some(Answer::Delay(pause)) => std::thread::sleep(pause),
        Some(Answer::Reply(document)) => return Reply::Document(document),
        Some(Answer::Failure(code)) => return Reply::Document(Failure::new(code, "the test wants it so").document()),
        Some(Answer::Bytes(bytes)) => return Reply::Bytes(bytes),
        Some(Answer::Silence) => return Reply::Silence,
        Some(Answer::Close) => return Reply::Close,
    }
    match carry_out(connection, name, request) {
        Ok(mut document) => {
            document.insert("ok", 1.0);
            Reply::Document(document)
        }
        Err(failure) => {
            if failure.code == REAUTHENTICATION_REQUIRED {
                connection.shared.state().counters.reauthentications_asked_for += 1;
            }
            Reply::Document(failure.document())
        }
    }
}

fn carry_out(connection: &mut Connection, name: &str, request: &Request) -> Result<Document, Failure> {
    let command = &request.body;
    if request.kind == Kind::Query && !hello::is(name) {
        let message = format!("Unsupported OP_QUERY command: {name}. The client driver may require an upgrade.");
        return Err(Failure::new(UNSUPPORTED_OP_QUERY_COMMAND, message));
    }
    let Ok(database) = command.get_str("$db") else {
        return Err(Failure::new(MISSING_FIELD, "BSON field 'OpMsg.$db' is missing but a required field"));
    };
    let behaviour = connection.shared.behaviour().clone();
    if name.starts_with("oidc") && !behaviour.offers(MONGODB_OIDC) {
        return Err(unknown(name));
    }
    let needs = needs(name, database)?;
    let now = connection.now(&behaviour);
    let shared = Arc::clone(&connection.shared);
    connection.session.expire(now, &shared.keys());
    match needs {
        Needs::Nothing => {}
        Needs::Authentication => {
            connection.session.admit(name)?;
        }
        Needs::Action(action) => {
            let user = connection.session.admit(name)?;
            if !actions(&behaviour, user).contains(&action) {
                let message = format!("not authorized on {database} to execute command {name}");
                return Err(Failure::new(UNAUTHORIZED, message));
            }
        }
    }
    match name {
        _ if hello::is(name) => hello::answer(connection, &behaviour, name, request),
        "saslStart" => authentication::start(connection, &behaviour, database, command),
        "saslContinue" => authentication::proceed(connection, &behaviour, command),
        "logout" => {
            connection.session.log_out();
            Ok(doc! {})
        }
        "connectionStatus" => Ok(connection_status(connection, &behaviour, command)),
        "buildInfo" | "buildinfo" => Ok(build_info(&behaviour)),
        "ping" | "endSessions" => Ok(doc! {}),
        "getParameter" => parameter(&behaviour, command),
        "oidcListKeys" => Ok(list_keys(&behaviour, &connection.shared.keys())),
        "oidcRefreshKeys" => refresh_keys(&behaviour, &mut connection.shared.keys(), command),
        "getLog" => Ok(doc! { "totalLinesWritten": 0, "log": [] }),
        // Every result fits into the first batch, so no cursor is ever open.
        "getMore" => Err(Failure::new(CURSOR_NOT_FOUND, "cursor not found")),
        "killCursors" => Ok(doc! {
            "cursorsKilled": [],
            "cursorsNotFound": command.get("cursors").cloned().unwrap_or_else(|| Bson::Array(Vec::new())),
            "cursorsAlive": [],
            "cursorsUnknown": [],
        }),
        "find" => connection.shared.state().data.find(database, command),
        "count" => connection.shared.state().data.count(database, command),
        "aggregate" => connection.shared.state().data.aggregate(database, command),
        "insert" => connection.shared.state().data.insert(database, command),
        "listCollections" => Ok(connection.shared.state().data.list_collections(database)),
        "listDatabases" => Ok(connection.shared.state().data.list_databases()),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(COMMAND_NOT_FOUND, format!("no such command: '{name}'"))
}

fn needs(name: &str, database: &str) -> Result<Needs, Failure> {
    let needs = match name {
        _ if hello::is(name) => Needs::Nothing,
        "saslStart" | "saslContinue" | "logout" | "connectionStatus" | "buildInfo" | "buildinfo" | "ping"
        | "endSessions" => Needs::Nothing,
        "getMore" | "killCursors" => Needs::Authentication,
        "getParameter" => Needs::Action("getParameter"),
        "getLog" => Needs::Action("getLog"),
        "oidcListKeys" => Needs::Action("oidcListKeys"),
        "oidcRefreshKeys" => Needs::Action("oidcRefreshKeys"),
        "find" | "count" | "aggregate" => Needs::Action("find"),
        "insert" => Needs::Action("insert"),
        "listCollections" => Needs::Action("listCollections"),
        "listDatabases" => Needs::Action("listDatabases"),
        _ => return Err(unknown(name)),
    };
    if matches!(name, "getParameter" | "getLog" | "listDatabases" | "oidcListKeys" | "oidcRefreshKeys")
        && database != "admin"
    {
        return Err(Failure::new(UNAUTHORIZED, format!("{name} may only be run against the admin database.")));
    }
    Ok(needs)
}

/// What the user's roles allow, those that exist.
fn actions<'a>(behaviour: &'a Behaviour, user: &User) -> Vec<&'a str> {
    let granted = behaviour.roles.iter().filter(|role| user.roles.contains(&role.name));
    granted.flat_map(|role| role.actions.iter().map(String::as_str)).collect()
}

fn connection_status(connection: &Connection, behaviour: &Behaviour, command: &Document) -> Document {
    let (mut users, mut roles, mut privileges) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(user) = connection.session.user() {
        users.push(doc! { "user": &user.name, "db": "$external" });
        roles.extend(user.roles.iter().map(|role| doc! { "role": role, "db": "admin" }));
        let actions = actions(behaviour, user);
        if !actions.is_empty() {
            privileges.push(doc! { "resource": { "db": "", "collection": "" }, "actions": actions });
        }
    }
    let mut info = doc! { "authenticatedUsers": users, "authenticatedUserRoles": roles };
    if command.get_bool("showPrivileges").unwrap_or_default() {
        info.insert("authenticatedUserPrivileges", privileges);
    }
    doc! { "authInfo": info }
}

fn build_info(behaviour: &Behaviour) -> Document {
    let [major, minor, patch] = behaviour.release.version();
    doc! {
        "version": format!("{major}.{minor}.{patch}"),
        "versionArray": [major, minor, patch, 0],
        "gitVersion": "0000000000000000000000000000000000000000",
        "modules": ["enterprise"],
        "openssl": { "running": "test" },
        "bits": 64,
        "debug": false,
        "maxBsonObjectSize": 16 * 1024 * 1024,
    }
}

/// Every issuer that is configured, and what is there of its keys.
fn list_keys(behaviour: &Behaviour, keys: &KeySets) -> Document {
    let set = |issuer: &String| {
        let keys: Vec<Document> = keys.published(issuer).iter().map(key).collect();
        (issuer.clone(), Bson::from(doc! { "keys": keys }))
    };
    doc! { "keySets": issuers(behaviour).into_iter().map(set).collect::<Document>() }
}

/// Each issuer is tried, and those that fail are named.
fn refresh_keys(behaviour: &Behaviour, keys: &mut KeySets, command: &Document) -> Result<Document, Failure> {
    let invalidate = command.get_bool("invalidateOnFailure").unwrap_or(true);
    let refresh = |issuer: &String| {
        let why = keys.refresh(issuer, behaviour.jwks_quiet, invalidate).err()?;
        let error = doc! { "code": OPERATION_FAILED, "codeName": "OperationFailed", "errmsg": why };
        Some(doc! { "issuer": issuer, "error": error })
    };
    let failures: Vec<Document> = issuers(behaviour).into_iter().filter_map(refresh).collect();
    if failures.is_empty() {
        return Ok(doc! {});
    }
    let failure = Failure::new(OPERATION_FAILED, "Failed to load a JWKS from one or more IdPs");
    Err(Failure { details: doc! { "failures": failures }, ..failure })
}

fn issuers(behaviour: &Behaviour) -> BTreeSet<&String> {
    behaviour.identity_providers.iter().map(|provider| &provider.issuer).collect()
}

/// A key's members, of which all that count here are texts.
fn key(key: &serde_json::Value) -> Document {
    let members = key.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), Bson::from(value.as_str()?)))).collect()
}

fn parameter(behaviour: &Behaviour, command: &Document) -> Result<Document, Failure> {
    let [major, minor, _] = behaviour.release.version();
    let known = doc! {
        "authenticationMechanisms": behaviour.mechanisms.clone(),
        "featureCompatibilityVersion": { "version": format!("{major}.{minor}") },
    };
    if matches!(command.get("getParameter"), Some(Bson::String(all)) if all == "*") {
        return Ok(known);
    }
    let asked: Document = known.into_iter().filter(|(name, _)| command.contains_key(name)).collect();
    if asked.is_empty() { Err(Failure::new(INVALID_OPTIONS, "no option found to get")) } else { Ok(asked) }
}
