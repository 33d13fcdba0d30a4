//! `mdb-login server`: one file for each of its commands.

pub mod check;
pub mod config;
mod keys;

use crate::cli::{GlobalArgs, ServerCommand};
use crate::error::Result;
use crate::settings::preview;
use crate::ui::Ui;

pub fn run(command: &ServerCommand, global: &GlobalArgs, ui: &Ui) -> Result<()> {
    match command {
        ServerCommand::Config(args) => config::run(&args.federation, &preview(&args.request(global))?, ui),
        ServerCommand::Check(args) => check::run(args, ui),
        ServerCommand::Keys(args) => keys::run(args, &args.request(global), ui),
    }
}
