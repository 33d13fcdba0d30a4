//! The client credentials grant, and what a client assertion has to be (RFC 6749 §4.4, RFC 7523 §3).

use serde_json::{Value, json};

use super::*;
use crate::signed_in::unix_now;
use crate::support::idp::{Audience, Client, ClientAuth, Key, Registered, jwt};

const PROGRAM: &str = "nightly";

fn idp(auth: ClientAuth) -> Idp {
    Idp::start_with(|behaviour| behaviour.clients = vec![Client::program(PROGRAM, auth), Client::public(CLIENT_ID)])
}

#[test]
fn a_client_with_a_secret_gets_a_token_of_its_own_and_nothing_else() {
    let idp = idp(ClientAuth::SecretPost("secret".into()));
    let good = || {
        fields(&[
            ("grant_type", "client_credentials"),
            ("client_id", PROGRAM),
            ("client_secret", "secret"),
            ("scope", "groups"),
        ])
    };
    let answer = post(&idp, Endpoint::Token, &good());
    let answer = answer.json();
    let claims = jwt::claims(text(&answer, "access_token"));
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!(PROGRAM), &json!(PROGRAM)));
    assert_eq!((&answer["refresh_token"], &answer["id_token"]), (&Value::Null, &Value::Null));
    let cases: &[(&[Change], &str)] = &[
        (&[], "200"),
        (&[("scope", None)], "200"),
        (&[("resource", Some("https://mongodb.example.com"))], "200"),
        (&[("client_secret", Some("another"))], "401 invalid_client"),
        (&[("client_secret", None)], "401 invalid_client"),
        (&[("client_assertion", Some("a.b.c"))], "401 invalid_client"),
        (&[("client_id", Some(CLIENT_ID)), ("client_secret", None)], "400 unauthorized_client"),
        (&[("scope", Some("openid"))], "400 invalid_scope"),
        (&[("scope", Some("groups offline_access"))], "400 invalid_scope"),
        (&[("scope", Some("unknown"))], "400 invalid_scope"),
        (&[("resource", Some("https://other.example.com"))], "400 invalid_target"),
        (&[("code", Some("a"))], "400 invalid_request"),
    ];
    for (changes, expected) in cases {
        assert_eq!(verdict(&post(&idp, Endpoint::Token, &change(good(), changes))), *expected, "{changes:?}");
    }
}

/// One change to a good assertion, in its header or in its claims; null takes a member away.
fn assertion(idp: &Idp, key: Key, header: Value, claims: Value) -> String {
    let now = unix_now();
    let mut parts = [
        json!({ "alg": "RS256", "typ": "JWT", "kid": Key::First.kid() }),
        json!({
            "iss": PROGRAM, "sub": PROGRAM, "aud": idp.url(Endpoint::Token), "iat": now, "exp": now + 300,
            "jti": format!("{:?}", std::time::Instant::now()),
        }),
    ];
    for (part, changes) in parts.iter_mut().zip([header, claims]) {
        for (name, value) in changes.as_object().unwrap() {
            part[name] = value.clone();
        }
        part.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    jwt::assertion(key, &parts[0], &parts[1])
}

fn present(idp: &Idp, assertion: &str) -> String {
    verdict(&post(
        idp,
        Endpoint::Token,
        &fields(&[
            ("grant_type", "client_credentials"),
            ("client_id", PROGRAM),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ]),
    ))
}

#[test]
fn an_assertion_must_be_right_in_every_part_and_is_good_for_once() {
    let idp = idp(ClientAuth::PrivateKeyJwt(Registered::new(Key::First)));
    let good = assertion(&idp, Key::First, json!({}), json!({}));
    assert_eq!(present(&idp, &good), "200");
    assert_eq!(present(&idp, &good), "401 invalid_client", "taken twice");
    let now = unix_now();
    let rows = [
        (json!({ "typ": null }), json!({}), true),
        (json!({}), json!({ "iat": null }), true),
        (json!({ "alg": "none" }), json!({}), false),
        (json!({ "alg": "PS256" }), json!({}), false),
        (json!({ "alg": "HS256" }), json!({}), false),
        (json!({ "typ": "at+jwt" }), json!({}), false),
        (json!({ "kid": "another" }), json!({}), false),
        (json!({ "kid": null }), json!({}), false),
        (json!({ "x5t#S256": "dGh1bWI" }), json!({}), false),
        (json!({}), json!({ "iss": "somebody" }), false),
        (json!({}), json!({ "sub": "somebody" }), false),
        (json!({}), json!({ "sub": null }), false),
        (json!({}), json!({ "aud": idp.issuer() }), false),
        (json!({}), json!({ "aud": [idp.url(Endpoint::Token)] }), false),
        (json!({}), json!({ "aud": null }), false),
        (json!({}), json!({ "exp": null }), false),
        (json!({}), json!({ "exp": now - 60 }), false),
        (json!({}), json!({ "exp": now + 3600 }), false),
        (json!({}), json!({ "iat": now + 60 }), false),
        (json!({}), json!({ "jti": null }), false),
        (json!({}), json!({ "jti": "" }), false),
    ];
    for (header, claims, taken) in rows {
        let assertion = assertion(&idp, Key::First, header.clone(), claims.clone());
        let expected = if taken { "200" } else { "401 invalid_client" };
        assert_eq!(present(&idp, &assertion), expected, "{header} {claims}");
    }
    let other = assertion(&idp, Key::Second, json!({}), json!({}));
    assert_eq!(present(&idp, &other), "401 invalid_client", "another key");
    assert_eq!(present(&idp, "a.b"), "401 invalid_client");
    let secret = fields(&[("grant_type", "client_credentials"), ("client_id", PROGRAM), ("client_secret", "x")]);
    assert_eq!(verdict(&post(&idp, Endpoint::Token, &secret)), "401 invalid_client");
}

#[test]
fn a_thumbprint_and_the_issuer_are_insisted_on_where_they_are_registered() {
    let registered = Registered {
        audience: Audience::Issuer,
        ..Registered::by_certificate(Key::First, b"not really a certificate")
    };
    let thumbprint = registered.thumbprint.clone().unwrap();
    let idp = idp(ClientAuth::PrivateKeyJwt(registered));
    let header = |thumbprint: &str| json!({ "kid": null, "x5t#S256": thumbprint });
    let issuer = json!({ "aud": idp.issuer() });
    for (header, claims, expected) in [
        (header(&thumbprint), issuer.clone(), "200"),
        (header(&thumbprint), json!({}), "401 invalid_client"),
        (header("another"), issuer.clone(), "401 invalid_client"),
        (json!({ "kid": null }), issuer, "401 invalid_client"),
    ] {
        let assertion = assertion(&idp, Key::First, header.clone(), claims.clone());
        assert_eq!(present(&idp, &assertion), expected, "{header} {claims}");
    }
}
