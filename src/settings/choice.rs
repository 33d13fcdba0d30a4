//! Which profile is meant, and what to type when nothing fits.

use super::file::Config;
use super::layers::Layers;
use super::schema::{self, Input, Setting};
use super::{Settings, kind, values};
use crate::error::{Error, Kind, Result};
use crate::mongo::uri::{Uri, is_connection_string, of_hosts};
use crate::ui::{foreign, nearest, shell_quoted};

impl Layers<'_> {
    /// Named by the person > `MDB_LOGIN_PROFILE` > `default_profile` > the only one > none.
    pub fn choose_profile(&self) -> Result<Option<String>> {
        if let Some(name) = self.given_profile()? {
            return self.existing_profile(name).map(Some);
        }
        let Some(config) = self.config else { return Ok(None) };
        let Some((name, offset)) = by_file(config) else { return Ok(None) };
        let Some(section) = config.profile(name) else {
            let error =
                config.source().error(offset, format!("`default_profile` names `{name}`, which does not exist"));
            return Err(match nearest(name, config.names()) {
                Some(nearest) => error.hint(format!("run `mdb-login profile use {nearest}`")),
                None => error.hint("run `mdb-login profile list` to see the profiles"),
            });
        };
        // A profile that nobody named stands for its own issuer. Were it used for another, that one would be sent the
        // profile's client secret, and its tokens would be checked against the profile's audience.
        // Nor does it stand for a server that it does not name, which may have another provider, nor a person's for a
        // program.
        let other = |setting: &'static Setting, same: &dyn Fn(&str, &str) -> bool| -> Result<bool> {
            let given = match self.request.flags.iter().find(|(given, ..)| std::ptr::eq(*given, setting)) {
                Some((.., values)) => values.last().cloned(),
                None => self.variable(setting.env)?,
            };
            let own = match section.get(setting).or_else(|| config.defaults.get(setting)).map(|item| &item.input) {
                Some(Input::Text(own)) => Some(own.as_ref()),
                _ => setting.default,
            };
            Ok(given.is_some_and(|given| !own.is_some_and(|own| same(own, &given))))
        };
        // One that names a cloud's identity has tokens of its own.
        let platform = |uri: &Uri| uri.names_a_platform().then(|| uri.built_in());
        let same_server = |a: &str, b: &str| {
            let same = |a: &Uri, b: &Uri| a.server() == b.server() && platform(a) == platform(b);
            matches!((Uri::parse(a), Uri::parse(b)), (Ok(a), Ok(b)) if same(&a, &b))
        };
        let is_other = other(&schema::ISSUER, &|a, b| a == b)?
            || other(&schema::KIND, &|a, b| a == b)?
            || other(&schema::URI, &same_server)?;
        Ok((!is_other).then(|| name.to_owned()))
    }

    /// The name that is given, by the person > by `MDB_LOGIN_PROFILE`, whether or not there is such a profile.
    pub fn given_profile(&self) -> Result<Option<String>> {
        let (name, kind, what) = if let Some(name) = &self.request.profile {
            (name.clone(), Kind::Usage, "a profile's name")
        } else if let Some(name) = self.variable("MDB_LOGIN_PROFILE")? {
            (name, Kind::Config, "environment variable `MDB_LOGIN_PROFILE`")
        } else {
            return Ok(None);
        };
        if is_connection_string(&name) {
            // Not repeated: it may hold a password.
            return Err(Error::new(kind, format!("{what} must not be a connection string"))
                .hint("give it as TARGET, with `--uri`, or in `MDB_LOGIN_URI`"));
        }
        match values::profile_name(&name) {
            Ok(()) => Ok(Some(name)),
            Err(reason) => {
                Err(meant_otherwise(&name).into_iter().fold(Error::new(kind, format!("{what} {reason}")), Error::hint))
            }
        }
    }

    fn existing_profile(&self, name: String) -> Result<String> {
        let names: Vec<&str> = self.config.map(|config| config.names().collect()).unwrap_or_default();
        if names.contains(&name.as_str()) {
            return Ok(name);
        }
        let mut error = match self.request.nearest_command {
            Some(command) => {
                Error::new(Kind::Config, format!("there is neither a command nor a profile called `{name}`"))
                    .hint(format!("did you mean `mdb-login {command}`?"))
            }
            None => Error::new(Kind::Config, format!("there is no profile called `{name}`")),
        };
        if let Some(nearest) = nearest(&name, names.iter().copied()) {
            error = error.hint(format!("did you mean the profile `{nearest}`?"));
        } else if let Some(hint) = meant_otherwise(&name) {
            error = error.hint(hint);
        } else if self.request.nearest_command.is_none() {
            error = error.hint(match names.as_slice() {
                [] => format!("{}; `mdb-login --help` shows the commands", create_hint(&name)),
                _ => "run `mdb-login profile list` to see the profiles".to_owned(),
            });
        }
        Err(error)
    }

    /// The settings with issuer and client id, or what to type to give them.
    pub fn complete(&self) -> Result<Settings> {
        let settings = self.compose()?;
        kind::check(&settings)?;
        if settings.is_complete() {
            return Ok(settings);
        }
        // Nothing else says which session is meant, so a driver's own way is.
        let as_drivers_do = self.compose_as_drivers_do()?;
        if as_drivers_do.kind.is_program() {
            return kind::check(&as_drivers_do).map(|()| as_drivers_do);
        }
        if let Some(uri) = &settings.uri {
            let server = foreign(&uri.server());
            return Err(Error::new(Kind::LoginRequired, format!("nobody has signed in for `{server}` yet"))
                .hint(format!("run `mdb-login login {}`", shell_quoted(&uri.text()))));
        }
        let (missing, keys) = match (settings.issuer.is_empty(), settings.client_id.is_empty()) {
            (true, true) => ("no issuer and no client id are set", CREATE_KEYS),
            (true, false) => ("no issuer is set", "issuer=https://login.example.com"),
            (false, _) => ("no client id is set", "client_id=CLIENT_ID"),
        };
        let names: Vec<&str> = self.config.map(|config| config.names().collect()).unwrap_or_default();
        let mut error = match (&settings.profile, names.as_slice()) {
            (Some(profile), _) => Error::new(Kind::Config, format!("{missing} in profile `{profile}`"))
                .hint(format!("run `mdb-login profile set {profile} {keys}`")),
            (None, [first, _, ..]) if settings.issuer.is_empty() => {
                Error::new(Kind::Config, "there are several profiles, and none of them is the default")
                    .hint(format!("name one with `--profile`: {}", names.join(", ")))
                    .hint(format!("run `mdb-login profile use {first}` to make it the default"))
            }
            _ => {
                // Where there is nothing at all, somebody may be here for the first time.
                let is_first = settings.issuer.is_empty() && settings.client_id.is_empty();
                let server = "run `mdb-login mongodb+srv://HOST` with your server's name: it says where people sign in";
                let set_up = "nothing is registered at the provider yet? run `mdb-login setup --help`";
                let hints = [
                    Some(server.to_owned()).filter(|_| is_first),
                    Some(
                        "give `--issuer` and `--client-id`, or set `MDB_LOGIN_ISSUER` and `MDB_LOGIN_CLIENT_ID`".into(),
                    ),
                    Some(create_hint("prod")),
                    Some(set_up.to_owned()).filter(|_| is_first),
                ];
                hints.into_iter().flatten().fold(Error::new(Kind::Config, missing), Error::hint)
            }
        };
        // A variable that is almost right is ignored as any other, so it has to be looked for.
        for (variable, meant) in [("MDB_LOGIN_CLIENTID", &schema::CLIENT_ID), ("MDB_LOGIN_ISSUER_URL", &schema::ISSUER)]
        {
            if (self.environment)(variable).is_some() {
                error = error.hint(format!("`{variable}` means nothing; did you mean `{}`?", meant.env));
            }
        }
        Err(error)
    }
}

/// For somebody who has typed a host where its connection string belongs, or an issuer where a profile does.
fn meant_otherwise(name: &str) -> Option<String> {
    if name.starts_with("https://") {
        return Some(format!("is it an issuer? then give `--issuer {} --client-id CLIENT_ID`", shell_quoted(name)));
    }
    of_hosts(name).map(|uri| format!("did you mean `{}`?", shell_quoted(&uri.text())))
}

/// The profile that the file itself chooses, and where it does.
pub fn by_file<'c>(config: &'c Config<'_>) -> Option<(&'c str, usize)> {
    match (&config.default_profile, config.profiles.as_slice()) {
        (Some((name, offset)), _) => Some((name, *offset)),
        (None, [(only, _)]) => Some((only, 0)),
        _ => None,
    }
}

const CREATE_KEYS: &str = "issuer=https://login.example.com client_id=CLIENT_ID";

fn create_hint(name: &str) -> String {
    format!("run `mdb-login profile set {name} {CREATE_KEYS}`")
}
