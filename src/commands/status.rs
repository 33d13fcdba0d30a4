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
use crate::ui::report::{self, Mark, Page, Row, Section};
use crate::ui::{Ui, foreign, moment, span};

/// Shows the session that `settings` describe. Not signed in, or ended: exit 4, so that scripts can ask.
pub fn run(args: &StatusArgs, settings: &Settings, ui: &Ui) -> Result<()> {
    let session = Session::new(settings, ui)?;
    if args.check {
        ask(&session)?;
    }
    let login = || format!("run `{}`", session.command("login"));
    let Some(entry) = session.entry()? else {
        let what = match settings.kind.is_program() {
            true => "no token has been asked for yet".to_owned(),
            false => format!("not signed in at `{}`", foreign(&settings.issuer)),
        };
        return Err(Error::new(Kind::LoginRequired, what).hint(login()));
    };
    let profile = settings.profile.as_deref();
    if ui.json {
        ui.object(object(session.id(), &entry, profile))?;
    } else {
        let page = Page::of_stdout_by_lines();
        ui.data(report::report(&[block(session.id(), &entry, profile, page)], page).as_bytes())?;
    }
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
    if ui.json {
        let sessions: Vec<_> = found.entries.iter().map(|(id, entry)| object(id, entry, None)).collect();
        ui.object(json!({ "sessions": sessions }))?;
    } else if !found.entries.is_empty() {
        ui.data(table(&found.entries, Page::of_stdout_by_lines()).as_bytes())?;
    } else if found.unreadable.is_empty() {
        ui.note("there is no session");
    }
    failed.extend(found.unreadable.into_iter().map(|(_, error)| error));
    ui.first_of(failed)
}

/// One session, a line for each thing that can be told of it.
fn block(id: &SessionId, entry: &IndexEntry, profile: Option<&str>, page: Page) -> Section {
    let now = unix_now();
    let key = &entry.key;
    let told = |label, text: String| Row::new(None, label, text);
    let mut rows: Vec<Row> = profile.map(|profile| told("profile", profile.to_owned())).into_iter().collect();
    match &key.program {
        None => rows.push(told("signed in as", format!("{} (sub {})", who(entry), foreign(&entry.subject)))),
        Some(program) => {
            rows.push(told("kind", program.kind.name().to_owned()));
            rows.push(told("subject", foreign(&entry.subject)));
        }
    }
    // A program's session has no more of these than its kind needs.
    let (scopes, resource) = (key.scopes.join(" "), key.resource.join(" "));
    let of_provider =
        [("issuer", &key.issuer), ("client id", &key.client_id), ("audience", &key.audience), ("scopes", &scopes)];
    rows.extend(
        of_provider.iter().filter(|(_, text)| !text.is_empty()).map(|(label, text)| told(label, foreign(text))),
    );
    rows.extend(key.account.as_deref().map(|account| told("account", foreign(account))));
    if let Some(program) = &key.program {
        let command = program.source_command.join(" ");
        let of_program = [
            ("resource", Some(&resource).filter(|resource| !resource.is_empty())),
            ("identity", program.identity.as_ref()),
            ("credentials", program.credentials_file.as_ref()),
            ("impersonates", program.impersonate.as_ref()),
            ("read from", program.source_file.as_ref()),
            ("command", Some(&command).filter(|command| !command.is_empty())),
        ];
        rows.extend(of_program.into_iter().filter_map(|(label, text)| Some(told(label, foreign(text?)))));
    }
    rows.push(match &entry.ended {
        Some(ended) => {
            let ago = page.tint(Mark::Fail, &format!("{} ago", span(now.saturating_sub(ended.at))));
            told("ended", format!("{ago}: {}", foreign(&ended.reason)))
        }
        None => told(
            "token",
            match left(id, entry, now) {
                Some(left) => {
                    let valid = page.tint(Mark::Ok, &format!("valid for {}", span(left)));
                    format!("{valid} (until {})", moment(now + left))
                }
                None if key.program.is_some() => {
                    format!("{}; the next use gets another", page.tint(Mark::Ok, "expired"))
                }
                None if entry.renewable => format!("{}; the next use renews it", page.tint(Mark::Ok, "expired")),
                None => format!(
                    "{}, and the provider gave no refresh token; sign in again",
                    page.tint(Mark::Warn, "expired")
                ),
            },
        ),
    });
    let renewed = span(now.saturating_sub(entry.renewed_at));
    rows.push(told("since", format!("{}; renewed {renewed} ago", moment(entry.signed_in_at))));
    rows.push(told("kept in", entry.backend.worth()));
    Section { heading: String::new(), rows }
}

/// Many sessions, a line each, in the order of people and providers. Columns in which there is nothing to tell are left
/// out.
fn table(entries: &[(SessionId, IndexEntry)], page: Page) -> String {
    let now = unix_now();
    let mut entries: Vec<&(SessionId, IndexEntry)> = entries.iter().collect();
    entries.sort_by_cached_key(|(id, entry)| {
        (who(entry), entry.key.issuer.clone(), entry.key.account.clone(), entry.key.client_id.clone(), id.clone())
    });
    let token = |id: &SessionId, entry: &IndexEntry| match (&entry.ended, left(id, entry, now)) {
        (Some(_), _) => page.tint(Mark::Fail, "ended"),
        (None, Some(left)) => page.tint(Mark::Ok, &span(left)),
        (None, None) if entry.renewable => page.tint(Mark::Ok, "renews"),
        (None, None) => page.tint(Mark::Warn, "expired"),
    };
    type Cell<'a> = &'a dyn Fn(&SessionId, &IndexEntry) -> String;
    let columns: [(&str, Cell<'_>); 8] = [
        ("signed in as", &|_, entry| who(entry)),
        ("kind", &|_, entry| entry.key.program.as_ref().map_or("", |program| program.kind.name()).to_owned()),
        ("issuer", &|_, entry| foreign(&entry.key.issuer)),
        ("client id", &|_, entry| foreign(&entry.key.client_id)),
        ("audience", &|_, entry| {
            if entry.key.audience == entry.key.client_id { String::new() } else { foreign(&entry.key.audience) }
        }),
        ("account", &|_, entry| entry.key.account.as_deref().map(foreign).unwrap_or_default()),
        ("token", &token),
        ("kept in", &|_, entry| entry.backend.name().to_owned()),
    ];
    let column = |(head, cell): &(&'static str, Cell<'_>)| {
        let cells: Vec<String> = entries.iter().map(|(id, entry)| cell(id, entry)).collect();
        cells.iter().any(|cell| !cell.is_empty()).then_some((*head, cells))
    };
    let columns: Vec<_> = columns.iter().filter_map(column).collect();
    let head: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let row = |row: usize| columns.iter().filter_map(|(_, cells)| cells.get(row).cloned()).collect();
    report::table(&head, &(0..entries.len()).map(row).collect::<Vec<_>>(), page)
}

fn who(entry: &IndexEntry) -> String {
    foreign(entry.name.as_ref().unwrap_or(&entry.subject))
}

/// The life that the access token has left, in seconds; `None` if it has ended.
fn left(id: &SessionId, entry: &IndexEntry, now: u64) -> Option<u64> {
    access_token_end(id, entry).checked_sub(now).filter(|left| *left > 0)
}

/// The cache knows better than the index when both know: it is what `token` would print.
fn access_token_end(id: &SessionId, entry: &IndexEntry) -> u64 {
    cache::read(id).map_or(entry.access_expires_at, |token| token.expires_at)
}

fn object(id: &SessionId, entry: &IndexEntry, profile: Option<&str>) -> Value {
    let expires_at = access_token_end(id, entry);
    // A program's session has no more of these than its kind needs.
    let or_null = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    json!({
        "schema": 1,
        "profile": profile,
        "kind": entry.key.kind().name(),
        "who": entry.name,
        "subject": entry.subject,
        "issuer": or_null(&entry.key.issuer),
        "client_id": or_null(&entry.key.client_id),
        "audience": or_null(&entry.key.audience),
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
