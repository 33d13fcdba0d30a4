//! What a set-up shows: what to register, and what the provider supports.

use serde_json::{Value, json};

use crate::oidc::authorization::scopes_to_request;
use crate::oidc::metadata::ProviderMetadata;
use crate::settings::Settings;
use crate::ui::foreign;
use crate::ui::report::{Mark, Row, Section};
use crate::vendor::issuer::{Issuer, Issuers};
use crate::vendor::recipe::{Known, People, Recipe};

/// What to register, what to `take` from there, and what looks right and is not.
pub fn registration(recipe: &Recipe, known: &Known, take: Vec<Row>) -> Vec<Section> {
    let console = match recipe.console {
        "" => String::new(),
        console => format!(", {console}"),
    };
    let (mut to_do, mut given) = (Vec::new(), Vec::new());
    for (step, value) in known.steps(recipe) {
        let place = step.place.filter(|place| !place.is_empty()).map(|place| format!("in {place}"));
        let note = (!step.note.is_empty()).then(|| step.note.to_owned());
        let row = place.into_iter().chain(note).fold(Row::new(None, step.field, value), Row::note);
        if step.place.is_some() { to_do.push(row) } else { given.push(row) }
    }
    let pitfalls = recipe.pitfalls.iter().map(|(what, why)| Row::new(None, *what, *why)).collect();
    let sections = [
        (format!("Register at {}{console}", recipe.product), to_do),
        ("So from the start".to_owned(), given),
        ("Take from there".to_owned(), take),
        ("What looks right and is not".to_owned(), pitfalls),
    ];
    let sections = sections.into_iter().filter(|(_, rows)| !rows.is_empty());
    sections.map(|(heading, rows)| Section { heading, rows }).collect()
}

/// What an issuer is made of, and where that is.
pub fn issuer_to_take(issuers: &Issuers) -> Vec<Row> {
    if issuers.pieces.is_empty() {
        let row = Row::new(None, "issuer", issuers.template.unwrap_or(issuers.place));
        return vec![if issuers.template.is_some() { row.note(issuers.place) } else { row }];
    }
    let pieces = issuers.pieces.iter().map(|piece| {
        Row::new(None, piece.name, piece.place).note(format!("`{} {}`", piece.flag, placeholder(piece.flag)))
    });
    pieces.chain([Row::new(None, "or the issuer", issuers.place)]).collect()
}

/// The same for programs: what to register.
pub fn registration_object(recipe: &Recipe, known: &Known) -> Value {
    let text = |text: &'static str| (!text.is_empty()).then_some(text);
    let steps = known.steps(recipe).into_iter().map(|(step, value)| {
        json!({
            "field": step.field,
            "value": value,
            "place": step.place.and_then(text),
            "given": step.place.is_none(),
            "note": text(step.note),
        })
    });
    Value::Array(steps.collect())
}

/// What stands for a value in a command.
pub fn placeholder(flag: &str) -> &'static str {
    match flag {
        "--domain" => "DOMAIN",
        "--region" => "REGION",
        "--base-url" => "URL",
        "--realm" => "REALM",
        _ => "ID",
    }
}

/// The scopes that a sign-in would ask this provider for.
pub fn scopes(settings: &Settings, provider: &ProviderMetadata) -> Vec<String> {
    scopes_to_request(&settings.scopes.list, settings.scopes.is_default, provider)
}

/// What the provider says of itself, as far as sign-ins for MongoDB need it. That its metadata are usable at all has been
/// judged before.
pub fn checks(
    people: &People,
    issuer: &Issuer,
    provider: &ProviderMetadata,
    settings: &Settings,
    scopes: &[String],
) -> Vec<Row> {
    let mut rows = vec![named(issuer)];
    rows.push(match (provider.pkce_promised, people.pkce_is_unsaid) {
        (true, _) => Row::new(Mark::Ok, "PKCE", "S256"),
        (false, true) => Row::new(Mark::Ok, "PKCE", "S256, though its metadata do not say so"),
        (false, false) => Row::new(Mark::Warn, "PKCE", "not said; the first sign-in will show whether it takes S256"),
    });
    rows.push(refresh(provider, scopes));
    rows.push(match &provider.device_authorization_endpoint {
        Some(_) => Row::new(Mark::Ok, "device code", "offered; whether to this application is a setting there"),
        None => Row::new(Mark::Skip, "device code", "not offered: people need a browser to sign in"),
    });
    rows.push(match &provider.revocation_endpoint {
        Some(_) => Row::new(Mark::Ok, "revocation", "`mdb-login logout` ends a session there, too"),
        None => Row::new(Mark::Skip, "revocation", "not offered: `mdb-login logout` ends a session here alone"),
    });
    rows.push(scope_row(people, provider, settings, scopes));
    if people.wants_secret && settings.client_secret.is_none() {
        let why = format!("{} wants to see one: `--client-secret-file PATH`", people.recipe.product);
        rows.push(Row::new(Mark::Warn, "client secret", why));
    }
    if let Some((name, host)) = provider.endpoint_elsewhere(&settings.endpoint_hosts) {
        let text = format!("`{name}` is on `{}`", foreign(&host));
        rows.push(Row::new(Mark::Warn, "endpoints", text).note(
            "whoever signs in with a connection string alone has to name that host: `endpoint_host` in a profile",
        ));
    }
    rows
}

/// The issuer, whose metadata have named it.
pub fn named(issuer: &Issuer) -> Row {
    let row = Row::new(Mark::Ok, "issuer", foreign(&issuer.issuer)).note("its metadata name it exactly so");
    match &issuer.made_of {
        Some(made_of) => row.note(format!("made of {}", foreign(made_of))),
        None => row,
    }
}

fn refresh(provider: &ProviderMetadata, scopes: &[String]) -> Row {
    const LABEL: &str = "refresh token";
    let has_grant = |grants: &Vec<String>| grants.iter().any(|grant| grant == "refresh_token");
    if provider.grant_types_supported.as_ref().is_some_and(|grants| !has_grant(grants)) {
        return Row::new(Mark::Warn, LABEL, "not offered: people sign in again whenever their token has expired");
    }
    if scopes.iter().any(|scope| scope == "offline_access") {
        return Row::new(Mark::Ok, LABEL, "with the scope `offline_access`");
    }
    Row::new(Mark::Warn, LABEL, "not with the scope `offline_access`, which it does not have")
        .note("whether there is one is a setting of the application")
}

fn scope_row(people: &People, provider: &ProviderMetadata, settings: &Settings, scopes: &[String]) -> Row {
    // Those of applications are on nobody's list.
    let own: Vec<String> = people
        .scopes
        .iter()
        .map(|scope| crate::vendor::recipe::fill(scope, &[("client_id", &settings.client_id)]))
        .collect();
    let unknown: Vec<String> = match &provider.scopes_supported {
        Some(supported) => {
            let unknown = scopes.iter().filter(|scope| !supported.contains(scope) && !own.contains(scope));
            unknown.map(|scope| format!("`{}`", foreign(scope))).collect()
        }
        None => Vec::new(),
    };
    let asked = foreign(&scopes.join(" "));
    if unknown.is_empty() {
        return Row::new(Mark::Ok, "scopes", asked);
    }
    Row::new(Mark::Warn, "scopes", asked).note(format!("not on its list: {}", unknown.join(", ")))
}

/// The same for programs.
pub fn checks_object(rows: &[Row]) -> Value {
    let row = |row: &Row| json!({ "check": row.label, "result": row.mark.map(Mark::name), "text": row.text, "notes": row.notes });
    Value::Array(rows.iter().map(row).collect())
}
