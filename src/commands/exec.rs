//! `mdb-login exec`: run a program that gets live tokens.
//!
//! Where the program will send them is judged before there is a [`Plan`], so nothing is handed over otherwise.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::{ExecArgs, GlobalArgs, Inject};
use crate::error::{Error, Kind, Result};
use crate::inject::{self, Need, Plan, SessionProvider, Way};
use crate::mongo::arguments::{self, Found};
use crate::mongo::hosts;
use crate::mongo::uri::{Uri, is_connection_string};
use crate::secret::source::Source;
use crate::session::{Freshness, Session, meant, server};
use crate::settings::{Origin, Settings, schema};
use crate::ui::{Ui, foreign, shell_quoted};

pub fn run(args: &ExecArgs, global: &GlobalArgs, ui: &Ui) -> Result<ExitCode> {
    let command = Command::of(args)?;
    let request = args.request(global);
    let uris: Vec<&Uri> = command.found.iter().map(|found| &found.uri).collect();
    // `mdb-login URI` and then `mdb-login exec -- mongosh URI` are one thing to a person.
    let settings = meant::settings_to_connect(&request, &uris, &|uri| format!("exec {uri} -- …"))?;
    if matches!(settings.client_secret, Some(Source::Stdin(_))) {
        let what = "a client secret from stdin cannot be used here: stdin is the program's";
        return Err(Error::new(Kind::Usage, what)
            .hint("put it into a file that only you can read, or set `client_secret_command`"));
    }
    let session = Session::new(&settings, ui)?;
    let plan = Plan { token_file: session.token_file(), ..plan(args, &settings, command, ui)? };
    if args.print_env {
        return inject::print_env(&plan, ui).map(|()| ExitCode::SUCCESS);
    }
    let source = |need| session.token(&Freshness { min_ttl: settings.min_ttl, force: need == Need::Renewed });
    inject::run(&plan, source, ui)
}

/// What was typed after `--`.
struct Command {
    program: OsString,
    args: Vec<OsString>,
    found: Vec<Found>,
}

impl Command {
    fn of(args: &ExecArgs) -> Result<Self> {
        let (program, rest): (OsString, Vec<OsString>) = match args.command.split_first() {
            Some((program, rest)) => (program.clone(), rest.to_vec()),
            None => Default::default(),
        };
        let text = program.to_string_lossy();
        if is_connection_string(&text) {
            // Repeated only if it holds no password.
            let uri = Uri::parse(&text).ok().filter(|uri| uri.check_secrets().is_ok());
            let uri = uri.map_or_else(|| "URI".to_owned(), |uri| shell_quoted(&uri.text()));
            return Err(Error::new(Kind::Usage, "no program is named before the connection string")
                .hint(format!("run `mdb-login exec -- mongosh {uri}`")));
        }
        let found = arguments::find(&rest).map_err(|(number, reason)| {
            Error::new(Kind::Usage, format!("the program's argument {number}, a connection string, {reason}"))
        })?;
        Ok(Self { program, args: rest, found })
    }
}

/// How the program is handed tokens of this session.
fn way(args: &ExecArgs, settings: &Settings, command: &Command) -> Result<Way> {
    Ok(match args.inject {
        // mongosh's own protocol is for people: it asks the server first with whom they sign in.
        Inject::Auto if settings.kind.is_program() => Way::by_file(),
        Inject::Auto => Way::for_program(&command.program, &command.args),
        Inject::Mongosh if settings.kind.is_program() => {
            let kind = settings.kind.name();
            let what = format!("`--inject mongosh` is for people, and this session is of the kind `{kind}`");
            return Err(Error::new(Kind::Usage, what).hint("leave it out: mongosh reads the token from a file as well"));
        }
        Inject::Mongosh => Way::Mongosh,
        Inject::K8s => Way::K8s,
        Inject::File => Way::File,
    })
}

fn plan(args: &ExecArgs, settings: &Settings, command: Command, ui: &Ui) -> Result<Plan> {
    let way = way(args, settings, &command)?;
    let Command { program, args: mut rest, found } = command;
    judge(settings, &program, &rest, &found)?;
    if !args.print_env {
        check_seen(settings, &program, &rest, &found)?;
    }
    let ready = |uri: &Uri| {
        let uri = if way == Way::Mongosh { uri.with_mechanism() } else { uri.for_token_file() };
        if settings.insecure_server { uri } else { uri.staying() }
    };
    for Found { uri, .. } in &found {
        if let (Some(user), Way::K8s | Way::File) = (uri.user(), way) {
            let user = foreign(&user);
            ui.note(format!("the user name `{user}` is left out of the connection string: the token says who you are"));
        }
    }
    arguments::rewrite(&mut rest, &found, ready);
    if let (Way::Mongosh, Some(at)) = (way, found.iter().find(|found| needs_mongosh_s_trust(&found.uri))) {
        // mongosh has a list of its own and knows nothing of the profile's; its flag means the hosts of its own URI.
        // Before that, because after a `--` it would be the name of a file.
        rest.insert(at.index, "--oidcTrustedEndpoint".into());
    }
    if way == Way::Mongosh && found.is_empty() && settings.uri.is_some() {
        ui.note(
            "mongosh is given no connection string, and connects to this machine; the profile's is in `$MDB_LOGIN_URI`",
        );
    }
    let uri = found.first().map(|found| &found.uri).or(settings.uri.as_ref());
    Ok(Plan {
        program,
        args: rest,
        way,
        env: variables(settings, uri.map(ready)),
        provider: SessionProvider { issuer: settings.issuer.clone(), client_id: settings.client_id.clone() },
        token_file: None,
        allow_nested: args.nested,
        allow_cloud_env: args.allow_cloud_env,
    })
}

/// What programs find that are told by their environment where to connect. With it goes which session this is, or an
/// mdb-login inside would take the connection string for somebody's wish and look for another one.
fn variables(settings: &Settings, uri: Option<Uri>) -> Vec<(OsString, OsString)> {
    let session = settings.session_environment();
    let uri = uri.map(|uri| (schema::URI.env.to_owned(), uri.text()));
    session.into_iter().chain(uri).map(|(name, value)| (name.into(), value.into())).collect()
}

/// That tokens may go where the program will send them, as far as its command line shows.
fn judge(settings: &Settings, program: &OsString, args: &[OsString], found: &[Found]) -> Result<()> {
    let uris: Vec<&Uri> = match found {
        // What the program finds in `MDB_LOGIN_URI`.
        [] => settings.uri.iter().collect(),
        found => found.iter().map(|found| &found.uri).collect(),
    };
    for uri in &uris {
        let bad = |reason| Error::new(Kind::Usage, format!("the connection string {reason}"));
        if uri.names_a_platform()
            && uri.built_in().map_err(bad)?.is_some_and(|built_in| !settings.is_what_drivers_use(&built_in))
        {
            return Err(Error::new(Kind::Usage, "the connection string asks for tokens of the cloud (`ENVIRONMENT`)")
                .because_of("the session that is meant has others, and a program has the tokens of one session")
                .hint("leave `authMechanismProperties` out, and the program gets those of your session")
                .hint("or name no session, and the program gets those of the cloud"));
        }
        server::check_hosts(settings, uri)?;
        hosts::check_members(uri, server::trust_of(settings))?;
    }
    let flags = arguments::flags(program, args);
    hosts::check_flags(&flags.hosts, flags.tls, flags.unsafe_flag.as_deref(), server::trust_of(settings))
}

/// That something shows where the program will send its tokens, or somebody has said where they may go.
fn check_seen(settings: &Settings, program: &OsString, args: &[OsString], found: &[Found]) -> Result<()> {
    // What the profile trusts was said with other commands in mind.
    let is_trusted_now = matches!(settings.origin(schema::ALLOWED_HOST.key), Origin::Flag(_));
    let unseen = |why: &str| {
        let program = foreign(&program.to_string_lossy());
        let what = format!("`{program}` {why}, so nobody can see where it would send your token");
        Error::new(Kind::Usage, what)
    };
    let trust = "if you know the host that it connects to, say that you trust it: `--trust-host HOST`";
    if let Some(hidden) = arguments::hidden(program, args, found).filter(|_| !is_trusted_now) {
        return Err(unseen(hidden).hint(trust));
    }
    let is_seen = !found.is_empty() || settings.uri.is_some() || !arguments::flags(program, args).hosts.is_empty();
    if is_seen || !settings.allowed_hosts.is_empty() {
        return Ok(());
    }
    let example = "run `mdb-login exec -- mongosh mongodb+srv://HOST`";
    if program.is_empty() {
        return Err(Error::new(Kind::Usage, "no program is named").hint(example));
    }
    let give = if Way::for_program(program, args) == Way::Mongosh {
        example
    } else {
        "if it takes one, put it into its arguments, or read it from `MDB_LOGIN_URI` and give it to mdb-login: `--uri`"
    };
    Err(unseen("is given no connection string here").hint(give).hint(trust))
}

/// Whether mongosh would refuse a host of this connection string that we have judged to be trusted.
fn needs_mongosh_s_trust(uri: &Uri) -> bool {
    uri.names().iter().any(|host| !hosts::is_allowed(host, &[]))
}
