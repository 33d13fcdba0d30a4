//! What the token and revocation endpoints demand of a request, and what is in a good answer.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::support::idp::{Client, ClientAuth, Minting, Signing, jwt};

#[test]
fn a_code_is_redeemed_for_tokens_that_fit_the_request() {
    let idp = quick();
    let answer = tokens(&idp);
    assert_eq!((text(&answer, "token_type"), answer["expires_in"].as_u64()), ("Bearer", Some(3600)));
    let id_token = jwt::claims(text(&answer, "id_token"));
    for (name, value) in [
        ("iss", json!(idp.issuer())),
        ("aud", json!(CLIENT_ID)),
        ("sub", json!("00u-ada")),
        ("nonce", json!("the-nonce")),
        ("email", json!("ada@example.com")),
    ] {
        assert_eq!(id_token[name], value, "{name}");
    }
    let access_token = text(&answer, "access_token");
    assert_eq!(jwt::header(access_token), json!({ "alg": "RS256", "kid": "test-key-1", "typ": "JWT" }));
    assert_eq!(jwt::claims(access_token)["aud"], CLIENT_ID);
    assert!(text(&answer, "refresh_token").starts_with("refresh-"));
}

#[test]
fn a_redemption_must_be_right_in_every_part() {
    let cases: &[(&[Change], &str)] = &[
        (&[("grant_type", None)], "400 invalid_request"),
        (&[("grant_type", Some("password"))], "400 unsupported_grant_type"),
        (&[("code", None)], "400 invalid_request"),
        (&[("code", Some("code-of-nobody"))], "400 invalid_grant"),
        (&[("redirect_uri", None)], "400 invalid_request"),
        (&[("redirect_uri", Some("http://localhost:40124/redirect"))], "400 invalid_grant"),
        (&[("redirect_uri", Some("http://127.0.0.1:40123/redirect"))], "400 invalid_grant"),
        (&[("code_verifier", None)], "400 invalid_request"),
        (&[("code_verifier", Some("too-short"))], "400 invalid_request"),
        (&[("code_verifier", Some("another-verifier-of-the-same-length-as-before"))], "400 invalid_grant"),
        (&[("client_id", None)], "401 invalid_client"),
        (&[("client_id", Some("somebody"))], "401 invalid_client"),
        (&[("client_secret", Some("made-up"))], "401 invalid_client"),
        (&[("scope", Some("openid"))], "400 invalid_request"),
        (&[("state", Some("the-state"))], "400 invalid_request"),
        (&[("resource", Some("https://mongodb.example.com"))], "400 invalid_target"),
    ];
    let idp = quick();
    for (changes, expected) in cases {
        let request = change(good_redemption(&fresh_code(&idp)), changes);
        assert_eq!(verdict(&post(&idp, Endpoint::Token, &request)), *expected, "{changes:?}");
    }
    assert_eq!(idp.counters().codes_redeemed, 0);
}

#[test]
fn a_refused_redemption_does_not_use_the_code_up() {
    let idp = quick();
    let code = fresh_code(&idp);
    let wrong = change(good_redemption(&code), &[("redirect_uri", Some("http://localhost:1/redirect"))]);
    assert_eq!(verdict(&post(&idp, Endpoint::Token, &wrong)), "400 invalid_grant");
    assert_eq!(verdict(&post(&idp, Endpoint::Token, &good_redemption(&code))), "200");
}

#[test]
fn a_code_used_twice_ends_what_came_of_it() {
    let idp = quick();
    let code = fresh_code(&idp);
    let first = post(&idp, Endpoint::Token, &good_redemption(&code)).json();
    assert_eq!(verdict(&post(&idp, Endpoint::Token, &good_redemption(&code))), "400 invalid_grant");
    assert_eq!(idp.counters().reuse_detected, 1);
    assert_eq!(idp.families_alive(), 0);
    assert_eq!(verdict(&refresh(&idp, text(&first, "refresh_token"))), "400 invalid_grant");
}

#[test]
fn an_old_code_is_worth_nothing() {
    let idp = quick();
    idp.change(|behaviour| behaviour.code_lifetime = Duration::ZERO);
    assert_eq!(verdict(&post(&idp, Endpoint::Token, &good_redemption(&fresh_code(&idp)))), "400 invalid_grant");
}

#[test]
fn a_form_must_come_as_a_form() {
    let idp = quick();
    let form = "application/x-www-form-urlencoded";
    let body = "grant_type=refresh_token&client_id=mongodb-tools&refresh_token=x";
    let twice = format!("{body}&refresh_token=y");
    let json = r#"{"grant_type":"refresh_token"}"#;
    for (name, method, content_type, body, expected) in [
        ("a GET", "GET", form, "", "405 invalid_request"),
        ("a PUT", "PUT", form, body, "405 invalid_request"),
        ("JSON", "POST", "application/json", json, "400 invalid_request"),
        ("a form that says it is text", "POST", "text/plain", body, "400 invalid_request"),
        ("a parameter twice", "POST", form, &twice, "400 invalid_request"),
        ("not UTF-8", "POST", form, "grant_type=%ff", "400 invalid_request"),
        ("all as it should be", "POST", "application/x-www-form-urlencoded;charset=UTF-8", body, "400 invalid_grant"),
    ] {
        let answer = send_to(&idp, Endpoint::Token, method, &[("Content-Type", content_type)], body);
        assert_eq!(verdict(&answer), expected, "{name}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
    }
    let in_url = format!("{}?client_id=mongodb-tools", idp.url(Endpoint::Token));
    assert_eq!(post_form(&in_url, &[("grant_type", "refresh_token")]).status, 400);
}

#[test]
fn a_client_with_a_secret_proves_it_in_the_registered_way_only() {
    let idp = quick();
    // `basic:s%3A%25` and the like, in base64.
    let (right, wrong) = ("Basic YmFzaWM6cyUzQSUyNQ==", "Basic YmFzaWM6bm8=");
    idp.change(|behaviour| {
        let known = [("basic", ClientAuth::SecretBasic("s:%".into())), ("post", ClientAuth::SecretPost("s:%".into()))];
        behaviour.clients.extend(known.map(|(id, auth)| Client { auth, ..Client::public(id) }));
    });
    let with_secret = "&client_secret=s%3A%25";
    for (name, header, fields, expected) in [
        ("basic, right", Some(right), String::new(), "400 invalid_grant"),
        ("basic, and the id in the body", Some(right), "&client_id=basic".into(), "400 invalid_grant"),
        ("basic, and another id in the body", Some(right), "&client_id=post".into(), "401 invalid_client"),
        ("basic, wrong", Some(wrong), String::new(), "401 invalid_client"),
        ("basic, and posted", Some(right), format!("&client_id=basic{with_secret}"), "401 invalid_client"),
        ("basic, only posted", None, format!("&client_id=basic{with_secret}"), "401 invalid_client"),
        ("basic, nothing", None, "&client_id=basic".into(), "401 invalid_client"),
        ("bearer", Some("Bearer abc"), "&client_id=mongodb-tools".into(), "401 invalid_client"),
        ("post, right", None, format!("&client_id=post{with_secret}"), "400 invalid_grant"),
        ("post, wrong", None, "&client_id=post&client_secret=no".into(), "401 invalid_client"),
    ] {
        let mut headers = vec![("Content-Type", "application/x-www-form-urlencoded")];
        headers.extend(header.map(|value| ("Authorization", value)));
        let body = format!("grant_type=refresh_token&refresh_token=unknown{fields}");
        let answer = send_to(&idp, Endpoint::Token, "POST", &headers, &body);
        assert_eq!(verdict(&answer), expected, "{name}");
        assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401, "{name}");
    }
}

#[test]
fn another_clients_things_are_out_of_reach() {
    let idp = quick();
    idp.change(|behaviour| behaviour.clients.push(Client::public("other")));
    let other = [("client_id", Some("other"))];
    let code = fresh_code(&idp);
    assert_eq!(verdict(&post(&idp, Endpoint::Token, &change(good_redemption(&code), &other))), "400 invalid_grant");
    let answer = tokens(&idp);
    let refresh_token = text(&answer, "refresh_token");
    assert_eq!(
        verdict(&post(&idp, Endpoint::Token, &change(good_refresh(refresh_token), &other))),
        "400 invalid_grant"
    );
    let revocation = fields(&[("client_id", "other"), ("token", refresh_token)]);
    assert_eq!(verdict(&post(&idp, Endpoint::Revocation, &revocation)), "400 invalid_request");
    assert_eq!(idp.families_alive(), 1);
}

#[test]
fn revocation_ends_the_session_and_takes_unknown_tokens_in_its_stride() {
    let idp = quick();
    let answer = tokens(&idp);
    let refresh_token = text(&answer, "refresh_token");
    let revoke = |token: &str| {
        let hint = ("token_type_hint", "refresh_token");
        verdict(&post(&idp, Endpoint::Revocation, &fields(&[("client_id", CLIENT_ID), ("token", token), hint])))
    };
    assert_eq!(revoke("of-nobody"), "200");
    assert_eq!(idp.counters().revoked, 0);
    assert_eq!(revoke(refresh_token), "200");
    assert_eq!(idp.counters().revoked, 1);
    assert_eq!(verdict(&refresh(&idp, refresh_token)), "400 invalid_grant");
    assert_eq!(revoke(refresh_token), "200", "once more does no harm");
    let no_token = fields(&[("client_id", CLIENT_ID)]);
    assert_eq!(verdict(&post(&idp, Endpoint::Revocation, &no_token)), "400 invalid_request");
}

#[test]
fn tokens_come_out_as_bad_as_ordered() {
    let idp = quick();
    let minting = |signing| Minting { signing, ..Minting::default() };
    for (signing, algorithm, signature) in [
        (Signing::None, "none", 0),
        (Signing::Hs256WithPublicKey, "HS256", 43),
        (Signing::WrongKey, "RS256", 342),
        (Signing::Damaged, "RS256", 342),
    ] {
        idp.change(|behaviour| behaviour.id_token = minting(signing));
        let answer = tokens(&idp);
        let id_token = text(&answer, "id_token");
        assert_eq!(jwt::header(id_token)["alg"], algorithm);
        assert_eq!(id_token.rsplit('.').next().unwrap().len(), signature, "{signing:?}");
    }
    idp.change(|behaviour| {
        behaviour.id_token = Minting {
            header: json!({ "kid": null, "crit": ["x"] }).into(),
            claims: json!({ "iss": "https://evil.example", "nonce": null }).into(),
            ..Minting::default()
        };
        behaviour.access_token.instead = Some("opaque".into());
        behaviour.token_response = json!({ "expires_in": "3600", "token_type": null }).into();
    });
    let answer = tokens(&idp);
    let id_token = text(&answer, "id_token");
    assert_eq!(jwt::header(id_token), json!({ "alg": "RS256", "typ": "JWT", "crit": ["x"] }));
    assert_eq!(jwt::claims(id_token)["iss"], "https://evil.example");
    assert_eq!(jwt::claims(id_token).get("nonce"), None);
    assert_eq!((text(&answer, "access_token"), text(&answer, "expires_in")), ("opaque", "3600"));
    assert_eq!(answer.get("token_type"), None);
}

#[test]
fn a_resource_becomes_the_audience() {
    let idp = quick();
    let mongodb = [("resource", Some("https://mongodb.example.com"))];
    let code = redirected(&authorize(&idp, &change(good_request(), &mongodb)), "code").unwrap();
    let answer = post(&idp, Endpoint::Token, &change(good_redemption(&code), &mongodb)).json();
    assert_eq!(jwt::claims(text(&answer, "access_token"))["aud"], "https://mongodb.example.com");
    assert_eq!(jwt::claims(text(&answer, "id_token"))["aud"], CLIENT_ID);
}
