//! `mdb-login token`: print a valid token.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use crate::atomic_file;
use crate::cli::{EnvShell, TokenArgs, TokenOutput};
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::session::{Freshness, Session};
use crate::settings::Settings;
use crate::store::cache::CachedToken;
use crate::ui::{Ui, foreign, shell_quoted};

pub fn run(args: &TokenArgs, settings: &Settings, ui: &Ui) -> Result<()> {
    let session = Session::new(settings, ui)?;
    let token = session.token(&freshness(args, settings))?;
    match &args.token_file {
        Some(path) => write_file(path, token.token.expose()),
        None => print(&token, args, settings, ui),
    }
}

/// The first rung alone; `None` if it takes more than a look at the cache. Prompts and hooks come this way: nothing may
/// be done here that a cached token does not need.
pub fn run_cached(args: &TokenArgs, settings: &Settings, ui: &Ui) -> Option<Result<()>> {
    if args.token_file.is_some() {
        return None;
    }
    let token = Session::new(settings, ui).ok()?.cached_token(&freshness(args, settings))?;
    Some(print(&token, args, settings, ui))
}

fn freshness(args: &TokenArgs, settings: &Settings) -> Freshness {
    Freshness { min_ttl: settings.min_ttl, force: args.force_refresh }
}

fn print(token: &CachedToken, args: &TokenArgs, settings: &Settings, ui: &Ui) -> Result<()> {
    let output = if ui.json { TokenOutput::Json } else { args.output };
    let text = match output {
        // Byte-exact for pipes and files: MongoDB's drivers send a line break along and are refused.
        TokenOutput::Raw if ui.stdout_is_terminal() => format!("{}\n", token.token.expose()),
        TokenOutput::Raw => token.token.expose().to_owned(),
        TokenOutput::Json => json(token, settings.profile.as_deref()),
        TokenOutput::Header => format!("Authorization: Bearer {}\n", token.token.expose()),
        TokenOutput::Env => env(token, args.shell.unwrap_or_else(usual_shell)),
    };
    if ui.stdout_is_terminal() {
        ui.warn("this is a live credential, and it is on your screen now");
    }
    ui.data(text.as_bytes())
}

/// The object of `docs/json/token.json`.
fn json(token: &CachedToken, profile: Option<&str>) -> String {
    let object = json!({
        "schema": 1,
        "access_token": token.token.expose(),
        "token_type": "Bearer",
        "expires_at": token.expires_at,
        "expires_in": token.expires_at.saturating_sub(unix_now()),
        "issuer": token.issuer,
        "client_id": Some(&token.client_id).filter(|id| !id.is_empty()),
        "audience": token.audience,
        "subject": token.subject,
        "scope": token.scopes.join(" "),
        "profile": profile,
    });
    format!("{object}\n")
}

/// Assignments for a shell to evaluate.
fn env(token: &CachedToken, shell: EnvShell) -> String {
    let values = [
        ("MDB_ACCESS_TOKEN", token.token.expose().to_owned()),
        ("MDB_ACCESS_TOKEN_EXPIRES_AT", token.expires_at.to_string()),
    ];
    let mut lines = String::new();
    for (name, value) in &values {
        let value = quote(value, shell);
        let _ = match shell {
            EnvShell::Bash => writeln!(lines, "export {name}={value}"),
            EnvShell::Fish => writeln!(lines, "set -gx {name} {value}"),
            EnvShell::Powershell => writeln!(lines, "$env:{name} = {value}"),
        };
    }
    lines
}

/// The shell that the person uses, as far as the environment tells.
fn usual_shell() -> EnvShell {
    let shell = std::env::var_os("SHELL").unwrap_or_default();
    match Path::new(&shell).file_stem().and_then(|name| name.to_str()) {
        Some("fish") => EnvShell::Fish,
        Some("pwsh" | "powershell") => EnvShell::Powershell,
        Some(_) => EnvShell::Bash,
        None if cfg!(windows) => EnvShell::Powershell,
        None => EnvShell::Bash,
    }
}

/// A literal string of the shell: single quotes, in which only the quote itself (and fish's backslash) means anything.
fn quote(text: &str, shell: EnvShell) -> String {
    let inner = match shell {
        EnvShell::Bash => text.replace('\'', r"'\''"),
        EnvShell::Fish => text.replace('\\', r"\\").replace('\'', r"\'"),
        EnvShell::Powershell => text.replace('\'', "''"),
    };
    format!("'{inner}'")
}

/// Replaces the file in one step: a reader sees the old token or the new one, whole, and only its owner can.
fn write_file(path: &Path, token: &str) -> Result<()> {
    let failed = || {
        let shown = foreign(&path.display().to_string());
        Error::new(Kind::Failed, format!("cannot write the token file `{shown}`"))
    };
    if path.is_dir() {
        return Err(failed().because_of("it is a directory"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.exists()) {
        let folder = folder.to_string_lossy();
        return Err(failed()
            .because_of(format!("there is no folder `{}`", foreign(&folder)))
            .hint(format!("run `mkdir -p -m 700 {}`", shell_quoted(&folder))));
    }
    atomic_file::replace(path, token.as_bytes(), None).map_err(|error| failed().because(error))
}

#[cfg(test)]
mod tests {
    use super::{EnvShell, quote};

    #[test]
    fn quoting_leaves_no_way_out() {
        let text = r#"a'b\c"$(x)`y`$z"#;
        assert_eq!(quote(text, EnvShell::Bash), r#"'a'\''b\c"$(x)`y`$z'"#);
        assert_eq!(quote(text, EnvShell::Fish), r#"'a\'b\\c"$(x)`y`$z'"#);
        assert_eq!(quote(text, EnvShell::Powershell), r#"'a''b\c"$(x)`y`$z'"#);
    }
}
