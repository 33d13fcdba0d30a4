//! The operating system's keyring as it is met: unlocked, locked, absent, mute.

use std::path::PathBuf;
use std::time::Duration;

use crate::bus::Bus;
use crate::peers::Provider;
use crate::sign_in::{claims, sign_in};
use crate::support::cmd::{Sandbox, start_url};

/// "Told apart within 3 s when nobody can answer a prompt", and a little for the process itself.
const VERDICT: Duration = Duration::from_millis(3500);

/// A home that leaves the choice of the store to the program.
fn at(provider: &Provider) -> Sandbox {
    let mut home = provider.home();
    home.unset("MDB_LOGIN_STORE");
    home
}

/// What secret-tool sees of our items, secrets included.
fn items(home: &Sandbox) -> String {
    let output = home.tool("secret-tool").args(["search", "--all", "service", "mdb-login"]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
#[ignore = "needs gnome-keyring and npm oidc-provider; run tests/run"]
fn unlocked_keeps_the_refresh_token_and_nothing_else_does() {
    let provider = Provider::start();
    let mut home = at(&provider);
    let mut bus = Bus::start(&mut home);
    bus.unlocked(&home);
    sign_in(&home, &[]).0.exits(0);
    let first = provider.journal().refresh_tokens().last().copied().unwrap().to_owned();
    assert!(items(&home).contains(&first), "gnome-keyring does not hold the refresh token:\n{}", items(&home));
    assert_eq!(home.files_with(&first), Vec::<PathBuf>::new());

    let token = home.run(["token", "--force-refresh"]).exits(0).stdout();
    let second = provider.journal().refresh_tokens().last().copied().unwrap().to_owned();
    assert_ne!(first, second);
    let kept = items(&home);
    assert!(kept.contains(&second) && !kept.contains(&first), "the successor has not replaced it:\n{kept}");
    assert_eq!(home.files_with(&second), Vec::<PathBuf>::new());
    assert_eq!(home.files_with(&token), Vec::<PathBuf>::new(), "the access token is on disk");

    home.run(["logout"]).exits(0);
    assert!(!items(&home).contains(&second), "logout left the item:\n{}", items(&home));
}

#[test]
#[ignore = "needs gnome-keyring and npm oidc-provider; run tests/run"]
fn locked_is_named_before_the_person_is_sent_to_the_browser() {
    let provider = Provider::start();
    let mut home = at(&provider);
    let mut bus = Bus::start(&mut home);
    bus.locked(&home);
    let answer = home.run(["login"]).exits(8).says("locked").within(VERDICT);
    assert!(start_url(&answer.stderr()).is_none(), "{answer:?}");
    assert_eq!(provider.journal().at("authorization").len(), 0);
}

#[test]
#[ignore = "needs gnome-keyring and npm oidc-provider; run tests/run"]
fn locked_later_still_serves_the_cached_token_and_names_the_lock() {
    let provider = Provider::start();
    let mut home = at(&provider);
    let mut bus = Bus::start(&mut home);
    bus.unlocked(&home);
    sign_in(&home, &[]).0.exits(0);
    bus.lock();
    claims(&home.run(["token"]).exits(0).within(Duration::from_secs(1)).stdout());
    home.run(["token", "--force-refresh"]).exits(8).says("locked").within(VERDICT);
    assert_eq!(provider.journal().grants("refresh_token").len(), 0);
}

#[test]
#[ignore = "needs gnome-keyring and npm oidc-provider; run tests/run"]
fn locked_with_a_prompt_that_nobody_answers_is_no_hang() {
    let provider = Provider::start();
    let mut home = at(&provider);
    let mut bus = Bus::start(&mut home);
    bus.locked(&home);
    let _prompter = bus.mute_prompter();
    home.run(["login"]).exits(8).says("locked").within(VERDICT);
}

#[test]
#[ignore = "needs gnome-keyring and npm oidc-provider; run tests/run"]
fn a_keyring_that_died_in_between_costs_nothing_but_an_error() {
    let provider = Provider::start();
    let mut home = at(&provider);
    let mut bus = Bus::start(&mut home);
    bus.unlocked(&home);
    sign_in(&home, &[]).0.exits(0);
    bus.kill_keyring();
    home.run(["token", "--force-refresh"]).exits(8).within(VERDICT);
    assert_eq!(provider.journal().grants("refresh_token").len(), 0);
    bus.unlocked(&home);
    home.run(["token", "--force-refresh"]).exits(0);
}

#[test]
#[ignore = "needs dbus-daemon and npm oidc-provider; run tests/run"]
fn mute_is_told_apart_in_time() {
    let provider = Provider::start();
    let mut home = at(&provider);
    let bus = Bus::start(&mut home);
    let _service = bus.mute_service();
    let answer = home.run(["login"]).exits(8).within(VERDICT);
    assert!(!answer.stderr().contains("locked"), "mute is not locked: {answer:?}");
    assert_eq!(provider.journal().at("authorization").len(), 0);
}

#[test]
#[ignore = "needs dbus-daemon and npm oidc-provider; run tests/run"]
fn a_bus_without_a_secret_service_means_the_kernel_keyring_and_a_note() {
    let provider = Provider::start();
    let mut home = at(&provider);
    let _bus = Bus::start(&mut home);
    the_kernel_keeps_it(&provider, &home);
}

#[test]
#[ignore = "needs npm oidc-provider and the kernel's keyrings; run tests/run"]
fn no_bus_at_all_means_the_kernel_keyring_and_a_note() {
    let provider = Provider::start();
    the_kernel_keeps_it(&provider, &at(&provider));
}

fn the_kernel_keeps_it(provider: &Provider, home: &Sandbox) {
    let answer = sign_in(home, &[]).0.exits(0).says("kernel keyring");
    assert_eq!(answer.stderr().matches("no keyring here").count(), 1, "said once: {answer:?}");
    let refresh = provider.journal().refresh_tokens().last().copied().unwrap().to_owned();
    assert_eq!(home.files_with(&refresh), Vec::<PathBuf>::new());
    let token = home.run(["token", "--force-refresh"]).exits(0).stdout();
    assert_eq!(home.files_with(&token), Vec::<PathBuf>::new());
    home.run(["logout"]).exits(0);
    home.run(["token"]).exits(4);
}

/// `doctor` sees whether the keyring is locked, and neither opens it nor asks anybody to.
#[test]
#[ignore = "needs gnome-keyring; run tests/run"]
fn doctor_sees_the_lock_and_leaves_it() {
    let mut home = Sandbox::new();
    home.unset("MDB_LOGIN_STORE");
    let mut bus = Bus::start(&mut home);
    bus.unlocked(&home);
    let page = home.run(["doctor"]).exits(0).stdout();
    assert!(page.contains("ok    keyring  Secret Service (gnome-keyring), unlocked\n"), "{page}");
    assert!(page.contains("ok    store    a sign-in would be kept in the system's keyring"), "{page}");
    assert_eq!(items(&home), "", "something was put into the keyring");

    let prompter = bus.mute_prompter();
    bus.lock();
    for _ in 0..2 {
        let page = home.run(["doctor"]).exits(8).within(VERDICT).stdout();
        assert!(page.contains("FAIL  keyring  the keyring is locked: nobody is here who could be asked"), "{page}");
    }
    // At a desktop somebody would be asked, so it is only a warning; nobody is asked by this.
    home.env("DISPLAY", ":0").env("MDB_LOGIN_BROWSER", "none");
    let page = home.run(["doctor"]).exits(0).within(VERDICT).stdout();
    assert!(page.contains("warn  keyring  the keyring is locked"), "{page}");
    drop(prompter);
}
