//! `mdb-login server`: for those who run MongoDB's servers.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::federation::ServerConfigArgs;
use super::{HostArgs, SessionArgs, TargetArg};
use crate::federation::Release;

/// For who runs the server: make its configuration, check it, look at its keys
///
/// A MongoDB server learns from its parameter oidcIdentityProviders whose tokens it takes, and what makes of one a user with
/// roles. What is wrong there shows itself late: the server does not start, or refuses people without a reason.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login server config prod
  mdb-login server check /etc/mongod.conf
  mdb-login server keys mongodb://db.example.com/?tls=true")]
pub struct ServerArgs {
    #[command(subcommand)]
    pub command: ServerCommand,
}

#[derive(Debug, Subcommand)]
pub enum ServerCommand {
    Check(CheckArgs),
    Config(Box<ServerConfigArgs>),
    Keys(Box<KeysArgs>),
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

/// Show which keys of the identity providers each node has
///
/// Every mongod and every mongos keeps the providers' public keys for itself. With the session's token each node is asked
/// for its own: those of the connection string, and the members of the replica set that they name. Tokens go to MongoDB's
/// own hosts, to this machine, and to hosts that you trust; members elsewhere are left out, which is said. Takes the role
/// clusterAdmin, or one with the actions oidcListKeys and oidcRefreshKeys.
///
/// With --refresh each node loads the keys anew, as "Revoke JWKS" in Cloud Manager does: for a key that the provider has
/// withdrawn because it is known to others. Sessions that rest on it end. Where the provider cannot be asked, the keys
/// stay; with --invalidate they are dropped all the same, and nobody signs in with that provider until it answers. The
/// ordinary rotation of keys needs nothing.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("reload").args(["refresh", "invalidate"]))]
#[command(after_long_help = "\
Examples:
  mdb-login server keys mongodb://db.example.com/?tls=true
  mdb-login server keys prod --refresh")]
pub struct KeysArgs {
    #[command(flatten)]
    pub target: TargetArg,
    /// Have each node load the keys anew; those of a provider that does not answer stay
    #[arg(long)]
    pub refresh: bool,
    /// Have each node load the keys anew, and drop those of a provider that does not answer
    #[arg(long, conflicts_with = "refresh")]
    pub invalidate: bool,
    /// Do it without asking
    #[arg(long, requires = "reload")]
    pub yes: bool,
    #[command(flatten)]
    pub hosts: HostArgs,
    #[command(flatten)]
    pub session: SessionArgs,
}
