//! What is meant: flag, environment, profile, `[defaults]` and built-in value, resolved once into one immutable value.
//!
//! [`schema`] is the table of settings, [`values`] says what each may be, [`file`] reads `config.toml`, [`layers`] puts
//! the sources on one another, [`choice`] picks the profile, [`edit`] changes the file, and [`dirs`] knows where things
//! live.

mod choice;
pub mod dirs;
pub mod edit;
mod file;
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
use schema::{Input, Setting};
pub use values::{
    AuthorizationParams, BrowserChoice, ClientSecretSource, FlowChoice, RedirectHost, RedirectUri, Scopes, duration,
    is_secret_name, profile_name,
};

use crate::error::{Error, Kind, Result};
use crate::mongo::uri::Uri;
pub use crate::store::StoreChoice;
use crate::store::pins::{self, Pin};
use crate::store::{SessionId, SessionKey};
use crate::ui::shell_quoted;

/// Everything that can be chosen, immutable once resolved. [`Settings::origin`] says where a value came from.
#[derive(Clone, Debug)]
pub struct Settings {
    pub profile: Option<String>,
    /// The server that is asked for the provider, and connected to.
    pub uri: Option<Uri>,
    /// https, or http on loopback; byte for byte as written.
    pub issuer: String,
    pub client_id: String,
    pub audience: String,
    pub scopes: Scopes,
    /// RFC 8707.
    pub resource: Vec<String>,
    pub authorization: AuthorizationParams,
    pub client_secret: Option<ClientSecretSource>,
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
pub const SESSION_SETTINGS: [&Setting; 7] = [
    &schema::ISSUER,
    &schema::CLIENT_ID,
    &schema::AUDIENCE,
    &schema::SCOPE,
    &schema::RESOURCE,
    &schema::ID_TOKEN,
    &schema::LOGIN_HINT,
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
            Self::Server => 4,
            Self::BuiltIn => 5,
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
        let mut settings = Self {
            profile: None,
            uri: None,
            issuer: key.issuer.clone(),
            client_id: key.client_id.clone(),
            audience: key.audience.clone(),
            scopes: Scopes { list: key.scopes.clone(), is_default: false },
            resource: key.resource.clone(),
            authorization: AuthorizationParams { login_hint: key.account.clone(), ..self.authorization.clone() },
            // It belongs to another client, and must not be sent to this one's provider.
            client_secret: None,
            id_token_as_access_token: key.id_token,
            store: StoreChoice::Auto,
            ..self.clone()
        };
        // Nothing but flags can mean this session again.
        let is_its_own = |key| key == schema::STORE.key || SESSION_SETTINGS.iter().any(|setting| setting.key == key);
        settings.origins.retain(|(key, _)| !is_its_own(*key));
        for setting in SESSION_SETTINGS {
            let is_set = !matches!(setting.show(&settings), Value::Null | Value::Bool(false));
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

    /// Whether they mean a session: there is a provider, and a client for it.
    pub fn is_complete(&self) -> bool {
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
        }
    }

    /// The variables by which another mdb-login means the same session, whatever else its environment says. Nothing secret.
    pub fn session_environment(&self) -> Vec<(String, String)> {
        let profile = self.profile.iter().map(|name| ("MDB_LOGIN_PROFILE".to_owned(), name.clone()));
        let settings = SESSION_SETTINGS.iter().filter_map(|setting| {
            let value = match setting.show(self) {
                Value::String(text) => text,
                Value::Array(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
                Value::Bool(true) => "true".to_owned(),
                _ => return None,
            };
            Some((setting.env.to_owned(), value))
        });
        profile.chain(settings).collect()
    }

    /// The complete command for this session, to be pasted into a shell. `name` may be followed by flags of its own.
    ///
    /// Names the profile, and the flags without which it would mean another session: what the environment and the
    /// profile say comes back by itself.
    pub fn command(&self, name: &str) -> String {
        let mut words = vec!["mdb-login".to_owned(), name.to_owned()];
        if let Some(profile) = &self.profile {
            words.extend(["--profile".to_owned(), shell_quoted(profile)]);
        }
        for setting in [&schema::URI].into_iter().chain(SESSION_SETTINGS).chain([&schema::STORE]) {
            let Origin::Flag(flag) = self.origin(setting.key) else { continue };
            if *flag != TARGET {
                words.push((*flag).to_owned());
            }
            match setting.show(self) {
                Value::String(text) => words.push(shell_quoted(&text)),
                // One flag takes all of the words.
                Value::Array(list) => {
                    let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                    words.push(shell_quoted(&list.join(" ")));
                }
                _ => {}
            }
        }
        words.join(" ")
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
            issuer: String::new(),
            client_id: String::new(),
            audience: String::new(),
            scopes: Scopes { list: Vec::new(), is_default: false },
            resource: Vec::new(),
            authorization: AuthorizationParams::default(),
            client_secret: None,
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
    pub issuer: Option<String>,
    pub client_id: Option<String>,
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
