//! A program's session: another token is there for the asking. Nothing is spent for it and nothing has to be kept, so a
//! signal ends it at any time.

use std::time::Duration;

use serde_json::Value;
use tracing::{debug, info};

use super::{PAUSE_AFTER_5XX, Renewed, Source, nobody_asked_to_wait, pause_before_another, renew};
use crate::clock::unix_now;
use crate::error::{Error, Result};
use crate::event_loop::block_on;
use crate::http::Http;
use crate::oidc::token::Clock;
use crate::oidc::{Fault, access_token, decode_jwt};
use crate::session::explain::Doing;
use crate::session::keep::{judge, keep_token, remarks};
use crate::session::{Freshness, Session, SignedIn};
use crate::settings::{SessionKind, Settings};
use crate::signals;
use crate::store::cache::{self, Cached, CachedToken};
use crate::store::index::{self, IndexEntry};
use crate::store::lock::{LockKind, SessionLock};
use crate::store::{Backend, Store};
use crate::ui::foreign;
use crate::workload::{self, Ask, Failure, Obtained, Place};

/// A program that asks for a token; the caller holds the lock.
pub struct Program<'a> {
    session: &'a Session<'a>,
    /// Only where a file was asked for: a keyring is for people, who unlock it.
    store: Option<Store>,
    /// `None` before the first token.
    entry: Option<IndexEntry>,
}

impl Source for Program<'_> {
    fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    fn owns(&self, _: &CachedToken) -> bool {
        true
    }

    fn next(&mut self, has_token: bool) -> Result<Renewed> {
        if let Some(entry) = &self.entry {
            nobody_asked_to_wait(entry)?;
        }
        let obtained = ask(self.session, |fault| pause_before_another(fault, has_token))?;
        match obtained {
            Ok(obtained) => self.commit(obtained),
            Err(Failure::Provider(fault)) => Err(self.failed(fault)?),
            Err(Failure::Other(error)) => Err(error),
        }
    }
}

impl<'a> Program<'a> {
    pub fn open(session: &'a Session<'a>) -> Result<Self> {
        Ok(Self { session, store: session.program_store()?, entry: session.entry()? })
    }

    fn commit(&mut self, obtained: Obtained) -> Result<Renewed> {
        let (session, clock) = (self.session, obtained.clock);
        let generation = self.entry.as_ref().map_or(0, |entry| entry.generation) + 1;
        let token = judged(session, obtained, generation)?;
        let backend = match (keep_token(self.store.as_ref(), session, &token), &self.store) {
            (Cached::Kernel, store) => {
                // An earlier one that the kernel refused would be left behind, and nothing says any more that it is there.
                store.as_ref().map_or(Ok(()), Store::delete)?;
                Backend::Kernel
            }
            (Cached::Store, Some(store)) => store.backend(),
            (Cached::Store | Cached::Nowhere, _) => Backend::Nowhere,
        };
        index::write(&session.state_dir, &session.id, &entry(session, self.entry.as_ref(), &token, backend))?;
        info!(session = %session.id, generation, "obtained a token");
        Ok(Renewed { token, clock: Some(clock) })
    }

    /// What a failure means, written down if the provider wants to be left alone for a while.
    fn failed(&mut self, fault: Fault) -> Result<Error> {
        let session = self.session;
        if let Fault::Unavailable { retry_after: Some(seconds), .. } = &fault
            && let Some(entry) = &mut self.entry
        {
            entry.not_before = Some(unix_now() + seconds);
            index::write(&session.state_dir, &session.id, entry)?;
        }
        Ok(session.explain(Doing::Obtain, fault))
    }
}

impl Session<'_> {
    /// Asks for a program's token, whatever there is already, and says what is odd about it: what a sign-in is for people.
    pub fn obtain(&self) -> Result<SignedIn> {
        let freshness = Freshness { min_ttl: None, force: true };
        let Renewed { token, clock } = match self.place() {
            Some(place) => read(self, &place, &freshness)?.into(),
            None => renew(self, &freshness, cache::read(&self.id))?,
        };
        let clock = clock.unwrap_or_else(Clock::alone);
        let refused = access_token::refused_by_servers(&token.token, &self.expectation(), clock.provider);
        remarks(clock, &refused).iter().for_each(|remark| self.ui.warn(remark));
        let backend = self.entry()?.map_or(Backend::Nowhere, |entry| entry.backend);
        Ok(SignedIn {
            who: foreign(&token.subject),
            subject: token.subject,
            issuer: token.issuer,
            expires_at: token.expires_at,
            renewable: true,
            store: backend.worth(),
            by_sibling: false,
        })
    }
}

/// The token that lies in a file, as it is there now: no cache, no lock, and nobody is asked.
///
/// What the index says of it is for `status` alone, so it does not matter if that cannot be written: a pod's file system
/// may be read-only.
pub fn read(session: &Session<'_>, place: &Place, freshness: &Freshness) -> Result<CachedToken> {
    let obtained = place.read()?;
    let known = session.entry().ok().flatten();
    let generation = known.as_ref().map_or(0, |entry| entry.generation) + 1;
    let token = judged(session, obtained, generation)?;
    if known.as_ref().is_none_or(|known| known.access_expires_at != token.expires_at) {
        let note = || -> Result<()> {
            let Some(_lock) = SessionLock::try_acquire(&session.state_dir, &session.id, LockKind::Session)? else {
                return Ok(());
            };
            index::write(&session.state_dir, &session.id, &entry(session, known.as_ref(), &token, Backend::Nowhere))
        };
        if let Err(error) = note() {
            debug!(why = error.message(), "the index is left as it is");
        }
    }
    if freshness.min_ttl.is_some_and(|needed| token.expires_at <= unix_now() + needed.as_secs()) {
        session.ui.warn("the token in the file lives shorter than the `--min-ttl` asked for");
    }
    Ok(token)
}

/// Asks where the session's kind gets its tokens, until Ctrl-C or its kin; a second time after `pause`, if there is one.
fn ask(
    session: &Session<'_>,
    pause: impl Fn(&Fault) -> Option<Duration>,
) -> Result<std::result::Result<Obtained, Failure>> {
    let settings = session.settings;
    let http = session.http()?;
    let metadata = Http::for_metadata(settings.http_timeout)?;
    let environment = |name: &str| std::env::var_os(name);
    let ask = Ask::new(settings, &http, &metadata, &environment);
    info!(session = %session.id, kind = settings.kind.name(), "asking for a token");
    let asking = async {
        let first = ask.token().await;
        let Err(Failure::Provider(fault)) = &first else { return first };
        let Some(pause) = pause(fault) else { return first };
        debug!(%fault, "asking once more");
        tokio::time::sleep(pause).await;
        ask.token().await
    };
    block_on(async {
        tokio::select! {
            biased;
            stop = signals::interrupted() => Err(stop),
            obtained = asking => Ok(obtained),
        }
    })?
}

/// What [`ask`] may take.
pub fn longest(settings: &Settings) -> Duration {
    let once = workload::longest(settings);
    match settings.kind {
        SessionKind::ClientCredentials => 2 * once + PAUSE_AFTER_5XX,
        // The platforms' own rules say how often they are asked.
        _ => once,
    }
}

/// The token with all that is known of it: by the settings, else by its own word.
fn judged(session: &Session<'_>, obtained: Obtained, generation: u64) -> Result<CachedToken> {
    let settings = session.settings;
    let judged = judge(session, &obtained.token, obtained.expires_in, obtained.clock)?;
    // Said aloud by `login` ([`Session::obtain`]); whoever asks once an hour must not hear it for ever.
    judged.remarks.iter().for_each(|remark| debug!(remark, "about the token"));
    let claims = decode_jwt(obtained.token.expose()).map(|decoded| decoded.claims).unwrap_or_default();
    let claim = |name: &str| match claims.get(name) {
        Some(Value::String(text)) => text.clone(),
        // `aud` of Kubernetes is a list, even of one.
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    };
    let or = |set: &str, claim: String| if set.is_empty() { claim } else { set.to_owned() };
    Ok(CachedToken {
        expires_at: judged.expires_at,
        issued_at: obtained.clock.local,
        generation,
        issuer: or(&settings.issuer, claim("iss")),
        client_id: settings.client_id.clone(),
        audience: or(&settings.audience, claim("aud")),
        subject: claim("sub"),
        scopes: settings.scopes.list.clone(),
        token: obtained.token,
    })
}

fn entry(session: &Session<'_>, known: Option<&IndexEntry>, token: &CachedToken, backend: Backend) -> IndexEntry {
    IndexEntry {
        key: session.key.clone(),
        backend,
        subject: token.subject.clone(),
        name: None,
        signed_in_at: known.map_or(token.issued_at, |entry| entry.signed_in_at),
        renewed_at: token.issued_at,
        access_expires_at: token.expires_at,
        renewable: true,
        ended: None,
        not_before: None,
        generation: token.generation,
    }
}
