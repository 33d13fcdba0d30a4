//! The manual: one page a command. Synopsis, options and examples come from the definition of the command line, the
//! rest from [`words`]; [`page`] makes roff of both.
//!
//! The output depends on the program alone: no date, no path, no width of a terminal.

mod page;
mod words;

use clap::{Command, CommandFactory};

use crate::cli::Cli;
use crate::error::{Error, Kind, Result};

/// One manual page.
pub struct Page {
    /// Such as `mdb-login-token.1`.
    pub file_name: String,
    pub roff: String,
}

/// Every page; that of the program itself comes first.
pub fn pages() -> Result<Vec<Page>> {
    // `help` explains itself, and would double the number of pages.
    let mut program = without_help_command(Cli::command());
    program.build();
    let mut pages = Vec::new();
    add(&program, &[], &mut pages)?;
    Ok(pages)
}

fn without_help_command(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help_command)
}

/// Adds the page of `command` and those of its own commands. `names` lead to it from the program.
fn add(command: &Command, names: &[&str], pages: &mut Vec<Page>) -> Result<()> {
    let title = std::iter::once("mdb-login").chain(names.iter().copied()).collect::<Vec<_>>().join("-");
    let roff = page::render(command, &title, names)
        .map_err(|error| Error::new(Kind::Failed, format!("cannot make the manual page `{title}`")).because(error))?;
    pages.push(Page { file_name: format!("{title}.1"), roff });
    for command in command.get_subcommands() {
        let names: Vec<&str> = names.iter().copied().chain([command.get_name()]).collect();
        add(command, &names, pages)?;
    }
    Ok(())
}
