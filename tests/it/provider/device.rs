//! The device flow: no token without a person, no polling faster than allowed.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::support::browser::Browser;

fn start(idp: &Idp) -> Value {
    let request = fields(&[("client_id", CLIENT_ID), ("scope", "openid offline_access")]);
    let answer = post(idp, Endpoint::DeviceAuthorization, &request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn poll(idp: &Idp, device: &Value) -> Exchange {
    let request = fields(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLIENT_ID),
        ("device_code", text(device, "device_code")),
    ]);
    post(idp, Endpoint::Token, &request)
}

/// A provider that may be polled without a pause.
fn patient() -> Idp {
    Idp::start_with(|behaviour| behaviour.device.interval = 0)
}

#[test]
fn a_device_waits_for_a_person_and_gets_tokens_once() {
    let idp = patient();
    let device = start(&idp);
    assert_eq!(verdict(&poll(&idp, &device)), "400 authorization_pending");

    let mut browser = Browser::new();
    let page = browser.open(text(&device, "verification_uri_complete"));
    assert!(page.form().unwrap().fields.contains(&("user_code".into(), text(&device, "user_code").into())));
    let done = browser.submit(&page, &[("user", "ada"), ("decision", "allow")]);
    assert_eq!((done.status(), done.title().as_str()), (200, "Done"));

    let answer = poll(&idp, &device).json();
    let id_token = crate::support::idp::jwt::claims(text(&answer, "id_token"));
    assert_eq!((&id_token["sub"], id_token.get("nonce")), (&json!("00u-ada"), None));
    assert!(text(&answer, "refresh_token").starts_with("refresh-"));
    assert_eq!(verdict(&poll(&idp, &device)), "400 invalid_grant");
}

#[test]
fn a_code_typed_by_hand_is_good_in_any_shape_but_only_once() {
    let idp = patient();
    let device = start(&idp);
    let typed = text(&device, "user_code").to_lowercase().replace('-', " ");
    let mut browser = Browser::new();
    let mut enter = |code: &str| {
        let page = browser.open(text(&device, "verification_uri"));
        browser.submit(&page, &[("user_code", code), ("user", "ada"), ("decision", "deny")]).status()
    };
    assert_eq!(enter("ZZZZ-ZZZZ"), 400);
    assert_eq!(enter(&typed), 200);
    assert_eq!(enter(&typed), 400);
    assert_eq!(verdict(&poll(&idp, &device)), "400 access_denied");
}

#[test]
fn a_device_that_polls_too_fast_is_slowed_down_for_good() {
    let idp = Idp::start_with(|behaviour| behaviour.device.interval = 1);
    let device = start(&idp);
    idp.answer_device(text(&device, "user_code"), Some("ada"));
    // The first poll may come at once; the second is too early, approved or not.
    assert_eq!(verdict(&poll(&idp, &start(&idp))), "400 authorization_pending");
    let pending = start(&idp);
    assert_eq!(verdict(&poll(&idp, &pending)), "400 authorization_pending");
    assert_eq!(verdict(&poll(&idp, &pending)), "400 slow_down");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(verdict(&poll(&idp, &pending)), "400 slow_down", "it is six seconds now");
    assert_eq!(verdict(&poll(&idp, &device)), "200");
}

#[test]
fn whoever_keeps_to_the_interval_is_not_slowed_down() {
    let idp = Idp::start_with(|behaviour| behaviour.device.interval = 1);
    let device = start(&idp);
    for _ in 0..2 {
        assert_eq!(verdict(&poll(&idp, &device)), "400 authorization_pending");
        std::thread::sleep(Duration::from_millis(1010));
    }
}

#[test]
fn device_codes_expire_and_can_be_slowed_for_ever() {
    let idp = patient();
    idp.change(|behaviour| behaviour.device.slow_down_forever = true);
    let device = start(&idp);
    idp.answer_device(text(&device, "user_code"), Some("ada"));
    assert_eq!(verdict(&poll(&idp, &device)), "400 slow_down");
    idp.change(|behaviour| behaviour.device.expires_in = 0);
    assert_eq!(verdict(&poll(&idp, &start(&idp))), "400 expired_token");
}

#[test]
fn approval_can_come_by_itself_after_some_polls() {
    let idp = patient();
    idp.change(|behaviour| behaviour.device.auto_approve = Some((3, "grace".into())));
    let device = start(&idp);
    let answers: Vec<String> = (0..3).map(|_| verdict(&poll(&idp, &device))).collect();
    assert_eq!(answers, ["400 authorization_pending", "400 authorization_pending", "200"]);
}

#[test]
fn the_device_endpoint_refuses_what_it_should_and_lies_when_told() {
    let idp = patient();
    for (name, request, expected) in [
        ("no client", fields(&[("scope", "openid")]), "401 invalid_client"),
        ("unknown client", fields(&[("client_id", "x")]), "401 invalid_client"),
        ("unknown scope", fields(&[("client_id", CLIENT_ID), ("scope", "root")]), "400 invalid_scope"),
        ("strange parameter", fields(&[("client_id", CLIENT_ID), ("redirect_uri", "x")]), "400 invalid_request"),
    ] {
        assert_eq!(verdict(&post(&idp, Endpoint::DeviceAuthorization, &request)), expected, "{name}");
    }
    idp.change(|behaviour| {
        behaviour.device.response = json!({ "interval": null, "verification_uri": "javascript:alert(1)" }).into();
    });
    let device = start(&idp);
    assert_eq!((device.get("interval"), text(&device, "verification_uri")), (None, "javascript:alert(1)"));
    idp.change(|behaviour| behaviour.clients[0].grant_types.retain(|grant| grant == "authorization_code"));
    let request = fields(&[("client_id", CLIENT_ID)]);
    assert_eq!(verdict(&post(&idp, Endpoint::DeviceAuthorization, &request)), "400 unauthorized_client");
}
