//! `mdb-login doctor`: what is fine, what is not, and what to do.

use crate::doctor;
use crate::error::Result;
use crate::settings::Request;
use crate::ui::Ui;
use crate::ui::report::{self, Page};

/// Shows everything that was found. Fails after that if something is wrong.
pub fn run(request: Request, ui: &Ui) -> Result<()> {
    let findings = doctor::examine(request);
    if ui.json {
        ui.object(findings.object())?;
    } else {
        ui.data(report::report(&findings.sections(), Page::of_stdout()).as_bytes())?;
    }
    match findings.failure() {
        Some(error) => Err(error),
        None => {
            ui.note(findings.summary());
            Ok(())
        }
    }
}
