//! Ending the browser's own session at the provider (`logout --browser-session`).

use std::time::Duration;

use url::Url;

use super::browser;
use super::redirect::{Expectation, Listener, Outcome};
use super::signals;
use super::surroundings::surroundings;
use crate::error::{Error, Kind, Result};
use crate::oidc::unguessable;
use crate::settings::{BrowserChoice, Settings};
use crate::ui::Ui;

/// How long the browser has to come for the address.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends the browser to `url` by way of a local link: `url` carries an ID token, and an argument list is public.
///
/// Gives whether the browser came.
pub async fn run(ui: &Ui, settings: &Settings, url: &Url) -> Result<bool> {
    tokio::select! {
        // First, so that Ctrl-C is heard from before the address is shown.
        biased;
        stop = signals::interrupted() => Err(stop),
        came = lead(ui, settings, url) => came,
    }
}

async fn lead(ui: &Ui, settings: &Settings, url: &Url) -> Result<bool> {
    let listener = settings.redirect_uris.iter().find_map(|uri| Listener::bind(uri).ok()).ok_or_else(|| {
        Error::new(
            Kind::PortTaken,
            "the session is gone from here, but no redirect port is free to lead the browser from",
        )
        .hint("sign out at the provider in the browser")
    })?;
    // No answer is expected: the state is one that nobody knows.
    let expectation = Expectation {
        authorization_url: url.clone(),
        state: unguessable(32),
        issuer: settings.issuer.clone(),
        iss_promised: false,
    };
    let waiting = listener
        .serve(expectation)
        .map_err(|error| Error::new(Kind::Failed, "cannot answer on the redirect port").because(error))?;
    let choice = &settings.browser;
    let visible =
        matches!(choice, BrowserChoice::Command(_)) || surroundings(|name| std::env::var(name).ok()).can_see_browser();
    if !(visible && browser::open(choice, waiting.start_url()).await.unwrap_or(false)) {
        ui.tell("open this address in a browser on this machine to sign out there too");
        ui.tell(format!("  {}", waiting.start_url()));
    }
    let came = tokio::select! {
        () = waiting.opened() => true,
        () = tokio::time::sleep(PATIENCE) => false,
    };
    waiting
        .finish(Outcome::Failed { what: "no sign-in is under way".to_owned(), todo: "close this tab".to_owned() })
        .await;
    Ok(came)
}
