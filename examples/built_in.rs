//! The README's recipe for built-in authentication in Rust, as it stands there, in a program that can be run:
//!
//!     AZURE_FEDERATED_TOKEN_FILE=/path cargo run --example built_in -- db.example.com
//!
//! says who the program is at that server.

#![allow(clippy::print_stdout)]

// Rust driver; `azure` and `gcp` take its features `azure-oidc` and `gcp-oidc`
async fn connect(host: &str) -> mongodb::error::Result<mongodb::Client> {
    let mechanism = "authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:k8s";
    mongodb::Client::with_uri_str(format!("mongodb://{host}/?{mechanism}")).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = std::env::args().nth(1).ok_or("give the address of a server")?;
    let client = connect(&host).await?;
    let status = client.database("admin").run_command(mongodb::bson::doc! { "connectionStatus": 1 }).await?;
    let users = status.get_document("authInfo")?.get_array("authenticatedUsers")?;
    let user = users.first().and_then(|user| user.as_document()).ok_or("the server knows no user")?;
    println!("{}", user.get_str("user")?);
    Ok(())
}
