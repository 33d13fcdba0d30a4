//! A MongoDB server on loopback, in this process, for tests and the demonstration.
//!
//! It speaks OP_MSG, offers MONGODB-OIDC, and judges tokens as the public rules of MongoDB's server say, with keys that it
//! fetches from the provider: a peer that is too kind proves nothing. Behind the sign-in is just enough of a database for
//! drivers and mongosh to be used. Clients learn of a refusal what the real server tells them, code 18 and no more; the
//! test reads the reason in [`Mongod::log`].

pub mod answer;
mod authentication;
pub mod behaviour;
mod certificate;
mod commands;
mod configuration;
mod data;
mod failure;
mod hello;
mod json;
mod jwks;
mod refusal;
mod server;
pub mod state;
mod token;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::idp::Idp;

pub use answer::Answer;
pub use behaviour::{Behaviour, IdentityProvider, Manner, Release, Role};
pub use refusal::Refusal;
pub use state::{Counters, Event};

use server::Shared;

/// A running server. Stops when dropped.
pub struct Mongod {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Mongod {
    /// A standalone server that trusts one provider, for people.
    pub fn start(idp: &Idp) -> Self {
        Self::start_with(idp, |_| {})
    }

    /// A server that is told how to behave before anyone can ask it anything.
    pub fn start_with(idp: &Idp, change: impl FnOnce(&mut Behaviour)) -> Self {
        let mut behaviour = Behaviour::trusting(idp.issuer());
        change(&mut behaviour);
        Self::launch(behaviour)
    }

    /// A server that is started from a file, `mongod.conf` or the same as JSON, and told the rest of its behaviour: the roles
    /// that exist, for instance. The port is not that of the file.
    ///
    /// # Errors
    /// Why the server does not start.
    pub fn start_from_config(text: &str, change: impl FnOnce(&mut Behaviour)) -> Result<Self, String> {
        let mut behaviour = Behaviour::configured(configuration::read(text)?);
        change(&mut behaviour);
        Ok(Self::launch(behaviour))
    }

    fn launch(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared::new(listener.local_addr().unwrap(), behaviour));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("mongod".to_owned());
        let thread = thread.spawn(move || server::run(&theirs, &listener)).unwrap();
        Self { shared, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// `mongodb://127.0.0.1:PORT/`, for options to be added to.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/", self.address())
    }

    /// The certificate of the authority behind [`Behaviour::tls`], as PEM; the same for every server of this process.
    pub fn ca_pem() -> &'static str {
        certificate::authority_pem()
    }

    /// Turns knobs on the running server.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour());
    }

    /// How the next commands of this name are answered, one each; honest again when the list is used up. The name is as
    /// it goes over the wire; `hello` and the older `isMaster` count as two.
    pub fn script(&self, command: &str, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state().scripts.entry(command.to_owned()).or_default().extend(answers);
    }

    pub fn counters(&self) -> Counters {
        self.shared.state().counters
    }

    /// How many commands of this name have come, refused ones included.
    pub fn commands(&self, name: &str) -> usize {
        self.shared.state().commands.get(name).copied().unwrap_or_default()
    }

    /// Every step of every sign-in so far, oldest first.
    pub fn log(&self) -> Vec<Event> {
        self.shared.state().log.clone()
    }

    /// Why sign-ins were refused: the log's refusals alone.
    pub fn refusals(&self) -> Vec<Refusal> {
        let refusal = |event| match event {
            Event::Refused { why, .. } => Some(why),
            Event::Asked { .. } | Event::Authenticated { .. } => None,
        };
        self.log().into_iter().filter_map(refusal).collect()
    }

    /// Every token that a client has presented, good or bad, oldest first.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.state().tokens.clone()
    }

    /// Cuts every connection, as a restart does.
    pub fn disconnect_all(&self) {
        self.shared.state().disconnect_all();
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
