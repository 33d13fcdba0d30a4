//! `mdb-login uri`: complete a connection string for a program that reads its token from a file.

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::mongo::uri::Uri;
use crate::ui::Ui;

pub fn run(text: &str, ui: &Ui) -> Result<()> {
    let uri = Uri::parse(text).map_err(|reason| Error::new(Kind::Usage, format!("the connection string {reason}")))?;
    let ready = uri.for_token_file().staying();
    if let Some(user) = uri.user() {
        let user = crate::ui::foreign(&user);
        ui.note(format!("the user name `{user}` is left out: drivers refuse one beside `ENVIRONMENT:k8s`"));
    }
    let text = ready.text();
    if ui.json { ui.object(json!({ "uri": text })) } else { ui.data(format!("{text}\n").as_bytes()) }
}
