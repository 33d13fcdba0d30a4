//! What the provider remembers: requests seen, things handed out, and what has become of them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::RngCore as _;

use super::Endpoint;
use super::behaviour::Person;
use super::jwt;
use super::{Answer, Reply};

#[derive(Default)]
pub(super) struct State {
    pub log: Vec<Request>,
    pub scripts: HashMap<Endpoint, VecDeque<Answer>>,
    pub always: HashMap<Endpoint, Answer>,
    /// Sign-in pages that wait for a person, by the hidden field's value.
    pub pages: HashMap<String, AuthorizationRequest>,
    pub codes: HashMap<String, Code>,
    pub families: Vec<Family>,
    pub refresh_tokens: HashMap<String, RefreshToken>,
    pub devices: Vec<DeviceGrant>,
    /// Client and `jti` of every assertion that was taken.
    pub assertions: HashSet<(String, String)>,
    /// Everything handed out that must not be seen anywhere else.
    pub secrets: Vec<String>,
    pub counters: Counters,
}

impl State {
    /// A new unguessable text, remembered as a secret.
    pub fn secret(&mut self, prefix: &str) -> String {
        let text = format!("{prefix}{}", random(24));
        self.secrets.push(text.clone());
        text
    }

    /// Ends a family: none of its refresh tokens works any more.
    pub fn revoke(&mut self, family: usize) {
        let family = &mut self.families[family];
        if family.alive {
            family.alive = false;
            self.counters.revoked += 1;
        }
    }
}

/// One request, as it came. Secrets in `parameters` are veiled.
#[derive(Clone, Debug)]
pub struct Request {
    pub endpoint: Endpoint,
    pub method: String,
    /// Path and query; the query veiled like the parameters.
    pub path: String,
    pub parameters: BTreeMap<String, String>,
    /// Lower-case names; `authorization` and `cookie` veiled.
    pub headers: BTreeMap<String, String>,
    /// What went back, `None` if the connection was dropped.
    pub status: Option<u16>,
    pub at: Instant,
}

/// What has happened so far. Each number only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub codes_issued: usize,
    pub codes_redeemed: usize,
    /// Refreshes that were granted, replays within a grace time included.
    pub refreshes: usize,
    /// Replays within a grace time.
    pub replays: usize,
    /// Uses of a code or refresh token that had been used before, each the end of a family.
    pub reuse_detected: usize,
    /// Families ended early: by reuse, revocation, or [`super::Idp::end_all_sessions`].
    pub revoked: usize,
    pub sessions_ended: usize,
}

/// What a person has agreed to.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub client_id: String,
    pub person: Person,
    pub scope: Vec<String>,
    pub resource: Vec<String>,
    pub nonce: Option<String>,
    pub acr: Option<String>,
    /// Unix seconds.
    pub auth_time: u64,
}

/// A good authorization request on its way to a decision.
#[derive(Clone, Debug)]
pub(super) struct AuthorizationRequest {
    pub client_id: String,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub scope: Vec<String>,
    pub resource: Vec<String>,
    pub nonce: Option<String>,
    pub acr: Option<String>,
    pub code_challenge: String,
    pub login_hint: Option<String>,
}

pub(super) struct Code {
    pub grant: Grant,
    pub redirect_uri: String,
    pub code_challenge: String,
    pub issued: Instant,
    /// The family that it was redeemed for.
    pub redeemed: Option<Option<usize>>,
}

/// All refresh tokens that stem from one sign-in.
pub(super) struct Family {
    pub grant: Grant,
    pub alive: bool,
}

pub(super) struct RefreshToken {
    pub family: usize,
    pub issued: Instant,
    /// When it was used, and what it was answered with.
    pub used: Option<(Instant, Reply)>,
}

pub(super) struct DeviceGrant {
    pub device_code: String,
    pub user_code: String,
    pub client_id: String,
    pub scope: Vec<String>,
    pub resource: Vec<String>,
    pub issued: Instant,
    pub expires: Duration,
    pub interval: u64,
    pub polls: usize,
    pub last_poll: Option<Instant>,
    pub verdict: Verdict,
}

#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Pending,
    Approved(Person),
    Denied,
    Redeemed,
}

/// `bytes` random bytes as base64url.
pub(super) fn random(bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes];
    rand::thread_rng().fill_bytes(&mut buffer);
    jwt::encode(&buffer)
}

/// Unix seconds.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
