//! A program of somebody else's, run with a live token: how it is handed over, renewed, and gone when the program ends.
//!
//! | file | what is in it |
//! |---|---|
//! | [`way`] | the ways of handing a token over, and which one a program understands |
//! | [`environment`] | the variables that the program finds, and those that it must not find beside them |
//! | [`private_dir`] | the folder for socket or file; swept when its owner was killed |
//! | [`tokens`] | one thread that asks the session, for everybody here who needs a token |
//! | [`parent_handle`], [`message`] | mongosh's own protocol: the server, and the messages |
//! | [`token_file`] | `ENVIRONMENT:k8s`: a path that is read anew for each token |
//! | [`child`] | the program itself: terminal, signals, exit code |
//!
//! The room knows neither connection strings nor which hosts may have a token: whoever makes a [`Plan`] has decided that.
//! It asks for tokens through a closure, so it does not know the session either.

mod child;
mod environment;
mod message;
#[cfg(unix)]
mod parent_handle;
mod private_dir;
mod token_file;
mod tokens;
mod way;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use self::environment::Delivery;
pub use self::message::SessionProvider;
use self::private_dir::PrivateDir;
use self::token_file::Gate;
pub use self::tokens::Need;
use self::tokens::Tokens;
pub use self::way::Way;
use crate::error::{Error, Kind, Result};
use crate::event_loop::block_on;
use crate::store::cache::CachedToken;
use crate::ui::Ui;

/// What to run, and how it gets its token.
#[derive(Debug)]
pub struct Plan {
    /// As the shell would find it: a path, or a name to be looked for in `PATH`.
    pub program: OsString,
    pub args: Vec<OsString>,
    pub way: Way,
    /// Further variables for the program, stronger than those that it would inherit. Nothing secret.
    pub env: Vec<(OsString, OsString)>,
    /// The provider that the session is with. A mongosh whose server trusts another one gets a refusal, not a token.
    pub provider: SessionProvider,
    /// The file that the session's tokens lie in, if something else keeps them there: a variable that names it already
    /// means the same token before and after.
    pub token_file: Option<PathBuf>,
    /// Run although the parent of this process is an `exec`, too.
    pub allow_nested: bool,
    /// Run although the environment would have a cloud's library send the token to the cloud.
    pub allow_cloud_env: bool,
}

/// Runs the program to its end, and gives its exit code: 128 + n where a signal n ended it.
///
/// `source` is asked for one token before the program is started, and for others while it runs, on a thread of its own.
/// A renewal that is under way when the program ends is waited for: it may hold the only copy of a refresh token.
///
/// # Errors
/// Those of the first token: then nothing has been started. [`Kind::NotFound`] and [`Kind::CannotStart`], as env(1) has
/// them, for the program itself. [`Kind::Usage`] if the environment stands against it, see [`Plan`].
pub fn run(plan: &Plan, mut source: impl FnMut(Need) -> Result<CachedToken> + Send, ui: &Ui) -> Result<ExitCode> {
    check(plan)?;
    let first = source(Need::Valid)?;
    let dir = PrivateDir::new()?;
    let (tokens, desk) = tokens::desk();
    thread::scope(|scope| {
        scope.spawn(move || desk.serve(source));
        let result = block_on(attend(plan, &dir, first, tokens.clone(), *ui));
        tokens.close();
        result?
    })
}

/// Prints what [`run`] would set, a line for each variable. What is made only when the program starts is described in
/// square brackets, the key of mongosh's handle with it.
pub fn print_env(plan: &Plan, ui: &Ui) -> Result<()> {
    check(plan)?;
    let variables = environment::variables(plan, &Delivery::described(plan.way, &private_dir::described()?));
    let text = |value: &OsString| value.to_string_lossy().into_owned();
    if ui.json {
        let object: serde_json::Map<_, _> =
            variables.iter().map(|(name, value)| (text(name), text(value).into())).collect();
        return ui.object(serde_json::json!({ "variables": object }));
    }
    let lines: String = variables.iter().map(|(name, value)| format!("{}={}\n", text(name), text(value))).collect();
    ui.data(lines.as_bytes())
}

fn check(plan: &Plan) -> Result<()> {
    plan.way.check()?;
    environment::check(plan, &|name| std::env::var_os(name))
}

/// Hands over, starts, waits.
async fn attend(plan: &Plan, dir: &PrivateDir, first: CachedToken, tokens: Tokens, ui: Ui) -> Result<ExitCode> {
    let delivery = deliver(plan, dir, first, tokens, ui)?;
    child::run(plan, environment::variables(plan, &delivery)).await
}

/// Starts what the program will talk to or read from.
fn deliver(plan: &Plan, dir: &PrivateDir, first: CachedToken, tokens: Tokens, ui: Ui) -> Result<Delivery> {
    let expires_at = first.expires_at.to_string();
    match plan.way {
        #[cfg(unix)]
        Way::Mongosh => Ok(Delivery::Handle(parent_handle::serve(dir, plan.provider.clone(), tokens)?)),
        #[cfg(not(unix))]
        Way::Mongosh => Err(plan.way.unavailable()),
        Way::K8s | Way::File => {
            let gate = if plan.way == Way::K8s { Gate::Fifo } else { Gate::Open };
            Ok(Delivery::File { path: token_file::serve(dir, first, gate, tokens, ui)?.into(), expires_at })
        }
    }
}

/// Random bytes of the system's, for names and keys.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(Kind::Failed, "the system gives no random numbers").because(error))?;
    Ok(bytes)
}
