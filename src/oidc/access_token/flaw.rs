//! What a rule can find wrong with a token, in words that say "it" of the token and are safe to show.

use serde_json::Value;

use super::presented::{Around, NoToken};
use crate::oidc::{NotJwt, shown};
use crate::ui::{foreign, moment, span};

/// One thing that is wrong, or that may become so. What mends it is in [`super::mend`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("{0}")]
    NoToken(NoToken),
    #[error("{0}")]
    Around(Around),
    #[error("{0}")]
    NotJwt(NotJwt),
    /// Within what a server takes, and not far from it.
    #[error("it is {0} bytes long, and the message that carries it may have 16 KiB")]
    NearlyTooLong(usize),

    #[error("its header `typ` is {} and must be `JWT` or absent", shown(Some(.0)))]
    Type(Value),
    #[error("its algorithm is {}, and MongoDB takes {}", shown(.0.as_ref()), super::rules::ALGORITHMS.join(", "))]
    Algorithm(Option<Value>),
    /// Known to the newest servers only.
    #[error("its algorithm is `{0}`, which only the newest servers know")]
    NewAlgorithm(String),
    #[error("its header has no `kid`")]
    NoKeyId,

    #[error("its `iss` is {}, not {}{}", shown(found.as_ref()), any_of(expected), self.near_miss())]
    Issuer { found: Option<Value>, expected: Vec<String> },
    #[error("it is for {}{}, not for {}", for_whom(found), if self.is_microsoft_graph() { " (Microsoft Graph)" } else { "" }, any_of(expected))]
    Audience { found: Vec<String>, expected: Vec<String> },
    #[error("its `aud` is {}, neither a text nor a list of texts", shown(Some(.0)))]
    AudienceType(Value),
    #[error("its `aud` names more than one audience: {}", quoted(.0).join(", "))]
    ManyAudiences(Vec<String>),
    #[error("it has no `sub`")]
    NoSubject,

    #[error("it has no `exp`")]
    NoExpiry,
    #[error("its `{claim}` is {}, not a number of seconds", shown(Some(value)))]
    Time { claim: &'static str, value: Value },
    #[error("it expired {} ago", span(*.0))]
    Expired(u64),
    /// How far ahead it lies, in seconds.
    #[error("its `nbf` lies in the future, by {}", span(*.0))]
    NotYet(u64),

    /// No key of the provider's is of use to a server: why.
    #[error("{0}")]
    KeySet(String),
    #[error("none of the provider's keys has its `kid`, `{}`", foreign(.0))]
    UnknownKey(String),
    #[error("the key `{}` is of a type that servers pass over", foreign(.0))]
    UnusedKey(String),
    #[error("the key of its `kid` is not one for `{0}`")]
    WrongKey(String),
    #[error("its signature is wrong")]
    Signature,

    #[error("it has no `{}`, which names the user", foreign(.0))]
    NoPrincipal(String),
    #[error("its `{}`, which names the user, is {}, not a text", foreign(claim), shown(Some(value)))]
    PrincipalType { claim: String, value: Value },
    #[error("its `{}`, which names the user, is empty or has a null character", foreign(.0))]
    PrincipalName(String),
    #[error("it has no `{}`, from which the roles are taken", foreign(.0))]
    NoGroups(String),
    /// Entra ID names no groups where they are too many, and says where they can be asked for.
    #[error("it has no `{}`: Entra ID left the groups out because they are too many", foreign(.0))]
    Overage(String),
    #[error(
        "its `{}`, from which the roles are taken, is {}, neither a text nor a list of texts",
        foreign(claim),
        shown(Some(value))
    )]
    GroupsType { claim: String, value: Value },
    #[error("its `{}` has a group whose name is empty or has a null character", foreign(.0))]
    GroupName(String),
    #[error("its `{}` is an empty list: the user has no roles", foreign(.0))]
    EmptyGroups(String),

    /// By how much this computer's clock is ahead of the provider's, in seconds; behind it where negative.
    #[error("this computer's clock is {} {} the provider's", span(.0.unsigned_abs()), if *.0 < 0 { "behind" } else { "ahead of" })]
    Clock(i64),
    #[error("it lives for {} only", span(*.0))]
    ShortLife(u64),
    #[error("it lives for {}, and nothing ends it before {}", span(*.life), moment(*.until))]
    LongLife { life: u64, until: u64 },
    /// By what it is known.
    #[error("it is an ID token ({0}), which only servers that are set up for those should take")]
    IdToken(String),
}

/// How two issuers differ that are meant to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearMiss {
    Slash,
    Case,
    /// Entra ID's version 1.0 where 2.0 is expected, or the other way round.
    EntraVersion,
}

impl Flaw {
    /// A token for Microsoft Graph, which is what Entra ID gives when no scope of the application's own is asked for. It
    /// never validates anywhere else.
    pub fn is_microsoft_graph(&self) -> bool {
        const GRAPH: [&str; 2] = ["00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com"];
        let graph = |aud: &String| GRAPH.contains(&aud.trim_end_matches('/'));
        matches!(self, Self::Audience { found, .. } if found.iter().any(graph))
    }

    /// For an issuer that is nearly the right one: what differs.
    pub fn nearly(&self) -> Option<NearMiss> {
        let Self::Issuer { found: Some(Value::String(found)), expected } = self else { return None };
        expected.iter().find_map(|expected| near_miss(found, expected))
    }

    fn near_miss(&self) -> &'static str {
        match self.nearly() {
            Some(NearMiss::Slash) => " (the slash at the end counts)",
            Some(NearMiss::Case) => " (capital letters count)",
            Some(NearMiss::EntraVersion) => " (Entra ID's tokens of version 1.0 and 2.0 have different issuers)",
            None => "",
        }
    }
}

fn near_miss(found: &str, expected: &str) -> Option<NearMiss> {
    let bare = |issuer: &str| issuer.trim_end_matches('/').to_owned();
    let tenant = |issuer: &str, host: &str, end: &str| {
        issuer.strip_prefix(host)?.strip_suffix(end).filter(|tenant| !tenant.contains('/')).map(str::to_owned)
    };
    let v1 = |issuer: &str| tenant(issuer, "https://sts.windows.net/", "/");
    let v2 = |issuer: &str| tenant(issuer, "https://login.microsoftonline.com/", "/v2.0");
    if bare(found) == bare(expected) {
        Some(NearMiss::Slash)
    } else if bare(found).eq_ignore_ascii_case(&bare(expected)) {
        Some(NearMiss::Case)
    } else if [(found, expected), (expected, found)].iter().any(|(a, b)| v1(a).is_some() && v1(a) == v2(b)) {
        Some(NearMiss::EntraVersion)
    } else {
        None
    }
}

fn for_whom(audiences: &[String]) -> String {
    if audiences.is_empty() {
        "no audience (its `aud` is missing or empty)".to_owned()
    } else {
        quoted(audiences).join(", ")
    }
}

/// What a server has; something, if nobody has said what.
fn any_of(texts: &[String]) -> String {
    if texts.is_empty() { "any MongoDB server".to_owned() } else { quoted(texts).join(" or ") }
}

fn quoted(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| format!("`{}`", foreign(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_that_are_nearly_the_same_are_told_apart_by_what_differs() {
        let tenant = "0b1c2d3e-0000-4000-8000-000000000000";
        let (v1, v2) =
            (format!("https://sts.windows.net/{tenant}/"), format!("https://login.microsoftonline.com/{tenant}/v2.0"));
        for (found, expected, difference) in [
            ("https://a.example/", "https://a.example", Some(NearMiss::Slash)),
            ("https://a.example", "https://a.example/", Some(NearMiss::Slash)),
            ("https://a.example/Realm", "https://a.example/realm", Some(NearMiss::Case)),
            (&v1, &v2, Some(NearMiss::EntraVersion)),
            (&v2, &v1, Some(NearMiss::EntraVersion)),
            ("https://sts.windows.net/other/", &v2, None),
            ("https://b.example", "https://a.example", None),
        ] {
            assert_eq!(near_miss(found, expected), difference, "{found} {expected}");
        }
    }

    #[test]
    fn foreign_text_in_a_flaw_is_safe_to_show() {
        let escape = "\u{1b}]0;pwned\u{7}".to_owned();
        let value = || Value::String(escape.clone());
        for flaw in [
            Flaw::Type(value()),
            Flaw::Algorithm(Some(value())),
            Flaw::Issuer { found: Some(value()), expected: vec![escape.clone()] },
            Flaw::Audience { found: vec![escape.clone()], expected: vec![escape.clone()] },
            Flaw::AudienceType(serde_json::json!({ escape.as_str(): escape })),
            Flaw::Time { claim: "exp", value: value() },
            Flaw::UnknownKey(escape.clone()),
            Flaw::UnusedKey(escape.clone()),
            Flaw::NoPrincipal(escape.clone()),
            Flaw::PrincipalType { claim: escape.clone(), value: value() },
            Flaw::PrincipalName(escape.clone()),
            Flaw::NoGroups(escape.clone()),
            Flaw::Overage(escape.clone()),
            Flaw::GroupsType { claim: escape.clone(), value: value() },
            Flaw::GroupName(escape.clone()),
            Flaw::EmptyGroups(escape.clone()),
        ] {
            assert!(!flaw.to_string().contains(char::is_control), "{flaw:?}");
        }
    }
}
