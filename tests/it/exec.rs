//! `exec`: the program gets live tokens, and everything else of it is as if we were not there.

mod connection_strings;
mod environment;

mod mongosh;
mod process;
mod token_file;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::signed_in::SignedIn;
use crate::support::cmd::{Outcome, Running};

impl SignedIn {
    /// Runs a script of sh(1) under `exec`, to its end.
    fn exec(&self, flags: &[&str], script: &str) -> Outcome {
        self.spawn_exec(flags, script).wait()
    }

    fn spawn_exec(&self, flags: &[&str], script: &str) -> Running {
        self.spawn(["exec"].iter().chain(flags).chain(&["--", "sh", "-c", script]))
    }

    /// The folders of runs that are there now.
    fn runs(&self) -> Vec<PathBuf> {
        let base = self.sandbox.home().join("xdg-runtime/mdb-login");
        let entries = std::fs::read_dir(base).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Waits, at most 20 s, until `find` finds something.
#[track_caller]
fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
