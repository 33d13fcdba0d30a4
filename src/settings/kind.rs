//! The kinds of sessions: which settings each needs, and which mean nothing to it.
//!
//! One table for all kinds, and [`odds`] for what a table cannot say.

use super::schema::{
    AUDIENCE, CLIENT_ASSERTION_AUDIENCE, CLIENT_CERTIFICATE_FILE, CLIENT_ID, CLIENT_KEY_FILE, CLIENT_KEY_ID,
    CLIENT_SECRET_COMMAND, CLIENT_SECRET_FILE, CREDENTIALS_FILE, ID_TOKEN, IDENTITY, IMPERSONATE, ISSUER, KIND,
    LOGIN_HINT, RESOURCE, SCOPE, SOURCE_COMMAND, SOURCE_FILE, Setting,
};
use super::{Identity, Origin, Settings};
use crate::error::{Error, Kind, Result};
use crate::store::SessionKind;
use crate::ui::shell_quoted;

/// What a kind makes of the settings that say whose session it is, and how that is proved.
struct Rule {
    kind: SessionKind,
    needs: &'static [&'static Setting],
    takes: &'static [&'static Setting],
}

static RULES: [Rule; SessionKind::NAMES.len()] = [
    Rule {
        kind: SessionKind::Workforce,
        needs: &[&ISSUER, &CLIENT_ID],
        takes: &[&AUDIENCE, &SCOPE, &RESOURCE, &ID_TOKEN, &LOGIN_HINT, &CLIENT_SECRET_FILE, &CLIENT_SECRET_COMMAND],
    },
    Rule {
        kind: SessionKind::ClientCredentials,
        needs: &[&ISSUER, &CLIENT_ID],
        takes: &[
            &AUDIENCE,
            &SCOPE,
            &RESOURCE,
            &CLIENT_SECRET_FILE,
            &CLIENT_SECRET_COMMAND,
            &CLIENT_KEY_FILE,
            &CLIENT_CERTIFICATE_FILE,
            &CLIENT_KEY_ID,
            &CLIENT_ASSERTION_AUDIENCE,
        ],
    },
    Rule { kind: SessionKind::AzureManagedIdentity, needs: &[], takes: &[&ISSUER, &AUDIENCE, &RESOURCE, &IDENTITY] },
    Rule { kind: SessionKind::Gcp, needs: &[&AUDIENCE], takes: &[&ISSUER, &IDENTITY, &CREDENTIALS_FILE, &IMPERSONATE] },
    Rule { kind: SessionKind::Kubernetes, needs: &[], takes: &[&ISSUER, &AUDIENCE, &IDENTITY, &SOURCE_FILE] },
    Rule { kind: SessionKind::GithubActions, needs: &[&AUDIENCE], takes: &[&ISSUER] },
    Rule { kind: SessionKind::File, needs: &[&SOURCE_FILE], takes: &[&ISSUER, &AUDIENCE] },
    Rule { kind: SessionKind::Command, needs: &[&SOURCE_COMMAND], takes: &[&ISSUER, &AUDIENCE] },
];

impl Rule {
    fn knows(&self, setting: &Setting) -> bool {
        self.needs.iter().chain(self.takes).any(|known| std::ptr::eq(*known, setting))
    }
}

/// Whether a session of this kind may have `setting`. One that is in no rule is for all kinds.
pub fn takes(kind: SessionKind, setting: &Setting) -> bool {
    let mut knowing = RULES.iter().filter(|rule| rule.knows(setting)).peekable();
    knowing.peek().is_none() || knowing.any(|rule| rule.kind == kind)
}

/// That the settings fit their kind, and are complete for a program's. What a person's session lacks is said elsewhere.
///
/// # Errors
/// [`Kind::Usage`] for a flag, [`Kind::Config`] for all else, with what to type.
pub fn check(settings: &Settings) -> Result<()> {
    for rule in &RULES {
        for setting in rule.needs.iter().chain(rule.takes) {
            refuse_stray(settings, setting)?;
        }
    }
    let kind = settings.kind;
    if let Some(why) = odds(settings) {
        return Err(Error::new(Kind::Config, why));
    }
    let needs = RULES.iter().filter(|rule| rule.kind == kind && kind.is_program()).flat_map(|rule| rule.needs);
    let missing: Vec<&Setting> = needs.copied().filter(|setting| setting.show(settings).is_null()).collect();
    if let Some(first) = missing.first() {
        let keys: Vec<String> = missing.iter().map(|setting| format!("`{}`", setting.key)).collect();
        let what = format!("{} must be set for the kind `{}`", keys.join(" and "), kind.name());
        return Err(Error::new(Kind::Config, what).hint(how(settings, first)));
    }
    match kind {
        SessionKind::ClientCredentials if settings.client_secret.is_none() && settings.client_key_file.is_none() => {
            let what = format!("a secret or a key must be set for the kind `{}`", kind.name());
            Err(Error::new(Kind::Config, what)
                .hint(how(settings, &CLIENT_SECRET_FILE))
                .hint(format!("or {}", how(settings, &CLIENT_KEY_FILE))))
        }
        SessionKind::AzureManagedIdentity if settings.resource.is_empty() && settings.audience.is_empty() => {
            let what = format!("`resource` must be set for the kind `{}`: what the token is for", kind.name());
            Err(Error::new(Kind::Config, what).hint(how(settings, &RESOURCE)))
        }
        SessionKind::Kubernetes if settings.identity.is_some() && settings.audience.is_empty() => {
            let what = "`audience` must be set where `identity` is: the cluster is asked for a token with it";
            Err(Error::new(Kind::Config, what).hint(how(settings, &AUDIENCE)))
        }
        _ => Ok(()),
    }
}

fn how(settings: &Settings, setting: &Setting) -> String {
    format!("set it: {}", settings.how_to_set(setting, &setting.key.to_uppercase()))
}

/// Refuses a setting that means nothing to the kind. `[defaults]` are for all profiles, and are no mistake of this one.
fn refuse_stray(settings: &Settings, setting: &'static Setting) -> Result<()> {
    let kind = settings.kind;
    let (error, what) = match settings.origin(setting.key) {
        _ if takes(kind, setting) => return Ok(()),
        Origin::Flag(flag) => (Kind::Usage, format!("`{flag}`")),
        Origin::Env(variable) => (Kind::Config, format!("environment variable `{variable}`")),
        Origin::Profile(line) => (Kind::Config, format!("config.toml:{line}: `{}`", setting.key)),
        Origin::Defaults(_) | Origin::Uri | Origin::Server | Origin::BuiltIn => return Ok(()),
    };
    let kinds: Vec<&str> = RULES.iter().filter(|rule| rule.knows(setting)).map(|rule| rule.kind.name()).collect();
    let error = Error::new(error, format!("{what} means nothing to a session of the kind `{}`", kind.name()));
    let error = match (&settings.profile, settings.origin(setting.key)) {
        (Some(profile), Origin::Profile(_)) => {
            error.hint(format!("run `mdb-login profile unset {} {}`", shell_quoted(profile), setting.key))
        }
        _ => error,
    };
    Err(match kinds.as_slice() {
        [one] => error.hint(format!("for the kind `{one}`: {}", settings.how_to_set(&KIND, one))),
        several => error.hint(format!("it is for the kinds `{}`", several.join("`, `"))),
    })
}

/// What is wrong in combination, or in its form, for the kind.
fn odds(settings: &Settings) -> Option<String> {
    let kind = settings.kind;
    let together = |one: &Setting, other: &Setting| {
        let both = !one.show(settings).is_null() && !other.show(settings).is_null();
        both.then(|| format!("`{}` cannot be combined with `{}`", one.key, other.key))
    };
    let without = |one: &Setting, other: &Setting| {
        let alone = !one.show(settings).is_null() && other.show(settings).is_null();
        alone.then(|| format!("`{}` is of no use without `{}`", one.key, other.key))
    };
    let form = |expected: &str| Some(format!("`identity` must be {expected} for the kind `{}`", kind.name()));
    match (kind, &settings.identity) {
        (SessionKind::ClientCredentials, _) => together(&CLIENT_KEY_FILE, &CLIENT_SECRET_FILE)
            .or_else(|| together(&CLIENT_KEY_FILE, &CLIENT_SECRET_COMMAND))
            .or_else(|| without(&CLIENT_CERTIFICATE_FILE, &CLIENT_KEY_FILE))
            .or_else(|| without(&CLIENT_KEY_ID, &CLIENT_KEY_FILE))
            .or_else(|| without(&CLIENT_ASSERTION_AUDIENCE, &CLIENT_KEY_FILE)),
        (SessionKind::AzureManagedIdentity, _) if settings.resource.len() > 1 => {
            Some(format!("`resource` must name one resource for the kind `{}`", kind.name()))
        }
        (
            SessionKind::AzureManagedIdentity,
            None | Some(Identity::ClientId(_) | Identity::ObjectId(_) | Identity::ResourceId(_)),
        ) => None,
        (SessionKind::AzureManagedIdentity, Some(_)) => {
            form("`client_id:ID`, `object_id:ID` or `resource_id:/subscriptions/…`")
        }
        (SessionKind::Gcp, None | Some(Identity::Account(_))) => together(&IDENTITY, &CREDENTIALS_FILE),
        (SessionKind::Gcp, Some(_)) => form("the e-mail address of a service account"),
        (SessionKind::Kubernetes, None | Some(Identity::ServiceAccount { .. })) => None,
        (SessionKind::Kubernetes, Some(_)) => form("`NAMESPACE/NAME`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_rule_and_no_rule_contradicts_itself() {
        for name in SessionKind::NAMES {
            let rules = RULES.iter().filter(|rule| rule.kind.name() == name).count();
            assert_eq!(rules, 1, "{name}");
        }
        for rule in &RULES {
            for setting in rule.needs {
                assert!(!rule.takes.iter().any(|taken| std::ptr::eq(*taken, *setting)), "{}", setting.key);
            }
        }
        assert!(takes(SessionKind::Gcp, &super::super::schema::TIMEOUT));
        assert!(takes(SessionKind::File, &SOURCE_FILE) && !takes(SessionKind::Gcp, &SOURCE_FILE));
    }
}
