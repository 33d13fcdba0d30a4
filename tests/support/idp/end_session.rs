//! RP-initiated logout: the page that ends the session in the person's browser.

use super::Reply;
use super::behaviour::Behaviour;
use super::pages;
use super::state::State;
use crate::support::peer::parameters::Parameters;

/// OpenID Connect RP-Initiated Logout 1.0 §2.
pub(super) fn request(behaviour: &Behaviour, state: &mut State, query: &[u8]) -> Reply {
    let parameters = match Parameters::parse(query, &[]) {
        Ok(parameters) => parameters,
        Err(why) => return pages::failure("invalid_request", &why),
    };
    let known = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales"];
    if let Err((error, why)) = parameters.only(&known, &[]) {
        return pages::failure(error, &why);
    }
    if parameters.get("id_token_hint").is_some_and(|hint| !state.secrets.iter().any(|secret| secret == hint)) {
        return pages::failure("invalid_request", "id_token_hint is not from here");
    }
    let client = match parameters.get("client_id") {
        Some(id) => match behaviour.clients.iter().find(|client| client.id == id) {
            Some(client) => Some(client),
            None => return pages::failure("invalid_request", "unknown client"),
        },
        None => None,
    };
    let target = match parameters.get("post_logout_redirect_uri") {
        None => None,
        // Without a client there is no registration that the URI could be in: an open redirector otherwise.
        Some(uri) if client.is_some_and(|client| client.post_logout_redirect_uris.iter().any(|known| known == uri)) => {
            Some(uri)
        }
        Some(_) => return pages::failure("invalid_request", "post_logout_redirect_uri is not registered"),
    };
    state.counters.sessions_ended += 1;
    match target {
        None => pages::message("Signed out", "Your session here has ended."),
        Some(uri) => {
            let query = parameters.get("state").map(|state| format!("?state={state}")).unwrap_or_default();
            Reply::see_other(&format!("{uri}{query}"))
        }
    }
}
