//! What the provider is told to be: honest and strict by default, hostile exactly where a test says so.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::clients::Client;
use super::jwt::{Key, Signing};

/// Everything that a test can turn. Read afresh for each request, so [`super::Idp::change`] works at any time.
#[derive(Clone, Debug)]
pub struct Behaviour {
    pub clients: Vec<Client>,
    pub people: Vec<Person>,
    pub sign_in: SignIn,
    /// `scopes_supported`; any other is answered with `invalid_scope`.
    pub scopes: Vec<String>,
    /// Known resource indicators (RFC 8707); any other is answered with `invalid_target`.
    pub resources: Vec<String>,
    /// Parameters beyond the standard's that the authorization endpoint takes. Others are refused: the standard says
    /// "ignore", but then nobody would notice a client's misspelling.
    pub extra_parameters: Vec<String>,
    /// OIDC Core §11: without `prompt=consent`, `offline_access` is dropped without a word. Off by default, as for a
    /// client that the company has registered for offline access; asking again on each sign-in is not the rule there.
    pub offline_access_needs_consent: bool,
    /// A refresh token even without `offline_access`, as many providers have it.
    pub always_refresh_token: bool,

    pub discovery: Discovery,
    pub metadata: Patch,
    pub jwks: Patch,
    /// The key that signs, and that the JWKS publishes.
    pub key: Key,

    /// What `iss` the authorization response carries (RFC 9207), whatever the metadata promises.
    pub response_iss: ResponseIss,
    /// On the authorization response's parameters, as a JSON object, just before they become a query.
    pub authorization_response: Patch,

    pub access_token: Minting,
    pub id_token: Minting,
    /// On the JSON of every successful token response.
    pub token_response: Patch,
    /// On the JSON of a successful refresh only, after `token_response`.
    pub refresh_response: Patch,
    pub rotation: Rotation,
    /// Refresh answers say nothing of a refresh token, so the old one stays (RFC 6749 §6). Needs [`Rotation::Static`].
    pub omit_refresh_token: bool,
    /// Refresh answers have no ID token (OIDC Core §12.2 allows it).
    pub omit_id_token: bool,
    /// The `sub` that refreshed tokens are about: the attack that OIDC Core §12.2 forbids.
    pub subject_on_refresh: Option<String>,

    /// Seconds by which the provider's clock is ahead of this computer's, in its JWTs and its `Date` header.
    pub clock_ahead: i64,
    pub code_lifetime: Duration,
    /// Whole seconds; becomes `expires_in` and the JWTs' `exp`.
    pub access_token_lifetime: Duration,
    pub refresh_token_lifetime: Duration,

    pub device: Device,
}

impl Default for Behaviour {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        Self {
            clients: vec![Client::public(super::CLIENT_ID)],
            people: vec![Person::new("ada"), Person::new("grace")],
            sign_in: SignIn::Page,
            scopes: words(&["openid", "offline_access", "profile", "email", "groups"]),
            resources: words(&["https://mongodb.example.com"]),
            extra_parameters: Vec::new(),
            offline_access_needs_consent: false,
            always_refresh_token: false,
            discovery: Discovery::OpenId,
            metadata: Patch::none(),
            jwks: Patch::none(),
            key: Key::First,
            response_iss: ResponseIss::Right,
            authorization_response: Patch::none(),
            access_token: Minting::default(),
            id_token: Minting::default(),
            token_response: Patch::none(),
            refresh_response: Patch::none(),
            rotation: Rotation::Strict,
            omit_refresh_token: false,
            omit_id_token: false,
            subject_on_refresh: None,
            clock_ahead: 0,
            code_lifetime: Duration::from_secs(60),
            access_token_lifetime: Duration::from_secs(3600),
            refresh_token_lifetime: Duration::from_secs(24 * 3600),
            device: Device::default(),
        }
    }
}

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name in the sign-in page's list, and in [`SignIn::Auto`].
    pub name: String,
    pub sub: String,
    pub email: String,
    pub groups: Vec<String>,
}

impl Person {
    /// `ada` becomes `sub` `00u-ada`, `ada@example.com`, in the group `dba`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            sub: format!("00u-{name}"),
            email: format!("{name}@example.com"),
            groups: vec!["dba".to_owned()],
        }
    }
}

/// What the authorization endpoint does with a good request.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// Shows a page, and waits for the person's choice.
    Page,
    /// Answers at once, as if this person (by name) had a session and had consented before.
    Auto(String),
    /// Answers at once with this `error`.
    Refuse(String),
}

/// Where the metadata are to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// `<issuer>/.well-known/openid-configuration` only.
    OpenId,
    /// RFC 8414 §3.1 only: the well-known part between host and path.
    Rfc8414,
    Both,
}

#[derive(Clone, Debug)]
pub enum ResponseIss {
    Right,
    Wrong(String),
    Missing,
}

/// How one sort of token is made.
#[derive(Clone, Debug, Default)]
pub struct Minting {
    pub header: Patch,
    pub claims: Patch,
    pub signing: Signing,
    /// Sent in place of the JWT: an opaque token, or anything else.
    pub instead: Option<String>,
}

/// What happens to a refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays the same.
    Static,
    /// One use; a second use is theft and ends the whole family (RFC 9700 §4.14.2).
    Strict,
    /// As `Strict`, but the previous one works for a while longer, for clients whose answer was lost.
    Grace { within: Duration, again: Again },
}

/// What a replay within the grace time gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Another successor, beside the first.
    NewPair,
    /// The very answer that got lost.
    SamePair,
}

/// RFC 8628.
#[derive(Clone, Debug)]
pub struct Device {
    /// Seconds, as announced and as enforced.
    pub interval: u64,
    /// Seconds.
    pub expires_in: u64,
    /// On the JSON of the device authorization response.
    pub response: Patch,
    /// Every poll is too fast, whatever the clock says.
    pub slow_down_forever: bool,
    /// A person (by name) who approves each code as soon as it has been polled this often.
    pub auto_approve: Option<(usize, String)>,
}

impl Default for Device {
    fn default() -> Self {
        Self { interval: 5, expires_in: 600, response: Patch::none(), slow_down_forever: false, auto_approve: None }
    }
}

/// A change to a JSON value on its way out.
#[derive(Clone, Default)]
pub struct Patch(Option<Arc<Change>>);

type Change = dyn Fn(&mut Value) + Send + Sync;

impl Patch {
    pub fn none() -> Self {
        Self(None)
    }

    /// Merges as RFC 7396 says: `null` removes a member. For a member that is null, see [`Patch::with`].
    pub fn merge(change: Value) -> Self {
        Self::with(move |value| merge(value, &change))
    }

    pub fn with(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(change)))
    }

    pub(super) fn apply(&self, mut value: Value) -> Value {
        if let Some(change) = &self.0 {
            change(&mut value);
        }
        value
    }
}

impl From<Value> for Patch {
    fn from(change: Value) -> Self {
        Self::merge(change)
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Patch(..)" } else { "Patch(none)" })
    }
}

fn merge(target: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let members = target.as_object_mut().unwrap();
    for (name, value) in change {
        if value.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
