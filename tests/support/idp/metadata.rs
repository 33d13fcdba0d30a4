//! Discovery (OIDC Discovery §3, RFC 8414 §2) and the JWKS.

use serde_json::json;

use super::Endpoint;
use super::Reply;
use super::behaviour::{Behaviour, Discovery};
use super::clients::ClientAuth;
use super::server::Site;

pub(super) fn discovery(site: &Site, behaviour: &Behaviour, endpoint: Endpoint) -> Reply {
    let served = match behaviour.discovery {
        Discovery::OpenId => endpoint == Endpoint::Discovery,
        Discovery::Rfc8414 => endpoint == Endpoint::Rfc8414,
        Discovery::Both => true,
    };
    if !served {
        return Reply::html(404, "<!doctype html><title>Not found</title><p>Not found");
    }
    let mut auth_methods: Vec<&str> = Vec::new();
    for client in &behaviour.clients {
        let method = match client.auth {
            ClientAuth::None => "none",
            ClientAuth::SecretBasic(_) => "client_secret_basic",
            ClientAuth::SecretPost(_) => "client_secret_post",
            ClientAuth::PrivateKeyJwt(_) => "private_key_jwt",
        };
        if !auth_methods.contains(&method) {
            auth_methods.push(method);
        }
    }
    let algorithms = behaviour.clients.iter().find_map(|client| match &client.auth {
        ClientAuth::PrivateKeyJwt(registered) if !registered.algorithms.is_empty() => Some(&registered.algorithms),
        _ => None,
    });
    let mut document = json!({
        "issuer": site.issuer,
        "authorization_endpoint": site.url(Endpoint::Authorization),
        "token_endpoint": site.url(Endpoint::Token),
        "jwks_uri": site.url(Endpoint::Jwks),
        "device_authorization_endpoint": site.url(Endpoint::DeviceAuthorization),
        "revocation_endpoint": site.url(Endpoint::Revocation),
        "end_session_endpoint": site.url(Endpoint::EndSession),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported":
            ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": behaviour.scopes,
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "email", "preferred_username"],
        "token_endpoint_auth_methods_supported": auth_methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    if let Some(algorithms) = algorithms {
        document["token_endpoint_auth_signing_alg_values_supported"] = json!(algorithms);
    }
    Reply::json(200, &behaviour.metadata.apply(document))
}

pub(super) fn jwks(behaviour: &Behaviour) -> Reply {
    Reply::json(200, &behaviour.jwks.apply(json!({ "keys": [behaviour.key.jwk()] })))
}
