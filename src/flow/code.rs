//! The authorization code flow at the terminal and in the browser (RFC 8252, RFC 7636).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::Context;
use super::browser;
use super::redirect::{Callback, CallbackError, Expectation, ExpectedAnswer, Listener, Outcome, Waiting};
use super::surroundings::Surroundings;
use crate::error::{Error, Kind, Result, with_sources};
use crate::http::shown_host;
use crate::oidc::Fault;
use crate::oidc::authorization::{AuthorizationRequest, PendingLogin};
use crate::oidc::token::TokenResponse;
use crate::secret::Secret;
use crate::settings::BrowserChoice;
use crate::ui::Countdown;
use crate::ui::keyboard::Keyboard;

/// How the browser's part ended.
pub enum End {
    /// The code was exchanged; nothing in the answer has been verified yet.
    Exchanged(Box<TokenResponse>, Option<Secret>),
    /// The provider said no, or its answer broke a rule.
    Failed(Fault),
    /// The person asked for a device code instead. The browser has been told.
    DeviceWanted,
}

/// A browser that has not asked for the start page after this long has probably not been opened.
const BROWSER_PATIENCE: Duration = Duration::from_secs(20);

/// Shows the start link, opens the browser, waits for the redirect, exchanges the code.
///
/// `page` gets the listener: the browser may still wait for its last page, and only the caller can say what is true.
pub async fn run(
    context: &Context<'_>,
    listener: Listener,
    keyboard: &mut Keyboard,
    page: &mut Option<Waiting>,
) -> Result<End> {
    let settings = context.settings;
    let request = AuthorizationRequest {
        scopes: context.scopes,
        resource: &settings.resource,
        parameters: &settings.authorization.parameters(),
        nonce: settings.nonce,
    };
    let pending = match PendingLogin::new(context.provider, context.identity, &request, listener.redirect_uri()) {
        Ok(pending) => pending,
        Err(fault) => return Ok(End::Failed(fault)),
    };
    let port = listener.port();
    let expectation = Expectation {
        destination: pending.authorization_url.clone(),
        answer: Some(ExpectedAnswer {
            state: pending.state.clone(),
            issuer: context.provider.issuer.clone(),
            iss_promised: context.provider.iss_parameter_promised,
        }),
    };
    let waiting = listener.serve(expectation)?;
    let waited = wait(context, page.insert(waiting), keyboard, port).await?;
    let code = match waited {
        Waited::Code(code) => code,
        Waited::DeviceWanted => {
            if let Some(page) = page.take() {
                let (what, todo) = ("a device code is used instead".into(), "go on in the terminal".into());
                page.finish(Outcome::Failed { what, todo }).await;
            }
            return Ok(End::DeviceWanted);
        }
        Waited::Failed(fault) => return Ok(End::Failed(fault)),
    };
    match pending.redeem(context.http, context.provider, context.identity, &code, &settings.resource).await {
        Ok((response, nonce)) => {
            info!(
                id_token = response.id_token.is_some(),
                refresh_token = response.refresh_token.is_some(),
                "code exchanged"
            );
            Ok(End::Exchanged(Box::new(response), nonce))
        }
        Err(fault) => Ok(End::Failed(fault)),
    }
}

enum Waited {
    Code(Secret),
    Failed(Fault),
    DeviceWanted,
}

async fn wait(context: &Context<'_>, waiting: &Waiting, keyboard: &mut Keyboard, port: u16) -> Result<Waited> {
    let (ui, settings) = (context.ui, context.settings);
    let surroundings = Surroundings::here();
    let other_ways = || {
        let device = context.device_command();
        surroundings.other_ways(port, device.as_deref()).iter().for_each(|line| ui.tell(line));
    };
    let offer_device = |keyboard: &mut Keyboard| {
        if ui.can_ask() && context.offers_device() {
            keyboard.ask();
            ui.tell("or press d and Enter to sign in with a device code instead");
        }
    };

    // MongoDB's rule for the device flow: only where no browser can be opened, and only if the person has allowed it.
    let falls_back = settings.device_fallback && settings.browser != BrowserChoice::None && context.offers_device();
    let mut launching = surroundings.launches(&settings.browser);
    if !launching && falls_back {
        ui.tell("no browser can be opened here; using a device code, as the profile allows");
        return Ok(Waited::DeviceWanted);
    }
    show_link(context, waiting.start_url(), launching);
    if !launching {
        other_ways();
        offer_device(keyboard);
    }
    // Beside the wait and not before it: a launcher may take a second, and the answer may come sooner.
    let opening = browser::open(&settings.browser, waiting.start_url());
    tokio::pin!(opening);

    let countdown = Countdown::start(ui, "waiting for your browser", settings.timeout);
    let deadline = Instant::now() + settings.timeout;
    let patience = Instant::now() + BROWSER_PATIENCE;
    let (mut opened, mut reminded, mut typing, mut told) = (false, !launching, true, 0);
    loop {
        tokio::select! {
            callback = waiting.callback() => return Ok(judged(callback)),
            result = &mut opening, if launching => {
                launching = false;
                if let Err(error) = result {
                    reminded = true;
                    countdown.above(|| ui.warn(format!("the browser could not be opened: {}", with_sources(&error))));
                    if falls_back {
                        countdown.above(|| ui.tell("using a device code instead, as the profile allows"));
                        return Ok(Waited::DeviceWanted);
                    }
                    countdown.above(|| {
                        ui.tell("open the address above in a browser on this machine");
                        other_ways();
                        offer_device(keyboard);
                    });
                }
            }
            () = waiting.opened(), if !opened => {
                opened = true;
                debug!("the browser has fetched the start page");
                countdown.say("waiting for you to sign in");
            }
            () = sleep_until(patience), if !opened && !reminded => {
                reminded = true;
                countdown.above(|| {
                    ui.tell("the browser has not come yet; open the address above in it");
                    offer_device(keyboard);
                });
            }
            line = keyboard.line(), if typing => match line {
                Some(line) if line.trim().eq_ignore_ascii_case("d") => return Ok(Waited::DeviceWanted),
                Some(_) => {}
                None => typing = false,
            },
            notice = waiting.notice() => {
                // A page that keeps knocking must not fill the terminal.
                if told < 3 {
                    told += 1;
                    countdown.above(|| ui.warn(notice.to_string()));
                }
            }
            () = sleep_until(deadline) => return Err(timed_out(context, opened)),
        }
    }
}

/// Prints the start link, always and before any browser is started: a launcher that succeeds proves nothing.
fn show_link(context: &Context<'_>, url: &str, launching: bool) {
    let host = shown_host(context.provider.authorization_endpoint.as_str());
    if launching {
        context.ui.tell(format!("your browser will show the sign-in page of {host}; if it does not, open"));
    } else {
        context.ui.tell(format!("open this address in a browser on this machine to sign in at {host}"));
    }
    context.ui.tell(format!("  {url}"));
}

fn judged(callback: std::result::Result<Callback, CallbackError>) -> Waited {
    match callback {
        Ok(Callback::Code { code }) => Waited::Code(code),
        Ok(Callback::Refused { error, description, uri }) => {
            let uri = uri.map(|uri| format!("see {uri}"));
            let description = description.into_iter().chain(uri).collect::<Vec<_>>().join("; ");
            Waited::Failed(Fault::Refused { error, description: Some(description).filter(|text| !text.is_empty()) })
        }
        Err(violation) => Waited::Failed(Fault::broken("the authorization response", violation.to_string())),
    }
}

fn timed_out(context: &Context<'_>, opened: bool) -> Error {
    let seconds = humantime::format_duration(context.settings.timeout);
    let error = Error::new(Kind::TimedOut, format!("nobody signed in within {seconds}"));
    let error = if opened {
        // What people run into: a provider that only answers in a fragment, and browsers that insist on https.
        error.because_of("the browser came for the sign-in page, but no answer of the provider reached this machine")
    } else {
        error.because_of("no browser came for the sign-in page")
    };
    let or_device = if context.offers_device() { ", or with `--device`" } else { "" };
    error.hint(format!("run `{}` again, with `--timeout 10m` for more time{or_device}", context.login_command))
}
