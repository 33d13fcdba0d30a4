//! The loopback redirect listener (RFC 8252 §7.3): the one place where the outside can speak to a sign-in.
//!
//! It follows the workforce OIDC requirements of mongodb/specifications (`docs/workforce-human-oidc-auth.md`, steps 2
//! to 9): bound on every loopback address before anything is shown; a short random start link that leads to the
//! provider by 307; `state` before everything; 303 to a page without parameters; closed hard at the end.
//!
//! - `bind` and `sockets`: what is listened on, who has it if we cannot, and whose programs come
//! - `route`: what each request gets, without I/O
//! - `serve`: connections, their limits, and the answers
//! - `pages`: what a person sees

mod bind;
mod pages;
mod route;
mod serve;
mod sockets;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

pub use self::bind::BindError;
use self::route::Rules;
use self::serve::Shared;
use crate::error::{Error, Kind, Result};
use crate::oidc::unguessable;
use crate::secret::Secret;
use crate::settings::RedirectUri;

/// How long the final page is offered to a browser that does not come for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Sockets on every loopback address of the redirect host. Browsers can connect already; answers begin with
/// [`Listener::serve`].
pub struct Listener {
    uri: RedirectUri,
    bound: bind::Bound,
}

/// What the listener is there for.
pub struct Expectation {
    /// Where the start link leads. Only a browser that follows the link ever sees it.
    pub destination: Url,
    /// `None`: nobody is to come back from there, and whoever does is a stranger.
    pub answer: Option<ExpectedAnswer>,
}

/// What an authorization response must agree with.
pub struct ExpectedAnswer {
    /// The `state` of the request.
    pub state: Secret,
    /// The provider's issuer identifier, byte for byte as in its metadata.
    pub issuer: String,
    /// The metadata's `authorization_response_iss_parameter_supported` (RFC 9207 §3).
    pub iss_promised: bool,
}

/// A valid authorization response: `state` and `iss` have been checked.
#[derive(Clone, Debug)]
pub enum Callback {
    Code {
        code: Secret,
    },
    /// The provider said no (RFC 6749 §4.1.2.1). The texts match NQSCHAR; `uri` is an http(s) URL.
    Refused {
        error: String,
        description: Option<String>,
        uri: Option<String>,
    },
}

/// A response with the right `state` from the wrong issuer (RFC 9207 §2.4): it may come of a mix-up attack, and nothing
/// of it may be used. `received` is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    #[error("the answer came from `{received}`, not from `{expected}`")]
    Issuer { expected: String, received: String },
    #[error("the answer does not say that it came from `{expected}`, though the provider promises to")]
    IssuerMissing { expected: String },
}

/// What became of the sign-in, for the page that the browser is waiting for. Plain text; what stands in backticks is
/// shown as code.
pub enum Outcome {
    SignedIn { who: String, issuer_host: String },
    Failed { what: String, todo: String },
}

/// A reason to ask whether it was the person who signed in, although the answer is valid.
///
/// The start link is in the argument list of the browser's launcher, which every user of the machine can read. Whoever
/// follows it first can sign in *as themselves*, and the person's terminal would work in their name (login CSRF, RFC
/// 6819 §4.4.1.8): `state` and PKCE bind the answer to this sign-in, not to this person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// A program of another user was the first to follow the link.
    OtherUser { uid: u32 },
    /// Two browsers have followed it, and the system does not tell whose the first one was.
    TwoBrowsers,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUser { uid } => {
                write!(f, "the sign-in link was opened by another user of this machine (user id {uid})")
            }
            Self::TwoBrowsers => {
                f.write_str("the sign-in link was opened in two browsers, and was refused in the second")
            }
        }
    }
}

/// Something a person at the terminal should know while the wait goes on. Each is given once at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    Doubtful(Doubt),
    StartUsedAgain,
    WrongState,
    SecondAnswer,
    PostedAnswer,
    HttpsInsisted,
    HeadTooLarge,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Doubtful(doubt) => return write!(f, "{doubt}; if that was not you, press Ctrl-C and start again"),
            Self::StartUsedAgain => {
                "the sign-in link was opened a second time, in another browser, and was refused there; go on in the first"
            }
            Self::WrongState => "an answer that belongs to another sign-in was ignored; still waiting for yours",
            Self::SecondAnswer => "a second, different answer was ignored",
            Self::PostedAnswer => {
                "an answer was sent as a form (`response_mode=form_post`), which is not accepted; \
                 the identity provider must redirect with a query"
            }
            Self::HttpsInsisted => {
                "a browser insists on https for localhost, where only http is spoken; allow http for localhost in its \
                 settings (or clear its HSTS entry), or use another browser"
            }
            Self::HeadTooLarge => {
                "a request was larger than 16 KiB and was refused; if that was your browser, delete its cookies for localhost"
            }
        })
    }
}

/// Requests and connections that did not count, by reason. For the log and `-v`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strangers(BTreeMap<&'static str, u32>);

impl fmt::Display for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (reason, count)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} × {reason}")?;
        }
        Ok(())
    }
}

impl Listener {
    /// Binds every loopback address of the redirect host on one port, or nothing. With port 0 the system chooses one
    /// that is free on all of them.
    ///
    /// May ask the resolver what `localhost` means; needs no runtime.
    pub fn bind(uri: &RedirectUri) -> Result<Self, BindError> {
        Ok(Self { bound: bind::bind(uri)?, uri: uri.clone() })
    }

    /// The redirect URI to register in the authorization request: as configured, byte for byte, but with the real port
    /// where the configuration leaves it open.
    pub fn redirect_uri(&self) -> String {
        RedirectUri { port: self.bound.port, ..self.uri.clone() }.to_string()
    }

    /// The port that is listened on.
    /// What is listened on.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.bound.sockets.iter().filter_map(|socket| Some(socket.local_addr().ok()?.ip())).collect()
    }

    pub fn port(&self) -> u16 {
        self.bound.port
    }

    /// Starts answering, in the background of the running tokio runtime.
    ///
    /// Fails only if the runtime cannot watch the sockets (out of file descriptors).
    pub fn serve(self, expect: Expectation) -> Result<Waiting> {
        self.answering(expect)
            .map_err(|error| Error::new(Kind::Failed, "cannot answer on the redirect port").because(error))
    }

    fn answering(self, expect: Expectation) -> io::Result<Waiting> {
        let start_path = format!("/start/{}", unguessable(16).expose());
        let host = RedirectUri { port: self.bound.port, path: String::new(), ..self.uri.clone() };
        let start_url = format!("{host}{start_path}");
        let rules = Rules {
            port: self.bound.port,
            redirect_path: self.uri.path,
            start_path,
            done_path: format!("/done/{}", unguessable(16).expose()),
            answer: expect.answer,
        };
        // A serialized URL is ASCII without controls, so this cannot fail; if it ever did, no browser may be sent.
        let location = HeaderValue::from_str(expect.destination.as_str()).map_err(io::Error::other)?;
        let listeners = self
            .bound
            .sockets
            .into_iter()
            .map(|socket| {
                socket.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(socket)
            })
            .collect::<io::Result<Vec<_>>>()?;
        let shared = Arc::new(Shared::new(rules, location));
        let server = tokio::spawn(serve::accept(listeners, Arc::clone(&shared)));
        Ok(Waiting { start_url, shared, server })
    }
}

/// A listener that answers. Dropping it closes the port, without a last word to the browser, as soon as
/// the runtime runs again or ends.
///
/// All waiting methods are cancel-safe and may be raced against each other.
pub struct Waiting {
    start_url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Waiting {
    /// The link to open: the only URL that a browser launcher or a terminal ever gets. Its characters are
    /// `A-Z a-z 0-9 : / . _ -` and, for a literal IPv6 host, `[ ]`.
    pub fn start_url(&self) -> &str {
        &self.start_url
    }

    /// Ends when a browser has followed the start link and got its answer.
    pub async fn opened(&self) {
        // The sender lives in `self.shared`, so it cannot be gone.
        let _ = self.shared.opened.subscribe().wait_for(|opened| *opened).await;
    }

    /// Ends with the first valid answer. Requests that are not one never end it; see [`Waiting::notice`].
    pub async fn callback(&self) -> Result<Callback, CallbackError> {
        let mut answer = self.shared.answer.subscribe();
        loop {
            if let Some(answer) = answer.borrow_and_update().clone() {
                return answer;
            }
            let _ = answer.changed().await;
        }
    }

    /// What speaks against taking the one who signed in for the person, so far.
    pub fn doubt(&self) -> Option<Doubt> {
        self.shared.doubt()
    }

    /// The next thing to tell the person. Waits for ever if there is none.
    pub async fn notice(&self) -> Notice {
        self.shared.next_notice().await
    }

    /// Everything that did not count so far.
    pub fn strangers(&self) -> Strangers {
        Strangers(self.shared.strangers())
    }

    /// Shows the browser what became of the sign-in, then closes the port and every connection.
    ///
    /// If there was an answer, its browser has been sent to the final page: waits until that was delivered, one second at
    /// most. Otherwise closes at once. When this returns, the port is free.
    pub async fn finish(mut self, outcome: Outcome) {
        self.shared.outcome.send_replace(Some(pages::outcome(&outcome)));
        if self.shared.answer.borrow().is_some() {
            let mut farewell = self.shared.farewell.subscribe();
            let _ = timeout(FAREWELL, farewell.wait_for(|farewell| farewell.is_over())).await;
        }
        self.server.abort();
        let _ = (&mut self.server).await;
        tracing::debug!(strangers = %self.strangers(), "listener closed");
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[cfg(test)]
mod tests;
