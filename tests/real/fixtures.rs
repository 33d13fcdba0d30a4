//! The peers themselves: one that is kinder than it claims would prove nothing.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::bus::Bus;
use crate::bus::wait;
use crate::peers::{Page, Provider, person};
use crate::support::cmd::Sandbox;

const STORE: [&str; 5] = ["store", "--label=a test", "--collection=login", "service", "mdb-login-fixture"];

/// Whether secret-tool can put a secret into the keyring within 5 s.
fn can_store(home: &Sandbox) -> bool {
    let mut child = home.tool("secret-tool").args(STORE).stderr(Stdio::null()).spawn().unwrap();
    wait(&mut child, Duration::from_secs(5)).is_some_and(|status| status.success())
}

/// Signs in by device code without the binary and gives the provider's answer.
fn tokens(provider: &Provider, scope: &str) -> Value {
    let client = ("client_id", provider.client_id.as_str());
    let asked = [client, ("scope", scope), ("resource", &provider.resource)];
    let (status, body) = provider.post("/device/auth", &asked);
    assert_eq!(status, 200, "{body}");
    let device: Value = serde_json::from_str(&body).unwrap();
    let code = device["device_code"].as_str().unwrap();
    let Page(page) = person(device["verification_uri_complete"].as_str().unwrap(), &[]);
    assert_eq!(page["title"], "Device signed in", "{page}");
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    let (status, body) = provider.post("/token", &[client, grant, ("device_code", code)]);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn refresh(provider: &Provider, token: &str) -> (u16, Value) {
    let form = [("client_id", provider.client_id.as_str()), ("grant_type", "refresh_token"), ("refresh_token", token)];
    let (status, body) = provider.post("/token", &form);
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn the_provider_punishes_the_reuse_of_a_refresh_token() {
    let provider = Provider::start();
    let first = tokens(&provider, "openid offline_access");
    let (status, second) = refresh(&provider, first["refresh_token"].as_str().unwrap());
    assert_eq!(status, 200, "{second}");
    assert_eq!(refresh(&provider, first["refresh_token"].as_str().unwrap()).0, 400);
    let (status, third) = refresh(&provider, second["refresh_token"].as_str().unwrap());
    assert_eq!((status, &third["error"]), (400, &Value::from("invalid_grant")), "the whole grant is gone");
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn the_provider_insists_on_pkce() {
    let provider = Provider::start();
    let query = "client_id=mdb-login-native&response_type=code&scope=openid&redirect_uri=http://127.0.0.1:9/redirect";
    let refused = std::panic::catch_unwind(|| person(&format!("{}/auth?{query}", provider.issuer), &[]));
    // The refusal is a redirect to the closed port 9, which the person's browser cannot follow.
    assert!(refused.is_err());
    let journal = provider.journal();
    assert_eq!(journal.at("authorization")[0]["error"], "invalid_request", "{journal:?}");
}

#[test]
#[ignore = "needs gnome-keyring; run tests/run"]
fn an_unlocked_keyring_stores_and_a_locked_one_does_not() {
    let mut home = Sandbox::new();
    let mut bus = Bus::start(&mut home);
    bus.unlocked(&home);
    assert!(can_store(&home));
    bus.lock();
    assert!(!can_store(&home));
    bus.kill_keyring();
    assert!(!can_store(&home));
}

#[test]
#[ignore = "needs dbus-daemon and secret-tool; run tests/run"]
fn a_mute_service_lets_its_callers_hang() {
    let mut home = Sandbox::new();
    let bus = Bus::start(&mut home);
    let service = bus.mute_service();
    let mut child = home.tool("secret-tool").args(STORE).spawn().unwrap();
    assert!(wait(&mut child, Duration::from_secs(4)).is_none(), "somebody answered");
    drop(service);
}

#[test]
#[ignore = "needs gnome-keyring; run tests/run"]
fn a_prompt_that_nobody_answers_lets_its_callers_hang() {
    let mut home = Sandbox::new();
    let mut bus = Bus::start(&mut home);
    bus.locked(&home);
    let prompter = bus.mute_prompter();
    let mut child = home.tool("secret-tool").args(STORE).spawn().unwrap();
    assert!(wait(&mut child, Duration::from_secs(4)).is_none(), "somebody answered");
    drop(prompter);
}
