//! `inspect`: what it says of a token is what a MongoDB server does with it.

mod configuration;
mod input;
#[cfg(unix)]
mod screens;
mod table;

use std::path::PathBuf;

use serde_json::Value;

use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::{Behaviour, Idp, Minting};

/// A provider, and a sandbox that knows its issuer and client id, in which nobody has signed in.
struct Setting {
    idp: Idp,
    sandbox: Sandbox,
}

impl Setting {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Behaviour)) -> Self {
        let idp = Idp::start_with(change);
        let sandbox = Sandbox::with(&idp);
        Self { idp, sandbox }
    }

    /// A token as ada would get it, minted so.
    fn token(&self, minting: Minting) -> String {
        self.idp.change(|behaviour| behaviour.access_token = minting);
        self.idp.access_token("ada")
    }

    /// Writes a file for the program to read, outside of the folders that are searched for secrets.
    fn file(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.sandbox.home().join("token");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `inspect --json` of a file with these bytes, after which the arguments follow.
    fn inspect(&self, bytes: impl AsRef<[u8]>, arguments: &[&str]) -> Outcome {
        let path = self.file(bytes);
        self.sandbox.run(["inspect", path.to_str().unwrap(), "--json"].iter().chain(arguments))
    }
}

/// What is on stdout.
fn object(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|_| panic!("no object on stdout:\n{outcome:?}"))
}

/// The rules with this result, each as `name: message`.
fn rules(object: &Value, result: &str) -> Vec<String> {
    let rules = object["rules"].as_array().unwrap().iter().filter(|rule| rule["result"] == result);
    rules.map(|rule| format!("{}: {}", rule["rule"].as_str().unwrap(), rule["message"].as_str().unwrap())).collect()
}
