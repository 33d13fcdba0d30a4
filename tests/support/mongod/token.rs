//! Whether a token is good: the rules of the server's public JWT code, as a function of the token, the settings, the
//! keys and the time.
//!
//! Others than MongoDB's may be kinder, and so may RFC 7519: `typ` of RFC 9068 (`at+jwt`) is refused here, and so is an
//! `aud` with two values.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::behaviour::IdentityProvider;
use super::jwks::{PublicKey, verify};
use super::refusal::Refusal;

/// How far a token's `nbf` may lie ahead, in seconds. `exp` has no leeway at all.
const NBF_LEEWAY: f64 = 60.0;

/// What tokens are measured by.
pub(super) struct Rules<'a> {
    pub identity_providers: &'a [IdentityProvider],
    pub elliptic_curves: bool,
    /// Unix seconds.
    pub now: f64,
}

/// Who a good token speaks for.
#[derive(Debug)]
pub(super) struct Identity {
    /// `<prefix>/<principal>`, of `$external`.
    pub user: String,
    /// `<prefix>/<group>`, of `admin`; `None` if the user document knows.
    pub roles: Option<Vec<String>>,
    /// Unix seconds.
    pub expires: f64,
}

/// Judges a token. `key` finds the key of an issuer (first argument) by its `kid`.
pub(super) fn judge(
    token: &str,
    rules: &Rules<'_>,
    key: impl FnOnce(&str, &str) -> Result<PublicKey, Refusal>,
) -> Result<Identity, Refusal> {
    let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Form)?;
    let (header, claims) = message.split_once('.').ok_or(Refusal::Form)?;
    let header = object(header, &["typ", "alg", "kid"])?;
    let claims = object(claims, &["iss", "sub", "aud", "exp", "nbf"])?;
    let signature = decode(signature)?;

    let algorithm = check_header(&header, rules.elliptic_curves)?;
    let kid = header.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty()).ok_or(Refusal::NoKeyId)?;
    // Required of every token, even where another claim names the user.
    let (issuer, _) = (text(&claims, "iss")?, text(&claims, "sub")?);
    let provider = provider(rules.identity_providers, issuer, audience(&claims)?)?;
    verify(&key(issuer, kid)?, algorithm, message.as_bytes(), &signature)?;

    let expires = claims.get("exp").and_then(Value::as_f64).ok_or(Refusal::Claim("exp"))?;
    if expires <= rules.now {
        return Err(Refusal::Expired);
    }
    if let Some(from) = claims.get("nbf")
        && from.as_f64().ok_or(Refusal::Claim("nbf"))? > rules.now + NBF_LEEWAY
    {
        return Err(Refusal::NotYet);
    }
    let principal = claims.get(&provider.principal_name).and_then(Value::as_str);
    let user = name(provider, principal.ok_or_else(|| Refusal::Principal(provider.principal_name.clone()))?)?;
    let roles = provider.use_authorization_claim.then(|| roles(provider, &claims)).transpose()?;
    Ok(Identity { user, roles, expires })
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Form)
}

/// Of two equal members the first counts, save for those that the server's own parser `reads`: it refuses them.
fn object(part: &str, reads: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let Members(members) = serde_json::from_slice(&decode(part)?).map_err(|_| Refusal::Form)?;
    let mut object = Map::new();
    for (name, value) in members {
        if !object.contains_key(&name) {
            object.insert(name, value);
        } else if reads.contains(&name.as_str()) {
            return Err(Refusal::Twice(name));
        }
    }
    Ok(object)
}

/// A JSON object as it is written.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Refusal> {
    claims.get(name).and_then(Value::as_str).ok_or(Refusal::Claim(name))
}

fn check_header(header: &Map<String, Value>, elliptic_curves: bool) -> Result<&str, Refusal> {
    match header.get("typ") {
        None => {}
        Some(kind) if kind == "JWT" => {}
        Some(Value::String(kind)) => return Err(Refusal::Type(kind.clone())),
        Some(other) => return Err(Refusal::Type(other.to_string())),
    }
    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    match algorithm {
        "RS256" | "RS384" | "RS512" | "PS256" => Ok(algorithm),
        "ES256" | "ES384" if elliptic_curves => Ok(algorithm),
        _ => Err(Refusal::Algorithm(algorithm.to_owned())),
    }
}

/// The one audience. RFC 7519 §4.1.3 allows several; this server does not, because of the confusion that they make.
fn audience(claims: &Map<String, Value>) -> Result<&str, Refusal> {
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(one),
        Some(Value::Array(list)) => match list.as_slice() {
            [Value::String(one)] => Ok(one),
            several if several.iter().all(Value::is_string) => Err(Refusal::Audiences(several.len())),
            _ => Err(Refusal::Claim("aud")),
        },
        _ => Err(Refusal::Claim("aud")),
    }
}

/// The same issuer may be there more than once, with another audience each.
fn provider<'a>(
    providers: &'a [IdentityProvider],
    issuer: &str,
    audience: &str,
) -> Result<&'a IdentityProvider, Refusal> {
    let mut of_issuer = providers.iter().filter(|provider| provider.issuer == issuer).peekable();
    if of_issuer.peek().is_none() {
        return Err(Refusal::Issuer(issuer.to_owned()));
    }
    of_issuer.find(|provider| provider.audience == audience).ok_or_else(|| Refusal::Audience(audience.to_owned()))
}

fn roles(provider: &IdentityProvider, claims: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let claim = &provider.authorization_claim;
    let wrong = || Refusal::Groups(claim.clone());
    let groups = match claims.get(claim) {
        Some(one @ Value::String(_)) => std::slice::from_ref(one),
        Some(Value::Array(list)) => list,
        _ => return Err(wrong()),
    };
    groups.iter().map(|group| name(provider, group.as_str().ok_or_else(wrong)?)).collect()
}

/// The name of a user or role. There is no limit to its length but the message's.
fn name(provider: &IdentityProvider, rest: &str) -> Result<String, Refusal> {
    if rest.is_empty() || rest.contains('\0') {
        return Err(Refusal::Name(rest.to_owned()));
    }
    Ok(format!("{}/{rest}", provider.auth_name_prefix))
}
