//! Access tokens, judged as a MongoDB server would judge them.
//!
//! The flow does not depend on what is inside (RFC 6749 §1.4), but a token that MongoDB can never take must not be kept
//! and handed out as if it were one: the server would answer with a bare "Authentication failed".
//!
//! [`rules`] is the one table of the server's rules, [`flaw`] what they can find and how that is said, [`mend`] what mends
//! each at which provider, [`keys`] a provider's keys as a server has them, [`presented`] what stands around a token that
//! was pasted.

pub mod flaw;
pub mod keys;
pub mod mend;
pub mod presented;
pub mod rules;

use serde_json::{Map, Value};

use self::flaw::Flaw;
use self::keys::Keys;
use self::presented::Presented;
use self::rules::{Evidence, Remark};
use super::token::Clock;
use super::{audiences, decode_jwt};
use crate::federation::IdentityProvider;
use crate::secret::Secret;

/// What a token must be for. What is absent may be as the token has it.
pub struct Expectation<'a> {
    pub issuer: Option<&'a str>,
    pub audience: Option<&'a str>,
}

impl Expectation<'_> {
    /// Any server that expects this of a token with these claims; none if they are too few to expect anything of.
    fn server(&self, claims: &Map<String, Value>) -> Option<IdentityProvider> {
        let own_issuer = || claims.get("iss").and_then(Value::as_str);
        // Nobody but Microsoft Graph takes Microsoft Graph's.
        let foreign = Flaw::Audience { found: audiences(claims), expected: Vec::new() }.is_microsoft_graph();
        let own_audience = || audiences(claims).into_iter().next().filter(|_| !foreign);
        let audience = self.audience.map(str::to_owned).or_else(own_audience)?;
        Some(IdentityProvider::new(self.issuer.or_else(own_issuer)?, &audience))
    }
}

/// What a token says of itself, and when it ends. Not verified: the server does that, we have no say in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Local time, seconds since 1970: the earlier of `exp` and the lifetime that the provider stated.
    pub expires_at: u64,
    /// Why a MongoDB server would refuse it although it is a JWT for the right audience; a clause each.
    pub server_would_refuse: Vec<String>,
}

/// How long a token is believed when neither the provider nor the token says so, in seconds.
const UNKNOWN_LIFETIME: u64 = 300;

/// Judges `token`, which arrived at `clock` with the stated lifetime `expires_in` (seconds).
///
/// # Errors
/// Why it is of no use at all: it is not a JWT, which MongoDB has no way to take; it is for somebody else; it had expired
/// when it arrived. What else a server would refuse is in the verdict, since servers change.
pub fn judge(
    token: &Secret,
    expires_in: Option<u64>,
    clock: Clock,
    expected: &Expectation<'_>,
) -> Result<Verdict, Flaw> {
    let claims = decode_jwt(token.expose()).map_err(Flaw::NotJwt)?.claims;
    let expected_audience = || expected.audience.iter().map(|audience| (*audience).to_owned()).collect();
    let mut server_would_refuse = Vec::new();
    for flaw in flaws(token, clock.provider, expected) {
        match flaw {
            Flaw::Audience { .. } | Flaw::Expired(_) => return Err(flaw),
            Flaw::AudienceType(_) => return Err(Flaw::Audience { found: Vec::new(), expected: expected_audience() }),
            Flaw::ManyAudiences(found)
                if expected.audience.is_some_and(|audience| !found.iter().any(|aud| aud == audience)) =>
            {
                return Err(Flaw::Audience { found, expected: expected_audience() });
            }
            other => server_would_refuse.push(other.to_string()),
        }
    }
    let expires_at = match (time(&claims, "exp"), expires_in) {
        (Some(exp), Some(lifetime)) => exp.min(clock.provider + lifetime),
        (Some(exp), None) => exp,
        (None, Some(lifetime)) => clock.provider + lifetime,
        (None, None) => clock.provider + UNKNOWN_LIFETIME,
    };
    Ok(Verdict { expires_at: clock.to_local(expires_at), server_would_refuse })
}

/// Why any MongoDB server would refuse `token`, as far as the token itself tells; a clause each. `now` is unix seconds.
pub fn refused_by_servers(token: &Secret, expected: &Expectation<'_>, now: u64) -> Vec<String> {
    flaws(token, now, expected).iter().map(ToString::to_string).collect()
}

/// What breaks the server's rules, without the provider's keys and without the server's configuration.
fn flaws(token: &Secret, now: u64, expected: &Expectation<'_>) -> Vec<Flaw> {
    let presented = Presented::bare(token);
    let server = presented.jwt().ok().and_then(|jwt| expected.server(&jwt.claims));
    let judged = rules::judge(&Evidence {
        presented: &presented,
        now,
        clock: None,
        keys: &Keys::Unknown(String::new()),
        // How a server names people and roles makes no difference here.
        providers: server.as_slice(),
        id_token_wanted: true,
    });
    let fatal = |judged: rules::Judged| if let Err(Remark::Fail(flaw)) = judged.outcome { Some(flaw) } else { None };
    judged.into_iter().filter_map(fatal).collect()
}

/// A NumericDate (RFC 7519 §2), which may have a fraction. What is no date in the next millennia counts as not said.
fn time(claims: &Map<String, Value>, claim: &str) -> Option<u64> {
    let seconds = claims.get(claim)?.as_f64()?;
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
    const EXPECTED: Expectation<'_> =
        Expectation { issuer: Some("https://idp.example.com"), audience: Some("mongodb") };

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
            (Secret::new("opaque"), "it is not a JWT (three parts, separated by dots)"),
            (Secret::new("a.b.c.d.e"), "it is an encrypted token (JWE), not a signed JWT"),
            (Secret::new("e30.e30."), "it has no signature"),
            (Secret::new("e30=.e30.c2ln"), "its header is not base64url"),
            (Secret::new("W10.e30.c2ln"), "its header cannot be read: it is not a JSON object"),
            (jwt(good_header(), claims(json!({"aud": "other"}))), "it is for `other`, not for `mongodb`"),
            (jwt(good_header(), claims(json!({"aud": ["a", "b"]}))), "it is for `a`, `b`, not for `mongodb`"),
            (
                jwt(good_header(), claims(json!({"aud": null}))),
                "it is for no audience (its `aud` is missing or empty), not for `mongodb`",
            ),
            (
                jwt(good_header(), claims(json!({"aud": {"x": "mongodb"}}))),
                "it is for no audience (its `aud` is missing or empty), not for `mongodb`",
            ),
            (jwt(good_header(), claims(json!({"exp": NOW}))), "it expired 0 s ago"),
        ] {
            assert_eq!(judge(&token, None, CLOCK, &EXPECTED).unwrap_err().to_string(), expected);
        }
        let graph = jwt(good_header(), claims(json!({"aud": "00000003-0000-0000-c000-000000000000"})));
        assert!(judge(&graph, None, CLOCK, &EXPECTED).unwrap_err().is_microsoft_graph());
    }

    /// A program's token may be from and for anybody, but not for nobody.
    #[test]
    fn what_is_not_expected_may_be_as_the_token_has_it() {
        let any = Expectation { issuer: None, audience: None };
        let of_issuer = Expectation { issuer: Some("https://idp.example.com"), audience: None };
        let refused = |patch: Value, expected: &Expectation<'_>| {
            let verdict = judge(&jwt(good_header(), claims(patch)), None, CLOCK, expected);
            verdict.map(|verdict| verdict.server_would_refuse).map_err(|flaw| flaw.to_string())
        };
        for expected in [&any, &of_issuer] {
            assert_eq!(refused(json!({}), expected), Ok(vec![]));
            assert_eq!(refused(json!({"aud": ["other"]}), expected), Ok(vec![]));
            let several = "its `aud` names more than one audience: `a`, `b`".to_owned();
            assert_eq!(refused(json!({"aud": ["a", "b"]}), expected), Ok(vec![several]));
            let nobody = "it is for no audience (its `aud` is missing or empty), not for any MongoDB server".to_owned();
            assert_eq!(refused(json!({"aud": null}), expected), Err(nobody));
            let graph = refused(json!({"aud": "https://graph.microsoft.com"}), expected).unwrap_err();
            assert!(graph.ends_with("(Microsoft Graph), not for any MongoDB server"), "{graph}");
        }
        let elsewhere = json!({"iss": "https://other.example.com"});
        assert_eq!(refused(elsewhere.clone(), &any), Ok(vec![]));
        assert_eq!(refused(elsewhere, &of_issuer).unwrap().len(), 1);
        assert_eq!(refused(json!({"iss": null}), &any).unwrap().len(), 1);
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
            (
                good_header(),
                json!({"aud": ["mongodb", "account"]}),
                Some("its `aud` names more than one audience: `mongodb`, `account`"),
            ),
            (good_header(), json!({"exp": null}), Some("it has no `exp`")),
            (good_header(), json!({"nbf": NOW + 61}), Some("its `nbf` lies in the future, by 1 min")),
            (good_header(), json!({"nbf": NOW + 60}), None),
        ] {
            let verdict = judge(&jwt(header.clone(), claims(patch.clone())), Some(600), CLOCK, &EXPECTED).unwrap();
            assert_eq!(verdict.server_would_refuse, Vec::from_iter(expected), "{header} {patch}");
        }
    }
}
