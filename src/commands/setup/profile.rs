//! What a set-up puts into a profile: everything that has to do with the provider, and what was typed besides.

use serde_json::{Value, json};

use super::whom::Whom;
use crate::error::{Error, Kind, Result};
use crate::oidc::metadata::ProviderMetadata;
use crate::settings::edit;
use crate::settings::schema::{self, Input, Setting};
use crate::settings::{self, PROOF_SETTINGS, Replaced, Request, SESSION_SETTINGS, SessionKind};
use crate::ui::foreign;
use crate::ui::report::Row;
use crate::vendor::recipe::fill;

pub type Change = edit::Change<'static>;

/// What belongs to a provider, beside issuer and client id: of no use, or worse, with another one. Who signs in stays the
/// same.
fn provider_s() -> impl Iterator<Item = &'static Setting> {
    let kept = [schema::ISSUER.key, schema::CLIENT_ID.key, schema::LOGIN_HINT.key];
    let session = SESSION_SETTINGS.into_iter().filter(move |setting| !kept.contains(&setting.key));
    session.chain(PROOF_SETTINGS).chain([&schema::AUTH_PARAM])
}

/// What a profile is to be for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub whom: Whom,
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub audience: &'a str,
}

/// The changes to profile `name`: what was typed, what the recipe asks for, and where the profile was for another provider
/// or kind, the end of all that belonged to that. Issuer, client id and audience (which is a program's) are left out while
/// they are empty.
pub fn changes(name: &str, wanted: Wanted<'_>, request: &Request) -> Result<Vec<Change>> {
    let Wanted { whom, issuer, client_id, audience } = wanted;
    let mut changes: Vec<Change> = Vec::new();
    if let Whom::Program(_, way) = whom {
        changes.push((&schema::KIND, Some(Input::Text(way.kind.into()))));
    }
    let own = [(&schema::ISSUER, issuer), (&schema::CLIENT_ID, client_id), (&schema::AUDIENCE, audience)];
    for (setting, value) in own {
        if !value.is_empty() {
            changes.push((setting, Some(Input::Text(value.to_owned().into()))));
        }
    }
    let mut add = |setting: &'static Setting, input: Option<Input<'static>>| {
        if !changes.iter().any(|(known, _)| std::ptr::eq(*known, setting)) {
            changes.push((setting, input));
        }
    };
    for (setting, flag, values) in &request.flags {
        let input = setting.shape.read_flag(values);
        let input = input.and_then(|input| setting.stored(owned(input)));
        let input = input.map_err(|reason| Error::new(Kind::Usage, format!("`{flag}` {reason}")))?;
        add(setting, Some(input));
    }
    // Two ways to give one thing.
    if request.flags.iter().any(|(setting, ..)| std::ptr::eq(*setting, &schema::CLIENT_SECRET_FILE)) {
        add(&schema::CLIENT_SECRET_COMMAND, None);
    }
    match whom {
        Whom::People(people) => {
            if !people.scopes.is_empty() && !client_id.is_empty() {
                let usual = schema::SCOPE.default.unwrap_or_default().split(' ').map(str::to_owned);
                let own = people.scopes.iter().map(|scope| fill(scope, &[("client_id", client_id)]));
                add(&schema::SCOPE, Some(Input::List(usual.chain(own).map(Into::into).collect())));
            }
            if people.id_token {
                add(&schema::ID_TOKEN, Some(Input::Switch(true)));
            }
            if !people.auth_params.is_empty() {
                let pairs = people.auth_params.iter().map(|&(name, value)| (name.into(), value.into()));
                add(&schema::AUTH_PARAM, Some(Input::Pairs(pairs.collect())));
            }
        }
        Whom::Program(_, way) if !audience.is_empty() => {
            for (setting, template) in [(&schema::RESOURCE, way.resource), (&schema::SCOPE, way.scope)] {
                let list = template.map(|template| vec![fill(template, &[("audience", audience)]).into()]);
                list.into_iter().for_each(|list| add(setting, Some(Input::List(list))));
            }
        }
        Whom::Program(..) => {}
    }
    let profiles = settings::profiles()?;
    let before = profiles.iter().find(|profile| profile.name == name);
    let is_another = |before: &settings::ProfileSummary| {
        let kind = before.kind.as_deref().unwrap_or(SessionKind::Workforce.name());
        // A program that is no client has no client id to be told by.
        let client_id = whom.is_client().then_some(client_id);
        (before.issuer.as_deref(), before.client_id.as_deref(), kind) != (Some(issuer), client_id, whom.kind())
    };
    if before.is_some_and(is_another) {
        if !whom.is_client() {
            add(&schema::CLIENT_ID, None);
        }
        provider_s().for_each(|setting| add(setting, None));
    }
    Ok(changes)
}

fn owned(input: Input<'_>) -> Input<'static> {
    let own = |text: std::borrow::Cow<'_, str>| std::borrow::Cow::Owned(text.into_owned());
    match input {
        Input::Text(text) => Input::Text(own(text)),
        Input::List(list) => Input::List(list.into_iter().map(own).collect()),
        Input::Pairs(pairs) => Input::Pairs(pairs.into_iter().map(|(name, value)| (own(name), own(value))).collect()),
        Input::Switch(on) => Input::Switch(on),
        Input::Number(number) => Input::Number(number),
    }
}

/// A list of scopes that somebody has written is asked for as it is, so what the recipe adds to the usual ones must not
/// bring one along that the provider refuses.
pub fn without_offline_access(mut changes: Vec<Change>, provider: &ProviderMetadata) -> Vec<Change> {
    const SCOPE: &str = "offline_access";
    let supported = provider.scopes_supported.as_ref();
    if supported.is_some_and(|supported| !supported.iter().any(|scope| scope == SCOPE)) {
        for (setting, input) in &mut changes {
            if let (true, Some(Input::List(scopes))) = (std::ptr::eq(*setting, &schema::SCOPE), input) {
                scopes.retain(|scope| scope != SCOPE);
            }
        }
    }
    changes
}

/// The profile's new values, each with what it was.
pub fn rows(changes: &[Change], replaced: &[Replaced]) -> Vec<Row> {
    let row = |(setting, input): &Change| {
        let before = replaced.iter().find(|replaced| replaced.key == setting.key);
        let row = match (input, before) {
            (Some(input), _) => Row::new(None, setting.key, foreign(&input.to_string())),
            (None, Some(_)) => Row::new(None, setting.key, "(not set any more)"),
            (None, None) => return None,
        };
        Some(match before {
            Some(before) => row.note(format!("was {}", foreign(&before.before))),
            None => row,
        })
    };
    changes.iter().filter_map(row).collect()
}

/// The same for programs, with values as in the environment.
pub fn object(changes: &[Change], replaced: &[Replaced]) -> Value {
    let change = |(setting, input): &Change| {
        let before = replaced.iter().find(|replaced| replaced.key == setting.key).map(|replaced| &replaced.before);
        let after = input.as_ref().map(ToString::to_string);
        (after.is_some() || before.is_some()).then(|| json!({ "key": setting.key, "value": after, "before": before }))
    };
    Value::Array(changes.iter().filter_map(change).collect())
}
