//! What a person sees of a good token, of one of Entra ID's classics, and of a bad one.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Setting;
use crate::mongod::keys::signed_text;
use crate::signed_in::unix_now;
use crate::support::cmd::Sandbox;
use crate::support::idp::{Minting, Patch, Signing};
use crate::support::screen::assert_screens;

/// Ages and spans in whole minutes, so that a test that takes a while shows the same.
const AGE: u64 = 75;
const LIFE: u64 = 5400;

/// Shows moments by their names: they are as long everywhere.
fn hide_times(sandbox: &mut Sandbox, issued: u64) {
    for (moment, name) in [(issued, "[ISSUED]"), (issued + LIFE, "[EXPIRES]")] {
        let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(moment)).to_string();
        sandbox.hide(&text, name);
    }
}

#[test]
fn a_good_token() {
    let mut setting = Setting::new();
    let issued = unix_now() - AGE;
    hide_times(&mut setting.sandbox, issued);
    let claims = Patch::with(move |claims| {
        (claims["iat"], claims["exp"], claims["jti"]) = (json!(issued), json!(issued + LIFE), json!("token-1"));
        claims["groups"] = json!(["dba", "readers of everything", "on-call"]);
    });
    let token = setting.token(Minting { claims, ..Minting::default() });
    let path = setting.file(token);
    assert_screens(&setting.sandbox, "inspect-good", &["inspect", path.to_str().unwrap(), "--prefix", "corp"]);
}

#[test]
fn a_token_of_entra_s_first_version_for_microsoft_graph() {
    let mut sandbox = Sandbox::new();
    let tenant = "0b1c2d3e-0000-4000-8000-000000000000";
    sandbox
        .env("MDB_LOGIN_ISSUER", format!("https://login.microsoftonline.com/{tenant}/v2.0"))
        .env("MDB_LOGIN_CLIENT_ID", "5f6e7d8c-0000-4000-8000-000000000000");
    let issued = unix_now() - AGE;
    hide_times(&mut sandbox, issued);
    let claims = json!({
        "iss": format!("https://sts.windows.net/{tenant}/"), "aud": "00000003-0000-0000-c000-000000000000",
        "sub": "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "upn": "ada@example.com", "scp": "openid profile email",
        "ver": "1.0", "iat": issued, "nbf": issued, "exp": issued + LIFE, "_claim_names": { "groups": "src1" },
    });
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "nOo3ZDrODXEK1jKWhXslHR_KXEg" });
    let token = signed_text(&header.to_string(), &claims.to_string(), |_| vec![7; 256]);
    let path = sandbox.home().join("token");
    std::fs::write(&path, token).unwrap();
    assert_screens(&sandbox, "inspect-entra", &["inspect", path.to_str().unwrap(), "--offline"]);
}

#[test]
fn a_token_with_much_wrong() {
    let mut setting = Setting::new();
    let issued = unix_now() - AGE - LIFE;
    hide_times(&mut setting.sandbox, issued);
    let claims = Patch::with(move |claims: &mut Value| {
        (claims["iat"], claims["exp"], claims["jti"]) = (json!(issued), json!(issued + LIFE), json!("token-1"));
        claims["aud"] = json!(["mongodb-tools", "account"]);
        claims["groups"] = json!({ "name": "dba" });
    });
    let minting =
        Minting { header: json!({ "typ": "at+jwt" }).into(), claims, signing: Signing::Damaged, ..Minting::default() };
    let token = setting.token(minting);
    let path = setting.file(token);
    assert_screens(&setting.sandbox, "inspect-bad", &["inspect", path.to_str().unwrap()]);
}

#[test]
fn what_is_no_token() {
    let setting = Setting::new();
    let path = setting.file("0b1c2d3e-opaque");
    assert_screens(&setting.sandbox, "inspect-opaque", &["inspect", path.to_str().unwrap()]);
}
