//! What people, files, environments, providers, MongoDB servers, programs and disks can get wrong, one row each: the exit
//! code, and a part of what is said. The real program runs for every row.
//!
//! Each row has a number for finding it again. Elsewhere: the redirect listener and the device flow have tables of their
//! own, answers to a refresh are in `refresh`, what a program under `exec` can send us is in `exec::mongosh`, and what needs
//! a terminal, or DNS records of our own (row 100), is with the real peers.

mod files;
mod flags;
mod provider;
mod servers;

use std::ffi::OsString;
use std::sync::Mutex;

use crate::cases::each;
use crate::signed_in::{SignedIn, sign_in};
use crate::support::browser::Browser;
use crate::support::cmd::{Outcome, Sandbox, start_url};
use crate::support::idp::{Idp, Rotation, SignIn};
use crate::support::mongod::Mongod;

use servers::Server;

/// One bad input.
struct Row {
    number: u32,
    input: String,
    given: Given,
    /// Makes the input bad, before or (for a renewal) after the sign-in.
    make: Option<Make>,
    /// `[SERVER]` and `[PORT]` in the arguments are this one's.
    server: Option<Server>,
    arguments: Vec<OsString>,
    exit: i32,
    /// A part of stdout or stderr.
    says: String,
}

type Make = Box<dyn Fn(&Idp, &mut Sandbox) + Send + Sync>;

/// Where the program is when it meets the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    /// Nobody has signed in. The command is the arguments; no file may change.
    Nobody,
    /// The same, and nothing names a provider. It may not be asked anything.
    Nothing,
    /// Somebody has signed in, and the token is good. As above.
    Session,
    /// Somebody has signed in through the row's server, which becomes bad afterwards. As above.
    Accepted,
    /// Somebody signs in, as far as it goes. The arguments follow `login`.
    Login,
    /// Somebody has signed in, and the token must be renewed.
    Renewal,
}

/// A row whose input is the arguments.
fn typed<A: Into<OsString>>(
    number: u32,
    arguments: impl IntoIterator<Item = A>,
    exit: i32,
    says: impl Into<String>,
) -> Row {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let (input, says) = (format!("{arguments:?}"), says.into());
    Row { number, input, given: Given::Nobody, make: None, server: None, arguments, exit, says }
}

fn row(
    number: u32,
    input: impl Into<String>,
    given: Given,
    make: impl Fn(&Idp, &mut Sandbox) + Send + Sync + 'static,
    exit: i32,
    says: impl Into<String>,
) -> Row {
    let arguments = if given == Given::Login { vec![] } else { vec!["token".into()] };
    let (input, says) = (input.into(), says.into());
    Row { number, input, given, make: Some(Box::new(make)), server: None, arguments, exit, says }
}

/// Words in inputs that stand for a password: never to be repeated.
const PASSWORD: &str = "hunter2";

/// Where a row is tried out.
struct Stage {
    idp: Idp,
    sandbox: Sandbox,
    server: Option<Mongod>,
}

impl Stage {
    fn new(row: &Row) -> Self {
        let (idp, mut sandbox) = match row.given {
            Given::Nobody | Given::Nothing | Given::Accepted | Given::Login => {
                let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
                let sandbox = Sandbox::with(&idp);
                (idp, sandbox)
            }
            Given::Session => {
                let mut ada = SignedIn::new();
                ada.sandbox.unset("MDB_LOGIN_ALLOWED_HOST");
                (ada.idp, ada.sandbox)
            }
            Given::Renewal => {
                let ada = SignedIn::stale_with(|behaviour| behaviour.rotation = Rotation::Static);
                (ada.idp, ada.sandbox)
            }
        };
        if matches!(row.given, Given::Nothing | Given::Accepted) {
            sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
        }
        let server = row.server.as_ref().map(|bad| {
            let server = Mongod::start(&idp);
            if row.given == Given::Accepted {
                sign_in(&sandbox, &[&server.uri(), "--trust-server"]);
            }
            server.change(&*bad.change);
            server.script("saslStart", bad.answers.clone());
            server
        });
        if let Some(make) = &row.make {
            make(&idp, &mut sandbox);
        }
        Self { idp, sandbox, server }
    }
}

impl Row {
    /// Whether the row neither needs nor leaves anything of its own, so that others like it can use the same stage.
    fn shares_stage(&self) -> bool {
        self.given == Given::Session && self.make.is_none() && self.server.as_ref().is_some_and(|bad| bad.is_untouched)
    }

    fn run(&self, Stage { idp, sandbox, server }: &Stage) -> Result<(), String> {
        let server = server.as_ref();
        let seen = || {
            let at_server = server.map(|server| (server.counters().connections, server.tokens().len()));
            (sandbox.files(), idp.log().len(), at_server.unwrap_or_default())
        };
        let (files, asked, (connections, tokens)) = seen();
        let arguments: Vec<OsString> = self.arguments.iter().map(|word| filled_in(word, server)).collect();
        let outcome = match self.given {
            Given::Login => login(sandbox, &arguments),
            _ => sandbox.run(&arguments),
        };
        self.judge(&outcome).map_err(|why| format!("{why}\n{outcome:?}"))?;
        let after = seen();
        let may_change = matches!(self.given, Given::Login | Given::Renewal);
        let may_ask = may_change || self.given == Given::Nobody;
        let is_untouched = self.server.as_ref().is_some_and(|bad| bad.is_untouched);
        for (happened, what) in [
            (!may_change && after.0 != files, "it changed a file"),
            (!may_ask && after.1 != asked, "it asked the provider"),
            (is_untouched && after.2.0 != connections, "it connected to the server"),
            (self.exit != 0 && after.2.1 != tokens, "it gave the server a token"),
        ] {
            if happened {
                return Err(format!("{what}\n{outcome:?}"));
            }
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
        if !all.contains(&self.says) {
            return Err(format!("it does not say `{}`", self.says));
        }
        // `discover` shows what a server says before it is judged.
        let shows = self.arguments.first().is_some_and(|command| command == "discover");
        if self.exit != 0 && !shows && !outcome.stdout.is_empty() {
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

/// An argument with the server's address in its place.
fn filled_in(word: &OsString, server: Option<&Mongod>) -> OsString {
    let (Some(server), Some(text)) = (server, word.to_str()) else { return word.clone() };
    let address = server.address();
    text.replace("[SERVER]", &address.to_string()).replace("[PORT]", &address.port().to_string()).into()
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

/// `None` for a panic, which has said why.
fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).ok()
}

#[test]
fn every_bad_input_has_its_words_and_its_exit_code() {
    let rows: Vec<Row> =
        [flags::rows(), files::rows(), provider::rows(), servers::rows()].into_iter().flatten().collect();
    let total = rows.len();
    let (alike, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(Row::shares_stage);
    // Signing in takes longer than most rows do.
    let mut groups: Vec<Vec<Row>> = others.into_iter().map(|row| vec![row]).collect();
    for row in alike {
        match groups.last_mut().filter(|group| group.len() < 10 && group[0].shares_stage()) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let wrong = Mutex::new(Vec::new());
    each(groups, |group| {
        let stage = caught(|| Stage::new(&group[0]));
        for row in &group {
            let result = stage.as_ref().and_then(|stage| caught(|| row.run(stage)));
            if let Err(why) = result.unwrap_or_else(|| Err("the row itself failed".into())) {
                wrong.lock().unwrap().push(format!("row {}: {}: {why}\n", row.number, row.input));
            }
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {total} rows:\n{}", wrong.len(), wrong.concat());
}
