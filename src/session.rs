//! The ladder: a valid token, a renewed one, a new sign-in.
//!
//! 1. A cached access token that lives long enough: no network, no lock, no keyring. [`Session::token`]
//! 2. Under the session's lock: look again, renew with the refresh token, store, hand out. [`renew`]
//! 3. Under the sign-in lock: a person signs in; verify, store, hand out. [`sign_in`]
//!
//! A program's session has no third rung: on the second it asks where its kind gets tokens.
//!
//! This is the only room that knows both the flows and the store, and the place where policy lives.

pub mod explain;
pub mod inspect;
mod keep;
mod keys;
pub mod meant;
mod renew;
pub mod server;
mod sign_in;
mod sign_out;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

use explain::Doing;
pub use sign_in::SignedIn;
pub use sign_out::{Revocation, SignedOut};

use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::event_loop::block_on;
use crate::http::{Http, HttpOptions};
use crate::oidc::access_token::Expectation;
use crate::oidc::metadata::{self, ProviderMetadata, TokenEndpoint};
use crate::oidc::token::ClientIdentity;
use crate::secret::source;
use crate::settings::{Settings, StoreChoice};
use crate::signals;
use crate::store::cache::{self, CachedToken};
use crate::store::index::{self, IndexEntry};
use crate::store::lock::{LockKind, SessionLock, Waited};
use crate::store::{Backend, Patience, SessionId, SessionKey, SessionRecord, Store, Trouble};
use crate::ui::{Ui, foreign};
use crate::workload::Place;

/// One session as the settings describe it; it may or may not exist yet.
pub struct Session<'a> {
    settings: &'a Settings,
    ui: &'a Ui,
    key: SessionKey,
    id: SessionId,
    state_dir: PathBuf,
}

/// How good a token must be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Freshness {
    /// The life that must be left. `None` leaves it to [`DEFAULT_MIN_TTL`].
    pub min_ttl: Option<Duration>,
    /// Renew although the token would do: the server has refused it.
    pub force: bool,
}

/// Enough to connect with; a server looks at `exp` without leeway. Tokens that live shorter than twice this are used
/// for half of their life, or a provider with short tokens would be asked on every call.
const DEFAULT_MIN_TTL: Duration = Duration::from_secs(60);

/// A token with less left than this is not worth handing out in place of a new one, in seconds.
const TOLERABLE: u64 = 10;

impl Freshness {
    /// Whether `token` is good enough at `now` (seconds since 1970).
    fn accepts(&self, token: &CachedToken, now: u64) -> bool {
        let lifetime = token.expires_at.saturating_sub(token.issued_at);
        let needed = self.min_ttl.map_or(DEFAULT_MIN_TTL.as_secs().min(lifetime / 2), |ttl| ttl.as_secs());
        !self.force && token.expires_at > now + needed
    }

    /// Whether `token` will do at `now` where a better one cannot be had.
    fn tolerates(&self, token: &CachedToken, now: u64) -> bool {
        !self.force && token.expires_at > now + TOLERABLE
    }
}

impl<'a> Session<'a> {
    pub fn new(settings: &'a Settings, ui: &'a Ui) -> Result<Self> {
        let key = settings.session_key();
        let id = key.id();
        Ok(Self { settings, ui, key, id, state_dir: crate::settings::dirs::state_dir()? })
    }

    /// The session that was found under `id`. Made anew from the settings, the id could miss it: the state folder is part
    /// of it, as it was spelt at sign-in.
    pub fn found(settings: &'a Settings, ui: &'a Ui, id: &SessionId) -> Result<Self> {
        Ok(Self { id: id.clone(), ..Self::new(settings, ui)? })
    }

    /// A token that is fresh enough, from the first rung of the ladder that has one. Never asks a person.
    pub fn token(&self, freshness: &Freshness) -> Result<CachedToken> {
        // Read anew each time: a copy of ours would outlive the file's, which is replaced long before it expires.
        if let Some(place) = self.place() {
            return renew::read(self, &place, freshness);
        }
        match cache::read(&self.id) {
            Some(token) if freshness.accepts(&token, unix_now()) => Ok(token),
            cached => renew::renew(self, freshness, cached).map(|renewed| renewed.token),
        }
    }

    /// The first rung alone: what the cache has, if it is fresh enough.
    pub fn cached_token(&self, freshness: &Freshness) -> Option<CachedToken> {
        cache::read(&self.id).filter(|token| freshness.accepts(token, unix_now()))
    }

    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// What can be told of the session without a secret; `None` if nobody is signed in.
    pub fn entry(&self) -> Result<Option<IndexEntry>> {
        index::read(&self.state_dir, &self.id).map_err(|trouble| self.explain_stored(trouble))
    }

    /// The complete command for this session, as [`Settings::command`] has it.
    pub fn command(&self, name: &str) -> String {
        self.settings.command(name)
    }

    /// The provider's metadata, judged, for somebody who sets it up. One request, and nothing is kept.
    pub async fn provider(&self) -> Result<ProviderMetadata> {
        metadata::discover(&self.http()?, &self.settings.issuer)
            .await
            .map_err(|fault| self.explain(Doing::SetUp, fault))
    }

    /// As [`Self::provider`], as far as a program needs it that is a client there.
    pub async fn token_endpoint(&self) -> Result<TokenEndpoint> {
        metadata::token_endpoint(&self.http()?, &self.settings.issuer)
            .await
            .map_err(|fault| self.explain(Doing::SetUp, fault))
    }

    /// The session's name in messages.
    fn name(&self) -> String {
        match &self.settings.profile {
            Some(profile) => format!("profile `{profile}`"),
            None if self.settings.issuer.is_empty() => format!("the kind `{}`", self.settings.kind.name()),
            None => format!("`{}`", foreign(&self.settings.issuer)),
        }
    }

    fn login_required(&self, what: impl Into<String>) -> Error {
        Error::new(Kind::LoginRequired, what).hint(format!("run `{}`", self.command("login")))
    }

    fn http(&self) -> Result<Http> {
        self.http_to(&self.settings.issuer)
    }

    fn http_to(&self, issuer: &str) -> Result<Http> {
        Http::new(&HttpOptions {
            issuer,
            ca_file: self.settings.ca_file.as_deref(),
            proxy: self.settings.proxy.as_deref(),
            timeout: self.settings.http_timeout,
        })
    }

    /// Reads the client secret, if there is one: a file or a command, so never on the path of a cached token.
    async fn identity(&self, secret_in_body: bool) -> Result<ClientIdentity> {
        let secret = match &self.settings.client_secret {
            Some(source) => Some(source::read(source, &source::CLIENT_SECRET).await?),
            None => None,
        };
        Ok(ClientIdentity { client_id: self.settings.client_id.clone(), secret, secret_in_body })
    }

    /// Takes the session's lock, as [`Self::wait_for_lock`] does.
    fn lock(&self) -> Result<SessionLock> {
        Ok(self.wait_for_lock(LockKind::Session, self.lock_deadline(), || None)?.lock())
    }

    /// Takes a lock, or waits for it, as [`SessionLock::acquire`] does. Ctrl-C ends the wait. Not to be called from within
    /// [`block_on`].
    fn wait_for_lock<T>(
        &self,
        kind: LockKind,
        deadline: Duration,
        answer: impl FnMut() -> Option<T>,
    ) -> Result<Waited<T>> {
        // Nearly always nobody has it, and no event loop is needed.
        if let Some(lock) = SessionLock::try_acquire(&self.state_dir, &self.id, kind)? {
            return Ok(Waited::Locked(lock));
        }
        block_on(async {
            tokio::select! {
                biased;
                stop = signals::interrupted() => Err(stop),
                waited = SessionLock::acquire(&self.state_dir, &self.id, kind, deadline, answer) => waited,
            }
        })?
    }

    /// How long to wait for another process that holds the session: for as long as a renewal may take, and for what it does
    /// on this computer.
    fn lock_deadline(&self) -> Duration {
        renew::longest(self.settings) + Duration::from_secs(5)
    }

    /// What is stored, with the secrets. The caller holds the lock.
    fn load(&self, store: &Store) -> Result<Option<SessionRecord>> {
        store.load().map_err(|trouble| self.explain_stored(trouble))
    }

    /// Explains why what is stored cannot be read.
    fn explain_stored(&self, trouble: Trouble) -> Error {
        let unreadable = trouble.is_unreadable();
        let error = Error::from(trouble);
        if unreadable {
            error.hint(format!("run `{}`, then `{}`", self.command("logout"), self.command("login")))
        } else {
            error
        }
    }

    /// Opens the session's store. `known` is where the index says that the session is; `None` chooses anew.
    fn open_store(&self, known: Option<Backend>) -> Result<Store> {
        let ui = *self.ui;
        let patience = if ui.can_ask() { Patience::PersonMayAnswer } else { Patience::NobodyCanAnswer };
        let on_wait = Box::new(move || ui.tell("waiting for your keyring to be unlocked"));
        Store::open(&self.state_dir, &self.id, self.settings.store, known, patience, on_wait)
    }

    fn expectation(&self) -> Expectation<'_> {
        expectation(self.settings)
    }

    /// The file that something else keeps this session's token in, if it does.
    fn place(&self) -> Option<Place> {
        Place::of(self.settings, &|name| std::env::var_os(name))
    }

    /// The path of that file.
    pub fn token_file(&self) -> Option<PathBuf> {
        self.place().map(|place| place.path)
    }

    /// Where a program's token goes if the kernel keyring does not take it.
    fn program_store(&self) -> Result<Option<Store>> {
        if self.settings.store == StoreChoice::File { self.open_store(None).map(Some) } else { Ok(None) }
    }
}

/// What a token of the session that these settings mean must be for. A program's may be from and for anybody.
pub fn expectation(settings: &Settings) -> Expectation<'_> {
    fn unless_empty(text: &str) -> Option<&str> {
        Some(text).filter(|text| !text.is_empty())
    }
    Expectation { issuer: unless_empty(&settings.issuer), audience: unless_empty(&settings.audience) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn token(issued_at: u64, expires_at: u64) -> CachedToken {
        CachedToken {
            token: Secret::new("a.b.c"),
            expires_at,
            issued_at,
            generation: 1,
            issuer: String::new(),
            client_id: String::new(),
            audience: String::new(),
            subject: String::new(),
            scopes: Vec::new(),
        }
    }

    #[test]
    fn a_token_is_fresh_while_enough_of_its_life_is_left() {
        let default = Freshness::default();
        let asked = |seconds| Freshness { min_ttl: Some(Duration::from_secs(seconds)), force: false };
        for (freshness, issued_at, expires_at, now, expected) in [
            (default, 0, 3600, 3539, true),
            (default, 0, 3600, 3540, false),
            (default, 0, 30, 14, true),
            (default, 0, 30, 15, false),
            (default, 0, 3600, 5000, false),
            (asked(0), 0, 3600, 3599, true),
            (asked(0), 0, 3600, 3600, false),
            (asked(300), 0, 3600, 3299, true),
            (asked(300), 0, 3600, 3300, false),
            (asked(300), 0, 60, 0, false),
        ] {
            let accepted = freshness.accepts(&token(issued_at, expires_at), now);
            assert_eq!(accepted, expected, "{freshness:?} {issued_at}..{expires_at} at {now}");
        }
    }
}
