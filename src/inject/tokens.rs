//! One thread that asks the session, and those who need a token ask the thread.
//!
//! The session blocks, for seconds where it renews, and none of those who wait may block each other's sockets and
//! signals. One asker is enough: behind it is one session with one lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

use crate::error::{Error, Kind, Result};
use crate::store::cache::CachedToken;

/// What a closure that gives tokens is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A token with enough of its life left; the one at hand if it has.
    Valid,
    /// Another one than the one at hand, although that has not expired.
    Renewed,
}

/// A place to ask for tokens, one for each who asks.
#[derive(Clone)]
pub struct Tokens {
    desk: Sender<Message>,
    closed: Arc<AtomicBool>,
}

/// The other end, where [`Desk::serve`] answers.
pub struct Desk {
    messages: Receiver<Message>,
    closed: Arc<AtomicBool>,
}

enum Message {
    Ask {
        in_place_of: Option<CachedToken>,
        answer: oneshot::Sender<Result<CachedToken>>,
    },
    /// Wakes the desk, to see that it has been closed.
    Close,
}

pub fn desk() -> (Tokens, Desk) {
    let (desk, messages) = channel();
    let closed = Arc::new(AtomicBool::new(false));
    (Tokens { desk, closed: Arc::clone(&closed) }, Desk { messages, closed })
}

impl Tokens {
    /// A token with enough of its life left. Whoever drops the future only stops waiting: a renewal goes on.
    pub async fn valid(&self) -> Result<CachedToken> {
        self.ask(None).await.unwrap_or_else(|_| Err(closed()))
    }

    /// A token with enough of its life left that is not `token`. One renewal is enough for all who ask for a successor
    /// of the same token, and none is needed if somebody else has renewed it meanwhile.
    pub async fn successor(&self, token: &CachedToken) -> Result<CachedToken> {
        self.ask(Some(token.clone())).await.unwrap_or_else(|_| Err(closed()))
    }

    /// As [`Tokens::valid`], for threads.
    pub fn valid_blocking(&self) -> Result<CachedToken> {
        self.ask(None).blocking_recv().unwrap_or_else(|_| Err(closed()))
    }

    /// As [`Tokens::successor`], for threads.
    pub fn successor_blocking(&self, token: &CachedToken) -> Result<CachedToken> {
        self.ask(Some(token.clone())).blocking_recv().unwrap_or_else(|_| Err(closed()))
    }

    /// Ends [`Desk::serve`] after the answer that it is at.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let _ = self.desk.send(Message::Close);
    }

    /// Whether the program has ended: what fails from now on is of interest to nobody.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn ask(&self, in_place_of: Option<CachedToken>) -> oneshot::Receiver<Result<CachedToken>> {
        let (answer, receiver) = oneshot::channel();
        // If nobody serves any more, the answer's other end is dropped with the message, and the receiver knows.
        let _ = self.desk.send(Message::Ask { in_place_of, answer });
        receiver
    }
}

fn closed() -> Error {
    Error::new(Kind::Failed, "mdb-login is about to end")
}

impl Desk {
    /// Answers until it is closed.
    pub fn serve(self, mut source: impl FnMut(Need) -> Result<CachedToken>) {
        while let Ok(Message::Ask { in_place_of, answer }) = self.messages.recv() {
            if self.is_closed() {
                return;
            }
            // Who has gone meanwhile would cost the others a wait.
            if !answer.is_closed() {
                let _ = answer.send(self.find(&mut source, in_place_of.as_ref()));
            }
        }
    }

    fn find(
        &self,
        source: &mut impl FnMut(Need) -> Result<CachedToken>,
        in_place_of: Option<&CachedToken>,
    ) -> Result<CachedToken> {
        let token = self.undisturbed(source, Need::Valid)?;
        match in_place_of {
            Some(old) if old.token.expose() == token.token.expose() => self.undisturbed(source, Need::Renewed),
            _ => Ok(token),
        }
    }

    /// Ctrl-C is the program's own while there is one. A renewal that it fell into has been committed, and is reported as
    /// interrupted: what it brought is there for whoever looks again.
    fn undisturbed(&self, source: &mut impl FnMut(Need) -> Result<CachedToken>, need: Need) -> Result<CachedToken> {
        let mut result = source(need);
        while matches!(&result, Err(error) if error.kind() == Kind::Interrupted) && !self.is_closed() {
            result = source(Need::Valid);
        }
        result
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

#[cfg(test)]
pub mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::secret::Secret;

    /// A token for the tests of this room.
    pub fn token(text: &str, issued_at: u64, expires_at: u64) -> CachedToken {
        CachedToken {
            token: Secret::new(text),
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

    /// A session that counts its renewals, and is interrupted in the first if `interrupted`.
    fn served(interrupted: bool) -> (Tokens, Arc<Mutex<u32>>) {
        let renewals = Arc::new(Mutex::new(0));
        let (tokens, desk) = desk();
        let count = Arc::clone(&renewals);
        std::thread::spawn(move || {
            desk.serve(|need| {
                let mut count = count.lock().unwrap();
                *count += u32::from(need == Need::Renewed);
                if need == Need::Renewed && *count == 1 && interrupted {
                    return Err(Error::new(Kind::Interrupted, "interrupted"));
                }
                Ok(token(&format!("token-{count}"), 0, 3600))
            });
        });
        (tokens, renewals)
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_token_is_renewed_once_however_many_have_been_refused_it() {
        let (tokens, renewals) = served(false);
        let refused = tokens.valid_blocking().unwrap();
        let successors: Vec<CachedToken> = (0..5).map(|_| now(tokens.successor(&refused)).unwrap()).collect();
        assert!(successors.iter().all(|token| token.token.expose() == "token-1"));
        assert_eq!(*renewals.lock().unwrap(), 1);
        assert_eq!(now(tokens.successor(&successors[0])).unwrap().token.expose(), "token-2");
    }

    #[test]
    fn ctrl_c_in_a_renewal_does_not_cost_its_result() {
        let (tokens, _) = served(true);
        let refused = tokens.valid_blocking().unwrap();
        assert_eq!(now(tokens.successor(&refused)).unwrap().token.expose(), "token-1");
    }

    #[test]
    fn whoever_asks_after_the_end_is_told() {
        let (tokens, _) = served(false);
        tokens.close();
        while tokens.valid_blocking().is_ok() {}
        assert_eq!(tokens.valid_blocking().unwrap_err().kind(), Kind::Failed);
    }
}
