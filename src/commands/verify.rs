//! `mdb-login verify`: authenticate at the server for real, and show who that makes us.

use serde_json::json;

use crate::cli::VerifyArgs;
use crate::clock::unix_now;
use crate::error::Result;
use crate::mongo::client::Verified;
use crate::session::{Session, meant};
use crate::settings::Request;
use crate::store::cache::CachedToken;
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
    ui.data(page(&uri.server(), &verified, left).as_bytes())
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

fn page(server: &str, verified: &Verified, left: u64) -> String {
    let mut text = format!(
        "server  {}, MongoDB {}\nuser    {} at $external\n",
        foreign(server),
        foreign(&verified.server_version),
        foreign(&verified.user)
    );
    let roles: Vec<String> =
        verified.roles.iter().map(|role| foreign(&format!("{} at {}", role.name, role.database))).collect();
    let none = "none: nothing is allowed beyond signing in".to_owned();
    text.push_str(&format!("roles   {}\n", if roles.is_empty() { none } else { roles.join("\n        ") }));
    for privilege in &verified.privileges {
        let line = format!("        {}: {}\n", foreign(&privilege.resource), foreign(&privilege.actions.join(", ")));
        text.push_str(&line);
    }
    text.push_str(&format!("token   valid for {}\n", span(left)));
    text
}
