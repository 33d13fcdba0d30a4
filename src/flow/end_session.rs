//! Ending the browser's own session at the provider (`logout --browser-session`).

use std::time::Duration;

use url::Url;

use super::browser;
use super::redirect::{Expectation, Listener};
use super::surroundings::Surroundings;
use crate::error::{Error, Kind, Result};
use crate::settings::Settings;
use crate::signals;
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
    let waiting = listener.serve(Expectation { destination: url.clone(), answer: None })?;
    let choice = &settings.browser;
    let launches = Surroundings::here().launches(choice);
    if !(launches && browser::open(choice, waiting.start_url()).await.unwrap_or(false)) {
        ui.tell("open this address in a browser on this machine to sign out there too");
        ui.tell(format!("  {}", waiting.start_url()));
    }
    Ok(tokio::time::timeout(PATIENCE, waiting.opened()).await.is_ok())
}
