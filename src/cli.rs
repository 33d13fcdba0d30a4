//! What can be typed. Dumb on purpose: what it means is decided in `settings`.
//!
//! Help texts of setting flags come from the table in [`settings::schema`]; the rest is written here, and is also the
//! manual. [`parse`] reads a command line, [`complete`] answers a shell that completes one.

mod complete;
mod federation;
mod flags;
mod meant;
mod parse;
mod server;
mod setup;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

pub use complete::{complete, script};
pub use federation::FederationArgs;
pub use flags::{BrowserArgs, HostArgs, NetworkArgs, SessionArgs, SignInArgs};
pub use parse::{parse, parse_cached, report, version};
pub use server::{CheckArgs, KeysArgs, ServerArgs, ServerCommand};
pub use setup::SetupArgs;

use crate::mongo::uri::is_connection_string;
use crate::settings::{Request, TARGET, schema};
use crate::ui::Ui;

const GLOBAL: &str = "Global options";

const STYLES: Styles =
    Styles::styled().header(AnsiColor::Green.on_default().bold()).usage(AnsiColor::Green.on_default().bold());

/// Sign in once with the company's identity, for every MongoDB tool on this machine
///
/// mdb-login signs you in to your company's OpenID provider and keeps the session: the refresh token in the system's
/// keyring, nothing secret in its configuration. From then on `mdb-login token` prints a valid access token for
/// MongoDB's MONGODB-OIDC authentication, renewed silently, until the provider asks for you again.
///
/// Without a command it signs in, as `mdb-login login` does.
#[derive(Debug, Parser)]
#[command(name = "mdb-login", version, styles = STYLES, max_term_width = 100, subcommand_required = true)]
#[command(after_help = "Without a command: login. Its options are in `mdb-login login --help`.")]
#[command(override_usage = "mdb-login [OPTIONS] [TARGET]\n       mdb-login [OPTIONS] <COMMAND>")]
#[command(after_long_help = "\
Examples:
  mdb-login profile set prod issuer=https://login.example.com client_id=0oa1
  mdb-login
  mdb-login token
  mdb-login exec -- mongosh mongodb+srv://cluster0.example.mongodb.net

Exit codes:
  0 done   1 failed   2 usage   3 configuration   4 login required   5 denied   6 timed out
  7 network or provider unavailable, try again   8 keyring or store   9 redirect port taken
  10 security rule broken by an answer   126 cannot start exec's program   127 exec's program not found
  130 interrupted")]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
pub struct GlobalArgs {
    /// Profile to use [env: MDB_LOGIN_PROFILE]
    #[arg(short, long, global = true, value_name = "NAME", help_heading = GLOBAL)]
    #[arg(add = ArgValueCandidates::new(complete::profiles))]
    pub profile: Option<String>,
    /// Print results and errors as JSON objects
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// Print warnings and errors only
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// Say what is asked of whom and why; twice for more. Secrets are left out
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = GLOBAL)]
    pub verbose: u8,
    /// Never ask anything: fail instead [env: MDB_LOGIN_NO_INPUT]
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub no_input: bool,
    /// The command that a mistyped TARGET probably meant; found by [`parse`].
    #[arg(skip)]
    nearest_command: Option<&'static str>,
    /// The connection string that was given as TARGET; found by [`parse`].
    #[arg(skip)]
    target_uri: Option<String>,
}

impl GlobalArgs {
    /// How to speak to whoever is there.
    pub fn ui(&self) -> Ui {
        let set = |value: OsString| !matches!(value.to_str(), Some("" | "0" | "false" | "no"));
        let no_input = self.no_input || std::env::var_os("MDB_LOGIN_NO_INPUT").is_some_and(set);
        Ui { json: self.json, quiet: self.quiet, no_input }
    }

    /// The request for settings of a command that takes no setting flags.
    pub fn request(&self) -> Request {
        let target = self.target_uri.iter().map(|uri| (&schema::URI, TARGET, vec![uri.clone()]));
        Request { flags: target.collect(), profile: self.profile.clone(), nearest_command: self.nearest_command }
    }

    /// The same with a TARGET.
    pub fn request_for(&self, target: &str) -> Request {
        let mut request = self.request();
        if is_connection_string(target) {
            request.flags.push((&schema::URI, TARGET, vec![target.to_owned()]));
        } else {
            request.profile = Some(target.to_owned());
        }
        request
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Login(LoginArgs),
    Token(TokenArgs),
    Exec(ExecArgs),
    Status(StatusArgs),
    Logout(LogoutArgs),
    Discover(DiscoverArgs),
    Verify(VerifyArgs),
    Inspect(InspectArgs),
    Uri(UriArgs),
    Doctor(DoctorArgs),
    Profile(ProfileArgs),
    Server(ServerArgs),
    Setup(SetupArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Sign in with a browser, or with a code on another device
///
/// Prints a local address (http://localhost:27097/…) and opens it in the browser, which goes on to the provider's own
/// sign-in page; no password passes through mdb-login. With --device it prints a short code instead, to be typed on any
/// other device.
///
/// Stores the refresh token in the system's keyring, and the access token where it is found again quickly. Prints who
/// is signed in on stderr; stdout stays empty unless --json is given.
///
/// For a program (--kind, see PROGRAMS in mdb-login(1)) nobody signs in: it asks once for a token, and says what came of it.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login login
  mdb-login login prod
  mdb-login login --device
  mdb-login login mongodb://db.example.com/?tls=true
  mdb-login login --issuer https://login.example.com --client-id 0oa1")]
pub struct LoginArgs {
    #[command(flatten)]
    pub target: TargetArg,
    #[command(flatten)]
    pub session: SessionArgs,
    /// Accept the provider that the server names without asking, the first time
    #[arg(long)]
    pub trust_server: bool,
    #[command(flatten)]
    pub sign_in: SignInArgs,
    #[command(flatten)]
    pub browser: BrowserArgs,
}

/// Print a valid access token
///
/// Prints the access token of the session on stdout, without a line break unless stdout is a terminal. A token that
/// would expire too soon is renewed first; however many commands ask at once, the provider is asked once. Never opens a
/// browser: where nobody is signed in it fails with exit code 4 and says what to type.
///
/// Stores the renewed tokens. With --token-file nothing is printed.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login token
  mdb-login token prod --min-ttl 10m
  eval \"$(mdb-login token --output env)\"
  mdb-login token -o header | curl -H @- https://api.example.com")]
pub struct TokenArgs {
    #[command(flatten)]
    pub target: TargetArg,
    /// What to print: the token alone, an object with its times, an Authorization header, or an assignment for a shell
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "raw")]
    pub output: TokenOutput,
    /// Shell that --output env is for; found out unless given
    #[arg(long, value_enum, value_name = "SHELL")]
    pub shell: Option<EnvShell>,
    /// Write the token to this file, readable by you alone, instead of stdout
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// Renew the token even if it is still valid
    #[arg(long)]
    pub force_refresh: bool,
    #[arg(long, value_name = "DURATION", help = schema::MIN_TTL.flag_help)]
    pub min_ttl: Option<String>,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// Run a program that gets live tokens
///
/// Starts the program with the session handed over, stays behind it while it runs, and ends with its exit code. The
/// program has the terminal, its signals and all three streams. Each time it needs a token it gets one that is valid in
/// that moment, renewed if necessary. Never opens a browser: where nobody is signed in it fails with exit code 4 before
/// anything is started.
///
/// Connection strings among the program's arguments are completed, and their hosts have to be ones that tokens may go to:
/// MongoDB's own, this machine, and those that you trust. mongosh (2.2.7 or later) asks mdb-login by itself. Every other
/// program reads its token from the path that it finds in AZURE_FEDERATED_TOKEN_FILE and AWS_WEB_IDENTITY_TOKEN_FILE, as
/// ENVIRONMENT:k8s has it; one that takes its connection string from elsewhere finds a complete one in MDB_LOGIN_URI.
/// Prints nothing of its own on stdout, and stores renewed tokens.
///
/// The session is the one with the server's provider if you have accepted what the server says of it, and your usual one
/// if not; --profile names another.
#[derive(Args, Debug)]
#[command(override_usage = "mdb-login exec [OPTIONS] [TARGET] -- COMMAND [ARGS]...")]
#[command(after_long_help = "\
Examples:
  mdb-login exec -- mongosh mongodb+srv://cluster0.example.mongodb.net
  mdb-login exec prod -- mongodump --uri mongodb+srv://cluster0.example.mongodb.net --gzip
  mdb-login exec --inject file --uri mongodb+srv://cluster0.example.mongodb.net -- ./report.py
  mdb-login exec --print-env -- mongosh")]
pub struct ExecArgs {
    #[command(flatten)]
    pub target: TargetArg,
    /// The program and its arguments
    #[arg(last = true, value_name = "COMMAND", required_unless_present = "print_env")]
    pub command: Vec<OsString>,
    /// How the program gets its tokens
    #[arg(long, value_enum, value_name = "WAY", default_value = "auto")]
    pub inject: Inject,
    /// Show the variables that would be set, and start nothing
    #[arg(long)]
    pub print_env: bool,
    /// Run although this is inside of another `mdb-login exec`
    #[arg(long)]
    pub nested: bool,
    /// Run although AWS or Azure libraries in the program could send its token to the cloud
    #[arg(long)]
    pub allow_cloud_env: bool,
    #[command(flatten)]
    pub hosts: HostArgs,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// Show who is signed in, where, and until when
///
/// Prints the session of the profile: account, provider, times, where it is kept and what that is worth; with --all a
/// table, which on a narrow terminal becomes a block for each session. Into a pipe a row is a line, however long. Never
/// prints a token. Stores nothing and asks nobody, unless --check is given.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login status
  mdb-login status --all --json")]
pub struct StatusArgs {
    #[command(flatten)]
    pub target: TargetArg,
    /// Show every session on this machine
    #[arg(long, conflicts_with = "target")]
    pub all: bool,
    /// Ask the provider whether the session still holds, by renewing it
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// Sign out: revoke the session at the provider and forget it here
///
/// Asks the provider to revoke the refresh token if it can (RFC 7009), and removes the session from this machine in any
/// case. Prints what was done at both ends on stderr. Access tokens that were handed out stay valid until they expire.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login logout
  mdb-login logout --all
  mdb-login logout --browser-session")]
pub struct LogoutArgs {
    #[command(flatten)]
    pub target: TargetArg,
    /// Sign out of every session on this machine
    #[arg(long, conflicts_with = "target")]
    pub all: bool,
    /// Also end the provider's own session in the browser
    #[arg(long)]
    pub browser_session: bool,
    #[command(flatten)]
    pub session: SessionArgs,
    #[command(flatten)]
    pub browser: BrowserArgs,
}

/// Ask a MongoDB server which identity provider people sign in to
///
/// Shows issuer, client id and scopes as the server names them, for the user name of the connection string if it has one.
/// Sends the server nothing else, contacts nobody else, and stores nothing.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login discover mongodb://db.example.com/?tls=true
  mdb-login discover mongodb+srv://ada%40example.com@cluster0.example.mongodb.net --json")]
pub struct DiscoverArgs {
    /// Connection string, or a profile that has one
    #[arg(value_name = "TARGET", id = "target", add = ArgValueCandidates::new(complete::profiles))]
    pub target: Option<String>,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Authenticate at the server for real, and show who that makes you
///
/// Connects with the session's token and prints the server's version, your user name and your roles there. A server that
/// refuses a token gives no reason; what can be known on this side is said. Tokens go to MongoDB's own hosts, to this
/// machine, and to hosts that you trust.
///
/// The session is the one with the server's provider if you have accepted what the server says of it, and your usual one
/// if not; --profile names another.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login verify mongodb://localhost
  mdb-login verify prod --privileges
  mdb-login verify mongodb://db.example.com/?tls=true --trust-host db.example.com")]
pub struct VerifyArgs {
    #[command(flatten)]
    pub target: TargetArg,
    /// Also show what the roles allow
    #[arg(long)]
    pub privileges: bool,
    #[command(flatten)]
    pub hosts: HostArgs,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// Judge a token as a MongoDB server would, rule by rule
///
/// Decodes the token of the session, or one from a file or from stdin, and says of each rule of the server whether it is
/// kept; of each that is broken, what mends it at the provider. Then who the token makes somebody at MongoDB. Nothing is
/// sent to a MongoDB server, and the token goes nowhere: the provider is asked for its public keys alone.
///
/// What the server expects is read from its own configuration (--server-config), or taken from the settings: issuer,
/// audience, and the usual claims unless others are named. The token is never printed. An argument that is a token is
/// refused: pipe it.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login inspect prod
  mdb-login inspect ./token.jwt --server-config /etc/mongod.conf
  pbpaste | mdb-login inspect -
  mdb-login inspect prod --group-claim roles --prefix corp --json")]
pub struct InspectArgs {
    /// Profile or connection string whose session has the token; or a file that holds one, or - for stdin
    #[arg(value_name = "TARGET", id = "target", add = ArgValueCompleter::new(complete::profiles_and_files))]
    target: Option<String>,
    /// The server's configuration, in any form that `server check` reads; - for stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["user_claim", "group_claim", "no_group_claim", "prefix"])]
    pub server_config: Option<PathBuf>,
    /// Claim that names the user [default: sub]
    #[arg(long, value_name = "CLAIM")]
    pub user_claim: Option<String>,
    /// Claim that names the groups, and so the roles [default: groups; none for a program's session]
    #[arg(long, value_name = "CLAIM")]
    pub group_claim: Option<String>,
    /// The server takes roles from user documents, not from a claim
    #[arg(long, conflicts_with = "group_claim")]
    pub no_group_claim: bool,
    /// What the server puts in front of names (authNamePrefix; in Cloud Manager the configuration's name)
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Ask nobody; signatures cannot be verified then
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// Where a token to be inspected comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenSource<'a> {
    /// The session that the settings mean.
    Session,
    File(&'a Path),
    Stdin,
}

impl InspectArgs {
    /// What TARGET is. A profile goes before a file of the same name; `./NAME` is always a file.
    pub fn source(&self) -> TokenSource<'_> {
        match self.target.as_deref() {
            None => TokenSource::Session,
            Some("-") => TokenSource::Stdin,
            Some(text) if is_connection_string(text) => TokenSource::Session,
            Some(word) if is_file(word) => TokenSource::File(Path::new(word)),
            Some(_) => TokenSource::Session,
        }
    }
}

/// Whether a word that may be a profile or a file is a file.
fn is_file(word: &str) -> bool {
    let is_profile = || crate::settings::profiles().is_ok_and(|all| all.iter().any(|profile| profile.name == word));
    word.contains(std::path::is_separator) || ((word.contains('.') || Path::new(word).exists()) && !is_profile())
}

/// Complete a connection string for programs that read the token from a file
///
/// Prints it with the mechanism, the source and ENVIRONMENT:k8s, and without its user name. Asks nobody and stores nothing.
#[derive(Args, Debug)]
#[command(after_long_help = "Example:\n  mdb-login uri mongodb://db.example.com/?tls=true")]
pub struct UriArgs {
    /// Connection string
    #[arg(value_name = "URI")]
    pub uri: String,
}

/// Look for what is wrong, and say what to do
///
/// Looks at everything that a sign-in and a token depend on: this program and its settings, the redirect port and the
/// browser, the provider, keyring and files, the MongoDB server if there is a connection string. All of it at the same
/// time, within 12 seconds; what cannot be looked at is told, and keeps nothing else from being looked at.
///
/// Asks nobody to sign in or to unlock anything, renews nothing, and stores nothing. What it prints can be shown to
/// others: no secret is in it, no name of yours, no part of your home folder's path. Ends with the exit code of the first
/// failure on the page; warnings are no failures.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login doctor
  mdb-login doctor prod
  mdb-login doctor mongodb+srv://cluster0.example.mongodb.net --json")]
pub struct DoctorArgs {
    #[command(flatten)]
    pub target: TargetArg,
    #[command(flatten)]
    pub hosts: HostArgs,
    #[command(flatten)]
    pub session: SessionArgs,
}

/// Show and change profiles
///
/// A profile is a named set of settings in config.toml, such as one for each company or environment. What it holds can
/// be overridden by MDB_LOGIN_* variables and flags. Comments and order of the file survive every change made here.
/// Profiles never hold secrets.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login profile set prod issuer=https://login.example.com client_id=0oa1
  mdb-login profile use prod
  mdb-login profile show prod --origin")]
pub struct ProfileArgs {
    #[command(subcommand)]
    pub command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// List the profiles
    ///
    /// Prints the name and issuer of each; `*` marks the default.
    #[command(after_long_help = "Example:\n  mdb-login profile list")]
    List,
    /// Show the settings in effect
    ///
    /// Prints what a command would use, environment included. With --origin also says where each value comes from: a
    /// variable, a line of config.toml, or the program itself.
    #[command(after_long_help = "Example:\n  mdb-login profile show prod --origin")]
    Show {
        /// Profile to show; the one in use unless given
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::profiles))]
        name: Option<String>,
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Set values in a profile, and make it if it is new
    #[command(long_about = schema::SET_HELP, after_long_help = "\
Examples:
  mdb-login profile set prod issuer=https://login.example.com client_id=0oa1
  mdb-login profile set prod scope=\"openid offline_access groups\" timeout=10m")]
    Set {
        /// Profile to change
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::profiles))]
        name: String,
        /// Settings, each as KEY=VALUE
        #[arg(value_name = "KEY=VALUE", required = true, add = ArgValueCandidates::new(complete::assignments))]
        values: Vec<String>,
    },
    /// Remove values from a profile
    ///
    /// The value of [defaults], or the built-in one, applies again.
    #[command(after_long_help = "Example:\n  mdb-login profile unset prod timeout ca_file")]
    Unset {
        /// Profile to change
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::profiles))]
        name: String,
        /// Keys to remove
        #[arg(value_name = "KEY", required = true, add = ArgValueCandidates::new(complete::keys))]
        keys: Vec<String>,
    },
    /// Make a profile the default
    ///
    /// Stores it as default_profile in config.toml. Commands use it unless --profile or MDB_LOGIN_PROFILE name another.
    #[command(after_long_help = "Example:\n  mdb-login profile use prod")]
    Use {
        /// Profile to make the default
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::profiles))]
        name: String,
    },
    /// Give a profile another name
    ///
    /// The session stays: it belongs to the settings, not to the name.
    #[command(after_long_help = "Example:\n  mdb-login profile rename prod production")]
    Rename {
        /// Profile to rename
        #[arg(value_name = "OLD", add = ArgValueCandidates::new(complete::profiles))]
        old: String,
        /// Its new name
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Accept the provider that a server names, in place of an earlier one
    ///
    /// Asks the server, shows what it said before and what it says now, and remembers the new answer if you agree.
    #[command(after_long_help = "Example:\n  mdb-login profile trust mongodb://db.example.com/?tls=true")]
    Trust {
        /// Connection string, or a profile that has one
        #[arg(value_name = "TARGET", add = ArgValueCandidates::new(complete::profiles))]
        target: String,
        /// Accept it without asking
        #[arg(long)]
        yes: bool,
    },
    /// Remove a profile
    ///
    /// Does not sign out: run `mdb-login logout --profile NAME` first.
    #[command(after_long_help = "Example:\n  mdb-login profile remove staging")]
    Remove {
        /// Profile to remove
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::profiles))]
        name: String,
    },
}

/// Print a completion script for a shell
///
/// The script completes commands, flags and their values, and the names of your profiles, by asking mdb-login itself.
/// Where a shell looks for such scripts differs from system to system; these are usual places.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login completions bash > ~/.local/share/bash-completion/completions/mdb-login
  mdb-login completions zsh > ~/.zfunc/_mdb-login    # a folder in $fpath
  mdb-login completions fish > ~/.config/fish/completions/mdb-login.fish
  mdb-login completions elvish >> ~/.config/elvish/rc.elv
  mdb-login completions powershell >> $PROFILE")]
pub struct CompletionsArgs {
    /// Shell to print it for
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Print the manual, or write its pages to a folder
///
/// Prints the page mdb-login(1) in roff on stdout; with --dir writes it and one page for each command.
#[derive(Args, Debug)]
#[command(after_long_help = "Example:\n  mdb-login man --dir ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder to write every page to
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// Which profile, as an argument. [`parse`] has put it into [`GlobalArgs::profile`], where commands find it.
#[derive(Args, Debug)]
pub struct TargetArg {
    /// Profile to use, as --profile; or a connection string, as --uri
    #[arg(value_name = "TARGET", id = "target", add = ArgValueCandidates::new(complete::profiles))]
    target: Option<String>,
}

/// What `token` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenOutput {
    Raw,
    Json,
    Header,
    Env,
}

/// How `exec` hands tokens over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Inject {
    /// mongosh for mongosh, also behind npx; k8s for all others; file where k8s is not available
    Auto,
    /// mongosh asks for each token (MONGOSH_OIDC_PARENT_HANDLE)
    Mongosh,
    /// A file that is replaced before its token expires (ENVIRONMENT:k8s); if that fails, a FIFO that waits for it
    K8s,
    /// The same, and always a plain file
    File,
}

/// A shell whose quoting rules `--output env` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnvShell {
    // Their quotes are the same.
    #[value(aliases = ["zsh", "sh", "dash", "ksh"])]
    Bash,
    Fish,
    Powershell,
}
