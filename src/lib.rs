//! `mdb-login`: sign in once with the company's identity, and every MongoDB tool on the machine works.
//!
//! Read `session.rs` first: it is the ladder that everything else serves.
//!
//! Two programs are made of this library: `mdb-login` (`main.rs`) and `mdb-login-full` (`bin/`); `main.rs` says why.

mod atomic_file;
mod cli;
mod clock;
mod commands;
mod connections;
mod doctor;
mod error;
mod event_loop;
mod federation;
mod flow;
mod http;
mod inject;
mod log;
mod mongo;
mod mutex;
mod oidc;
mod open_file;
mod secret;
mod session;
mod settings;
mod signals;
mod store;
mod text_file;
mod ui;
mod vendor;
mod workload;

use std::process::ExitCode;

/// Answers `mdb-login token` with a cached access token. `None` if that is not what was typed, or if there is none that
/// is fresh enough, or if anything at all is not in order: [`run`] knows what to do then, and what to say. Answers
/// `mdb-login --version`, too: of two files in one folder each has to say its own.
pub fn run_cached() -> Option<ExitCode> {
    hide_memory();
    if let Some(version) = cli::version(std::env::args_os()) {
        let ui = ui::Ui { json: false, quiet: false, no_input: true };
        return Some(finish(ui.data(version.as_bytes()).map(|()| ExitCode::SUCCESS), &ui));
    }
    let cli = cli::parse_cached(std::env::args_os())?;
    let ui = cli.global.ui();
    commands::run_cached(&cli, &ui).map(|result| finish(result.map(|()| ExitCode::SUCCESS), &ui))
}

/// Parses, runs, and turns the result into an exit code; nothing else ends the process.
pub fn run() -> ExitCode {
    hide_memory();
    if let Some(code) = cli::complete() {
        return code;
    }
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return cli::report(&error),
    };
    log::set_up(cli.global.verbose);
    let ui = cli.global.ui();
    finish(commands::run(&cli, &ui), &ui)
}

fn finish(result: error::Result<ExitCode>, ui: &ui::Ui) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// No core dump, and no debugger of the same user: both would see tokens. Programs that we start get both back.
fn hide_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A kernel that refuses (a strict seccomp filter) leaves us as any other program is.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
