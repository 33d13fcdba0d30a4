//! The peers that run on Node.js: the certified provider, a person over HTTP, a person with Chromium.
//!
//! The scripts lie beside this file; `tests/run` installs what they import into `.tests`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::cmd::Sandbox;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where `tests/run` has put npm's packages.
pub fn node_modules() -> PathBuf {
    installed(".tests/peers/node_modules")
}

/// Where `tests/run` has put Python's packages: what `PYTHONPATH` has to be.
pub fn python_packages() -> PathBuf {
    installed(".tests/python")
}

fn installed(folder: &str) -> PathBuf {
    let folder = root().join(folder);
    assert!(folder.is_dir(), "the peers are not installed; `tests/run` installs them and runs these tests");
    folder
}

pub fn node() -> OsString {
    std::env::var_os("MDB_TEST_NODE").unwrap_or_else(|| OsString::from("node"))
}

pub fn python() -> OsString {
    std::env::var_os("MDB_TEST_PYTHON").unwrap_or_else(|| OsString::from("python3"))
}

/// A file beside this one.
pub fn beside(name: &str) -> PathBuf {
    root().join("tests/real").join(name)
}

fn script(name: &str) -> Command {
    node_modules();
    let mut command = Command::new(node());
    command.arg(beside(name));
    command
}

/// The folder that keeps the screenshots.
pub fn artifacts() -> PathBuf {
    root().join(".tests/artifacts")
}

/// npm's `oidc-provider` on a loopback port. It ends with this value.
pub struct Provider {
    child: Child,
    pub issuer: String,
    pub client_id: String,
    pub resource: String,
    /// Clients that are programs, by what they prove themselves with: `secret` and `key`.
    pub programs: Value,
}

impl Provider {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts with settings: `ACCESS_TOKEN_TTL`, `DEVICE_CODE_TTL`, in seconds; `ACCESS_TOKEN_TYPE`.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut command = script("provider.mjs");
        command.envs(settings.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("node starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            child.kill().ok();
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).ok();
            panic!("the provider did not start: {why}");
        };
        // Read away, or a full pipe would stop it. Its advice for production is of no use here; errors are.
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let lines = errors.lines().map_while(Result::ok).filter(|line| !line.contains("oidc-provider WARNING"));
            lines.for_each(|line| eprintln!("provider: {line}"));
        });
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        Self {
            issuer: text("issuer"),
            client_id: text("client_id"),
            resource: text("resource"),
            programs: ready["programs"].clone(),
            child,
        }
    }

    /// A home set up, through the environment alone, to sign in here, with the session in a file.
    pub fn home(&self) -> Sandbox {
        let mut home = Sandbox::new();
        home.env("MDB_LOGIN_ISSUER", &self.issuer)
            .env("MDB_LOGIN_CLIENT_ID", &self.client_id)
            .env("MDB_LOGIN_AUDIENCE", &self.resource)
            .env("MDB_LOGIN_RESOURCE", &self.resource)
            // Without it the provider must ignore `offline_access` (OIDC Core §11).
            .env("MDB_LOGIN_PROMPT", "consent")
            .env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
        home
    }

    /// What was asked of the provider so far.
    pub fn journal(&self) -> Journal {
        let (status, body) = self.http("GET", "/journal", "");
        assert_eq!(status, 200, "{body}");
        Journal(serde_json::from_str(&body).unwrap())
    }

    /// One request with a form, outside of the binary: (status, body).
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        self.http("POST", path, &body.extend_pairs(form).finish())
    }

    fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let authority = self.issuer.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // HTTP/1.0, so that the answer is neither chunked nor kept open.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {authority}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What the provider was asked, in order.
#[derive(Debug)]
pub struct Journal(Value);

impl Journal {
    /// The requests at one of the provider's routes (its names: `token`, `authorization`, `revocation`, …).
    pub fn at(&self, route: &str) -> Vec<&Value> {
        self.requests().iter().filter(|request| request["route"] == route).collect()
    }

    /// The token requests of one grant type.
    pub fn grants(&self, grant_type: &str) -> Vec<&Value> {
        self.at("token").into_iter().filter(|request| request["grant_type"] == grant_type).collect()
    }

    pub fn requests(&self) -> &Vec<Value> {
        self.0["requests"].as_array().unwrap()
    }

    /// Every refresh token the provider has issued, the newest last.
    pub fn refresh_tokens(&self) -> Vec<&str> {
        self.0["refresh_tokens"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
    }
}

/// The page on which a person's browser came to rest.
pub struct Page(pub Value);

impl Page {
    pub fn url(&self) -> &str {
        self.0["url"].as_str().unwrap()
    }

    pub fn text(&self) -> &str {
        self.0["text"].as_str().unwrap()
    }

    /// How many entries a list of the report has.
    pub fn list(&self, key: &str) -> &Vec<Value> {
        self.0[key].as_array().unwrap()
    }
}

/// A person without a graphical browser opens `url`, signs in as ada@example.com and allows what is asked.
pub fn person(url: &str, options: &[&str]) -> Page {
    report(script("person.mjs").arg(url).args(options))
}

/// A person opens `url` in Chromium; the pictures are kept under names that start with `prefix`.
pub fn chromium(url: &str, prefix: &str, options: &[&str]) -> Page {
    report(script("chromium.mjs").arg(url).arg(artifacts()).args(["--prefix", prefix]).args(options))
}

fn report(command: &mut Command) -> Page {
    let output = command.stdin(Stdio::null()).output().expect("node starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    Page(serde_json::from_str(&stdout).unwrap())
}
