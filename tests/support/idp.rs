//! A strict OpenID provider on loopback, in this process, for tests and the demonstration.
//!
//! It refuses what the standards refuse, because a peer that is too kind proves nothing, and it misbehaves where a test
//! says so ([`behaviour::Behaviour`], [`Answer`]). What it saw and did can be asked afterwards.

pub mod assertion;
mod authorization;
pub mod behaviour;
pub mod clients;
mod device;
mod end_session;
pub mod jwt;
mod metadata;
mod pages;
mod server;
pub mod state;
pub mod tls;
mod token;

use std::net::TcpListener;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use super::peer::Serving;
pub use assertion::{Audience, Registered};
pub use behaviour::{Again, Behaviour, Device, Discovery, Minting, Patch, Person, ResponseIss, Rotation, SignIn};
pub use clients::{Client, ClientAuth};
pub use jwt::{Key, Signing};
pub use state::{Counters, Request};
pub use tls::Certificate;

pub use super::peer::{Answer, Reply};
use server::{Shared, Site};

/// The client that every provider knows unless told otherwise.
pub const CLIENT_ID: &str = "mongodb-tools";

/// What can be asked for over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/.well-known/openid-configuration`
    Discovery,
    /// `/.well-known/oauth-authorization-server`, in front of the issuer's path.
    Rfc8414,
    Jwks,
    Authorization,
    /// Where the sign-in page's form goes.
    SignIn,
    Token,
    DeviceAuthorization,
    /// The page that `verification_uri` names.
    Verification,
    /// Where the verification page's form goes.
    Verify,
    Revocation,
    EndSession,
    /// Any other path.
    Unknown,
}

impl Endpoint {
    const ALL: [Self; 11] = [
        Self::Discovery,
        Self::Rfc8414,
        Self::Jwks,
        Self::Authorization,
        Self::SignIn,
        Self::Token,
        Self::DeviceAuthorization,
        Self::Verification,
        Self::Verify,
        Self::Revocation,
        Self::EndSession,
    ];

    fn takes_a_form(self) -> bool {
        matches!(self, Self::SignIn | Self::Token | Self::DeviceAuthorization | Self::Verify | Self::Revocation)
    }
}

/// A running provider. Stops when dropped.
pub struct Idp {
    shared: Arc<Shared>,
    serving: Serving,
}

impl Idp {
    /// An honest, strict provider with a sign-in page.
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// A provider that is told how to behave before anyone can ask it anything.
    pub fn start_with(change: impl FnOnce(&mut Behaviour)) -> Self {
        Self::start_at("http", None, "/{}", change)
    }

    /// The same with an issuer that has its name in this path, in place of `{}`: `/realms/{}` as Keycloak has it.
    pub fn start_in(path: &str, change: impl FnOnce(&mut Behaviour)) -> Self {
        Self::start_at("http", None, path, change)
    }

    /// The same over TLS, with this certificate.
    pub fn start_with_tls(certificate: &Certificate, change: impl FnOnce(&mut Behaviour)) -> Self {
        Self::start_at("https", Some(certificate.acceptor()), "/{}", change)
    }

    fn start_at(scheme: &str, tls: Option<TlsAcceptor>, path: &str, change: impl FnOnce(&mut Behaviour)) -> Self {
        let mut behaviour = Behaviour::default();
        change(&mut behaviour);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("{scheme}://{}", listener.local_addr().unwrap());
        // A name of its own for each, because a port may come again, and clients keep sessions by issuer.
        let root = path.replace("{}", &state::random(9));
        let site = Site { issuer: format!("{origin}{root}"), origin, root };
        let shared = Arc::new(Shared::new(site, behaviour));
        let theirs = Arc::clone(&shared);
        let answer = move |arrived: &_| server::answer(&theirs, arrived);
        Self { shared, serving: Serving::start("identity provider", listener, tls, answer) }
    }

    pub fn issuer(&self) -> &str {
        &self.shared.site.issuer
    }

    pub fn url(&self, endpoint: Endpoint) -> String {
        self.shared.site.url(endpoint)
    }

    /// Turns knobs on the running provider.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour());
    }

    /// How the next requests to an endpoint are answered, one each; honest again when the list is used up.
    pub fn script(&self, endpoint: Endpoint, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state().scripts.entry(endpoint).or_default().extend(answers);
    }

    /// How all requests to an endpoint are answered from now on, after what [`Idp::script`] still holds.
    pub fn always(&self, endpoint: Endpoint, answer: Answer) {
        self.shared.state().always.insert(endpoint, answer);
    }

    /// Forgets all scripts: honest answers everywhere.
    pub fn be_honest(&self) {
        let mut state = self.shared.state();
        state.scripts.clear();
        state.always.clear();
    }

    /// Closes the port, or opens it again: while down, connections are refused.
    pub fn set_up(&self, up: bool) {
        self.serving.set_up(up);
    }

    /// How many requests an endpoint has had.
    pub fn requests(&self, endpoint: Endpoint) -> usize {
        self.shared.state().log.iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// How many token requests there were with this `grant_type`.
    pub fn grants(&self, grant_type: &str) -> usize {
        let is_it = |request: &&Request| {
            request.endpoint == Endpoint::Token
                && request.parameters.get("grant_type").is_some_and(|known| known == grant_type)
        };
        self.shared.state().log.iter().filter(is_it).count()
    }

    /// Every request so far, oldest first.
    pub fn log(&self) -> Vec<Request> {
        self.shared.state().log.clone()
    }

    pub fn counters(&self) -> Counters {
        self.shared.state().counters
    }

    /// How many sign-ins can still be refreshed.
    pub fn families_alive(&self) -> usize {
        self.shared.state().families.iter().filter(|family| family.alive).count()
    }

    /// Every code and token handed out so far: none of them may turn up in a file, a log or a command line.
    pub fn secrets(&self) -> Vec<String> {
        self.shared.state().secrets.clone()
    }

    /// An access token as a sign-in of this person (by name) gives it, without the sign-in.
    pub fn access_token(&self, name: &str) -> String {
        let behaviour = self.shared.behaviour().clone();
        let person = person_called(&behaviour, name);
        token::access_token(&self.shared.site, &behaviour, &mut self.shared.state(), person)
    }

    /// Makes tokens of programs, as a platform does whose issuer this provider is: `claims` have at least `sub` and `aud`.
    /// They are made as [`Behaviour::access_token`] says, and count among [`Idp::secrets`].
    pub fn workload_tokens(&self) -> impl Fn(serde_json::Value) -> String + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |claims| {
            let behaviour = shared.behaviour().clone();
            token::workload_token(&shared.site, &behaviour, &mut shared.state(), claims)
        }
    }

    /// What an administrator does: no refresh token works any more.
    pub fn end_all_sessions(&self) {
        let mut state = self.shared.state();
        for family in 0..state.families.len() {
            state.revoke(family);
        }
    }

    /// The user codes handed out so far, oldest first.
    pub fn user_codes(&self) -> Vec<String> {
        self.shared.state().devices.iter().map(|device| device.user_code.clone()).collect()
    }

    /// What a person does at the verification page: `Some(name)` approves, `None` denies.
    pub fn answer_device(&self, user_code: &str, person: Option<&str>) {
        let person = person.map(|name| person_called(&self.shared.behaviour(), name));
        device::settle(&mut self.shared.state(), user_code, person).unwrap();
    }
}

fn person_called(behaviour: &Behaviour, name: &str) -> Person {
    let found = behaviour.people.iter().find(|person| person.name == name).cloned();
    found.unwrap_or_else(|| panic!("no person `{name}`"))
}
