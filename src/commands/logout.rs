//! `mdb-login logout`: end the session, at the provider and here.

use serde_json::{Value, json};

use crate::cli::LogoutArgs;
use crate::error::{Error, Kind, Result};
use crate::session::{Revocation, Session, SignedOut};
use crate::settings::{self, Request};
use crate::store::index;
use crate::ui::{Ui, foreign};

/// Ends the one session that `request` means.
pub fn run(args: &LogoutArgs, request: &Request, ui: &Ui) -> Result<()> {
    let ended = match super::settled(request, "logout") {
        Ok(settings) => end(args, &Session::new(&settings, ui)?, ui)?,
        // Which session is a server's is known from the first sign-in on: there has been none.
        Err(error) if error.kind() == Kind::LoginRequired => {
            ui.note(format!("{}; nothing to do", error.message()));
            let browser = args.browser_session.then_some(false);
            object(None, false, false, browser)
        }
        Err(error) => return Err(error),
    };
    if ui.json { ui.object(ended) } else { Ok(()) }
}

/// Ends every session of this computer's user, readable or not. One that fails does not keep the others.
pub fn run_all(args: &LogoutArgs, request: &Request, ui: &Ui) -> Result<()> {
    let base = settings::preview(request)?;
    let found = index::all(&settings::dirs::state_dir()?)?;
    let known = found.entries.iter().map(|(id, entry)| (id, base.for_session(&entry.key, request)));
    let unknown = found.unreadable.iter().map(|(id, _)| (id, base.for_unreadable_session(id, request)));
    let (mut ended, mut failed) = (Vec::new(), Vec::new());
    for (id, settings) in known.chain(unknown) {
        match Session::found(&settings, ui, id).and_then(|session| end(args, &session, ui)) {
            Ok(object) => ended.push(object),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) if settings.issuer.is_empty() => failed.push(error),
            Err(error) => failed.push(error.because_of(format!("the session at {}", foreign(&settings.issuer)))),
        }
    }
    if ui.json {
        ui.object(json!({ "sessions": ended }))?;
    } else if ended.is_empty() && failed.is_empty() {
        ui.note("there is no session");
    }
    ui.first_of(failed)
}

fn end(args: &LogoutArgs, session: &Session<'_>, ui: &Ui) -> Result<Value> {
    let signed_out = session.sign_out()?;
    report(&signed_out, ui);
    let browser = match &signed_out.end_session_url {
        _ if !args.browser_session => None,
        None if signed_out.forgotten => {
            ui.warn("the provider has no page that ends the browser's session (`end_session_endpoint`)");
            Some(false)
        }
        None => Some(false),
        Some(url) => {
            let came = session.end_browser_session(url)?;
            if !came {
                return Err(Error::new(
                    Kind::TimedOut,
                    "the session is gone from here, but no browser came to end its own",
                )
                .hint("sign out at the provider in the browser"));
            }
            ui.note("the browser is at the provider's sign-out page");
            Some(true)
        }
    };
    let revoked = signed_out.revocation == Revocation::Done;
    Ok(object(signed_out.issuer.as_deref(), signed_out.forgotten, revoked, browser))
}

fn object(issuer: Option<&str>, forgotten: bool, revoked: bool, browser: Option<bool>) -> Value {
    json!({
        "schema": 1, "issuer": issuer, "forgotten": forgotten, "revoked": revoked, "browser_session": browser,
    })
}

fn report(signed_out: &SignedOut, ui: &Ui) {
    let issuer = signed_out.issuer.as_deref().map_or_else(|| "its provider".to_owned(), foreign);
    if signed_out.kind.is_program() {
        ui.note(match signed_out.forgotten {
            true => "forgotten: the next use asks for another token",
            false => "there is no token to forget; nothing to do",
        });
        return;
    }
    if !signed_out.forgotten {
        ui.note(format!("not signed in at {issuer}; nothing to do"));
        return;
    }
    match &signed_out.revocation {
        Revocation::Done => ui.note(format!("signed out: revoked at {issuer}, forgotten here")),
        Revocation::NothingToRevoke => {
            ui.note(format!("signed out: forgotten here; there was nothing to revoke at {issuer}"))
        }
        Revocation::NotOffered => {
            ui.warn(format!(
                "forgotten here; {issuer} offers no revocation, so its refresh token stays valid there until it expires"
            ));
        }
        Revocation::Failed(why) => {
            ui.warn(format!("forgotten here, but not revoked at {issuer}: {why}"));
        }
    }
    // A JWT cannot be called back: servers look at its `exp`.
    ui.note("programs that already have an access token can use it until it expires");
}
