//! `mdb-login server`: one file for each of its commands.

pub mod check;

use crate::cli::ServerCommand;
use crate::error::Result;
use crate::ui::Ui;

pub fn run(command: &ServerCommand, ui: &Ui) -> Result<()> {
    match command {
        ServerCommand::Check(args) => check::run(args, ui),
    }
}
