//! `mdb-login status`: who, where, until when, in which store. Never a secret, and never a question to the keyring.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::StatusArgs;
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::session::{Freshness, Session};
use crate::settings::{Request, Settings, preview};
use crate::store::SessionId;
use crate::store::cache;
use crate::store::index::{self, IndexEntry};
use crate::ui::{Ui, foreign, moment, span};

/// Shows the session that `settings` describe. Not signed in, or ended: exit 4, so that scripts can ask.
pub fn run(args: &StatusArgs, settings: &Settings, ui: &Ui) -> Result<()> {
    let session = Session::new(settings, ui)?;
    if args.check {
        ask(&session)?;
    }
    let login = || format!("run `{}`", session.command("login"));
    let Some(entry) = session.entry()? else {
        return Err(
            Error::new(Kind::LoginRequired, format!("not signed in at `{}`", foreign(&settings.issuer))).hint(login())
        );
    };
    show(&[(session.id().clone(), entry.clone())], settings.profile.as_deref(), ui)?;
    match entry.ended {
        Some(ended) => Err(Error::new(Kind::LoginRequired, "the session has ended")
            .because_of(foreign(&ended.reason))
            .hint(login())),
        None => Ok(()),
    }
}

/// Asks the provider. A cached token would say nothing: it is good until it expires, whatever became of the session.
/// Where there is no refresh token to ask with, that token is all of the session that there is.
fn ask(session: &Session<'_>) -> Result<()> {
    let renewable = session.entry()?.is_none_or(|entry| entry.renewable);
    let freshness = if renewable {
        Freshness { min_ttl: None, force: true }
    } else {
        Freshness { min_ttl: Some(Duration::ZERO), force: false }
    };
    session.token(&freshness).map(drop)
}

/// Shows every session of this computer's user; with `check`, after asking each provider.
pub fn run_all(check: Option<&Request>, ui: &Ui) -> Result<()> {
    let state_dir = crate::settings::dirs::state_dir()?;
    let mut found = index::all(&state_dir)?;
    let mut failed = Vec::new();
    if let Some(request) = check {
        let base = preview(request)?;
        for (id, entry) in &found.entries {
            let settings = base.for_session(&entry.key, request);
            match Session::found(&settings, ui, id).and_then(|session| ask(&session)) {
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                result => failed.extend(result.err()),
            }
        }
        found = index::all(&state_dir)?;
    }
    if found.entries.is_empty() && found.unreadable.is_empty() && !ui.json {
        ui.note("there is no session");
    }
    if ui.json {
        let sessions: Vec<_> = found.entries.iter().map(|(id, entry)| object(id, entry, None)).collect();
        ui.object(json!({ "sessions": sessions }))?;
    } else {
        show(&found.entries, None, ui)?;
    }
    failed.extend(found.unreadable.into_iter().map(|(_, error)| error));
    ui.first_of(failed)
}

fn show(entries: &[(SessionId, IndexEntry)], profile: Option<&str>, ui: &Ui) -> Result<()> {
    if ui.json {
        let objects = entries.iter().map(|(id, entry)| format!("{}\n", object(id, entry, profile))).collect::<String>();
        return ui.data(objects.as_bytes());
    }
    let blocks: Vec<String> = entries.iter().map(|(id, entry)| block(id, entry, profile)).collect();
    ui.data(blocks.join("\n").as_bytes())
}

fn block(id: &SessionId, entry: &IndexEntry, profile: Option<&str>) -> String {
    let now = unix_now();
    let who = foreign(entry.name.as_ref().unwrap_or(&entry.subject));
    let key = &entry.key;
    let token = match access_token_end(id, entry).checked_sub(now).filter(|left| *left > 0) {
        Some(left) => format!("valid for {} (until {})", span(left), moment(now + left)),
        None if entry.renewable => "expired; the next use renews it".to_owned(),
        None => "expired, and the provider gave no refresh token; sign in again".to_owned(),
    };
    let mut rows = Vec::new();
    rows.extend(profile.map(|profile| ("profile", profile.to_owned())));
    rows.push(("signed in as", format!("{who} (sub {})", foreign(&entry.subject))));
    rows.push(("issuer", foreign(&key.issuer)));
    rows.push(("client id", foreign(&key.client_id)));
    rows.push(("audience", foreign(&key.audience)));
    rows.push(("scopes", foreign(&key.scopes.join(" "))));
    rows.extend(key.account.as_deref().map(|account| ("account", foreign(account))));
    match &entry.ended {
        Some(ended) => {
            rows.push(("ended", format!("{} ago: {}", span(now.saturating_sub(ended.at)), foreign(&ended.reason))))
        }
        None => rows.push(("token", token)),
    }
    rows.push((
        "since",
        format!("{}; renewed {} ago", moment(entry.signed_in_at), span(now.saturating_sub(entry.renewed_at))),
    ));
    rows.push(("kept in", entry.backend.worth()));
    rows.iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect()
}

/// The cache knows better than the index when both know: it is what `token` would print.
fn access_token_end(id: &SessionId, entry: &IndexEntry) -> u64 {
    cache::read(id).map_or(entry.access_expires_at, |token| token.expires_at)
}

fn object(id: &SessionId, entry: &IndexEntry, profile: Option<&str>) -> Value {
    let expires_at = access_token_end(id, entry);
    json!({
        "schema": 1,
        "profile": profile,
        "who": entry.name,
        "subject": entry.subject,
        "issuer": entry.key.issuer,
        "client_id": entry.key.client_id,
        "audience": entry.key.audience,
        "scope": entry.key.scopes.join(" "),
        "account": entry.key.account,
        "signed_in_at": entry.signed_in_at,
        "renewed_at": entry.renewed_at,
        "expires_at": expires_at,
        "expired": expires_at <= unix_now(),
        "renewable": entry.renewable,
        "ended": entry.ended.as_ref().map(|ended| json!({ "at": ended.at, "reason": ended.reason })),
        "store": entry.backend.name(),
    })
}
