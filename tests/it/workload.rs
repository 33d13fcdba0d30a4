//! Sessions of programs: nobody signs in, and a token is there for the asking.

mod client_credentials;
mod crowd;
#[cfg(unix)]
mod doctor;
mod environment;
mod given;
mod inspect;
mod kinds;
mod server;
mod session;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::{Behaviour, CLIENT_ID, Client, ClientAuth, Endpoint, Idp, Key, Registered};

const SECRET: &str = "canary-of-the-program-0123456789";

/// A provider at which a program is registered, and a sandbox whose environment makes it that program. What it proves
/// itself with lies outside of the sandbox, so that whatever is found of it inside has leaked.
struct Program {
    idp: Idp,
    sandbox: Sandbox,
    outside: TempDir,
}

impl Program {
    /// With a secret, as Basic authentication.
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Behaviour)) -> Self {
        let mut this = Self::of(ClientAuth::SecretBasic(SECRET.into()), change);
        let path = this.file("secret", SECRET);
        this.sandbox.env("MDB_LOGIN_CLIENT_SECRET_FILE", path);
        this
    }

    /// With the first of the test keys.
    fn with_key(registered: Registered) -> Self {
        let mut this = Self::of(ClientAuth::PrivateKeyJwt(registered.clone()), |_| {});
        let path = this.file("key.pem", Key::First.pem());
        this.sandbox.env("MDB_LOGIN_CLIENT_KEY_FILE", path);
        if let Some(key_id) = &registered.key_id {
            this.sandbox.env("MDB_LOGIN_CLIENT_KEY_ID", key_id);
        }
        this
    }

    fn of(auth: ClientAuth, change: impl FnOnce(&mut Behaviour)) -> Self {
        let idp = Idp::start_with(|behaviour| {
            behaviour.clients = vec![Client::program(CLIENT_ID, auth)];
            change(behaviour);
        });
        let mut sandbox = Sandbox::with(&idp);
        sandbox.env("MDB_LOGIN_KIND", "client-credentials");
        Self { idp, sandbox, outside: tempfile::tempdir().unwrap() }
    }

    /// A file that its owner alone can read.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        private_file(self.outside.path().join(name), text)
    }

    fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        self.sandbox.run(arguments)
    }

    /// The token that `token` prints, which must succeed without a word.
    #[track_caller]
    fn token(&self) -> String {
        let outcome = self.run(["token"]).exits(0);
        assert_eq!(outcome.stderr(), "");
        outcome.stdout()
    }

    /// How often the provider has been asked for a token.
    fn asked(&self) -> usize {
        self.idp.grants("client_credentials")
    }

    /// The last request for a token.
    fn last_request(&self) -> crate::support::idp::Request {
        self.idp.log().into_iter().rfind(|request| request.endpoint == Endpoint::Token).expect("no request")
    }
}

/// Tokens that have to be replaced, as if they had expired: five seconds are less than the 30 s that are asked for here,
/// and less than what is handed out for want of something better. Later ones last for an hour.
fn stale() -> Program {
    let mut program = Program::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(5));
    program.token();
    program.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(3600));
    program.sandbox.env("MDB_LOGIN_MIN_TTL", "30s");
    program
}

fn private_file(path: PathBuf, text: &str) -> PathBuf {
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}

fn object(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}
