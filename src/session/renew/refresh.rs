//! A person's session, renewed with its refresh token.
//!
//! The successor of a refresh token is stored before anybody sees the new access token. Only the provider's definite
//! refusal ends a session; a network that fails never does.

use std::time::Duration;

use tracing::{debug, info};
use url::Url;

use super::{PAUSE_AFTER_5XX, Renewed, Source, nobody_asked_to_wait, pause_before_another};
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::event_loop::block_on;
use crate::http::Http;
use crate::oidc::token::{self, ClientIdentity, TokenResponse};
use crate::oidc::{Fault, id_token, metadata};
use crate::secret::{Secret, source};
use crate::session::Session;
use crate::session::explain::Doing;
use crate::session::keep::{endpoints, hand_out, keep_token};
use crate::settings::Settings;
use crate::signals::{self, Held};
use crate::store::cache::CachedToken;
use crate::store::index::{Ended, IndexEntry};
use crate::store::{SessionRecord, Store, index};

/// Token and revocation endpoints are asked for again when what we know of them is older than a day, in seconds.
const METADATA_MAX_AGE: u64 = 86_400;

/// What a renewal may take: metadata, the client's secret, and the refresh, twice; the keyring, whose calls have deadlines of
/// their own, gets as long as one request.
pub fn longest(settings: &Settings) -> Duration {
    let secret = settings.client_secret.as_ref().map_or(Duration::ZERO, source::longest);
    4 * settings.http_timeout + PAUSE_AFTER_5XX + secret
}

/// A renewal under way; the caller holds the lock.
pub struct Refresh<'a> {
    session: &'a Session<'a>,
    store: Store,
    entry: IndexEntry,
    record: SessionRecord,
}

impl Source for Refresh<'_> {
    fn store(&self) -> Option<&Store> {
        Some(&self.store)
    }

    /// Somebody else's may still lie there from an earlier sign-in, if the kernel keyring took the later ones.
    fn owns(&self, token: &CachedToken) -> bool {
        token.subject == self.record.subject
    }

    /// Spends the refresh token and commits its successor.
    fn next(&mut self, has_token: bool) -> Result<Renewed> {
        nobody_asked_to_wait(&self.entry)?;
        let Some(refresh_token) = self.record.refresh_token.clone() else {
            return Err(self
                .session
                .login_required(format!(
                    "the token for {} cannot be renewed, as the provider gave no refresh token",
                    self.session.name()
                ))
                .hint("allow refresh tokens for this client at the provider, and ask for `offline_access`"));
        };
        // A refresh token whose successor cannot be stored must not be spent.
        self.store.probe()?;
        block_on(self.exchange_and_commit(refresh_token, has_token))?
    }
}

impl<'a> Refresh<'a> {
    /// Everything that can fail before the refresh token is spent.
    pub fn open(session: &'a Session<'a>) -> Result<Self> {
        let not_signed_in = || session.login_required(format!("not signed in to {}", session.name()));
        let entry = session.entry()?.ok_or_else(not_signed_in)?;
        if let Some(ended) = &entry.ended {
            return Err(session
                .login_required(format!("the session for {} has ended", session.name()))
                .because_of(ended.reason.clone()));
        }
        let store = session.open_store(Some(entry.backend))?;
        let record = session.load(&store)?.ok_or_else(|| {
            session.login_required(format!("the session for {} is no longer in {}", session.name(), store.describe()))
        })?;
        // A file that was renamed, an item that a keyring mixed up: its token is for somebody else's eyes.
        if record.issuer != session.settings.issuer || record.client_id != session.settings.client_id {
            return Err(Error::new(Kind::Store, format!("what is stored for {} is another session", session.name()))
                .because_of(format!("found in {}", store.describe()))
                .hint(format!("run `{}`, then `{}`", session.command("logout"), session.command("login"))));
        }
        Ok(Self { session, store, entry, record })
    }

    async fn exchange_and_commit(&mut self, refresh_token: Secret, has_token: bool) -> Result<Renewed> {
        let http = self.session.http()?;
        let (identity, endpoint) = tokio::select! {
            biased;
            stop = signals::interrupted() => return Err(stop),
            prepared = self.prepare(&http) => prepared?,
        };

        // From here on Ctrl-C and SIGTERM wait: between the provider's answer and our commit the only copy of the new
        // refresh token is in this process.
        let held = Held::new()?;
        info!(session = %self.session.id, token = %refresh_token.log_id(), "refreshing");
        let mut answer =
            token::refresh(&http, &identity, &endpoint, &refresh_token, &self.session.settings.resource).await;
        let pause = answer.as_ref().err().and_then(|fault| pause_before_another(fault, has_token));
        if let Some(pause) = pause {
            debug!("no answer to the refresh; asking once more");
            tokio::time::sleep(pause).await;
            answer = token::refresh(&http, &identity, &endpoint, &refresh_token, &self.session.settings.resource).await;
        }
        let result = match answer {
            Ok(answer) => self.commit(answer),
            Err(Fault::Broken { what, why, successor: Some(successor) }) => {
                // Useless but for this: the token that was spent for the answer is not accepted again.
                self.keep(Some(successor), unix_now())?;
                Err(self.session.explain(Doing::Renewal, Fault::broken(what, why)))
            }
            Err(fault) => Err(self.failed(fault, &refresh_token, pause.is_some())?),
        };
        held.release().await?;
        result
    }

    /// Where to send the refresh token, and as whom.
    async fn prepare(&mut self, http: &Http) -> Result<(ClientIdentity, Url)> {
        self.refresh_endpoints(http).await?;
        let identity = self.session.identity(self.record.endpoints.client_secret_in_body).await?;
        Ok((identity, parse(&self.record.endpoints.token)?))
    }

    /// Asks for the metadata again when what the record knows is old.
    ///
    /// Where no document comes (an error page, a redirect, a certificate that does not fit) the known endpoints do: that
    /// can be anybody's doing between here and the provider, who gains nothing by it, as the refresh token goes out over
    /// a connection of its own, whose certificate is verified again. A document that comes is the provider's word, and if
    /// it names another issuer or an endpoint that breaks a rule, something is wrong at the place where tokens are made.
    async fn refresh_endpoints(&mut self, http: &Http) -> Result<()> {
        if unix_now().saturating_sub(self.record.endpoints.fetched_at) < METADATA_MAX_AGE {
            return Ok(());
        }
        let issuer = &self.session.settings.issuer;
        let document = match metadata::fetch(http, issuer).await {
            Ok(document) => document,
            Err(fault) => {
                debug!(%fault, "no metadata; keeping the known endpoints");
                return Ok(());
            }
        };
        match metadata::judge(issuer, &document.body) {
            Ok(provider) => {
                self.session.check_endpoints(&provider)?;
                self.record.endpoints = endpoints(&provider);
            }
            // Not a document after all, or one of a provider that cannot do what a sign-in needs and a renewal does not.
            Err(fault @ (Fault::Unavailable { .. } | Fault::Unsupported { .. })) => {
                debug!(%fault, "no use of the metadata; keeping the known endpoints");
            }
            Err(fault) => return Err(self.session.explain(Doing::Renewal, fault)),
        }
        Ok(())
    }

    /// Stores the successor, then judges, then caches.
    fn commit(&mut self, answer: TokenResponse) -> Result<Renewed> {
        let session = self.session;
        if let Some(scopes) = &answer.scopes {
            self.record.granted_scopes = scopes.clone();
        }
        self.keep(answer.refresh_token.clone(), answer.clock.local)?;

        if let Some(id_token) = &answer.id_token {
            let record = &self.record;
            if let Err(fault) =
                id_token::unchanged(id_token, &record.issuer, &record.subject, &record.id_token_audience)
            {
                // Whatever the next answer says of itself, this is not the session that the person signed in to.
                self.end(fault.to_string())?;
                return Err(session.explain(Doing::Renewal, fault).hint(format!("run `{}`", session.command("login"))));
            }
        }
        let (token, remarks) = hand_out(session, &answer, &self.record)?;
        // Said aloud at sign-in; a prompt that renews once an hour must not repeat it for ever.
        remarks.iter().for_each(|remark| debug!(remark, "about the token"));
        keep_token(Some(&self.store), session, &token);

        self.entry.generation = self.record.generation;
        self.entry.renewed_at = self.record.renewed_at;
        self.entry.access_expires_at = token.expires_at;
        self.entry.not_before = None;
        index::write(&session.state_dir, &session.id, &self.entry)?;
        info!(session = %session.id, generation = self.record.generation, id_token = answer.id_token.is_some(), "renewed");
        Ok(Renewed { token, clock: Some(answer.clock) })
    }

    /// Commits the next generation of the session. No successor means that the old refresh token stays good (RFC 6749 §6).
    fn keep(&mut self, successor: Option<Secret>, now: u64) -> Result<()> {
        self.record.generation += 1;
        self.record.renewed_at = now;
        if let Some(successor) = successor {
            self.record.refresh_token = Some(successor);
        }
        self.store.save(&self.record).map_err(|error| {
            error.hint(format!(
                "the provider has already replaced the refresh token; run `{}`",
                self.session.command("login")
            ))
        })
    }

    /// Ends the session for everybody. The access token is left to its expiry: it is as good as before, and a server
    /// would still take it.
    fn end(&mut self, reason: String) -> Result<()> {
        self.store.delete()?;
        self.entry.ended = Some(Ended { at: unix_now(), reason });
        index::write(&self.session.state_dir, &self.session.id, &self.entry)
    }

    /// What a failed refresh means, recorded under the lock so that those who wait do not each present a dead token.
    fn failed(&mut self, fault: Fault, presented: &Secret, replayed: bool) -> Result<Error> {
        let session = self.session;
        match &fault {
            Fault::Refused { error, .. } if ends_session(error) => {
                // Somebody who does not share our lock may have been faster: another machine, a restored home.
                if let Some(stored) = self.store.load()?.and_then(|record| record.refresh_token)
                    && stored.expose() != presented.expose()
                {
                    return Ok(Error::new(Kind::Unavailable, "another program renewed this session at the same time")
                        .hint("run the command again"));
                }
                let mut reason = fault.to_string();
                if replayed {
                    reason.push_str("; the answer to a first request had been lost, and the provider had already replaced the token");
                }
                self.end(format!("the provider says {reason}"))?;
                Ok(session
                    .login_required(format!("the session for {} has ended", session.name()))
                    .because_of(format!("the provider says {reason}")))
            }
            Fault::Unavailable { retry_after: Some(seconds), .. } => {
                self.entry.not_before = Some(unix_now() + seconds);
                index::write(&session.state_dir, &session.id, &self.entry)?;
                Ok(session.explain(Doing::Renewal, fault))
            }
            _ => Ok(session.explain(Doing::Renewal, fault)),
        }
    }
}

/// The answers that say "a person must sign in again" (RFC 6749 §5.2, OIDC Core §3.1.2.6). Nothing else ends a session.
fn ends_session(error: &str) -> bool {
    matches!(error, "invalid_grant" | "interaction_required" | "consent_required" | "login_required")
}

fn parse(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|_| Error::new(Kind::Store, "the stored session names a token endpoint that is not a URL"))
}
