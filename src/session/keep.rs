//! What is left of a provider's answer once it is judged: a token that can be handed out, where it is kept, and the
//! endpoints for the next time. Sign-in and renewal end here.

use std::time::Duration;

use tracing::debug;

use super::Session;
use crate::clock::unix_now;
use crate::error::Result;
use crate::oidc::access_token;
use crate::oidc::metadata::ProviderMetadata;
use crate::oidc::token::{Clock, TokenResponse};
use crate::secret::Secret;
use crate::store::cache::{self, Cached, CachedToken};
use crate::store::{Endpoints, SessionRecord, Store};

/// What a record keeps of a provider's metadata.
pub fn endpoints(provider: &ProviderMetadata) -> Endpoints {
    Endpoints {
        token: provider.token_endpoint.to_string(),
        revocation: provider.revocation_endpoint.as_ref().map(ToString::to_string),
        end_session: provider.end_session_endpoint.as_ref().map(ToString::to_string),
        client_secret_in_body: provider.client_secret_in_body,
        fetched_at: unix_now(),
    }
}

/// A token that is good for this session, and what a person should hear about it once.
pub struct Judged {
    /// Local time, seconds since 1970.
    pub expires_at: u64,
    pub remarks: Vec<String>,
}

/// Judges `token`, which arrived at `clock` with the stated lifetime `expires_in` (seconds).
pub fn judge(session: &Session<'_>, token: &Secret, expires_in: Option<u64>, clock: Clock) -> Result<Judged> {
    let verdict = access_token::judge(token, expires_in, clock, &session.expectation())
        .map_err(|flaw| session.explain_token(&flaw))?;
    Ok(Judged { expires_at: verdict.expires_at, remarks: remarks(clock, &verdict.server_would_refuse) })
}

/// What a person should hear once about a token that came at `clock`. `refused` is why a MongoDB server would not take it.
pub fn remarks(clock: Clock, refused: &[String]) -> Vec<String> {
    let mut remarks = Vec::new();
    if clock.difference() > 0 {
        remarks.push(format!(
            "this computer's clock differs from the provider's by {}",
            humantime::format_duration(Duration::from_secs(clock.difference()))
        ));
    }
    if !refused.is_empty() {
        remarks.push(format!("a MongoDB server would refuse this token: {}", refused.join("; ")));
    }
    remarks
}

/// Judges the token that a person's session hands out (the access token, or the ID token where the profile says so) and
/// makes it ready to be kept. With it come remarks that the person should hear once.
pub fn hand_out(
    session: &Session<'_>,
    answer: &TokenResponse,
    record: &SessionRecord,
) -> Result<(CachedToken, Vec<String>)> {
    let settings = session.settings;
    // An ID token's life is its own: `expires_in` speaks of the access token.
    let (token, expires_in) = if settings.id_token_as_access_token {
        let id_token = answer.id_token.as_ref().ok_or_else(|| {
            session
                .login_required("the provider sent no ID token, and the profile hands out ID tokens")
                .hint("ask for the scope `openid`, or unset `id_token_as_access_token`")
        })?;
        (id_token, None)
    } else {
        (&answer.access_token, answer.expires_in)
    };
    let judged = judge(session, token, expires_in, answer.clock)?;
    let token = CachedToken {
        token: token.clone(),
        expires_at: judged.expires_at,
        issued_at: answer.clock.local,
        generation: record.generation,
        issuer: settings.issuer.clone(),
        client_id: settings.client_id.clone(),
        audience: settings.audience.clone(),
        subject: record.subject.clone(),
        scopes: record.granted_scopes.clone(),
    };
    Ok((token, judged.remarks))
}

/// Puts the token where reading it costs nothing, or where the session is when the system offers no such place. Gives
/// where it went.
pub fn keep_token(store: Option<&Store>, session: &Session<'_>, token: &CachedToken) -> Cached {
    match cache::write(&session.id, token, store, unix_now()) {
        Ok(place) => {
            debug!(?place, "access token kept");
            place
        }
        Err(error) => {
            session.ui.warn(format!("the token cannot be kept, so the next call renews it again: {}", error.message()));
            Cached::Nowhere
        }
    }
}
