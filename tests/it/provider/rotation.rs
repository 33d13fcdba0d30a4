//! Refresh tokens: one use each, and what a second use does, in every mode.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::support::idp::{Again, Rotation, jwt};

fn rotating(rotation: Rotation) -> Idp {
    let idp = quick();
    idp.change(|behaviour| behaviour.rotation = rotation);
    idp
}

#[test]
fn strict_rotation_ends_the_whole_family_at_the_first_reuse() {
    let idp = rotating(Rotation::Strict);
    let first = tokens(&idp);
    let other_sign_in = tokens(&idp);
    let second = refresh(&idp, text(&first, "refresh_token")).json();
    let third = refresh(&idp, text(&second, "refresh_token")).json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(idp.counters().refreshes, 2);

    assert_eq!(verdict(&refresh(&idp, text(&first, "refresh_token"))), "400 invalid_grant");
    assert_eq!((idp.counters().reuse_detected, idp.counters().revoked), (1, 1));
    let newest = verdict(&refresh(&idp, text(&third, "refresh_token")));
    assert_eq!(newest, "400 invalid_grant", "the thief may hold the newest one");
    assert_eq!(verdict(&refresh(&idp, text(&other_sign_in, "refresh_token"))), "200", "another family is safe");
    assert_eq!(idp.families_alive(), 1);
}

#[test]
fn within_the_grace_time_a_lost_answer_can_be_had_again() {
    let within = Duration::from_secs(30);
    let idp = rotating(Rotation::Grace { within, again: Again::SamePair });
    let first = tokens(&idp);
    let second = refresh(&idp, text(&first, "refresh_token")).json();
    assert_eq!(refresh(&idp, text(&first, "refresh_token")).json(), second);

    idp.change(|behaviour| behaviour.rotation = Rotation::Grace { within, again: Again::NewPair });
    let another = refresh(&idp, text(&first, "refresh_token")).json();
    assert_ne!(another["refresh_token"], second["refresh_token"]);
    assert_eq!(verdict(&refresh(&idp, text(&second, "refresh_token"))), "200", "both successors live");
    assert_eq!((idp.counters().replays, idp.counters().reuse_detected), (2, 0));
}

#[test]
fn after_the_grace_time_it_is_reuse() {
    let idp = rotating(Rotation::Grace { within: Duration::ZERO, again: Again::SamePair });
    let first = tokens(&idp);
    let second = refresh(&idp, text(&first, "refresh_token")).json();
    assert_eq!(verdict(&refresh(&idp, text(&first, "refresh_token"))), "400 invalid_grant");
    assert_eq!(verdict(&refresh(&idp, text(&second, "refresh_token"))), "400 invalid_grant");
}

#[test]
fn a_static_refresh_token_stays_with_or_without_being_said() {
    let idp = rotating(Rotation::Static);
    let first = tokens(&idp);
    assert_eq!(refresh(&idp, text(&first, "refresh_token")).json()["refresh_token"], first["refresh_token"]);
    idp.change(|behaviour| {
        behaviour.omit_refresh_token = true;
        behaviour.omit_id_token = true;
    });
    let answer = refresh(&idp, text(&first, "refresh_token")).json();
    assert_eq!((answer.get("refresh_token"), answer.get("id_token")), (None, None));
    assert_eq!(idp.counters().refreshes, 2);
}

#[test]
fn a_refresh_cannot_gain_anything() {
    let idp = quick();
    let first = tokens(&idp);
    let mut token = text(&first, "refresh_token").to_owned();
    for (changes, expected) in [
        ([("scope", Some("openid email"))], "400 invalid_scope"),
        ([("scope", Some("root"))], "400 invalid_scope"),
        ([("resource", Some("https://mongodb.example.com"))], "400 invalid_target"),
        ([("redirect_uri", Some(REDIRECT))], "400 invalid_request"),
        ([("refresh_token", None)], "400 invalid_request"),
        ([("refresh_token", Some("of-nobody"))], "400 invalid_grant"),
    ] {
        let answer = post(&idp, Endpoint::Token, &change(good_refresh(&token), &changes));
        assert_eq!(verdict(&answer), expected, "{changes:?}");
    }
    let narrower = post(&idp, Endpoint::Token, &change(good_refresh(&token), &[("scope", Some("openid"))])).json();
    assert_eq!(narrower["scope"], "openid");
    text(&narrower, "refresh_token").clone_into(&mut token);
    assert_eq!(refresh(&idp, &token).json()["scope"], "openid offline_access");
    assert_eq!(idp.counters().reuse_detected, 0);
}

#[test]
fn refreshed_tokens_are_about_the_same_person_unless_a_test_says_otherwise() {
    let idp = rotating(Rotation::Static);
    let first = tokens(&idp);
    let answer = refresh(&idp, text(&first, "refresh_token")).json();
    let id_token = jwt::claims(text(&answer, "id_token"));
    assert_eq!((&id_token["sub"], id_token.get("nonce")), (&json!("00u-ada"), None));
    idp.change(|behaviour| {
        behaviour.subject_on_refresh = Some("mallory".into());
        behaviour.refresh_response = json!({ "expires_in": 1 }).into();
    });
    let answer = refresh(&idp, text(&first, "refresh_token")).json();
    assert_eq!(jwt::claims(text(&answer, "id_token"))["sub"], "mallory");
    assert_eq!(answer["expires_in"], 1);
}

#[test]
fn old_and_ended_refresh_tokens_are_refused() {
    let idp = quick();
    let first = tokens(&idp);
    idp.change(|behaviour| behaviour.refresh_token_lifetime = Duration::ZERO);
    assert_eq!(verdict(&refresh(&idp, text(&first, "refresh_token"))), "400 invalid_grant");
    idp.change(|behaviour| behaviour.refresh_token_lifetime = Duration::from_secs(60));
    idp.end_all_sessions();
    assert_eq!(verdict(&refresh(&idp, text(&first, "refresh_token"))), "400 invalid_grant");
    assert_eq!((idp.counters().revoked, idp.families_alive()), (1, 0));
}
