//! What can be typed. Dumb on purpose: what it means is decided in `settings`.
//!
//! Help texts of setting flags come from the table in [`settings::schema`]; the rest is written here, and is also the
//! manual.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::error::{Error, Kind};
use crate::settings::{self, Request, schema};
use crate::ui::{Ui, foreign};

const PROVIDER: &str = "Provider";
const SIGN_IN: &str = "Sign-in";
const STORAGE: &str = "Storage";
const NETWORK: &str = "Network";
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
#[command(override_usage = "mdb-login [OPTIONS] [TARGET]\n       mdb-login [OPTIONS] <COMMAND>")]
#[command(after_long_help = "\
Examples:
  mdb-login profile set prod issuer=https://login.example.com client_id=0oa1
  mdb-login
  mdb-login token

Exit codes:
  0 done   1 failed   2 usage   3 configuration   4 login required   5 denied   6 timed out
  7 network or provider unavailable, try again   8 keyring or store   9 redirect port taken
  10 an answer broke a security rule   130 interrupted")]
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
    #[arg(add = ArgValueCandidates::new(profile_candidates))]
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
        Request { flags: Vec::new(), profile: self.profile.clone(), nearest_command: self.nearest_command }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Login(LoginArgs),
    Token(TokenArgs),
    Status(StatusArgs),
    Logout(LogoutArgs),
    Profile(ProfileArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// The words that are commands and not a TARGET.
const COMMANDS: &[&str] = &["login", "token", "status", "logout", "profile", "completions", "man", "help"];

/// Sign in with a browser, or with a code on another device
///
/// Prints a local address (http://localhost:27097/…) and opens it in the browser, which goes on to the provider's own
/// sign-in page; no password passes through mdb-login. With --device it prints a short code instead, to be typed on any
/// other device.
///
/// Stores the refresh token in the system's keyring, and the access token where it is found again quickly. Prints who
/// is signed in on stderr; stdout stays empty unless --json is given.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login login
  mdb-login login prod
  mdb-login login --device
  mdb-login login --issuer https://login.example.com --client-id 0oa1")]
pub struct LoginArgs {
    #[command(flatten)]
    pub target: TargetArg,
    #[command(flatten)]
    pub session: SessionArgs,
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
  curl -H \"$(mdb-login token -o header)\" https://api.example.com")]
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

/// Show who is signed in, where, and until when
///
/// Prints the session of the profile: account, provider, times, where it is kept and what that is worth. Never prints a
/// token. Stores nothing and asks nobody, unless --check is given.
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
    List,
    /// Show the settings in effect
    ///
    /// Prints what a command would use, environment included. With --origin also says where each value comes from: a
    /// variable, a line of config.toml, or the program itself.
    #[command(after_long_help = "Example:\n  mdb-login profile show prod --origin")]
    Show {
        /// Profile to show; the one in use unless given
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(profile_candidates))]
        name: Option<String>,
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Set values in a profile, and make it if it is new
    #[command(long_about = set_help(), after_long_help = "\
Examples:
  mdb-login profile set prod issuer=https://login.example.com client_id=0oa1
  mdb-login profile set prod scope=\"openid offline_access groups\" timeout=10m")]
    Set {
        /// Profile to change
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(profile_candidates))]
        name: String,
        /// Settings, each as KEY=VALUE
        #[arg(value_name = "KEY=VALUE", required = true, add = ArgValueCandidates::new(assignment_candidates))]
        values: Vec<String>,
    },
    /// Remove values from a profile
    ///
    /// The value of [defaults], or the built-in one, applies again.
    #[command(after_long_help = "Example:\n  mdb-login profile unset prod timeout ca_file")]
    Unset {
        /// Profile to change
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(profile_candidates))]
        name: String,
        /// Keys to remove
        #[arg(value_name = "KEY", required = true, add = ArgValueCandidates::new(key_candidates))]
        keys: Vec<String>,
    },
    /// Make a profile the default
    ///
    /// Stores it as default_profile in config.toml. Commands use it unless --profile or MDB_LOGIN_PROFILE name another.
    #[command(after_long_help = "Example:\n  mdb-login profile use prod")]
    Use {
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(profile_candidates))]
        name: String,
    },
    /// Give a profile another name
    ///
    /// The session stays: it belongs to the settings, not to the name.
    #[command(after_long_help = "Example:\n  mdb-login profile rename prod production")]
    Rename {
        #[arg(value_name = "OLD", add = ArgValueCandidates::new(profile_candidates))]
        old: String,
        #[arg(value_name = "NEW")]
        new: String,
    },
    /// Remove a profile
    ///
    /// Does not sign out: run `mdb-login logout --profile NAME` first.
    #[command(after_long_help = "Example:\n  mdb-login profile remove staging")]
    Remove {
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(profile_candidates))]
        name: String,
    },
}

/// Print a completion script for a shell
///
/// The script completes commands, flags and their values.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Example:\n  mdb-login completions bash > ~/.local/share/bash-completion/completions/mdb-login"
)]
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
    /// Profile to use; the same as --profile
    #[arg(value_name = "TARGET", id = "target", add = ArgValueCandidates::new(profile_candidates))]
    target: Option<String>,
}

/// What decides which session is meant, and how its provider is reached.
#[derive(Args, Debug)]
pub struct SessionArgs {
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, help_heading = PROVIDER, help = schema::ISSUER.flag_help)]
    pub issuer: Option<String>,
    #[arg(long, value_name = "ID", help_heading = PROVIDER, help = schema::CLIENT_ID.flag_help)]
    pub client_id: Option<String>,
    #[arg(long, value_name = "AUDIENCE", help_heading = PROVIDER, help = schema::AUDIENCE.flag_help)]
    pub audience: Option<String>,
    #[arg(long, value_name = "SCOPE", help_heading = PROVIDER, help = schema::SCOPE.flag_help)]
    pub scope: Vec<String>,
    #[arg(long, value_name = "URI", help_heading = PROVIDER, help = schema::RESOURCE.flag_help)]
    pub resource: Vec<String>,
    #[arg(long, help_heading = PROVIDER, help = schema::ID_TOKEN.flag_help)]
    pub id_token: bool,
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = PROVIDER)]
    #[arg(help = schema::CLIENT_SECRET_FILE.flag_help)]
    pub client_secret_file: Option<String>,
    #[arg(long, value_name = "ACCOUNT", help_heading = SIGN_IN, help = schema::LOGIN_HINT.flag_help)]
    pub login_hint: Option<String>,
    #[arg(long, value_name = "STORE", help_heading = STORAGE, help = schema::STORE.flag_help)]
    #[arg(value_parser = ["auto", "keyring", "kernel", "file"], hide_possible_values = true)]
    pub store: Option<String>,
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = NETWORK)]
    #[arg(help = schema::CA_FILE.flag_help)]
    pub ca_file: Option<String>,
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, help_heading = NETWORK, help = schema::PROXY.flag_help)]
    pub proxy: Option<String>,
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true, help_heading = NETWORK)]
    #[arg(help = schema::HTTP_TIMEOUT.flag_help)]
    pub http_timeout: Option<String>,
}

/// How a person signs in.
#[derive(Args, Debug)]
pub struct SignInArgs {
    #[arg(long, help_heading = SIGN_IN)]
    #[arg(help = "Sign in with a code on another device [env: MDB_LOGIN_FLOW=device]")]
    pub device: bool,
    #[arg(long, value_name = "URI", value_hint = ValueHint::Url, help_heading = SIGN_IN)]
    #[arg(help = schema::REDIRECT_URI.flag_help)]
    pub redirect_uri: Vec<String>,
    #[arg(long, value_name = "PROMPT", help_heading = SIGN_IN, help = schema::PROMPT.flag_help)]
    pub prompt: Option<String>,
    #[arg(long, value_name = "CLASSES", help_heading = SIGN_IN, help = schema::ACR_VALUES.flag_help)]
    pub acr_values: Option<String>,
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, help_heading = SIGN_IN)]
    #[arg(help = schema::MAX_AGE.flag_help)]
    pub max_age: Option<String>,
    #[arg(long, value_name = "DOMAIN", help_heading = SIGN_IN, help = schema::DOMAIN_HINT.flag_help)]
    pub domain_hint: Option<String>,
    #[arg(long, value_name = "NAME=VALUE", help_heading = SIGN_IN, help = schema::AUTH_PARAM.flag_help)]
    pub auth_param: Vec<String>,
    #[arg(long, help_heading = SIGN_IN)]
    #[arg(help = "Send no nonce, for a provider that drops it [env: MDB_LOGIN_NONCE=false]")]
    pub no_nonce: bool,
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true, help_heading = SIGN_IN)]
    #[arg(help = schema::TIMEOUT.flag_help)]
    pub timeout: Option<String>,
}

/// What opens a page.
#[derive(Args, Debug)]
pub struct BrowserArgs {
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString, help_heading = SIGN_IN)]
    #[arg(help = schema::BROWSER.flag_help)]
    pub browser: Option<String>,
    #[arg(long, conflicts_with = "browser", help_heading = SIGN_IN)]
    #[arg(help = "Open no browser; print the address only [env: MDB_LOGIN_BROWSER=none]")]
    pub no_browser: bool,
}

/// What `token` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenOutput {
    Raw,
    Json,
    Header,
    Env,
}

/// A shell whose quoting rules `--output env` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EnvShell {
    Bash,
    Fish,
    Powershell,
}

impl LoginArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        self.browser.add_to(&mut request);
        let flags = &self.sign_in;
        switch(&mut request, flags.device, &schema::FLOW, "--device", "device");
        list(&mut request, &schema::REDIRECT_URI, &flags.redirect_uri);
        one(&mut request, &schema::PROMPT, &flags.prompt);
        one(&mut request, &schema::ACR_VALUES, &flags.acr_values);
        one(&mut request, &schema::MAX_AGE, &flags.max_age);
        one(&mut request, &schema::DOMAIN_HINT, &flags.domain_hint);
        list(&mut request, &schema::AUTH_PARAM, &flags.auth_param);
        switch(&mut request, flags.no_nonce, &schema::NONCE, "--no-nonce", "false");
        one(&mut request, &schema::TIMEOUT, &flags.timeout);
        request
    }
}

impl TokenArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        one(&mut request, &schema::MIN_TTL, &self.min_ttl);
        request
    }
}

impl StatusArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        self.session.request(global)
    }
}

impl LogoutArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        self.browser.add_to(&mut request);
        request
    }
}

impl SessionArgs {
    fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = global.request();
        one(&mut request, &schema::ISSUER, &self.issuer);
        one(&mut request, &schema::CLIENT_ID, &self.client_id);
        one(&mut request, &schema::AUDIENCE, &self.audience);
        list(&mut request, &schema::SCOPE, &self.scope);
        list(&mut request, &schema::RESOURCE, &self.resource);
        switch(&mut request, self.id_token, &schema::ID_TOKEN, "--id-token", "true");
        one(&mut request, &schema::CLIENT_SECRET_FILE, &self.client_secret_file);
        one(&mut request, &schema::LOGIN_HINT, &self.login_hint);
        one(&mut request, &schema::STORE, &self.store);
        one(&mut request, &schema::CA_FILE, &self.ca_file);
        one(&mut request, &schema::PROXY, &self.proxy);
        one(&mut request, &schema::HTTP_TIMEOUT, &self.http_timeout);
        request
    }
}

impl BrowserArgs {
    fn add_to(&self, request: &mut Request) {
        one(request, &schema::BROWSER, &self.browser);
        switch(request, self.no_browser, &schema::BROWSER, "--no-browser", "none");
    }
}

fn one(request: &mut Request, setting: &'static schema::Setting, value: &Option<String>) {
    if let (Some(flag), Some(value)) = (setting.flag, value) {
        request.flags.push((setting, flag, vec![value.clone()]));
    }
}

fn list(request: &mut Request, setting: &'static schema::Setting, values: &[String]) {
    if let (Some(flag), false) = (setting.flag, values.is_empty()) {
        request.flags.push((setting, flag, values.to_vec()));
    }
}

fn switch(request: &mut Request, on: bool, setting: &'static schema::Setting, flag: &'static str, value: &str) {
    if on {
        request.flags.push((setting, flag, vec![value.to_owned()]));
    }
}

/// Reads a command line; `args` starts with the program's name.
///
/// # Errors
/// What clap prints: wrong usage, and also `--help` and `--version`. Its exit code is clap's (2 and 0).
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    refuse_secrets(&args)?;
    let implied = insert_login(&mut args);
    let mut cli = match Cli::command().try_get_matches_from(&args).and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(cli) => cli,
        Err(error) => return Err(explain(error, &args, implied)),
    };
    cli.global.nearest_command = implied.nearest_command;
    let target = match &cli.command {
        Command::Login(LoginArgs { target, .. })
        | Command::Token(TokenArgs { target, .. })
        | Command::Status(StatusArgs { target, .. })
        | Command::Logout(LogoutArgs { target, .. }) => target.target.clone(),
        Command::Profile(_) | Command::Completions(_) | Command::Man(_) => None,
    };
    match (target, &cli.global.profile) {
        (Some(target), Some(profile)) if target != *profile => {
            let [target, profile] = [target.as_str(), profile].map(foreign);
            let text = format!("TARGET `{target}` and `--profile {profile}` name different profiles");
            Err(usage(ErrorKind::ArgumentConflict, text))
        }
        (Some(target), _) => {
            cli.global.profile = Some(target);
            Ok(cli)
        }
        (None, _) => Ok(cli),
    }
}

/// Prints what [`parse`] gave in place of a command line, and gives the exit code: help and version are no failures.
pub fn report(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && wants_json(std::env::args_os()) {
        Ui { json: true, quiet: false, no_input: true }.error(&as_error(error));
        return ExitCode::from(Kind::Usage.exit_code());
    }
    // A closed stdout or stderr cannot be reported to anybody.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Whether the command line asks for JSON, even if it is otherwise wrong: its error should be an object too.
fn wants_json(args: impl IntoIterator<Item = OsString>) -> bool {
    args.into_iter().take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// A usage error in our own words, for `--json`: clap's first lines, without its usage text.
fn as_error(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut lines = text.lines().take_while(|line| !line.starts_with("Usage:"));
    let message = lines.next().unwrap_or_default().trim_start_matches("error: ");
    let error = Error::new(Kind::Usage, foreign(message));
    lines
        .filter_map(|line| line.trim().strip_prefix("hint: ").or_else(|| line.trim().strip_prefix("tip: ")))
        .fold(error, |error, hint| error.hint(foreign(hint)))
}

/// What was done to a command line that names no command.
#[derive(Clone, Copy, Default)]
struct Implied {
    nearest_command: Option<&'static str>,
}

/// Puts `login` in front of what belongs to it where no command is named.
///
/// Done here and not by clap: a positional TARGET beside subcommands would make `mdb-login --device token` and
/// `mdb-login prod token` mean something, and neither should.
fn insert_login(args: &mut Vec<OsString>) -> Implied {
    let mut implied = Implied::default();
    let mut position = 1;
    while let Some(arg) = args.get(position) {
        match global_words(arg) {
            0 => break,
            words => position += words,
        }
    }
    let position = position.min(args.len());
    if let Some(word) = args.get(position).and_then(|word| word.to_str()) {
        if COMMANDS.contains(&word) || matches!(word, "-h" | "--help" | "-V" | "--version") {
            return implied;
        }
        if !word.starts_with('-') {
            implied.nearest_command = schema::nearest(word, COMMANDS.iter().copied());
        }
    }
    args.insert(position, "login".into());
    implied
}

/// How many words a global option takes that stands before the command; 0 for anything else.
fn global_words(arg: &OsStr) -> usize {
    match arg.to_str() {
        Some("--json" | "--quiet" | "--verbose" | "--no-input") => 1,
        Some("--profile") => 2,
        Some(long) if long.starts_with("--profile=") => 1,
        Some(short) if short.len() > 1 && short.starts_with('-') && !short.starts_with("--") => {
            match short.trim_start_matches('-').trim_start_matches(['q', 'v']) {
                "" => 1,
                "p" => 2,
                value if value.starts_with('p') => 1,
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// `--client-secret` is what other tools call it. Its value is in the process list already, and never repeated here.
fn refuse_secrets(args: &[OsString]) -> Result<(), clap::Error> {
    let given = args
        .iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg.to_str().is_some_and(|arg| arg == "--client-secret" || arg.starts_with("--client-secret=")));
    if !given {
        return Ok(());
    }
    Err(usage(
        ErrorKind::UnknownArgument,
        "`--client-secret` is refused: every user of this machine can read a command line\n\
         hint: put the secret into a file that only you can read, and give `--client-secret-file PATH`\n\
         hint: if you have just typed a real secret, have it replaced",
    ))
}

/// Says more than clap does where clap cannot know better.
fn explain(error: clap::Error, args: &[OsString], implied: Implied) -> clap::Error {
    match error.kind() {
        ErrorKind::InvalidUtf8 => {
            let bad = args.iter().enumerate().skip(1).find_map(|(number, arg)| {
                let at = std::str::from_utf8(arg.as_encoded_bytes()).err()?.valid_up_to();
                Some((number, at))
            });
            match bad {
                Some((number, at)) => {
                    usage(ErrorKind::InvalidUtf8, format!("argument {number} is not UTF-8 (byte {})", at + 1))
                }
                None => error,
            }
        }
        ErrorKind::UnknownArgument => match implied.nearest_command {
            Some(command) => usage(
                ErrorKind::InvalidSubcommand,
                format!("there is no such command\nhint: did you mean `mdb-login {command}`?"),
            ),
            None => error,
        },
        _ => error,
    }
}

fn usage(kind: ErrorKind, message: impl std::fmt::Display) -> clap::Error {
    Cli::command().error(kind, message)
}

/// The long help of `profile set`: every key with its meaning.
fn set_help() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "Set values in a profile, and make it if it is new\n\nStores them in config.toml, where comments and order stay \
         as they are. Lists are separated by spaces. Nothing is contacted.\n\nKeys:",
    );
    for setting in schema::ALL {
        let _ = write!(text, "\n  {:25} {}", setting.key, setting.help);
    }
    text
}

/// Names of profiles for the shell's completion; none where the file cannot be read.
fn profile_candidates() -> Vec<CompletionCandidate> {
    let profiles = settings::profiles().unwrap_or_default();
    profiles
        .into_iter()
        .map(|profile| CompletionCandidate::new(profile.name).help(profile.issuer.map(Into::into)))
        .collect()
}

fn key_candidates() -> Vec<CompletionCandidate> {
    schema::ALL.iter().map(|setting| CompletionCandidate::new(setting.key).help(Some(setting.help.into()))).collect()
}

fn assignment_candidates() -> Vec<CompletionCandidate> {
    let assignment = |setting: &&schema::Setting| {
        CompletionCandidate::new(format!("{}=", setting.key)).help(Some(setting.help.into()))
    };
    schema::ALL.iter().map(|setting| assignment(setting)).collect()
}
