//! The HTTP side of every peer that speaks HTTP: connections, TLS, going down and up, and the faults that tests order.
//!
//! A peer says what its honest reply to a request is; what becomes of that on the wire is decided here.

pub mod answer;
pub mod parameters;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::{HeaderName, HeaderValue, Request as HttpRequest, Response, StatusCode};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

pub use answer::{Answer, Reply};
use parameters::Parameters;

/// The largest request body that is read.
const BODY_MAX: usize = 64 * 1024;

/// A request, read in full.
pub struct Arrived {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// Lower-case names, in the order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Result<Bytes, &'static str>,
    pub at: Instant,
}

impl Arrived {
    async fn read(request: HttpRequest<Incoming>) -> Self {
        let at = Instant::now();
        let (head, body) = request.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: to_bytes(Body::new(body), BODY_MAX).await.map_err(|_| "body cut short, or too large"),
            at,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn query(&self) -> &[u8] {
        self.query.as_deref().unwrap_or_default().as_bytes()
    }

    /// What the body is said to be, without its parameters.
    pub fn media_type(&self) -> String {
        let media_type = self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    }

    /// The parameters of a form, with everything about it that the standards demand (RFC 6749 §3.2, appendix B).
    pub fn form(&self, may_repeat: &[&str]) -> Result<Parameters, String> {
        if self.query.is_some() {
            return Err("parameters in the URL of an endpoint that takes a form".to_owned());
        }
        if self.media_type() != "application/x-www-form-urlencoded" {
            return Err("content-type is not application/x-www-form-urlencoded".to_owned());
        }
        Parameters::parse(self.body.as_ref().map_err(|why| (*why).to_owned())?, may_repeat)
    }
}

/// What goes over the wire for one request: the order, and the reply that it leaves, if any.
pub struct Sent {
    order: Answer,
    reply: Option<Reply>,
}

impl Sent {
    /// Carries `order` out; `honest` is asked only where the order has the request carried out.
    pub fn by(order: Answer, honest: impl FnOnce() -> Reply) -> Self {
        let reply = match &order {
            Answer::Instead(reply) => Some(reply.clone()),
            Answer::DropBefore | Answer::Flood(_) => None,
            _ => Some(honest()),
        };
        Self { order, reply }
    }

    /// A peer whose clock is ahead has to say so itself: the server's own `Date` is right. In seconds.
    pub fn dated(mut self, clock_ahead: i64) -> Self {
        if clock_ahead != 0 {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let date = std::time::UNIX_EPOCH + Duration::from_secs(now.saturating_add_signed(clock_ahead));
            self.reply = self.reply.map(|reply| reply.header("date", &httpdate::fmt_http_date(date)));
        }
        self
    }

    /// The status that the client sees; `None` if the connection is dropped.
    pub fn status(&self) -> Option<u16> {
        match (&self.order, &self.reply) {
            (Answer::Flood(_), _) => Some(200),
            (Answer::DropAfter, _) => None,
            (Answer::Processed(other), Some(_)) => Some(other.status),
            (_, reply) => reply.as_ref().map(|reply| reply.status),
        }
    }

    async fn respond(self) -> Result<Response<Body>, Dropped> {
        match (self.order, self.reply) {
            (Answer::Flood(size), _) => {
                let body = Spoiled { left: Bytes::new(), pace: Pace::Flood(size) };
                Ok(response(Reply::new(200, "application/json", ""), Body::new(body)))
            }
            (Answer::DropAfter, _) => Err(Dropped),
            (Answer::Processed(other), Some(_)) => Ok(whole(other)),
            (Answer::Delay(pause), Some(reply)) => {
                tokio::time::sleep(pause).await;
                Ok(whole(reply))
            }
            (Answer::CutAfter(size), Some(reply)) => {
                let promised = reply.body.len().to_string();
                let pause = Box::pin(tokio::time::sleep(Duration::from_millis(20)));
                let left = Bytes::copy_from_slice(reply.body.get(..size).unwrap_or(&reply.body));
                let body = Body::new(Spoiled { left, pace: Pace::ThenCut(pause) });
                Ok(response(reply.header("content-length", &promised), body))
            }
            (Answer::Trickle(pause), Some(reply)) => {
                let pace = Pace::Trickle { pause, sleep: Box::pin(tokio::time::sleep(pause)) };
                let left = Bytes::from(reply.body.clone());
                Ok(response(reply, Body::new(Spoiled { left, pace })))
            }
            (_, Some(reply)) => Ok(whole(reply)),
            (_, None) => Err(Dropped),
        }
    }
}

fn whole(reply: Reply) -> Response<Body> {
    let body = Body::from(reply.body.clone());
    response(reply, body)
}

fn response(reply: Reply, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.headers {
        let name: HeaderName = name.parse().unwrap();
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("dropped")]
struct Dropped;

/// A port with a peer behind it, on a thread of its own. Stops when dropped.
pub struct Serving {
    address: SocketAddr,
    up: Option<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Serves `listener`, each request by `answer`.
    pub fn start(
        name: &str,
        listener: std::net::TcpListener,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Arrived) -> Sent + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (up, watch) = watch::channel(true);
        let thread = std::thread::Builder::new().name(name.to_owned());
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, tls, watch, Arc::new(answer)));
        };
        Self { address, up: Some(up), thread: Some(thread.spawn(run).unwrap()) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port, or opens it again: while down, connections are refused.
    pub fn set_up(&self, up: bool) {
        self.up.as_ref().unwrap().send_replace(up);
        // The server's thread acts on it in its own time; a test may rely on it at once.
        for _ in 0..500 {
            if std::net::TcpStream::connect(self.address).is_ok() == up {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the peer did not go {}", if up { "up" } else { "down" });
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.up.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until `up` is dropped. While it holds `false`, nothing listens: connections are refused.
async fn serve<F: Fn(&Arrived) -> Sent + Send + Sync + 'static>(
    first: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    mut up: watch::Receiver<bool>,
    answer: Arc<F>,
) {
    let address = first.local_addr().unwrap();
    let mut listener = Some(TcpListener::from_std(first).unwrap());
    loop {
        let wanted = *up.borrow_and_update();
        if wanted && listener.is_none() {
            listener = bind_again(address).await;
        } else if !wanted {
            listener = None;
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = up.changed() => if changed.is_err() { return },
            connection = accepted => if let Ok((stream, _)) = connection {
                let (answer, tls) = (Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(answer, stream).await,
                        // A client that refuses the certificate ends here.
                        Some(tls) => if let Ok(stream) = tls.accept(stream).await {
                            converse(answer, stream).await;
                        },
                    }
                });
            },
        }
    }
}

async fn converse<F: Fn(&Arrived) -> Sent + Send + Sync + 'static>(
    answer: Arc<F>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
) {
    let service = service_fn(move |request| {
        let answer = Arc::clone(&answer);
        async move {
            let arrived = Arrived::read(request).await;
            answer(&arrived).respond().await
        }
    });
    // A dropped connection ends here with an error, as ordered.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn bind_again(address: SocketAddr) -> Option<TcpListener> {
    for _ in 0..50 {
        if let Ok(listener) = TcpListener::bind(address).await {
            return Some(listener);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// A body that does not come as promised.
struct Spoiled {
    left: Bytes,
    pace: Pace,
}

enum Pace {
    /// What is left in one piece, and after a short pause the end of the connection.
    ThenCut(Pin<Box<tokio::time::Sleep>>),
    Trickle {
        pause: Duration,
        sleep: Pin<Box<tokio::time::Sleep>>,
    },
    /// So many more bytes of white space.
    Flood(u64),
}

#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

impl HttpBody for Spoiled {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        match &mut this.pace {
            Pace::ThenCut(_) if !this.left.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.left)))))
            }
            // An error at once would take the bytes before it along: they are still in a buffer.
            Pace::ThenCut(pause) => pause.as_mut().poll(context).map(|()| Some(Err(Cut))),
            Pace::Trickle { .. } if this.left.is_empty() => Poll::Ready(None),
            Pace::Trickle { pause, sleep } => {
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                sleep.as_mut().reset(tokio::time::Instant::now() + *pause);
                Poll::Ready(Some(Ok(Frame::data(this.left.split_to(1)))))
            }
            Pace::Flood(0) => Poll::Ready(None),
            Pace::Flood(left) => {
                let size = (*left).min(64 * 1024);
                *left -= size;
                Poll::Ready(Some(Ok(Frame::data(vec![b' '; size as usize].into()))))
            }
        }
    }
}
