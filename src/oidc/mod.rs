//! OpenID Connect and OAuth 2.0: what we ask a provider, and how its answers are judged.
//!
//! | file | what | source |
//! |---|---|---|
//! | `metadata` | discovery document and JSON Web Key Set | OIDC Discovery §4, RFC 8414 |
//! | `authorization` | authorization request: PKCE, state, nonce; redeeming the code | RFC 6749 §4.1, RFC 7636, OIDC Core §3.1.2 |
//! | `device` | device authorization and polling | RFC 8628 |
//! | `token` | token endpoint: its answers, refresh, client credentials, revocation | RFC 6749 §4.4, §5, §6, RFC 7009 |
//! | `client_assertion` | how a client proves itself with a key | RFC 7523, OIDC Core §9 |
//! | `id_token` | signature and claims of an ID token | OIDC Core §3.1.3.7, §12.2 |
//! | `access_token/` | would MongoDB take this token: the one table of its server's rules, and what mends each | RFC 7519, MongoDB's server |
//! | `logout` | the provider's own sign-out page | OIDC RP-Initiated Logout §2 |
//! | `json` | JSON without room for two readings | RFC 8725 §2.6 |
//!
//! The generics of `oauth2` and `openidconnect` stop here. What those crates check is left to them; what they do not
//! check is a named function here. Judging functions are pure: bytes, time and expectation in, verdict out.

pub mod access_token;
pub mod authorization;
pub mod client_assertion;
pub mod device;
pub mod id_token;
pub mod json;
pub mod logout;
pub mod metadata;
pub mod token;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::CsrfToken;
use serde_json::{Map, Value};

use crate::http::{CertificateFlaw, SendError};
use crate::secret::Secret;
use crate::ui::foreign;

/// Why a provider's answer cannot be used. Four families that must never be confused: the provider said no, the
/// provider broke a rule, the provider cannot do what we need, and nobody knows because no answer came. What a person
/// can mend in a way of its own is a variant of its own; texts are for reading only.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An OAuth error response (RFC 6749 §4.1.2.1, §5.2; RFC 8628 §3.5).
    #[error("`{error}`{}", description.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused { error: String, description: Option<String> },

    /// An answer that breaks a rule we rely on. `what` names the field or token.
    #[error("{what}: {why}")]
    Broken {
        what: String,
        why: String,
        /// The refresh token in that answer. The one it was asked with may be spent, so it must not be lost with the rest.
        successor: Option<Secret>,
    },

    /// Metadata that speak for another issuer than the configured one (RFC 8414 §3.3). `found` is safe to show.
    #[error(
        "metadata field `issuer`: it is {found} but the configured issuer is `{}`; the two must be identical",
        foreign(configured)
    )]
    OtherIssuer { configured: String, found: String },

    /// Whoever answers at `url` could not prove to be that host.
    #[error("the TLS certificate of {url}: {why}")]
    Untrusted { url: String, flaw: CertificateFlaw, why: String },

    /// The metadata have no device authorization endpoint (RFC 8628 §4).
    #[error("metadata field `device_authorization_endpoint`: the provider does not offer the device flow")]
    NoDeviceFlow,

    /// The provider or its settings for this client lack something; a person must change a setting.
    #[error("{what}: {why}")]
    Unsupported { what: String, why: String },

    /// No answer, or one that says "later".
    #[error("{why}")]
    Unavailable {
        why: String,
        outcome: Outcome,
        /// Seconds after which the provider asked to be tried again (RFC 9110 §10.2.3).
        retry_after: Option<u64>,
    },
}

/// What may have become of a request that got no usable answer. It decides whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It never reached the provider.
    NotSent,
    /// It did, and the answer is lost: the provider may have acted on it.
    Lost,
    /// Something behind the provider's address failed, perhaps after acting on it (5xx).
    ServerError,
    /// The provider did not act on it, and says "later" (429, `temporarily_unavailable`).
    Later,
}

impl Fault {
    pub fn broken(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Broken { what: what.into(), why: why.into(), successor: None }
    }

    fn unsupported(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), why: why.into() }
    }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Untrusted { url, flaw, why } => Self::Untrusted { url, flaw, why },
            SendError::TooLarge { url, limit } => {
                Self::broken(format!("the answer of {url}"), format!("it is larger than {limit} bytes"))
            }
            SendError::NotSent { url, why } => Self::Unavailable {
                why: format!("cannot reach {url}: {why}"),
                outcome: Outcome::NotSent,
                retry_after: None,
            },
            SendError::Lost { url, why } => Self::Unavailable {
                why: format!("no answer from {url}: {why}"),
                outcome: Outcome::Lost,
                retry_after: None,
            },
        }
    }
}

/// A text that nobody can guess: so many bytes of the system's randomness, in base64url.
pub fn unguessable(bytes: u32) -> Secret {
    Secret::new(CsrfToken::new_random_len(bytes).into_secret())
}

/// A compact JWS, decoded and *not* verified.
pub struct DecodedJwt {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
    signature: Vec<u8>,
}

/// Why a text is no JWT that can be read. Says what is wrong with its form and quotes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJwt {
    #[error("{TOO_LONG}")]
    TooLong,
    #[error("it is an encrypted token (JWE), not a signed JWT")]
    Encrypted,
    #[error("it is not a JWT (three parts, separated by dots)")]
    Opaque,
    #[error("it has no signature")]
    Unsigned,
    #[error("its {0} is not base64url")]
    NotBase64url(&'static str),
    #[error("its {part} cannot be read: {why}")]
    NotJson { part: &'static str, why: String },
}

/// The longest token, in bytes: more than a MongoDB server takes in its first message, and fits any keyring.
const TOKEN_MAX: usize = 16 * 1024;
const TOO_LONG: &str = "it is longer than 16 KiB";

/// Decodes a JWT without verifying anything (RFC 7519 §7.2 steps 1-9). One that is too long or unsigned is none.
pub fn decode_jwt(token: &str) -> Result<DecodedJwt, NotJwt> {
    if token.len() > TOKEN_MAX {
        return Err(NotJwt::TooLong);
    }
    let decoded = decode(token)?;
    if decoded.signature.is_empty() { Err(NotJwt::Unsigned) } else { Ok(decoded) }
}

/// As [`decode_jwt`], for whoever wants to see what is wrong with a token that is too long or unsigned.
fn decode(token: &str) -> Result<DecodedJwt, NotJwt> {
    let parts: Vec<&str> = token.split('.').collect();
    let (header, claims, signature) = match parts.as_slice() {
        [header, claims, signature] => (header, claims, signature),
        [_, _, _, _, _] => return Err(NotJwt::Encrypted),
        _ => return Err(NotJwt::Opaque),
    };
    let bytes = |part, text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| NotJwt::NotBase64url(part));
    let object = |part, text| json::object(&bytes(part, text)?).map_err(|why| NotJwt::NotJson { part, why });
    let (header, claims) = (object("header", header)?, object("payload", claims)?);
    Ok(DecodedJwt { header, claims, signature: bytes("signature", signature)? })
}

/// The `aud` claim, which may be one text or a list of them (RFC 7519 §4.1.3). Anything else is no audience.
fn audiences(claims: &Map<String, Value>) -> Vec<String> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// NQSCHAR (RFC 6749, appendix A): what error codes and descriptions are made of.
pub fn is_nqschar(c: char) -> bool {
    matches!(c, ' '..='!' | '#'..='[' | ']'..='~')
}

/// A text claim or field, made safe to show.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => format!("`{}`", foreign(text)),
        Some(other) => format!("`{}`", foreign(&other.to_string())),
    }
}
