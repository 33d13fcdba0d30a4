//! `mdb-login discover`: show what a server says about its identity provider.

use serde_json::json;

use crate::error::Result;
use crate::session::server;
use crate::settings::Settings;
use crate::ui::{Ui, foreign};

/// Asks, shows, and stores nothing. Fails after that if nobody could sign in with what the server says.
pub fn run(settings: &Settings, ui: &Ui) -> Result<()> {
    let uri = settings.required_uri()?;
    let info = server::discover(settings, uri)?;
    if ui.json {
        let object = json!({
            "server": uri.server(),
            "user": uri.user(),
            "issuer": info.issuer,
            "client_id": info.client_id,
            "request_scopes": info.request_scopes,
        });
        ui.object(object)?;
        return server::pin(uri, &info).map(drop);
    }
    let client_id =
        info.client_id.as_deref().map_or("none: for programs only, people cannot sign in".to_owned(), foreign);
    let scopes = server::shown_scopes(&info.request_scopes);
    let text = format!("issuer     {}\nclient id  {client_id}\nscopes     {scopes}\n", foreign(&info.issuer));
    ui.data(text.as_bytes())?;
    // Shown all the same: whoever looks for the mistake wants to see it.
    server::pin(uri, &info).map(drop)
}
