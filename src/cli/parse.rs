//! From the words of a command line to [`Cli`]: what clap cannot say by itself.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser};

use super::{
    Cli, Command, DoctorArgs, ExecArgs, GlobalArgs, LoginArgs, LogoutArgs, ServerArgs, ServerCommand, StatusArgs,
    TokenArgs, TokenSource, VerifyArgs, complete, meant,
};
use crate::error::{Error, Kind};
use crate::mongo::uri::{self, is_connection_string};
use crate::ui::{Ui, foreign, nearest};

/// The words that are commands and not a TARGET.
const COMMANDS: &[&str] = &[
    "login",
    "token",
    "exec",
    "status",
    "logout",
    "discover",
    "verify",
    "inspect",
    "uri",
    "doctor",
    "profile",
    "server",
    "setup",
    "completions",
    "man",
    "help",
];

/// Reads a command line; `args` starts with the program's name.
///
/// # Errors
/// What clap prints: wrong usage, and also `--help` and `--version`. Its exit code is clap's (2 and 0).
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    refuse_secrets(&args)?;
    let implied = insert_login(&mut args);
    // With all commands defined there is an error or a help text for everything else.
    let mut cli = match parse_named(&args).map_or_else(|| Cli::try_parse_from(&args), Ok) {
        Ok(cli) => cli,
        Err(error) => return Err(explain(error, &args, implied.as_ref())),
    };
    let target = target(&cli.command).and_then(|(target, _)| target);
    if let Some(implied) = &implied {
        cli.global.nearest_command = implied.nearest_command;
        if let Some(command) = target.as_deref().filter(|target| COMMANDS.contains(target)) {
            return Err(usage(
                ErrorKind::ArgumentConflict,
                format!(
                    "the options of `{command}` must follow it\nhint: run `mdb-login {command} --help` to see them"
                ),
            ));
        }
    }
    with_target(cli)
}

/// The TARGET that was typed, and what was given with `--uri`, of a command that takes both.
fn target(command: &Command) -> Option<(Option<String>, Option<&String>)> {
    match command {
        Command::Login(LoginArgs { target, session, .. })
        | Command::Token(TokenArgs { target, session, .. })
        | Command::Exec(ExecArgs { target, session, .. })
        | Command::Status(StatusArgs { target, session, .. })
        | Command::Logout(LogoutArgs { target, session, .. })
        | Command::Verify(VerifyArgs { target, session, .. })
        | Command::Doctor(DoctorArgs { target, session, .. }) => Some((target.target.clone(), session.uri.as_ref())),
        Command::Server(ServerArgs { command: ServerCommand::Keys(args) }) => {
            Some((args.target.target.clone(), args.session.uri.as_ref()))
        }
        Command::Inspect(args) => {
            let target = args.target.clone().filter(|_| args.source() == TokenSource::Session);
            Some((target, args.session.uri.as_ref()))
        }
        Command::Discover(_)
        | Command::Uri(_)
        | Command::Profile(_)
        | Command::Server(_)
        | Command::Setup(_)
        | Command::Completions(_)
        | Command::Man(_) => None,
    }
}

/// TARGET is one with `--profile`, or with `--uri`, from here on.
fn with_target(mut cli: Cli) -> Result<Cli, clap::Error> {
    let (target, uri) = target(&cli.command).unwrap_or_default();
    if let Some(text) = target.as_ref().filter(|target| is_connection_string(target)) {
        if uri.is_some_and(|uri| uri != text) {
            return Err(usage(ErrorKind::ArgumentConflict, "TARGET and `--uri` are two connection strings"));
        }
        cli.global.target_uri = target;
        return Ok(cli);
    }
    match (target, &cli.global.profile) {
        (Some(target), Some(profile)) if target != *profile => {
            let [target, profile] = [&target, profile].map(|name| foreign(name));
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

/// What `--version` prints, if that is all that is asked.
pub fn version(args: impl IntoIterator<Item = OsString>) -> Option<&'static str> {
    let mut args = args.into_iter().skip(1);
    let is_asked = args.next().is_some_and(|arg| arg == "--version" || arg == "-V") && args.next().is_none();
    is_asked.then_some(concat!("mdb-login ", env!("CARGO_PKG_VERSION"), "\n"))
}

/// Reads a line that a cached token may answer. What is wrong with a line, and all help, comes from [`parse`].
pub fn parse_cached(args: impl IntoIterator<Item = OsString>) -> Option<Cli> {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(command_position(&args))? != "token" || complete::is_asked() {
        return None;
    }
    with_target(parse_alone(&args, "token", Command::Token)?).ok()
}

/// Reads a line as the command that it names, as [`parse_alone`] does.
fn parse_named(args: &[OsString]) -> Option<Cli> {
    match args.get(command_position(args))?.to_str()? {
        "login" => parse_alone(args, "login", Command::Login),
        "token" => parse_alone(args, "token", Command::Token),
        "exec" => parse_alone(args, "exec", Command::Exec),
        "status" => parse_alone(args, "status", Command::Status),
        "logout" => parse_alone(args, "logout", Command::Logout),
        "discover" => parse_alone(args, "discover", Command::Discover),
        "verify" => parse_alone(args, "verify", Command::Verify),
        "inspect" => parse_alone(args, "inspect", Command::Inspect),
        "doctor" => parse_alone(args, "doctor", Command::Doctor),
        "uri" => parse_alone(args, "uri", Command::Uri),
        "profile" => parse_alone(args, "profile", Command::Profile),
        "server" => parse_alone(args, "server", Command::Server),
        "setup" => parse_alone(args, "setup", Command::Setup),
        "completions" => parse_alone(args, "completions", Command::Completions),
        "man" => parse_alone(args, "man", Command::Man),
        _ => None,
    }
}

/// Reads a line as one command, without defining the others: that takes longer than everything else that handing out a
/// cached token needs, and a good part of what starting the full program takes. `None` for a line that is wrong or asks
/// for help or the version.
fn parse_alone<T: Args>(args: &[OsString], name: &'static str, command: fn(T) -> Command) -> Option<Cli> {
    let line = GlobalArgs::augment_args(clap::Command::new("mdb-login"));
    let matches = line.subcommand(T::augment_args(clap::Command::new(name))).try_get_matches_from(args).ok()?;
    let (_, given) = matches.subcommand()?;
    let command = command(T::from_arg_matches(given).ok()?);
    Some(Cli { global: GlobalArgs::from_arg_matches(&matches).ok()?, command })
}

/// Prints what [`parse`] gave in place of a command line, and gives the exit code: help and version are no failures.
pub fn report(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && wants_json(std::env::args_os()) {
        let args: Vec<OsString> = std::env::args_os().collect();
        Ui { json: true, quiet: false, no_input: true }.error(&as_error(error, &args));
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

/// A usage error in our own words, for `--json`: clap's lines, with the command that shows the help in place of its usage
/// text.
fn as_error(error: &clap::Error, args: &[OsString]) -> Error {
    let text = error.to_string();
    let command = command_of(args);
    let help = format!("run `{command} --help`");
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Error::new(Kind::Usage, format!("`{command}` takes a command, and none is given")).hint(help);
    }
    let mut lines = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim);
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    let (mut named, mut values, mut hints, mut is_over) = (Vec::new(), None, Vec::new(), false);
    for line in lines {
        is_over |= line.is_empty();
        if let Some(hint) = line.strip_prefix("hint: ").or_else(|| line.strip_prefix("tip: ")) {
            hints.push(foreign(hint));
        } else if let Some(possible) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            values = Some(foreign(possible));
        } else if !is_over {
            // What the first line ends with a colon for: the arguments that are missing, or in the way.
            named.push(line);
        }
    }
    if hints.is_empty() {
        hints.push(help);
    }
    let message = [&[first], &*named].concat().join(" ");
    values.into_iter().chain(hints).fold(Error::new(Kind::Usage, foreign(&message)), Error::hint)
}

/// The command that a line means, with the program's name. clap names it in its usage text alone, and not in every error.
fn command_of(args: &[OsString]) -> String {
    let (cli, position) = (Cli::command(), command_position(args));
    if !args.get(position).is_some_and(|word| is_command(word)) {
        return "mdb-login login".to_owned();
    }
    let (mut command, mut name) = (&cli, "mdb-login".to_owned());
    for word in args.iter().skip(position) {
        let Some(inner) = word.to_str().and_then(|word| command.find_subcommand(word)) else { break };
        (command, name) = (inner, format!("{name} {}", inner.get_name()));
    }
    name
}

/// What was done to a command line that names no command.
struct Implied {
    /// Where `login` was put.
    position: usize,
    /// The command that the first word looks like.
    nearest_command: Option<&'static str>,
}

/// Puts `login` in front of what belongs to it where no command is named.
///
/// Done here and not by clap: a positional TARGET beside subcommands would make `mdb-login --device token` and
/// `mdb-login prod token` mean something, and neither should.
fn insert_login(args: &mut Vec<OsString>) -> Option<Implied> {
    let position = command_position(args);
    let mut nearest_command = None;
    if let Some(word) = args.get(position) {
        if is_command(word) {
            return None;
        }
        if let Some(word) = word.to_str().filter(|word| !word.starts_with('-')) {
            nearest_command = nearest(word, COMMANDS.iter().copied());
        }
    }
    args.insert(position, "login".into());
    Some(Implied { position, nearest_command })
}

/// Where a command may stand in a command line: after the global options; at most its length.
pub(super) fn command_position(args: &[OsString]) -> usize {
    let mut position = 1;
    while let Some(arg) = args.get(position) {
        match global_words(arg) {
            0 => break,
            words => position += words,
        }
    }
    position.min(args.len())
}

/// Whether the word at [`command_position`] is a command, or an option that needs none.
pub(super) fn is_command(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| COMMANDS.contains(&word) || matches!(word, "-h" | "--help" | "-V" | "--version"))
}

/// How many words a global option takes that stands before the command; 0 for anything else.
pub(super) fn global_words(arg: &OsStr) -> usize {
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

/// What is in the process list already, and never repeated here: the value of `--client-secret`, which is what other tools
/// call it, tokens, and passwords in connection strings, also where no connection string belongs.
fn refuse_secrets(args: &[OsString]) -> Result<(), clap::Error> {
    // What stands behind the `--` of `exec` is its program's, and judged there.
    let is_exec = args.get(command_position(args)).is_some_and(|word| word == "exec");
    let own: Vec<_> =
        args.iter().skip(1).take_while(|arg| !is_exec || *arg != "--").map(|arg| arg.to_string_lossy()).collect();
    if own.iter().any(|arg| arg == "--client-secret" || arg.starts_with("--client-secret=")) {
        return Err(usage(
            ErrorKind::UnknownArgument,
            "`--client-secret` is refused: every user of this machine can read a command line\n\
             hint: put the secret into a file that only you can read, and give `--client-secret-file PATH`\n\
             hint: if you have just typed a real secret, have it replaced",
        ));
    }
    if own.iter().any(|arg| has_token(arg)) {
        return Err(usage(
            ErrorKind::InvalidValue,
            "a token is refused as an argument: every user of this machine can read a command line\n\
             hint: pipe it: `mdb-login inspect -` reads it from stdin, `mdb-login inspect FILE` from a file",
        ));
    }
    for (index, arg) in own.iter().enumerate() {
        if let Err(reason) = uri::check_text(arg) {
            let text = format!(
                "argument {}, a connection string, {reason}\nhint: every user of this machine can read a command line",
                index + 1
            );
            return Err(usage(ErrorKind::InvalidValue, text));
        }
    }
    Ok(())
}

/// Whether a JWT, signed or encrypted, stands in an argument, with or without something around it.
fn has_token(arg: &str) -> bool {
    let is_of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    arg.split(|c| !is_of_a_token(c)).any(|word| {
        let (head, rest) = word.split_once('.').unwrap_or_default();
        // Its header is a JSON object; a name that looks like one is not as long.
        let header = URL_SAFE_NO_PAD.decode(head).unwrap_or_default();
        head.len() >= 16 && header.starts_with(b"{") && rest.contains('.')
    })
}

/// Says more than clap does where clap cannot know better.
fn explain(error: clap::Error, args: &[OsString], implied: Option<&Implied>) -> clap::Error {
    let meant = match error.kind() {
        ErrorKind::UnknownArgument => meant::exec(args).or_else(|| meant::profile_set(args)),
        ErrorKind::MissingRequiredArgument => meant::exec(args),
        _ => None,
    };
    if let Some(text) = meant {
        return usage(error.kind(), text);
    }
    match error.kind() {
        ErrorKind::InvalidUtf8 => {
            let bad = args.iter().enumerate().skip(1).find_map(|(number, arg)| {
                let at = std::str::from_utf8(arg.as_encoded_bytes()).err()?.valid_up_to();
                // Counted as the person typed them.
                let shifted = implied.is_some_and(|implied| implied.position < number);
                Some((number - usize::from(shifted), at))
            });
            match bad {
                Some((number, at)) => {
                    usage(ErrorKind::InvalidUtf8, format!("argument {number} is not UTF-8 (byte {})", at + 1))
                }
                None => error,
            }
        }
        ErrorKind::UnknownArgument => match implied.and_then(|implied| implied.nearest_command) {
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::settings::schema;

    fn args(line: &str) -> Vec<OsString> {
        std::iter::once("mdb-login").chain(line.split_whitespace()).map(OsString::from).collect()
    }

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        parse(args(line))
    }

    #[test]
    fn the_command_whose_help_is_named() {
        for (line, expected) in [
            ("", "mdb-login login"),
            ("--device nonsense", "mdb-login login"),
            ("-p prod server check", "mdb-login server check"),
            ("profile", "mdb-login profile"),
            ("setup azure", "mdb-login setup"),
            ("token login", "mdb-login token"),
        ] {
            assert_eq!(command_of(&args(line)), expected, "for `{line}`");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
        let names: Vec<String> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        assert_eq!([names, vec!["help".to_owned()]].concat(), COMMANDS);
    }

    #[test]
    fn what_a_line_means() {
        let rows = [
            ("", "login", None),
            ("prod", "login", Some("prod")),
            ("--device", "login", None),
            ("-p prod", "login", Some("prod")),
            ("-p prod --device", "login", Some("prod")),
            ("--json", "login", None),
            ("--json token", "token", None),
            ("-v token prod", "token", Some("prod")),
            ("-vqp prod token", "token", Some("prod")),
            ("-pprod status", "status", Some("prod")),
            ("--profile=prod logout", "logout", Some("prod")),
            ("token -p prod", "token", Some("prod")),
            ("token prod -p prod", "token", Some("prod")),
            ("login token", "login", Some("token")),
            ("--issuer https://a --client-id token", "login", None),
            ("profile list", "profile", None),
            ("server check mongod.conf", "server", None),
            ("server keys prod", "server", Some("prod")),
            ("exec -- token", "exec", None),
            ("inspect", "inspect", None),
            ("inspect prod", "inspect", Some("prod")),
            ("inspect -", "inspect", None),
            ("inspect ./prod", "inspect", None),
            ("inspect token.jwt -p prod", "inspect", Some("prod")),
            ("exec prod -- mongosh -p x --json", "exec", Some("prod")),
        ];
        for (line, command, profile) in rows {
            let cli = parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let name = match cli.command {
                Command::Login(_) => "login",
                Command::Token(_) => "token",
                Command::Exec(_) => "exec",
                Command::Status(_) => "status",
                Command::Logout(_) => "logout",
                Command::Discover(_) => "discover",
                Command::Verify(_) => "verify",
                Command::Inspect(_) => "inspect",
                Command::Uri(_) => "uri",
                Command::Doctor(_) => "doctor",
                Command::Profile(_) => "profile",
                Command::Server(_) => "server",
                Command::Setup(_) => "setup",
                Command::Completions(_) => "completions",
                Command::Man(_) => "man",
            };
            assert_eq!((name, cli.global.profile.as_deref()), (command, profile), "for `{line}`");
        }
    }

    /// One command by itself reads a line as all of them together do, or leaves it to them.
    #[test]
    fn a_command_alone_means_the_same() {
        let tails = [
            "",
            "prod",
            "prod --json -vv",
            "-p prod --quiet",
            "--issuer https://a --client-id b --scope c",
            "--uri mongodb://db.example.com",
            "mongodb://db.example.com --trust-host db.example.com --privileges",
            "--output json --min-ttl 1m",
            "prod --inject k8s -- mongosh --json -p x",
            "--all",
            "--all prod",
            "check mongod.conf",
            "entra --interactive --client-id b",
            "set prod issuer=https://a",
            "list --json",
            "bash",
            "--dir man",
            "--help",
            "-h",
            "--version",
            "--nonsense",
            "help",
        ];
        for command in COMMANDS {
            let mut read = 0;
            for line in tails.iter().flat_map(|tail| [format!("{command} {tail}"), format!("-qp a {command} {tail}")]) {
                let args: Vec<OsString> = format!("mdb-login {line}").split_whitespace().map(OsString::from).collect();
                let alone = parse_named(&args).map(|cli| format!("{cli:?}"));
                assert_eq!(alone, Cli::try_parse_from(&args).ok().map(|cli| format!("{cli:?}")), "for `{line}`");
                read += usize::from(alone.is_some());
            }
            assert!(read > 0 || *command == "help", "no line of `{command}` is right");
        }
    }

    #[test]
    fn lines_that_are_refused() {
        let secret = "`--client-secret` is refused: every user of this machine can read a command line";
        let token = "a token is refused as an argument: every user of this machine can read a command line";
        let password = "argument 3, a connection string, has a password, and MONGODB-OIDC takes none: leave it out, and have \
                        it replaced if it is a real one";
        let jwt = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJodW50ZXIyIjoxfQ.c2ln";
        let rows = [
            (&*format!("inspect {jwt}"), token),
            (&format!("inspect prod {jwt}"), token),
            (jwt, token),
            (&format!("inspect --server-config={jwt}"), token),
            (&format!("inspect 'Bearer\u{a0}{jwt}'"), token),
            (&format!("token {{\"access_token\":\"{jwt}\"}}"), token),
            (&format!("inspect {jwt}.x.y"), token),
            ("verify prod mongodb://ada:hunter2@h", password),
            ("verify -- mongodb://ada:hunter2@h x", password),
            ("exec mongosh mongodb://ada:hunter2@h", password),
            ("inspect a -p b", "TARGET `a` and `--profile b` name different profiles"),
            ("--client-secret hunter2", secret),
            ("login --client-secret=hunter2", secret),
            ("token a -p b", "TARGET `a` and `--profile b` name different profiles"),
            ("--device token", "the options of `token` must follow it"),
            ("tokne --force-refresh", "there is no such command"),
            ("prod token", "unexpected argument 'token' found"),
            ("setup", "the following required arguments were not provided: <VENDOR>"),
            ("profile rename", "the following required arguments were not provided: <OLD> <NEW>"),
            ("profile", "`mdb-login profile` takes a command, and none is given"),
            ("--issuer https://a --issuer https://b", "the argument '--issuer <URL>' cannot be used multiple times"),
            ("status --all prod", "the argument '--all' cannot be used with '[TARGET]'"),
            ("--browser x --no-browser", "the argument '--browser <COMMAND>' cannot be used with '--no-browser'"),
        ];
        for (line, expected) in rows {
            let error = parsed(line).expect_err(line);
            let shown = error.to_string();
            assert!(!shown.contains("hunter2") && !shown.contains("eyJ"), "{shown}");
            assert_eq!(error.exit_code(), 2, "for `{line}`");
            assert_eq!(as_error(&error, &args(line)).message(), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn arguments_that_are_not_utf8_are_counted_as_typed() {
        use std::os::unix::ffi::OsStringExt;
        let line = ["mdb-login", "--issuer"].map(OsString::from).into_iter();
        let error = parse(line.chain([OsString::from_vec(b"ab\xff".to_vec())])).unwrap_err();
        assert_eq!(as_error(&error, &[]).message(), "argument 2 is not UTF-8 (byte 3)");
        assert_eq!(error.exit_code(), 2);
    }

    /// Every setting that has a flag is taken by `login` or `token`, and by the name that its row says.
    #[test]
    fn flags_and_table_agree() {
        let command = Cli::command();
        let flags = |name: &str| -> Vec<String> {
            let args = command.find_subcommand(name).unwrap().get_arguments();
            args.filter_map(|arg| arg.get_long().map(|long| format!("--{long}"))).collect()
        };
        let (login, token, verify) = (flags("login"), flags("token"), flags("verify"));
        for setting in schema::ALL {
            let Some(flag) = setting.flag else { continue };
            let takes = match setting.key {
                "min_ttl" => &token,
                "allowed_host" => &verify,
                _ => &login,
            };
            assert!(takes.iter().any(|known| known == flag), "{flag}");
        }
        let all = "login --uri u --issuer i --client-id c --audience a --scope s --resource r --id-token --client-secret-file f \
                   --device --redirect-uri u --prompt p --acr-values v --max-age 1 --domain-hint d --login-hint l \
                   --auth-param a=b --no-nonce --timeout 1m --browser b --store file --ca-file f --proxy p \
                   --http-timeout 1s --kind gcp --identity i --client-key-file f --client-certificate-file f \
                   --client-key-id k --credentials-file f --impersonate a --source-file f --source-command c";
        let Cli { global, command: Command::Login(args), .. } = parsed(all).unwrap() else { panic!("not login") };
        let given: Vec<&str> = args.request(&global).flags.iter().map(|(_, flag, _)| *flag).collect();
        for setting in schema::ALL.iter().filter(|setting| !["min_ttl", "allowed_host"].contains(&setting.key)) {
            let Some(flag) = setting.flag else { continue };
            assert!(given.contains(&flag), "{flag} is not passed on");
        }
    }

    /// The first line of every help fits on one line of a narrow terminal, and every visible command has an example.
    #[test]
    fn help_is_short_first_and_complete_after() {
        fn visit(command: &clap::Command, path: &str) {
            let about = command.get_about().unwrap_or_else(|| panic!("{path} has no help")).to_string();
            assert!(about.len() <= 80 && !about.ends_with('.') && !about.contains('\n'), "{path}: {about}");
            for arg in command.get_arguments().filter(|arg| !arg.is_global_set()) {
                assert!(arg.get_help().is_some(), "{path}: {} has no help", arg.get_id());
            }
            for inner in command.get_subcommands() {
                visit(inner, &format!("{path} {}", inner.get_name()));
            }
            let example = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains("Example"), "{path} has no example");
        }
        visit(&Cli::command(), "mdb-login");
    }
}
