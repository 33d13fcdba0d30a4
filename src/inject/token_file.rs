//! A path from which any program reads a live token, however often and however many at once.
//!
//! It is a plain file, replaced before its token is worn. Where the system has FIFOs, and renewing has not worked in time
//! (no network, a machine that slept), a FIFO takes its place: who opens that waits for the renewal, and does not get a
//! token that is dead. A FIFO all of the time would be simpler, and was tried: of eight readers that come together most
//! find it empty, because all who open one before the next is in place share what is written once.

#[cfg(all(unix, not(target_vendor = "apple")))]
mod fifo;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::private_dir::{PrivateDir, TOKEN};
use super::tokens::Tokens;
use crate::atomic_file;
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::store::cache::CachedToken;
use crate::ui::{Ui, foreign};

/// How long before its expiry a token is replaced, in seconds, if half of its life is over by then.
const LEAD: u64 = 300;
/// A token with less left, in seconds, or with less than a quarter of its life, is not handed out any more.
const WORN: u64 = 10;
/// The shortest time between two renewals.
const PAUSE: Duration = Duration::from_secs(2);
/// The time between two tries.
const RETRY: Duration = Duration::from_secs(5);
/// How often the clock is looked at: no timer knows of a machine that slept.
const GLANCE: Duration = Duration::from_secs(1);

/// Writes `first` to a file (0600) in `dir`, and keeps a live token there until the process ends. The path.
///
/// A token is as it has to be sent: no line break follows. What cannot be renewed is said on stderr, once.
pub fn serve(dir: &PrivateDir, first: CachedToken, gate: Gate, tokens: Tokens, ui: Ui) -> Result<PathBuf> {
    let path = dir.path().join(TOKEN);
    put_file(&path, &first)?;
    let keeper = Keeper { path: path.clone(), tokens, ui, said: None };
    // A thread, because opening a FIFO blocks until somebody reads from it, and nothing can take that back. It ends
    // with the process.
    thread::spawn(move || keeper.keep(first, gate));
    Ok(path)
}

/// What a reader meets where there is no live token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The worn one.
    Open,
    /// A FIFO, which gives a new one or nothing.
    Fifo,
}

struct Keeper {
    path: PathBuf,
    tokens: Tokens,
    ui: Ui,
    /// What has gone wrong, and has not gone well since.
    said: Option<String>,
}

impl Keeper {
    fn keep(mut self, mut token: CachedToken, gate: Gate) {
        loop {
            thread::sleep(PAUSE);
            while replace_at(&token) > unix_now() {
                thread::sleep(GLANCE);
            }
            token = match self.ahead(&token, gate) {
                Some(token) => token,
                None => match self.on_demand() {
                    Some(token) => token,
                    None => return,
                },
            };
        }
    }

    /// The successor, put into place while `token` lives. `None` if that does not live long enough, and the gate is a
    /// FIFO.
    fn ahead(&mut self, token: &CachedToken, gate: Gate) -> Option<CachedToken> {
        loop {
            if gate == Gate::Fifo && is_worn(token, unix_now()) {
                return None;
            }
            let successor = self.tokens.successor_blocking(token);
            match self.note(successor.and_then(|token| put_file(&self.path, &token).map(|()| token))) {
                Some(token) => return Some(token),
                None => thread::sleep(RETRY),
            }
        }
    }

    /// Says what has gone wrong, once.
    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => {
                self.said = None;
                Some(value)
            }
            Err(error) => {
                if self.said.as_deref() != Some(error.message()) && !self.tokens.is_closed() {
                    self.ui.error(&error);
                    self.said = Some(error.message().to_owned());
                }
                None
            }
        }
    }
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
impl Keeper {
    /// There is no such gate on this system.
    fn on_demand(&mut self) -> Option<CachedToken> {
        None
    }
}

/// When a token is replaced, in seconds since 1970.
fn replace_at(token: &CachedToken) -> u64 {
    let half = token.expires_at.saturating_sub(token.issued_at) / 2;
    (token.expires_at.saturating_sub(LEAD)).max(token.issued_at.saturating_add(half))
}

fn is_worn(token: &CachedToken, now: u64) -> bool {
    let lifetime = token.expires_at.saturating_sub(token.issued_at);
    token.expires_at <= now + WORN.min(lifetime / 4)
}

/// A reader sees the old token or the new one, whole.
fn put_file(path: &Path, token: &CachedToken) -> Result<()> {
    let failed = |error| {
        let text = format!("cannot write the token file `{}`", foreign(&path.to_string_lossy()));
        Error::new(Kind::Store, text).because(error)
    };
    atomic_file::replace(path, token.token.expose().as_bytes(), None).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::tokens::tests::token;

    #[test]
    fn a_token_is_replaced_five_minutes_before_its_end_or_at_half_of_its_life() {
        for (issued_at, expires_at, expected) in
            [(1000, 4600, 4300), (1000, 1600, 1300), (1000, 1400, 1200), (1000, 1010, 1005), (1000, 1000, 1000)]
        {
            assert_eq!(replace_at(&token("a.b.c", issued_at, expires_at)), expected, "{issued_at}..{expires_at}");
        }
    }

    #[test]
    fn a_token_is_worn_shortly_before_its_end() {
        for (expires_at, now, expected) in
            [(4600, 4589, false), (4600, 4590, true), (4600, 5000, true), (1008, 1005, false), (1008, 1006, true)]
        {
            assert_eq!(is_worn(&token("a.b.c", 1000, expires_at), now), expected, "{expires_at} at {now}");
        }
    }
}
