//! `mdb-login completions` and `mdb-login man`: what packages ship, made from the definition of the command line.

use std::path::Path;

use serde_json::json;

use super::manual;
use crate::cli::{self, CompletionsArgs, ManArgs};
use crate::error::{Error, Kind, Result};
use crate::ui::{Ui, foreign};

pub fn completions(args: &CompletionsArgs, ui: &Ui) -> Result<()> {
    ui.data(&cli::script(args.shell)?)
}

pub fn man(args: &ManArgs, ui: &Ui) -> Result<()> {
    let pages = manual::pages()?;
    let Some(dir) = &args.dir else {
        return pages.first().map_or(Ok(()), |page| ui.data(page.roff.as_bytes()));
    };
    std::fs::create_dir_all(dir).map_err(|error| cannot("create", dir, error))?;
    for page in &pages {
        let path = dir.join(&page.file_name);
        std::fs::write(&path, &page.roff).map_err(|error| cannot("write", &path, error))?;
    }
    let shown = foreign(&dir.display().to_string());
    ui.note(format!("{} pages written to {shown}", pages.len()));
    if ui.json {
        let names: Vec<&str> = pages.iter().map(|page| page.file_name.as_str()).collect();
        return ui.object(json!({ "dir": shown, "pages": names }));
    }
    Ok(())
}

fn cannot(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Failed, format!("cannot {what} `{}`", foreign(&path.display().to_string()))).because(error)
}
