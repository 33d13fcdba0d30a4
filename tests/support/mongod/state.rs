//! What the server remembers for the test, and of its connections.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{Shutdown, TcpStream};

use super::answer::Answer;
use super::data::Data;
use super::refusal::Refusal;

#[derive(Default)]
pub(super) struct State {
    pub stopped: bool,
    /// To be cut at the end, by connection number.
    pub connections: HashMap<i32, TcpStream>,
    pub counters: Counters,
    pub commands: BTreeMap<String, usize>,
    pub log: Vec<Event>,
    pub tokens: Vec<String>,
    pub scripts: HashMap<String, VecDeque<Answer>>,
    pub data: Data,
}

impl State {
    pub fn disconnect_all(&mut self) {
        for (_, stream) in self.connections.drain() {
            // A client that has gone already is as good as cut.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// What has happened so far. Each number only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub connections: usize,
    /// Sign-ins that were granted on a new connection.
    pub authentications: usize,
    /// Sign-ins that were granted on a connection whose earlier one had run out.
    pub reauthentications: usize,
    /// Commands that were answered with `ReauthenticationRequired`.
    pub reauthentications_asked_for: usize,
}

/// A step of a sign-in. `connection` counts from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A principal step was answered with an identity provider.
    Asked {
        connection: i32,
        principal: Option<String>,
        issuer: String,
    },
    /// A token was good; from now on the connection is this user's.
    Authenticated {
        connection: i32,
        user: String,
        roles: Vec<String>,
    },
    Refused {
        connection: i32,
        why: Refusal,
    },
}
