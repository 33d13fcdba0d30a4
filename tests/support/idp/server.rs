//! Routes: which endpoint a path is, what is refused before it sees a request, and the log.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::behaviour::Behaviour;
use super::state::{Request, State};
use super::{Answer, Endpoint, Reply, authorization, device, end_session, metadata, token};
use crate::support::peer::parameters::{Parameters, veil};
use crate::support::peer::{Arrived, Sent};

/// RFC 8707 §2 is the one place where a parameter may repeat.
pub(super) const MAY_REPEAT: &[&str] = &["resource"];

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

/// One request, from its arrival to what goes back.
pub(super) fn answer(shared: &Shared, arrived: &Arrived) -> Sent {
    let endpoint = shared.site.endpoint(&arrived.path);
    let order = order_for(shared, endpoint);
    let sent = Sent::by(order, || carry_out(shared, endpoint, arrived)).dated(shared.behaviour().clock_ahead);
    write_down(shared, endpoint, arrived, sent.status());
    sent
}

fn order_for(shared: &Shared, endpoint: Endpoint) -> Answer {
    let mut state = shared.state();
    let scripted = state.scripts.get_mut(&endpoint).and_then(std::collections::VecDeque::pop_front);
    scripted.or_else(|| state.always.get(&endpoint).cloned()).unwrap_or(Answer::Honest)
}

fn carry_out(shared: &Shared, endpoint: Endpoint, arrived: &Arrived) -> Reply {
    let (site, behaviour) = (&shared.site, shared.behaviour().clone());
    if let Err(refusal) = method_fits(endpoint, arrived) {
        return refusal;
    }
    let mut state = shared.state();
    let state = &mut *state;
    let authorization = arrived.header("authorization");
    let with_form = |endpoint: &mut dyn FnMut(&Parameters) -> Result<Reply, Reply>| {
        let form = arrived.form(MAY_REPEAT).map_err(|why| Reply::refusal("invalid_request", &why));
        form.and_then(|form| endpoint(&form)).unwrap_or_else(|refusal| refusal)
    };
    match endpoint {
        Endpoint::Discovery | Endpoint::Rfc8414 => metadata::discovery(site, &behaviour, endpoint),
        Endpoint::Jwks => metadata::jwks(&behaviour),
        Endpoint::Authorization => authorization::request(site, &behaviour, state, arrived.query()),
        Endpoint::SignIn => with_form(&mut |form| Ok(authorization::decide(site, &behaviour, state, form))),
        Endpoint::Token => with_form(&mut |form| token::request(site, &behaviour, state, authorization, form)),
        Endpoint::DeviceAuthorization => {
            with_form(&mut |form| device::authorize(site, &behaviour, state, authorization, form))
        }
        Endpoint::Verification => device::page(site, &behaviour, arrived.query()),
        Endpoint::Verify => with_form(&mut |form| Ok(device::decide(&behaviour, state, form))),
        Endpoint::Revocation => with_form(&mut |form| token::revoke(site, &behaviour, state, authorization, form)),
        Endpoint::EndSession => end_session::request(&behaviour, state, arrived.query()),
        Endpoint::Unknown => Reply::html(404, "<!doctype html><title>Not found</title><p>Not found"),
    }
}

fn method_fits(endpoint: Endpoint, arrived: &Arrived) -> Result<(), Reply> {
    let allowed = if endpoint.takes_a_form() { "POST" } else { "GET" };
    if arrived.method == allowed || endpoint == Endpoint::Unknown {
        return Ok(());
    }
    Err(Reply::error(405, "invalid_request", "wrong method").header("allow", allowed))
}

fn write_down(shared: &Shared, endpoint: Endpoint, arrived: &Arrived, status: Option<u16>) {
    let veiled = |text: &[u8]| Parameters::parse(text, MAY_REPEAT).map(|all| all.for_log()).unwrap_or_default();
    let (query, form) = (veiled(arrived.query()), veiled(arrived.body.as_deref().unwrap_or_default()));
    let path = if query.is_empty() {
        arrived.path.clone()
    } else {
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}?{}", arrived.path, pairs.join("&"))
    };
    let mut parameters = query;
    parameters.extend(form);
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &arrived.headers {
        let value = if matches!(name.as_str(), "authorization" | "cookie") { veil(value) } else { value.clone() };
        headers.insert(name.clone(), value);
    }
    let request =
        Request { endpoint, method: arrived.method.clone(), path, parameters, headers, status, at: arrived.at };
    shared.state().log.push(request);
}
