//! What is meant: flag, environment, profile, `[defaults]` and built-in value, resolved once into one immutable value.
//!
//! [`schema`] is the table of settings, [`values`] says what each may be, [`file`] reads `config.toml`, [`edit`]
//! changes it, and [`dirs`] knows where things live.

pub mod dirs;
pub mod edit;
mod file;
pub mod schema;
mod values;

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schema::{Input, Setting, Shape};
pub use values::{
    AuthorizationParams, BrowserChoice, ClientSecretSource, FlowChoice, RedirectHost, RedirectUri, Scopes,
    is_secret_name,
};

use crate::error::{Error, Kind, Result};
use crate::store::SessionKey;
pub use crate::store::StoreChoice;

/// Everything that can be chosen, immutable once resolved. [`Settings::origin`] says where a value came from.
#[derive(Clone, Debug)]
pub struct Settings {
    pub profile: Option<String>,
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
    /// `None`: the session's own rule.
    pub min_ttl: Option<Duration>,
    /// Of the settings that are not built in.
    origins: Vec<(&'static str, Origin)>,
}

/// Where a value came from, strongest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// This flag.
    Flag(&'static str),
    /// This environment variable.
    Env(&'static str),
    /// This line of `config.toml`, under the profile.
    Profile(usize),
    /// This line of `config.toml`, under `[defaults]`.
    Defaults(usize),
    /// The program itself.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Env(name) => f.write_str(name),
            Self::Profile(line) => write!(f, "config.toml:{line} (profile)"),
            Self::Defaults(line) => write!(f, "config.toml:{line} (defaults)"),
            Self::BuiltIn => f.write_str("built-in"),
        }
    }
}

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

impl Settings {
    /// Where the value of the setting `key` came from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.iter().find(|(known, _)| *known == key).map_or(&Origin::BuiltIn, |(_, origin)| origin)
    }

    /// The settings of a session that is known by its key alone: those of its profile, which knows CA file, proxy and
    /// client secret, or these with the key's own values when the profile is gone.
    pub fn for_session(&self, key: &SessionKey) -> Self {
        if let Some(profile) = of_all_profiles().into_iter().find(|profile| profile.session_key() == *key) {
            return profile;
        }
        Self {
            profile: None,
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
        }
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

    /// Nothing set at all; only [`compose`] makes something whole of it.
    fn blank() -> Self {
        Self {
            profile: None,
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
            min_ttl: None,
            origins: Vec::new(),
        }
    }
}

/// Resolves everything that a session needs. One read of one file, no network, no other process.
///
/// # Errors
/// [`Kind::Usage`] for a bad flag; [`Kind::Config`] for a bad variable or file, or where issuer or client id are missing.
pub fn resolve(request: &Request) -> Result<Settings> {
    let source = load()?;
    let config = source.as_ref().map(file::Source::parse).transpose()?;
    let settings = compose(request, config.as_ref())?;
    if settings.issuer.is_empty() || settings.client_id.is_empty() {
        return Err(incomplete(&settings, config.as_ref()));
    }
    Ok(settings)
}

/// As [`resolve`], but issuer and client id may be missing (empty): for showing what there is.
pub fn preview(request: &Request) -> Result<Settings> {
    let source = load()?;
    compose(request, source.as_ref().map(file::Source::parse).transpose()?.as_ref())
}

/// The settings of every profile that is complete. One that is not has no session, and is no obstacle to the others.
fn of_all_profiles() -> Vec<Settings> {
    let names = profiles().unwrap_or_default();
    names
        .into_iter()
        .filter_map(|profile| resolve(&Request { profile: Some(profile.name), ..Request::default() }).ok())
        .collect()
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
    let default = chosen_by_file(&config).map(|(name, _)| name);
    Ok(config
        .profiles
        .iter()
        .map(|(name, section)| {
            let text = |setting| match section.get(setting).or_else(|| config.defaults.get(setting)) {
                Some(file::Item { input: Input::Text(text), .. }) => Some(text.to_string()),
                _ => None,
            };
            ProfileSummary {
                name: name.to_string(),
                is_default: default.as_deref() == Some(name),
                issuer: text(&schema::ISSUER),
                client_id: text(&schema::CLIENT_ID),
            }
        })
        .collect())
}

/// The full path of `config.toml`, which may not exist.
pub fn config_file() -> Result<PathBuf> {
    Ok(dirs::config_dir()?.join("config.toml"))
}

fn load() -> Result<Option<file::Source>> {
    file::Source::load(&config_file()?)
}

/// Puts the layers on one another.
fn compose(request: &Request, config: Option<&file::Config<'_>>) -> Result<Settings> {
    // Somebody who sets this believes that it works, and has put a secret where every child process sees it.
    if env::var_os("MDB_LOGIN_CLIENT_SECRET").is_some() {
        return Err(Error::new(
            Kind::Config,
            "`MDB_LOGIN_CLIENT_SECRET` is not read: every child process would see it",
        )
        .hint("unset it, and name a file that only you can read in `MDB_LOGIN_CLIENT_SECRET_FILE`"));
    }
    let mut settings = Settings::blank();
    settings.profile = choose_profile(request, config)?;
    let profile = settings.profile.as_deref().zip(config).and_then(|(name, config)| config.profile(name));
    for setting in schema::ALL {
        if let Some(origin) = layer(setting, request, config, profile, &mut settings)? {
            settings.origins.push((setting.key, origin));
        }
    }
    if settings.audience.is_empty() {
        settings.audience.clone_from(&settings.client_id);
    }
    settings.scopes.is_default = *settings.origin(schema::SCOPE.key) == Origin::BuiltIn;
    Ok(settings)
}

/// Applies the strongest value of one setting, and says whose it was unless it was built in.
fn layer(
    setting: &'static Setting,
    request: &Request,
    config: Option<&file::Config<'_>>,
    profile: Option<&file::Section<'_>>,
    settings: &mut Settings,
) -> Result<Option<Origin>> {
    // File and command are two spellings of one setting: the stronger layer decides, within one they contradict.
    let rival = std::ptr::eq(setting, &schema::CLIENT_SECRET_COMMAND)
        .then(|| settings.origin(schema::CLIENT_SECRET_FILE.key).clone())
        .filter(|_| settings.client_secret.is_some());
    let mut apply = |input: Input<'_>, origin: Origin| -> Result<Option<Origin>, String> {
        if let Some(rival) = &rival {
            match layer_of(rival).cmp(&layer_of(&origin)) {
                std::cmp::Ordering::Less => return Ok(None),
                std::cmp::Ordering::Equal => return Err("cannot be combined with `client_secret_file`".into()),
                std::cmp::Ordering::Greater => {
                    settings.origins.retain(|(key, _)| *key != schema::CLIENT_SECRET_FILE.key)
                }
            }
        }
        (setting.apply)(settings, input).map(|()| Some(origin))
    };

    if let Some((_, flag, values)) = request.flags.iter().find(|(given, ..)| std::ptr::eq(*given, setting)) {
        return setting
            .shape
            .from_flag(values)
            .and_then(|input| apply(input, Origin::Flag(flag)))
            .map_err(|reason| Error::new(Kind::Usage, format!("`{flag}` {reason}")));
    }
    if let Some(value) = variable(setting.env)? {
        return setting
            .shape
            .from_text(&value)
            .and_then(|input| apply(input, Origin::Env(setting.env)))
            .map_err(|reason| bad_variable(setting.env, &reason));
    }
    if let Some(config) = config {
        let layers = [(profile, Origin::Profile as fn(usize) -> Origin), (Some(&config.defaults), Origin::Defaults)];
        for (section, origin) in layers {
            let Some(item) = section.and_then(|section| section.get(setting)) else { continue };
            let (line, _) = config.source().position(item.offset);
            return stored_path(setting, &item.input)
                .and_then(|()| apply(item.input.clone(), origin(line)))
                .map_err(|reason| config.source().error(item.offset, format!("`{}` {reason}", setting.key)));
        }
    }
    if std::ptr::eq(setting, &schema::BROWSER)
        && let Some(value) = variable("BROWSER")?.filter(|value| !value.is_empty())
    {
        // Not our variable, hence weaker than our own file, as `EDITOR` is weaker than git's `core.editor`.
        return setting
            .shape
            .from_text(first_browser(&value))
            .and_then(|input| apply(input, Origin::Env("BROWSER")))
            .map_err(|reason| bad_variable("BROWSER", &reason));
    }
    if let Some(default) = setting.default {
        let applied = setting.shape.from_text(default).and_then(|input| apply(input, Origin::BuiltIn));
        applied.map_err(|reason| Error::new(Kind::Failed, format!("built-in `{}` {reason}", setting.key)))?;
    }
    Ok(None)
}

fn layer_of(origin: &Origin) -> u8 {
    match origin {
        Origin::Flag(_) => 0,
        Origin::Env(_) => 1,
        Origin::Profile(_) => 2,
        Origin::Defaults(_) => 3,
        Origin::BuiltIn => 4,
    }
}

/// A path that is written down must not depend on the folder in which it is used later.
fn stored_path(setting: &Setting, input: &Input<'_>) -> Result<(), String> {
    match input {
        Input::Text(path) if setting.shape == Shape::Path && !std::path::Path::new(path.as_ref()).is_absolute() => {
            Err("must be a full path, starting at the root".into())
        }
        _ => Ok(()),
    }
}

/// The first of several browsers separated by colons (`BROWSER=firefox:chromium`); a command with arguments is one.
fn first_browser(value: &str) -> &str {
    let is_list = cfg!(unix) && !value.contains(char::is_whitespace);
    if is_list { value.split(':').find(|part| !part.is_empty()).unwrap_or(value) } else { value }
}

fn variable(name: &'static str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(bad_variable(name, "is not UTF-8")),
    }
}

fn bad_variable(name: &str, reason: &str) -> Error {
    let error = Error::new(Kind::Config, format!("environment variable `{name}` {reason}"));
    if reason == "is empty" { error.hint(format!("unset it, or give it a value: `unset {name}`")) } else { error }
}

/// Named by the person > `MDB_LOGIN_PROFILE` > `default_profile` > the only one > none.
fn choose_profile(request: &Request, config: Option<&file::Config<'_>>) -> Result<Option<String>> {
    let named = match &request.profile {
        Some(name) => Some((name.clone(), Kind::Usage, "a profile's name")),
        None => {
            variable("MDB_LOGIN_PROFILE")?.map(|name| (name, Kind::Config, "environment variable `MDB_LOGIN_PROFILE`"))
        }
    };
    if let Some((name, kind, what)) = named {
        if name.starts_with("mongodb://") || name.starts_with("mongodb+srv://") {
            return Err(Error::new(Kind::Config, "connection strings are not understood yet")
                .hint("give `--issuer` and `--client-id`, or the name of a profile"));
        }
        values::profile_name(&name).map_err(|reason| Error::new(kind, format!("{what} {reason}")))?;
        if config.is_some_and(|config| config.profile(&name).is_some()) {
            return Ok(Some(name));
        }
        return Err(no_such_profile(&name, request.nearest_command, config));
    }
    let Some(config) = config else { return Ok(None) };
    let Some((name, offset)) = chosen_by_file(config) else { return Ok(None) };
    let Some(section) = config.profile(&name) else {
        let mut error =
            config.source().error(offset, format!("`default_profile` names `{name}`, and there is no such profile"));
        if let Some(nearest) = schema::nearest(&name, config.names()) {
            error = error.hint(format!("run `mdb-login profile use {nearest}`"));
        }
        return Err(error);
    };
    // A profile that nobody named stands for its own issuer. Were it used for another, that one would be sent the
    // profile's client secret, and the session would be checked against the profile's audience.
    let given = match request.flags.iter().find(|(setting, ..)| std::ptr::eq(*setting, &schema::ISSUER)) {
        Some((.., values)) => values.last().cloned(),
        None => variable(schema::ISSUER.env)?,
    };
    let own = section.get(&schema::ISSUER).or_else(|| config.defaults.get(&schema::ISSUER)).map(|item| &item.input);
    let is_foreign = given.is_some_and(|given| !matches!(own, Some(Input::Text(own)) if *own == given));
    Ok((!is_foreign).then_some(name))
}

/// The profile that the file itself chooses, and where it does.
fn chosen_by_file(config: &file::Config<'_>) -> Option<(String, usize)> {
    match (&config.default_profile, config.profiles.as_slice()) {
        (Some((name, offset)), _) => Some((name.to_string(), *offset)),
        (None, [(only, _)]) => Some((only.to_string(), 0)),
        _ => None,
    }
}

fn no_such_profile(name: &str, command: Option<&str>, config: Option<&file::Config<'_>>) -> Error {
    if let Some(command) = command {
        return Error::new(Kind::Config, format!("there is neither a command nor a profile called `{name}`"))
            .hint(format!("did you mean `mdb-login {command}`?"));
    }
    let error = Error::new(Kind::Config, format!("there is no profile called `{name}`"));
    let names: Vec<&str> = config.map(|config| config.names().collect()).unwrap_or_default();
    match schema::nearest(name, names.iter().copied()) {
        Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
        None if names.is_empty() => error.hint(create_hint(name)),
        None => error.hint("run `mdb-login profile list` to see the profiles"),
    }
}

fn create_hint(name: &str) -> String {
    format!("run `mdb-login profile set {name} issuer=https://login.example.com client_id=CLIENT_ID`")
}

/// What to type when issuer or client id are missing.
fn incomplete(settings: &Settings, config: Option<&file::Config<'_>>) -> Error {
    let missing = match (settings.issuer.is_empty(), settings.client_id.is_empty()) {
        (true, true) => "no issuer and no client id are set",
        (true, false) => "no issuer is set",
        _ => "no client id is set",
    };
    let names: Vec<&str> = config.map(|config| config.names().collect()).unwrap_or_default();
    let mut error = match (&settings.profile, names.as_slice()) {
        (Some(profile), _) => {
            let keys = match (settings.issuer.is_empty(), settings.client_id.is_empty()) {
                (true, true) => "issuer=https://login.example.com client_id=CLIENT_ID",
                (true, false) => "issuer=https://login.example.com",
                _ => "client_id=CLIENT_ID",
            };
            Error::new(Kind::Config, format!("{missing} in profile `{profile}`"))
                .hint(format!("run `mdb-login profile set {profile} {keys}`"))
        }
        (None, [first, _, ..]) if settings.issuer.is_empty() && settings.client_id.is_empty() => {
            Error::new(Kind::Config, format!("no profile is the default, and there are several: {}", names.join(", ")))
                .hint(format!("run `mdb-login profile use {first}`, or name one with `--profile`"))
        }
        _ => Error::new(Kind::Config, missing)
            .hint("give `--issuer` and `--client-id`, or set `MDB_LOGIN_ISSUER` and `MDB_LOGIN_CLIENT_ID`")
            .hint(create_hint("prod")),
    };
    if let Some((typed, meant)) = mistyped_variable() {
        error = error.hint(format!("`{typed}` is set and means nothing; did you mean `{meant}`?"));
    }
    error
}

/// A variable that is almost one of ours. Only looked for when something is missing.
fn mistyped_variable() -> Option<(String, &'static str)> {
    env::vars_os().find_map(|(name, _)| {
        let name = name.to_str()?.to_owned();
        let rest = name.strip_prefix("MDB_LOGIN_").or_else(|| name.strip_prefix("MDBLOGIN_"))?;
        if schema::ALL.iter().any(|setting| setting.env == name) {
            return None;
        }
        let nearest = schema::nearest(rest, ["issuer", "client_id"])?;
        schema::find(nearest).map(|setting| (name, setting.env))
    })
}
