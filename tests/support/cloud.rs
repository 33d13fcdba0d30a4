//! The platforms that vouch for programs, on loopback, in this process: each refuses what its vendor documents that it
//! refuses, because a peer that is too kind proves nothing.
//!
//! | file | peer |
//! |---|---|
//! | `azure` | IMDS of a virtual machine; App Service and Functions; Arc; Entra ID's token endpoint for AKS |
//! | `google` | metadata server; OAuth token endpoint for service account keys; IAM credentials |
//! | `kubernetes` | TokenRequest of the API server |
//! | `github` | the token service of Actions |
//! | `elsewhere` | no platform: an address where nobody answers, a proxy that writes down who comes, one that changes requests |
//!
//! Each file says which documents it is written from. What they hand out, the provider of `idp` has signed: a MongoDB server
//! that trusts it takes the token.
//!
//! `place` puts a program beside one of them.

pub mod azure;
mod elsewhere;
pub mod github;
pub mod google;
pub mod kubernetes;
pub mod place;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

pub use elsewhere::{Blackhole, Recorder, Relay};

use super::idp::{Certificate, Idp};
use super::peer::parameters::Parameters;
use super::peer::{Answer, Arrived, Reply, Sent, Serving};

/// One vendor's endpoint: what it answers to a request, honestly and strictly.
pub trait Platform: Send + 'static {
    fn answer(&mut self, request: &Arrived) -> Reply;
}

/// A running platform. Stops when dropped.
pub struct Cloud<P> {
    shared: Arc<Shared<P>>,
    serving: Serving,
    scheme: &'static str,
}

struct Shared<P> {
    platform: Mutex<P>,
    orders: Mutex<Orders>,
    log: Mutex<Vec<Asked>>,
}

#[derive(Default)]
struct Orders {
    script: VecDeque<Answer>,
    always: Option<Answer>,
    clock_ahead: i64,
}

/// One request, as it came, and the status that went back; `None` if the connection was dropped.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub status: Option<u16>,
}

// A test that panics while it holds a lock must not make every other thread panic for it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Platform> Cloud<P> {
    pub fn start(platform: P) -> Self {
        Self::start_at("http", None, |_| platform)
    }

    /// A platform that has to know its own address.
    pub fn start_knowing(platform: impl FnOnce(SocketAddr) -> P) -> Self {
        Self::start_at("http", None, platform)
    }

    pub fn start_with_tls(certificate: &Certificate, platform: P) -> Self {
        Self::start_at("https", Some(certificate), |_| platform)
    }

    fn start_at(scheme: &'static str, tls: Option<&Certificate>, platform: impl FnOnce(SocketAddr) -> P) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let platform = Mutex::new(platform(listener.local_addr().unwrap()));
        let shared = Arc::new(Shared { platform, orders: Mutex::default(), log: Mutex::default() });
        let theirs = Arc::clone(&shared);
        let answer = move |arrived: &Arrived| theirs.answer(arrived);
        let serving = Serving::start("platform", listener, tls.map(Certificate::acceptor), answer);
        Self { shared, serving, scheme }
    }

    pub fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address())
    }

    /// Changes what the platform knows.
    pub fn change(&self, change: impl FnOnce(&mut P)) {
        change(&mut lock(&self.shared.platform));
    }

    /// How the next requests are answered, one each; honest again when the list is used up.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.shared.orders).script.extend(answers);
    }

    /// How all requests are answered from now on, after what [`Cloud::script`] still holds.
    pub fn always(&self, answer: Answer) {
        lock(&self.shared.orders).always = Some(answer);
    }

    /// Seconds by which the platform's `Date` is ahead of this computer's clock.
    pub fn set_clock_ahead(&self, seconds: i64) {
        lock(&self.shared.orders).clock_ahead = seconds;
    }

    /// Closes the port, or opens it again: while down, connections are refused.
    pub fn set_up(&self, up: bool) {
        self.serving.set_up(up);
    }

    /// Every request so far, oldest first.
    pub fn log(&self) -> Vec<Asked> {
        lock(&self.shared.log).clone()
    }

    /// How many requests there have been.
    pub fn requests(&self) -> usize {
        lock(&self.shared.log).len()
    }

    /// The statuses that went back, in order; 0 for a connection that was dropped.
    pub fn statuses(&self) -> Vec<u16> {
        self.log().iter().map(|asked| asked.status.unwrap_or_default()).collect()
    }
}

impl<P: Platform> Shared<P> {
    fn answer(&self, arrived: &Arrived) -> Sent {
        let (order, clock_ahead) = {
            let mut orders = lock(&self.orders);
            let order = orders.script.pop_front().or_else(|| orders.always.clone()).unwrap_or(Answer::Honest);
            (order, orders.clock_ahead)
        };
        let sent = Sent::by(order, || lock(&self.platform).answer(arrived)).dated(clock_ahead);
        let asked = Asked {
            method: arrived.method.clone(),
            path: arrived.path.clone(),
            query: arrived.query.clone(),
            headers: arrived.headers.clone(),
            body: String::from_utf8_lossy(arrived.body.as_deref().unwrap_or_default()).into_owned(),
            status: sent.status(),
        };
        lock(&self.log).push(asked);
        sent
    }
}

/// Makes the tokens that a platform hands out, from their claims.
pub struct Minter(Box<dyn Fn(Value) -> String + Send>);

impl Minter {
    pub fn of(idp: &Idp) -> Self {
        Self(Box::new(idp.workload_tokens()))
    }

    fn mint(&self, claims: Value) -> String {
        (self.0)(claims)
    }
}

/// The parameters of a query, each of them once and each of them known: a kind vendor would ignore a misspelling.
fn query(request: &Arrived, known: &[&str]) -> Result<Parameters, String> {
    let parameters = Parameters::parse(request.query(), &[])?;
    parameters.only(known, &[]).map_err(|(_, why)| why)?;
    Ok(parameters)
}

/// The parameters of a form, likewise.
fn form(request: &Arrived, known: &[&str]) -> Result<Parameters, String> {
    let parameters = request.form(&[])?;
    parameters.only(known, &[]).map_err(|(_, why)| why)?;
    Ok(parameters)
}

/// The body as JSON, if the request says that it is.
fn json_body(request: &Arrived) -> Result<Value, String> {
    if request.media_type() != "application/json" {
        return Err("content-type is not application/json".to_owned());
    }
    let body = request.body.as_deref().map_err(|why| (*why).to_owned())?;
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// The credentials of `Authorization: <scheme> <credentials>`.
fn credentials<'a>(request: &'a Arrived, scheme: &str) -> Option<&'a str> {
    let (found, credentials) = request.header("authorization")?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then_some(credentials)
}

/// Unix seconds.
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// What is left of the life of what is handed out; an hour for what does not say.
fn left(token: &str) -> Duration {
    let claims = super::idp::jwt::unverified_claims(token);
    let exp = claims.and_then(|claims| claims["exp"].as_u64());
    Duration::from_secs(exp.map_or(3600, |exp| exp.saturating_sub(now())))
}
