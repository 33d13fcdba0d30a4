//! Connections to a server of ours that strangers can reach, too: many at one time, one request each, and none able to keep
//! the others waiting or to push out who has shown to be no stranger.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::sleep;

/// Connections at one time. Browsers open one or two, some of them on suspicion and never used; mongosh opens one a request.
const MAX: usize = 64;
/// For the request line and headers together; cookies of other programs on localhost are in there too.
const HEAD_MAX: usize = 16 * 1024;
/// The pause after a failed accept. EMFILE does not go away by asking again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection's place among the [`MAX`].
#[derive(Clone, Debug, Default)]
pub struct Place(Arc<AtomicBool>);

impl Place {
    /// From here on the connection is pushed out by no newcomer.
    pub fn keep(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_kept(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Holds a conversation with everybody whom `accept` (a `poll_accept`) lets in, until it is dropped; every conversation ends with it.
///
/// A newcomer too many, of whom `too_many` is told, gets the place of the oldest that has not [kept](Place::keep) its own. Where
/// all have, the newcomer is sent away.
pub async fn serve<S, Talk>(
    mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<S>>,
    converse: impl Fn(S, Place) -> Talk,
    too_many: impl Fn(),
) where
    Talk: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut open: VecDeque<(AbortHandle, Place)> = VecDeque::new();
    loop {
        let stream = match poll_fn(&mut accept).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "accepting failed");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        open.retain(|(task, _)| !task.is_finished());
        if open.len() >= MAX {
            too_many();
            match open.iter().position(|(_, place)| !place.is_kept()) {
                Some(stranger) => open.remove(stranger).iter().for_each(|(task, _)| task.abort()),
                None => continue,
            }
        }
        let place = Place::default();
        let task = tasks.spawn(converse(stream, place.clone()));
        open.push_back((task, place));
        // Lets the newcomer read what has already arrived, before the next in the queue may push it out.
        yield_now().await;
    }
}

/// HTTP/1.1 for one request.
pub fn one_request() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_MAX).keep_alive(false).auto_date_header(false);
    builder
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;
    use std::time::Instant;

    use tokio::sync::{mpsc, oneshot};
    use tokio::time::timeout;

    use super::*;
    use crate::mutex::lock;

    /// The server's end of a connection, and whether its conversation keeps the place.
    type Stream = (oneshot::Sender<()>, bool);

    /// The other end, which sees when the conversation is over.
    fn visit(arrivals: &mpsc::UnboundedSender<Stream>, keeps: bool) -> oneshot::Receiver<()> {
        let (stream, end) = oneshot::channel();
        arrivals.send((stream, keeps)).unwrap();
        end
    }

    /// Lets everything happen that can: each time, every task that is ready takes its turn.
    async fn settle() {
        for _ in 0..4 * MAX {
            yield_now().await;
        }
    }

    fn is_over(end: &mut oneshot::Receiver<()>) -> bool {
        end.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    /// The server, whose conversations never end by themselves; and how many were too many.
    fn start() -> (mpsc::UnboundedSender<Stream>, Arc<Mutex<usize>>, tokio::task::JoinHandle<()>) {
        let (arrivals, mut queue) = mpsc::unbounded_channel::<Stream>();
        let count = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&count);
        let server = tokio::spawn(async move {
            let accept = |cx: &mut Context<'_>| queue.poll_recv(cx).map(|stream| Ok(stream.unwrap()));
            let converse = |(stream, keeps), place: Place| async move {
                if keeps {
                    place.keep();
                }
                pending::<()>().await;
                drop(stream);
            };
            serve(accept, converse, || *lock(&counted) += 1).await;
        });
        (arrivals, count, server)
    }

    #[tokio::test]
    async fn the_oldest_that_has_not_kept_its_place_makes_room() {
        let (arrivals, too_many, server) = start();
        let mut kept = visit(&arrivals, true);
        let mut strangers = Vec::new();
        for _ in 1..MAX {
            strangers.push(visit(&arrivals, false));
        }
        settle().await;
        assert_eq!(*lock(&too_many), 0);
        for newcomer in 1..=3 {
            strangers.push(visit(&arrivals, false));
            settle().await;
            let over: Vec<bool> = strangers.iter_mut().map(is_over).collect();
            let expected: Vec<bool> = (0..strangers.len()).map(|number| number < newcomer).collect();
            assert_eq!((over, *lock(&too_many)), (expected, newcomer));
        }
        assert!(!is_over(&mut kept));
        server.abort();
        settle().await;
        assert!(is_over(&mut kept) && strangers.iter_mut().all(is_over), "a conversation outlived the server");
    }

    #[tokio::test]
    async fn where_all_have_kept_their_place_the_newcomer_goes() {
        let (arrivals, too_many, _server) = start();
        let mut kept = Vec::new();
        for _ in 0..MAX {
            kept.push(visit(&arrivals, true));
        }
        let mut newcomer = visit(&arrivals, true);
        settle().await;
        assert!(is_over(&mut newcomer) && !kept.iter_mut().any(is_over));
        assert_eq!(*lock(&too_many), 1);
    }

    #[tokio::test]
    async fn after_a_failed_accept_there_is_a_pause_and_then_another() {
        let asked = Mutex::new(Vec::new());
        // Fails three times; polled once more when the time is up, it has nothing more to say.
        let accept = |_: &mut Context<'_>| {
            let mut asked = lock(&asked);
            if asked.len() == 3 {
                return Poll::Pending;
            }
            asked.push(Instant::now());
            Poll::Ready(Err::<(), _>(io::ErrorKind::Other.into()))
        };
        let _ = timeout(ACCEPT_PAUSE * 20, serve(accept, |(), _| async {}, || ())).await;
        let asked = lock(&asked);
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().zip(asked.iter().skip(1)).all(|(one, next)| *next - *one >= ACCEPT_PAUSE), "{asked:?}");
    }
}
