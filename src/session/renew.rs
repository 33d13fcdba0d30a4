//! Rung two: one request, however many ask.
//!
//! Decide, request and commit happen under the session's lock, and what the lock protects is read again once it is held.
//! Where the next token comes from is the [`Source`]'s affair: [`refresh`] for a person's session, [`obtain`] for a
//! program's.

mod obtain;
mod refresh;

use std::time::Duration;

use super::{Freshness, Session};
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::oidc::token::{Clock, RETRY_AFTER_MAX};
use crate::oidc::{Fault, Outcome};
use crate::settings::Settings;
use crate::store::Store;
use crate::store::cache::{self, CachedToken};
use crate::store::index::IndexEntry;
use crate::store::lock::{LockKind, Waited};
use obtain::Program;
pub use obtain::read;
use refresh::Refresh;

/// After a server error the same request must not follow at once (some providers count each attempt as a reuse).
const PAUSE_AFTER_5XX: Duration = Duration::from_secs(2);

/// A token that is good enough.
pub struct Renewed {
    pub token: CachedToken,
    /// How the clocks stood when it came; `None` if it was there, or a sibling got it.
    pub clock: Option<Clock>,
}

impl From<CachedToken> for Renewed {
    fn from(token: CachedToken) -> Self {
        Self { token, clock: None }
    }
}

/// Where a session's next token comes from. Opened and asked under the session's lock.
trait Source {
    /// Where a token lies that the kernel keyring has not taken.
    fn store(&self) -> Option<&Store>;

    /// Whether a token that lies there is of this session.
    fn owns(&self, token: &CachedToken) -> bool;

    /// The next token, committed. `has_token`: the current one still serves.
    fn next(&mut self, has_token: bool) -> Result<Renewed>;
}

/// Renews the session's token, or takes what a sibling has renewed meanwhile. `cached` is what the caller saw.
pub fn renew(session: &Session<'_>, freshness: &Freshness, cached: Option<CachedToken>) -> Result<Renewed> {
    let entry = session.entry()?;
    if session.settings.kind.is_program() {
        return climb(session, freshness, cached, entry.as_ref(), || Program::open(session));
    }
    // Not signed in is by far the most frequent reason to be here in vain; a missing index says it without a lock.
    let entry = entry.ok_or_else(|| session.login_required(format!("not signed in to {}", session.name())))?;
    climb(session, freshness, cached, Some(&entry), || Refresh::open(session))
}

/// What one who holds the lock may take until the next token is there, or none can be had.
pub fn longest(settings: &Settings) -> Duration {
    if settings.kind.is_program() { obtain::longest(settings) } else { refresh::longest(settings) }
}

/// The rung, whatever the source. `entry` is what the index knew before the lock.
fn climb<S: Source>(
    session: &Session<'_>,
    freshness: &Freshness,
    cached: Option<CachedToken>,
    entry: Option<&IndexEntry>,
    open: impl FnOnce() -> Result<S>,
) -> Result<Renewed> {
    // Where the cache lies in the store (no kernel keyring), what the caller has seen is what the index knows.
    let known = entry.map_or(0, |entry| entry.generation);
    let seen = cached.as_ref().map_or(known, |token| token.generation);
    // A token that came while we waited is the best that the provider gives, even if it is shorter than `--min-ttl`:
    // asking once more, for each who waits, would not make it longer.
    let good = |token: &CachedToken| {
        let came_meanwhile = token.generation > seen && token.expires_at > unix_now();
        came_meanwhile || freshness.accepts(token, unix_now())
    };
    let mut kept = None;
    match locked(session, freshness, good, open, &mut kept) {
        Ok(renewed) => Ok(renewed),
        // A token that is still good is better than an error about its successor.
        Err(error) => match kept.filter(|token| freshness.tolerates(token, unix_now())) {
            Some(token) if error.kind() != Kind::Interrupted && error.kind() != Kind::RuleBroken => {
                session
                    .ui
                    .warn(format!("using the current token, because it could not be renewed: {}", reason(&error)));
                Ok(token.into())
            }
            _ => Err(error),
        },
    }
}

/// Everything that needs the lock. `kept` is where it leaves what there is already, for want of something better.
fn locked<S: Source>(
    session: &Session<'_>,
    freshness: &Freshness,
    good: impl Fn(&CachedToken) -> bool,
    open: impl FnOnce() -> Result<S>,
    kept: &mut Option<CachedToken>,
) -> Result<Renewed> {
    let answer = || cache::read(&session.id).filter(&good);
    let waited = session.wait_for_lock(LockKind::Session, session.lock_deadline(), answer);
    // Read after the wait, in vain or not: somebody may have signed out meanwhile.
    let current = cache::read(&session.id);
    *kept = current.clone().filter(|token| freshness.tolerates(token, unix_now()));
    let _lock = match waited? {
        Waited::Answered(token) => return Ok(token.into()),
        Waited::Locked(lock) => lock,
    };
    if let Some(token) = current.filter(&good) {
        return Ok(token.into());
    }
    let mut source = open()?;
    if kept.is_none()
        && let Some(store) = source.store()
        && let Some(token) = store.load_access()?.filter(|token| source.owns(token))
    {
        if good(&token) {
            return Ok(token.into());
        }
        *kept = Some(token).filter(|token| freshness.tolerates(token, unix_now()));
    }
    let renewed = source.next(kept.is_some())?;
    if freshness.min_ttl.is_some() && !freshness.accepts(&renewed.token, unix_now()) {
        session.ui.warn("the provider's tokens live shorter than the `--min-ttl` asked for");
    }
    Ok(renewed)
}

fn reason(error: &Error) -> String {
    error.causes().last().map_or_else(|| error.message().to_owned(), Clone::clone)
}

/// That nobody has asked to be left alone for now.
fn nobody_asked_to_wait(entry: &IndexEntry) -> Result<()> {
    // No provider is believed for longer, so a later moment was noted while this computer's clock was wrong.
    let left = entry.not_before.and_then(|at| at.checked_sub(unix_now()));
    match left.filter(|left| (1..=RETRY_AFTER_MAX).contains(left)) {
        None => Ok(()),
        Some(left) => Err(Error::new(Kind::Unavailable, "the provider has asked not to be called for a while")
            .hint(format!("try again in {left} s"))),
    }
}

/// How long to wait before the same is asked once more; `None` where that is of no use.
fn pause_before_another(fault: &Fault, has_token: bool) -> Option<Duration> {
    match fault {
        // The answer is lost, not the session: within the usual 30 s of grace the same token is accepted again.
        Fault::Unavailable { outcome: Outcome::Lost, .. } => Some(Duration::ZERO),
        // A provider that names a later moment (`Retry-After`) is believed.
        Fault::Unavailable { outcome: Outcome::ServerError, retry_after, .. }
            if !has_token && retry_after.is_none_or(|seconds| seconds <= PAUSE_AFTER_5XX.as_secs()) =>
        {
            Some(PAUSE_AFTER_5XX)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::schema::{self, Setting};
    use crate::settings::{Request, of_flags};

    /// Those who wait for the lock must not give up while whoever holds it does as it should. The numbers are those of the
    /// vendors' rules and of the ladder, for what is asked one after the other.
    #[test]
    fn a_renewal_that_goes_on_is_waited_for() {
        let (kind, secret) = (&schema::KIND, &schema::CLIENT_SECRET_COMMAND);
        // All attempts, and the last one's answer: of IMDS while it is updated, and of any other.
        let (imds, any) = (85.0 + 12.0, 40.0 + 12.0);
        type Row<'a> = (&'a [(&'static Setting, &'static str)], f64);
        let rows: [Row; 12] = [
            // Metadata, and a refresh twice with a pause between.
            (&[], 12.0 + 2.0 * 12.0 + 2.0),
            (&[(secret, "pass x")], 30.0 + 12.0 + 2.0 * 12.0 + 2.0),
            (&[(kind, "client-credentials")], 2.0 * (12.0 + 12.0) + 2.0),
            (&[(kind, "client-credentials"), (secret, "pass x")], 2.0 * (30.0 + 12.0 + 12.0) + 2.0),
            (&[(kind, "azure-managed-identity")], f64::max(imds, 2.0 * any)),
            (&[(kind, "gcp")], any),
            (&[(kind, "gcp"), (&schema::IMPERSONATE, "a@p.iam.gserviceaccount.com")], 2.0 * any),
            (&[(kind, "github-actions")], any),
            (&[(kind, "kubernetes")], any),
            (&[(kind, "command")], 30.0),
            (&[(kind, "command"), (&schema::HTTP_TIMEOUT, "1s")], 30.0),
            (&[(kind, "gcp"), (&schema::HTTP_TIMEOUT, "2m")], 40.0 + 120.0),
        ];
        for (flags, expected) in rows {
            let flags: Vec<_> =
                flags.iter().map(|(setting, value)| (*setting, "--flag", vec![(*value).to_owned()])).collect();
            let settings = of_flags(&Request { flags, ..Request::default() });
            let (longest, expected) = (longest(&settings), Duration::from_secs_f64(expected));
            let spare = longest.checked_sub(expected);
            assert!(spare.is_some_and(|spare| spare <= settings.http_timeout), "{longest:?}, not {expected:?}");
        }
    }
}
