//! Access tokens, judged as a MongoDB server would judge them.
//!
//! The flow does not depend on what is inside (RFC 6749 §1.4), but a token that MongoDB can never take must not be kept
//! and handed out as if it were one: the server would answer with a bare "Authentication failed".

use serde_json::{Map, Value};

use super::token::Clock;
use super::{audiences, decode_jwt, shown};
use crate::secret::Secret;
use crate::ui::foreign;

/// What a token must be for.
pub struct Expectation<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
}

/// What a token says of itself, and when it ends. Not verified: the server does that, we have no say in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Local time, seconds since 1970: the earlier of `exp` and the lifetime that the provider stated.
    pub expires_at: u64,
    /// Why a MongoDB server would refuse it although it is a JWT for the right audience; a clause each.
    pub server_would_refuse: Vec<String>,
}

/// Why a token is refused outright.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a JWT. MongoDB has no way to take an opaque token.
    #[error("the token is not a JWT that MongoDB could read: {0}")]
    Opaque(String),
    /// For somebody else.
    #[error("the token is for {}, not for `{expected}`", list(found))]
    Audience { found: Vec<String>, expected: String },
    /// Of no use when it arrived.
    #[error("the token had expired when it arrived")]
    Expired,
}

impl Refusal {
    /// Whether it is a token for Microsoft Graph, which is what Entra ID gives when no scope of the application's own is
    /// asked for. It never validates anywhere else.
    pub fn is_microsoft_graph(&self) -> bool {
        const GRAPH: [&str; 2] = ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"];
        matches!(self, Self::Audience { found, .. } if found.iter().any(|aud| GRAPH.contains(&aud.as_str())))
    }
}

fn list(audiences: &[String]) -> String {
    match audiences {
        [] => "no audience (it has no `aud`)".to_owned(),
        many => many.iter().map(|aud| format!("`{}`", foreign(aud))).collect::<Vec<_>>().join(", "),
    }
}

/// How long a token is believed when neither the provider nor the token says so, in seconds.
const UNKNOWN_LIFETIME: u64 = 300;

/// Judges `token`, which arrived at `clock` with the stated lifetime `expires_in` (seconds).
pub fn judge(
    token: &Secret,
    expires_in: Option<u64>,
    clock: Clock,
    expected: &Expectation<'_>,
) -> Result<Verdict, Refusal> {
    let decoded = decode_jwt(token.expose()).map_err(Refusal::Opaque)?;
    let claims = &decoded.claims;

    let audiences = audiences(claims);
    if !audiences.iter().any(|aud| aud == expected.audience) {
        return Err(Refusal::Audience { found: audiences, expected: expected.audience.to_owned() });
    }
    let expires_at = match (time(claims, "exp"), expires_in) {
        (Some(exp), Some(lifetime)) => exp.min(clock.provider + lifetime),
        (Some(exp), None) => exp,
        (None, Some(lifetime)) => clock.provider + lifetime,
        (None, None) => clock.provider + UNKNOWN_LIFETIME,
    };
    if expires_at <= clock.provider {
        return Err(Refusal::Expired);
    }
    Ok(Verdict {
        expires_at: clock.to_local(expires_at),
        server_would_refuse: server_rules(&decoded.header, claims, audiences.len(), expected.issuer, clock.provider),
    })
}

/// Why any MongoDB server would refuse `token`, as far as the token itself tells; a clause each. `now` is unix seconds.
pub fn refused_by_servers(token: &Secret, issuer: &str, now: u64) -> Vec<String> {
    match decode_jwt(token.expose()) {
        Ok(decoded) => {
            let audiences = audiences(&decoded.claims).len();
            server_rules(&decoded.header, &decoded.claims, audiences, issuer, now)
        }
        Err(reason) => vec![format!("it is not a JWT that MongoDB could read: {reason}")],
    }
}

/// The checks of mongod's public JWT code (`src/mongo/crypto`: `jws_validated_token`, `jwt_types.idl`) that depend on
/// nothing but the token.
fn server_rules(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    audiences: usize,
    issuer: &str,
    now: u64,
) -> Vec<String> {
    const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"];
    let mut broken = Vec::new();
    if header.get("typ").is_some_and(|kind| kind != "JWT") {
        broken.push(format!("its header `typ` is {} and must be `JWT` or absent", shown(header.get("typ"))));
    }
    if header.get("kid").and_then(Value::as_str).is_none_or(str::is_empty) {
        broken.push("its header has no `kid`".to_owned());
    }
    if !header.get("alg").and_then(Value::as_str).is_some_and(|alg| ALGORITHMS.contains(&alg)) {
        broken.push(format!(
            "its algorithm is {}, and MongoDB takes {}",
            shown(header.get("alg")),
            ALGORITHMS.join(", ")
        ));
    }
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        broken.push(format!("its `iss` is {}, not `{}`", shown(claims.get("iss")), foreign(issuer)));
    }
    if claims.get("sub").and_then(Value::as_str).is_none() {
        broken.push("it has no `sub`".to_owned());
    }
    if audiences > 1 {
        broken.push("its `aud` names more than one audience".to_owned());
    }
    if time(claims, "exp").is_none() {
        broken.push("it has no `exp`".to_owned());
    }
    // The server allows 60 s here.
    if time(claims, "nbf").is_some_and(|from| from > now + 60) {
        broken.push("its `nbf` lies in the future".to_owned());
    }
    broken
}

/// A NumericDate (RFC 7519 §2), which may have a fraction.
fn time(claims: &Map<String, Value>, claim: &str) -> Option<u64> {
    let value = claims.get(claim)?;
    let seconds = value.as_u64().map(|seconds| seconds as f64).or_else(|| value.as_f64())?;
    (0.0..1e11).contains(&seconds).then_some(seconds as u64)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const CLOCK: Clock = Clock { local: NOW, provider: NOW };
    const EXPECTED: Expectation<'_> = Expectation { issuer: "https://idp.example.com", audience: "mongodb" };

    fn jwt(header: Value, claims: Value) -> Secret {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        Secret::new(format!("{}.{}.c2ln", part(header), part(claims)))
    }

    fn good_header() -> Value {
        json!({"alg": "RS256", "kid": "1", "typ": "JWT"})
    }

    fn claims(patch: Value) -> Value {
        let mut claims = json!({"iss": "https://idp.example.com", "aud": "mongodb", "sub": "u1", "exp": NOW + 3600});
        for (key, value) in patch.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(key);
            } else {
                claims[key] = value.clone();
            }
        }
        claims
    }

    #[test]
    fn a_good_token_lives_until_the_earlier_of_both_statements() {
        for (exp, expires_in, expected) in [
            (json!(NOW + 3600), None, NOW + 3600),
            (json!(NOW + 3600), Some(60), NOW + 60),
            (json!(NOW + 30), Some(60), NOW + 30),
            (json!((NOW + 30) as f64 + 0.9), Some(60), NOW + 30),
            (json!(null), Some(60), NOW + 60),
            (json!(null), None, NOW + UNKNOWN_LIFETIME),
            (json!("soon"), None, NOW + UNKNOWN_LIFETIME),
        ] {
            let token = jwt(good_header(), claims(json!({ "exp": exp })));
            assert_eq!(
                judge(&token, expires_in, CLOCK, &EXPECTED).unwrap().expires_at,
                expected,
                "{exp} {expires_in:?}"
            );
        }
    }

    #[test]
    fn a_wrong_local_clock_neither_shortens_nor_lengthens_a_token() {
        let token = jwt(good_header(), claims(json!({})));
        for local in [NOW - 86_400, NOW + 86_400] {
            let verdict = judge(&token, Some(3600), Clock { local, provider: NOW }, &EXPECTED).unwrap();
            assert_eq!(verdict.expires_at, local + 3600);
        }
    }

    #[test]
    fn opaque_foreign_and_dead_tokens_are_refused() {
        for (token, expected) in [
            (
                Secret::new("opaque"),
                "the token is not a JWT that MongoDB could read: it is not a JWT (three parts, separated by dots)",
            ),
            (
                Secret::new("a.b.c.d.e"),
                "the token is not a JWT that MongoDB could read: it is an encrypted token (JWE), not a signed JWT",
            ),
            (Secret::new("e30.e30."), "the token is not a JWT that MongoDB could read: it has no signature"),
            (
                Secret::new("e30=.e30.c2ln"),
                "the token is not a JWT that MongoDB could read: its header is not base64url",
            ),
            (
                Secret::new("W10.e30.c2ln"),
                "the token is not a JWT that MongoDB could read: its header cannot be read: it is not a JSON object",
            ),
            (jwt(good_header(), claims(json!({"aud": "other"}))), "the token is for `other`, not for `mongodb`"),
            (jwt(good_header(), claims(json!({"aud": ["a", "b"]}))), "the token is for `a`, `b`, not for `mongodb`"),
            (
                jwt(good_header(), claims(json!({"aud": null}))),
                "the token is for no audience (it has no `aud`), not for `mongodb`",
            ),
            (
                jwt(good_header(), claims(json!({"aud": {"x": "mongodb"}}))),
                "the token is for no audience (it has no `aud`), not for `mongodb`",
            ),
            (jwt(good_header(), claims(json!({"exp": NOW}))), "the token had expired when it arrived"),
        ] {
            assert_eq!(judge(&token, None, CLOCK, &EXPECTED).unwrap_err().to_string(), expected);
        }
        let graph = jwt(good_header(), claims(json!({"aud": "00000003-0000-0000-c000-000000000000"})));
        assert!(judge(&graph, None, CLOCK, &EXPECTED).unwrap_err().is_microsoft_graph());
    }

    #[test]
    fn what_only_the_server_would_refuse_is_kept_and_named() {
        for (header, patch, expected) in [
            (good_header(), json!({}), None),
            (json!({"alg": "RS256", "kid": "1"}), json!({"aud": ["mongodb"]}), None),
            (
                json!({"alg": "RS256", "kid": "1", "typ": "at+jwt"}),
                json!({}),
                Some("its header `typ` is `at+jwt` and must be `JWT` or absent"),
            ),
            (
                json!({"alg": "RS256", "kid": "1", "typ": "jwt"}),
                json!({}),
                Some("its header `typ` is `jwt` and must be `JWT` or absent"),
            ),
            (json!({"alg": "RS256"}), json!({}), Some("its header has no `kid`")),
            (
                json!({"alg": "EdDSA", "kid": "1"}),
                json!({}),
                Some("its algorithm is `EdDSA`, and MongoDB takes RS256, RS384, RS512, PS256, ES256, ES384"),
            ),
            (
                good_header(),
                json!({"iss": "https://sts.windows.net/t/"}),
                Some("its `iss` is `https://sts.windows.net/t/`, not `https://idp.example.com`"),
            ),
            (good_header(), json!({"sub": null}), Some("it has no `sub`")),
            (good_header(), json!({"aud": ["mongodb", "account"]}), Some("its `aud` names more than one audience")),
            (good_header(), json!({"exp": null}), Some("it has no `exp`")),
            (good_header(), json!({"nbf": NOW + 61}), Some("its `nbf` lies in the future")),
            (good_header(), json!({"nbf": NOW + 60}), None),
        ] {
            let verdict = judge(&jwt(header.clone(), claims(patch.clone())), Some(600), CLOCK, &EXPECTED).unwrap();
            assert_eq!(verdict.server_would_refuse, Vec::from_iter(expected), "{header} {patch}");
        }
    }
}
