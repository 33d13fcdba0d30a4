//! The end of a session: revoke at the provider where that is possible, forget here in any case, and report both.

use std::time::Duration;

use tracing::info;
use url::Url;

use super::{Session, block_on};
use crate::clock::unix_now;
use crate::error::{Error, Result};
use crate::flow::end_session;
use crate::oidc::logout;
use crate::oidc::token::{self, ClientIdentity, TokenKind};
use crate::oidc::{Fault, Outcome};
use crate::secret::Secret;
use crate::settings::SessionKind;
use crate::store::cache;
use crate::store::index::{self, Ended};
use crate::store::lock;
use crate::store::{Backend, SessionRecord, Store};

/// What became of a session.
pub struct SignedOut {
    /// There was a session, and it is forgotten.
    pub forgotten: bool,
    /// Whose session it was.
    pub kind: SessionKind,
    /// `None` for a session of which nothing could be read and that no profile describes.
    pub issuer: Option<String>,
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
            Ok(SignedOut {
                forgotten: false,
                kind: self.settings.kind,
                issuer: self.issuer_if_known(),
                revocation: Revocation::NothingToRevoke,
                end_session_url: None,
            })
        };
        if !lock::was_used(&self.state_dir, &self.id)? {
            return nothing();
        }
        let _lock = self.lock()?;
        // The token goes first: whatever fails below, nobody is handed one any more.
        let access_token = cache::read(&self.id);
        cache::clear(&self.id);
        let Some((stores, unseen)) = self.close()? else { return nothing() };
        // A record that cannot be read can still be deleted.
        let record = stores.iter().find_map(|store| store.load().ok().flatten());
        // Revoked before it is deleted: who is interrupted here can sign out again, and the token is not lost to us alone.
        let revocation = match &record {
            Some(record) => self.revoke(record, access_token.as_ref().map(|cached| &cached.token)),
            None => Revocation::NothingToRevoke,
        };
        stores.iter().try_for_each(Store::delete)?;
        // What could not be looked into may hold the session; the entry stays until it has been.
        if let Some(error) = unseen {
            return Err(error);
        }
        index::remove(&self.state_dir, &self.id)?;
        info!(session = %self.id, ?revocation, "signed out");
        let end_session_url = record.as_ref().and_then(|record| {
            logout::end_session_url(
                record.endpoints.end_session.as_deref()?,
                &record.client_id,
                record.id_token.as_ref(),
            )
        });
        let issuer = record.map(|record| record.issuer).or_else(|| self.issuer_if_known());
        Ok(SignedOut { forgotten: true, kind: self.settings.kind, issuer, revocation, end_session_url })
    }

    /// Ends the session in the index, and finds the stores that hold it; `None` if there is none. With them comes what kept
    /// others from being looked into, if the session may be there.
    fn close(&self) -> Result<Option<(Vec<Store>, Option<Error>)>> {
        match index::read(&self.state_dir, &self.id) {
            Ok(Some(mut entry)) => {
                // From here on the session is over for everybody who looks, even if we are killed half-way.
                entry.ended = Some(Ended { at: unix_now(), reason: "you signed out".to_owned() });
                index::write(&self.state_dir, &self.id, &entry)?;
                if entry.backend == Backend::Nowhere {
                    return Ok(Some((Vec::new(), None)));
                }
                Ok(Some((vec![self.open_store(Some(entry.backend))?], None)))
            }
            // A record without an entry is no session, but it is a refresh token.
            Ok(None) => {
                let (stores, _) = Store::holding(&self.state_dir, &self.id);
                Ok(Some((stores, None)).filter(|(stores, _)| !stores.is_empty()))
            }
            Err(trouble) if trouble.is_unreadable() => {
                let (stores, unseen) = Store::holding(&self.state_dir, &self.id);
                Ok(Some((stores, unseen.into_iter().next())))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn issuer_if_known(&self) -> Option<String> {
        Some(self.settings.issuer.clone()).filter(|issuer| !issuer.is_empty())
    }

    /// Sends the browser to the provider's own sign-out page. Gives whether it went.
    pub fn end_browser_session(&self, url: &Url) -> Result<bool> {
        block_on(end_session::run(self.ui, self.settings, url))?
    }

    /// Who we are to the provider of `record`. A client secret is for the client that the settings name, and no other.
    async fn identity_of(&self, record: &SessionRecord) -> Result<ClientIdentity> {
        let secret_in_body = record.endpoints.client_secret_in_body;
        if (&record.issuer, &record.client_id) == (&self.settings.issuer, &self.settings.client_id) {
            return self.identity(secret_in_body).await;
        }
        Ok(ClientIdentity { client_id: record.client_id.clone(), secret: None, secret_in_body })
    }

    /// Revokes the refresh token, and with it the grant (RFC 7009 §2.1); then the access token, as far as the provider
    /// cares: MongoDB looks at `exp` only.
    fn revoke(&self, record: &SessionRecord, access_token: Option<&Secret>) -> Revocation {
        let Some(refresh_token) = &record.refresh_token else { return Revocation::NothingToRevoke };
        let Some(endpoint) = record.endpoints.revocation.as_deref().and_then(|url| Url::parse(url).ok()) else {
            return Revocation::NotOffered;
        };
        let attempt = || -> Result<std::result::Result<(), Fault>> {
            let http = self.http_to(&record.issuer)?;
            let late = || Fault::Unavailable {
                why: format!("no answer within {} s", REVOCATION_BUDGET.as_secs()),
                outcome: Outcome::Lost,
                retry_after: None,
            };
            block_on(async {
                let identity = self.identity_of(record).await?;
                let requests = async {
                    token::revoke(&http, &identity, &endpoint, TokenKind::RefreshToken, refresh_token).await?;
                    if let Some(token) = access_token {
                        // Many providers cannot revoke a JWT that they do not look at again; that is no failure.
                        let _ = token::revoke(&http, &identity, &endpoint, TokenKind::AccessToken, token).await;
                    }
                    Ok(())
                };
                Ok(tokio::time::timeout(REVOCATION_BUDGET, requests).await.unwrap_or_else(|_| Err(late())))
            })?
        };
        match attempt() {
            Ok(Ok(())) => Revocation::Done,
            Ok(Err(fault)) => Revocation::Failed(fault.to_string()),
            Err(error) => Revocation::Failed(error.message().to_owned()),
        }
    }
}
