//! Registered clients: what each may do, and how it proves who it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::assertion::{self, Audience, Registered};
use super::server::Site;
use super::state::{State, now};
use super::{Endpoint, Reply};
use crate::support::peer::parameters::Parameters;

/// The grant type of RFC 8628 §3.4.
pub(super) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A registration (RFC 7591 has the words).
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    pub auth: ClientAuth,
    pub redirect_uris: Vec<String>,
    /// RFC 8252 §7.3: for a registered loopback URI any port will do.
    pub any_loopback_port: bool,
    /// Sent back to after RP-initiated logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Grant types; others are answered with `unauthorized_client`.
    pub grant_types: Vec<String>,
}

/// `token_endpoint_auth_method`. Exactly this one is taken.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    None,
    SecretBasic(String),
    SecretPost(String),
    PrivateKeyJwt(Registered),
}

impl Client {
    /// A native client, with `/redirect` on every loopback host and any port.
    pub fn public(id: &str) -> Self {
        let grants = ["authorization_code", "refresh_token", DEVICE_CODE];
        Self {
            id: id.to_owned(),
            auth: ClientAuth::None,
            redirect_uris: ["localhost", "127.0.0.1", "[::1]"]
                .map(|host| format!("http://{host}:27097/redirect"))
                .to_vec(),
            any_loopback_port: true,
            post_logout_redirect_uris: Vec::new(),
            grant_types: grants.map(str::to_owned).to_vec(),
        }
    }

    /// A program, which nobody signs in to.
    pub fn program(id: &str, auth: ClientAuth) -> Self {
        Self {
            auth,
            redirect_uris: Vec::new(),
            any_loopback_port: false,
            grant_types: vec!["client_credentials".to_owned()],
            ..Self::public(id)
        }
    }

    /// Byte for byte, except for the port where the registration allows that.
    pub(super) fn may_redirect_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| {
            registered == uri
                || (self.any_loopback_port
                    && without_port(registered).is_some_and(|known| Some(known) == without_port(uri)))
        })
    }

    pub(super) fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|allowed| allowed == grant_type)
    }
}

/// The URI in front of and after the port, if it is plain http to a loopback host, without query or fragment.
fn without_port(uri: &str) -> Option<(String, String)> {
    let parsed = Url::parse(uri).ok()?;
    let host = parsed.host_str()?;
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let plain = parsed.scheme() == "http" && parsed.query().is_none() && parsed.fragment().is_none();
    let rest = uri.strip_prefix("http://")?.strip_prefix(host)?;
    let (port, path) = rest.split_at(rest.find('/')?);
    let port_is_fine = port.is_empty() || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok());
    (loopback && plain && port_is_fine).then(|| (host.to_owned(), path.to_owned()))
}

/// Finds out which client is asking (RFC 6749 §2.3), by its registered way and no other.
///
/// Gives the OAuth error to answer with if it is none of them.
pub(super) fn authenticate<'a>(
    site: &Site,
    clients: &'a [Client],
    state: &mut State,
    authorization: Option<&str>,
    parameters: &Parameters,
) -> Result<&'a Client, Reply> {
    let refuse = |why: &str| {
        Err(Reply::error(401, "invalid_client", why).header("www-authenticate", "Basic realm=\"test provider\""))
    };
    let basic = match authorization {
        None => None,
        Some(value) => match basic_credentials(value) {
            Some(pair) => Some(pair),
            None => return refuse("the Authorization header is not Basic, or is damaged"),
        },
    };
    let in_body = parameters.get("client_id");
    let id = match (&basic, in_body) {
        (Some((id, _)), None) => id.as_str(),
        (Some((id, _)), Some(also)) if id == also => id.as_str(),
        (Some(_), Some(_)) => return refuse("two different client ids"),
        (None, Some(id)) => id,
        (None, None) => return refuse("no client_id"),
    };
    let Some(client) = clients.iter().find(|client| client.id == id) else {
        return refuse("unknown client");
    };
    let posted = parameters.get("client_secret");
    if let ClientAuth::PrivateKeyJwt(registered) = &client.auth {
        if basic.is_some() || posted.is_some() {
            return refuse("two ways of client authentication in one request");
        }
        return match by_assertion(site, state, client, registered, parameters) {
            Ok(()) => Ok(client),
            Err(why) => refuse(why),
        };
    }
    if parameters.get("client_assertion").is_some() {
        return refuse("not the registered way of client authentication");
    }
    match (&client.auth, basic.as_ref().map(|(_, secret)| secret.as_str()), posted) {
        (ClientAuth::None, None, None) => Ok(client),
        (ClientAuth::SecretBasic(secret), Some(given), None) if given == secret => Ok(client),
        (ClientAuth::SecretPost(secret), None, Some(given)) if given == secret => Ok(client),
        (_, Some(_), Some(_)) => refuse("two ways of client authentication in one request"),
        _ => refuse("wrong secret, or not the registered way of client authentication"),
    }
}

fn by_assertion(
    site: &Site,
    state: &mut State,
    client: &Client,
    registered: &Registered,
    parameters: &Parameters,
) -> Result<(), &'static str> {
    if parameters.get("client_assertion_type") != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        return Err("client_assertion_type is not that of RFC 7523");
    }
    let text = parameters.get("client_assertion").ok_or("no client_assertion")?;
    state.secrets.push(text.to_owned());
    let audience = match registered.audience {
        Audience::TokenEndpoint => site.url(Endpoint::Token),
        Audience::Issuer => site.issuer.clone(),
    };
    let id = assertion::judge(text, registered, &client.id, &audience, now())?;
    // RFC 7523 §3 point 7.
    if state.assertions.insert((client.id.clone(), id)) { Ok(()) } else { Err("this assertion has been used") }
}

/// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
}

fn form_decode(text: &str) -> String {
    // A form parser splits at `&` and `=`, which an encoded text does not contain.
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}
