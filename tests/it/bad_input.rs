//! What people, files, environments, providers and disks can get wrong, one row each: the exit code, and a part of what
//! is said. The real program runs for every row.
//!
//! Each row has a number for finding it again. Elsewhere: the redirect listener and the device flow have tables of their
//! own, answers to a refresh are in `refresh`, and what needs a terminal is with the real peers.

mod files;
mod flags;
mod provider;

use std::ffi::OsString;
use std::sync::Mutex;

use crate::cases::each;
use crate::signed_in::SignedIn;
use crate::support::browser::Browser;
use crate::support::cmd::{Outcome, Sandbox, start_url};
use crate::support::idp::{Idp, Rotation, SignIn};

/// One bad input.
struct Row {
    number: u32,
    input: String,
    given: Given,
    /// Makes the input bad, before or (for a renewal) after the sign-in.
    make: Make,
    arguments: Vec<OsString>,
    exit: i32,
    /// A part of stdout or stderr.
    says: &'static str,
}

type Make = Box<dyn Fn(&Idp, &mut Sandbox) + Send + Sync>;

/// Where the program is when it meets the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    /// Nobody has signed in. The command is the arguments; no file may change.
    Nobody,
    /// Somebody signs in, as far as it goes. The arguments follow `login`.
    Login,
    /// Somebody has signed in, and the token must be renewed.
    Renewal,
}

/// A row whose input is the arguments.
fn typed<A: Into<OsString>>(number: u32, arguments: impl IntoIterator<Item = A>, exit: i32, says: &'static str) -> Row {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let input = format!("{arguments:?}");
    Row { number, input, given: Given::Nobody, make: Box::new(|_, _| {}), arguments, exit, says }
}

fn row(
    number: u32,
    input: impl Into<String>,
    given: Given,
    make: impl Fn(&Idp, &mut Sandbox) + Send + Sync + 'static,
    exit: i32,
    says: &'static str,
) -> Row {
    let arguments = if given == Given::Login { vec![] } else { vec!["token".into()] };
    Row { number, input: input.into(), given, make: Box::new(make), arguments, exit, says }
}

/// Words in inputs that stand for a password: never to be repeated.
const PASSWORD: &str = "hunter2";

impl Row {
    fn run(&self) -> Result<(), String> {
        let (idp, mut sandbox) = match self.given {
            Given::Nobody | Given::Login => {
                let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
                let sandbox = Sandbox::with(&idp);
                (idp, sandbox)
            }
            Given::Renewal => {
                let ada = SignedIn::stale_with(|behaviour| behaviour.rotation = Rotation::Static);
                (ada.idp, ada.sandbox)
            }
        };
        (self.make)(&idp, &mut sandbox);
        let before = sandbox.files();
        let outcome = match self.given {
            Given::Login => login(&sandbox, &self.arguments),
            Given::Nobody | Given::Renewal => sandbox.run(&self.arguments),
        };
        self.judge(&outcome).map_err(|why| format!("{why}\n{outcome:?}"))?;
        if self.given == Given::Nobody && sandbox.files() != before {
            return Err("it changed a file".into());
        }
        let said = outcome.stderr();
        if said.contains(PASSWORD) || idp.secrets().iter().any(|secret| said.contains(secret)) {
            return Err("it repeats a secret".into());
        }
        Ok(())
    }

    fn judge(&self, outcome: &Outcome) -> Result<(), String> {
        let all = outcome.text();
        if outcome.code() != Some(self.exit) {
            return Err(format!("exit code is not {}", self.exit));
        }
        if !all.contains(self.says) {
            return Err(format!("it does not say `{}`", self.says));
        }
        if self.exit != 0 && !outcome.stdout.is_empty() {
            return Err("something is on stdout".into());
        }
        if all.contains("panicked") || all.contains('\u{1b}') {
            return Err("a panic, or an escape sequence".into());
        }
        // Both clap's errors and ours; and a warning where all is well.
        let is_error = |line: &str| line.starts_with("error: ") || line.starts_with("{\"error\":{");
        if self.exit != 0 && !outcome.stderr().lines().any(is_error) {
            return Err("no line starts as an error does".into());
        }
        Ok(())
    }
}

/// Signs in as far as it goes: a browser comes as soon as there is an address.
fn login(sandbox: &Sandbox, flags: &[OsString]) -> Outcome {
    let mut login = sandbox.spawn([OsString::from("login")].iter().chain(flags));
    let mut visited = false;
    while let Some(line) = login.next_line() {
        if let Some(url) = start_url(&line).filter(|_| !visited) {
            visited = true;
            Browser::new().open(&url);
        }
    }
    login.wait()
}

#[test]
fn every_bad_input_has_its_words_and_its_exit_code() {
    let rows: Vec<Row> = [flags::rows(), files::rows(), provider::rows()].into_iter().flatten().collect();
    let total = rows.len();
    let wrong = Mutex::new(Vec::new());
    each(rows, |row| {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| row.run()));
        if let Err(why) = outcome.unwrap_or_else(|_| Err("the row itself failed".into())) {
            wrong.lock().unwrap().push(format!("row {}: {}: {why}\n", row.number, row.input));
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {total} rows:\n{}", wrong.len(), wrong.concat());
}
