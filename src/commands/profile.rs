//! `mdb-login profile`: show and change `config.toml`.

use serde_json::{Value, json};

use crate::cli::{GlobalArgs, ProfileCommand};
use crate::error::{Error, Kind, Result};
use crate::session::server;
use crate::settings::schema::{self, Input, Setting};
use crate::settings::{self, Origin, Request, SessionKind, Settings, edit};
use crate::ui::{Ui, foreign, nearest, shell_quoted};

pub fn run(command: &ProfileCommand, global: &GlobalArgs, ui: &Ui) -> Result<()> {
    match command {
        ProfileCommand::List => list(ui),
        ProfileCommand::Show { name, origin } => show(name.as_deref(), *origin, global.request(), ui),
        ProfileCommand::Set { name, values } => set(name, values, ui),
        ProfileCommand::Unset { name, keys } => unset(name, keys, ui),
        ProfileCommand::Use { name } => {
            edit::change(|document| edit::choose(document, name))?;
            done(ui, format!("`{name}` is the default profile"), json!({ "default_profile": name }))
        }
        ProfileCommand::Rename { old, new } => {
            edit::change(|document| edit::rename(document, old, new))?;
            done(ui, format!("profile `{old}` is now called `{new}`"), json!({ "profile": new, "renamed_from": old }))
        }
        ProfileCommand::Trust { target, yes } => trust(target, *yes, global, ui),
        ProfileCommand::Remove { name } => {
            edit::change(|document| edit::remove(document, name))?;
            ui.note("a session that was signed in with it stays; `mdb-login logout --all` ends every one");
            done(ui, format!("profile `{name}` is removed"), json!({ "removed": name }))
        }
    }
}

fn trust(target: &str, yes: bool, global: &GlobalArgs, ui: &Ui) -> Result<()> {
    let settings = settings::preview(&global.request_for(target))?;
    let uri = settings.required_uri()?;
    let pin = server::trust(&settings, uri, super::consent(yes), ui)?;
    let object = json!({
        "server": pin.server, "issuer": pin.issuer, "client_id": pin.client_id, "request_scopes": pin.request_scopes,
    });
    done(ui, format!("`{}` may send you to `{}`", foreign(&pin.server), foreign(&pin.issuer)), object)
}

fn list(ui: &Ui) -> Result<()> {
    let profiles = settings::profiles()?;
    if ui.json {
        let rows: Vec<Value> = profiles
            .iter()
            .map(|profile| {
                json!({
                    "name": profile.name,
                    "default": profile.is_default,
                    "kind": profile.kind.as_deref().unwrap_or(SessionKind::Workforce.name()),
                    "issuer": profile.issuer,
                    "client_id": profile.client_id,
                })
            })
            .collect();
        return ui.object(json!({ "config_file": config_file()?, "profiles": rows }));
    }
    if profiles.is_empty() {
        ui.note(format!("no profiles in {}", config_file()?));
        ui.note("hint: run `mdb-login profile set prod issuer=https://login.example.com client_id=CLIENT_ID`");
        return Ok(());
    }
    let rows: Vec<[String; 3]> = profiles
        .iter()
        .map(|profile| {
            let mark = if profile.is_default { "*" } else { " " };
            let issuer = profile.provider().map_or_else(|| "(no issuer)".to_owned(), foreign);
            [mark.to_owned(), profile.name.clone(), issuer]
        })
        .collect();
    ui.data(aligned(&rows).as_bytes())
}

fn show(name: Option<&str>, with_origin: bool, mut request: Request, ui: &Ui) -> Result<()> {
    if name.is_some() {
        request.profile = name.map(str::to_owned);
    }
    let settings = settings::preview(&request)?;
    if ui.json {
        let values = schema::ALL.iter().map(|setting| {
            let value = setting.show(&settings);
            let value = if with_origin {
                json!({ "value": value, "origin": origin_json(settings.origin(setting.key)) })
            } else {
                value
            };
            (setting.key.to_owned(), value)
        });
        let object = json!({
            "profile": settings.profile,
            "config_file": config_file()?,
            "settings": Value::Object(values.collect()),
        });
        return ui.object(object);
    }
    ui.note(format!("profile {}, {}", settings.profile.as_deref().unwrap_or("(none)"), config_file()?));
    let rows: Vec<[String; 3]> = schema::ALL
        .iter()
        .filter_map(|setting| {
            let value = plain(&setting.show(&settings))?;
            let origin = if with_origin { shown_origin(&settings, setting) } else { String::new() };
            Some([setting.key.to_owned(), value, origin])
        })
        .collect();
    ui.data(aligned(&rows).as_bytes())
}

fn set(name: &str, values: &[String], ui: &Ui) -> Result<()> {
    let mut given: Vec<(&'static Setting, Input<'_>)> = Vec::new();
    for text in values {
        let (setting, input) = assignment(name, text)?;
        if given.iter().any(|(known, _)| std::ptr::eq(*known, setting)) {
            return Err(Error::new(Kind::Usage, format!("`{}` is given twice", setting.key)));
        }
        given.push((setting, input));
    }
    edit::change(|document| edit::set(document, name, &given))?;
    let keys: Vec<&str> = given.iter().map(|(setting, _)| setting.key).collect();
    done(ui, format!("profile `{name}`: {} set", keys.join(", ")), json!({ "profile": name, "set": keys }))
}

/// Takes `KEY=VALUE` apart and judges it as the file would be judged. The value is never repeated: it may be a secret.
fn assignment<'a>(name: &str, text: &'a str) -> Result<(&'static Setting, Input<'a>)> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Error::new(Kind::Usage, "a setting must be written `KEY=VALUE`")
            .hint(format!("run `mdb-login profile set {} issuer=https://login.example.com`", shell_quoted(name))));
    };
    let Some(setting) = schema::find(key) else { return Err(unknown_key(key)) };
    let refuse = |reason: String| Error::new(Kind::Usage, format!("`{key}` {reason}"));
    let input = setting.shape.read_text(value).map_err(refuse)?;
    setting.check(input.clone()).map_err(refuse)?;
    Ok((setting, setting.stored(input).map_err(refuse)?))
}

fn unknown_key(key: &str) -> Error {
    if settings::is_secret_name(key) {
        return Error::new(Kind::Usage, format!("`{}` is a secret, and a profile never holds one", foreign(key)))
            .hint("put a client secret into a file that only you can read, and set `client_secret_file=PATH`")
            .hint("if you have just typed a real secret, have it replaced");
    }
    let error = Error::new(Kind::Usage, format!("unknown key `{}`", foreign(key)));
    match nearest(key, schema::ALL.iter().map(|setting| setting.key)) {
        Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
        None => error.hint("run `mdb-login profile set --help` to see every key"),
    }
}

fn unset(name: &str, keys: &[String], ui: &Ui) -> Result<()> {
    let removed = edit::change(|document| {
        let removed = edit::unset(document, name, keys)?;
        match keys.iter().find(|key| !removed.contains(&key.as_str()) && schema::find(key).is_none()) {
            Some(key) => Err(unknown_key(key)),
            None => Ok(removed),
        }
    })?;
    for key in keys.iter().filter(|key| !removed.contains(&key.as_str())) {
        ui.note(format!("`{key}` was not set in profile `{name}`"));
    }
    let text = match removed.as_slice() {
        [] => "nothing to change".to_owned(),
        keys => format!("profile `{name}`: {} unset", keys.join(", ")),
    };
    done(ui, text, json!({ "profile": name, "unset": removed }))
}

/// Reports a change: a line for people on stderr, an object for programs on stdout.
fn done(ui: &Ui, text: String, object: Value) -> Result<()> {
    ui.note(text);
    if ui.json { ui.object(object) } else { Ok(()) }
}

fn config_file() -> Result<String> {
    Ok(foreign(&settings::config_file()?.to_string_lossy()))
}

/// One value on one line; `None` for one that is not set.
fn plain(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::String(text) => foreign(text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(" "),
        Value::Object(pairs) => {
            let pair = |(name, value): (&String, &Value)| plain(value).map(|value| format!("{name}={value}"));
            pairs.iter().filter_map(pair).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    })
}

/// One word of a list, quoted where it would otherwise look like several.
fn word(text: &str) -> String {
    let is_plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c));
    if is_plain { foreign(text) } else { shell_quoted(text) }
}

/// Where a value comes from; a value that was taken from another setting says so.
fn shown_origin(settings: &Settings, setting: &Setting) -> String {
    match settings.origin(setting.key) {
        Origin::BuiltIn if std::ptr::eq(setting, &schema::AUDIENCE) => "the client id".to_owned(),
        origin => origin.to_string(),
    }
}

fn origin_json(origin: &Origin) -> Value {
    match origin {
        Origin::Flag(name) => json!({ "kind": "flag", "name": name }),
        Origin::Env(name) => json!({ "kind": "environment", "name": name }),
        Origin::Profile(line) => json!({ "kind": "profile", "line": line }),
        Origin::Defaults(line) => json!({ "kind": "defaults", "line": line }),
        Origin::Uri => json!({ "kind": "connection_string" }),
        Origin::Server => json!({ "kind": "server" }),
        Origin::BuiltIn => json!({ "kind": "built-in" }),
    }
}

/// Three columns, each as wide as its widest cell, without trailing spaces.
fn aligned(rows: &[[String; 3]]) -> String {
    let width = |column: fn(&[String; 3]) -> &String| rows.iter().map(|row| column(row).chars().count()).max();
    let (first, second) = (width(|row| &row[0]).unwrap_or(0), width(|row| &row[1]).unwrap_or(0));
    rows.iter().map(|[a, b, c]| format!("{a:first$}  {b:second$}  {c}").trim_end().to_owned() + "\n").collect()
}
