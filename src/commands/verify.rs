//! `mdb-login verify`: authenticate at the server for real, and show who that makes us.

use serde_json::json;

use crate::cli::VerifyArgs;
use crate::clock::unix_now;
use crate::error::Result;
use crate::mongo::client::{Privilege, Verified};
use crate::session::{Session, meant};
use crate::settings::Request;
use crate::store::cache::CachedToken;
use crate::ui::report::{Page, Row, Section, report};
use crate::ui::{Ui, foreign, span};

pub fn run(args: &VerifyArgs, request: &Request, ui: &Ui) -> Result<()> {
    let settings = meant::settings_to_connect(request, &[], &|uri| format!("verify {uri}"))?;
    let uri = settings.required_uri()?;
    let session = Session::new(&settings, ui)?;
    let (verified, token) = session.verify(uri, args.privileges)?;
    let left = token.expires_at.saturating_sub(unix_now());
    if ui.json {
        return ui.object(object(&uri.server(), &verified, &token, left));
    }
    ui.data(report(&sections(&uri.server(), &verified, left), Page::of_stdout()).as_bytes())
}

fn object(server: &str, verified: &Verified, token: &CachedToken, left: u64) -> serde_json::Value {
    let roles: Vec<_> = verified.roles.iter().map(|role| json!({ "role": role.name, "db": role.database })).collect();
    let privileges: Vec<_> =
        verified.privileges.iter().map(|one| json!({ "resource": one.resource, "actions": one.actions })).collect();
    json!({
        "server": server,
        "server_version": verified.server_version,
        "user": verified.user,
        "roles": roles,
        "privileges": privileges,
        "issuer": token.issuer,
        "expires_at": token.expires_at,
        "expires_in": left,
    })
}

/// Everything is shown, however many roles and actions there are: what is left out would be taken for not allowed.
fn sections(server: &str, verified: &Verified, left: u64) -> Vec<Section> {
    let mut roles = verified.roles.iter().map(|role| foreign(&format!("{} at {}", role.name, role.database)));
    let first = roles.next().unwrap_or_else(|| "none: nothing is allowed beyond signing in".to_owned());
    let session = vec![
        Row::new(None, "server", format!("{}, MongoDB {}", foreign(server), foreign(&verified.server_version))),
        Row::new(None, "user", format!("{} at $external", foreign(&verified.user))),
        roles.fold(Row::new(None, "roles", first), Row::note),
        Row::new(None, "token", format!("valid for {}", span(left))),
    ];
    let privileges: Vec<Row> = verified.privileges.iter().map(privilege).collect();
    [(String::new(), session), ("Privileges".to_owned(), privileges)]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(heading, rows)| Section { heading, rows })
        .collect()
}

fn privilege(privilege: &Privilege) -> Row {
    // One by one: a text is cut where it is longer than any one name should be.
    let actions: Vec<String> = privilege.actions.iter().map(|action| foreign(action)).collect();
    Row::new(None, foreign(&privilege.resource), actions.join(", "))
}
