//! `mdb-login setup`: an identity provider, made ready for MongoDB.
//!
//! First the page with what to register, then, as far as issuer and client id are known: the provider is asked what it
//! supports, the profile is written, and the other side is printed. Nothing is written before the provider has answered
//! and, where values of a profile would go, somebody has agreed.
//!
//! For programs it is the same, with an audience in place of the client id, and with the keys of the provider in place of
//! what it supports: a MongoDB server needs nothing else of it.

mod page;
mod profile;
mod programs;
mod questions;
mod whom;

use serde_json::{Value, json};

use super::server::config::{self, Prepared, Side};
use crate::cli::{GlobalArgs, SetupArgs};
use crate::error::{Error, Kind, Result};
use crate::event_loop::block_on;
use crate::federation::Authorization;
use crate::federation::choices::Choices;
use crate::federation::emit::{Configuration, Format};
use crate::session::Session;
use crate::settings::schema::{self, Setting};
use crate::settings::{self, Replaced, Request, Settings};
use crate::signals;
use crate::ui::report::{self, Page, Row, Section};
use crate::ui::{Ui, foreign, shell_quoted};
use crate::vendor::Vendor;
use crate::vendor::issuer::{self, Flaw, Issuer, Piece};
use crate::vendor::recipe::Known;
use profile::{Change, Wanted};
use questions::Questions;
use whom::Whom;

pub fn run(args: &SetupArgs, global: &GlobalArgs, ui: &Ui) -> Result<()> {
    block_on(async {
        tokio::select! {
            biased;
            // One ear for the whole of it. What is written, is written in one step, between two waits.
            stop = signals::interrupted() => Err(stop),
            done = SetUp::new(args, global, ui)?.run() => done,
        }
    })?
}

/// One run.
struct SetUp<'a> {
    args: &'a SetupArgs,
    ui: &'a Ui,
    vendor: Vendor,
    whom: Whom,
    request: Request,
    choices: Choices,
    /// The profile to write.
    name: String,
    issuer: Option<Issuer>,
    client_id: Option<String>,
    /// Of programs: what their tokens are for.
    audience: Option<String>,
    questions: Questions<'a>,
}

impl<'a> SetUp<'a> {
    /// What was typed, judged.
    fn new(args: &'a SetupArgs, global: &GlobalArgs, ui: &'a Ui) -> Result<Self> {
        if args.interactive && !ui.can_ask() {
            return Err(Error::new(Kind::LoginRequired, "`--interactive` needs somebody at a terminal").hint(format!(
                "in a script, give what it would ask for: `mdb-login setup {} --help`",
                args.vendor.name()
            )));
        }
        let whom = Whom::of(args)?;
        let request = args.request(global);
        for (setting, flag, values) in &request.flags {
            check(setting, flag, values)?;
        }
        let name = settings::given_profile(global.profile.as_deref())?.unwrap_or_else(|| args.vendor.name().to_owned());
        let jwks_poll_secs = config::jwks_poll_secs(&args.federation)?;
        if let Some(client_id) = &args.provider.client_id {
            check(&schema::CLIENT_ID, "--client-id", std::slice::from_ref(client_id))?;
        }
        let mut this = Self {
            issuer: given_issuer(args)?,
            client_id: args.provider.client_id.clone(),
            audience: None,
            choices: args.federation.choices(jwks_poll_secs),
            vendor: args.vendor,
            whom,
            questions: Questions::new(ui),
            args,
            ui,
            request,
            name,
        };
        this.audience = this.known_audience()?;
        Ok(this)
    }

    async fn run(mut self) -> Result<()> {
        self.show_registration()?;
        if self.args.interactive {
            self.ask().await?;
        }
        let missing = self.missing()?;
        match self.issuer.clone() {
            Some(issuer) if missing.is_empty() => self.set_up(&issuer).await,
            _ => self.end_without(&missing),
        }
    }

    /// The page with what to register.
    fn show_registration(&self) -> Result<()> {
        let known = self.known()?;
        if self.ui.json {
            return Ok(());
        }
        let take = if self.missing()?.is_empty() { Vec::new() } else { self.to_take() };
        let mut sections = page::registration(self.whom.recipe(), &known, take);
        if let Whom::Program(programs, way) = self.whom {
            sections.extend(programs::other_ways(programs, way));
        }
        self.ui.data(report::report(&sections, Page::of_stdout()).as_bytes())
    }

    /// What fills the page, as far as it is known.
    fn known(&self) -> Result<Known> {
        let foreseen = settings::foresee(&self.name, &self.changes("", "")?, &self.request)?;
        let base = config::base(&foreseen.settings, self.whom.side());
        let (user_claim, authorization) = self.choices.claims(base.whose).map_err(config::refused)?;
        let client_id = self.client_id.clone().unwrap_or_else(|| "<client id>".to_owned());
        let audience = match self.whom {
            Whom::Program(programs, _) => self.audience.clone().unwrap_or_else(|| format!("<{}>", programs.audience)),
            Whom::People(_) if self.has_flag(&schema::AUDIENCE) => foreseen.settings.audience.clone(),
            Whom::People(_) => client_id.clone(),
        };
        let resource = foreseen.settings.resource.first();
        Ok(Known {
            kind: self.whom.kind().to_owned(),
            redirect_uri: redirect_uris(&foreseen.settings),
            audience: foreign(&audience),
            client_id: foreign(&client_id),
            resource: resource.map(|resource| foreign(resource)).unwrap_or_default(),
            user_claim,
            group_claim: authorization.claim().unwrap_or_default().to_owned(),
        })
    }

    fn has_flag(&self, setting: &'static Setting) -> bool {
        self.request.flags.iter().any(|(known, ..)| std::ptr::eq(*known, setting))
    }

    /// What has to be known before anything can be set up and is not, with the flags that say it.
    fn missing(&self) -> Result<Vec<(&'static str, String)>> {
        let mut missing = Vec::new();
        if self.issuer.is_none() {
            let needed = self.pieces().iter().filter(|piece| piece.default.is_none());
            let flags: Vec<String> =
                needed.map(|piece| format!("{} {}", piece.flag, page::placeholder(piece.flag))).collect();
            missing.push(("issuer", if flags.is_empty() { "--issuer URL".to_owned() } else { flags.join(" ") }));
        }
        if self.whom.is_client() && self.client_id.is_none() {
            missing.push(("client id", "--client-id ID".to_owned()));
        }
        if let (Whom::Program(programs, _), None) = (self.whom, &self.audience) {
            missing.push((programs.audience, format!("--audience {}", programs.audience_flag)));
        }
        if self.whom.way().is_some_and(|way| way.is_client) {
            let settings = self.foreseen()?;
            if settings.client_secret.is_none() && settings.client_key_file.is_none() {
                missing.push(("secret or key", "--client-secret-file PATH".to_owned()));
            }
        }
        Ok(missing)
    }

    /// The settings as they would be, by all that is known so far.
    fn foreseen(&self) -> Result<Settings> {
        let issuer = self.issuer.as_ref().map_or("", |issuer| issuer.issuer.as_str());
        let client_id = self.client_id.as_deref().unwrap_or_default();
        Ok(settings::foresee(&self.name, &self.changes(issuer, client_id)?, &self.request)?.settings)
    }

    fn pieces(&self) -> &'static [Piece] {
        self.whom.recipe().issuers.pieces
    }

    /// What the person needs of the provider's, and where it is.
    fn to_take(&self) -> Vec<Row> {
        let mut take = Vec::new();
        match self.whom {
            Whom::People(people) => take.push(Row::new(None, "client id", people.client_id_place)),
            Whom::Program(programs, _) => take.extend(programs::to_take(programs, self.whom.is_client())),
        }
        take.extend(page::issuer_to_take(self.whom.recipe().issuers));
        take
    }

    /// The command with which this one began, without what was missing.
    fn command(&self) -> String {
        let workload = if self.whom.way().is_some() { " --workload" } else { "" };
        format!("mdb-login setup {}{workload}", self.vendor.name())
    }

    /// Nothing is written, and that is said.
    fn end_without(self, missing: &[(&'static str, String)]) -> Result<()> {
        let flags: Vec<&str> = missing.iter().map(|(_, flags)| flags.as_str()).collect();
        let known = format!("{} {}", self.command(), flags.join(" "));
        let asked = format!("{} --interactive", self.command());
        if self.args.yes {
            let what = match missing {
                [(one, _)] => format!("the {one} is"),
                several => {
                    let names: Vec<&str> = several.iter().map(|(what, _)| *what).collect();
                    let (last, others) = names.split_last().unwrap_or((&"", &[]));
                    format!("{} and {last} are", others.join(", "))
                }
            };
            return Err(Error::new(Kind::Usage, format!("{what} not given, and `--yes` wants a profile written"))
                .hint(format!("run `{known} --yes`")));
        }
        if self.ui.json {
            return self.print_object(&[], Value::Null, vec![known, asked], Value::Null);
        }
        let page = Page::of_stdout();
        let mut text = format!("\n{}\n", page.heading("When it is registered"));
        for command in [known, asked] {
            text.push_str(&report::command(&words(&command), page));
        }
        self.ui.data(text.as_bytes())
    }

    /// Asks the provider, writes the profile, prints the other side.
    async fn set_up(mut self, issuer: &Issuer) -> Result<()> {
        // What the flags say of a server is judged before anybody is asked anything.
        let client_id = self.client_id.clone().unwrap_or_default();
        let changes = self.changes(&issuer.issuer, &client_id)?;
        let foreseen = settings::foresee(&self.name, &changes, &self.request)?;
        if let Some(variable) = foreseen.overruled_by {
            return Err(Error::new(
                Kind::Config,
                format!("`{variable}` is set, and would overrule what is set up here"),
            )
            .hint(format!("run `unset {variable}`, then the same command again")));
        }
        // The profile does not exist yet, so hints speak of flags.
        let mut nameless = foreseen.settings.clone();
        nameless.profile = None;
        self.check_kind(&nameless)?;
        let prepared = Prepared::new(&self.choices, &foreseen.settings, self.whom.side())?;
        let configuration = prepared.write(self.args.federation.format)?;

        let session = Session::new(&nameless, self.ui)?;
        let (checks, changes) = match self.whom {
            Whom::Program(_, way) => (programs::checks(way, issuer, &session, &nameless).await?, changes),
            Whom::People(people) => {
                let provider = session.provider().await?;
                let scopes = page::scopes(&nameless, &provider);
                let checks = page::checks(people, issuer, &provider, &nameless, &scopes);
                (checks, profile::without_offline_access(changes, &provider))
            }
        };
        if !self.ui.json {
            self.print(&[Section { heading: format!("{} says", self.product()), rows: checks.clone() }])?;
        }

        let foreseen = settings::foresee(&self.name, &changes, &self.request)?;
        self.agree(&foreseen.replaced).await?;
        settings::change_profile(&self.name, &changes, &foreseen.replaced)?;

        let commands = self.next_commands(&foreseen.settings, &prepared);
        if self.ui.json {
            let profile = json!({ "name": self.name, "changes": profile::object(&changes, &foreseen.replaced) });
            let server = json!({ "format": self.args.federation.format.name(), "configuration": configuration.text });
            let commands = commands.iter().map(|words| words.join(" ")).collect();
            return self.print_object(&checks, profile, commands, server);
        }
        let rows = profile::rows(&changes, &foreseen.replaced);
        let mut sections = vec![Section { heading: format!("Profile `{}`, written", self.name), rows }];
        if let Some(way) = self.whom.way() {
            sections.extend(programs::elsewhere(way, &changes, &self.known()?));
        }
        self.print(&sections)?;
        self.print_other_side(&commands, &prepared, &configuration, &foreseen.settings)
    }

    /// That the settings are of the kind that is set up here, and whole.
    fn check_kind(&self, settings: &Settings) -> Result<()> {
        let wanted = self.whom.kind();
        let found = settings.kind.name();
        if found != wanted {
            let origin = settings.origin(schema::KIND.key);
            return Err(Error::new(Kind::Config, format!("`kind` is `{found}` by {origin}, and not `{wanted}`"))
                .hint("take it away there, then run the same command again"));
        }
        settings.check_kind()
    }

    /// The profile's new values.
    fn changes(&self, issuer: &str, client_id: &str) -> Result<Vec<Change>> {
        let audience = self.audience.as_deref().unwrap_or_default();
        profile::changes(&self.name, Wanted { whom: self.whom, issuer, client_id, audience }, &self.request)
    }

    /// What the program's tokens are for, by flag, environment or profile.
    fn known_audience(&self) -> Result<Option<String>> {
        if self.whom.way().is_none() {
            return Ok(None);
        }
        Ok(Some(self.foreseen()?.audience).filter(|audience| !audience.is_empty()))
    }

    /// Somebody's word that values of a profile may go.
    async fn agree(&mut self, replaced: &[Replaced]) -> Result<()> {
        if replaced.is_empty() || self.args.yes {
            return Ok(());
        }
        let keys: Vec<&str> = replaced.iter().map(|replaced| replaced.key).collect();
        let what = format!("profile `{}` has other values already: {}", self.name, keys.join(", "));
        if !self.ui.can_ask() {
            return Err(Error::new(Kind::LoginRequired, what)
                .because_of("nobody is there who could say whether they may be replaced")
                .hint("give the new one another name with `--profile NAME`")
                .hint("if they may be replaced: add `--yes`"));
        }
        self.ui.tell(what);
        for Replaced { key, before } in replaced {
            self.ui.tell(format!("  {key} is `{}`", foreign(before)));
        }
        if self.questions.confirm("replace them?").await? {
            return Ok(());
        }
        Err(Error::new(Kind::Denied, "the profile was not changed, as you have said")
            .hint("give the new one another name with `--profile NAME`"))
    }

    /// The commands to go on with, as words to be joined.
    fn next_commands(&self, settings: &Settings, prepared: &Prepared) -> Vec<Vec<String>> {
        let name = shell_quoted(&self.name);
        let mut configure = words(&format!("mdb-login server config {name}"));
        configure.extend(self.config_flags(settings, prepared));
        vec![configure, words(&format!("mdb-login login {name}")), words(&format!("mdb-login inspect {name}"))]
    }

    /// The flags with which `server config` says the same as this command does now: it knows the profile, and guesses the
    /// vendor from the issuer, or from a program's kind.
    fn config_flags(&self, settings: &Settings, prepared: &Prepared) -> Vec<String> {
        let provider = &prepared.provider;
        let mut words = vec!["--name".to_owned(), shell_quoted(&provider.auth_name_prefix)];
        let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), shell_quoted(value)]);
        let named = Choices { name: Some(provider.auth_name_prefix.clone()), ..Choices::default() };
        let base = config::base(settings, Side::guess(settings, false).unwrap_or(self.whom.side()));
        let usual = named.decide(&base).ok();
        let usual = usual.as_ref();
        if usual.is_none_or(|usual| usual.request_scopes != provider.request_scopes) {
            provider.request_scopes.iter().for_each(|scope| flag("--request-scope", scope));
        }
        if usual.is_none_or(|usual| usual.authorization != provider.authorization) {
            match &provider.authorization {
                Authorization::GroupMembership(claim) => flag("--group-claim", claim),
                Authorization::UserId => flag("--authorization", "user"),
            }
        }
        if usual.is_none_or(|usual| usual.principal_name != provider.principal_name) {
            flag("--user-claim", &provider.principal_name);
        }
        if let Some(pattern) = &provider.match_pattern {
            flag("--match-pattern", pattern);
        }
        if let Some(seconds) = provider.jwks_poll_secs {
            flag("--jwks-poll", &format!("{seconds}s"));
        }
        if self.args.federation.format != Format::Yaml {
            flag("--format", self.args.federation.format.name());
        }
        words
    }

    fn print_other_side(
        &self,
        commands: &[Vec<String>],
        prepared: &Prepared,
        configuration: &Configuration,
        settings: &Settings,
    ) -> Result<()> {
        let page = Page::of_stdout();
        let mut text = format!("\n{}\n", page.heading("Next"));
        commands.iter().for_each(|words| text.push_str(&report::command(words, page)));
        let format = self.args.federation.format;
        text.push_str(&format!("\n{}\n", page.heading(&format!("For MongoDB: {}", format.name()))));
        text.push_str(&configuration.text);
        if format != Format::Roles && !prepared.principals.is_empty() {
            text.push_str(&format!("\n{}\n", page.heading(&format!("For MongoDB: {}", Format::Roles.name()))));
            text.push_str(&prepared.write(Format::Roles)?.text);
        }
        self.ui.data(text.as_bytes())?;
        let notes = prepared.notes(configuration, settings).into_iter().map(|note| Row::new(None, "-", note));
        self.print(&[Section { heading: "To be known".to_owned(), rows: notes.collect() }])
    }

    /// Prints sections below others.
    fn print(&self, sections: &[Section]) -> Result<()> {
        self.ui.data(format!("\n{}", report::report(sections, Page::of_stdout())).as_bytes())
    }

    fn product(&self) -> String {
        let mut name = self.whom.recipe().product.to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        name
    }

    fn print_object(&self, checks: &[Row], profile: Value, next: Vec<String>, server: Value) -> Result<()> {
        self.ui.object(json!({
            "vendor": self.vendor.name(),
            "product": self.whom.recipe().product,
            "kind": self.whom.kind(),
            "register": page::registration_object(self.whom.recipe(), &self.known()?),
            "issuer": self.issuer.as_ref().map(|issuer| &issuer.issuer),
            "client_id": self.client_id,
            "checks": page::checks_object(checks),
            "profile": profile,
            "next": next,
            "server": server,
        }))
    }
}

/// The issuer that the flags give, or what it is made of.
fn given_issuer(args: &SetupArgs) -> Result<Option<Issuer>> {
    let pieces = args.provider.pieces();
    let Some(text) = &args.provider.issuer else {
        return issuer::make(args.vendor, &pieces).map_err(|(flag, flaw)| flawed(flag, flaw));
    };
    if let Some((flag, _)) = pieces.first() {
        return Err(Error::new(Kind::Usage, format!("`--issuer` and `{flag}` say the same in two ways"))
            .hint("give one of them"));
    }
    read_issuer(args.vendor, text).map(Some).map_err(|flaw| flawed("--issuer", flaw))
}

/// Judges an issuer by the rules of its setting, and of its vendor.
fn read_issuer(vendor: Vendor, text: &str) -> Result<Issuer, Flaw> {
    schema::ISSUER.check(schema::Input::Text(text.into())).map_err(Flaw::new)?;
    issuer::read(vendor, text)
}

fn flawed(flag: &str, flaw: Flaw) -> Error {
    let error = Error::new(Kind::Usage, format!("`{flag}` {}", flaw.why));
    match flaw.instead {
        Some(instead) if instead.starts_with("mdb-login ") => error.hint(format!("run `{}`", foreign(&instead))),
        Some(instead) => error.hint(format!("give `{}`", foreign(&instead))),
        None => error,
    }
}

/// Judges a setting's value, or values, as they were typed.
fn judge(setting: &'static Setting, values: &[String]) -> Result<(), String> {
    setting.shape.read_flag(values).and_then(|input| setting.check(input))
}

fn check(setting: &'static Setting, flag: &str, values: &[String]) -> Result<()> {
    judge(setting, values).map_err(|reason| Error::new(Kind::Usage, format!("`{flag}` {reason}")))
}

/// The words of a command that need no quotes.
fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

fn redirect_uris(settings: &Settings) -> String {
    settings.redirect_uris.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
