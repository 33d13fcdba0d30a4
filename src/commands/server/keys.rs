//! `mdb-login server keys`: which keys of the identity providers each node has, and to have them loaded anew.

use serde_json::{Value, json};

use crate::cli::KeysArgs;
use crate::error::{Error, Kind, Result};
use crate::mongo::client::keys::{Answer, JsonWebKey, KeySets, Keys, Node, Reload};
use crate::session::{Session, meant};
use crate::settings::Request;
use crate::ui::report::{Mark, Page, Row, Section, report};
use crate::ui::{Ui, foreign};

/// What whoever rotates keys should have read. Servers fetch the set again by themselves when a key in it is unknown.
const WARNING: &str = "this is not for the ordinary rotation of keys, which servers notice by themselves: whoever is signed in with \
                       a key that the provider has withdrawn is thrown out, and programs may have to be started again";

/// Prints what each node has, and fails with the first node's fault.
pub fn run(args: &KeysArgs, request: &Request, ui: &Ui) -> Result<()> {
    let settings = meant::settings_to_connect(request, &[], &|uri| format!("server keys {uri}"))?;
    let uri = settings.required_uri()?;
    let session = Session::new(&settings, ui)?;
    let reload = match (args.refresh, args.invalidate) {
        (_, true) => Some(Reload::OrDrop),
        (true, _) => Some(Reload::OrKeep),
        _ => None,
    };
    if let Some(reload) = reload {
        agree(reload, args.yes, &foreign(&uri.server()), ui)?;
    }
    let nodes = session.keys_of_nodes(uri, reload)?;
    if ui.json {
        ui.object(json!({ "refreshed": reload.is_some(), "nodes": nodes.iter().map(object).collect::<Vec<_>>() }))?;
    } else {
        let sections: Vec<Section> = nodes.iter().map(section).collect();
        ui.data(report(&sections, Page::of_stdout()).as_bytes())?;
    }
    nodes.into_iter().find_map(|node| fault(node, reload.is_some())).map_or(Ok(()), Err)
}

fn agree(reload: Reload, yes: bool, server: &str, ui: &Ui) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !ui.can_ask() {
        return Err(Error::new(
            Kind::LoginRequired,
            format!("nobody has agreed that the nodes of `{server}` load their keys anew"),
        )
        .because_of(WARNING)
        .hint("run it at a terminal, or add `--yes`"));
    }
    ui.warn(WARNING);
    let or_drop = if reload == Reload::OrDrop { ", and drop those of a provider that does not answer" } else { "" };
    if ui.confirm(&format!("shall the nodes of `{server}` load the keys of their providers anew{or_drop}?"))? {
        return Ok(());
    }
    Err(Error::new(Kind::Denied, "nothing was loaded anew"))
}

/// A node that was left out keeps nobody from looking at the others; one that keeps withdrawn keys is a failure.
fn fault(node: Node, reload: bool) -> Option<Error> {
    match node.answer {
        Answer::Keys(keys) => keys.fault,
        Answer::Failed(error) => Some(error),
        Answer::LeftOut(error) => reload.then_some(error),
    }
}

fn section(node: &Node) -> Section {
    let trouble = |mark, error: &Error| {
        let row = Row::new(mark, mark_label(mark), error.message());
        error.causes().iter().chain(error.hints()).fold(row, Row::note)
    };
    let rows = match &node.answer {
        Answer::Keys(keys) => {
            let fault = keys.fault.iter().map(|fault| trouble(Mark::Fail, fault));
            issuers(keys).into_iter().chain(fault).collect()
        }
        Answer::Failed(error) => vec![trouble(Mark::Fail, error)],
        Answer::LeftOut(error) => vec![trouble(Mark::Skip, error)],
    };
    Section { heading: foreign(&node.address), rows }
}

fn mark_label(mark: Mark) -> &'static str {
    if mark == Mark::Skip { "not asked" } else { "failed" }
}

fn issuers(keys: &Keys) -> Vec<Row> {
    if keys.now.is_empty() {
        return vec![Row::new(Mark::Skip, "issuer", "none: the server trusts no identity provider")];
    }
    let mut rows = Vec::new();
    for (issuer, set) in &keys.now {
        let mark = if set.is_empty() { Mark::Skip } else { Mark::Ok };
        let row = Row::new(mark, "issuer", foreign(issuer));
        rows.push(if set.is_empty() { row.note("no key yet: they are loaded when a token comes") } else { row });
        let change = change(keys.before.as_ref(), issuer, set);
        rows.extend(set.iter().map(|key| {
            let new = if change.added.contains(&key) { "new: " } else { "" };
            Row::new(None, "key", format!("{new}{}", shown(key)))
        }));
        rows.extend(change.removed.iter().map(|key| Row::new(None, "gone", shown(key))));
    }
    rows
}

fn shown(key: &JsonWebKey) -> String {
    let alg = key.alg.as_ref().map(|alg| format!(" {}", foreign(alg))).unwrap_or_default();
    format!("{}, {}{alg}", foreign(&key.kid), foreign(&key.kty))
}

/// What is in one set and not in the other; a key with the same name and another value is both.
struct Change<'a> {
    added: Vec<&'a JsonWebKey>,
    removed: Vec<&'a JsonWebKey>,
}

fn change<'a>(before: Option<&'a KeySets>, issuer: &str, now: &'a [JsonWebKey]) -> Change<'a> {
    let Some(before) = before else { return Change { added: Vec::new(), removed: Vec::new() } };
    let before = before.get(issuer).map(Vec::as_slice).unwrap_or_default();
    let without =
        |keys: &'a [JsonWebKey], others: &[JsonWebKey]| keys.iter().filter(|key| !others.contains(key)).collect();
    Change { added: without(now, before), removed: without(before, now) }
}

fn object(node: &Node) -> Value {
    let (state, keys, error) = match &node.answer {
        Answer::Keys(keys) if keys.fault.is_none() => ("ok", Some(keys), None),
        Answer::Keys(keys) => ("failed", Some(keys), keys.fault.as_ref()),
        Answer::Failed(error) => ("failed", None, Some(error)),
        Answer::LeftOut(error) => ("left_out", None, Some(error)),
    };
    let names = |keys: &[&JsonWebKey]| keys.iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
    let set = |keys: &Keys, issuer: &String, set: &Vec<JsonWebKey>| {
        let change = change(keys.before.as_ref(), issuer, set);
        let each = |key: &JsonWebKey| json!({ "kid": key.kid, "kty": key.kty, "alg": key.alg });
        json!({
            "issuer": issuer,
            "keys": set.iter().map(each).collect::<Vec<_>>(),
            "added": names(&change.added),
            "removed": names(&change.removed),
        })
    };
    let sets = keys.map(|keys| keys.now.iter().map(|(issuer, list)| set(keys, issuer, list)).collect::<Vec<_>>());
    json!({
        "address": node.address,
        "state": state,
        "key_sets": sets.unwrap_or_default(),
        "error": error.map(|error| json!({
            "code": error.kind().name(), "message": error.message(), "causes": error.causes(), "hints": error.hints(),
        })),
    })
}
