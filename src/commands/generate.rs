//! Completion scripts and manual pages, made from the definition of the command line.

use crate::cli::{CompletionsArgs, ManArgs};
use crate::error::Result;
use crate::ui::Ui;

pub fn completions(_args: &CompletionsArgs, _ui: &Ui) -> Result<()> {
    Ok(())
}

pub fn man(_args: &ManArgs, _ui: &Ui) -> Result<()> {
    Ok(())
}
