//! One file a command: what it does with a session, and what it says about it.

mod discover;
mod doctor;
mod exec;
mod generate;
mod inspect;
mod login;
mod logout;
mod manual;
mod profile;
mod server;
mod setup;
mod status;
mod token;
mod uri;
mod verify;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::error::Result;
use crate::session::meant;
use crate::session::server::{self as trust, Consent};
use crate::settings::{Request, Settings, preview, resolve};
use crate::ui::Ui;

/// Runs `token` if a cached token is all that it needs, and nothing is to be said on the way; `None` otherwise.
pub fn run_cached(cli: &Cli, ui: &Ui) -> Option<Result<()>> {
    match &cli.command {
        Command::Token(args) if cli.global.verbose == 0 => {
            token::run_cached(args, &resolve(&args.request(&cli.global)).ok()?, ui)
        }
        _ => None,
    }
}

/// Runs the command that was typed. Settings are read by those that need them, and by nobody else: help, completions
/// and manual must work with a broken configuration. The exit code of a success is 0, or that of the program that `exec`
/// has run.
pub fn run(cli: &Cli, ui: &Ui) -> Result<ExitCode> {
    let global = &cli.global;
    let done = match &cli.command {
        Command::Exec(args) => return exec::run(args, global, ui),
        Command::Login(args) => {
            let request = args.request(global);
            trust::learn(&preview(&request)?, consent(args.trust_server), ui)?;
            login::run(&settled(&request, "login")?, ui)
        }
        Command::Token(args) => token::run(args, &settled(&args.request(global), "token")?, ui),
        Command::Status(args) if args.all => {
            let request = args.request(global);
            status::run_all(args.check.then_some(&request), ui)
        }
        Command::Status(args) => status::run(args, &settled(&args.request(global), "status")?, ui),
        Command::Logout(args) if args.all => logout::run_all(args, &args.request(global), ui),
        Command::Logout(args) => logout::run(args, &args.request(global), ui),
        Command::Discover(args) => discover::run(&preview(&args.request(global))?, ui),
        Command::Verify(args) => verify::run(args, &args.request(global), ui),
        Command::Inspect(args) => inspect::run(args, global, ui),
        Command::Uri(args) => uri::run(&args.uri, ui),
        Command::Doctor(args) => doctor::run(args.request(global), ui),
        Command::Profile(args) => profile::run(&args.command, global, ui),
        Command::Server(args) => server::run(&args.command, global, ui),
        Command::Setup(args) => setup::run(args, global, ui),
        Command::Completions(args) => generate::completions(args, ui),
        Command::Man(args) => generate::man(args, ui),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// The settings of `mdb-login COMMAND [TARGET]`, for a command that needs a session.
fn settled(request: &Request, command: &str) -> Result<Settings> {
    meant::settings(request, &|uri| format!("{command} {uri}"))
}

/// A person's word at the terminal, unless a flag has given it.
fn consent(given: bool) -> Consent {
    if given { Consent::Given } else { Consent::Ask }
}
