//! ID tokens: who signed in (OIDC Core §3.1.3.7), and whether it is still the same person after a refresh (§12.2).

use chrono::{DateTime, Utc};
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError,
};
use serde_json::{Map, Value};
use std::str::FromStr;

use super::metadata::KeySet;
use super::{Fault, audiences, decode_jwt, shown};
use crate::secret::Secret;
use crate::ui::foreign;

/// What an ID token must agree with.
pub struct Expectation<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// The nonce that was sent; `None` when the profile switches it off or the flow has none (RFC 8628).
    pub nonce: Option<&'a Secret>,
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

impl Identity {
    /// As the person knows the account, safe to show.
    pub fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| foreign(&self.subject))
    }
}

/// Seconds by which the provider's own clocks may disagree.
const LEEWAY: u64 = 300;

/// OIDC Core §2: a subject is at most 255 ASCII characters.
const SUBJECT_MAX: usize = 255;

/// Verifies signature and claims at the moment `now` (provider time, seconds since 1970).
pub fn verify(
    id_token: &Secret,
    access_token: &Secret,
    keys: &KeySet,
    expected: &Expectation<'_>,
    now: u64,
) -> Result<Identity, Fault> {
    let decoded = decode_jwt(id_token.expose()).map_err(|why| broken(&why.to_string()))?;
    not_an_access_token(&decoded.header)?;
    numeric_times(&decoded.claims)?;
    authorized_party(&decoded.claims, expected.client_id)?;

    let token = CoreIdToken::from_str(id_token.expose())
        .map_err(|_| broken("its header or claims do not have the types of OIDC Core §2"))?;
    let issuer = IssuerUrl::new(expected.issuer.to_owned()).map_err(|_| broken("the issuer is not a URL"))?;
    let client_id = ClientId::new(expected.client_id.to_owned());
    let verifier = CoreIdTokenVerifier::new_public_client(client_id, issuer, keys.0.clone())
        .set_allowed_algs(expected.algorithms.iter().cloned())
        .set_time_fn(move || moment(now.saturating_sub(LEEWAY)))
        .set_issue_time_verifier_fn(move |issued| not_in_the_future(issued, now))
        .set_auth_time_verifier_fn(move |signed_in| recent_enough(signed_in, expected.max_age, now));

    let nonce = |received: Option<&Nonce>| match (expected.nonce, received) {
        (Some(sent), Some(received)) if sent.matches(received.secret()) => Ok(()),
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
    let claims = decode_jwt(id_token.expose()).map_err(|why| broken(&why.to_string()))?.claims;
    let changed =
        |claim: &str| broken(&format!("its `{claim}` is not that of the sign-in; this is not the same session"));
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(changed("iss"));
    }
    if claims.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(changed("sub"));
    }
    let now = audiences(&claims);
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
    Ok(Identity { subject: subject.to_owned(), name: display_name(claims), audience: audiences(claims) })
}

/// The claim by which a person would recognise the account.
pub fn display_name(claims: &Map<String, Value>) -> Option<String> {
    ["preferred_username", "email", "upn", "name"]
        .into_iter()
        .find_map(|claim| claims.get(claim)?.as_str())
        .map(foreign)
        .filter(|name| !name.trim().is_empty())
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
            "more than one of the provider's keys fits (its `kid` is missing, or several have it)".to_owned()
        }
        SignatureVerificationError::DisallowedAlg(why) | SignatureVerificationError::UnsupportedAlg(why) => {
            format!("its signature algorithm is not accepted: {}", foreign(why))
        }
        SignatureVerificationError::NoSignature => "it is not signed".to_owned(),
        _ => "its signature is wrong".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use rsa::pkcs8::DecodePrivateKey as _;
    use rsa::traits::PublicKeyParts as _;
    use rsa::{Pkcs1v15Sign, RsaPrivateKey};
    use serde_json::json;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::oidc::metadata::judge_keys;

    const NOW: u64 = 1_800_000_000;
    const ACCESS_TOKEN: &str = "header.payload.signature";

    fn key(pem: &str) -> RsaPrivateKey {
        RsaPrivateKey::from_pkcs8_pem(&pem[pem.find("-----BEGIN").unwrap()..]).unwrap()
    }

    fn first() -> RsaPrivateKey {
        key(include_str!("../../tests/support/idp/keys/first.pem"))
    }

    fn second() -> RsaPrivateKey {
        key(include_str!("../../tests/support/idp/keys/second.pem"))
    }

    fn jwk(kid: &str, key: &RsaPrivateKey) -> Value {
        let encode = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "RSA", "kid": kid, "n": encode(key.n().to_bytes_be()), "e": encode(key.e().to_bytes_be())})
    }

    fn sign(header: &Value, claims: &Value, key: &RsaPrivateKey) -> Secret {
        const SHA256_PREFIX: [u8; 19] = [48, 49, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 1, 5, 0, 4, 32];
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: SHA256_PREFIX.into() };
        let signature = key.sign(scheme, &Sha256::digest(&message)).unwrap();
        Secret::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn patched(mut base: Value, patch: Value) -> Value {
        for (key, value) in patch.as_object().unwrap() {
            if value.is_null() {
                base.as_object_mut().unwrap().remove(key);
            } else {
                base[key] = value.clone();
            }
        }
        base
    }

    fn header(patch: Value) -> Value {
        patched(json!({"alg": "RS256", "kid": "1", "typ": "JWT"}), patch)
    }

    fn claims(patch: Value) -> Value {
        let at_hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(ACCESS_TOKEN)[..16]);
        patched(
            json!({"iss": "https://idp.example.com", "aud": "client", "sub": "u1", "exp": NOW + 600, "iat": NOW, "nonce": "n-1",
                "at_hash": at_hash, "email": "ada@example.com", "email_verified": "true"}),
            patch,
        )
    }

    fn verdict(token: &Secret, keys: Value, max_age: Option<u64>) -> Result<Identity, String> {
        let keys = judge_keys(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        let nonce = Secret::new("n-1");
        let expected = Expectation {
            issuer: "https://idp.example.com",
            client_id: "client",
            nonce: Some(&nonce),
            max_age,
            algorithms: &[CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
        };
        verify(token, &Secret::new(ACCESS_TOKEN), &keys, &expected, NOW).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_good_token_says_who_signed_in() {
        let token = sign(&header(json!({})), &claims(json!({})), &first());
        let identity = verdict(&token, json!([jwk("1", &first())]), None).unwrap();
        let expected = Identity {
            subject: "u1".to_owned(),
            name: Some("ada@example.com".to_owned()),
            audience: vec!["client".to_owned()],
        };
        assert_eq!(identity, expected);
    }

    /// The names are those of the OpenID Foundation's conformance modules where there is one.
    #[test]
    fn every_forgery_is_refused_by_its_rule() {
        let (head, good) = (header(json!({})), json!({}));
        for (name, header, patch, expected) in [
            (
                "invalid-iss",
                &head,
                json!({"iss": "https://evil.example.com"}),
                "the ID token: its `iss` is not the issuer: expected `https://idp.example.com` (found `https://evil.example.com`)",
            ),
            (
                "missing-aud",
                &head,
                json!({"aud": null}),
                "the ID token: its `aud` is not for this client: must contain `client` (found audiences: )",
            ),
            (
                "invalid-aud",
                &head,
                json!({"aud": "other"}),
                "the ID token: its `aud` is not for this client: must contain `client` (found audiences: `other`)",
            ),
            (
                "untrusted second audience",
                &head,
                json!({"aud": ["client", "other"]}),
                "the ID token: its `aud` is not for this client: `other` is not a trusted audience",
            ),
            ("invalid-azp", &head, json!({"azp": "other"}), "the ID token: its `azp` is `other`, not this client"),
            (
                "missing-sub",
                &head,
                json!({"sub": null}),
                "the ID token: its header or claims do not have the types of OIDC Core §2",
            ),
            ("empty sub", &head, json!({"sub": ""}), "the ID token: its `sub` is empty or longer than 255 characters"),
            (
                "long sub",
                &head,
                json!({"sub": "x".repeat(256)}),
                "the ID token: its `sub` is empty or longer than 255 characters",
            ),
            ("missing-iat", &head, json!({"iat": null}), "the ID token: its `iat` is nothing, not a time in seconds"),
            ("iat in the future", &head, json!({"iat": NOW + 301}), "the ID token: its `iat` lies in the future"),
            ("expired", &head, json!({"exp": NOW - 300}), "the ID token: it has expired"),
            (
                "exp as text",
                &head,
                json!({"exp": (NOW + 600).to_string()}),
                "the ID token: its `exp` is `1800000600`, not a time in seconds",
            ),
            ("negative exp", &head, json!({"exp": -1}), "the ID token: its `exp` is `-1`, not a time in seconds"),
            ("huge exp", &head, json!({"exp": 1e300}), "the ID token: its `exp` is `1e+300`, not a time in seconds"),
            (
                "invalid-nonce",
                &head,
                json!({"nonce": "n-2"}),
                "the ID token: its `nonce` is wrong: it is not the nonce of this sign-in",
            ),
            ("missing-nonce", &head, json!({"nonce": null}), "the ID token: its `nonce` is wrong: it is missing"),
            (
                "at_hash",
                &head,
                json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
                "the ID token: its `at_hash` does not match the access token of the same answer",
            ),
            ("sig-none", &header(json!({"alg": "none"})), good.clone(), "the ID token: it is not signed"),
            (
                "sig-hs256",
                &header(json!({"alg": "HS256"})),
                good.clone(),
                "the ID token: its signature algorithm is not accepted: algorithm `HS256` is not one of: RS256",
            ),
            (
                "sig-ps256 not advertised",
                &header(json!({"alg": "PS256"})),
                good.clone(),
                "the ID token: its signature algorithm is not accepted: algorithm `PS256` is not one of: RS256",
            ),
            (
                "unknown alg",
                &header(json!({"alg": "RS1"})),
                good.clone(),
                "the ID token: its header or claims do not have the types of OIDC Core §2",
            ),
            (
                "missing alg",
                &header(json!({"alg": null})),
                good.clone(),
                "the ID token: its header or claims do not have the types of OIDC Core §2",
            ),
            (
                "unknown kid",
                &header(json!({"kid": "../../etc/passwd"})),
                good.clone(),
                "the ID token: its key (`kid`) is not in the provider's key set",
            ),
            (
                "crit",
                &header(json!({"crit": ["b64"], "b64": false})),
                good.clone(),
                "the ID token: Unsupported: critical JWT header fields are unsupported",
            ),
            (
                "access token in its place",
                &header(json!({"typ": "at+jwt"})),
                good.clone(),
                "the ID token: its header `typ` is `at+jwt`, not `JWT`",
            ),
        ] {
            let token = sign(header, &claims(patch), &first());
            assert_eq!(verdict(&token, json!([jwk("1", &first())]), None).unwrap_err(), expected, "{name}");
        }
    }

    #[test]
    fn keys_come_from_the_provider_and_nowhere_else() {
        let good = claims(json!({}));
        let unnamed = sign(&header(json!({"kid": null})), &good, &first());
        let other = sign(&header(json!({})), &good, &second());
        let embedded = sign(
            &header(json!({"jwk": jwk("1", &second()), "jku": "https://evil.example.com/keys"})),
            &good,
            &second(),
        );
        for (name, token, keys, expected) in [
            ("no kid, one key", &unnamed, json!([jwk("1", &first())]), None),
            (
                "no kid, two keys",
                &unnamed,
                json!([jwk("1", &first()), jwk("2", &second())]),
                Some("more than one of the provider's keys fits (its `kid` is missing, or several have it)"),
            ),
            ("another key", &other, json!([jwk("1", &first())]), Some("its signature is wrong")),
            ("key in the header", &embedded, json!([jwk("1", &first())]), Some("its signature is wrong")),
        ] {
            let verdict = verdict(token, keys, None);
            assert_eq!(verdict.err(), expected.map(|why| format!("the ID token: {why}")), "{name}");
        }
    }

    #[test]
    fn max_age_needs_a_recent_auth_time() {
        for (auth_time, max_age, expected) in [
            (json!(null), None, None),
            (json!(null), Some(60), Some("the ID token: `max_age` was asked for, but `auth_time` is missing")),
            (json!(NOW - 60), Some(60), None),
            (
                json!(NOW - 361),
                Some(60),
                Some("the ID token: the sign-in is older than the 60 s that `max_age` allows"),
            ),
        ] {
            let token = sign(&header(json!({})), &claims(json!({ "auth_time": auth_time })), &first());
            let verdict = verdict(&token, json!([jwk("1", &first())]), max_age);
            assert_eq!(verdict.err().as_deref(), expected, "{auth_time}");
        }
    }

    #[test]
    fn a_refresh_must_not_change_the_session() {
        let audience = ["client".to_owned()];
        for (patch, expected) in [
            (json!({}), None),
            (json!({"aud": ["client", "more"], "nonce": null}), None),
            (json!({"sub": "u2"}), Some("sub")),
            (json!({"iss": "https://idp.example.com/"}), Some("iss")),
            (json!({"aud": "other"}), Some("aud")),
        ] {
            let token = sign(&header(json!({})), &claims(patch.clone()), &first());
            let verdict = unchanged(&token, "https://idp.example.com", "u1", &audience);
            let expected = expected.map(|claim| {
                format!("the ID token: its `{claim}` is not that of the sign-in; this is not the same session")
            });
            assert_eq!(verdict.err().map(|fault| fault.to_string()), expected, "{patch}");
        }
    }
}
