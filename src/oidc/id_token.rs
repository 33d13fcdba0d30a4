//! ID tokens: who signed in (OIDC Core §3.1.3.7), and whether it is still the same person after a refresh (§12.2).

use chrono::{DateTime, Utc};
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError,
};
use serde_json::{Map, Value};
use std::str::FromStr;

use super::{Fault, decode_jwt, shown};
use crate::secret::Secret;
use crate::ui::foreign;

/// What an ID token must agree with.
pub struct Expectation<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// The nonce that was sent; `None` when the profile switches it off or the flow has none (RFC 8628).
    pub nonce: Option<&'a Nonce>,
    /// The `max_age` that was asked for, in seconds.
    pub max_age: Option<u64>,
    pub algorithms: &'a [CoreJwsSigningAlgorithm],
}

/// Who signed in, from a verified ID token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub subject: String,
    /// A name to show to the person, made safe to show.
    pub name: Option<String>,
    pub audience: Vec<String>,
}

/// Seconds by which the provider's own clocks may disagree.
const LEEWAY: u64 = 300;

/// OIDC Core §2: a subject is at most 255 ASCII characters.
const SUBJECT_MAX: usize = 255;

/// Verifies signature and claims at the moment `now` (provider time, seconds since 1970).
pub fn verify(
    id_token: &Secret,
    access_token: &Secret,
    keys: &CoreJsonWebKeySet,
    expected: &Expectation<'_>,
    now: u64,
) -> Result<Identity, Fault> {
    let decoded = decode_jwt(id_token.expose()).map_err(|why| broken(&why))?;
    not_an_access_token(&decoded.header)?;
    numeric_times(&decoded.claims)?;
    authorized_party(&decoded.claims, expected.client_id)?;

    let token = CoreIdToken::from_str(id_token.expose())
        .map_err(|_| broken("its header or claims do not have the types of OIDC Core §2"))?;
    let issuer = IssuerUrl::new(expected.issuer.to_owned()).map_err(|_| broken("the issuer is not a URL"))?;
    let client_id = ClientId::new(expected.client_id.to_owned());
    let verifier = CoreIdTokenVerifier::new_public_client(client_id, issuer, keys.clone())
        .set_allowed_algs(expected.algorithms.iter().cloned())
        .set_time_fn(move || moment(now.saturating_sub(LEEWAY)))
        .set_issue_time_verifier_fn(move |issued| not_in_the_future(issued, now))
        .set_auth_time_verifier_fn(move |signed_in| recent_enough(signed_in, expected.max_age, now));

    let nonce = |received: Option<&Nonce>| match (expected.nonce, received) {
        (Some(sent), Some(received)) if same(sent.secret(), received.secret()) => Ok(()),
        (Some(_), Some(_)) => Err("it is not the nonce of this sign-in".to_owned()),
        (Some(_), None) => Err("it is missing".to_owned()),
        (None, _) => Ok(()),
    };
    let claims = token.claims(&verifier, nonce).map_err(|error| describe(&error))?;

    // OIDC Core §3.1.3.8: binds the access token to this answer.
    if let Some(hash) = claims.access_token_hash() {
        let computed =
            token.signing_alg().and_then(|alg| Ok((alg, token.signing_key(&verifier)?))).ok().and_then(|(alg, key)| {
                AccessTokenHash::from_token(&AccessToken::new(access_token.expose().to_owned()), alg, key).ok()
            });
        if computed.as_ref() != Some(hash) {
            return Err(broken("its `at_hash` does not match the access token of the same answer"));
        }
    }
    identity(&decoded.claims)
}

/// Checks that the ID token in a refresh answer speaks of the same person, issuer and client (OIDC Core §12.2).
///
/// It came over TLS from the token endpoint, which §3.1.3.7 point 6 accepts in place of the signature; so this needs no
/// network, and the successor refresh token is safe before anything can go wrong.
pub fn unchanged(id_token: &Secret, issuer: &str, subject: &str, audience: &[String]) -> Result<(), Fault> {
    let claims = decode_jwt(id_token.expose()).map_err(|why| broken(&why))?.claims;
    let changed =
        |claim: &str| broken(&format!("its `{claim}` is not that of the sign-in; this is not the same session"));
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(changed("iss"));
    }
    if claims.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(changed("sub"));
    }
    let now = texts(&claims, "aud");
    if !audience.iter().all(|one| now.contains(one)) {
        return Err(changed("aud"));
    }
    Ok(())
}

fn identity(claims: &Map<String, Value>) -> Result<Identity, Fault> {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if subject.is_empty() || subject.len() > SUBJECT_MAX {
        return Err(broken("its `sub` is empty or longer than 255 characters"));
    }
    Ok(Identity { subject: subject.to_owned(), name: display_name(claims), audience: texts(claims, "aud") })
}

/// The claim by which a person would recognise the account.
pub fn display_name(claims: &Map<String, Value>) -> Option<String> {
    ["preferred_username", "email", "upn", "name"]
        .into_iter()
        .find_map(|claim| claims.get(claim)?.as_str())
        .map(foreign)
        .filter(|name| !name.trim().is_empty())
}

fn texts(claims: &Map<String, Value>, claim: &str) -> Vec<String> {
    match claims.get(claim) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn broken(why: &str) -> Fault {
    Fault::broken("the ID token", why)
}

/// RFC 8725 §3.11: a token made for another purpose is not an ID token, however well it is signed.
fn not_an_access_token(header: &Map<String, Value>) -> Result<(), Fault> {
    match header.get("typ").and_then(Value::as_str) {
        Some(kind) if !kind.eq_ignore_ascii_case("JWT") => {
            Err(broken(&format!("its header `typ` is `{}`, not `JWT`", foreign(kind))))
        }
        _ => Ok(()),
    }
}

/// A time in a text counts as absent in some libraries (CVE-2026-25537); here it is refused.
fn numeric_times(claims: &Map<String, Value>) -> Result<(), Fault> {
    for claim in ["exp", "iat"] {
        let fits = claims.get(claim).and_then(Value::as_f64).is_some_and(|time| (0.0..1e11).contains(&time));
        if !fits {
            return Err(broken(&format!("its `{claim}` is {}, not a time in seconds", shown(claims.get(claim)))));
        }
    }
    Ok(())
}

/// OIDC Core §3.1.3.7 points 4 and 5, which the library leaves to us.
fn authorized_party(claims: &Map<String, Value>, client_id: &str) -> Result<(), Fault> {
    match claims.get("azp") {
        None => Ok(()),
        Some(Value::String(azp)) if azp == client_id => Ok(()),
        other => Err(broken(&format!("its `azp` is {}, not this client", shown(other)))),
    }
}

fn moment(seconds: u64) -> DateTime<Utc> {
    i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or_default()
}

fn not_in_the_future(issued: DateTime<Utc>, now: u64) -> Result<(), String> {
    if issued > moment(now + LEEWAY) { Err("its `iat` lies in the future".to_owned()) } else { Ok(()) }
}

/// OIDC Core §3.1.2.1: with `max_age` the provider must send `auth_time`, and it must be recent enough.
fn recent_enough(signed_in: Option<DateTime<Utc>>, max_age: Option<u64>, now: u64) -> Result<(), String> {
    match (max_age, signed_in) {
        (None, _) => Ok(()),
        (Some(_), None) => Err("`max_age` was asked for, but `auth_time` is missing".to_owned()),
        (Some(max_age), Some(signed_in)) if signed_in < moment(now.saturating_sub(max_age + LEEWAY)) => {
            Err(format!("the sign-in is older than the {max_age} s that `max_age` allows"))
        }
        _ => Ok(()),
    }
}

/// Compares two secrets without telling by the time it takes how much of them is equal.
fn same(left: &str, right: &str) -> bool {
    left.len() == right.len() && left.bytes().zip(right.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// The library's verdict in our words; its texts show expected and received values, never a secret.
fn describe(error: &ClaimsVerificationError) -> Fault {
    use ClaimsVerificationError as Claims;
    broken(&match error {
        Claims::Expired(why) if why.contains("iat") => foreign(why),
        Claims::Expired(_) => "it has expired".to_owned(),
        Claims::InvalidAudience(why) => format!("its `aud` is not for this client: {}", foreign(why)),
        Claims::InvalidIssuer(why) => format!("its `iss` is not the issuer: {}", foreign(why)),
        Claims::InvalidNonce(why) => format!("its `nonce` is wrong: {why}"),
        Claims::InvalidAuthTime(why) => foreign(why),
        Claims::SignatureVerification(why) => signature(why),
        other => foreign(&other.to_string()),
    })
}

fn signature(error: &SignatureVerificationError) -> String {
    match error {
        SignatureVerificationError::NoMatchingKey => "its key (`kid`) is not in the provider's key set".to_owned(),
        SignatureVerificationError::AmbiguousKeyId(_) => {
            "it names no key (`kid`), and the provider has several that fit".to_owned()
        }
        SignatureVerificationError::DisallowedAlg(why) | SignatureVerificationError::UnsupportedAlg(why) => {
            format!("its signature algorithm is not accepted: {}", foreign(why))
        }
        _ => "its signature is wrong".to_owned(),
    }
}
