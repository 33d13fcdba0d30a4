//! The device flow at the terminal (RFC 8628): show the code, wait, offer a new one when it has run out.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use url::Url;

use super::{Context, keys, signals};
use crate::error::{Error, Kind, Result};
use crate::oidc::Fault;
use crate::oidc::device::{self, DeviceAuthorization};
use crate::oidc::token::TokenResponse;
use crate::ui::{Countdown, Ui, foreign};

/// Runs the flow to its end. The inner error is the provider's doing; the caller explains it.
pub async fn run(context: &Context<'_>) -> Result<Result<TokenResponse, Fault>> {
    let parameters = context.settings.authorization.parameters();
    loop {
        let asked = device::authorize(
            context.http,
            context.provider,
            context.identity,
            context.scopes,
            &context.settings.resource,
            &parameters,
        )
        .await;
        let authorization = match asked {
            Ok(authorization) => authorization,
            Err(fault) => return Ok(Err(fault)),
        };
        show(context.ui, &context.provider.issuer, &authorization);
        let limit = authorization.expires_in().min(context.settings.timeout.max(authorization.expires_in()));
        let countdown = Countdown::start(context.ui, "waiting for you to enter the code", limit);
        let answer = tokio::select! {
            answer = device::poll(context.http, context.provider, context.identity, &authorization) => answer,
            stop = signals::interrupted() => return Err(stop),
        };
        drop(countdown);
        match answer {
            Err(Fault::Refused { error, .. }) if error == "expired_token" && context.ui.can_ask() => {
                offer_another(context.ui).await?;
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
    let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(foreign)).unwrap_or_default();
    ui.tell(format!("the code is valid for {minutes} min and signs this terminal in at {host}"));
    ui.tell("only go on if you started this yourself; never enter a code that somebody sent you");
}

fn qr(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

async fn offer_another(ui: &Ui) -> Result<()> {
    ui.tell("the code has expired; press Enter for a new one, or Ctrl-C to stop");
    let mut lines = keys::lines();
    tokio::select! {
        line = lines.recv() => match line {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::TimedOut, "the device code has expired")),
        },
        stop = signals::interrupted() => Err(stop),
    }
}
