//! The one table of settings: key, flag, environment variable, default and help of each, how it is written, what makes
//! a value acceptable, and how it is shown.
//!
//! The file's validation, the environment, `profile set`, `profile show`, the flags' help texts and the manual are all
//! made from it, so a setting is added here and in [`Settings`], and nowhere else.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::Settings;
use super::values::{self, AssertionAudience, BrowserChoice, FlowChoice, Reason};
use crate::secret::source::Source;
use crate::store::{SessionKind, StoreChoice};

/// One row of the table.
pub struct Setting {
    /// The key in a profile.
    pub key: &'static str,
    pub shape: Shape,
    /// The flag that sets it, if there is one.
    pub flag: Option<&'static str>,
    /// The environment variable: `MDB_LOGIN_` and the key in capitals.
    pub env: &'static str,
    /// The built-in value, written as in the environment.
    pub default: Option<&'static str>,
    /// One line without full stop.
    pub help: &'static str,
    /// [`Setting::help`] with the default and the variable, as `--help` shows it.
    pub flag_help: &'static str,
    pub(super) apply: fn(&mut Settings, Input<'_>) -> Result<(), Reason>,
    show: fn(&Settings) -> Value,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

impl Setting {
    /// The value in effect; null where there is none.
    pub fn show(&self, settings: &Settings) -> Value {
        (self.show)(settings)
    }

    /// `input` as it may be written down: somebody who types a path means it from here, and the file must mean the same
    /// from everywhere.
    ///
    /// # Errors
    /// For stdin: whoever reads the file later has another one.
    pub fn stored<'a>(&self, input: Input<'a>) -> Result<Input<'a>, Reason> {
        Ok(match (self.shape, &input) {
            (Shape::Path, Input::Text(path)) if path == values::STDIN => {
                return Err("is stdin, which no configuration can hold; name a file".into());
            }
            (Shape::Path, Input::Text(path)) => match std::path::absolute(path.as_ref()) {
                Ok(full) if full.as_os_str() != path.as_ref() => {
                    Input::Text(Cow::Owned(full.to_string_lossy().into_owned()))
                }
                _ => input,
            },
            _ => input,
        })
    }

    /// Whether `input` is the value in effect, however either is written.
    pub(super) fn means(&self, input: &Input<'_>, settings: &Settings) -> bool {
        let mut alone = Settings { kind: settings.kind, ..Settings::blank() };
        (self.apply)(&mut alone, input.clone()).is_ok() && self.show(&alone) == self.show(settings)
    }

    /// The value in effect as the environment has it; `None` where there is none.
    pub fn text(&self, settings: &Settings) -> Option<String> {
        match self.show(settings) {
            Value::String(text) => Some(text),
            Value::Array(words) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                let quoted = || shlex::try_join(words.iter().copied()).ok();
                Some(if self.shape == Shape::Command { quoted()? } else { words.join(" ") })
            }
            Value::Bool(on) => Some(on.to_string()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Object(_) => None,
        }
    }

    /// Whether `input` would be accepted for a session of any kind, other settings aside.
    pub fn check(&self, input: Input<'_>) -> Result<(), Reason> {
        let of = |kind| (self.apply)(&mut Settings { kind, ..Settings::blank() }, input.clone());
        let of_people = of(SessionKind::Workforce);
        if SessionKind::ALL.into_iter().any(|kind| of(kind).is_ok()) { Ok(()) } else { of_people }
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Text,
    /// TOML: an array of strings, or one string. Elsewhere: separated by spaces, or the flag repeated.
    Words,
    /// TOML: a table of strings. Elsewhere: `name=value`, separated by spaces, or the flag repeated.
    Pairs,
    /// TOML: a boolean. Elsewhere: `true` or `false`.
    Switch,
    /// A whole number, not negative.
    Number,
    /// A text such as `30s` or `5m`.
    Duration,
    /// A file; absolute where it is written down for later.
    Path,
    /// TOML: an array of strings, or one string. A string is split as a shell would split it.
    Command,
    Choice(&'static [&'static str]),
}

/// A name and its value.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A value as it was written, its shape checked and its meaning not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    Text(Cow<'a, str>),
    List(Vec<Cow<'a, str>>),
    Pairs(Vec<Pair<'a>>),
    Switch(bool),
    Number(u64),
}

impl<'a> Input<'a> {
    fn text(self) -> Result<Cow<'a, str>, Reason> {
        if let Self::Text(text) = self { Ok(text) } else { Err("must be a string".into()) }
    }

    fn list(self) -> Result<Vec<Cow<'a, str>>, Reason> {
        if let Self::List(list) = self { Ok(list) } else { Err("must be a list of strings".into()) }
    }

    fn pairs(self) -> Result<Vec<Pair<'a>>, Reason> {
        if let Self::Pairs(pairs) = self { Ok(pairs) } else { Err("must be a table of strings".into()) }
    }

    fn switch(self) -> Result<bool, Reason> {
        if let Self::Switch(on) = self { Ok(on) } else { Err("must be true or false".into()) }
    }

    fn number(self) -> Result<u64, Reason> {
        if let Self::Number(number) = self { Ok(number) } else { Err("must be a whole number".into()) }
    }
}

/// As it is written in the environment.
impl fmt::Display for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::List(list) => f.write_str(&list.join(" ")),
            Self::Pairs(pairs) => {
                let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
                f.write_str(&pairs.join(" "))
            }
            Self::Switch(on) => write!(f, "{on}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Shape {
    /// Reads a value from the environment or from `profile set`.
    pub fn read_text(self, text: &str) -> Result<Input<'_>, Reason> {
        Ok(match self {
            Self::Words => Input::List(text.split_whitespace().map(Cow::Borrowed).collect()),
            Self::Pairs => Input::Pairs(text.split_whitespace().map(pair).collect::<Result<_, _>>()?),
            Self::Switch => Input::Switch(match text {
                "true" | "1" | "yes" => true,
                "false" | "0" | "no" => false,
                _ => return Err("must be `true` or `false`".into()),
            }),
            Self::Number => Input::Number(text.parse().map_err(|_| "must be a whole number, not negative")?),
            Self::Command => Input::List(values::split_command(text)?.into_iter().map(Cow::Owned).collect()),
            Self::Choice(choices) => Input::Text(one_of(choices, text.into())?),
            Self::Text | Self::Duration | Self::Path => Input::Text(text.into()),
        })
    }

    /// Reads the values of a flag, in the order in which they were typed.
    pub fn read_flag(self, texts: &[String]) -> Result<Input<'_>, Reason> {
        Ok(match self {
            Self::Words => Input::List(texts.iter().flat_map(|t| words_or_empty(t)).map(Cow::Borrowed).collect()),
            Self::Pairs => Input::Pairs(texts.iter().map(|text| pair(text)).collect::<Result<_, _>>()?),
            _ => return self.read_text(texts.last().map_or("", String::as_str)),
        })
    }

    /// Reads a value from the configuration file.
    pub fn read_toml<'a>(self, value: &DeValue<'a>) -> Result<Input<'a>, Reason> {
        Ok(match (self, value) {
            (Self::Switch, DeValue::Boolean(on)) => Input::Switch(*on),
            (Self::Number, DeValue::Integer(number)) => {
                Input::Number(u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| "must not be negative")?)
            }
            (Self::Choice(choices), DeValue::String(text)) => Input::Text(one_of(choices, text.clone())?),
            (Self::Text | Self::Duration | Self::Path, DeValue::String(text)) => Input::Text(text.clone()),
            (Self::Words, DeValue::String(text)) => {
                Input::List(text.split_whitespace().map(|word| Cow::Owned(word.to_owned())).collect())
            }
            (Self::Command, DeValue::String(text)) => {
                Input::List(values::split_command(text)?.into_iter().map(Cow::Owned).collect())
            }
            (Self::Words | Self::Command, DeValue::Array(items)) => Input::List(
                items
                    .iter()
                    .map(|item| match item.get_ref() {
                        DeValue::String(text) => Ok(text.clone()),
                        other => Err(format!("must be a list of strings; one item is {}", type_name(other))),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            (Self::Pairs, DeValue::Table(table)) => Input::Pairs(
                table
                    .iter()
                    .map(|(name, value)| match value.get_ref() {
                        DeValue::String(text) => Ok((name.get_ref().clone(), text.clone())),
                        other => Err(format!("must be a table of strings; one value is {}", type_name(other))),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            (_, other) => return Err(format!("must be {}, not {}", self.toml_form(), type_name(other))),
        })
    }

    /// What to write in the file, as the rest of "must be …".
    fn toml_form(self) -> &'static str {
        match self {
            Self::Text | Self::Path => "a string",
            Self::Words | Self::Command => "a list of strings",
            Self::Pairs => "a table of strings",
            Self::Switch => "true or false",
            Self::Number => "a whole number",
            Self::Duration => "a string with a unit, such as \"30s\"",
            Self::Choice(_) => "one of its names, as a string",
        }
    }
}

/// Words separated by spaces; an empty flag value stays one empty word, so that it is refused and not overlooked.
fn words_or_empty(text: &str) -> Vec<&str> {
    if text.trim().is_empty() { vec![""] } else { text.split_whitespace().collect() }
}

fn pair(text: &str) -> Result<Pair<'_>, Reason> {
    let (name, value) = text.split_once('=').ok_or("must be written `name=value`")?;
    Ok((name.into(), value.into()))
}

fn one_of<'a>(choices: &[&str], text: Cow<'a, str>) -> Result<Cow<'a, str>, Reason> {
    if choices.contains(&text.as_ref()) {
        return Ok(text);
    }
    let names: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    Err(format!("must be one of {}", names.join(", ")))
}

/// The TOML type of a value, as the rest of "is …".
pub fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

macro_rules! flag_help {
    ($help:literal, $env:literal, None) => {
        concat!($help, " [env: ", $env, "]")
    };
    // A switch is off until it is given; "[default: false]" would only puzzle.
    ($help:literal, $env:literal, "false") => {
        concat!($help, " [env: ", $env, "]")
    };
    ($help:literal, $env:literal, $default:literal) => {
        concat!($help, " [default: ", $default, "] [env: ", $env, "]")
    };
}

macro_rules! default {
    (None) => {
        None
    };
    ($default:literal) => {
        Some($default)
    };
}

macro_rules! settings {
    ($($name:ident { $key:literal, $shape:expr, $flag:expr, $env:literal, default $default:tt, $help:literal,
        apply $apply:expr, show $show:expr })*) => {
        $(pub static $name: Setting = Setting {
            key: $key, shape: $shape, flag: $flag, env: $env, default: default!($default), help: $help,
            flag_help: flag_help!($help, $env, $default), apply: $apply, show: $show,
        };)*

        /// Every setting, in the order in which they are shown.
        pub static ALL: &[&Setting] = &[$(&$name),*];

        /// The long help of `profile set`: every key with its meaning.
        pub static SET_HELP: &str = concat!(
            "Set values in a profile, and make it if it is new\n\n",
            "Stores them in config.toml, where comments and order stay as they are. Lists are separated by spaces. ",
            "Nobody is asked whether the provider exists.\n\nKeys:",
            $("\n  ", $key, "\n          ", $help),*
        );
    };
}

const HOUR: Duration = Duration::from_secs(3600);

settings! {
    URI { "uri", Shape::Text, Some("--uri"), "MDB_LOGIN_URI", default None,
        "Connection string of a MongoDB server, which is asked for the provider",
        apply |s, i| { s.uri = Some(values::uri(&i.text()?)?); Ok(()) },
        show |s| json!(s.uri.as_ref().map(ToString::to_string)) }
    KIND { "kind", Shape::Choice(&SessionKind::NAMES), Some("--kind"), "MDB_LOGIN_KIND", default "workforce",
        "Whose session it is: a person's (`workforce`), or a program's, by where it gets tokens",
        apply |s, i| { s.kind = SessionKind::named(&i.text()?).ok_or("is not a kind")?; Ok(()) },
        show |s| json!(s.kind.name()) }
    ISSUER { "issuer", Shape::Text, Some("--issuer"), "MDB_LOGIN_ISSUER", default None,
        "Issuer URL of the identity provider",
        apply |s, i| { s.issuer = values::issuer(&i.text()?)?; Ok(()) },
        show |s| text(Some(&s.issuer)) }
    CLIENT_ID { "client_id", Shape::Text, Some("--client-id"), "MDB_LOGIN_CLIENT_ID", default None,
        "Client id under which the provider knows mdb-login",
        apply |s, i| { s.client_id = values::client_id(&i.text()?)?; Ok(()) },
        show |s| text(Some(&s.client_id)) }
    AUDIENCE { "audience", Shape::Text, Some("--audience"), "MDB_LOGIN_AUDIENCE", default None,
        "Audience that tokens must be for; the client id unless set, and a program's choice",
        apply |s, i| { s.audience = values::text(&i.text()?, 1024)?; Ok(()) },
        show |s| text(Some(&s.audience)) }
    SCOPE { "scope", Shape::Words, Some("--scope"), "MDB_LOGIN_SCOPE", default "openid offline_access",
        "Scope to ask for; may be repeated",
        apply |s, i| { s.scopes.list = values::scopes(&i.list()?)?; Ok(()) },
        show |s| list(&s.scopes.list) }
    RESOURCE { "resource", Shape::Words, Some("--resource"), "MDB_LOGIN_RESOURCE", default None,
        "Resource indicator to ask for (RFC 8707); may be repeated",
        apply |s, i| { s.resource = values::resources(&i.list()?, s.kind)?; Ok(()) },
        show |s| list(&s.resource) }
    ID_TOKEN { "id_token_as_access_token", Shape::Switch, Some("--id-token"), "MDB_LOGIN_ID_TOKEN_AS_ACCESS_TOKEN",
        default "false",
        "Hand out the ID token, for providers whose access tokens are no JWTs",
        apply |s, i| { s.id_token_as_access_token = i.switch()?; Ok(()) },
        show |s| json!(s.id_token_as_access_token) }
    CLIENT_SECRET_FILE { "client_secret_file", Shape::Path, Some("--client-secret-file"), "MDB_LOGIN_CLIENT_SECRET_FILE",
        default None,
        "File that holds the client secret, if the provider insists on one; `-` is stdin",
        apply |s, i| { s.client_secret = Some(values::secret_file(&i.text()?)?); Ok(()) },
        show |s| match &s.client_secret {
            Some(Source::File(path)) => json!(path.to_string_lossy()),
            Some(Source::Stdin(_)) => json!(values::STDIN),
            _ => Value::Null,
        } }
    CLIENT_SECRET_COMMAND { "client_secret_command", Shape::Command, None, "MDB_LOGIN_CLIENT_SECRET_COMMAND", default None,
        "Command that prints the client secret, within 30 s",
        apply |s, i| { s.client_secret = Some(Source::Command(values::command(&i.list()?)?)); Ok(()) },
        show |s| match &s.client_secret {
            Some(Source::Command(words)) => json!(words),
            _ => Value::Null,
        } }
    CLIENT_KEY_FILE { "client_key_file", Shape::Path, Some("--client-key-file"), "MDB_LOGIN_CLIENT_KEY_FILE", default None,
        "PEM file of the RSA key by which a program proves to be the client, without a secret",
        apply |s, i| { s.client_key_file = Some(values::path(&i.text()?)?); Ok(()) },
        show |s| path(s.client_key_file.as_ref()) }
    CLIENT_CERTIFICATE_FILE { "client_certificate_file", Shape::Path, Some("--client-certificate-file"),
        "MDB_LOGIN_CLIENT_CERTIFICATE_FILE", default None,
        "PEM file of that key's certificate, where the provider knows the key by its thumbprint",
        apply |s, i| { s.client_certificate_file = Some(values::path(&i.text()?)?); Ok(()) },
        show |s| path(s.client_certificate_file.as_ref()) }
    CLIENT_KEY_ID { "client_key_id", Shape::Text, Some("--client-key-id"), "MDB_LOGIN_CLIENT_KEY_ID", default None,
        "Id (`kid`) by which the provider knows that key",
        apply |s, i| { s.client_key_id = Some(values::text(&i.text()?, 256)?); Ok(()) },
        show |s| text(s.client_key_id.as_ref()) }
    CLIENT_ASSERTION_AUDIENCE { "client_assertion_audience", Shape::Choice(&AssertionAudience::NAMES), None,
        "MDB_LOGIN_CLIENT_ASSERTION_AUDIENCE", default None,
        "Whom what that key signs is for: the `token_endpoint` unless set, or the `issuer`",
        apply |s, i| {
            let issuer = i.text()? == AssertionAudience::Issuer.name();
            s.client_assertion_audience =
                Some(if issuer { AssertionAudience::Issuer } else { AssertionAudience::TokenEndpoint });
            Ok(())
        },
        show |s| json!(s.client_assertion_audience.map(AssertionAudience::name)) }
    IDENTITY { "identity", Shape::Text, Some("--identity"), "MDB_LOGIN_IDENTITY", default None,
        "Which of the platform's identities a program has; the form depends on the kind",
        apply |s, i| { s.identity = Some(values::identity(&i.text()?)?); Ok(()) },
        show |s| json!(s.identity.as_ref().map(ToString::to_string)) }
    CREDENTIALS_FILE { "credentials_file", Shape::Path, Some("--credentials-file"), "MDB_LOGIN_CREDENTIALS_FILE", default None,
        "Google service account key (JSON), in place of the metadata server",
        apply |s, i| { s.credentials_file = Some(values::path(&i.text()?)?); Ok(()) },
        show |s| path(s.credentials_file.as_ref()) }
    IMPERSONATE { "impersonate", Shape::Text, Some("--impersonate"), "MDB_LOGIN_IMPERSONATE", default None,
        "Google service account whose tokens are asked for, by its e-mail address",
        apply |s, i| { s.impersonate = Some(values::account(&i.text()?)?); Ok(()) },
        show |s| text(s.impersonate.as_ref()) }
    SOURCE_FILE { "source_file", Shape::Path, Some("--source-file"), "MDB_LOGIN_SOURCE_FILE", default None,
        "File that holds a program's token, kept fresh by something else",
        apply |s, i| { s.source_file = Some(values::path(&i.text()?)?); Ok(()) },
        show |s| path(s.source_file.as_ref()) }
    SOURCE_COMMAND { "source_command", Shape::Command, Some("--source-command"), "MDB_LOGIN_SOURCE_COMMAND", default None,
        "Command that prints a program's token, within 30 s",
        apply |s, i| { s.source_command = values::command(&i.list()?)?; Ok(()) },
        show |s| list(&s.source_command) }
    FLOW { "flow", Shape::Choice(&["browser", "device"]), Some("--device"), "MDB_LOGIN_FLOW", default "browser",
        "How to sign in: `browser`, or `device` for a code to type on another device",
        apply |s, i| {
            s.flow = if i.text()? == "device" { FlowChoice::Device } else { FlowChoice::Browser };
            Ok(())
        },
        show |s| json!(match s.flow { FlowChoice::Browser => "browser", FlowChoice::Device => "device" }) }
    DEVICE_FALLBACK { "device_fallback", Shape::Switch, None, "MDB_LOGIN_DEVICE_FALLBACK", default "false",
        "Sign in with a device code where no browser can be opened",
        apply |s, i| { s.device_fallback = i.switch()?; Ok(()) },
        show |s| json!(s.device_fallback) }
    BROWSER { "browser", Shape::Command, Some("--browser"), "MDB_LOGIN_BROWSER", default "system",
        "Command that opens the sign-in page: `%s` stands for its URL; or `system`, or `none`",
        apply |s, i| { s.browser = values::browser(&i.list()?)?; Ok(()) },
        show |s| match &s.browser {
            BrowserChoice::System => json!("system"),
            BrowserChoice::None => json!("none"),
            BrowserChoice::Command(words) => json!(words),
        } }
    REDIRECT_URI { "redirect_uri", Shape::Words, Some("--redirect-uri"), "MDB_LOGIN_REDIRECT_URI",
        default "http://localhost:27097/redirect",
        "Redirect URI registered with the provider; may be repeated, tried in order",
        apply |s, i| { s.redirect_uris = values::redirect_uris(&i.list()?)?; Ok(()) },
        show |s| json!(s.redirect_uris.iter().map(ToString::to_string).collect::<Vec<_>>()) }
    LOGIN_HINT { "login_hint", Shape::Text, Some("--login-hint"), "MDB_LOGIN_LOGIN_HINT", default None,
        "Account to sign in with, such as ada@example.com; each has a session of its own",
        apply |s, i| { s.authorization.login_hint = Some(values::text(&i.text()?, 1024)?); Ok(()) },
        show |s| text(s.authorization.login_hint.as_ref()) }
    PROMPT { "prompt", Shape::Text, Some("--prompt"), "MDB_LOGIN_PROMPT", default None,
        "What the provider should ask for: `login`, `consent`, `select_account`, …",
        apply |s, i| { s.authorization.prompt = Some(values::text(&i.text()?, 256)?); Ok(()) },
        show |s| text(s.authorization.prompt.as_ref()) }
    ACR_VALUES { "acr_values", Shape::Text, Some("--acr-values"), "MDB_LOGIN_ACR_VALUES", default None,
        "Authentication context classes to ask for, best first, separated by spaces",
        apply |s, i| { s.authorization.acr_values = Some(values::text(&i.text()?, 1024)?); Ok(()) },
        show |s| text(s.authorization.acr_values.as_ref()) }
    MAX_AGE { "max_age", Shape::Number, Some("--max-age"), "MDB_LOGIN_MAX_AGE", default None,
        "Sign in again if the last time was more than this many seconds ago",
        apply |s, i| {
            let seconds = i.number()?;
            s.authorization.max_age = Some(u32::try_from(seconds).map_err(|_| "is too large")?.into());
            Ok(())
        },
        show |s| json!(s.authorization.max_age) }
    DOMAIN_HINT { "domain_hint", Shape::Text, Some("--domain-hint"), "MDB_LOGIN_DOMAIN_HINT", default None,
        "Directory to sign in to, for Microsoft Entra",
        apply |s, i| { s.authorization.domain_hint = Some(values::text(&i.text()?, 256)?); Ok(()) },
        show |s| text(s.authorization.domain_hint.as_ref()) }
    AUTH_PARAM { "auth_param", Shape::Pairs, Some("--auth-param"), "MDB_LOGIN_AUTH_PARAM", default None,
        "Additional parameter of the authorization request; may be repeated",
        apply |s, i| { s.authorization.extra = values::auth_params(&i.pairs()?)?; Ok(()) },
        show |s| match s.authorization.extra.as_slice() {
            [] => Value::Null,
            pairs => Value::Object(pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect()),
        } }
    NONCE { "nonce", Shape::Switch, Some("--no-nonce"), "MDB_LOGIN_NONCE", default "true",
        "Tie the ID token to this sign-in with a nonce; off only for a provider that drops it",
        apply |s, i| { s.nonce = i.switch()?; Ok(()) },
        show |s| json!(s.nonce) }
    TIMEOUT { "timeout", Shape::Duration, Some("--timeout"), "MDB_LOGIN_TIMEOUT", default "5m",
        "How long to wait for the person, 5s to 1h",
        apply |s, i| { s.timeout = values::duration(&i.text()?, (Duration::from_secs(5), HOUR))?; Ok(()) },
        show |s| duration(Some(s.timeout)) }
    STORE { "store", Shape::Choice(&StoreChoice::NAMES), Some("--store"), "MDB_LOGIN_STORE",
        default "auto",
        "Where the session is kept: `auto`, `keyring`, `kernel` (Linux), or a 0600 `file`",
        apply |s, i| { s.store = StoreChoice::named(&i.text()?).ok_or("is not a store")?; Ok(()) },
        show |s| json!(s.store.name()) }
    MIN_TTL { "min_ttl", Shape::Duration, Some("--min-ttl"), "MDB_LOGIN_MIN_TTL", default None,
        "Renew a token that would expire sooner than this, 0s to 24h",
        apply |s, i| { s.min_ttl = Some(values::duration(&i.text()?, (Duration::ZERO, 24 * HOUR))?); Ok(()) },
        show |s| duration(s.min_ttl) }
    ALLOWED_HOST { "allowed_host", Shape::Words, Some("--trust-host"), "MDB_LOGIN_ALLOWED_HOST", default None,
        "Server that tokens may go to, beyond MongoDB's own list; may be repeated",
        apply |s, i| { s.allowed_hosts = values::allowed_hosts(&i.list()?)?; Ok(()) },
        show |s| list(&s.allowed_hosts) }
    INSECURE_SERVER { "insecure_server", Shape::Switch, None, "MDB_LOGIN_INSECURE_SERVER", default "false",
        "Let tokens go to servers without TLS, or with an unverified certificate",
        apply |s, i| { s.insecure_server = i.switch()?; Ok(()) },
        show |s| json!(s.insecure_server) }
    ENDPOINT_HOST { "endpoint_host", Shape::Words, None, "MDB_LOGIN_ENDPOINT_HOST", default None,
        "Host, beside the issuer's, on which a provider named by a server may have endpoints",
        apply |s, i| { s.endpoint_hosts = values::endpoint_hosts(&i.list()?)?; Ok(()) },
        show |s| list(&s.endpoint_hosts) }
    CA_FILE { "ca_file", Shape::Path, Some("--ca-file"), "MDB_LOGIN_CA_FILE", default None,
        "PEM file of further certificate authorities to trust",
        apply |s, i| { s.ca_file = Some(values::path(&i.text()?)?); Ok(()) },
        show |s| path(s.ca_file.as_ref()) }
    PROXY { "proxy", Shape::Text, Some("--proxy"), "MDB_LOGIN_PROXY", default None,
        "Proxy to reach the provider through, instead of the system's",
        apply |s, i| { s.proxy = Some(values::proxy(&i.text()?)?); Ok(()) },
        show |s| json!(s.proxy) }
    HTTP_TIMEOUT { "http_timeout", Shape::Duration, Some("--http-timeout"), "MDB_LOGIN_HTTP_TIMEOUT", default "12s",
        "How long one request may take, 1s to 2m",
        apply |s, i| {
            s.http_timeout = values::duration(&i.text()?, (Duration::from_secs(1), Duration::from_secs(120)))?;
            Ok(())
        },
        show |s| duration(Some(s.http_timeout)) }
}

/// The setting called `key`.
pub fn find(key: &str) -> Option<&'static Setting> {
    ALL.iter().copied().find(|setting| setting.key == key)
}

/// A text of which the empty one means "not set".
fn text(text: Option<&String>) -> Value {
    text.filter(|text| !text.is_empty()).map_or(Value::Null, |text| json!(text))
}

fn path(path: Option<&PathBuf>) -> Value {
    json!(path.map(|path| path.to_string_lossy()))
}

fn list(items: &[String]) -> Value {
    if items.is_empty() { Value::Null } else { json!(items) }
}

fn duration(duration: Option<Duration>) -> Value {
    duration.map_or(Value::Null, |duration| json!(humantime::format_duration(duration).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_file_flag_and_environment() {
        for setting in ALL {
            assert_eq!(setting.env, format!("MDB_LOGIN_{}", setting.key.to_uppercase()));
            let expected = match setting.key {
                "id_token_as_access_token" => Some("--id-token".to_owned()),
                "nonce" => Some("--no-nonce".to_owned()),
                "flow" => Some("--device".to_owned()),
                "allowed_host" => Some("--trust-host".to_owned()),
                "client_secret_command"
                | "client_assertion_audience"
                | "device_fallback"
                | "insecure_server"
                | "endpoint_host" => None,
                key => Some(format!("--{}", key.replace('_', "-"))),
            };
            assert_eq!(setting.flag, expected.as_deref(), "{}", setting.key);
            assert!(!setting.help.ends_with('.') && setting.help.len() <= 88, "{}: {}", setting.key, setting.help);
        }
    }

    #[test]
    fn built_in_values_are_acceptable_and_shown_as_they_are_written() {
        for setting in ALL {
            let Some(default) = setting.default else { continue };
            let mut settings = Settings::blank();
            (setting.apply)(&mut settings, setting.shape.read_text(default).unwrap()).unwrap();
            let shown = match setting.show(&settings) {
                Value::String(text) => text,
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
                other => other.to_string(),
            };
            assert_eq!(shown, default, "{}", setting.key);
        }
    }
}
