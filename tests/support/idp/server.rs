//! The HTTP side: connections, routes, what is refused before an endpoint sees it, and the faults that tests order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::{Request as HttpRequest, Response, StatusCode};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::answer::{Answer, Reply};
use super::behaviour::Behaviour;
use super::parameters::{Parameters, veil};
use super::state::{Request, State};
use super::{Endpoint, authorization, device, end_session, metadata, token};

/// The largest request body that is read.
const BODY_MAX: usize = 64 * 1024;

/// Where the provider is to be found. Never changes.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub issuer: String,
    pub origin: String,
    /// The issuer's path, with a random name in it.
    pub root: String,
}

impl Site {
    pub fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.origin, self.path_of(endpoint))
    }

    /// A path below the issuer's own.
    pub fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.root)
    }

    fn path_of(&self, endpoint: Endpoint) -> String {
        match endpoint {
            Endpoint::Discovery => self.path("/.well-known/openid-configuration"),
            Endpoint::Rfc8414 => format!("/.well-known/oauth-authorization-server{}", self.root),
            Endpoint::Jwks => self.path("/jwks"),
            Endpoint::Authorization => self.path("/authorize"),
            Endpoint::SignIn => self.path("/sign-in"),
            Endpoint::Token => self.path("/token"),
            Endpoint::DeviceAuthorization => self.path("/device_authorization"),
            Endpoint::Verification => self.path("/device"),
            Endpoint::Verify => self.path("/verify"),
            Endpoint::Revocation => self.path("/revoke"),
            Endpoint::EndSession => self.path("/end_session"),
            Endpoint::Unknown => "/".to_owned(),
        }
    }

    fn endpoint(&self, path: &str) -> Endpoint {
        Endpoint::ALL.into_iter().find(|endpoint| self.path_of(*endpoint) == path).unwrap_or(Endpoint::Unknown)
    }
}

/// Everything that the server's thread and the test share.
pub(super) struct Shared {
    pub site: Site,
    behaviour: Mutex<Behaviour>,
    state: Mutex<State>,
}

impl Shared {
    pub fn new(site: Site, behaviour: Behaviour) -> Self {
        Self { site, behaviour: Mutex::new(behaviour), state: Mutex::default() }
    }

    // A test that panics while it holds a lock must not make every other thread panic for it.
    pub fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until `up` is dropped. While it holds `false`, nothing listens: connections are refused.
pub(super) async fn serve(
    shared: Arc<Shared>,
    first: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    mut up: watch::Receiver<bool>,
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
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(shared, stream).await,
                        // A client that refuses the certificate ends here.
                        Some(tls) => if let Ok(stream) = tls.accept(stream).await {
                            converse(shared, stream).await;
                        },
                    }
                });
            },
        }
    }
}

async fn converse(shared: Arc<Shared>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
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

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("dropped")]
struct Dropped;

async fn answer(shared: Arc<Shared>, request: HttpRequest<Incoming>) -> Result<Response<Body>, Dropped> {
    let arrived = Arrived::read(&shared.site, request).await;
    let order = order_for(&shared, arrived.endpoint);
    let reply = match &order {
        Answer::Instead(reply) => Some(reply.clone()),
        Answer::DropBefore | Answer::Flood(_) => None,
        _ => Some(arrived.carry_out(&shared)),
    };
    let reply = reply.map(|reply| dated(reply, shared.behaviour().clock_ahead));
    let reply = match (&order, reply) {
        (Answer::Processed(other), Some(_)) => Some(other.clone()),
        (Answer::DropAfter, _) => None,
        (_, reply) => reply,
    };
    let status = match (&order, &reply) {
        (Answer::Flood(_), _) => Some(200),
        (_, reply) => reply.as_ref().map(|reply| reply.status),
    };
    arrived.write_down(&shared, status);
    if let Answer::Delay(pause) = order {
        tokio::time::sleep(pause).await;
    }
    match (order, reply) {
        (Answer::Flood(size), _) => {
            let body = Spoiled { left: Bytes::new(), pace: Pace::Flood(size) };
            Ok(respond(Reply::new(200, "application/json", ""), Body::new(body)))
        }
        (Answer::CutAfter(size), Some(reply)) => {
            let promised = reply.body.len().to_string();
            let pause = Box::pin(tokio::time::sleep(Duration::from_millis(20)));
            let left = Bytes::copy_from_slice(reply.body.get(..size).unwrap_or(&reply.body));
            let body = Body::new(Spoiled { left, pace: Pace::ThenCut(pause) });
            Ok(respond(reply.header("content-length", &promised), body))
        }
        (Answer::Trickle(pause), Some(reply)) => {
            let pace = Pace::Trickle { pause, sleep: Box::pin(tokio::time::sleep(pause)) };
            let left = Bytes::from(reply.body.clone());
            Ok(respond(reply, Body::new(Spoiled { left, pace })))
        }
        (_, Some(reply)) => {
            let body = Body::from(reply.body.clone());
            Ok(respond(reply, body))
        }
        (_, None) => Err(Dropped),
    }
}

fn order_for(shared: &Shared, endpoint: Endpoint) -> Answer {
    let mut state = shared.state();
    let scripted = state.scripts.get_mut(&endpoint).and_then(std::collections::VecDeque::pop_front);
    scripted.or_else(|| state.always.get(&endpoint).cloned()).unwrap_or(Answer::Honest)
}

/// The server's own `Date` is right; a provider whose clock is not has to say so itself.
fn dated(reply: Reply, clock_ahead: i64) -> Reply {
    if clock_ahead == 0 {
        return reply;
    }
    let seconds = super::state::now().saturating_add_signed(clock_ahead);
    reply.header("date", &httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(seconds)))
}

fn respond(reply: Reply, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.headers {
        let name: axum::http::HeaderName = name.parse().unwrap();
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

/// A request, read in full.
struct Arrived {
    endpoint: Endpoint,
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: Result<Bytes, &'static str>,
    at: Instant,
}

impl Arrived {
    async fn read(site: &Site, request: HttpRequest<Incoming>) -> Self {
        let at = Instant::now();
        let (head, body) = request.into_parts();
        let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            endpoint: site.endpoint(head.uri.path()),
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: to_bytes(Body::new(body), BODY_MAX).await.map_err(|_| "body cut short, or too large"),
            at,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn query(&self) -> &[u8] {
        self.query.as_deref().unwrap_or_default().as_bytes()
    }

    fn carry_out(&self, shared: &Shared) -> Reply {
        let (site, behaviour) = (&shared.site, shared.behaviour().clone());
        if let Err(refusal) = self.method_fits() {
            return refusal;
        }
        let mut state = shared.state();
        let state = &mut *state;
        let authorization = self.header("authorization");
        let with_form = |endpoint: &mut dyn FnMut(&Parameters) -> Result<Reply, Reply>| {
            self.form().and_then(|form| endpoint(&form)).unwrap_or_else(|refusal| refusal)
        };
        match self.endpoint {
            Endpoint::Discovery | Endpoint::Rfc8414 => metadata::discovery(site, &behaviour, self.endpoint),
            Endpoint::Jwks => metadata::jwks(&behaviour),
            Endpoint::Authorization => authorization::request(site, &behaviour, state, self.query()),
            Endpoint::SignIn => with_form(&mut |form| Ok(authorization::decide(site, &behaviour, state, form))),
            Endpoint::Token => with_form(&mut |form| token::request(site, &behaviour, state, authorization, form)),
            Endpoint::DeviceAuthorization => {
                with_form(&mut |form| device::authorize(site, &behaviour, state, authorization, form))
            }
            Endpoint::Verification => device::page(site, &behaviour, self.query()),
            Endpoint::Verify => with_form(&mut |form| Ok(device::decide(&behaviour, state, form))),
            Endpoint::Revocation => with_form(&mut |form| token::revoke(site, &behaviour, state, authorization, form)),
            Endpoint::EndSession => end_session::request(&behaviour, state, self.query()),
            Endpoint::Unknown => Reply::html(404, "<!doctype html><title>Not found</title><p>Not found"),
        }
    }

    fn method_fits(&self) -> Result<(), Reply> {
        let allowed = if self.endpoint.takes_a_form() { "POST" } else { "GET" };
        if self.method == allowed || self.endpoint == Endpoint::Unknown {
            return Ok(());
        }
        Err(Reply::error(405, "invalid_request", "wrong method").header("allow", allowed))
    }

    /// The parameters of a form, with everything about it that the standards demand (RFC 6749 §3.2, appendix B).
    fn form(&self) -> Result<Parameters, Reply> {
        let refuse = |why: &str| Err(Reply::refusal("invalid_request", why));
        if self.query.is_some() {
            return refuse("parameters in the URL of an endpoint that takes a form");
        }
        let media_type = self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return refuse("content-type is not application/x-www-form-urlencoded");
        }
        match self.body.as_ref().map_err(|why| (*why).to_owned()).and_then(|body| Parameters::parse(body)) {
            Ok(form) => Ok(form),
            Err(why) => refuse(&why),
        }
    }

    fn write_down(self, shared: &Shared, status: Option<u16>) {
        let veiled = |text: &[u8]| Parameters::parse(text).map(|all| all.for_log()).unwrap_or_default();
        let (query, form) = (veiled(self.query()), veiled(self.body.as_deref().unwrap_or_default()));
        let path = if query.is_empty() {
            self.path
        } else {
            let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{}?{}", self.path, pairs.join("&"))
        };
        let mut parameters = query;
        parameters.extend(form);
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in self.headers {
            let value = if matches!(name.as_str(), "authorization" | "cookie") { veil(&value) } else { value };
            headers.insert(name, value);
        }
        let request =
            Request { endpoint: self.endpoint, method: self.method, path, parameters, headers, status, at: self.at };
        shared.state().log.push(request);
    }
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

/// Runs a server to its end on a thread of its own.
pub(super) fn run(
    shared: Arc<Shared>,
    listener: std::net::TcpListener,
    tls: Option<TlsAcceptor>,
    up: watch::Receiver<bool>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(shared, listener, tls, up));
}
