//! `mdb-login`: sign in once with the company's identity, and every MongoDB tool on the machine works.

mod cli;
mod commands;
mod error;
mod secret;
mod settings;
mod ui;

use std::process::ExitCode;

use crate::error::{Error, Kind, Result};

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && cli::wants_json(std::env::args_os()) => {
            let ui = ui::Ui { json: true, quiet: false, no_input: true };
            ui.error(&cli::as_error(&error));
            return ExitCode::from(Kind::Usage.exit_code());
        }
        Err(error) => {
            // A closed stdout or stderr cannot be reported to anybody.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let ui = cli.global.ui();
    match run(&cli, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn run(cli: &cli::Cli, ui: &ui::Ui) -> Result<()> {
    use cli::Command;
    let request = match &cli.command {
        Command::Profile(args) => return commands::profile::run(&args.command, &cli.global, ui),
        Command::Login(args) => args.request(&cli.global),
        Command::Token(args) => args.request(&cli.global),
        Command::Status(args) => args.request(&cli.global),
        Command::Logout(args) => args.request(&cli.global),
        Command::Completions(_) | Command::Man(_) => return Err(Error::new(Kind::Failed, "not built yet")),
    };
    settings::resolve(&request)?;
    Err(Error::new(Kind::Failed, "not built yet"))
}
