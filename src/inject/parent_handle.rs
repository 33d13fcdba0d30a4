//! The server behind `MONGOSH_OIDC_PARENT_HANDLE`: HTTP/1.1 on a Unix socket of our own, for one mongosh.
//!
//! Only our user can reach the socket, and only who has the key gets an answer; a key is in the environment of mongosh
//! and of what that starts. All others are sent away, and cannot take the place of who has proved to know it.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::message::{self, Call, Key, SessionProvider};
use super::private_dir::PrivateDir;
use super::tokens::Tokens;
use crate::clock::unix_now;
use crate::connections::{self, Place};
use crate::error::{Error, Kind, Result};
use crate::mutex::lock;
use crate::store::cache::CachedToken;
use crate::ui::foreign;

/// For a request to arrive whole, with its signature.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
/// For an answer; a driver waits for its callback for five minutes.
const ANSWER_DEADLINE: Duration = Duration::from_secs(330);
/// A request of mongosh's has some hundred bytes.
const BODY_MAX: usize = 64 * 1024;
/// How many requests are known again when they are sent once more.
const CONTEXTS_MAX: usize = 4096;
/// How many tokens are known by the id that went with them. mongosh keeps one for each of its clients.
const IDS_MAX: usize = 64;

/// Starts the server on a socket (0600) in `dir`, for as long as the event loop runs. The value of
/// `MONGOSH_OIDC_PARENT_HANDLE`, which holds the key.
pub fn serve(dir: &PrivateDir, provider: SessionProvider, tokens: Tokens) -> Result<OsString> {
    let path = dir.path().join("socket");
    let failed = |error| {
        let text = format!("cannot listen on `{}`", foreign(&path.to_string_lossy()));
        // A socket's path has 107 bytes on Linux, 103 on macOS.
        Error::new(Kind::Store, text)
            .because(error)
            .hint("set `XDG_RUNTIME_DIR` to a folder of your own with a short path")
    };
    let listener = UnixListener::bind(&path).map_err(failed)?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
    let key = Key::new()?;
    let handle = serde_json::json!([key.expose(), path.to_string_lossy()]).to_string();
    tokio::spawn(accept(listener, Arc::new(Handle { key, provider, tokens, memory: Mutex::default() })));
    Ok(handle.into())
}

/// What all connections share.
struct Handle {
    key: Key,
    provider: SessionProvider,
    tokens: Tokens,
    memory: Mutex<Memory>,
}

/// The oldest entries of the lists are forgotten.
#[derive(Default)]
struct Memory {
    /// The contexts of the requests so far: one that was recorded and is played back has one of them.
    contexts: VecDeque<String>,
    /// The ids that went with tokens, and those tokens.
    ids: VecDeque<(String, CachedToken)>,
    /// Requests that wait for their token, by context.
    waiting: HashMap<String, oneshot::Sender<()>>,
}

impl Memory {
    /// Takes down a request; `None` if it has been made before. The receiver hears of its abort.
    fn begin(&mut self, context: &str) -> Option<oneshot::Receiver<()>> {
        if self.contexts.iter().any(|known| known == context) {
            return None;
        }
        push(&mut self.contexts, context.to_owned(), CONTEXTS_MAX);
        let (abort, aborted) = oneshot::channel();
        self.waiting.insert(context.to_owned(), abort);
        Some(aborted)
    }

    fn token_with(&self, id: &str) -> Option<CachedToken> {
        self.ids.iter().find(|(known, _)| known == id).map(|(_, token)| token.clone())
    }
}

fn push<T>(list: &mut VecDeque<T>, entry: T, max: usize) {
    if list.len() >= max {
        list.pop_front();
    }
    list.push_back(entry);
}

/// Accepts until the event loop ends; every connection ends with it.
async fn accept(listener: UnixListener, handle: Arc<Handle>) {
    let next = |cx: &mut Context<'_>| {
        loop {
            match ready!(listener.poll_accept(cx)) {
                Ok((stream, _)) if !is_ours(&stream) => {}
                accepted => return Poll::Ready(accepted.map(|(stream, _)| stream)),
            }
        }
    };
    let converse = |stream, place| converse(stream, Arc::new(Connection { handle: Arc::clone(&handle), place }));
    connections::serve(next, converse, || ()).await;
}

/// The folder is closed to others already; this is what is left if somebody opens it.
fn is_ours(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

/// One connection, which carries one request.
struct Connection {
    handle: Arc<Handle>,
    /// Kept once a whole request with the right signature has arrived: who waits for a token is not pushed out.
    place: Place,
}

async fn converse(stream: UnixStream, connection: Arc<Connection>) {
    let app = Router::new().fallback(answer).with_state(Arc::clone(&connection));
    let mut conversation = std::pin::pin!(
        connections::one_request().serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
    );
    if timeout(REQUEST_DEADLINE, &mut conversation).await.is_err() && connection.place.is_kept() {
        let _ = timeout(ANSWER_DEADLINE, conversation).await;
    }
}

/// Nothing is signed for a stranger, and nothing told.
async fn answer(State(connection): State<Arc<Connection>>, request: Request) -> Response<Body> {
    let refuse = |status: StatusCode, why: &str| {
        tracing::debug!(why, "a stranger at mongosh's socket");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response
    };
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "not POST");
    }
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "too large, or cut off");
    };
    let handle = &connection.handle;
    let mut signatures = head.headers.get_all(message::SIGNATURE).iter();
    match (signatures.next(), signatures.next()) {
        (Some(signature), None) if handle.key.verify(&body, signature.as_bytes()) => {}
        _ => return refuse(StatusCode::UNAUTHORIZED, "wrong signature"),
    }
    connection.place.keep();
    match handle.reply(&body).await {
        Ok(reply) => handle.signed(StatusCode::OK, &reply),
        Err(text) => handle.signed(StatusCode::INTERNAL_SERVER_ERROR, &message::failure(&text)),
    }
}

impl Handle {
    fn signed(&self, status: StatusCode, reply: &Value) -> Response<Body> {
        let body = reply.to_string();
        let response = Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, "application/json")
            .header(message::SIGNATURE, self.key.sign(body.as_bytes()));
        response.body(Body::from(body)).unwrap_or_default()
    }

    /// The answer to a request whose signature is right, or the text for mongosh's person.
    async fn reply(&self, body: &[u8]) -> Result<Value, String> {
        match message::read(body, &self.provider)? {
            Call::Token { context, refused } => {
                let aborted = lock(&self.memory).begin(&context).ok_or("this request has been made before")?;
                let _ended = Waiting { handle: self, context: &context };
                tokio::select! {
                    token = self.token(refused.as_deref()) => token,
                    _ = aborted => Err("aborted".to_owned()),
                }
            }
            Call::Abort { context } => {
                if let Some(abort) = lock(&self.memory).waiting.remove(&context) {
                    let _ = abort.send(());
                }
                Ok(message::done())
            }
        }
    }

    /// A token for mongosh; not the one that went with the id `refused`.
    async fn token(&self, refused: Option<&str>) -> Result<Value, String> {
        // An id that we do not know says nothing of any token that we have.
        let refused = refused.and_then(|id| lock(&self.memory).token_with(id));
        tracing::info!(refused = refused.is_some(), "mongosh asks for a token");
        let token = match &refused {
            Some(refused) => self.tokens.successor(refused).await,
            None => self.tokens.valid().await,
        };
        let token = token.map_err(|error| message::story(&error))?;
        let id = URL_SAFE_NO_PAD.encode(super::random::<16>().map_err(|error| message::story(&error))?);
        let reply = message::token(token.token.expose(), &id, token.expires_at.saturating_sub(unix_now()));
        push(&mut lock(&self.memory).ids, (id, token), IDS_MAX);
        Ok(reply)
    }
}

/// A request that waits; whichever way that ends, nobody can abort it afterwards.
struct Waiting<'a> {
    handle: &'a Handle,
    context: &'a str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.handle.memory).waiting.remove(self.context);
    }
}
