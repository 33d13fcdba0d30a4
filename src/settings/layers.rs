//! Flag over environment over profile over `[defaults]` over built-in, one setting at a time.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::path::Path;

use super::file::{Config, Section};
use super::schema::{self, Input, Setting, Shape};
use super::{Origin, Request, Settings, kind};
use crate::error::{Error, Kind, Result};
use crate::mongo::uri::{BuiltIn, Uri};
use crate::store::SessionKind;
use crate::store::pins::Pin;

/// The sources of values.
pub struct Layers<'a> {
    pub request: &'a Request,
    pub config: Option<&'a Config<'a>>,
    /// Looks a variable up.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// What a server has said, and the person accepted.
    pub accepted: &'a dyn Fn(&Uri) -> Result<Option<Pin>>,
}

impl Layers<'_> {
    /// The settings; issuer and client id are empty where nobody gave them.
    ///
    /// `ENVIRONMENT` of a connection string counts where it names a platform. `k8s` and `test` are left out: `exec` and
    /// `mdb-login uri` write them into strings for the sessions of people, see [`Self::compose_as_drivers_do`].
    pub fn compose(&self) -> Result<Settings> {
        self.compose_unless(Uri::names_a_platform, Err)
    }

    /// As [`Self::compose`], with all that a connection string says for drivers that get tokens by themselves.
    pub fn compose_as_drivers_do(&self) -> Result<Settings> {
        self.compose_unless(|_| true, Err)
    }

    /// The settings as far as they are right, and everything that is wrong: in its place is what is built in.
    pub fn compose_what_is_right(&self) -> (Settings, Vec<Error>) {
        let mut wrong = Vec::new();
        let settings = self.compose_unless(Uri::names_a_platform, |error| {
            wrong.push(error);
            Ok(())
        });
        // Nothing fails where every mistake is passed over.
        (settings.unwrap_or_else(|_| Settings::blank()), wrong)
    }

    /// `counts`: whether what the connection string says for drivers does. `stop` hears of each mistake, and says whether it
    /// is the end.
    fn compose_unless(&self, counts: fn(&Uri) -> bool, mut stop: impl FnMut(Error) -> Result<()>) -> Result<Settings> {
        // Somebody who sets this believes that it works, and has put a secret where every child process sees it.
        if (self.environment)("MDB_LOGIN_CLIENT_SECRET").is_some() {
            let what = "`MDB_LOGIN_CLIENT_SECRET` is not read: every child process would see the secret";
            stop(
                Error::new(Kind::Config, what)
                    .hint("unset it, and name a file that only you can read in `MDB_LOGIN_CLIENT_SECRET_FILE`"),
            )?;
        }
        let mut settings = Settings::blank();
        match self.choose_profile() {
            Ok(profile) => settings.profile = profile,
            Err(error) => stop(error)?,
        }
        let profile = settings.profile.as_deref().zip(self.config).and_then(|(name, config)| config.profile(name));
        let (mut pin, mut built_in) = (None, None);
        for setting in schema::ALL {
            let said = Said { profile, built_in: built_in.as_ref(), pin: pin.as_ref() };
            match self.apply_strongest(setting, said, &mut settings) {
                Ok(Some(origin)) => settings.origins.push((setting.key, origin)),
                Ok(None) => {}
                Err(error) => {
                    stop(error)?;
                    apply_default(setting, &mut settings)?;
                }
            }
            // First in the table, with `kind`, because the others may hang on it.
            if std::ptr::eq(*setting, &schema::URI)
                && let Some(uri) = &settings.uri
            {
                match (self.accepted)(uri) {
                    Ok(accepted) => pin = accepted,
                    Err(error) => stop(error)?,
                }
                match if counts(uri) { uri.built_in() } else { Ok(None) } {
                    Ok(said) => built_in = said,
                    Err(reason) => stop(Error::new(Kind::Usage, format!("the connection string {reason}")))?,
                }
            }
        }
        if settings.kind.is_program() {
            // They speak of a person, who is not there; Entra ID refuses them beside an application's own scope.
            settings.scopes.list.retain(|scope| scope != "openid" && scope != "offline_access");
        } else if settings.audience.is_empty() {
            settings.audience.clone_from(&settings.client_id);
        }
        settings.scopes.is_default = matches!(settings.origin(schema::SCOPE.key), Origin::BuiltIn | Origin::Server);
        Ok(settings)
    }

    /// Applies the strongest value of one setting, and says whose it is unless it is built in.
    fn apply_strongest(
        &self,
        setting: &'static Setting,
        Said { profile, built_in, pin }: Said<'_>,
        settings: &mut Settings,
    ) -> Result<Option<Origin>> {
        if let Some((_, flag, values)) = self.request.flags.iter().find(|(given, ..)| std::ptr::eq(*given, setting)) {
            let input = setting.shape.read_flag(values);
            return input
                .and_then(|input| apply(setting, input, Origin::Flag(flag), settings))
                .map_err(|reason| Error::new(Kind::Usage, format!("`{flag}` {reason}")));
        }
        if let Some(value) = self.variable(setting.env)? {
            let input = setting.shape.read_text(&value);
            return input
                .and_then(|input| apply(setting, input, Origin::Env(setting.env), settings))
                .map_err(|reason| bad_variable(setting.env, &reason));
        }
        // What nobody has said of this session alone counts only where it means something. `kind` comes before those.
        let takes = kind::takes(settings.kind, setting);
        if let Some(config) = self.config {
            let origins = [Origin::Profile, Origin::Defaults];
            let defaults = Some(&config.defaults).filter(|_| takes);
            for (section, origin) in [profile, defaults].into_iter().zip(origins) {
                let Some(item) = section.and_then(|section| section.get(setting)) else { continue };
                let (line, _) = config.source().position(item.offset);
                return stored_path(setting, &item.input)
                    .and_then(|()| apply(setting, item.input.clone(), origin(line), settings))
                    .map_err(|reason| config.source().error(item.offset, format!("`{}` {reason}", setting.key)));
            }
        }
        if std::ptr::eq(setting, &schema::BROWSER)
            && let Some(value) = self.variable("BROWSER")?.filter(|value| !value.is_empty())
        {
            // Not our variable, hence weaker than our own file, as `EDITOR` is weaker than git's `core.editor`.
            let input = setting.shape.read_text(first_browser(&value));
            return input
                .and_then(|input| apply(setting, input, Origin::Env("BROWSER"), settings))
                .map_err(|reason| bad_variable("BROWSER", &reason));
        }
        if let Some(built_in) = built_in
            && let Some(input) = self.said_by_uri(built_in, setting, settings.kind)?
        {
            let what = |reason| Error::new(Kind::Usage, format!("the connection string's `{}` {reason}", setting.key));
            return apply(setting, input, Origin::Uri, settings).map_err(what);
        }
        // A server speaks of the provider of people.
        let pin = pin.filter(|_| !settings.kind.is_program());
        if let Some(input) = pin.and_then(|pin| said_by_server(pin, setting)) {
            let what = |reason| Error::new(Kind::RuleBroken, format!("the server's `{}` {reason}", setting.key));
            return apply(setting, input, Origin::Server, settings).map_err(what);
        }
        apply_default(setting, settings).map(|()| None)
    }

    /// The text of a variable, where it is set.
    pub fn variable(&self, name: &'static str) -> Result<Option<String>> {
        let Some(value) = (self.environment)(name) else { return Ok(None) };
        value.into_string().map(Some).map_err(|_| bad_variable(name, "is not UTF-8"))
    }
}

/// What is said elsewhere than by the person, weakest last.
#[derive(Clone, Copy)]
struct Said<'a> {
    profile: Option<&'a Section<'a>>,
    built_in: Option<&'a BuiltIn>,
    pin: Option<&'a Pin>,
}

impl Layers<'_> {
    /// What a driver would take from the connection string. Beside the kind, it counts only if that is still the kind.
    fn said_by_uri<'b>(
        &self,
        built_in: &'b BuiltIn,
        setting: &Setting,
        kind: SessionKind,
    ) -> Result<Option<Input<'b>>> {
        let own_kind = match built_in {
            BuiltIn::Azure { .. } => SessionKind::AzureManagedIdentity,
            BuiltIn::Gcp { .. } => SessionKind::Gcp,
            BuiltIn::K8s => SessionKind::Kubernetes,
            BuiltIn::Test => SessionKind::File,
        };
        if std::ptr::eq(setting, &schema::KIND) {
            return Ok(Some(Input::Text(own_kind.name().into())));
        }
        Ok(match built_in {
            _ if kind != own_kind => None,
            BuiltIn::Azure { resource, .. } if std::ptr::eq(setting, &schema::RESOURCE) => {
                Some(Input::List(vec![resource.as_str().into()]))
            }
            BuiltIn::Azure { client_id: Some(id), .. } if std::ptr::eq(setting, &schema::IDENTITY) => {
                Some(Input::Text(format!("client_id:{id}").into()))
            }
            BuiltIn::Gcp { audience } if std::ptr::eq(setting, &schema::AUDIENCE) => {
                Some(Input::Text(audience.as_str().into()))
            }
            BuiltIn::Test if std::ptr::eq(setting, &schema::SOURCE_FILE) => {
                let path = self.variable("OIDC_TOKEN_FILE")?.filter(|path| !path.is_empty());
                let missing = || {
                    let what = "the connection string asks for the token in `OIDC_TOKEN_FILE`, which is not set";
                    Error::new(Kind::Config, what)
                };
                Some(Input::Text(path.ok_or_else(missing)?.into()))
            }
            _ => None,
        })
    }
}

/// What a server decides: who the provider is, and what to ask it for. Its scopes come on top of the usual ones (MongoDB's
/// rules for workforce clients).
pub fn said_by_server<'p>(pin: &'p Pin, setting: &Setting) -> Option<Input<'p>> {
    if std::ptr::eq(setting, &schema::ISSUER) {
        Some(Input::Text(pin.issuer.as_str().into()))
    } else if std::ptr::eq(setting, &schema::CLIENT_ID) {
        Some(Input::Text(pin.client_id.as_str().into()))
    } else if std::ptr::eq(setting, &schema::SCOPE) {
        let usual = schema::SCOPE.default.unwrap_or_default().split(' ');
        Some(Input::List(usual.chain(pin.request_scopes.iter().map(String::as_str)).map(Into::into).collect()))
    } else {
        None
    }
}

fn apply_default(setting: &'static Setting, settings: &mut Settings) -> Result<()> {
    let Some(default) = setting.default.filter(|_| kind::takes(settings.kind, setting)) else { return Ok(()) };
    let input = setting.shape.read_text(default);
    input
        .and_then(|input| apply(setting, input, Origin::BuiltIn, settings).map(drop))
        .map_err(|reason| Error::new(Kind::Failed, format!("built-in `{}` {reason}", setting.key)))
}

fn apply(
    setting: &'static Setting,
    input: Input<'_>,
    origin: Origin,
    settings: &mut Settings,
) -> Result<Option<Origin>, String> {
    // File and command are two ways to give one thing: the stronger layer decides, and within one they contradict.
    if std::ptr::eq(setting, &schema::CLIENT_SECRET_COMMAND) && settings.client_secret.is_some() {
        let file = schema::CLIENT_SECRET_FILE.key;
        match settings.origin(file).layer().cmp(&origin.layer()) {
            Ordering::Less => return Ok(None),
            Ordering::Equal => return Err(format!("cannot be combined with `{file}`")),
            Ordering::Greater => settings.origins.retain(|(key, _)| *key != file),
        }
    }
    (setting.apply)(settings, input).map(|()| Some(origin))
}

/// A path that is written down must not depend on the folder in which it is used later.
fn stored_path(setting: &Setting, input: &Input<'_>) -> Result<(), String> {
    match input {
        Input::Text(path) if setting.shape == Shape::Path && !Path::new(path.as_ref()).is_absolute() => {
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

fn bad_variable(name: &str, reason: &str) -> Error {
    let error = Error::new(Kind::Config, format!("environment variable `{name}` {reason}"));
    if reason == "is empty" { error.hint(format!("run `unset {name}`, or give it a value")) } else { error }
}

#[cfg(test)]
mod tests {
    use super::super::BrowserChoice;
    use super::super::file;
    use super::*;
    use crate::secret::source::Source;

    const FILE: &str = "\
default_profile = 'prod'
[defaults]
issuer = 'https://defaults'
timeout = '1m'
http_timeout = '5s'
[profile.prod]
issuer = 'https://prod'
client_id = 'c'
timeout = '2m'
[profile.lean]
";

    /// Resolves with this file, environment and flags.
    fn resolve(file: &str, variables: &[(&str, &str)], flags: &[(&'static Setting, &str)]) -> Result<Settings> {
        looked_at(file, variables, flags, |layers| layers.complete())
    }

    fn looked_at<T>(
        file: &str,
        variables: &[(&str, &str)],
        flags: &[(&'static Setting, &str)],
        how: impl FnOnce(&Layers<'_>) -> T,
    ) -> T {
        let source = file::Source::new("config.toml".into(), file.into()).unwrap();
        let config = source.parse().unwrap();
        let mut request = Request::default();
        for (setting, value) in flags {
            request.flags.push((setting, setting.flag.unwrap(), vec![(*value).to_owned()]));
        }
        let environment =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value));
        let accepted = |uri: &Uri| Ok((uri.server() == "mongodb://known:27017").then(pin));
        how(&Layers { request: &request, config: Some(&config), environment: &environment, accepted: &accepted })
    }

    fn pin() -> Pin {
        Pin {
            server: "mongodb://known".into(),
            user: None,
            uri: "mongodb://known".into(),
            issuer: "https://server".into(),
            client_id: "by-server".into(),
            request_scopes: vec!["groups".into(), "openid".into()],
            accepted_at: 1,
        }
    }

    #[test]
    fn a_server_s_word_counts_where_nobody_else_has_spoken() {
        let uri = [("MDB_LOGIN_URI", "mongodb://known")];
        let settings = resolve("", &uri, &[]).unwrap();
        assert_eq!((settings.issuer.as_str(), settings.origin("issuer")), ("https://server", &Origin::Server));
        assert_eq!((settings.client_id.as_str(), settings.audience.as_str()), ("by-server", "by-server"));
        assert_eq!(settings.scopes.list, ["openid", "offline_access", "groups"]);
        assert!(settings.scopes.is_default);
        // A profile that nobody named is another matter than this server, unless it says so itself.
        assert_eq!(resolve(FILE, &uri, &[]).unwrap().issuer, "https://defaults");
        assert_eq!(resolve(FILE, &uri, &[]).unwrap().profile, None);
        let own = "[profile.prod]\nuri = 'mongodb://KNOWN/db'\nclient_id = 'c'\n";
        let settings = resolve(own, &uri, &[]).unwrap();
        assert_eq!((settings.profile.as_deref(), settings.client_id.as_str()), (Some("prod"), "c"));
        assert_eq!(settings.issuer, "https://server");
        let error = resolve("", &[("MDB_LOGIN_URI", "mongodb://u:hunter2@h")], &[]).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn the_strongest_source_wins_and_is_named() {
        let flag = [(&schema::TIMEOUT, "4m")];
        let variable = [("MDB_LOGIN_TIMEOUT", "3m")];
        let lean = [("MDB_LOGIN_PROFILE", "lean"), ("MDB_LOGIN_CLIENT_ID", "e")];
        let seconds = |settings: &Settings| settings.timeout.as_secs();

        let settings = resolve(FILE, &variable, &flag).unwrap();
        assert_eq!((seconds(&settings), settings.origin("timeout")), (240, &Origin::Flag("--timeout")));
        let settings = resolve(FILE, &variable, &[]).unwrap();
        assert_eq!((seconds(&settings), settings.origin("timeout")), (180, &Origin::Env("MDB_LOGIN_TIMEOUT")));
        let settings = resolve(FILE, &[], &[]).unwrap();
        assert_eq!((seconds(&settings), settings.origin("timeout")), (120, &Origin::Profile(9)));
        assert_eq!((settings.http_timeout.as_secs(), settings.origin("http_timeout")), (5, &Origin::Defaults(5)));
        assert_eq!((settings.issuer.as_str(), settings.profile.as_deref()), ("https://prod", Some("prod")));
        assert_eq!((settings.audience.as_str(), settings.origin("audience")), ("c", &Origin::BuiltIn));
        let settings = resolve(FILE, &lean, &[]).unwrap();
        assert_eq!((seconds(&settings), settings.origin("timeout")), (60, &Origin::Defaults(4)));
        assert_eq!(settings.client_id, "e");
        let settings = resolve("", &[], &[(&schema::ISSUER, "https://f"), (&schema::CLIENT_ID, "f")]).unwrap();
        assert_eq!((seconds(&settings), settings.origin("timeout")), (300, &Origin::BuiltIn));
        assert!(settings.profile.is_none() && settings.nonce && settings.scopes.is_default);
        assert_eq!(settings.scopes.list, ["openid", "offline_access"]);
        assert_eq!(settings.redirect_uris[0].to_string(), "http://localhost:27097/redirect");
    }

    #[test]
    fn a_profile_that_nobody_named_is_not_used_for_another_issuer() {
        let secret = "[profile.prod]\nissuer = 'https://prod'\nclient_id = 'c'\nclient_secret_file = '/secret'\n";
        let other = [("MDB_LOGIN_ISSUER", "https://other"), ("MDB_LOGIN_CLIENT_ID", "d")];
        let settings = resolve(secret, &other, &[]).unwrap();
        assert_eq!((settings.profile, settings.client_secret), (None, None));
        let same = [("MDB_LOGIN_ISSUER", "https://prod")];
        assert_eq!(resolve(secret, &same, &[]).unwrap().profile.as_deref(), Some("prod"));
        let named = [("MDB_LOGIN_ISSUER", "https://other"), ("MDB_LOGIN_PROFILE", "prod")];
        assert_eq!(resolve(secret, &named, &[]).unwrap().profile.as_deref(), Some("prod"));
    }

    #[test]
    fn a_secret_comes_from_one_place() {
        let both = "[profile.prod]\nissuer = 'https://a'\nclient_id = 'c'\nclient_secret_command = 'pass a'\n";
        let command = Some(Source::Command(vec!["pass".into(), "a".into()]));
        assert_eq!(resolve(both, &[], &[]).unwrap().client_secret, command);
        let file = [("MDB_LOGIN_CLIENT_SECRET_FILE", "/s")];
        let settings = resolve(both, &file, &[]).unwrap();
        assert_eq!(settings.client_secret, Some(Source::File("/s".into())));
        assert_eq!(settings.origin("client_secret_command"), &Origin::BuiltIn);
        let weaker = format!("[defaults]\nclient_secret_file = '/s'\n{both}");
        let settings = resolve(&weaker, &[], &[]).unwrap();
        assert_eq!((&settings.client_secret, settings.origin("client_secret_file")), (&command, &Origin::BuiltIn));
        let error = resolve(&format!("{both}client_secret_file = '/s'"), &[], &[]).unwrap_err();
        assert_eq!(
            error.message(),
            "config.toml:4:25: `client_secret_command` cannot be combined with `client_secret_file`"
        );
    }

    #[test]
    fn the_general_browser_variable_is_weaker_than_our_file() {
        let choice = |file: &str, variables: &[(&str, &str)]| {
            let variables = [&[("MDB_LOGIN_ISSUER", "https://a"), ("MDB_LOGIN_CLIENT_ID", "c")], variables].concat();
            resolve(file, &variables, &[]).unwrap().browser
        };
        let command = |words: &[&str]| BrowserChoice::Command(words.iter().map(|&word| word.to_owned()).collect());
        assert_eq!(choice("", &[]), BrowserChoice::System);
        assert_eq!(choice("", &[("BROWSER", "")]), BrowserChoice::System);
        assert_eq!(choice("", &[("BROWSER", "w3m -o x=1:2 %s")]), command(&["w3m", "-o", "x=1:2", "%s"]));
        assert_eq!(choice("defaults.browser = 'none'", &[("BROWSER", "w3m")]), BrowserChoice::None);
        assert_eq!(choice("", &[("BROWSER", "w3m"), ("MDB_LOGIN_BROWSER", "none")]), BrowserChoice::None);
        if cfg!(unix) {
            assert_eq!(choice("", &[("BROWSER", "firefox:chromium")]), command(&["firefox"]));
        }
    }

    #[test]
    fn what_is_wrong_is_told_all_at_once_and_the_rest_is_as_it_was_meant() {
        let file = "[profile.prod]\nissuer = 'https://a'\ntimeout = '30'\nclient_id = 'c'\nca_file = 'x'\n";
        let variables = [("MDB_LOGIN_NONCE", "maybe"), ("MDB_LOGIN_CLIENT_SECRET", "hunter2")];
        let (settings, wrong) =
            looked_at(file, &variables, &[(&schema::MAX_AGE, "-1")], |layers| layers.compose_what_is_right());
        assert_eq!((settings.issuer.as_str(), settings.client_id.as_str()), ("https://a", "c"));
        assert_eq!((settings.timeout.as_secs(), settings.nonce, settings.ca_file), (300, true, None));
        let wrong: Vec<&str> = wrong.iter().map(Error::message).collect();
        assert_eq!(
            wrong,
            [
                "`MDB_LOGIN_CLIENT_SECRET` is not read: every child process would see the secret",
                "`--max-age` must be a whole number, not negative",
                "environment variable `MDB_LOGIN_NONCE` must be `true` or `false`",
                "config.toml:3:11: `timeout` has no unit; write `30s` for seconds",
                "config.toml:5:11: `ca_file` must be a full path, starting at the root",
            ]
        );
    }

    #[test]
    fn every_refusal_names_its_source_and_the_next_step() {
        let create = "run `mdb-login profile set prod issuer=https://login.example.com client_id=CLIENT_ID`";
        let flags_hint = "give `--issuer` and `--client-id`, or set `MDB_LOGIN_ISSUER` and `MDB_LOGIN_CLIENT_ID`";
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [(&'static Setting, &'a str)], String);
        let rows: &[Row<'_>] = &[
            (
                "",
                &[],
                &[],
                format!(
                    "[configuration] no issuer and no client id are set / hint: run `mdb-login mongodb+srv://HOST` with your \
                     server's name: it says where people sign in / hint: {flags_hint} / hint: {create} / hint: nothing is \
                     registered at the provider yet? run `mdb-login setup --help`"
                ),
            ),
            (
                "",
                &[("MDB_LOGIN_ISSUER", "https://a")],
                &[],
                format!("[configuration] no client id is set / hint: {flags_hint} / hint: {create}"),
            ),
            (
                "[profile.prod]\nissuer = 'https://a'",
                &[],
                &[],
                "[configuration] no client id is set in profile `prod` / hint: run `mdb-login profile set prod \
                 client_id=CLIENT_ID`"
                    .into(),
            ),
            (
                "[profile.a]\n[profile.b]",
                &[],
                &[],
                "[configuration] there are several profiles, and none of them is the default / hint: name one with \
                 `--profile`: a, b / hint: run `mdb-login profile use a` to make it the default"
                    .into(),
            ),
            (
                "default_profile = 'prdo'\n[profile.prod]",
                &[],
                &[],
                "[configuration] config.toml:1:19: `default_profile` names `prdo`, which does not exist / hint: run \
                 `mdb-login profile use prod`"
                    .into(),
            ),
            (
                "[profile.prod]",
                &[("MDB_LOGIN_PROFILE", "prdo")],
                &[],
                "[configuration] there is no profile called `prdo` / hint: did you mean the profile `prod`?".into(),
            ),
            (
                "",
                &[("MDB_LOGIN_PROFILE", "a/b")],
                &[],
                "[configuration] environment variable `MDB_LOGIN_PROFILE` must be 1 to 64 letters, digits and `._-`".into(),
            ),
            (
                "",
                &[("MDB_LOGIN_PROFILE", "mongodb://u:hunter2@h")],
                &[],
                "[configuration] environment variable `MDB_LOGIN_PROFILE` must not be a connection string / hint: give it as \
                 TARGET, with `--uri`, or in `MDB_LOGIN_URI`"
                    .into(),
            ),
            (
                "",
                &[("MDB_LOGIN_ISSUER", "")],
                &[],
                "[configuration] environment variable `MDB_LOGIN_ISSUER` is empty / hint: run `unset MDB_LOGIN_ISSUER`, or \
                 give it a value"
                    .into(),
            ),
            (
                "",
                &[("MDB_LOGIN_NONCE", "maybe")],
                &[],
                "[configuration] environment variable `MDB_LOGIN_NONCE` must be `true` or `false`".into(),
            ),
            (
                "",
                &[("MDB_LOGIN_CLIENT_SECRET", "hunter2")],
                &[],
                "[configuration] `MDB_LOGIN_CLIENT_SECRET` is not read: every child process would see the secret / hint: \
                 unset it, and name a file that only you can read in `MDB_LOGIN_CLIENT_SECRET_FILE`"
                    .into(),
            ),
            (
                "defaults.ca_file = 'ca.pem'",
                &[],
                &[],
                "[configuration] config.toml:1:20: `ca_file` must be a full path, starting at the root".into(),
            ),
            (
                "defaults.ca_file = '~/ca.pem'",
                &[("MDB_LOGIN_CA_FILE", "~/ca.pem")],
                &[],
                "[configuration] environment variable `MDB_LOGIN_CA_FILE` starts with `~`, which only a shell expands; \
                 write the full path"
                    .into(),
            ),
            ("", &[], &[(&schema::ISSUER, "")], "[usage] `--issuer` is empty".into()),
            ("", &[], &[(&schema::TIMEOUT, "300")], "[usage] `--timeout` has no unit; write `300s` for seconds".into()),
            ("", &[], &[(&schema::AUTH_PARAM, "state")], "[usage] `--auth-param` must be written `name=value`".into()),
            ("", &[], &[(&schema::MAX_AGE, "-1")], "[usage] `--max-age` must be a whole number, not negative".into()),
        ];
        for (file, variables, flags, expected) in rows {
            assert_eq!(&format!("{:?}", resolve(file, variables, flags).unwrap_err()), expected);
        }
    }
}
