//! MongoDB's own drivers, with tokens of the real binary, at the test server. They prove both: that programs can work with
//! what we hand out, and that the server behaves as drivers know it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::peers::{beside, node, node_modules, python, python_packages};
use crate::support::browser::Browser;
use crate::support::cmd::Sandbox;
use crate::support::idp::{Behaviour as IdpBehaviour, CLIENT_ID, Idp};
use crate::support::mongod::behaviour::loopback_names;
use crate::support::mongod::{Behaviour, Event, Mongod, Refusal};

/// A provider, a server that trusts it, and a home in which ada has signed in.
pub struct Setting {
    pub idp: Idp,
    pub server: Mongod,
    pub home: Sandbox,
}

impl Setting {
    pub fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    pub fn with(provider: impl FnOnce(&mut IdpBehaviour), server: impl FnOnce(&mut Behaviour)) -> Self {
        let idp = Idp::start_with(provider);
        let server = Mongod::start_with(&idp, server);
        let home = Sandbox::with(&idp);
        let mut login = home.spawn(["login"]);
        Browser::new().sign_in(&login.start_url(), "ada");
        login.wait().exits(0);
        Self { idp, server, home }
    }

    /// The server's URI for MONGODB-OIDC, with more options.
    pub fn uri(&self, options: &str) -> String {
        format!("{}?authMechanism=MONGODB-OIDC{options}", self.server.uri())
    }

    /// What `token` prints.
    pub fn token(&self) -> String {
        self.home.run(["token"]).exits(0).stdout()
    }

    /// A file that holds a token and nothing else; replaced in one step, since a driver may be reading.
    pub fn token_file(&self, token: &str) -> PathBuf {
        let (path, new) = (self.home.home().join("token"), self.home.home().join("token.new"));
        std::fs::write(&new, token).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    }

    /// The authority's certificate in a file.
    pub fn ca_file(&self) -> PathBuf {
        let path = self.home.home().join("ca.pem");
        std::fs::write(&path, Mongod::ca_pem()).unwrap();
        path
    }
}

/// The environment in which `ENVIRONMENT:k8s` finds a token. Both: PyMongo prefers the second, the others the first.
pub const TOKEN_FILE_VARIABLES: [&str; 2] = ["AZURE_FEDERATED_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"];

pub const FROM_FILE: &str = "&authMechanismProperties=ENVIRONMENT:k8s";

#[derive(Clone, Copy, Debug)]
enum Driver {
    PyMongo,
    Node,
}

const DRIVERS: [Driver; 2] = [Driver::PyMongo, Driver::Node];

impl Driver {
    /// The driver's script, which does `rounds` rounds of work with a pause after each.
    fn command(self, setting: &Setting, uri: &str, rounds: usize, pause: Duration) -> Command {
        let mut command = match self {
            Self::PyMongo => {
                let mut command = setting.home.tool(python());
                command.env("PYTHONPATH", python_packages()).arg(beside("driver.py"));
                command
            }
            Self::Node => {
                node_modules();
                let mut command = setting.home.tool(node());
                command.arg(beside("driver.mjs"));
                command
            }
        };
        command.arg(uri).args([rounds.to_string(), pause.as_millis().to_string()]);
        command
    }
}

/// Runs the script: whether it was content, and what it printed.
#[track_caller]
fn report(command: &mut Command) -> (bool, Value) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&said);
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.success(), report.unwrap_or_else(|_| panic!("{said}{errors}")))
}

/// What the script reports of ada after `rounds` rounds and `callbacks` calls for a token.
fn content(rounds: usize, callbacks: &Value) -> (bool, Value) {
    let report = json!({
        "user": "test/00u-ada", "roles": ["test/dba"], "rounds": rounds, "count": rounds, "callbacks": callbacks,
        "idp_info": null,
    });
    (true, report)
}

#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn a_token_file_is_enough_to_work_with() {
    for driver in DRIVERS {
        for (replica_set, tls) in [(None, false), (Some("rs0"), true)] {
            let setting = Setting::with(
                |_| {},
                |behaviour| {
                    behaviour.replica_set = replica_set.map(str::to_owned);
                    behaviour.tls = loopback_names().filter(|_| tls);
                },
            );
            let file = setting.token_file(&setting.token());
            let mut options = FROM_FILE.to_owned();
            if let Some(name) = replica_set {
                options += &format!("&replicaSet={name}");
            }
            if tls {
                options += &format!("&tls=true&tlsCAFile={}", setting.ca_file().display());
            }
            let mut command = driver.command(&setting, &setting.uri(&options), 2, Duration::ZERO);
            command.envs(TOKEN_FILE_VARIABLES.map(|name| (name, &file)));
            assert_eq!(report(&mut command), content(2, &json!(0)), "{driver:?} {options}");
            assert_eq!(setting.server.refusals(), [], "{driver:?}");
            assert!(setting.server.counters().authentications >= 1, "{driver:?}");
        }
    }
}

#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn a_callback_gets_its_token_from_the_real_binary() {
    for driver in DRIVERS {
        let setting = Setting::new();
        let mut command = driver.command(&setting, &setting.uri(""), 2, Duration::ZERO);
        command.env("TOKEN_COMMAND", token_command(&setting));
        assert_eq!(report(&mut command), content(2, &json!(1)), "{driver:?}");
        let presented = setting.server.tokens();
        assert!(setting.idp.secrets().contains(&presented[0]), "{driver:?}");
        let asked = |event: &Event| matches!(event, Event::Asked { .. });
        assert!(!setting.server.log().iter().any(asked), "{driver:?}: a machine callback needs no principal step");
    }
}

#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn a_callback_for_people_is_told_where_they_sign_in() {
    for driver in DRIVERS {
        let setting = Setting::with(
            |_| {},
            |behaviour| behaviour.identity_providers[0].request_scopes = Some(vec!["groups".to_owned()]),
        );
        let uri = setting.uri("").replace("mongodb://", "mongodb://ada%40example.com@");
        let mut command = driver.command(&setting, &uri, 1, Duration::ZERO);
        command.env("TOKEN_COMMAND", token_command(&setting)).env("TOKEN_CALLBACK", "OIDC_HUMAN_CALLBACK");
        let (good, said) = report(&mut command);
        let info = json!({ "issuer": setting.idp.issuer(), "clientId": CLIENT_ID, "requestScopes": ["groups"] });
        assert_eq!((good, &said["idp_info"]), (true, &info), "{driver:?}: {said}");
        let principal = match &setting.server.log()[0] {
            Event::Asked { principal, .. } => principal.clone(),
            other => panic!("{driver:?}: no principal step first: {other:?}"),
        };
        assert_eq!(principal.as_deref(), Some("ada@example.com"), "{driver:?}");
        assert_eq!(setting.server.refusals(), [], "{driver:?}");
    }
}

/// The callback's command as a JSON array.
fn token_command(setting: &Setting) -> String {
    let command = setting.home.command([""; 0]);
    json!([command.get_program().to_str().unwrap(), "token"]).to_string()
}

#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn work_goes_on_when_the_server_asks_for_authentication_again() {
    for driver in DRIVERS {
        for from_file in [true, false] {
            let setting = Setting::with(|_| {}, |behaviour| behaviour.reauthenticate_after = Some(3));
            let options = if from_file { FROM_FILE } else { "" };
            let mut command = driver.command(&setting, &setting.uri(options), 10, Duration::ZERO);
            if from_file {
                let file = setting.token_file(&setting.token());
                command.envs(TOKEN_FILE_VARIABLES.map(|name| (name, &file)));
            } else {
                command.env("TOKEN_COMMAND", token_command(&setting));
            }
            let (good, said) = report(&mut command);
            assert_eq!((good, said.clone()), content(10, &said["callbacks"]), "{driver:?}");
            // Twenty finds and inserts, and the one that counts: no more than three of them on one authentication.
            let counters = setting.server.counters();
            assert!(counters.reauthentications >= 6, "{driver:?}: {counters:?}");
            assert_eq!(counters.reauthentications, counters.reauthentications_asked_for, "{driver:?}");
            if !from_file {
                assert_eq!(said["callbacks"], json!(counters.reauthentications + 1), "{driver:?}");
            }
        }
    }
}

#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn work_outlives_its_tokens() {
    for driver in DRIVERS {
        let mut setting = Setting::with(|provider| provider.access_token_lifetime = Duration::from_secs(4), |_| {});
        setting.home.env("MDB_LOGIN_MIN_TTL", "1s");
        let mut command = driver.command(&setting, &setting.uri(""), 24, Duration::from_millis(500));
        command.env("TOKEN_COMMAND", token_command(&setting));
        let (good, said) = report(&mut command);
        assert_eq!((good, said.clone()), content(24, &said["callbacks"]), "{driver:?}");
        let counters = setting.server.counters();
        assert!(counters.reauthentications >= 2, "{driver:?}: {counters:?}");
        assert_eq!(setting.server.refusals(), [], "{driver:?}");
    }
}

#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn a_refused_token_is_code_18_and_no_more() {
    for driver in DRIVERS {
        let setting = Setting::new();
        setting.idp.change(|provider| provider.access_token.header = json!({ "typ": "at+jwt" }).into());
        let file = setting.token_file(&setting.idp.access_token("ada"));
        let mut command = driver.command(&setting, &setting.uri(FROM_FILE), 1, Duration::ZERO);
        command.envs(TOKEN_FILE_VARIABLES.map(|name| (name, &file)));
        let (good, said) = report(&mut command);
        assert_eq!((good, &said["error"]), (false, &json!(18)), "{driver:?}: {said}");
        assert!(!said["message"].as_str().unwrap().contains("typ"), "{driver:?}: {said}");
        assert_eq!(setting.server.refusals()[0], Refusal::Type("at+jwt".to_owned()), "{driver:?}");
    }
}
