//! Discovery, keys and logout.

use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::support::idp::{Discovery, Key, Signing};

#[test]
fn metadata_are_where_the_standard_has_them_and_name_what_exists() {
    let idp = quick();
    let document = get(&format!("{}/.well-known/openid-configuration", idp.issuer())).json();
    assert_eq!(document["issuer"], idp.issuer());
    for (name, endpoint) in [
        ("authorization_endpoint", Endpoint::Authorization),
        ("token_endpoint", Endpoint::Token),
        ("jwks_uri", Endpoint::Jwks),
        ("device_authorization_endpoint", Endpoint::DeviceAuthorization),
        ("revocation_endpoint", Endpoint::Revocation),
        ("end_session_endpoint", Endpoint::EndSession),
    ] {
        assert_eq!(document[name], idp.url(endpoint));
    }
    assert_eq!(get(&idp.url(Endpoint::Rfc8414)).status, 404);
    assert_eq!(get(idp.issuer()).status, 404);
    assert_eq!((idp.requests(Endpoint::Discovery), idp.requests(Endpoint::Unknown)), (1, 1));
}

#[test]
fn metadata_can_move_and_lie() {
    let idp = Idp::start_with(|behaviour| {
        behaviour.discovery = Discovery::Rfc8414;
        behaviour.metadata = json!({ "issuer": "https://evil.example", "jwks_uri": null }).into();
    });
    assert_eq!(get(&idp.url(Endpoint::Discovery)).status, 404);
    let path = idp.issuer().rsplit_once('/').unwrap();
    let document = get(&format!("{}/.well-known/oauth-authorization-server/{}", path.0, path.1)).json();
    assert_eq!((&document["issuer"], document.get("jwks_uri")), (&json!("https://evil.example"), None));
}

#[test]
fn two_providers_never_share_an_issuer() {
    let (one, other) = (Idp::start(), Idp::start());
    let name = |idp: &Idp| idp.issuer().rsplit('/').next().unwrap().to_owned();
    assert_ne!(name(&one), name(&other));
    assert_eq!(name(&one).len(), 12);
}

/// Whether `token` is signed by the only key in the JWKS, worked out without the provider's own code.
fn verifies(idp: &Idp, token: &str) -> bool {
    use base64::Engine as _;
    let decode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    let jwk = &get(&idp.url(Endpoint::Jwks)).json()["keys"][0];
    let number = |name| BigUint::from_bytes_be(&decode(text(jwk, name)));
    let key = RsaPublicKey::new(number("n"), number("e")).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let prefix = [48, 49, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 1, 5, 0, 4, 32];
    let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: prefix.into() };
    key.verify(scheme, &Sha256::digest(message), &decode(signature)).is_ok()
}

#[test]
fn signatures_fit_the_published_key_unless_a_test_says_otherwise() {
    let idp = quick();
    for key in [Key::First, Key::Second, Key::Short] {
        idp.change(|behaviour| behaviour.key = key);
        let answer = tokens(&idp);
        assert!(verifies(&idp, text(&answer, "id_token")) && verifies(&idp, text(&answer, "access_token")), "{key:?}");
    }
    for signing in [Signing::WrongKey, Signing::Damaged] {
        idp.change(|behaviour| (behaviour.key, behaviour.id_token.signing) = (Key::First, signing));
        let answer = tokens(&idp);
        assert!(!verifies(&idp, text(&answer, "id_token")), "{signing:?}");
        assert!(verifies(&idp, text(&answer, "access_token")), "{signing:?}");
    }
    idp.change(|behaviour| behaviour.jwks = json!({ "keys": [] }).into());
    assert_eq!(get(&idp.url(Endpoint::Jwks)).json(), json!({ "keys": [] }));
}

#[test]
fn logout_wants_a_hint_from_here_and_a_registered_way_back() {
    let idp = quick();
    let answer = tokens(&idp);
    let visit =
        |pairs: &[(&str, &str)]| get(Url::parse_with_params(&idp.url(Endpoint::EndSession), pairs).unwrap().as_str());
    let hint = ("id_token_hint", text(&answer, "id_token"));
    let back = ("post_logout_redirect_uri", "http://localhost:1/bye");
    assert_eq!(visit(&[("id_token_hint", "forged")]).status, 400);
    assert_eq!(visit(&[hint, ("client_id", "somebody")]).status, 400);
    assert_eq!(visit(&[hint, ("client_id", CLIENT_ID), back]).status, 400);
    assert_eq!(visit(&[hint, ("client_id", CLIENT_ID)]).status, 200);
    idp.change(|behaviour| behaviour.clients[0].post_logout_redirect_uris.push(back.1.into()));
    let answer = visit(&[hint, ("client_id", CLIENT_ID), back, ("state", "s")]);
    assert_eq!(answer.header("location"), Some("http://localhost:1/bye?state=s"));
    assert_eq!(idp.counters().sessions_ended, 2, "those that were answered with 200 and 303");
}
