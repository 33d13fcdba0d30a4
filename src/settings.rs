//! What is meant: flag, environment, profile, `[defaults]` and built-in value, resolved once into one immutable value.
//!
//! [`schema`] is the table of settings, [`values`] says what each may be, [`file`] reads `config.toml`, [`layers`] puts
//! the sources on one another, [`choice`] picks the profile, [`kind`] knows what each kind of session needs, [`edit`]
//! changes the file, and [`dirs`] knows where things live.

mod choice;
pub mod dirs;
pub mod edit;
mod file;
mod kind;
mod layers;
pub mod schema;
mod values;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use layers::Layers;
use schema::{Input, Setting, Shape};
pub use values::{
    AssertionAudience, AuthorizationParams, BrowserChoice, FlowChoice, Identity, RedirectHost, RedirectUri, Scopes,
    duration, is_secret_name, profile_name,
};

use crate::error::{Error, Kind, Result};
use crate::mongo::uri::{BuiltIn, Uri};
use crate::secret::source::Source;
use crate::store::pins::{self, Pin};
use crate::store::{ProgramKey, SessionId, SessionKey};
pub use crate::store::{SessionKind, StoreChoice};
use crate::ui::shell_quoted;

/// Everything that can be chosen, immutable once resolved. [`Settings::origin`] says where a value came from.
#[derive(Clone, Debug)]
pub struct Settings {
    pub profile: Option<String>,
    /// The server that is asked for the provider, and connected to.
    pub uri: Option<Uri>,
    pub kind: SessionKind,
    /// https, or http on loopback; byte for byte as written. Empty where a program's token may be from anybody.
    pub issuer: String,
    /// Empty for programs that are no clients of a provider.
    pub client_id: String,
    /// Empty where a program's token may be for anybody.
    pub audience: String,
    pub scopes: Scopes,
    /// RFC 8707.
    pub resource: Vec<String>,
    pub authorization: AuthorizationParams,
    pub client_secret: Option<Source>,
    pub client_key_file: Option<PathBuf>,
    pub client_certificate_file: Option<PathBuf>,
    pub client_key_id: Option<String>,
    /// `None`: the token endpoint.
    pub client_assertion_audience: Option<AssertionAudience>,
    pub identity: Option<Identity>,
    pub credentials_file: Option<PathBuf>,
    pub impersonate: Option<String>,
    pub source_file: Option<PathBuf>,
    /// Empty where there is none.
    pub source_command: Vec<String>,
    /// In the order in which they are tried; never empty.
    pub redirect_uris: Vec<RedirectUri>,
    pub ca_file: Option<PathBuf>,
    /// Without credentials.
    pub proxy: Option<String>,
    /// For one request.
    pub http_timeout: Duration,
    /// For the person.
    pub timeout: Duration,
    pub device_fallback: bool,
    pub flow: FlowChoice,
    pub id_token_as_access_token: bool,
    pub nonce: bool,
    pub browser: BrowserChoice,
    pub store: StoreChoice,
    /// Patterns, beyond the default list of [`crate::mongo::hosts`].
    pub allowed_hosts: Vec<String>,
    pub insecure_server: bool,
    pub endpoint_hosts: Vec<String>,
    /// `None`: the session's own rule.
    pub min_ttl: Option<Duration>,
    /// Of the settings that are not built in.
    origins: Vec<(&'static str, Origin)>,
}

/// What a session's key is made of.
pub const SESSION_SETTINGS: [&Setting; 13] = [
    &schema::KIND,
    &schema::ISSUER,
    &schema::CLIENT_ID,
    &schema::AUDIENCE,
    &schema::SCOPE,
    &schema::RESOURCE,
    &schema::ID_TOKEN,
    &schema::LOGIN_HINT,
    &schema::IDENTITY,
    &schema::CREDENTIALS_FILE,
    &schema::IMPERSONATE,
    &schema::SOURCE_FILE,
    &schema::SOURCE_COMMAND,
];

/// What a client proves itself with. The session stays the same when it is replaced.
pub const PROOF_SETTINGS: [&Setting; 6] = [
    &schema::CLIENT_SECRET_FILE,
    &schema::CLIENT_SECRET_COMMAND,
    &schema::CLIENT_KEY_FILE,
    &schema::CLIENT_CERTIFICATE_FILE,
    &schema::CLIENT_KEY_ID,
    &schema::CLIENT_ASSERTION_AUDIENCE,
];

/// Where a value came from, strongest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This flag.
    Flag(&'static str),
    /// This environment variable.
    Env(&'static str),
    /// This line of `config.toml`, under the profile.
    Profile(usize),
    /// This line of `config.toml`, under `[defaults]`.
    Defaults(usize),
    /// The connection string: what it has for drivers that get tokens by themselves.
    Uri,
    /// The MongoDB server said so, and the person has accepted it.
    Server,
    /// The program itself.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Env(name) => f.write_str(name),
            Self::Profile(line) => write!(f, "config.toml:{line} (profile)"),
            Self::Defaults(line) => write!(f, "config.toml:{line} (defaults)"),
            Self::Uri => f.write_str("the connection string"),
            Self::Server => f.write_str("the server"),
            Self::BuiltIn => f.write_str("built-in"),
        }
    }
}

/// In place of a flag's name: the value was typed where a profile may stand.
pub const TARGET: &str = "TARGET";

/// What the command line asks of the settings. Made by `cli`.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The flags that were typed: the setting, the flag's spelling, and its values.
    pub flags: Vec<(&'static Setting, &'static str, Vec<String>)>,
    /// TARGET or `--profile`.
    pub profile: Option<String>,
    /// The command that the person probably meant, if the profile's name looks like a mistyped one.
    pub nearest_command: Option<&'static str>,
}

impl Origin {
    /// How strong it is; 0 is strongest.
    fn layer(&self) -> u8 {
        match self {
            Self::Flag(_) => 0,
            Self::Env(_) => 1,
            Self::Profile(_) => 2,
            Self::Defaults(_) => 3,
            Self::Uri => 4,
            Self::Server => 5,
            Self::BuiltIn => 6,
        }
    }
}

impl Settings {
    /// Where the value of the setting `key` came from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.iter().find(|(known, _)| *known == key).map_or(&Origin::BuiltIn, |(_, origin)| origin)
    }

    /// The settings of a session that is known by its key alone: those of its profile, which knows CA file, proxy and
    /// client secret, or these with the key's own values when the profile is gone. `request` is what these were made
    /// from.
    pub fn for_session(&self, key: &SessionKey, request: &Request) -> Self {
        if let Some(profile) = of_profile(request, |profile| profile.session_key() == *key) {
            return profile;
        }
        let program = key.program.as_ref();
        let text = |of: fn(&ProgramKey) -> &Option<String>| program.and_then(|program| of(program).clone());
        let mut settings = Self {
            profile: None,
            uri: None,
            kind: key.kind(),
            issuer: key.issuer.clone(),
            client_id: key.client_id.clone(),
            audience: key.audience.clone(),
            scopes: Scopes { list: key.scopes.clone(), is_default: false },
            resource: key.resource.clone(),
            authorization: AuthorizationParams { login_hint: key.account.clone(), ..self.authorization.clone() },
            // They belong to another client, and must not be sent to this one's provider.
            client_secret: None,
            client_key_file: None,
            client_certificate_file: None,
            client_key_id: None,
            client_assertion_audience: None,
            identity: text(|program| &program.identity).and_then(|text| values::identity(&text).ok()),
            credentials_file: text(|program| &program.credentials_file).map(PathBuf::from),
            impersonate: text(|program| &program.impersonate),
            source_file: text(|program| &program.source_file).map(PathBuf::from),
            source_command: program.map(|program| program.source_command.clone()).unwrap_or_default(),
            id_token_as_access_token: key.id_token,
            store: StoreChoice::Auto,
            ..self.clone()
        };
        // Nothing but flags can mean this session again.
        let is_its_own = |key| key == schema::STORE.key || SESSION_SETTINGS.iter().any(|setting| setting.key == key);
        settings.origins.retain(|(key, _)| !is_its_own(*key));
        for setting in SESSION_SETTINGS {
            let is_usual = std::ptr::eq(setting, &schema::KIND) && !settings.kind.is_program();
            let is_set = !is_usual && !matches!(setting.show(&settings), Value::Null | Value::Bool(false));
            if let Some(flag) = setting.flag.filter(|_| is_set) {
                settings.origins.push((setting.key, Origin::Flag(flag)));
            }
        }
        settings
    }

    /// As [`Self::for_session`], where not even the key can be read: without a profile of that name, issuer and client id
    /// are empty.
    pub fn for_unreadable_session(&self, id: &SessionId, request: &Request) -> Self {
        of_profile(request, |profile| profile.session_key().id() == *id).unwrap_or_else(|| Self {
            profile: None,
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            ..self.clone()
        })
    }

    /// That they fit their kind, and are complete where it is a program's.
    ///
    /// # Errors
    /// `Kind::Usage` for a flag, `Kind::Config` for all else, with what to type.
    pub fn check_kind(&self) -> Result<()> {
        kind::check(self)
    }

    /// Whether they mean a session: there is a provider, and a client for it; or all that a program needs.
    pub fn is_complete(&self) -> bool {
        if self.kind.is_program() {
            return kind::check(self).is_ok();
        }
        !self.issuer.is_empty() && !self.client_id.is_empty()
    }

    /// Which session these settings mean.
    pub fn session_key(&self) -> SessionKey {
        SessionKey {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            audience: self.audience.clone(),
            scopes: self.scopes.list.clone(),
            resource: self.resource.clone(),
            account: self.authorization.login_hint.clone(),
            id_token: self.id_token_as_access_token,
            program: self.kind.is_program().then(|| self.program_key()),
        }
    }

    fn program_key(&self) -> ProgramKey {
        let text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        ProgramKey {
            kind: self.kind,
            identity: self.identity.as_ref().map(ToString::to_string),
            credentials_file: text(&self.credentials_file),
            impersonate: self.impersonate.clone(),
            source_file: text(&self.source_file),
            source_command: self.source_command.clone(),
        }
    }

    /// How to change a setting of this session: the profile's command, or the flag where there is no profile.
    pub fn how_to_set(&self, setting: &Setting, value: &str) -> String {
        match (&self.profile, setting.flag) {
            (Some(profile), _) => {
                let assignment = format!("{}={value}", setting.key);
                format!("`mdb-login profile set {} {}`", shell_quoted(profile), shell_quoted(&assignment))
            }
            (None, Some(flag)) if setting.shape == Shape::Switch => format!("`{flag}`"),
            (None, Some(flag)) if setting.shape == Shape::Words => {
                let flags: Vec<String> =
                    value.split(' ').map(|word| format!("{flag} {}", shell_quoted(word))).collect();
                format!("`{}`", flags.join(" "))
            }
            (None, Some(flag)) => format!("`{flag} {}`", shell_quoted(value)),
            (None, None) => format!("`{}={}`", setting.env, shell_quoted(value)),
        }
    }

    /// The variables by which another mdb-login means the same session, whatever else its environment says. Nothing secret.
    pub fn session_environment(&self) -> Vec<(String, String)> {
        let profile = self.profile.iter().map(|name| ("MDB_LOGIN_PROFILE".to_owned(), name.clone()));
        let proof = PROOF_SETTINGS.iter().filter(|_| self.kind.is_program());
        let settings = SESSION_SETTINGS.iter().chain(proof).filter_map(|setting| {
            let is_off = setting.show(self) == Value::Bool(false);
            Some((setting.env.to_owned(), setting.text(self).filter(|_| !is_off)?))
        });
        profile.chain(settings).collect()
    }

    /// The complete command for this session, to be pasted into a shell. `name` may be followed by flags of its own.
    ///
    /// Names the profile, and the flags without which it would mean another session, or not get through: what the
    /// environment and the profile say comes back by itself.
    pub fn command(&self, name: &str) -> String {
        const NETWORK: [&Setting; 3] = [&schema::PROXY, &schema::CA_FILE, &schema::HTTP_TIMEOUT];
        let mut words = vec!["mdb-login".to_owned(), name.to_owned()];
        if let Some(profile) = &self.profile {
            words.extend(["--profile".to_owned(), shell_quoted(profile)]);
        }
        let session = [&schema::URI].into_iter().chain(SESSION_SETTINGS).chain(PROOF_SETTINGS).chain([&schema::STORE]);
        for setting in session.chain(NETWORK) {
            let Origin::Flag(flag) = self.origin(setting.key) else { continue };
            if *flag != TARGET {
                words.push((*flag).to_owned());
            }
            if setting.shape != Shape::Switch {
                // One flag takes all of the words.
                words.extend(setting.text(self).map(|text| shell_quoted(&text)));
            }
        }
        words.join(" ")
    }

    /// The command that signs in once more, by the way on which it was tried.
    pub fn login_again(&self) -> String {
        let mut line = self.command("login");
        for setting in [&schema::FLOW, &schema::BROWSER] {
            match self.origin(setting.key) {
                Origin::Flag(flag @ ("--device" | "--no-browser")) => line.extend([" ", flag]),
                Origin::Flag(flag) => {
                    let value = setting.text(self).map(|text| shell_quoted(&text)).unwrap_or_default();
                    line.extend([" ", flag, " ", &value]);
                }
                _ => {}
            }
        }
        line
    }

    /// Whether this session is what a driver would use that gets its tokens as `built_in` says.
    pub fn is_what_drivers_use(&self, built_in: &BuiltIn) -> bool {
        match built_in {
            BuiltIn::Azure { resource, client_id } => {
                let identity = client_id.clone().map(Identity::ClientId);
                self.kind == SessionKind::AzureManagedIdentity
                    && self.resource.iter().eq([resource])
                    && self.identity == identity
            }
            BuiltIn::Gcp { audience } => self.kind == SessionKind::Gcp && self.audience == *audience,
            // Any session's: `exec` itself hands tokens over in this way.
            BuiltIn::K8s | BuiltIn::Test => true,
        }
    }

    /// The connection string, for what cannot do without one.
    ///
    /// # Errors
    /// `Kind::Usage`, with the ways to give one.
    pub fn required_uri(&self) -> Result<&Uri> {
        self.uri.as_ref().ok_or_else(|| {
            let error = Error::new(Kind::Usage, "no connection string is given");
            match &self.profile {
                Some(profile) => error.hint(format!(
                    "give one as TARGET or with `--uri`, or run `mdb-login profile set {profile} uri=mongodb://HOST`"
                )),
                None => error.hint("give one as TARGET or with `--uri`: `mongodb://HOST` or `mongodb+srv://HOST`"),
            }
        })
    }

    /// Nothing set at all; only [`Layers::compose`] makes something whole of it.
    fn blank() -> Self {
        Self {
            profile: None,
            uri: None,
            kind: SessionKind::Workforce,
            issuer: String::new(),
            client_id: String::new(),
            audience: String::new(),
            scopes: Scopes { list: Vec::new(), is_default: false },
            resource: Vec::new(),
            authorization: AuthorizationParams::default(),
            client_secret: None,
            client_key_file: None,
            client_certificate_file: None,
            client_key_id: None,
            client_assertion_audience: None,
            identity: None,
            credentials_file: None,
            impersonate: None,
            source_file: None,
            source_command: Vec::new(),
            redirect_uris: Vec::new(),
            ca_file: None,
            proxy: None,
            http_timeout: Duration::ZERO,
            timeout: Duration::ZERO,
            device_fallback: false,
            flow: FlowChoice::Browser,
            id_token_as_access_token: false,
            nonce: true,
            browser: BrowserChoice::System,
            store: StoreChoice::Auto,
            allowed_hosts: Vec::new(),
            insecure_server: false,
            endpoint_hosts: Vec::new(),
            min_ttl: None,
            origins: Vec::new(),
        }
    }
}

/// Resolves everything that a session needs. One read of one file, no network, no other process.
///
/// # Errors
/// `Kind::Usage` for a bad flag; `Kind::Config` for a bad variable or file, or where issuer or client id are missing.
pub fn resolve(request: &Request) -> Result<Settings> {
    compose(request, |layers| layers.complete())
}

/// As [`resolve`], but issuer and client id may be missing (empty): for showing what there is.
pub fn preview(request: &Request) -> Result<Settings> {
    compose(request, |layers| layers.compose())
}

/// As [`preview`], for whoever goes on in any case: the settings as far as they are right, and everything that is wrong.
pub fn what_is_right(request: &Request) -> (Settings, Vec<Error>) {
    let mut wrong = Vec::new();
    let source = load().unwrap_or_else(|error| {
        wrong.push(error);
        None
    });
    let config = source.as_ref().and_then(|source| source.parse().map_err(|error| wrong.push(error)).ok());
    let mut request = request.clone();
    let mut environment: fn(&str) -> Option<OsString> = |name| env::var_os(name);
    if !wrong.is_empty() {
        // That its profiles are not there would be told twice.
        request.profile = None;
        environment = |name| env::var_os(name).filter(|_| name != "MDB_LOGIN_PROFILE");
    }
    let layers = Layers { request: &request, config: config.as_ref(), environment: &environment, accepted: &accepted };
    let (settings, more) = layers.compose_what_is_right();
    (settings, wrong.into_iter().chain(more).collect())
}

/// The profile's name that is typed or in the environment, for whoever writes it: there may be no such profile yet.
pub fn given_profile(typed: Option<&str>) -> Result<Option<String>> {
    let request = Request { profile: typed.map(str::to_owned), ..Request::default() };
    let environment = |name: &str| env::var_os(name);
    Layers { request: &request, config: None, environment: &environment, accepted: &accepted }.given_profile()
}

/// What these flags say and what is built in, whatever this machine says.
#[cfg(test)]
pub fn of_flags(request: &Request) -> Settings {
    Layers { request, config: None, environment: &|_| None, accepted: &|_| Ok(None) }.compose().unwrap()
}

/// A profile as a change would leave it. Nothing is written.
pub struct Foreseen {
    pub settings: Settings,
    /// What is in the profile now, and would be another or gone.
    pub replaced: Vec<Replaced>,
    /// The first variable of the environment that says another thing than the change, and would win.
    pub overruled_by: Option<&'static str>,
}

/// A value that a change replaces or removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    pub key: &'static str,
    /// As in the environment.
    pub before: String,
}

/// What [`change_profile`] would do, for `request`'s other flags and the environment as they are.
pub fn foresee(name: &str, changes: &[edit::Change<'_>], request: &Request) -> Result<Foreseen> {
    let path = config_file()?;
    let before = load()?;
    let ((), after) = edit::draft(&path, before.as_ref(), |document| edit::update(document, name, changes))?;
    let config = after.as_ref().or(before.as_ref()).map(file::Source::parse).transpose()?;
    let request = Request { profile: Some(name.to_owned()), ..request.clone() };
    let layers = Layers {
        request: &request,
        config: config.as_ref(),
        environment: &|name| env::var_os(name),
        accepted: &accepted,
    };
    let settings = layers.compose()?;
    let overruled = |(setting, input): &edit::Change<'_>| match (settings.origin(setting.key), input) {
        (Origin::Env(variable), Some(input)) if !setting.means(input, &settings) => Some(*variable),
        _ => None,
    };
    let overruled_by = changes.iter().find_map(overruled);
    Ok(Foreseen { replaced: replaced(before.as_ref(), name, changes)?, overruled_by, settings })
}

/// Changes a profile, and makes it if it is new. `agreed` is what [`foresee`] has said would be replaced; where somebody
/// has changed the profile since, nothing is written.
pub fn change_profile(name: &str, changes: &[edit::Change<'_>], agreed: &[Replaced]) -> Result<()> {
    edit::change(|document| {
        let now = file::Source::new(config_file()?, document.to_string().into_bytes())?;
        if replaced(Some(&now), name, changes)? != agreed {
            return Err(Error::new(Kind::Failed, format!("profile `{name}` was changed by somebody else meanwhile"))
                .hint("run the same command again"));
        }
        edit::update(document, name, changes)
    })
}

fn replaced(source: Option<&file::Source>, name: &str, changes: &[edit::Change<'_>]) -> Result<Vec<Replaced>> {
    let config = source.map(file::Source::parse).transpose()?;
    let Some(profile) = config.as_ref().and_then(|config| config.profile(name)) else { return Ok(Vec::new()) };
    let replaced = |(setting, after): &edit::Change<'_>| {
        let before = &profile.get(setting)?.input;
        (after.as_ref() != Some(before)).then(|| Replaced { key: setting.key, before: before.to_string() })
    };
    Ok(changes.iter().filter_map(replaced).collect())
}

/// That what a server says could be used as settings.
///
/// # Errors
/// `Kind::RuleBroken`, naming the field.
pub fn check_pin(pin: &Pin) -> Result<()> {
    for setting in schema::ALL {
        if let Some(input) = layers::said_by_server(pin, setting) {
            let what = |reason| Error::new(Kind::RuleBroken, format!("the server's `{}` {reason}", setting.key));
            setting.check(input).map_err(what)?;
        }
    }
    Ok(())
}

fn compose(request: &Request, how: fn(&Layers<'_>) -> Result<Settings>) -> Result<Settings> {
    let source = load()?;
    let config = source.as_ref().map(file::Source::parse).transpose()?;
    how(&Layers { request, config: config.as_ref(), environment: &|name| env::var_os(name), accepted: &accepted })
}

fn accepted(uri: &Uri) -> Result<Option<Pin>> {
    pins::read(&dirs::state_dir()?, &uri.server(), uri.user().as_deref())
}

/// The settings of the profile that `is_meant`, with those flags of `request` that may be for several providers at once:
/// how to reach them, and not who they are or what they are told. A profile that is not complete has no session, and is
/// no obstacle to the others.
fn of_profile(request: &Request, is_meant: impl Fn(&Settings) -> bool) -> Option<Settings> {
    const FOR_ALL: [&Setting; 4] = [&schema::BROWSER, &schema::CA_FILE, &schema::PROXY, &schema::HTTP_TIMEOUT];
    let is_for_all = |setting: &Setting| FOR_ALL.iter().any(|known| known.key == setting.key);
    let flags: Vec<_> = request.flags.iter().filter(|(setting, ..)| is_for_all(setting)).cloned().collect();
    profiles().unwrap_or_default().into_iter().find_map(|profile| {
        let request = Request { flags: flags.clone(), profile: Some(profile.name), nearest_command: None };
        resolve(&request).ok().filter(&is_meant)
    })
}

/// A profile as lists show it.
pub struct ProfileSummary {
    pub name: String,
    pub is_default: bool,
    /// As it is written; `None` for a person's.
    pub kind: Option<String>,
    pub issuer: Option<String>,
    pub client_id: Option<String>,
}

impl ProfileSummary {
    /// Where its tokens come from: the issuer, or what kind of program it is for.
    pub fn provider(&self) -> Option<&str> {
        self.issuer.as_deref().or(self.kind.as_deref())
    }
}

/// The profiles of `config.toml`, by name.
pub fn profiles() -> Result<Vec<ProfileSummary>> {
    let Some(source) = load()? else { return Ok(Vec::new()) };
    let config = source.parse()?;
    let default = choice::by_file(&config).map(|(name, _)| name);
    let summary = |(name, section): &(std::borrow::Cow<'_, str>, file::Section<'_>)| {
        let text = |setting| match section.get(setting).or_else(|| config.defaults.get(setting)) {
            Some(file::Item { input: Input::Text(text), .. }) => Some(text.to_string()),
            _ => None,
        };
        ProfileSummary {
            name: name.to_string(),
            is_default: default == Some(name),
            kind: text(&schema::KIND),
            issuer: text(&schema::ISSUER),
            client_id: text(&schema::CLIENT_ID),
        }
    };
    Ok(config.profiles.iter().map(summary).collect())
}

/// The full path of `config.toml`, which may not exist.
pub fn config_file() -> Result<PathBuf> {
    Ok(dirs::config_dir()?.join("config.toml"))
}

fn load() -> Result<Option<file::Source>> {
    file::Source::load(&config_file()?)
}
