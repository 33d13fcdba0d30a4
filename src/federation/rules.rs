//! Whether identity providers are right, each by itself and beside the others: the manual's rules, and what is known of
//! the companies' providers.

use std::net::IpAddr;

use url::Url;

use super::entry::Entry;
use super::fields::{
    AUDIENCE, AUTH_NAME_PREFIX, AUTHORIZATION_CLAIM, CLIENT_ID, ISSUER, JWKS_POLL_SECS, LOG_CLAIMS, MATCH_PATTERN,
    PRINCIPAL_NAME, REQUEST_SCOPES, SERVER_CA_FILE, SUPPORTS_HUMAN_FLOWS,
};
use super::release::Release;
use super::tree::{Entry as Member, Finding, Node, Position, Value};
use super::yaml;
use crate::ui::foreign;
use crate::vendor::Vendor;

/// Judges the entries. `test_commands` is the parameter `enableTestCommands`: a server then takes an issuer without TLS on
/// its own machine.
pub(super) fn judge(entries: &[Entry<'_>], release: Release, test_commands: bool, findings: &mut Vec<Finding>) {
    for entry in entries {
        judge_texts(entry, findings);
        if let (Some(issuer), Some(node)) = (entry.text(ISSUER), entry.node(ISSUER)) {
            judge_issuer(entry, issuer, node.at, test_commands, findings);
        }
        judge_prefix(entry, findings);
        judge_scopes(entry, findings);
        judge_pattern(entry, findings);
        judge_combinations(entry, findings);
        entry.judge_release(release, findings);
    }
    judge_issuers_together(entries, release, findings);
    judge_prefixes_together(entries, findings);
    judge_choice(entries, findings);
}

/// Nothing that has to equal something else may be empty, or have blanks around it that nobody sees.
fn judge_texts(entry: &Entry<'_>, findings: &mut Vec<Finding>) {
    for field in [ISSUER, AUDIENCE, AUTH_NAME_PREFIX, CLIENT_ID, PRINCIPAL_NAME, AUTHORIZATION_CLAIM] {
        let (Some(text), Some(node)) = (entry.text(field), entry.node(field)) else { continue };
        if text.is_empty() {
            findings.push(Finding::fail(node.at, entry.path_to(field), "is empty"));
        } else if text.trim() != text {
            let message = "begins or ends with a blank, and is compared as it stands";
            findings.push(Finding::fail(node.at, entry.path_to(field), message).hint("leave the blank out"));
        }
    }
    for field in [REQUEST_SCOPES, LOG_CLAIMS] {
        for (index, item) in entry.texts(field).unwrap_or_default().iter().enumerate() {
            if item.text() == Some("") {
                findings.push(Finding::fail(item.at, format!("{}[{index}]", entry.path_to(field)), "is empty"));
            }
        }
    }
}

fn judge_issuer(entry: &Entry<'_>, issuer: &str, at: Position, test_commands: bool, findings: &mut Vec<Finding>) {
    let path = || entry.path_to(ISSUER);
    if issuer.trim() != issuer || issuer.is_empty() {
        return;
    }
    let Ok(url) = Url::parse(issuer) else {
        findings.push(
            Finding::fail(at, path(), "must be an `https` URL")
                .hint("take `issuer` from the provider's discovery document"),
        );
        return;
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) && test_commands => {}
        "http" if is_loopback(&url) => {
            let message =
                "an issuer without TLS is taken on this machine only, and only with the parameter `enableTestCommands`";
            findings.push(Finding::fail(at, path(), message));
            return;
        }
        _ => {
            findings.push(Finding::fail(at, path(), "must be an `https` URL"));
            return;
        }
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        let message = "an issuer has no user name, no query and no fragment (OpenID Connect Discovery 1.0 §2)";
        findings.push(Finding::fail(at, path(), message));
        return;
    }
    if let Some((before, _)) = issuer.split_once("/.well-known/") {
        let finding = Finding::fail(at, path(), "this is the address of the discovery document, not the issuer");
        findings.push(
            finding.hint(format!("the issuer is probably `{}`; the document has it as `issuer`", foreign(before))),
        );
        return;
    }
    judge_vendor(entry, &url, issuer, at, findings);
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// What `iss` is at the large providers: an issuer that is nearly right is refused as one that is wrong, and without a word.
fn judge_vendor(entry: &Entry<'_>, url: &Url, issuer: &str, at: Position, findings: &mut Vec<Finding>) {
    let path = || entry.path_to(ISSUER);
    let parts: Vec<&str> = url.path().split('/').skip(1).collect();
    match (Vendor::of(issuer), url.host_str().unwrap_or_default()) {
        (Vendor::Entra, "sts.windows.net") => {
            if !issuer.ends_with('/') {
                findings.push(
                    Finding::fail(at, path(), "Entra ID's tokens of version 1 have a `/` at the end of `iss`")
                        .hint(format!("write `{}/`", foreign(issuer))),
                );
            } else if entry.is_human() {
                let finding = Finding::warn(at, path(), "this is the issuer of Entra ID's tokens of version 1");
                findings.push(finding.hint(format!(
                    "for people set `requestedAccessTokenVersion` to 2 in the application's manifest, and the issuer to `https://login.microsoftonline.com/{}/v2.0`",
                    foreign(parts.first().copied().unwrap_or_default())
                )));
            }
        }
        (Vendor::Entra, host) if host.starts_with("login.") => judge_entra(entry, host, &parts, at, findings),
        (Vendor::Okta, _) if matches!(url.path(), "" | "/") => {
            let message =
                "tokens of Okta's org authorization server are for Okta alone: other servers cannot verify them";
            let finding = Finding::warn(at, path(), message);
            findings.push(finding.hint(format!(
                "name a custom authorization server, such as `{}/oauth2/default`",
                foreign(issuer.trim_end_matches('/'))
            )));
        }
        (Vendor::Auth0, _) if url.path() == "/" && !issuer.ends_with('/') => {
            let finding = Finding::warn(at, path(), "Auth0's tokens have a `/` at the end of `iss`");
            findings.push(finding.hint(format!("write `{}/`", foreign(issuer))));
        }
        (Vendor::Google, _) if issuer.ends_with('/') => {
            let finding = Finding::warn(at, path(), "Google's tokens have no `/` at the end of `iss`");
            findings.push(finding.hint(format!("write `{}`", foreign(issuer.trim_end_matches('/')))));
        }
        _ => {}
    }
}

/// `https://login.microsoftonline.com/<tenant id>/v2.0`, and nothing near it.
fn judge_entra(entry: &Entry<'_>, host: &str, parts: &[&str], at: Position, findings: &mut Vec<Finding>) {
    let tenant = parts.first().copied().unwrap_or_default();
    let is_id = tenant.len() == 36 && tenant.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let shown = if is_id { tenant } else { "TENANT_ID" };
    let fail = |message: &str| {
        let finding = Finding::fail(at, entry.path_to(ISSUER), message);
        finding.hint(format!("write `https://{host}/{shown}/v2.0`, without a `/` at its end"))
    };
    if matches!(tenant, "common" | "organizations" | "consumers") {
        findings.push(fail("no token has this issuer: Entra ID puts the id of the tenant into `iss`"));
    } else if !is_id {
        findings.push(fail("Entra ID's tokens name the tenant in `iss` by its id, not by a domain"));
    } else if parts.get(1..) != Some(&["v2.0"]) {
        findings.push(fail("Entra ID's tokens of version 2 have `/v2.0` at the end of `iss`, and nothing behind it"));
    }
}

fn judge_prefix(entry: &Entry<'_>, findings: &mut Vec<Finding>) {
    let (Some(prefix), Some(node)) = (entry.text(AUTH_NAME_PREFIX), entry.node(AUTH_NAME_PREFIX)) else { return };
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if prefix.trim() == prefix
        && let Some(bad) = prefix.chars().find(|c| !good(*c))
    {
        let message = format!(
            "`{}` is not allowed in it: letters and digits of ASCII, `-` and `_` are",
            foreign(&bad.to_string())
        );
        findings.push(Finding::fail(node.at, entry.path_to(AUTH_NAME_PREFIX), message));
    }
}

fn judge_scopes(entry: &Entry<'_>, findings: &mut Vec<Finding>) {
    let scopes = entry.texts(REQUEST_SCOPES).unwrap_or_default();
    for (index, item) in scopes.iter().enumerate() {
        if item.text().is_some_and(|scope| scope.contains(char::is_whitespace)) {
            let path = format!("{}[{index}]", entry.path_to(REQUEST_SCOPES));
            findings.push(
                Finding::warn(item.at, path, "a scope has no blanks in it").hint("make each scope a string of its own"),
            );
        }
    }
    let own = |scope: &Node| !matches!(scope.text(), Some("openid" | "offline_access" | "profile" | "email"));
    let is_entra = entry.text(ISSUER).is_some_and(|issuer| Vendor::of(issuer) == Vendor::Entra);
    if let (true, true, Some(client)) = (is_entra, entry.is_human(), entry.text(CLIENT_ID))
        && !scopes.iter().any(own)
    {
        let name = entry.path_to(REQUEST_SCOPES);
        let at = entry.node(REQUEST_SCOPES).map_or(entry.at, |node| node.at);
        let finding = Finding::warn(
            at,
            name,
            "Entra ID gives a token for Microsoft Graph to whoever asks for no scope of an application",
        );
        findings.push(finding.hint(format!("add the scope `{}/.default`", foreign(client))));
    }
}

/// A pattern that no dialect of regular expressions takes is refused; one that only some take is a matter of the server.
fn judge_pattern(entry: &Entry<'_>, findings: &mut Vec<Finding>) {
    let (Some(pattern), Some(node)) = (entry.text(MATCH_PATTERN), entry.node(MATCH_PATTERN)) else { return };
    let Err(error) = regress::Regex::new(pattern) else { return };
    let path = entry.path_to(MATCH_PATTERN);
    let inline = pattern
        .strip_prefix("(?")
        .and_then(|rest| rest.split_once(')'))
        .filter(|(flags, _)| !flags.is_empty() && flags.chars().all(|c| matches!(c, 'i' | 'm' | 's' | 'x')));
    if inline.is_some_and(|(_, rest)| regress::Regex::new(rest).is_ok()) {
        let finding =
            Finding::warn(node.at, path, "Percona Server for MongoDB refuses flags in a pattern, such as `(?i)`");
        findings.push(finding.hint("write both cases: `[Cc]orp`"));
        return;
    }
    let why = foreign(&error.text).to_lowercase();
    findings.push(Finding::fail(node.at, path, format!("is no regular expression: {why}")));
}

fn judge_combinations(entry: &Entry<'_>, findings: &mut Vec<Finding>) {
    if let (false, Some(node)) = (entry.uses_claim(), entry.node(AUTHORIZATION_CLAIM)) {
        let message = "is not used: roles are those of the user in `$external`";
        findings.push(Finding::warn(node.at, entry.path_to(AUTHORIZATION_CLAIM), message).hint("leave it out"));
    }
    if let Some(node) = entry.node(SERVER_CA_FILE) {
        let message = "only Percona Server for MongoDB knows this field; MongoDB's own refuses to start";
        let finding = Finding::warn(node.at, entry.path_to(SERVER_CA_FILE), message);
        findings.push(
            finding.hint("MongoDB's server trusts the system's certificate authorities: add the company's there"),
        );
    }
}

/// Pairs of an earlier and a later entry with the same issuer.
fn judge_issuers_together(entries: &[Entry<'_>], release: Release, findings: &mut Vec<Finding>) {
    for (index, entry) in entries.iter().enumerate() {
        let Some(issuer) = entry.text(ISSUER) else { continue };
        let same: Vec<_> = entries.iter().take(index).filter(|earlier| earlier.text(ISSUER) == Some(issuer)).collect();
        let Some(first) = same.first() else { continue };
        let place = |field| entry.node(field).map_or(entry.at, |node| node.at);
        if let Some(earlier) = same
            .iter()
            .find(|earlier| earlier.text(AUDIENCE).is_some() && earlier.text(AUDIENCE) == entry.text(AUDIENCE))
        {
            let message = format!("`{}` has the same issuer and the same audience", earlier.path);
            findings.push(
                Finding::fail(place(AUDIENCE), entry.path_to(AUDIENCE), message)
                    .hint("entries of one issuer need an audience of their own each"),
            );
        } else if !release.has(&[Release::new(8, 0, 0)]) {
            let message = format!("`{}` has the same issuer, which is allowed from MongoDB 8.0 on", first.path);
            findings.push(if release.is_of(7, 0) || release.is_of(7, 3) {
                let finding = Finding::warn(place(ISSUER), entry.path_to(ISSUER), message);
                finding.hint(format!(
                    "late releases of {release} are said to allow it as well; try it before you rely on it"
                ))
            } else {
                Finding::fail(place(ISSUER), entry.path_to(ISSUER), message)
            });
        }
        let differs = |other: &Entry<'_>| other.poll_secs().unwrap_or(0) != entry.poll_secs().unwrap_or(0);
        if let Some(earlier) = same.iter().find(|earlier| differs(earlier)) {
            let message = format!(
                "is {}, and {} in `{}`: entries of one issuer have one value",
                entry.poll_secs().unwrap_or(0),
                earlier.poll_secs().unwrap_or(0),
                earlier.path
            );
            findings.push(Finding::fail(place(JWKS_POLL_SECS), entry.path_to(JWKS_POLL_SECS), message));
        }
        let ca_file = |entry: &Entry<'_>| entry.text(SERVER_CA_FILE).unwrap_or_default().to_owned();
        if same.iter().any(|earlier| ca_file(earlier) != ca_file(entry)) {
            let message = "entries of one issuer have one value";
            findings.push(Finding::fail(place(SERVER_CA_FILE), entry.path_to(SERVER_CA_FILE), message));
        }
    }
}

/// The manual calls the prefix unique. Servers start all the same, and one provider's users could be another's.
fn judge_prefixes_together(entries: &[Entry<'_>], findings: &mut Vec<Finding>) {
    for (index, entry) in entries.iter().enumerate() {
        let (Some(prefix), Some(node)) = (entry.text(AUTH_NAME_PREFIX), entry.node(AUTH_NAME_PREFIX)) else { continue };
        let same = |earlier: &&Entry<'_>| earlier.text(AUTH_NAME_PREFIX) == Some(prefix);
        let Some(earlier) = entries.iter().take(index).find(same) else { continue };
        let message = if earlier.text(ISSUER) == entry.text(ISSUER) {
            format!("`{}` has the same prefix", earlier.path)
        } else {
            format!(
                "`{}` has the same prefix: whoever has a name at either provider is the same user here",
                earlier.path
            )
        };
        let finding = Finding::warn(node.at, entry.path_to(AUTH_NAME_PREFIX), message);
        findings.push(finding.hint("give each provider a prefix of its own"));
    }
}

/// How the server chooses among several: by patterns, in order.
fn judge_choice(entries: &[Entry<'_>], findings: &mut Vec<Finding>) {
    let human: Vec<&Entry<'_>> = entries.iter().filter(|entry| entry.is_human()).collect();
    if human.len() > 1 {
        for entry in human.iter().filter(|entry| entry.node(MATCH_PATTERN).is_none()) {
            let pattern = entry.spelling.name(MATCH_PATTERN);
            let switch = entry.spelling.name(SUPPORTS_HUMAN_FLOWS);
            let message = format!("`{pattern}` is missing: with several providers for people each needs one");
            let finding = Finding::fail(entry.at, entry.path.clone(), message);
            findings.push(
                finding.hint(format!(
                    "add one, such as `@example\\\\.com$`, or `{switch}: false` if only programs use it"
                )),
            );
        }
    }
    let mut without: Option<&Entry<'_>> = None;
    for entry in entries {
        match (entry.node(MATCH_PATTERN), without) {
            (None, _) => without = without.or(Some(entry)),
            (Some(node), Some(earlier)) if !earlier.is_human() || human.len() < 2 => {
                let message =
                    format!("Percona Server for MongoDB refuses a pattern behind `{}`, which has none", earlier.path);
                let finding = Finding::warn(node.at, entry.path_to(MATCH_PATTERN), message);
                findings.push(finding.hint("put the entries with patterns first"));
            }
            (Some(_), _) => {}
        }
    }
    judge_reach(&human, findings);
}

/// The first pattern that is found in a user name wins.
fn judge_reach(human: &[&Entry<'_>], findings: &mut Vec<Finding>) {
    for (index, entry) in human.iter().enumerate() {
        let (Some(pattern), Some(node)) = (entry.text(MATCH_PATTERN), entry.node(MATCH_PATTERN)) else { continue };
        let takes_all =
            |pattern: &str| matches!(pattern, "" | ".*" | "^" | "$" | "^.*" | ".*$" | "^.*$" | "." | ".+" | "^.+$");
        let before = human.iter().take(index).find(|earlier| {
            earlier.text(MATCH_PATTERN).is_some_and(|earlier| earlier == pattern || takes_all(earlier))
        });
        if let Some(before) = before {
            let message = format!(
                "is never reached: the pattern of `{}` comes first, and takes every name that fits here",
                before.path
            );
            findings.push(Finding::warn(node.at, entry.path_to(MATCH_PATTERN), message));
        }
    }
}

/// `authenticationMechanisms`: names with commas; in an automation configuration a list.
pub(super) fn judge_mechanisms(member: &Member, findings: &mut Vec<Finding>) {
    let written = yaml::written(&member.node);
    let names: Vec<&str> = match &member.node.value {
        Value::List(items) => items.iter().filter_map(Node::text).collect(),
        _ => written.split(',').collect(),
    };
    let at = member.node.at;
    if names.iter().any(|name| name.trim() != *name) {
        let finding =
            Finding::warn(at, &member.key, "a blank beside a comma belongs to the name that the server looks for");
        findings.push(
            finding.hint(format!(
                "write `{}`",
                foreign(&names.iter().map(|name| name.trim()).collect::<Vec<_>>().join(","))
            )),
        );
    }
    let has = |wanted: &str| names.iter().any(|name| name.trim() == wanted);
    if !has("MONGODB-OIDC") {
        let near = names.iter().find(|name| name.to_ascii_uppercase().replace('_', "-").contains("OIDC"));
        let finding = Finding::fail(at, &member.key, "MONGODB-OIDC is not in it: nobody can sign in with a token");
        findings.push(match near {
            Some(near) => finding.hint(format!("write `MONGODB-OIDC` for `{}`", foreign(near.trim()))),
            None => finding.hint("add `MONGODB-OIDC`"),
        });
    } else if names.len() == 1 {
        let message = "MONGODB-OIDC is the only mechanism: nobody gets in while the provider is away, and MongoDB's agents cannot use it";
        findings.push(Finding::warn(at, &member.key, message).hint("add `SCRAM-SHA-256`, or `MONGODB-X509`"));
    }
}
