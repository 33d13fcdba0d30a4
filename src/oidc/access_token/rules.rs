//! The one table of rules that a MongoDB server judges a token by, and a few of prudence beside them.
//!
//! Pure: a token, the clocks, the provider's keys and the server's configuration in, a judgement a rule out. Everything
//! that speaks of tokens draws from here: `login` and `verify`, which know no keys and no configuration, and `inspect`.
//! The server's rules are those of its public code (`src/mongo/crypto`: `jws_validated_token`, `jwt_types.idl`) and of
//! its manual for `oidcIdentityProviders`.

use std::slice;

use serde_json::{Map, Value};

use super::flaw::Flaw;
use super::keys::{KeySet, Keys, Unverified};
use super::presented::Presented;
use crate::federation::{Authorization, IdentityProvider};
use crate::oidc::token::Clock;
use crate::oidc::{DecodedJwt, NotJwt, TOKEN_MAX, audiences};
use crate::ui::report::Mark;
use crate::ui::{foreign, span};

/// What a server verifies signatures with.
pub const ALGORITHMS: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384"];

/// How far a token's `nbf` may lie ahead, in seconds. `exp` has no leeway at all.
const NBF_LEEWAY: f64 = 60.0;

/// The message around a token has a length, too, which hangs on the client.
const NEARLY_TOO_LONG: usize = TOKEN_MAX - 512;

/// Below, a client asks for a new token all the time; above, a stolen token is good for more than a day. In seconds.
const SHORT_LIFE: u64 = 300;
const LONG_LIFE: u64 = 24 * 3600;

/// What a token is judged by.
pub struct Evidence<'a> {
    pub presented: &'a Presented,
    /// This computer's time, in seconds since 1970.
    pub now: u64,
    /// The provider's clock beside it, where the provider was asked. Judged is by this one.
    pub clock: Option<Clock>,
    /// Those of the issuer of [`provider_for`].
    pub keys: &'a Keys,
    /// The server's configuration; empty if nothing at all is known of it.
    pub providers: &'a [IdentityProvider],
    /// The profile hands out ID tokens.
    pub id_token_wanted: bool,
}

/// A rule. Its name is what `--json` has, so it keeps its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Form,
    Length,
    Type,
    Algorithm,
    KeyId,
    Issuer,
    Audience,
    Subject,
    Expiry,
    NotBefore,
    KeySet,
    Key,
    Signature,
    Principal,
    Groups,
    Clock,
    Lifetime,
    Purpose,
}

impl Rule {
    pub fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Length => "length",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::KeyId => "key_id",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::KeySet => "key_set",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Principal => "principal",
            Self::Groups => "groups",
            Self::Clock => "clock",
            Self::Lifetime => "lifetime",
            Self::Purpose => "purpose",
        }
    }

    /// Whether a server would refuse what breaks it. The others warn.
    fn is_the_server_s(self) -> bool {
        !matches!(self, Self::Clock | Self::Lifetime | Self::Purpose)
    }
}

/// What came of a rule: in short what was found to be in order, or what is to be remarked.
pub type Outcome = Result<String, Remark>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Why it could not be looked at.
    Skip(String),
    /// Servers take the token all the same.
    Warn(Flaw),
    Fail(Flaw),
}

impl From<Flaw> for Remark {
    fn from(flaw: Flaw) -> Self {
        Self::Fail(flaw)
    }
}

/// A rule, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub rule: Rule,
    pub outcome: Outcome,
}

impl Judged {
    pub fn mark(&self) -> Mark {
        match &self.outcome {
            Ok(_) => Mark::Ok,
            Err(Remark::Skip(_)) => Mark::Skip,
            Err(Remark::Warn(_)) => Mark::Warn,
            Err(Remark::Fail(_)) => Mark::Fail,
        }
    }

    /// Safe to show.
    pub fn message(&self) -> String {
        match &self.outcome {
            Ok(text) | Err(Remark::Skip(text)) => text.clone(),
            Err(Remark::Warn(flaw) | Remark::Fail(flaw)) => flaw.to_string(),
        }
    }

    pub fn flaw(&self) -> Option<&Flaw> {
        match &self.outcome {
            Err(Remark::Warn(flaw) | Remark::Fail(flaw)) => Some(flaw),
            Ok(_) | Err(Remark::Skip(_)) => None,
        }
    }

    /// Whether nobody can say, for want of this, what a server would do.
    pub fn is_undecided(&self) -> bool {
        self.mark() == Mark::Skip && self.rule.is_the_server_s()
    }
}

/// Whether a server would take the token; `None` where that cannot be said.
pub fn accepted(judged: &[Judged]) -> Option<bool> {
    if judged.iter().any(|judged| judged.mark() == Mark::Fail) {
        Some(false)
    } else if judged.iter().any(Judged::is_undecided) {
        None
    } else {
        Some(true)
    }
}

/// A token that could be decoded, beside the evidence.
struct Case<'a> {
    evidence: &'a Evidence<'a>,
    jwt: &'a DecodedJwt,
    /// The part of the configuration that it is measured by.
    provider: Option<&'a IdentityProvider>,
}

type Judge = fn(&Case<'_>) -> Outcome;

/// Every rule but the form's, in the order in which they are told; what it says of the token.
const TABLE: [(Rule, Judge); 17] = [
    (Rule::Length, length),
    (Rule::Type, kind),
    (Rule::Algorithm, algorithm),
    (Rule::KeyId, key_id),
    (Rule::Issuer, issuer),
    (Rule::Audience, audience),
    (Rule::Subject, subject),
    (Rule::Expiry, expiry),
    (Rule::NotBefore, not_before),
    (Rule::KeySet, key_set),
    (Rule::Key, key),
    (Rule::Signature, signature),
    (Rule::Principal, principal),
    (Rule::Groups, groups),
    (Rule::Clock, clock),
    (Rule::Lifetime, lifetime),
    (Rule::Purpose, purpose),
];

/// Judges a token by every rule; by that of its form alone if it cannot be decoded.
pub fn judge(evidence: &Evidence<'_>) -> Vec<Judged> {
    let form = |outcome| Judged { rule: Rule::Form, outcome };
    let jwt = match evidence.presented.jwt() {
        Ok(jwt) => jwt,
        Err(flaw) => return vec![form(Err(Remark::Fail(flaw.clone())))],
    };
    let case = Case { evidence, jwt, provider: provider_for(&jwt.claims, evidence.providers) };
    let others = TABLE.iter().map(|(rule, judge)| Judged { rule: *rule, outcome: judge(&case) });
    std::iter::once(form(shape(&case))).chain(others).collect()
}

/// The entry of a configuration that a token belongs to: by issuer and audience, as at the server; where none fits, the
/// one that it was probably meant for.
pub fn provider_for<'a>(
    claims: &Map<String, Value>,
    providers: &'a [IdentityProvider],
) -> Option<&'a IdentityProvider> {
    let issuer = text(claims, "iss").unwrap_or_default();
    let audiences = audiences(claims);
    let by_issuer = |provider: &&IdentityProvider| provider.issuer == issuer;
    let by_audience = |provider: &&IdentityProvider| audiences.contains(&provider.audience);
    let both = providers.iter().find(|provider| by_issuer(provider) && by_audience(provider));
    both.or_else(|| providers.iter().find(by_issuer)).or_else(|| providers.iter().find(by_audience)).or(match providers
    {
        [only] => Some(only),
        _ => None,
    })
}

/// Who a token makes somebody at a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// At `$external`; `None` if the token names nobody.
    pub user: Option<String>,
    /// At `admin`; `None` if the user's document has them, or the token names none that could be read.
    pub roles: Option<Vec<String>>,
}

/// Who these claims make somebody at a server, if it takes the token.
pub fn identity(claims: &Map<String, Value>, provider: &IdentityProvider) -> Identity {
    let roles = match &provider.authorization {
        Authorization::GroupMembership(claim) => group_names(claims, claim).ok(),
        Authorization::UserId => None,
    };
    Identity {
        user: principal_name(claims, &provider.principal_name).ok().map(|name| provider.user(name)),
        roles: roles.map(|groups| groups.into_iter().map(|group| provider.role(group)).collect()),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

/// Why a rule that has to do with the server's configuration is not looked at where there is none.
const UNSAID: &str = "nobody has said what the server expects";

/// `text`, as it stands in a message.
fn quoted(text: &str) -> String {
    format!("`{}`", foreign(text))
}

impl<'a> Case<'a> {
    /// The part of the server's configuration that it is measured by.
    fn provider(&self) -> Result<&'a IdentityProvider, Remark> {
        let nothing_is_known = self.evidence.providers.is_empty();
        let why = if nothing_is_known { UNSAID } else { "it is not known which of the server's providers it is for" };
        self.provider.ok_or_else(|| Remark::Skip(why.to_owned()))
    }

    fn claims(&self) -> &'a Map<String, Value> {
        &self.jwt.claims
    }

    /// The provider's time, as far as it is known.
    fn now(&self) -> u64 {
        self.evidence.clock.map_or(self.evidence.now, |clock| clock.provider)
    }

    /// A claim that is a number of seconds since 1970, which may have a fraction (RFC 7519 §2).
    fn time(&self, claim: &'static str) -> Result<Option<f64>, Flaw> {
        let Some(value) = self.claims().get(claim) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| Flaw::Time { claim, value: value.clone() })
    }

    /// The keys, and what the header says of the one that has signed. The provider's say nothing of somebody else's token.
    fn signed_by(&self) -> Result<(&'a KeySet, &'a str, &'a str), Remark> {
        let skip = |why: &str| Err(Remark::Skip(why.to_owned()));
        if text(self.claims(), "iss") != Some(&self.provider()?.issuer) {
            return skip("it is from another issuer");
        }
        let Keys::Loaded(set) = self.evidence.keys else { return skip("the provider's keys are not known") };
        let Some(kid) = kid(self.jwt) else { return skip("it names no key") };
        Ok((set, kid, text(&self.jwt.header, "alg").unwrap_or_default()))
    }
}

fn shape(case: &Case<'_>) -> Outcome {
    if case.jwt.signature.is_empty() {
        return Err(Flaw::NotJwt(NotJwt::Unsigned).into());
    }
    match case.evidence.presented.around().first() {
        None => Ok("a signed JWT".to_owned()),
        // No driver takes anything off.
        Some(around) if case.evidence.presented.is_verbatim() => Err(Flaw::Around(*around).into()),
        Some(around) => Err(Remark::Warn(Flaw::Around(*around))),
    }
}

fn length(case: &Case<'_>) -> Outcome {
    match case.evidence.presented.text().expose().len() {
        length @ 0..=NEARLY_TOO_LONG => Ok(format!("{length} bytes")),
        length @ ..=TOKEN_MAX => Err(Remark::Warn(Flaw::NearlyTooLong(length))),
        _ => Err(Flaw::NotJwt(NotJwt::TooLong).into()),
    }
}

fn kind(case: &Case<'_>) -> Outcome {
    match case.jwt.header.get("typ") {
        None => Ok("none is given".to_owned()),
        Some(kind) if kind == "JWT" => Ok("`JWT`".to_owned()),
        Some(other) => Err(Flaw::Type(other.clone()).into()),
    }
}

fn algorithm(case: &Case<'_>) -> Outcome {
    match text(&case.jwt.header, "alg") {
        Some(name) if name.starts_with("ES") && ALGORITHMS.contains(&name) => {
            Err(Remark::Warn(Flaw::NewAlgorithm(name.to_owned())))
        }
        Some(name) if ALGORITHMS.contains(&name) => Ok(quoted(name)),
        _ => Err(Flaw::Algorithm(case.jwt.header.get("alg").cloned()).into()),
    }
}

fn kid(jwt: &DecodedJwt) -> Option<&str> {
    text(&jwt.header, "kid").filter(|kid| !kid.is_empty())
}

fn key_id(case: &Case<'_>) -> Outcome {
    Ok(quoted(kid(case.jwt).ok_or(Flaw::NoKeyId)?))
}

fn issuer(case: &Case<'_>) -> Outcome {
    let found = case.claims().get("iss");
    let mut expected: Vec<String> = case.evidence.providers.iter().map(|one| one.issuer.clone()).collect();
    expected.dedup();
    match found.and_then(Value::as_str) {
        Some(found) if expected.is_empty() => Err(Remark::Skip(format!("it is {}, and {UNSAID}", quoted(found)))),
        Some(found) if expected.iter().any(|one| one == found) => Ok(quoted(found)),
        _ => Err(Flaw::Issuer { found: found.cloned(), expected }.into()),
    }
}

fn audience(case: &Case<'_>) -> Outcome {
    let found = match case.claims().get("aud") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => audiences(case.claims()),
        Some(other) => return Err(Flaw::AudienceType(other.clone()).into()),
    };
    // RFC 7519 §4.1.3 allows several; MongoDB does not (SERVER-86607), though Percona's server does.
    if found.len() > 1 {
        return Err(Flaw::ManyAudiences(found).into());
    }
    let of_issuer = |provider: &&IdentityProvider| Some(provider.issuer.as_str()) == text(case.claims(), "iss");
    let all = case.evidence.providers;
    let mut expected: Vec<String> = all.iter().filter(of_issuer).map(|one| one.audience.clone()).collect();
    if expected.is_empty() {
        expected = all.iter().map(|one| one.audience.clone()).collect();
    }
    let flaw = Flaw::Audience { found: found.clone(), expected: expected.clone() };
    match found.first() {
        // Nobody else can verify it, whatever they expect.
        Some(_) if flaw.is_microsoft_graph() => Err(flaw.into()),
        Some(one) if expected.is_empty() => Err(Remark::Skip(format!("it is {}, and {UNSAID}", quoted(one)))),
        Some(one) if expected.contains(one) => Ok(quoted(one)),
        _ => Err(flaw.into()),
    }
}

/// Required of every token, even where another claim names the user.
fn subject(case: &Case<'_>) -> Outcome {
    Ok(quoted(text(case.claims(), "sub").ok_or(Flaw::NoSubject)?))
}

fn expiry(case: &Case<'_>) -> Outcome {
    let exp = case.time("exp")?.ok_or(Flaw::NoExpiry)?;
    if exp <= case.now() as f64 {
        return Err(Flaw::Expired(case.now().saturating_sub(exp as u64)).into());
    }
    Ok(format!("in {}", span((exp as u64).saturating_sub(case.now()))))
}

fn not_before(case: &Case<'_>) -> Outcome {
    let now = case.now() as f64;
    match case.time("nbf")? {
        None => Ok("none is given".to_owned()),
        Some(from) if from > now + NBF_LEEWAY => Err(Flaw::NotYet((from as u64).saturating_sub(case.now())).into()),
        Some(from) if from > now => Ok("within the minute that servers allow".to_owned()),
        Some(_) => Ok("it has come".to_owned()),
    }
}

fn key_set(case: &Case<'_>) -> Outcome {
    match case.evidence.keys {
        Keys::Loaded(_) => Ok("a server can load it".to_owned()),
        Keys::Unusable(why) => Err(Flaw::KeySet(why.clone()).into()),
        Keys::Unknown(why) => Err(Remark::Skip(why.clone())),
    }
}

fn key(case: &Case<'_>) -> Outcome {
    let (set, kid, algorithm) = case.signed_by()?;
    set.check(kid, algorithm)?;
    Ok("the provider has it".to_owned())
}

fn signature(case: &Case<'_>) -> Outcome {
    let (set, kid, algorithm) = case.signed_by()?;
    let skip = |why: &str| Err(Remark::Skip(why.to_owned()));
    if !ALGORITHMS.contains(&algorithm) {
        return skip("servers cannot verify its algorithm");
    }
    if set.check(kid, algorithm).is_err() {
        return skip("there is no key to verify it with");
    }
    let message = case.evidence.presented.text().expose().rsplit_once('.').map_or("", |(message, _)| message);
    match set.verify(kid, algorithm, message.as_bytes(), &case.jwt.signature) {
        Ok(()) => Ok("the provider's".to_owned()),
        Err(Unverified::Wrong(flaw)) => Err(flaw.into()),
        Err(Unverified::Unknown(why)) => skip(why),
    }
}

/// There is no limit to its length but the message's.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0')
}

fn principal_name<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<&'a str, Flaw> {
    match claims.get(claim) {
        None => Err(Flaw::NoPrincipal(claim.to_owned())),
        Some(Value::String(name)) if is_name(name) => Ok(name),
        Some(Value::String(_)) => Err(Flaw::PrincipalName(claim.to_owned())),
        Some(other) => Err(Flaw::PrincipalType { claim: claim.to_owned(), value: other.clone() }),
    }
}

fn principal(case: &Case<'_>) -> Outcome {
    let claim = case.provider()?.principal_name.as_str();
    if claim == "sub" && text(case.claims(), claim).is_none() {
        // Told by the rule of the subject.
        return Err(Remark::Skip("it has no `sub`".to_owned()));
    }
    Ok(format!("`{}` is {}", foreign(claim), quoted(principal_name(case.claims(), claim)?)))
}

fn group_names<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<Vec<&'a str>, Flaw> {
    let list = match claims.get(claim) {
        Some(one @ Value::String(_)) => slice::from_ref(one),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => list,
        Some(other) => return Err(Flaw::GroupsType { claim: claim.to_owned(), value: other.clone() }),
        // Where the groups are too many for a token, Entra ID says where they can be asked for, or just that there are some.
        None => {
            let elsewhere = claims.get("_claim_names").is_some_and(|names| names.get(claim).is_some());
            let left_out = elsewhere || claims.contains_key("hasgroups");
            let flaw = if left_out { Flaw::Overage } else { Flaw::NoGroups };
            return Err(flaw(claim.to_owned()));
        }
    };
    let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    if names.iter().all(|name| is_name(name)) { Ok(names) } else { Err(Flaw::GroupName(claim.to_owned())) }
}

fn groups(case: &Case<'_>) -> Outcome {
    let Authorization::GroupMembership(claim) = &case.provider()?.authorization else {
        return Ok("none are needed: the user's document has the roles".to_owned());
    };
    match group_names(case.claims(), claim)?.len() {
        0 => Err(Remark::Warn(Flaw::EmptyGroups(claim.clone()))),
        number => Ok(format!("`{}` names {number}", foreign(claim))),
    }
}

fn clock(case: &Case<'_>) -> Outcome {
    let Some(clock) = case.evidence.clock else {
        return Err(Remark::Skip("the provider was not asked for the time".to_owned()));
    };
    let seconds = |moment: u64| i64::try_from(moment).unwrap_or(i64::MAX);
    match seconds(clock.local).saturating_sub(seconds(clock.provider)) {
        0 => Ok("this computer's agrees with the provider's".to_owned()),
        ahead => Err(Remark::Warn(Flaw::Clock(ahead))),
    }
}

fn lifetime(case: &Case<'_>) -> Outcome {
    let Ok(Some(exp)) = case.time("exp") else {
        return Err(Remark::Skip("it is not known when it ends".to_owned()));
    };
    let start = case.time("iat").ok().flatten().map_or_else(|| case.now(), |iat| iat as u64);
    match (exp as u64).saturating_sub(start) {
        life @ ..SHORT_LIFE => Err(Remark::Warn(Flaw::ShortLife(life))),
        life @ 0..=LONG_LIFE => Ok(span(life)),
        life => Err(Remark::Warn(Flaw::LongLife { life, until: exp as u64 })),
    }
}

fn purpose(case: &Case<'_>) -> Outcome {
    let client_id = case.provider.and_then(|provider| provider.client_id.as_deref());
    match id_token_sign(case.claims(), client_id) {
        None => Ok("an access token, as far as it tells".to_owned()),
        Some(_) if case.evidence.id_token_wanted => Ok("an ID token, as the profile has it".to_owned()),
        Some(sign) => Err(Remark::Warn(Flaw::IdToken(sign))),
    }
}

/// By what an ID token is known. Nothing in it says so outright (OIDC Core §2), save at Keycloak.
fn id_token_sign(claims: &Map<String, Value>, client_id: Option<&str>) -> Option<String> {
    const OF_ID_TOKENS: [&str; 4] = ["nonce", "at_hash", "c_hash", "s_hash"];
    /// What providers tell of the grant in access tokens, under several names.
    const OF_ACCESS_TOKENS: [&str; 8] = ["scope", "scp", "scopes", "client_id", "cid", "appid", "azp", "roles"];
    if let Some(claim) = OF_ID_TOKENS.iter().find(|claim| claims.contains_key(**claim)) {
        return Some(format!("it has `{claim}`"));
    }
    if text(claims, "typ") == Some("ID") {
        return Some("its claim `typ` is `ID`".to_owned());
    }
    let is_for_client = client_id.is_some() && text(claims, "aud") == client_id;
    let is_silent = !OF_ACCESS_TOKENS.iter().any(|claim| claims.contains_key(*claim));
    (is_for_client && is_silent).then(|| "it is for the client itself, and says nothing of a scope".to_owned())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::secret::Secret;

    const NOW: u64 = 1_800_000_000;

    fn provider(issuer: &str, audience: &str) -> IdentityProvider {
        IdentityProvider {
            auth_name_prefix: audience.to_owned(),
            client_id: Some("client".to_owned()),
            authorization: Authorization::GroupMembership("groups".to_owned()),
            ..IdentityProvider::new(issuer, audience)
        }
    }

    fn only() -> Vec<IdentityProvider> {
        vec![provider("https://a.example", "a")]
    }

    /// Good for [`only`], with these changes; null takes a claim away.
    fn claims(patch: Value) -> Value {
        let mut claims = json!({
            "iss": "https://a.example", "aud": "a", "sub": "u1", "groups": ["dba"], "scope": "openid",
            "iat": NOW - 60, "exp": NOW + 3600,
        });
        for (name, value) in patch.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn presented(header: &Value, claims: &Value) -> Presented {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        Presented::bare(&Secret::new(format!("{}.{}.c2ln", part(header), part(claims))))
    }

    fn judged(claims: &Value, providers: &[IdentityProvider], clock: Option<Clock>) -> Vec<Judged> {
        judge(&Evidence {
            presented: &presented(&json!({ "alg": "RS256", "kid": "1" }), claims),
            now: NOW,
            clock,
            keys: &Keys::Unknown("nobody was asked".to_owned()),
            providers,
            id_token_wanted: false,
        })
    }

    /// The mark and message of one rule.
    fn of(rule: Rule, judged: &[Judged]) -> String {
        let judged = judged.iter().find(|judged| judged.rule == rule).unwrap();
        format!("{} {}", judged.mark().name(), judged.message())
    }

    #[test]
    fn a_token_belongs_to_the_entry_with_its_issuer_and_audience() {
        let several = [
            provider("https://a.example", "a"),
            provider("https://a.example", "b"),
            provider("https://c.example", "c"),
        ];
        for (iss, aud, belongs_to, issuer, audience) in [
            ("https://a.example", json!("b"), Some("b"), "ok `https://a.example`", "ok `b`"),
            ("https://a.example", json!(["b"]), Some("b"), "ok `https://a.example`", "ok `b`"),
            (
                "https://a.example",
                json!("c"),
                Some("a"),
                "ok `https://a.example`",
                "fail it is for `c`, not for `a` or `b`",
            ),
            (
                "https://x.example",
                json!("c"),
                Some("c"),
                "fail its `iss` is `https://x.example`, not `https://a.example` or `https://c.example`",
                "ok `c`",
            ),
            (
                "https://x.example",
                json!("x"),
                None,
                "fail its `iss` is `https://x.example`, not `https://a.example` or `https://c.example`",
                "fail it is for `x`, not for `a` or `b` or `c`",
            ),
        ] {
            let claims = claims(json!({ "iss": iss, "aud": aud }));
            let found = provider_for(claims.as_object().unwrap(), &several);
            assert_eq!(found.map(|provider| provider.audience.as_str()), belongs_to, "{iss} {aud}");
            let judged = judged(&claims, &several, None);
            assert_eq!(
                (of(Rule::Issuer, &judged), of(Rule::Audience, &judged)),
                (issuer.to_owned(), audience.to_owned())
            );
        }
        // The only one is meant, whatever the token says.
        let stranger = claims(json!({ "iss": "https://x.example", "aud": "x" }));
        assert!(provider_for(stranger.as_object().unwrap(), &only()).is_some());
    }

    #[test]
    fn what_is_not_known_is_not_judged_and_is_no_yes() {
        let good = judged(&claims(json!({})), &only(), None);
        assert_eq!(accepted(&good), None, "its signature was not verified");
        let decided: Vec<Judged> = good.iter().filter(|judged| !judged.is_undecided()).cloned().collect();
        assert_eq!(accepted(&decided), Some(true), "a clock that nobody knows decides nothing");
        assert_eq!(accepted(&judged(&claims(json!({ "sub": null })), &only(), None)), Some(false));

        let unsaid = judged(&claims(json!({})), &[], None);
        assert_eq!(
            of(Rule::Issuer, &unsaid),
            "skip it is `https://a.example`, and nobody has said what the server expects"
        );
        assert_eq!(of(Rule::Principal, &unsaid), "skip nobody has said what the server expects");
        assert_eq!(accepted(&unsaid), None);
        let graph = judged(&claims(json!({ "aud": "https://graph.microsoft.com/" })), &[], None);
        assert_eq!(accepted(&graph), Some(false));
    }

    #[test]
    fn time_is_the_provider_s_and_only_nbf_has_leeway() {
        let clock = |local: u64| Some(Clock { local, provider: NOW });
        for (patch, clock, rule, expected) in [
            (json!({ "exp": NOW }), None, Rule::Expiry, "fail it expired 0 s ago"),
            (json!({ "exp": NOW as f64 + 0.5 }), None, Rule::Expiry, "ok in 0 s"),
            (json!({ "exp": NOW + 1 }), clock(NOW + 9999), Rule::Expiry, "ok in 1 s"),
            (json!({ "exp": NOW - 1 }), clock(NOW - 9999), Rule::Expiry, "fail it expired 1 s ago"),
            (json!({ "nbf": NOW + 60 }), None, Rule::NotBefore, "ok within the minute that servers allow"),
            (json!({ "nbf": NOW + 61 }), None, Rule::NotBefore, "fail its `nbf` lies in the future, by 1 min"),
            (json!({ "nbf": NOW }), None, Rule::NotBefore, "ok it has come"),
            (json!({}), None, Rule::Clock, "skip the provider was not asked for the time"),
            (json!({}), clock(NOW), Rule::Clock, "ok this computer's agrees with the provider's"),
            (json!({}), clock(NOW + 7200), Rule::Clock, "warn this computer's clock is 2 h ahead of the provider's"),
            (json!({}), clock(NOW - 90), Rule::Clock, "warn this computer's clock is 1 min behind the provider's"),
            (json!({ "exp": NOW + 239 }), None, Rule::Lifetime, "warn it lives for 4 min only"),
            (json!({ "exp": NOW + 240 }), None, Rule::Lifetime, "ok 5 min"),
            (json!({ "iat": null, "exp": NOW + 86_400 }), None, Rule::Lifetime, "ok 24 h"),
            (
                json!({ "exp": NOW + 86_400 }),
                None,
                Rule::Lifetime,
                "warn it lives for 24 h 1 min, and nothing ends it before 2027-01-16T08:00:00Z",
            ),
        ] {
            assert_eq!(of(rule, &judged(&claims(patch.clone()), &only(), clock)), expected, "{patch}");
        }
    }

    #[test]
    fn an_id_token_is_known_by_what_access_tokens_do_not_have() {
        for (patch, sign) in [
            (json!({}), None),
            (json!({ "nonce": "n" }), Some("it has `nonce`")),
            (json!({ "at_hash": "h" }), Some("it has `at_hash`")),
            (json!({ "typ": "ID" }), Some("its claim `typ` is `ID`")),
            (json!({ "typ": "Bearer" }), None),
            (json!({ "scope": null }), None),
            (json!({ "aud": "client" }), None),
            (
                json!({ "aud": "client", "scope": null }),
                Some("it is for the client itself, and says nothing of a scope"),
            ),
            (json!({ "aud": "client", "scope": null, "azp": "client" }), None),
        ] {
            let sign_of = id_token_sign(claims(patch.clone()).as_object().unwrap(), Some("client"));
            assert_eq!(sign_of.as_deref(), sign, "{patch}");
        }
    }

    #[test]
    fn names_are_the_prefix_and_the_claim() {
        let upn = IdentityProvider { principal_name: "upn".to_owned(), ..provider("https://a.example", "corp") };
        let by_user = IdentityProvider { authorization: Authorization::UserId, ..upn.clone() };
        let identity_of = |patch, provider| identity(claims(patch).as_object().unwrap(), provider);
        let is = |user: Option<&str>, roles: Option<&[&str]>| Identity {
            user: user.map(str::to_owned),
            roles: roles.map(|roles| roles.iter().map(|role| (*role).to_owned()).collect()),
        };
        let ada = json!({ "upn": "ada@example.com", "groups": ["dba", "a/b"] });
        assert_eq!(identity_of(ada.clone(), &upn), is(Some("corp/ada@example.com"), Some(&["corp/dba", "corp/a/b"])));
        assert_eq!(identity_of(ada, &by_user), is(Some("corp/ada@example.com"), None));
        assert_eq!(identity_of(json!({ "groups": "dba" }), &upn), is(None, Some(&["corp/dba"])));
        assert_eq!(identity_of(json!({ "upn": "", "groups": 7 }), &upn), is(None, None));
    }

    #[test]
    fn a_token_that_nearly_fills_the_message_is_warned_of() {
        let empty = presented(&json!({}), &claims(json!({ "x": "" }))).text().expose().len();
        let of_length = |length: usize| {
            // base64url has four characters for three bytes.
            let claims = claims(json!({ "x": "x".repeat((length - empty) / 4 * 3) }));
            let header = json!({ "alg": "RS256", "kid": "1" });
            judge(&Evidence {
                presented: &presented(&header, &claims),
                now: NOW,
                clock: None,
                keys: &Keys::Unknown(String::new()),
                providers: &only(),
                id_token_wanted: false,
            })
        };
        assert!(of(Rule::Length, &of_length(15_000)).starts_with("ok 15"));
        assert!(of(Rule::Length, &of_length(16_100)).starts_with("warn it is 16"));
        assert_eq!(of(Rule::Length, &of_length(17_000)), "fail it is longer than 16 KiB");
    }

    proptest::proptest! {
        /// Whatever is in a token, it is judged by every rule once, in their order, and nothing is shown that deceives.
        #[test]
        fn every_rule_is_judged_once(
            names in proptest::collection::vec("(iss|aud|sub|exp|nbf|iat|groups|alg|kid|typ|x)", 0..8),
            values in proptest::collection::vec(any_value(), 8),
        ) {
            let members: Map<String, Value> = names.into_iter().zip(values).collect();
            let members = Value::Object(members);
            let judged = judge(&Evidence {
                presented: &presented(&members, &members),
                now: NOW,
                clock: None,
                keys: &Keys::Unknown(String::new()),
                providers: &only(),
                id_token_wanted: false,
            });
            let rules: Vec<Rule> = judged.iter().map(|judged| judged.rule).collect();
            let expected: Vec<Rule> = std::iter::once(Rule::Form).chain(TABLE.iter().map(|(rule, _)| *rule)).collect();
            proptest::prop_assert_eq!(rules, expected);
            proptest::prop_assert!(!judged.iter().any(|judged| judged.message().contains(char::is_control)));
            proptest::prop_assert_ne!(accepted(&judged), Some(true));
        }
    }

    fn any_value() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|number| json!(number)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }
}
