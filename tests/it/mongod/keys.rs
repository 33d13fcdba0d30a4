//! Keys and algorithms: every one that the server's rules name, signed by another library than the provider's.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bson::doc;
use serde_json::{Value, json};

use super::client::Client;
use super::{REFUSED, Setting, verdict};
use crate::support::idp::{Endpoint, Key, Patch, jwt};
use crate::support::mongod::{Refusal, Role};

/// The private half of [`Key::First`].
fn first_key() -> RsaKeyPair {
    let pem = include_str!("../../support/idp/keys/first.pem");
    let body = pem.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
    let base64: String = body.take_while(|line| !line.starts_with("-----END")).collect();
    RsaKeyPair::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap()
}

/// Header and claims as they are written, signed by `sign`.
pub fn signed_text(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// By the provider's first key.
pub fn sign_by_rsa(encoding: &'static dyn RsaEncoding) -> impl FnOnce(&[u8]) -> Vec<u8> {
    move |message| {
        let key = first_key();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

/// A new key on the curve of `ES256` or `ES384`, and its public half as a JWK called `curve`.
pub fn curve_key(algorithm: &str) -> (EcdsaKeyPair, Value) {
    let (curve, signing, size): (_, &'static EcdsaSigningAlgorithm, _) = match algorithm {
        "ES256" => ("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING, 32),
        _ => ("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING, 48),
    };
    let key = EcdsaKeyPair::generate(signing).unwrap();
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[..size]), URL_SAFE_NO_PAD.encode(&point[size..]));
    (key, json!({ "kty": "EC", "crv": curve, "kid": "curve", "x": x, "y": y }))
}

/// Ada's claims under another header, signed by `sign`.
fn signed_otherwise(setting: &Setting, header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let claims = jwt::claims(&setting.idp.access_token("ada"));
    signed_text(&header.to_string(), &claims.to_string(), sign)
}

#[test]
fn every_rsa_algorithm_of_the_rules_is_verified() {
    let setting = Setting::new();
    let rows: [(&str, &'static dyn RsaEncoding); 3] =
        [("RS384", &RSA_PKCS1_SHA384), ("RS512", &RSA_PKCS1_SHA512), ("PS256", &RSA_PSS_SHA256)];
    for (algorithm, encoding) in rows {
        let header = json!({ "alg": algorithm, "kid": Key::First.kid(), "typ": "JWT" });
        let token = signed_otherwise(&setting, &header, sign_by_rsa(encoding));
        assert_eq!(verdict(&setting.client().present(&token)), "ok", "{algorithm}: {:?}", setting.server.refusals());
    }
}

#[test]
fn both_elliptic_curves_are_verified_each_with_its_own_algorithm() {
    for (algorithm, curve) in [("ES256", "P-256"), ("ES384", "P-384")] {
        let (key, jwk) = curve_key(algorithm);
        let setting = Setting::new();
        setting.idp.change(|behaviour| {
            behaviour.jwks = Patch::with(move |set| set["keys"].as_array_mut().unwrap().push(jwk.clone()));
        });
        let present = |algorithm: &str| {
            let header = json!({ "alg": algorithm, "kid": "curve" });
            let sign = |message: &[u8]| key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
            verdict(&setting.client().present(&signed_otherwise(&setting, &header, sign)))
        };
        assert_eq!(present(algorithm), "ok", "{algorithm}: {:?}", setting.server.refusals());
        let other = if algorithm == "ES256" { "ES384" } else { "ES256" };
        assert_eq!(present(other), REFUSED, "{other} with {curve}");
        assert_eq!(setting.server.refusals(), [Refusal::WrongKey(other.to_owned())]);
    }
}

#[test]
fn a_key_set_has_to_be_in_order() {
    let rsa = || Key::First.jwk();
    let but = |name: &str, value: Value| {
        let mut key = rsa();
        key[name] = value;
        key
    };
    let rows = [
        (json!([but("kid", json!(""))]), "a key without `kid`"),
        (json!([rsa(), { "kty": "oct" }]), "a key without `kid`"),
        (json!([rsa(), { "kid": "x" }]), "a key without `kty`"),
        (json!([rsa(), rsa()]), "two keys are called `test-key-1`"),
        (json!([rsa(), { "kty": "RSA", "kid": "x", "n": "AQAB" }]), "key `x` has no `n` or no `e`"),
        (json!([but("e", json!("AQ"))]), "key `test-key-1` has an exponent below 3"),
    ];
    for (keys, why) in rows {
        let setting = Setting::new();
        setting.idp.change(|behaviour| behaviour.jwks = json!({ "keys": keys }).into());
        assert_eq!(verdict(&setting.client().present(&setting.idp.access_token("ada"))), REFUSED, "{why}");
        assert_eq!(setting.server.refusals(), [Refusal::KeySet(why.to_owned())]);
    }
    let setting = Setting::new();
    let stranger = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "x" });
    setting.idp.change(|behaviour| behaviour.jwks = json!({ "keys": [stranger, rsa()] }).into());
    assert_eq!(verdict(&setting.client().present(&setting.idp.access_token("ada"))), "ok");
}

#[test]
fn metadata_of_another_issuer_are_refused() {
    let setting = Setting::new();
    setting.idp.change(|behaviour| behaviour.metadata = json!({ "issuer": "http://localhost/other" }).into());
    assert_eq!(verdict(&setting.client().present(&setting.idp.access_token("ada"))), REFUSED);
    let why = "the metadata are of `http://localhost/other`".to_owned();
    assert_eq!(setting.server.refusals(), [Refusal::KeySet(why)]);
}

#[test]
fn keys_are_fetched_once_and_again_for_an_unknown_one_but_not_within_the_quiet_time() {
    let setting = Setting::new();
    for _ in 0..3 {
        setting.ada();
    }
    assert_eq!(setting.idp.requests(Endpoint::Jwks), 1);
    setting.idp.change(|behaviour| behaviour.key = Key::Second);
    setting.ada();
    assert_eq!(setting.idp.requests(Endpoint::Jwks), 2, "the rotated key");

    setting.server.change(|behaviour| behaviour.jwks_quiet = Duration::from_secs(60));
    setting.idp.change(|behaviour| behaviour.key = Key::First);
    assert_eq!(verdict(&setting.client().present(&setting.idp.access_token("ada"))), REFUSED);
    assert_eq!(setting.idp.requests(Endpoint::Jwks), 2);
    assert_eq!(setting.server.refusals(), [Refusal::UnknownKey(Key::First.kid().to_owned())]);
}

#[test]
fn a_member_that_the_server_reads_must_not_be_there_twice() {
    let setting = Setting::new();
    let header = json!({ "alg": "RS256", "kid": Key::First.kid() }).to_string();
    let claims = jwt::claims(&setting.idp.access_token("ada")).to_string();
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    for (header, claims, expected) in [
        (twice(&header, "\"kid\":\"x\""), claims.clone(), Some("kid")),
        (header.clone(), twice(&claims, "\"aud\":\"x\""), Some("aud")),
        (header.clone(), twice(&claims, "\"scope\":\"x\""), None),
    ] {
        let token = signed_text(&header, &claims, sign_by_rsa(&RSA_PKCS1_SHA256));
        let answer = verdict(&setting.client().present(&token));
        assert_eq!(answer, if expected.is_some() { REFUSED } else { "ok" }, "{expected:?}");
        let twice = expected.map(|name| Refusal::Twice(name.to_owned()));
        assert_eq!(setting.server.refusals().pop().filter(|_| twice.is_some()), twice);
    }
}

/// Who may, sees the keys that the server has fetched so far, and can have them fetched anew.
#[test]
fn keys_are_listed_and_loaded_anew_and_a_withdrawn_one_ends_its_sessions() {
    let setting = Setting::new();
    let list = |client: &mut Client| {
        let answer = client.run("admin", doc! { "oidcListKeys": 1 });
        assert_eq!(verdict(&answer), "ok");
        let sets = answer.get_document("keySets").unwrap();
        let set = sets.get_document(setting.idp.issuer()).unwrap().get_array("keys").unwrap();
        set.iter().map(|key| key.as_document().unwrap().get_str("kid").unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut client = setting.ada();
    assert_eq!(list(&mut client), [Key::First.kid()]);
    assert_eq!(setting.idp.requests(Endpoint::Jwks), 1);
    assert_eq!(verdict(&client.run("admin", doc! { "oidcRefreshKeys": 1 })), "ok");
    assert_eq!(setting.idp.requests(Endpoint::Jwks), 2);

    setting.server.change(|behaviour| behaviour.jwks_quiet = Duration::from_secs(60));
    let refused = client.run("admin", doc! { "oidcRefreshKeys": 1 });
    assert_eq!(verdict(&refused), "96 OperationFailed: Failed to load a JWKS from one or more IdPs");
    let failure = refused.get_array("failures").unwrap()[0].as_document().unwrap();
    assert_eq!(failure.get_str("issuer").unwrap(), setting.idp.issuer());
    let why = failure.get_document("error").unwrap().get_str("errmsg").unwrap();
    assert_eq!(why, "Skipping refresh due to IdP quiesce");
    setting.server.change(|behaviour| behaviour.jwks_quiet = Duration::ZERO);

    setting.idp.set_up(false);
    let gently = doc! { "oidcRefreshKeys": 1, "invalidateOnFailure": false };
    assert!(verdict(&client.run("admin", gently)).starts_with("96 OperationFailed"));
    assert_eq!(list(&mut client), [Key::First.kid()], "what was there stays");
    assert!(verdict(&client.run("admin", doc! { "oidcRefreshKeys": 1 })).starts_with("96 OperationFailed"));
    assert!(verdict(&client.run("admin", doc! { "oidcListKeys": 1 })).starts_with("391 ReauthenticationRequired"));
    setting.idp.set_up(true);
    assert_eq!(verdict(&client.present(&setting.idp.access_token("ada"))), "ok");

    setting.idp.change(|behaviour| behaviour.key = Key::Second);
    assert_eq!(verdict(&client.run("admin", doc! { "oidcRefreshKeys": 1 })), "ok");
    assert!(verdict(&client.run("admin", doc! { "oidcListKeys": 1 })).starts_with("391 ReauthenticationRequired"));
    assert_eq!(verdict(&client.present(&setting.idp.access_token("ada"))), "ok");
    assert_eq!(list(&mut client), [Key::Second.kid()]);

    for (actions, expected) in [
        (&["find"][..], "13 Unauthorized: not authorized on admin to execute command oidcListKeys"),
        (&["oidcListKeys"], "ok"),
    ] {
        setting.server.change(|behaviour| behaviour.roles = vec![Role::new("test/dba", actions)]);
        assert_eq!(verdict(&client.run("admin", doc! { "oidcListKeys": 1 })), expected);
        assert!(verdict(&client.run("admin", doc! { "oidcRefreshKeys": 1 })).starts_with("13 Unauthorized"));
    }
    setting.server.change(|behaviour| behaviour.mechanisms.retain(|mechanism| mechanism != "MONGODB-OIDC"));
    let unknown = "59 CommandNotFound: no such command: 'oidcListKeys'";
    assert_eq!(verdict(&client.run("admin", doc! { "oidcListKeys": 1 })), unknown);
}
