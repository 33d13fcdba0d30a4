//! The README's recipe for Rust, as it stands there, in a program that can be run:
//!
//!     cargo run --example callback -- mongodb://db.example.com/
//!
//! says who you are at that server.

// What is not in a `Value` is null when it is read by index.
#![allow(clippy::print_stdout, clippy::indexing_slicing)]

// Rust driver 3.2 or later; tokio with its feature `process`, serde_json
use std::io;
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::error::Result;
use mongodb::options::oidc::{Callback, IdpServerResponse};
use mongodb::options::{AuthMechanism, ClientOptions, Credential};

async fn token() -> Result<IdpServerResponse> {
    let output = tokio::process::Command::new("mdb-login").args(["token", "-o", "json"]).output().await?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)).into());
    }
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(io::Error::from)?;
    Ok(IdpServerResponse::builder()
        .access_token(answer["access_token"].as_str().unwrap_or_default())
        .expires(Instant::now() + Duration::from_secs(answer["expires_in"].as_u64().unwrap_or_default()))
        .build())
}

async fn connect(uri: &str) -> Result<Client> {
    let callback = Callback::machine(|_| Box::pin(token()));
    let mut options = ClientOptions::parse(uri).await?;
    options.credential =
        Some(Credential::builder().mechanism(AuthMechanism::MongoDbOidc).oidc_callback(callback).build());
    Client::with_options(options)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let uri = std::env::args().nth(1).ok_or("give the connection string of a server")?;
    let client = connect(&uri).await?;
    let status = client.database("admin").run_command(mongodb::bson::doc! { "connectionStatus": 1 }).await?;
    let users = status.get_document("authInfo")?.get_array("authenticatedUsers")?;
    let user = users.first().and_then(|user| user.as_document()).ok_or("the server knows no user")?;
    println!("{}", user.get_str("user")?);
    Ok(())
}
