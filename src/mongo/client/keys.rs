//! The providers' keys (JSON Web Keys, RFC 7517) as the nodes of a deployment have them: every mongod and mongos keeps its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error as DriverError, ErrorKind};
use mongodb::options::ServerAddress;

use super::super::hosts::{self, Trust};
use super::{AUTHENTICATION_FAILED, Target, Unanswered, anyone, code};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use crate::ui::foreign;

/// More members than a replica set may have, each of which would be waited for.
const MEMBERS_MAX: usize = 50;

const UNAUTHORIZED: i32 = 13;
const COMMAND_NOT_FOUND: i32 = 59;
const OPERATION_FAILED: i32 = 96;
const REAUTHENTICATION_REQUIRED: i32 = 391;

/// What the nodes are told to do with the keys that they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// To load them anew; those of a provider that does not answer stay.
    OrKeep,
    /// To load them anew; those of a provider that does not answer are dropped, and with them whoever is signed in by them.
    OrDrop,
}

impl Reload {
    /// The field is of MongoDB's public tests (`oidcRefreshKeys`, true unless given); Percona's server looks at none.
    fn command(self) -> Document {
        doc! { "oidcRefreshKeys": 1, "invalidateOnFailure": self == Self::OrDrop }
    }
}

/// A node, and what became of asking it.
#[derive(Debug)]
pub struct Node {
    /// `host:port`, as the connection string or another node writes it.
    pub address: String,
    pub answer: Answer,
}

#[derive(Debug)]
pub enum Answer {
    Keys(Keys),
    Failed(Error),
    /// Another node has named it, and tokens may not go there: it was not asked.
    LeftOut(Error),
}

/// The keys of one node.
#[derive(Debug, Default)]
pub struct Keys {
    pub now: KeySets,
    /// What it had before it was told to load them anew.
    pub before: Option<KeySets>,
    /// Why not everything was done that was asked for.
    pub fault: Option<Error>,
}

/// By issuer, in order of names.
pub type KeySets = BTreeMap<String, Vec<JsonWebKey>>;

/// What tells keys apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JsonWebKey {
    pub kid: String,
    pub kty: String,
    /// Optional in a key (RFC 7517 §4.4).
    pub alg: Option<String>,
    /// What is secret to nobody and differs between two keys of one name: modulus, or point.
    material: String,
}

/// What a node has said.
struct Said {
    hello: Document,
    listed: Result<Document, DriverError>,
    /// If it was told to: the answer to that, and the list behind it.
    refreshed: Option<(Result<Document, DriverError>, Result<Document, DriverError>)>,
}

impl Target<'_> {
    /// Asks each node for its keys: those of the connection string, and the members of the replica set that they name, as
    /// far as tokens may go there. With `reload` each is told to load them anew, and asked before and afterwards.
    ///
    /// # Errors
    /// `Kind::RuleBroken` before anything is sent to a host of the connection string that is not trusted. What goes wrong
    /// with one node is in its answer.
    pub async fn keys(&self, token: &Secret, trust: Trust<'_>, reload: Option<Reload>) -> Result<Vec<Node>> {
        let mut options = self.resolve_for(token, trust).await?;
        // Lives as long as the driver may read it.
        let _certificates = self.trust_the_platform(&mut options)?;
        let mut waiting: VecDeque<ServerAddress> = options.hosts.iter().cloned().collect();
        let mut seen: BTreeSet<String> = waiting.iter().map(ToString::to_string).collect();
        let most = seen.len() + MEMBERS_MAX;
        let mut nodes = Vec::new();
        while let Some(server) = waiting.pop_front() {
            let address = server.to_string();
            let shown = foreign(&address);
            let conversation = |client: Client| async move { ask(&client, reload).await };
            let (answer, named) = match self
                .converse_with_one(&server, &shown, &options, self.timeout, &Arc::default(), conversation)
                .await
            {
                Ok(said) => (explain(&said, &shown), members(&said.hello, most, &mut seen)),
                Err(Unanswered { error, .. }) => (Answer::Failed(error), Vec::new()),
            };
            nodes.push(Node { address, answer });
            for member in named {
                match self.judge(&member, trust) {
                    Ok(()) => waiting.push_back(member),
                    Err(error) => nodes.push(Node { address: member.to_string(), answer: Answer::LeftOut(error) }),
                }
            }
        }
        Ok(nodes)
    }

    /// A member has no other rules than the hosts of the connection string, and it is connected to in the same way.
    fn judge(&self, member: &ServerAddress, trust: Trust<'_>) -> Result<()> {
        let ServerAddress::Tcp { host, .. } = member else {
            return Err(Error::new(Kind::RuleBroken, "it is no host of a network"));
        };
        hosts::check(self.uri, std::slice::from_ref(host), trust)
    }
}

/// What a node's words amount to. `server` is its name, safe to show.
fn explain(said: &Said, server: &str) -> Answer {
    let listed = match &said.listed {
        Ok(reply) => key_sets(reply),
        Err(error) => return Answer::Failed(fault(error, "oidcListKeys", server)),
    };
    let Some((refreshed, again)) = &said.refreshed else {
        return Answer::Keys(Keys { now: listed, ..Keys::default() });
    };
    let failed = refreshed.as_ref().err().map(|error| fault(error, "oidcRefreshKeys", server));
    let (now, lost) = match again {
        Ok(reply) => (key_sets(reply), None),
        Err(error) => (listed.clone(), Some(fault(error, "oidcListKeys", server))),
    };
    Answer::Keys(Keys { now, before: Some(listed), fault: failed.or(lost) })
}

/// The words for a command that failed.
fn fault(error: &DriverError, command: &str, server: &str) -> Error {
    let reason = match &*error.kind {
        ErrorKind::Command(command) => foreign(&command.message),
        _ => foreign(&error.to_string()),
    };
    match code(error) {
        Some(UNAUTHORIZED) => Error::new(Kind::Denied, format!("`{server}` does not allow you `{command}`"))
            .because_of(reason)
            .hint(format!("it takes the role `clusterAdmin`, or one with the action `{command}` on the cluster")),
        Some(COMMAND_NOT_FOUND) => Error::new(Kind::Denied, format!("`{server}` has no command `{command}`"))
            .because_of(reason)
            .hint("MongoDB Enterprise from 7.0 on has it, and Percona Server for MongoDB; Community has none"),
        Some(OPERATION_FAILED) => {
            let failed = Error::new(Kind::Unavailable, format!("`{server}` could not load the keys of every provider"));
            let failures = failures(error);
            let reasons = if failures.is_empty() { vec![reason] } else { failures };
            let failed = reasons.into_iter().fold(failed, Error::because_of);
            failed.hint("the server's log says more; what it has now is shown")
        }
        Some(REAUTHENTICATION_REQUIRED | AUTHENTICATION_FAILED) => {
            Error::new(Kind::LoginRequired, format!("`{server}` does not know the key of your token any more"))
                .because_of("the keys were loaded anew, and it is not among them")
        }
        _ => Error::new(Kind::Unavailable, format!("`{server}` did not answer `{command}`")).because_of(reason),
    }
}

/// The first command signs in; where that fails, nothing else is of interest.
async fn ask(client: &Client, reload: Option<Reload>) -> mongodb::error::Result<Said> {
    let admin = client.database("admin");
    let run = |command: Document| admin.run_command(command).selection_criteria(anyone());
    let hello = run(doc! { "hello": 1 }).await?;
    let listed = run(doc! { "oidcListKeys": 1 }).await;
    let refreshed = match reload {
        Some(reload) if listed.is_ok() => Some((run(reload.command()).await, run(doc! { "oidcListKeys": 1 }).await)),
        _ => None,
    };
    Ok(Said { hello, listed, refreshed })
}

/// The members that a node names and that nobody has named before, while `seen` has less than `most`. Arbiters have no
/// users and no keys.
fn members(hello: &Document, most: usize, seen: &mut BTreeSet<String>) -> Vec<ServerAddress> {
    // The name by which it was reached may be another than its own.
    seen.extend(hello.get_str("me").ok().map(str::to_owned));
    let lists = ["hosts", "passives"].iter().filter_map(|name| hello.get_array(name).ok());
    let named = lists.flatten().filter_map(Bson::as_str).filter_map(|name| ServerAddress::parse(name).ok());
    // However many nodes name however many others, the walk has an end.
    named.filter(|member| seen.len() < most && seen.insert(member.to_string())).collect()
}

fn key_sets(reply: &Document) -> KeySets {
    let text = |key: &Document, name: &str| key.get_str(name).ok().map(str::to_owned);
    let key = |key: &Document| JsonWebKey {
        kid: text(key, "kid").unwrap_or_default(),
        kty: text(key, "kty").unwrap_or_default(),
        alg: text(key, "alg"),
        material: ["n", "e", "crv", "x", "y"].iter().filter_map(|name| text(key, name)).collect::<Vec<_>>().join("."),
    };
    let sets = reply.get_document("keySets").into_iter().flatten();
    sets.map(|(issuer, set)| {
        let keys = set.as_document().and_then(|set| set.get_array("keys").ok()).into_iter().flatten();
        let mut keys: Vec<JsonWebKey> = keys.filter_map(Bson::as_document).map(key).collect();
        keys.sort();
        (issuer.clone(), keys)
    })
    .collect()
}

/// `failures` of the answer: an issuer and why, each.
fn failures(error: &DriverError) -> Vec<String> {
    let Some(reply) = error.server_response().and_then(|raw| Document::try_from(&**raw).ok()) else {
        return Vec::new();
    };
    let list = reply.get_array("failures").cloned().unwrap_or_default();
    let each = list.iter().filter_map(Bson::as_document).map(|failure| {
        let issuer = failure.get_str("issuer").unwrap_or_default();
        let why = match failure.get("error") {
            Some(Bson::Document(error)) => error.get_str("errmsg").unwrap_or_default(),
            Some(Bson::String(why)) => why,
            _ => "",
        };
        format!("`{}`: {}", foreign(issuer), foreign(why))
    });
    each.collect()
}
