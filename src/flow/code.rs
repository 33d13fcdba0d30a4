//! The authorization code flow at the terminal and in the browser (RFC 8252, RFC 7636).

use std::pin::pin;
use std::time::Duration;

use openidconnect::Nonce;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::browser;
use super::redirect::{Callback, CallbackError, Expectation, Listener, Outcome, Waiting};
use super::surroundings::surroundings;
use super::{Context, keys, signals};
use crate::error::{Error, Kind, Result};
use crate::oidc::Fault;
use crate::oidc::authorization::{AuthorizationRequest, PendingLogin};
use crate::oidc::token::TokenResponse;
use crate::settings::BrowserChoice;
use crate::ui::{Countdown, foreign};

/// How the browser's part ended.
pub enum End {
    /// The code was exchanged. The browser still waits for its last page.
    Exchanged(Box<Exchanged>),
    /// The provider said no, or its answer broke a rule; the browser has been told.
    Failed(Fault),
    /// The person asked for a device code instead.
    DeviceWanted,
}

pub struct Exchanged {
    pub response: TokenResponse,
    pub nonce: Option<Nonce>,
    /// The browser's last page: say the truth on it with [`Waiting::finish`] once it is known.
    pub page: Waiting,
}

/// A browser that has not asked for the start page after this long has probably not been opened.
const BROWSER_PATIENCE: Duration = Duration::from_secs(20);

/// Shows the start link, opens the browser, waits for the redirect, exchanges the code.
pub async fn run(context: &Context<'_>, listener: Listener) -> Result<End> {
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
        authorization_url: pending.authorization_url.clone(),
        state: pending.state.clone(),
        issuer: context.provider.issuer.clone(),
        iss_promised: context.provider.iss_parameter_promised,
    };
    let waiting = listener
        .serve(expectation)
        .map_err(|error| Error::new(Kind::Failed, "cannot answer on the redirect port").because(error))?;
    let code = match wait(context, &waiting, port).await? {
        Waited::Code(code) => code,
        Waited::DeviceWanted => {
            waiting.finish(failure("a device code is used instead", "go on in the terminal")).await;
            return Ok(End::DeviceWanted);
        }
        Waited::Failed(fault) => {
            waiting.finish(failure(&fault.to_string(), "see the terminal")).await;
            return Ok(End::Failed(fault));
        }
    };
    let exchange = pending.redeem(context.http, context.provider, context.identity, &code, &settings.resource);
    let exchanged = tokio::select! {
        exchanged = exchange => exchanged,
        stop = signals::interrupted() => return Err(stop),
    };
    match exchanged {
        Ok((response, nonce)) => {
            info!(
                id_token = response.id_token.is_some(),
                refresh_token = response.refresh_token.is_some(),
                "code exchanged"
            );
            Ok(End::Exchanged(Box::new(Exchanged { response, nonce, page: waiting })))
        }
        Err(fault) => {
            waiting.finish(failure(&fault.to_string(), "see the terminal, and sign in again")).await;
            Ok(End::Failed(fault))
        }
    }
}

pub fn failure(what: &str, todo: &str) -> Outcome {
    Outcome::Failed { what: what.to_owned(), todo: todo.to_owned() }
}

enum Waited {
    Code(crate::secret::Secret),
    Failed(Fault),
    DeviceWanted,
}

async fn wait(context: &Context<'_>, waiting: &Waiting, port: u16) -> Result<Waited> {
    let (ui, settings) = (context.ui, context.settings);
    // Listened for from here to the end: a Ctrl-C between two turns of the loop must not be lost.
    let mut stop = pin!(signals::interrupted());
    let opens = tokio::select! {
        opens = invite(context, waiting, port) => opens,
        stop = &mut stop => return Err(stop),
    };
    if !opens && settings.device_fallback && settings.browser != BrowserChoice::None {
        ui.tell("no browser can be opened here; using a device code, as the profile allows");
        return Ok(Waited::DeviceWanted);
    }
    let device_offered = ui.can_ask() && context.provider.device_authorization_endpoint.is_some();
    let offer_device = || {
        ui.tell("or press d and Enter to sign in with a device code instead");
        keys::lines()
    };
    let mut typed = (!opens && device_offered).then(offer_device);

    let countdown = Countdown::start(ui, "waiting for your browser", settings.timeout);
    let deadline = Instant::now() + settings.timeout;
    let patience = Instant::now() + BROWSER_PATIENCE;
    let (mut opened, mut reminded) = (false, !opens);
    loop {
        tokio::select! {
            callback = waiting.callback() => return Ok(judged(callback)),
            () = waiting.opened(), if !opened => {
                opened = true;
                debug!("the browser has fetched the start page");
                countdown.say("waiting for you to sign in");
            }
            () = sleep_until(patience), if !opened && !reminded => {
                reminded = true;
                countdown.above(|| {
                    ui.tell("the browser has not come yet; open the address above in it");
                    typed = device_offered.then(offer_device);
                });
            }
            line = next_line(&mut typed) => match line {
                Some(line) if line.trim().eq_ignore_ascii_case("d") => return Ok(Waited::DeviceWanted),
                Some(_) => {}
                None => typed = None,
            },
            notice = waiting.notice() => countdown.above(|| ui.warn(notice.to_string())),
            stop = &mut stop => return Err(stop),
            () = sleep_until(deadline) => return Err(timed_out(context, opened)),
        }
    }
}

/// Never resolves where nobody is asked anything.
async fn next_line(typed: &mut Option<tokio::sync::mpsc::UnboundedReceiver<String>>) -> Option<String> {
    match typed {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

/// Prints the start link, then opens it where a browser can be seen. Gives whether one was opened.
///
/// Printed first: a launcher may take a second to fail, and a person who reads is faster.
async fn invite(context: &Context<'_>, waiting: &Waiting, port: u16) -> bool {
    let (ui, choice) = (context.ui, &context.settings.browser);
    let surroundings = surroundings(|name| std::env::var(name).ok());
    let host = context.provider.authorization_endpoint.host_str().map(foreign).unwrap_or_default();
    ui.tell(format!("open this address in your browser to sign in at {host}:"));
    ui.tell(format!("  {}", waiting.start_url()));

    let wanted = matches!(choice, BrowserChoice::Command(_)) || surroundings.can_see_browser();
    if wanted {
        match browser::open(choice, waiting.start_url()).await {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => ui.warn(format!("the browser could not be opened: {error}")),
        }
    }
    if !surroundings.can_see_browser() {
        let device = format!("{} --device", context.login_command);
        surroundings.other_ways(port, &device, None).iter().for_each(|line| ui.tell(line));
    }
    false
}

fn judged(callback: std::result::Result<Callback, CallbackError>) -> Waited {
    match callback {
        Ok(Callback::Code { code }) => Waited::Code(code),
        Ok(Callback::Refused { error, description, uri }) => {
            let uri = uri.map(|uri| format!("see {uri}"));
            let description = description.into_iter().chain(uri).collect::<Vec<_>>().join("; ");
            Waited::Failed(Fault::Refused { error, description: Some(description).filter(|text| !text.is_empty()) })
        }
        Err(violation) => {
            Waited::Failed(Fault::Broken { what: "the authorization response".to_owned(), why: violation.to_string() })
        }
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
    error.hint(format!("run `{}` again, with `--timeout 10m` for more time, or with `--device`", context.login_command))
}
