//! `mdb-login server`: for those who run MongoDB's servers.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::federation::ServerConfigArgs;
use crate::federation::Release;

/// For who runs the server: make its configuration, and check it
///
/// A MongoDB server learns from its parameter oidcIdentityProviders whose tokens it takes, and what makes of one a user with
/// roles. What is wrong there shows itself late: the server does not start, or refuses people without a reason.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login server config prod
  mdb-login server check /etc/mongod.conf
  mdb-login server check --server-version 7.0.11 idps.json")]
pub struct ServerArgs {
    #[command(subcommand)]
    pub command: ServerCommand,
}

#[derive(Debug, Subcommand)]
pub enum ServerCommand {
    Check(CheckArgs),
    Config(Box<ServerConfigArgs>),
}

/// Check the identity providers in a server's configuration
///
/// Reads mongod.conf, the JSON list of oidcIdentityProviders by itself or in an object, an automation configuration of Ops
/// Manager or Cloud Manager, or a command line with --setParameter. Prints everything that is wrong, each with its place in
/// the file, and what the server will make of the identity providers if nothing is. Asks nobody and stores nothing.
///
/// Ends with exit code 3 if the server would refuse to start, or nobody could sign in; warnings alone are no failure.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login server check /etc/mongod.conf
  mdb-login server check --server-version 7.0.11 idps.json
  systemctl show mongod --property=ExecStart --value | mdb-login server check -")]
pub struct CheckArgs {
    /// File to check; `-` is stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Release of the server, such as 8.0 or 7.0.11; its rules are those that count
    #[arg(long, value_name = "VERSION", default_value_t = Release::LATEST, hide_default_value = true)]
    pub server_version: Release,
}
