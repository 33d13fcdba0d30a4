//! The end of a session: revoke at the provider where that is possible, forget here in any case, and report both.

use std::time::Duration;

use tracing::info;
use url::Url;

use super::{Session, block_on};
use crate::clock::unix_now;
use crate::error::Result;
use crate::flow::end_session;
use crate::oidc::logout;
use crate::oidc::token::{self, TokenKind};
use crate::oidc::{Fault, Outcome};
use crate::secret::Secret;
use crate::store::SessionRecord;
use crate::store::cache;
use crate::store::index::{self, Ended};

/// What became of a session.
pub struct SignedOut {
    /// There was a session, and it is forgotten.
    pub forgotten: bool,
    pub revocation: Revocation,
    /// Where the provider ends the browser's own session (OIDC RP-Initiated Logout §2), if it has such a page. Carries
    /// the ID token as a hint.
    pub end_session_url: Option<Url>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Revocation {
    Done,
    /// There was no refresh token to revoke.
    NothingToRevoke,
    /// The provider has no revocation endpoint.
    NotOffered,
    /// It was tried, and failed; the text says why.
    Failed(String),
}

/// Being told "signed out" must not take longer than this, network or not.
const REVOCATION_BUDGET: Duration = Duration::from_secs(5);

impl Session<'_> {
    /// Signs out. A provider or network that fails is reported, not an error: the session is gone from here anyway.
    pub fn sign_out(&self) -> Result<SignedOut> {
        let nothing = || {
            cache::clear(&self.id);
            Ok(SignedOut { forgotten: false, revocation: Revocation::NothingToRevoke, end_session_url: None })
        };
        if index::read(&self.state_dir, &self.id)?.is_none() {
            return nothing();
        }
        let _lock = self.lock()?;
        let Some(mut entry) = index::read(&self.state_dir, &self.id)? else { return nothing() };
        // The token goes first: whatever fails below, nobody is handed one any more.
        let access_token = cache::read(&self.id);
        cache::clear(&self.id);
        // From here on the session is over for everybody who looks, even if we are killed half-way.
        entry.ended = Some(Ended { at: unix_now(), reason: "you signed out".to_owned() });
        index::write(&self.state_dir, &self.id, &entry)?;
        let store = self.open_store(Some(entry.backend))?;
        // A record that cannot be read can still be deleted.
        let record = store.load().ok().flatten();
        // Revoked before it is deleted: who is interrupted here can sign out again, and the token is not lost to us alone.
        let revocation = match &record {
            Some(record) => self.revoke(record, access_token.as_ref().map(|cached| &cached.token)),
            None => Revocation::NothingToRevoke,
        };
        store.delete()?;
        index::remove(&self.state_dir, &self.id)?;
        info!(session = %self.id, ?revocation, "signed out");
        let end_session_url = record.as_ref().and_then(|record| {
            logout::end_session_url(
                record.endpoints.end_session.as_deref()?,
                &record.client_id,
                record.id_token.as_ref(),
            )
        });
        Ok(SignedOut { forgotten: true, revocation, end_session_url })
    }

    /// Sends the browser to the provider's own sign-out page. Gives whether it went.
    pub fn end_browser_session(&self, url: &Url) -> Result<bool> {
        block_on(end_session::run(self.ui, self.settings, url))?
    }

    /// Revokes the refresh token, and with it the grant (RFC 7009 §2.1); then the access token, as far as the provider
    /// cares: MongoDB looks at `exp` only.
    fn revoke(&self, record: &SessionRecord, access_token: Option<&Secret>) -> Revocation {
        let Some(refresh_token) = &record.refresh_token else { return Revocation::NothingToRevoke };
        let Some(endpoint) = record.endpoints.revocation.as_deref().and_then(|url| Url::parse(url).ok()) else {
            return Revocation::NotOffered;
        };
        let attempt = || -> Result<std::result::Result<(), Fault>> {
            let http = self.http()?;
            let identity = self.identity(record.endpoints.client_secret_in_body)?;
            let requests = async {
                token::revoke(&http, &identity, &endpoint, TokenKind::RefreshToken, refresh_token).await?;
                if let Some(token) = access_token {
                    // Many providers cannot revoke a JWT that they do not look at again; that is no failure.
                    let _ = token::revoke(&http, &identity, &endpoint, TokenKind::AccessToken, token).await;
                }
                Ok(())
            };
            let late = || Fault::Unavailable {
                why: format!("no answer within {} s", REVOCATION_BUDGET.as_secs()),
                outcome: Outcome::Lost,
                retry_after: None,
            };
            block_on(async { tokio::time::timeout(REVOCATION_BUDGET, requests).await.unwrap_or_else(|_| Err(late())) })
        };
        match attempt() {
            Ok(Ok(())) => Revocation::Done,
            Ok(Err(fault)) => Revocation::Failed(fault.to_string()),
            Err(error) => Revocation::Failed(error.message().to_owned()),
        }
    }
}
