//! The device flow at the terminal (RFC 8628): show the code, wait, offer a new one when it has run out.

use std::time::Duration;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use tokio::time::{Instant, sleep, timeout_at};

use super::Context;
use crate::error::{Error, Kind, Result};
use crate::http::shown_host;
use crate::oidc::Fault;
use crate::oidc::device::{self, DeviceAuthorization, DeviceRequest};
use crate::oidc::token::TokenResponse;
use crate::settings::{Origin, schema};
use crate::ui::keyboard::Keyboard;
use crate::ui::{Countdown, Ui};

/// Runs the flow to its end. The inner error is the provider's doing; the caller explains it.
pub async fn run(context: &Context<'_>, keyboard: &mut Keyboard) -> Result<Result<TokenResponse, Fault>> {
    let settings = context.settings;
    // A code's own life is the better measure, unless somebody has said how long they want to wait, for all codes.
    let deadline = match settings.origin(schema::TIMEOUT.key) {
        Origin::BuiltIn => None,
        _ => Some(Instant::now() + settings.timeout),
    };
    let (parameters, resource) = (settings.authorization.parameters(), &settings.resource);
    loop {
        let request = DeviceRequest { scopes: context.scopes, resource, parameters: &parameters };
        let asked = device::authorize(context.http, context.provider, context.identity, &request).await;
        let authorization = match asked {
            Ok(authorization) => authorization,
            Err(fault) => return Ok(Err(fault)),
        };
        show(context.ui, &context.provider.issuer, &authorization);
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = left.min(authorization.expires_in());
        let countdown = Countdown::start(context.ui, "waiting for you to enter the code", limit);
        let answer = tokio::select! {
            answer = device::poll(context.http, context.provider, context.identity, &authorization, resource) => answer,
            () = sleep(limit), if limit < authorization.expires_in() => return Err(timed_out(context)),
        };
        drop(countdown);
        match answer {
            Err(Fault::Refused { error, .. }) if error == "expired_token" && context.ui.can_ask() => {
                // Whoever has gone away will not answer this either.
                offer_another(context, keyboard, deadline.unwrap_or(Instant::now() + settings.timeout)).await?;
            }
            answer => return Ok(answer),
        }
    }
}

/// Code and address always as text (RFC 8628 §3.3.1); the QR code besides, for a telephone. The warning is what stands
/// between a person and somebody else's code (RFC 8628 §5.4, Storm-2372).
fn show(ui: &Ui, issuer: &str, authorization: &DeviceAuthorization) {
    let minutes = authorization.expires_in().as_secs().div_ceil(60);
    ui.tell(format!("open   {}", authorization.verification_uri()));
    ui.tell(format!("enter  {}", authorization.user_code()));
    if let Some(picture) = authorization.verification_uri_complete().filter(|_| ui.is_watched()).and_then(qr) {
        ui.tell(format!("\n{picture}\n"));
    }
    let host = shown_host(issuer);
    ui.tell(format!("the code is valid for {minutes} min and signs this terminal in at {host}"));
    ui.tell("only go on if you started this yourself; never enter a code that somebody sent you");
}

fn qr(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

async fn offer_another(context: &Context<'_>, keyboard: &mut Keyboard, deadline: Instant) -> Result<()> {
    keyboard.ask();
    context.ui.tell("the code has expired; press Enter for a new one, or Ctrl-C to stop");
    match timeout_at(deadline, keyboard.line()).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Error::new(Kind::TimedOut, "the device code has expired")),
        Err(_) => Err(timed_out(context)),
    }
}

fn timed_out(context: &Context<'_>) -> Error {
    let limit = humantime::format_duration(context.settings.timeout);
    Error::new(Kind::TimedOut, format!("nobody entered the code within {limit}"))
        .hint(format!("run `{} --device` again, with more time: `--timeout 10m`", context.login_command))
}
