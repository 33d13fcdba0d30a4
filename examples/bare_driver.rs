//! The least program that signs in at a MongoDB server with a token from a file, and asks what `mdb-login verify` asks:
//! `bare_driver URI TOKEN_FILE`. `cargo bench` measures `verify` against it.

use std::error::Error;
use std::io::Write as _;

use mongodb::Client;
use mongodb::bson::doc;
use mongodb::options::oidc::{Callback, IdpServerResponse};
use mongodb::options::{AuthMechanism, ClientOptions, Credential};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(uri), Some(token_file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare_driver URI TOKEN_FILE".into());
    };
    let mut credential = Credential::default();
    credential.mechanism = Some(AuthMechanism::MongoDbOidc);
    credential.source = Some("$external".to_owned());
    credential.oidc_callback = Callback::machine(move |_| {
        let token = std::fs::read_to_string(&token_file);
        Box::pin(async { Ok(IdpServerResponse::builder().access_token(token?).build()) })
    });
    let mut options = ClientOptions::parse(uri).await?;
    options.credential = Some(credential);

    let admin = Client::with_options(options)?.database("admin");
    let status = admin.run_command(doc! { "connectionStatus": 1, "showPrivileges": false }).await?;
    let build = admin.run_command(doc! { "buildInfo": 1 }).await?;
    writeln!(std::io::stdout(), "{status}\n{build}")?;
    Ok(())
}
