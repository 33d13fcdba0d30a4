//! The provider's own sign-out page (OIDC RP-Initiated Logout §2).

use std::str::FromStr as _;

use openidconnect::core::CoreIdToken;
use openidconnect::{ClientId, EndSessionUrl, LogoutRequest};
use url::Url;

use crate::secret::Secret;

/// The address that ends the browser's session at the provider. Carries the ID token as a hint where there is one, so
/// it may reach a browser as a `Location` only, never an argument list.
pub fn end_session_url(endpoint: &str, client_id: &str, id_token: Option<&Secret>) -> Option<Url> {
    let request = LogoutRequest::from(EndSessionUrl::new(endpoint.to_owned()).ok()?)
        .set_client_id(ClientId::new(client_id.to_owned()));
    let request = match id_token.and_then(|token| CoreIdToken::from_str(token.expose()).ok()) {
        Some(token) => request.set_id_token_hint(&token),
        None => request,
    };
    Some(request.http_get_url())
}
