//! `mdb-login login`: sign in.

use std::io::IsTerminal as _;

use serde_json::json;

use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::session::{Session, SignedIn};
use crate::settings::{BrowserChoice, FlowChoice, Origin, Settings};
use crate::ui::{Ui, foreign, moment, span};

pub fn run(settings: &Settings, ui: &Ui) -> Result<()> {
    let session = Session::new(settings, ui)?;
    let signed_in = if settings.kind.is_program() {
        session.obtain()?
    } else {
        somebody_is_there(&session, settings, ui)?;
        session.sign_in()?
    };
    if ui.json {
        return ui.object(object(&signed_in));
    }
    report(&session, settings, &signed_in, ui);
    Ok(())
}

/// A sign-in that nobody can see opens tabs that nobody asked for, by the hundred (int128/kubelogin#904): without a
/// terminal it needs a word on how the person is to be reached.
fn somebody_is_there(session: &Session<'_>, settings: &Settings, ui: &Ui) -> Result<()> {
    if ui.no_input {
        return Err(Error::new(
            Kind::LoginRequired,
            "signing in needs a person, and `--no-input` says that nobody is there",
        )
        .hint(format!("run `{}` at a terminal", session.command("login"))));
    }
    // `BROWSER` is set for every program of a desktop; it says nothing about this one.
    let chosen = settings.browser != BrowserChoice::System && *settings.origin("browser") != Origin::Env("BROWSER");
    let told = settings.flow == FlowChoice::Device || chosen;
    if told || ui.is_watched() || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Error::new(Kind::LoginRequired, "signing in needs a person, and this is not a terminal")
        .hint(format!("run `{}` at a terminal", session.command("login")))
        .hint("or say how to reach the person: `--device`, `--no-browser` (the address is printed), or `--browser COMMAND`"))
}

fn object(signed_in: &SignedIn) -> serde_json::Value {
    json!({
        "who": signed_in.who,
        "subject": signed_in.subject,
        "issuer": signed_in.issuer,
        "expires_at": signed_in.expires_at,
        "renewable": signed_in.renewable,
        "store": signed_in.store,
    })
}

fn report(session: &Session<'_>, settings: &Settings, signed_in: &SignedIn, ui: &Ui) {
    if settings.kind.is_program() {
        let left = span(signed_in.expires_at.saturating_sub(unix_now()));
        ui.note(format!("got a token for {} from {}", signed_in.who, foreign(&signed_in.issuer)));
        ui.note(format!(
            "it is valid for {left}; the next one is asked for when it is needed, and nobody has to sign in"
        ));
        ui.note(format!("kept in {}", signed_in.store));
        return ui.note(format!("next: `{}`", session.command("token")));
    }
    let by = if signed_in.by_sibling { " (by the other mdb-login)" } else { "" };
    ui.note(format!("signed in as {} at {}{by}", signed_in.who, foreign(&signed_in.issuer)));
    let left = span(signed_in.expires_at.saturating_sub(unix_now()));
    if signed_in.renewable {
        ui.note(format!("token valid for {left}; it renews by itself"));
    } else {
        ui.note(format!("token valid for {left}, until {}", moment(signed_in.expires_at)));
    }
    ui.note(format!("kept in {}", signed_in.store));
    ui.note(format!("next: `{}`", session.command("token")));
}
