//! What a MongoDB server says about its identity provider, from a stranger's word to something to go by.
//!
//! Shown and accepted once, by a person; remembered; and compared whenever the server is asked again. A server could
//! otherwise send people to a provider of its own, and be given tokens that are good elsewhere.

use std::collections::BTreeSet;

use super::Session;
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::event_loop::block_on;
use crate::mongo::client::{IdpInfo, Target};
use crate::mongo::hosts::{self, Trust};
use crate::mongo::uri::Uri;
use crate::oidc::metadata::ProviderMetadata;
use crate::settings::{Origin, Settings, check_pin, dirs};
use crate::store::pins::{self, Pin};
use crate::ui::{Ui, foreign, shell_quoted};

/// Who accepts what a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The person at the terminal; where there is none, nobody.
    Ask,
    /// A flag of the command line.
    Given,
}

/// Asks the server that `settings` name, and nobody else.
pub fn discover(settings: &Settings, uri: &Uri) -> Result<IdpInfo> {
    block_on(target(settings, uri).discover())?
}

/// That tokens may go where `uri` leads to, as these settings have it.
pub fn check_hosts(settings: &Settings, uri: &Uri) -> Result<()> {
    let trust = trust_of(settings);
    // The name of the records, too: whoever owns it decides, each time anew, where they lead.
    hosts::check(uri, &uri.names(), trust)?;
    if uri.is_srv() { block_on(target(settings, uri).check_records(trust))? } else { Ok(()) }
}

/// What tokens may be given to.
pub fn trust_of(settings: &Settings) -> Trust<'_> {
    Trust { hosts: &settings.allowed_hosts, insecure: settings.insecure_server }
}

/// The server of these settings as the driver needs to know it.
pub fn target<'a>(settings: &'a Settings, uri: &'a Uri) -> Target<'a> {
    Target { uri, ca_file: settings.ca_file.as_deref(), timeout: settings.http_timeout }
}

/// Before a sign-in: makes sure that the provider, where only the server names it, is one that the person has accepted.
///
/// # Errors
/// `Kind::RuleBroken` where the server says another thing than what was accepted; `Kind::LoginRequired` where nobody can be
/// asked; `Kind::Denied` where the person says no.
pub fn learn(settings: &Settings, consent: Consent, ui: &Ui) -> Result<()> {
    let Some(uri) = settings.uri.as_ref().filter(|_| !settings.kind.is_program()) else { return Ok(()) };
    let named_otherwise = |key| !matches!(settings.origin(key), Origin::Server | Origin::BuiltIn);
    if named_otherwise("issuer") && named_otherwise("client_id") {
        return Ok(());
    }
    let accepted = accepted(uri)?;
    let pin = match (discover(settings, uri), &accepted) {
        (Ok(info), _) => pin(uri, &info)?,
        // The sign-in is at the provider, and who that is has been settled.
        (Err(error), Some(_)) if error.kind().retryable() => {
            ui.warn(format!(
                "the server could not be asked whether its provider is still the same: {}",
                error.message()
            ));
            return Ok(());
        }
        (Err(error), _) => return Err(error),
    };
    match standing(uri, accepted.as_ref(), &pin) {
        Standing::Accepted => Ok(()),
        Standing::Changed(error) => Err(error),
        Standing::New => accept(uri, &pin, None, consent, settings.insecure_server, ui),
    }
}

/// What a server says now, held against what the person has accepted of it.
pub enum Standing {
    /// Nothing has been accepted yet.
    New,
    Accepted,
    /// Something else has been accepted. `Kind::RuleBroken`, with both side by side.
    Changed(Error),
}

/// Where `pin` stands, which the server has just said.
pub fn standing(uri: &Uri, accepted: Option<&Pin>, pin: &Pin) -> Standing {
    match accepted {
        None => Standing::New,
        Some(accepted) if same(accepted, pin) => Standing::Accepted,
        Some(accepted) => Standing::Changed(changed(uri, accepted, pin)),
    }
}

/// Asks the server again, and puts what it says in place of what was accepted, if the person agrees.
pub fn trust(settings: &Settings, uri: &Uri, consent: Consent, ui: &Ui) -> Result<Pin> {
    let accepted = accepted(uri)?;
    let pin = pin(uri, &discover(settings, uri)?)?;
    if !accepted.as_ref().is_some_and(|accepted| same(accepted, &pin)) {
        accept(uri, &pin, accepted.as_ref(), consent, settings.insecure_server, ui)?;
    }
    Ok(pin)
}

impl Session<'_> {
    /// That a provider which only a server has named is in one piece: a rogue server could otherwise pair the sign-in page
    /// that everybody knows with a token endpoint of its own. Of a provider that the person has configured, its own
    /// metadata is believed.
    pub(super) fn check_endpoints(&self, provider: &ProviderMetadata) -> Result<()> {
        if *self.settings.origin("issuer") != Origin::Server {
            return Ok(());
        }
        let Some((name, host)) = provider.endpoint_elsewhere(&self.settings.endpoint_hosts) else { return Ok(()) };
        let (host, issuer) = (foreign(&host), foreign(&provider.issuer));
        Err(Error::new(Kind::RuleBroken, format!("`{name}` is on `{host}`, and the issuer is `{issuer}`"))
            .because_of(
                "nobody but the MongoDB server has named this provider, so it must have everything in one place",
            )
            .hint(format!(
                "if this is right, set `endpoint_host` in the profile, or `MDB_LOGIN_ENDPOINT_HOST={}`",
                shell_quoted(&host)
            )))
    }
}

/// What the person has accepted of this server, for the user name of the connection string.
pub fn accepted(uri: &Uri) -> Result<Option<Pin>> {
    pins::read(&dirs::state_dir()?, &uri.server(), uri.user().as_deref())
}

/// Judges the server's answer, before anybody is asked to accept it and before anything in it is contacted.
pub fn pin(uri: &Uri, info: &IdpInfo) -> Result<Pin> {
    let server = foreign(&uri.server());
    let Some(client_id) = info.client_id.clone() else {
        return Err(Error::new(Kind::Denied, format!("`{server}` takes tokens of programs only"))
            .because_of("it names no client id with which a person could sign in"));
    };
    let pin = Pin {
        server: uri.server(),
        user: uri.user(),
        uri: uri.text(),
        issuer: info.issuer.clone(),
        client_id,
        request_scopes: info.request_scopes.clone(),
        accepted_at: unix_now(),
    };
    check_pin(&pin)?;
    Ok(pin)
}

fn same(a: &Pin, b: &Pin) -> bool {
    let scopes = |pin: &Pin| pin.request_scopes.iter().cloned().collect::<BTreeSet<_>>();
    (&a.issuer, &a.client_id, scopes(a)) == (&b.issuer, &b.client_id, scopes(b))
}

fn accept(uri: &Uri, pin: &Pin, before: Option<&Pin>, consent: Consent, insecure: bool, ui: &Ui) -> Result<()> {
    let server = foreign(&uri.server());
    let quoted = shell_quoted(&uri.text());
    let open_to_all = hosts::is_open_to_all(uri);
    if consent == Consent::Given && open_to_all && !insecure {
        return Err(Error::new(Kind::RuleBroken, format!("`{server}` cannot be taken at its word unseen"))
            .because_of(
                "the connection does not prove who the server is, so anybody on the way could have named the provider",
            )
            .hint("add `tls=true` to the connection string, or run the same at a terminal and look at what it says"));
    }
    if consent == Consent::Ask {
        if !ui.can_ask() {
            let (what, first, script) = match before {
                Some(_) => ("nobody has accepted the other provider that", "profile trust", "--yes"),
                None => ("nobody has accepted the provider that", "login", "--trust-server"),
            };
            return Err(Error::new(Kind::LoginRequired, format!("{what} `{server}` names"))
                .because_of(format!("it says: {}", one_line(pin)))
                .hint(format!("run `mdb-login {first} {quoted}` at a terminal"))
                .hint(format!("in a script, if you know that it is right: add `{script}`")));
        }
        if open_to_all {
            ui.warn("the connection does not prove who the server is: anybody on the way could have said what follows");
        }
        match before {
            Some(before) => ui.tell(format!("`{server}` names another provider now\n{}", side_by_side(before, pin))),
            None => ui.tell(format!("`{server}` says that people sign in with this provider\n{}", table(pin))),
        }
        if !ui.confirm("is this your company's provider, and do you want to go there?")? {
            return Err(Error::new(Kind::Denied, "the server's provider was not accepted, and nothing was stored"));
        }
    }
    pins::write(&dirs::state_dir()?, pin)
}

fn changed(uri: &Uri, accepted: &Pin, pin: &Pin) -> Error {
    let server = foreign(&uri.server());
    Error::new(Kind::RuleBroken, format!("`{server}` names another provider than the one that you accepted"))
        .because_of(format!("accepted: {}", one_line(accepted)))
        .because_of(format!("now:      {}", one_line(pin)))
        .hint("ask whoever runs the server whether this is right; a server that has been taken over would do the same")
        .hint(format!("if it is: run `mdb-login profile trust {}`", shell_quoted(&uri.text())))
}

fn one_line(pin: &Pin) -> String {
    let (issuer, client_id) = (foreign(&pin.issuer), foreign(&pin.client_id));
    format!("issuer `{issuer}`, client id `{client_id}`, scopes {}", shown_scopes(&pin.request_scopes))
}

/// The scopes that a server names beyond the usual ones, as they are shown.
pub fn shown_scopes(scopes: &[String]) -> String {
    if scopes.is_empty() { "none of its own".to_owned() } else { foreign(&scopes.join(" ")) }
}

fn rows(pin: &Pin) -> [(&'static str, String); 3] {
    [
        ("issuer", foreign(&pin.issuer)),
        ("client id", foreign(&pin.client_id)),
        ("scopes", shown_scopes(&pin.request_scopes)),
    ]
}

fn table(pin: &Pin) -> String {
    rows(pin).iter().map(|(name, value)| format!("  {name:<10} {value}")).collect::<Vec<_>>().join("\n")
}

fn side_by_side(before: &Pin, after: &Pin) -> String {
    let row = |((name, old), (_, new)): (&(&str, String), &(&str, String))| {
        let mark = if old == new { ' ' } else { '!' };
        format!("{mark} {name:<10} accepted  {old}\n{mark} {:<10} now       {new}", "")
    };
    rows(before).iter().zip(&rows(after)).map(row).collect::<Vec<_>>().join("\n")
}
