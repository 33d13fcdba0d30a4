//! The listener's conversations: short, one request each, and nothing that a stranger says ends the wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::route::{self, Answer, Decision, Progress, Refusal, Rules, START_COOKIE};
use super::sockets::{self, Owner};
use super::{Doubt, Notice, pages};
use crate::connections::{self, Place};
use crate::mutex::lock;
use crate::oidc::unguessable;

/// For the request line and headers. Browsers send them at once; Slowloris does not.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long the final page is kept back for the outcome. Longer than the exchange's own deadline.
const OUTCOME_HOLD: Duration = Duration::from_secs(20);
/// For a whole conversation: the hold, and some time to read the answer.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(30);

/// What all connections of one attempt share.
pub(super) struct Shared {
    rules: Rules,
    /// Where the start link leads.
    location: HeaderValue,
    progress: Mutex<Progress>,
    record: Mutex<Record>,
    noticed: Notify,
    pub opened: watch::Sender<bool>,
    pub answer: watch::Sender<Option<Answer>>,
    /// The final page, once it is known.
    pub outcome: watch::Sender<Option<String>>,
    pub farewell: watch::Sender<Farewell>,
}

#[derive(Default)]
struct Record {
    strangers: BTreeMap<&'static str, u32>,
    doubt: Option<Doubt>,
    /// Notices given or waiting to be given, so that each is given once.
    known: BTreeSet<Notice>,
    waiting: VecDeque<Notice>,
}

/// How many browsers have come for the final page, and how many of them have gone again.
#[derive(Clone, Copy, Default)]
pub(super) struct Farewell {
    asked: usize,
    served: usize,
}

impl Farewell {
    pub fn is_over(self) -> bool {
        self.served > 0 && self.served >= self.asked
    }
}

impl Shared {
    pub fn new(rules: Rules, location: HeaderValue) -> Self {
        Self {
            rules,
            location,
            progress: Mutex::default(),
            record: Mutex::default(),
            noticed: Notify::new(),
            opened: watch::Sender::new(false),
            answer: watch::Sender::new(None),
            outcome: watch::Sender::new(None),
            farewell: watch::Sender::default(),
        }
    }

    pub fn strangers(&self) -> BTreeMap<&'static str, u32> {
        lock(&self.record).strangers.clone()
    }

    pub async fn next_notice(&self) -> Notice {
        loop {
            if let Some(notice) = lock(&self.record).waiting.pop_front() {
                return notice;
            }
            self.noticed.notified().await;
        }
    }

    pub fn doubt(&self) -> Option<Doubt> {
        lock(&self.record).doubt
    }

    /// The first doubt stays; each is said.
    fn note(&self, doubt: Doubt) {
        lock(&self.record).doubt.get_or_insert(doubt);
        self.tell(Notice::Doubtful(doubt));
    }

    fn tell(&self, notice: Notice) {
        let mut record = lock(&self.record);
        if record.known.insert(notice) {
            record.waiting.push_back(notice);
            self.noticed.notify_one();
        }
    }

    fn count(&self, stranger: &'static str, notice: Option<Notice>) {
        tracing::debug!(reason = stranger, "turned away");
        *lock(&self.record).strangers.entry(stranger).or_default() += 1;
        if let Some(notice) = notice {
            self.tell(notice);
        }
    }
}

/// Accepts until it is aborted; every connection ends with it.
pub(super) async fn accept(mut listeners: Vec<TcpListener>, shared: Arc<Shared>) {
    let next = |cx: &mut Context<'_>| {
        let accepted = listeners.iter().map(|listener| listener.poll_accept(cx)).find(Poll::is_ready);
        // The next address comes first next time, or a flood on one would shut out the other.
        if accepted.is_some() {
            listeners.rotate_left(1);
        }
        accepted.unwrap_or(Poll::Pending).map_ok(|(stream, _)| stream)
    };
    let converse = |stream, place| {
        let connection = Connection::new(Arc::clone(&shared), &stream, place);
        converse(stream, Arc::new(connection))
    };
    connections::serve(next, converse, || shared.count("connection too many", None)).await;
}

/// One connection, which carries one request.
struct Connection {
    shared: Arc<Shared>,
    /// The browser's address, and ours, as this connection has them.
    ends: Option<(SocketAddr, SocketAddr)>,
    /// Kept once a complete request has arrived: a browser that waits for the final page is not pushed out.
    place: Place,
    parting: Mutex<Option<Parting>>,
}

/// What is true once this connection's response has been delivered.
#[derive(Clone, Copy)]
enum Parting {
    Opened,
    Farewell,
}

impl Connection {
    fn new(shared: Arc<Shared>, stream: &TcpStream, place: Place) -> Self {
        let ends = stream.peer_addr().ok().zip(stream.local_addr().ok());
        Self { shared, ends, place, parting: Mutex::new(None) }
    }

    /// Whose browser this is.
    fn owner(&self) -> Owner {
        self.ends.map_or(Owner::Unknown, |(browser, here)| sockets::owner(browser, here))
    }

    fn part(&self) {
        match *lock(&self.parting) {
            Some(Parting::Opened) => _ = self.shared.opened.send_replace(true),
            Some(Parting::Farewell) => self.shared.farewell.send_modify(|farewell| farewell.served += 1),
            None => {}
        }
    }
}

async fn converse(stream: TcpStream, connection: Arc<Connection>) {
    const TLS_HANDSHAKE: u8 = 0x16;
    let mut first = [0];
    match timeout(HEAD_DEADLINE, stream.peek(&mut first)).await {
        // No HTTP method begins so. An error page could not be read over TLS anyway.
        Ok(Ok(1..)) if first == [TLS_HANDSHAKE] => {
            return connection.shared.count("TLS on the plain port", Some(Notice::HttpsInsisted));
        }
        Ok(Ok(1..)) => {}
        // Silence, or gone again: a connection opened on suspicion is nothing to report.
        _ => return,
    }
    let app = Router::new().fallback(answer).with_state(Arc::clone(&connection));
    let conversation = connections::one_request()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    match timeout(CONNECTION_DEADLINE, conversation).await {
        Ok(Err(error)) if error.is_parse_too_large() => {
            connection.shared.count("request too large", Some(Notice::HeadTooLarge));
        }
        Ok(Err(error)) if error.is_parse() => connection.shared.count("not HTTP", None),
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
        Ok(Ok(())) | Err(_) => {}
    }
    connection.part();
}

/// The glue between a request and its [`Decision`]. The body is dropped unread.
async fn answer(State(connection): State<Arc<Connection>>, request: Request) -> Response<Body> {
    connection.place.keep();
    let (head, _) = request.into_parts();
    let shared = &connection.shared;
    tracing::debug!(method = %head.method, target = shared.rules.describe(&head), "request");
    let (decision, doubt) = {
        let mut progress = lock(&shared.progress);
        let decision = route::decide(&shared.rules, &progress, &head);
        match &decision {
            Decision::Start => {
                progress.browser = Some(unguessable(16));
                progress.owner = Some(connection.owner());
            }
            Decision::Accept(_, fingerprint) => progress.answered = Some(*fingerprint),
            _ => {}
        }
        let doubt = route::doubt(&decision, progress.owner);
        (decision, doubt)
    };
    if let Some(doubt) = doubt {
        shared.note(doubt);
    }
    match decision {
        Decision::Start => start(&connection, true),
        Decision::StartAgain => start(&connection, false),
        Decision::Accept(answer, _) => {
            tracing::debug!(valid = answer.is_ok(), "redirect accepted");
            shared.answer.send_replace(Some(*answer));
            send_to_outcome(shared)
        }
        Decision::Done => send_to_outcome(shared),
        Decision::Outcome => outcome(&connection).await,
        Decision::Refuse(refusal) => refuse(shared, refusal, refusal.notice().filter(|_| doubt.is_none())),
    }
}

/// 307 to the provider, as the requirements have it; for a GET it does what 302 does. The cookie is not sent on
/// requests that other sites cause, and goes nowhere but to this link.
fn start(connection: &Connection, first: bool) -> Response<Body> {
    let shared = &connection.shared;
    *lock(&connection.parting) = Some(Parting::Opened);
    let mut response = pages::send_on(StatusCode::TEMPORARY_REDIRECT, shared.location.clone());
    if let Some(browser) = &lock(&shared.progress).browser
        && first
    {
        let (value, path) = (browser.expose(), &shared.rules.start_path);
        let cookie = format!("{START_COOKIE}={value}; Path={path}; Max-Age=3600; HttpOnly; SameSite=Strict");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// 303 to a URL without parameters: the code stays neither in the address bar nor in the history.
fn send_to_outcome(shared: &Shared) -> Response<Body> {
    match HeaderValue::from_str(&shared.rules.done_path) {
        Ok(location) => pages::send_on(StatusCode::SEE_OTHER, location),
        Err(_) => pages::page(StatusCode::OK, pages::working()),
    }
}

/// Kept back until the outcome is known, so that the page never says what may yet turn out wrong.
async fn outcome(connection: &Connection) -> Response<Body> {
    *lock(&connection.parting) = Some(Parting::Farewell);
    connection.shared.farewell.send_modify(|farewell| farewell.asked += 1);
    let mut outcome = connection.shared.outcome.subscribe();
    let page = match timeout(OUTCOME_HOLD, outcome.wait_for(Option::is_some)).await {
        Ok(Ok(page)) => page.clone(),
        _ => None,
    };
    pages::page(StatusCode::OK, page.unwrap_or_else(pages::working))
}

/// `notice` is what the person is told of it.
fn refuse(shared: &Shared, refusal: Refusal, notice: Option<Notice>) -> Response<Body> {
    shared.count(refusal.name(), notice);
    let mut response = pages::page(refusal.status(), pages::neutral());
    if refusal.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    }
    response
}
