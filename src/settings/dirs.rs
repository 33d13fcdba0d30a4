//! Where the configuration and the state live.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::ui::foreign;

/// The folder of `config.toml`: `MDB_LOGIN_CONFIG_DIR`; else `mdb-login` in the XDG configuration folder (Unix,
/// macOS included) or in `%APPDATA%`. It may not exist yet.
pub fn config_dir() -> Result<PathBuf> {
    CONFIG.find(&|name| env::var_os(name))
}

/// The folder of locks, records and caches: `MDB_LOGIN_STATE_DIR`; else `mdb-login` in the XDG state folder or in
/// `%LOCALAPPDATA%`, which does not roam to other machines. It may not exist yet.
pub fn state_dir() -> Result<PathBuf> {
    STATE.find(&|name| env::var_os(name))
}

/// The variables that name a folder, strongest first, and where it is without them.
struct Place {
    own: &'static str,
    xdg: &'static str,
    below_home: &'static str,
    windows: &'static str,
}

const CONFIG: Place =
    Place { own: "MDB_LOGIN_CONFIG_DIR", xdg: "XDG_CONFIG_HOME", below_home: ".config", windows: "APPDATA" };

const STATE: Place =
    Place { own: "MDB_LOGIN_STATE_DIR", xdg: "XDG_STATE_HOME", below_home: ".local/state", windows: "LOCALAPPDATA" };

impl Place {
    fn find(&self, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
        if let Some(value) = environment(self.own) {
            return absolute(self.own, value.into());
        }
        let base = if cfg!(windows) {
            match environment(self.windows) {
                Some(value) => absolute(self.windows, value.into())?,
                None => {
                    return Err(Error::new(Kind::Config, format!("`{}` is not set", self.windows)).hint(set(self.own)));
                }
            }
        } else {
            // An empty XDG variable counts as unset (XDG Base Directory Specification).
            match environment(self.xdg).filter(|value| !value.is_empty()) {
                Some(value) => absolute(self.xdg, value.into())?,
                None => home(environment, self.own)?.join(self.below_home),
            }
        };
        Ok(base.join("mdb-login"))
    }
}

/// `HOME`, or what the system's user database says where it is unset.
fn home(environment: &dyn Fn(&str) -> Option<OsString>, own: &'static str) -> Result<PathBuf> {
    match environment("HOME").map(PathBuf::from).or_else(env::home_dir) {
        Some(home) => absolute("HOME", home),
        None => Err(Error::new(Kind::Config, "this user has no home folder, and `HOME` is not set").hint(set(own))),
    }
}

/// A relative path would mean another folder wherever the command is run, so other settings and other sessions.
fn absolute(variable: &'static str, path: PathBuf) -> Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path);
    }
    let what = if path.as_os_str().is_empty() {
        "is empty".to_owned()
    } else {
        format!("is not an absolute path: `{}`", foreign(&path.to_string_lossy()))
    };
    Err(Error::new(Kind::Config, format!("`{variable}` {what}")).hint(set(variable)))
}

fn set(variable: &str) -> String {
    format!("set `{variable}` to the full path of a folder")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_variable_names_the_folder() {
        type Row<'a> = (&'a Place, &'a [(&'a str, &'a str)], &'a str);
        let rows: &[Row<'_>] = &[
            (&CONFIG, &[("MDB_LOGIN_CONFIG_DIR", "/c"), ("XDG_CONFIG_HOME", "/x")], "/c"),
            (&CONFIG, &[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")], "/x/mdb-login"),
            (&CONFIG, &[("XDG_CONFIG_HOME", ""), ("HOME", "/h")], "/h/.config/mdb-login"),
            (&STATE, &[("MDB_LOGIN_STATE_DIR", "/s"), ("HOME", "/h")], "/s"),
            (&STATE, &[("HOME", "/h")], "/h/.local/state/mdb-login"),
            (&STATE, &[("MDB_LOGIN_STATE_DIR", "")], "`MDB_LOGIN_STATE_DIR` is empty"),
            (&STATE, &[("MDB_LOGIN_STATE_DIR", "a/b")], "`MDB_LOGIN_STATE_DIR` is not an absolute path: `a/b`"),
            (&CONFIG, &[("XDG_CONFIG_HOME", "x\u{1b}")], "`XDG_CONFIG_HOME` is not an absolute path: `x\\u{1b}`"),
            (&CONFIG, &[("HOME", "")], "`HOME` is empty"),
        ];
        for (place, variables, expected) in rows {
            let environment = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value))
            };
            let found = match place.find(&environment) {
                Ok(path) => path.to_string_lossy().into_owned(),
                Err(error) => error.message().to_owned(),
            };
            assert_eq!(&found, expected);
        }
    }
}
