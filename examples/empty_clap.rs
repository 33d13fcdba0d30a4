//! An empty program: clap, and nothing to do. `cargo bench` measures `mdb-login token` against it.

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Token,
}

fn main() {
    match Cli::parse().command {
        Command::Token => {}
    }
}
