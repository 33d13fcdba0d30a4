//! Which session a command means: what its line and the configuration say, and what a connection string says besides.

use super::server::accepted;
use crate::error::{Error, Kind, Result};
use crate::mongo::uri::Uri;
use crate::settings::{Request, Settings, TARGET, dirs, preview, profiles, resolve, schema};
use crate::store::pins;
use crate::ui::{foreign, shell_quoted};

/// Completes `mdb-login` with a command for a connection string, which is quoted for a shell already.
pub type Line<'a> = &'a dyn Fn(&str) -> String;

/// The settings of a command that needs a session.
///
/// # Errors
/// Those of [`resolve`]. Where nothing at all says which session is meant, `line` is a hint for the servers whose provider
/// the person has accepted.
///
/// It is a hint even if there is but one such server, and not that server's session: what a command means would change the
/// day that a second one is accepted. A profile says it for good, and is one command away.
pub fn settings(request: &Request, line: Line<'_>) -> Result<Settings> {
    resolve(request).map_err(|error| remind(error, request, line))
}

/// The settings of a command that connects, to the connection string of `request` or to those `found` among a program's
/// arguments.
///
/// Whoever names a session, by a profile or a provider, means that one, and the string says only where to. A server that
/// the person has accepted means the session with its provider. To any other goes the session that is meant without the
/// string, if there is one; hosts are judged in any case.
///
/// # Errors
/// Those of [`settings`]; `Kind::Usage` where two strings mean different sessions, since a program has the tokens of one.
pub fn settings_to_connect(request: &Request, found: &[&Uri], line: Line<'_>) -> Result<Settings> {
    let names_one = request.profile.is_some()
        || [&schema::URI, &schema::KIND, &schema::ISSUER, &schema::CLIENT_ID]
            .iter()
            .any(|setting| has(request, setting));
    let (mut with, mut others) = (request.clone(), &[][..]);
    if let ([first, more @ ..], false) = (found, names_one) {
        with.flags.push((&schema::URI, TARGET, vec![first.text()]));
        others = more;
    }
    if !has(&with, &schema::URI) {
        return settings(request, line);
    }
    let mut meant = preview(&with)?;
    if !meant.is_complete() {
        let mut without = with.clone();
        without.flags.retain(|(flag, ..)| !std::ptr::eq(*flag, &schema::URI));
        let mut usual = preview(&without)?;
        if !usual.is_complete() {
            // Says what to do: the server has to be asked.
            return resolve(&with);
        }
        usual.uri = meant.uri;
        meant = usual;
    }
    others.iter().try_for_each(|uri| check_same_provider(&meant, uri)).map(|()| meant)
}

fn has(request: &Request, setting: &schema::Setting) -> bool {
    request.flags.iter().any(|(flag, ..)| std::ptr::eq(*flag, setting))
}

/// A server that is known to take the tokens of another provider would be sent what is not for it.
fn check_same_provider(settings: &Settings, uri: &Uri) -> Result<()> {
    let Some(pin) = accepted(uri)?.filter(|pin| pin.issuer != settings.issuer) else { return Ok(()) };
    let [server, theirs, ours] = [&pin.server, &pin.issuer, &settings.issuer].map(|text| foreign(text));
    Err(Error::new(Kind::Usage, "the connection strings mean different sessions, and a program has the tokens of one")
        .because_of(format!("`{server}` takes those of `{theirs}`, and the first connection string means `{ours}`"))
        .hint("run the program once for each"))
}

/// How many accepted servers are named.
const REMINDED: usize = 3;

/// Says the error of [`resolve`] in another way where an accepted server may be what is meant.
fn remind(error: Error, request: &Request, line: Line<'_>) -> Error {
    let (Ok(settings), Ok(state_dir)) = (preview(request), dirs::state_dir()) else { return error };
    let is_named = settings.uri.is_some() || settings.kind.is_program();
    if is_named || !settings.issuer.is_empty() || !settings.client_id.is_empty() {
        return error;
    }
    let known = pins::all(&state_dir);
    let Some(newest) = known.first() else { return error };
    let assignment = shell_quoted(&format!("uri={}", newest.uri));
    if let Some(profile) = &settings.profile {
        let command = format!("mdb-login profile set {profile} {assignment}");
        return error.hint(format!("or, for the server that you have accepted: run `{command}`"));
    }
    // Among several profiles, one of them is meant.
    if !profiles().is_ok_and(|profiles| profiles.is_empty()) {
        return error;
    }
    let what = "nothing says which session is meant: no server, no issuer and no client id are set";
    let said = known.iter().take(REMINDED).fold(Error::new(error.kind(), what), |error, pin| {
        let (server, line) = (foreign(&pin.server), line(&shell_quoted(&pin.uri)));
        error.hint(format!("for `{server}`, which you have accepted: run `mdb-login {line}`"))
    });
    said.hint(format!("to leave it out from now on: run `mdb-login profile set prod {assignment}`"))
}
