//! The authorization request and the one way to redeem its answer (RFC 6749 §4.1, RFC 7636, OIDC Core §3.1.2).

use oauth2::{AuthUrl, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use url::Url;

use super::metadata::ProviderMetadata;
use super::token::{self, ClientIdentity, TokenResponse};
use super::{Fault, unguessable};
use crate::http::Http;
use crate::secret::Secret;

/// What the person's settings add to the request.
pub struct AuthorizationRequest<'a> {
    pub scopes: &'a [String],
    /// RFC 8707.
    pub resource: &'a [String],
    /// `prompt`, `login_hint` and the like, in order. The settings room has refused names that belong to the protocol.
    pub parameters: &'a [(String, String)],
    pub nonce: bool,
}

/// A sign-in under way: what only this process knows. Not `Clone`, and consumed by [`redeem`](Self::redeem), so that
/// a verifier or nonce cannot serve twice.
pub struct PendingLogin {
    /// The provider's sign-in page with all parameters. Carries `state`: goes to the browser as a `Location` only.
    pub authorization_url: Url,
    pub state: Secret,
    nonce: Option<Secret>,
    verifier: PkceCodeVerifier,
    redirect_uri: String,
}

impl PendingLogin {
    /// Composes the request. `redirect_uri` is the one that is being listened on, with its actual port.
    pub fn new(
        provider: &ProviderMetadata,
        identity: &ClientIdentity,
        request: &AuthorizationRequest<'_>,
        redirect_uri: String,
    ) -> Result<Self, Fault> {
        let redirect = RedirectUrl::new(redirect_uri.clone())
            .map_err(|_| Fault::unsupported("redirect URI", "it is not a URL"))?;
        let client = token::client(identity)
            .set_auth_uri(AuthUrl::from_url(provider.authorization_endpoint.clone()))
            .set_redirect_uri(redirect);
        // 32 bytes of the system's randomness behind each of the three (RFC 7636 §7.1, RFC 6749 §10.10).
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = request.nonce.then(|| unguessable(32));

        let mut url = client
            .authorize_url(|| CsrfToken::new_random_len(32))
            .set_pkce_challenge(challenge)
            .add_scopes(request.scopes.iter().cloned().map(Scope::new));
        if let Some(nonce) = &nonce {
            url = url.add_extra_param("nonce", nonce.expose().to_owned());
        }
        for resource in request.resource {
            url = url.add_extra_param("resource", resource.clone());
        }
        for (name, value) in request.parameters {
            url = url.add_extra_param(name.clone(), value.clone());
        }
        let (authorization_url, state) = url.url();
        Ok(Self { authorization_url, state: Secret::new(state.secret().clone()), nonce, verifier, redirect_uri })
    }

    /// Redeems `code`, which the listener took from a redirect whose `state` and `iss` were right. The nonce comes back
    /// for the judgement of the ID token.
    pub async fn redeem(
        self,
        http: &Http,
        provider: &ProviderMetadata,
        identity: &ClientIdentity,
        code: &Secret,
        resource: &[String],
    ) -> Result<(TokenResponse, Option<Secret>), Fault> {
        let answer =
            token::redeem(http, identity, &provider.token_endpoint, code, self.verifier, &self.redirect_uri, resource)
                .await?;
        Ok((answer, self.nonce))
    }
}

/// The scopes to ask for: `openid` and `offline_access` that nobody asked for (`is_default`) are left out where the provider
/// does not support them (MongoDB's rules for workforce clients; some providers refuse the whole request over `offline_access`). A list that a person wrote is sent as
/// written: Entra ID's `<client id>/.default` is in nobody's `scopes_supported`.
pub fn scopes_to_request(scopes: &[String], is_default: bool, provider: &ProviderMetadata) -> Vec<String> {
    let supported = provider.scopes_supported.as_ref().filter(|_| is_default);
    let usual = |scope: &str| matches!(scope, "openid" | "offline_access");
    let wanted = |scope: &&String| !usual(scope) || supported.is_none_or(|list| list.contains(scope));
    scopes.iter().filter(wanted).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::oidc::metadata::judge;

    fn provider(scopes: &str) -> ProviderMetadata {
        let text = format!(
            r#"{{"issuer":"https://i.example","authorization_endpoint":"https://i.example/a?tenant=1","token_endpoint":"https://i.example/t",
                "jwks_uri":"https://i.example/k","response_types_supported":["code"]{scopes}}}"#
        );
        judge("https://i.example", text.as_bytes()).unwrap()
    }

    fn pending(nonce: bool) -> PendingLogin {
        let identity = ClientIdentity { client_id: "c 1".to_owned(), secret: None, secret_in_body: false };
        let request = AuthorizationRequest {
            scopes: &["openid".to_owned(), "a/.default".to_owned()],
            resource: &["mongodb://cluster".to_owned()],
            parameters: &[("prompt".to_owned(), "select_account&x=y".to_owned())],
            nonce,
        };
        PendingLogin::new(&provider(""), &identity, &request, "http://localhost:27097/redirect".to_owned()).unwrap()
    }

    #[test]
    fn every_parameter_is_sent_once_and_encoded() {
        let pending = pending(true);
        let pairs: Vec<(String, String)> = pending.authorization_url.query_pairs().into_owned().collect();
        let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(pairs.len(), map.len(), "a parameter occurs twice: {pairs:?}");
        for (name, expected) in [
            ("tenant", "1"),
            ("response_type", "code"),
            ("client_id", "c 1"),
            ("redirect_uri", "http://localhost:27097/redirect"),
            ("scope", "openid a/.default"),
            ("code_challenge_method", "S256"),
            ("resource", "mongodb://cluster"),
            ("prompt", "select_account&x=y"),
            ("state", pending.state.expose()),
        ] {
            assert_eq!(map[name], expected, "{name}");
        }
        assert_eq!(map["code_challenge"].len(), 43);
        assert!(map["nonce"].len() >= 43 && map["state"].len() >= 43);
        assert!(!self::pending(false).authorization_url.as_str().contains("nonce="));
    }

    #[test]
    fn state_nonce_and_verifier_never_repeat() {
        let all: BTreeSet<String> = (0..1000)
            .flat_map(|_| {
                let pending = pending(true);
                [
                    pending.state.expose().to_owned(),
                    pending.verifier.secret().clone(),
                    pending.nonce.unwrap().expose().to_owned(),
                ]
            })
            .collect();
        assert_eq!(all.len(), 3000);
    }

    #[test]
    fn only_default_scopes_are_cut_down() {
        let scopes = ["openid".to_owned(), "offline_access".to_owned()];
        let without = provider(r#","scopes_supported":["openid","profile"]"#);
        assert_eq!(scopes_to_request(&scopes, true, &without), ["openid"]);
        assert_eq!(scopes_to_request(&scopes, false, &without), scopes);
        assert_eq!(scopes_to_request(&scopes, true, &provider("")), scopes);
    }
}
