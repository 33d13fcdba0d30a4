//! A person who has signed in already: where the tests of keeping and handing out begin.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::cmd::{Outcome, Running, Sandbox};
use crate::support::idp::{Behaviour, Endpoint, Idp, SignIn};

/// A provider, and a sandbox whose environment names it and in which ada has signed in.
pub struct SignedIn {
    pub idp: Idp,
    pub sandbox: Sandbox,
}

impl SignedIn {
    /// With a token for an hour.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Behaviour)) -> Self {
        let idp = Idp::start_with(|behaviour| {
            behaviour.sign_in = SignIn::Auto("ada".into());
            change(behaviour);
        });
        let mut sandbox = Sandbox::with(&idp);
        // Scripts under `exec` have no connection string, so somebody has to say where they will connect.
        sandbox.env("MDB_LOGIN_ALLOWED_HOST", "db.example.com");
        sign_in(&sandbox, &[]);
        Self { idp, sandbox }
    }

    /// With a token that has to be renewed, as if it had expired, but without the wait: five seconds are less than the
    /// 30 s that are asked for here, and less than what is handed out for want of something better. Renewed ones last
    /// for an hour.
    pub fn stale() -> Self {
        Self::stale_with(|_| {})
    }

    pub fn stale_with(change: impl FnOnce(&mut Behaviour)) -> Self {
        let mut this = Self::with(|behaviour| {
            behaviour.access_token_lifetime = Duration::from_secs(5);
            change(behaviour);
        });
        this.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(3600));
        this.sandbox.env("MDB_LOGIN_MIN_TTL", "30s");
        this
    }

    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        self.sandbox.run(arguments)
    }

    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        self.sandbox.spawn(arguments)
    }

    /// The token that `token` prints, which must succeed without a word.
    #[track_caller]
    pub fn token(&self) -> String {
        let outcome = self.run(["token"]).exits(0);
        assert_eq!(outcome.stderr(), "");
        outcome.stdout()
    }

    /// How often a refresh token has been presented.
    pub fn refreshes(&self) -> usize {
        self.idp.grants("refresh_token")
    }

    /// Waits until the provider has carried out so many refreshes; their answers may still be on the way.
    pub fn wait_for_refreshes(&self, number: usize) {
        let start = Instant::now();
        while self.refreshes() < number {
            assert!(start.elapsed() < Duration::from_secs(20), "only {} refreshes", self.refreshes());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything that the provider has been asked so far.
    pub fn requests(&self) -> usize {
        self.idp.log().len()
    }

    /// The stored session (`--store file`), `None` if there is none.
    pub fn record(&self) -> Option<Value> {
        let bytes = std::fs::read(self.file("secret")).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    #[track_caller]
    pub fn refresh_token(&self) -> String {
        self.record().unwrap()["refresh_token"].as_str().unwrap().to_owned()
    }

    /// `STATE/sessions/ID.EXTENSION` of the one session.
    pub fn file(&self, extension: &str) -> PathBuf {
        let mut ids = self.sandbox.session_ids();
        ids.sort();
        ids.dedup();
        let [id] = ids.as_slice() else { panic!("not one session: {ids:?}") };
        self.sandbox.state_dir().join("sessions").join(format!("{id}.{extension}"))
    }

    /// `status --json`, whatever its exit code.
    pub fn status(&self) -> Value {
        serde_json::from_slice(&self.run(["status", "--json"]).stdout).unwrap_or_default()
    }

    /// Fails if a token request has been refused for reuse: some refresh token was presented after its successor had
    /// arrived.
    #[track_caller]
    pub fn nothing_was_reused(&self) {
        assert_eq!(self.idp.counters().reuse_detected, 0);
    }
}

/// Signs in in a sandbox that knows its provider. `flags` follow `login`.
#[track_caller]
pub fn sign_in(sandbox: &Sandbox, flags: &[&str]) -> Outcome {
    let mut login = sandbox.spawn(["login"].iter().chain(flags));
    let visit = Browser::new().sign_in(&login.start_url(), "ada");
    assert_eq!(visit.failure, None);
    login.wait().exits(0)
}

/// Seconds since 1970.
pub fn unix_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// The endpoint's requests, as `METHOD /path` would be too little: the parameters of each.
pub fn parameters(idp: &Idp, endpoint: Endpoint, name: &str) -> Vec<String> {
    let of_endpoint = idp.log().into_iter().filter(|request| request.endpoint == endpoint);
    of_endpoint.map(|request| request.parameters.get(name).cloned().unwrap_or_default()).collect()
}
