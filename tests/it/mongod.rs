//! The MongoDB server of these tests, asked by a client made by hand: what it refuses, and how little it says of it. None
//! of our mistakes would be found by a server that lets them pass.

pub mod client;
mod commands;
mod configuration;
mod hello;
pub mod keys;
mod sign_in;
mod token;
mod transport;

use bson::{Document, doc};

use crate::support::idp::Idp;
use crate::support::mongod::{Behaviour, Mongod};

use client::Client;

/// A provider and a server that trusts it.
struct Setting {
    idp: Idp,
    server: Mongod,
}

impl Setting {
    fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// With a server told how to behave; the first argument is the issuer.
    fn with(change: impl FnOnce(&str, &mut Behaviour)) -> Self {
        let idp = Idp::start();
        let server = Mongod::start_with(&idp, |behaviour| change(idp.issuer(), behaviour));
        Self { idp, server }
    }

    fn client(&self) -> Client {
        Client::connect(&self.server)
    }

    /// A client that is signed in as ada.
    fn ada(&self) -> Client {
        let mut client = self.client();
        assert_eq!(verdict(&client.present(&self.idp.access_token("ada"))), "ok");
        client
    }
}

/// `ok`, or code, name and text of the error.
fn verdict(answer: &Document) -> String {
    if answer.get_f64("ok").unwrap() == 1.0 {
        return "ok".to_owned();
    }
    let text = |field| answer.get_str(field).unwrap();
    format!("{} {}: {}", answer.get_i32("code").unwrap(), text("codeName"), text("errmsg"))
}

const REFUSED: &str = "18 AuthenticationFailed: Authentication failed.";

/// `connectionStatus` as (users, roles), each `name@database`.
fn who(client: &mut Client) -> (Vec<String>, Vec<String>) {
    let answer = client.run("admin", doc! { "connectionStatus": 1 });
    let info = answer.get_document("authInfo").unwrap();
    let names = |list: &str, field: &str| {
        let entries = info.get_array(list).unwrap().iter().map(|entry| entry.as_document().unwrap());
        entries.map(|entry| format!("{}@{}", entry.get_str(field).unwrap(), entry.get_str("db").unwrap())).collect()
    };
    (names("authenticatedUsers", "user"), names("authenticatedUserRoles", "role"))
}
