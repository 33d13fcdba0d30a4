//! `mdb-login server config`: what a MongoDB server is to be told of the provider.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::FederationArgs;
use crate::error::{Error, Kind, Result};
use crate::federation::choices::{Base, Choices, Refusal, Whose};
use crate::federation::emit::{self, Configuration, Format, Principals, Unfit};
use crate::federation::{self, Authorization, Finding, IdentityProvider};
use crate::settings::{Origin, Settings, duration, schema};
use crate::ui::report::{Mark, Page};
use crate::ui::{Ui, foreign, shell_quoted};
use crate::vendor::Vendor;
use crate::vendor::recipe::{People, Programs, Recipe};

pub fn run(args: &FederationArgs, settings: &Settings, ui: &Ui) -> Result<()> {
    let side = Side::guess(settings, args.workload)?;
    let prepared = Prepared::new(&args.choices(jwks_poll_secs(args)?), settings, side)?;
    if args.format == Format::Roles && prepared.principals.names.is_empty() {
        let (flag, whom) = prepared.principal_flag();
        return Err(Error::new(Kind::Usage, format!("`--format roles` needs the names of {whom}"))
            .hint(format!("add `{flag} NAME`, once for each")));
    }
    if args.format != Format::Roles && !prepared.principals.is_empty() {
        return Err(Error::new(Kind::Usage, format!("the format `{}` creates nobody", args.format.name()))
            .hint("give `--group`, `--user` and `--grant` together with `--format roles`"));
    }
    let configuration = prepared.write(args.format)?;
    let notes = prepared.notes(&configuration, settings);
    if ui.json {
        return ui.object(json!({
            "format": args.format.name(), "configuration": configuration.text, "notes": notes,
        }));
    }
    ui.data(configuration.text.as_bytes())?;
    notes.into_iter().for_each(|note| ui.note(note));
    Ok(())
}

/// Whom the server is to take tokens of, with what is known of the vendor's product for them.
#[derive(Clone, Copy)]
pub enum Side {
    People(&'static People),
    Programs(&'static Programs),
}

impl Side {
    pub fn recipe(self) -> &'static Recipe {
        match self {
            Self::People(people) => &people.recipe,
            Self::Programs(programs) => &programs.recipe,
        }
    }

    /// By the settings alone: a program's kind or issuer tells whose tokens it has.
    pub fn guess(settings: &Settings, workload: bool) -> Result<Self> {
        let vendor = Vendor::of(&settings.issuer);
        if workload || settings.kind.is_program() {
            let by_kind = Vendor::of_kind(settings.kind.name()).and_then(Vendor::programs);
            let programs = by_kind.or_else(|| vendor.programs()).or_else(|| Vendor::Generic.programs());
            return programs.map(Self::Programs).ok_or_else(|| nobody(vendor));
        }
        vendor.people().map(Self::People).ok_or_else(|| nobody(vendor))
    }
}

/// People do not sign in there.
pub fn nobody(vendor: Vendor) -> Error {
    Error::new(Kind::Usage, format!("{} vouches for programs, and nobody signs in there", vendor.product()))
        .hint("if it is for programs: add `--workload`")
}

/// What a server is to be told, checked and not written yet.
pub struct Prepared {
    pub provider: IdentityProvider,
    pub principals: Principals,
    /// What a server would bear, and people might not.
    doubts: Vec<String>,
}

impl Prepared {
    /// Decides what `choices` and settings leave open, by the rules of the newest server.
    ///
    /// # Errors
    /// `Kind::Usage`, naming the flag.
    pub fn new(choices: &Choices, settings: &Settings, side: Side) -> Result<Self> {
        let provider = choices.decide(&base(settings, side)).map_err(|refusal| unsettled(refusal, settings, side))?;
        let principals = choices.principals(&provider).map_err(refused)?;
        let doubts = judge(&provider)?;
        Ok(Self { provider, principals, doubts })
    }
}

/// What `server check` would say of it.
fn judge(provider: &IdentityProvider) -> Result<Vec<String>> {
    let list: Value = serde_json::from_str(&emit::list(provider)).unwrap_or_default();
    // Plain http is for servers that are started for tests, and they are told so.
    let tests = is_for_tests(provider);
    let text = json!({ "oidcIdentityProviders": list, "enableTestCommands": tests }).to_string();
    let mut doubts = Vec::new();
    for Finding { path, mark, message, hint, .. } in federation::read(&text).findings {
        let flag = flag(path.rsplit('.').next().unwrap_or_default());
        if mark == Mark::Fail {
            let error = Error::new(Kind::Usage, format!("`{flag}`: {message}"));
            return Err(hint.into_iter().fold(error, Error::hint));
        }
        doubts.push(match hint {
            Some(hint) => format!("`{flag}`: {message}; {hint}"),
            None => format!("`{flag}`: {message}"),
        });
    }
    Ok(doubts)
}

fn is_for_tests(provider: &IdentityProvider) -> bool {
    provider.issuer.starts_with("http:")
}

/// The flag that a field of `oidcIdentityProviders` is given with.
fn flag(field: &str) -> &str {
    match field.split('[').next().unwrap_or_default() {
        "issuer" => "--issuer",
        "audience" => "--audience",
        "authNamePrefix" => "--name",
        "clientId" => "--client-id",
        "requestScopes" => "--request-scope",
        "principalName" => "--user-claim",
        "authorizationClaim" => "--group-claim",
        "matchPattern" => "--match-pattern",
        "JWKSPollSecs" => "--jwks-poll",
        field => field,
    }
}

/// What the settings say of a server's side. Programs of a platform have the issuer that everybody has there.
pub fn base(settings: &Settings, side: Side) -> Base<'_> {
    let chosen = *settings.origin(schema::SCOPE.key) != Origin::BuiltIn;
    let (whose, issuer) = match side {
        Side::People(recipe) => {
            let scopes = chosen.then_some(settings.scopes.list.as_slice());
            (Whose::People { client_id: &settings.client_id, scopes, recipe }, settings.issuer.as_str())
        }
        Side::Programs(programs) => {
            let only = programs.recipe.issuers.only().filter(|_| settings.issuer.is_empty());
            (Whose::Programs(programs), only.unwrap_or(&settings.issuer))
        }
    };
    // For people the client id stands for an audience that nobody has named, whoever's kind the profile is of.
    let audience = match (side, settings.audience.as_str()) {
        (Side::Programs(_), audience) if audience == settings.client_id && is_unsaid(settings) => "",
        (_, audience) => audience,
    };
    Base { issuer, audience, profile: settings.profile.as_deref(), whose }
}

fn is_unsaid(settings: &Settings) -> bool {
    *settings.origin(schema::AUDIENCE.key) == Origin::BuiltIn
}

pub fn refused(refusal: Refusal) -> Error {
    let error = Error::new(Kind::Usage, format!("`{}` {}", refusal.flag, refusal.why));
    match refusal.flag {
        "--audience" if refusal.why.starts_with("is missing") => {
            error.hint("give what the tokens have in `aud`: `--audience AUDIENCE`")
        }
        _ => error,
    }
}

/// The same, for a choice that settings could have made.
fn unsettled(refusal: Refusal, settings: &Settings, side: Side) -> Error {
    let flag = refusal.flag;
    let error = refused(refusal);
    let both = match side {
        Side::People(_) => "`--issuer` and `--client-id`",
        Side::Programs(_) => "`--issuer` and `--audience`",
    };
    match (flag, &settings.uri, &settings.profile) {
        ("--issuer", Some(uri), _) => error
            .because_of(format!("nobody has signed in for `{}` yet", foreign(&uri.server())))
            .hint(format!("run `mdb-login login {}`, or give {both}", shell_quoted(&uri.text()))),
        ("--issuer" | "--client-id", _, Some(profile)) => {
            error.because_of(format!("the profile `{profile}` has none")).hint(format!("give {both}"))
        }
        ("--issuer" | "--client-id", _, None) => error.hint(format!("name a profile, or give {both}")),
        _ => error,
    }
}

pub fn jwks_poll_secs(args: &FederationArgs) -> Result<Option<u32>> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let Some(text) = &args.jwks_poll else { return Ok(None) };
    let refuse = |reason: String| Error::new(Kind::Usage, format!("`--jwks-poll` {reason}"));
    let duration = duration(text, (Duration::ZERO, YEAR)).map_err(refuse)?;
    if duration.subsec_nanos() > 0 {
        return Err(refuse("must be whole seconds".to_owned()));
    }
    Ok(u32::try_from(duration.as_secs()).ok())
}

impl Prepared {
    /// Writes it down.
    pub fn write(&self, format: Format) -> Result<Configuration> {
        emit::emit(format, &self.provider, &self.principals, Page::of_stdout()).map_err(|unfit| {
            let (field, why) = match unfit {
                Unfit::NoPlace(field) => (field, format!("has no place in the format `{}`", format.name())),
                Unfit::TooLong(field, max) => {
                    (field, format!("may have {max} characters in the format `{}`", format.name()))
                }
            };
            Error::new(Kind::Usage, format!("`{}` {why}", flag(field)))
        })
    }

    /// For people: what the configuration itself cannot say.
    pub fn notes(&self, configuration: &Configuration, settings: &Settings) -> Vec<String> {
        let mut notes = [self.doubts.clone(), configuration.notes.clone()].concat();
        if settings.id_token_as_access_token {
            notes.push(
                "the profile hands over the ID token; mongosh by itself does so with `--oidcIdTokenAsAccessToken`"
                    .to_owned(),
            );
        }
        if !self.provider.supports_human_flows {
            notes.push("MongoDB takes tokens of programs from 7.0.11 on".to_owned());
            if self.provider.authorization == Authorization::UserId && self.principals.is_empty() {
                notes.push(
                    "a program without a user in `$external` does not get in: `--format roles --user NAME --grant ROLE@DATABASE`"
                        .to_owned(),
                );
            }
        }
        if is_for_tests(&self.provider) {
            notes.push(
                "servers take an issuer without TLS only when they are started for tests (`enableTestCommands`)"
                    .to_owned(),
            );
        }
        notes
    }

    /// The flag that names principals, and whom it names.
    fn principal_flag(&self) -> (&'static str, &'static str) {
        match self.provider.authorization {
            Authorization::GroupMembership(_) => ("--group", "groups"),
            Authorization::UserId => ("--user", "users"),
        }
    }
}
