//! Where the configuration and the state live.

use std::env;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::ui::foreign;

/// The folder of `config.toml`: `MDB_LOGIN_CONFIG_DIR`; else `mdb-login` in the XDG configuration folder (Unix,
/// macOS included) or in `%APPDATA%`. It may not exist yet.
pub fn config_dir() -> Result<PathBuf> {
    folder("MDB_LOGIN_CONFIG_DIR", "XDG_CONFIG_HOME", ".config", "APPDATA")
}

/// The folder of locks, records and caches: `MDB_LOGIN_STATE_DIR`; else `mdb-login` in the XDG state folder or in
/// `%LOCALAPPDATA%`, which does not roam to other machines. It may not exist yet.
pub fn state_dir() -> Result<PathBuf> {
    folder("MDB_LOGIN_STATE_DIR", "XDG_STATE_HOME", ".local/state", "LOCALAPPDATA")
}

fn folder(own: &'static str, xdg: &'static str, below_home: &str, windows: &'static str) -> Result<PathBuf> {
    if let Some(value) = env::var_os(own) {
        return absolute(own, value.into());
    }
    let base = if cfg!(windows) {
        match env::var_os(windows) {
            Some(value) => absolute(windows, value.into())?,
            None => return Err(Error::new(Kind::Config, format!("`{windows}` is not set")).hint(set(own))),
        }
    } else {
        // An empty XDG variable counts as unset (XDG Base Directory Specification).
        match env::var_os(xdg).filter(|value| !value.is_empty()) {
            Some(value) => absolute(xdg, value.into())?,
            None => home(own)?.join(below_home),
        }
    };
    Ok(base.join("mdb-login"))
}

/// `HOME`, or what the system's user database says where it is unset.
fn home(own: &'static str) -> Result<PathBuf> {
    match env::home_dir() {
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
