//! `token` with a good token at hand needs nothing but its settings and the cache: no provider, no lock, no keyring, no
//! runtime folder, no bus, and it writes nothing. What it asks of the system call by call is measured with the real peers.

use std::path::PathBuf;
use std::time::Duration;

use crate::signed_in::SignedIn;

/// A sandbox whose cached token is in the kernel keyring. Where there is none (other systems, a container that hides
/// it) the token is next to the session, and the tests below take away only what is then not needed.
fn kernel_has_it(ada: &SignedIn) -> bool {
    #[cfg(target_os = "linux")]
    return ada.sandbox.session_ids().iter().any(|id| crate::support::cmd::kernel_key(id).is_some());
    #[cfg(not(target_os = "linux"))]
    return ada.sandbox.session_ids().is_empty();
}

/// Every file with its bytes and its time of change.
fn snapshot(ada: &SignedIn) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    // A token next to the session is read under the lock, and the lock file says whose it is.
    let counts = |path: &PathBuf| kernel_has_it(ada) || path.extension().is_none_or(|extension| extension != "lock");
    let mut all: Vec<_> = ada
        .sandbox
        .files()
        .into_iter()
        .filter(|(path, _)| counts(path))
        .map(|(path, bytes)| {
            let changed = std::fs::metadata(&path).unwrap().modified().unwrap();
            (path, bytes, changed)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_cached_token_is_handed_out_with_nobody_there_to_ask() {
    let mut ada = SignedIn::new();
    let token = ada.token();
    let asked = ada.requests();
    ada.idp.set_up(false);
    for gone in ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "HOME", "USER", "PATH", "LANG", "TMPDIR"] {
        ada.sandbox.unset(gone);
    }
    for (name, value) in [
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere"),
        ("MDB_LOGIN_STORE", "keyring"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("MDB_LOGIN_CA_FILE", "/nowhere/ca.pem"),
        ("MDB_LOGIN_CLIENT_SECRET_COMMAND", "/nowhere/secret"),
        ("SSL_CERT_FILE", "/nowhere/certificates"),
    ] {
        // Of no use to a token that is here already; the store is where it was put, whatever is preferred now.
        if name != "MDB_LOGIN_STORE" || kernel_has_it(&ada) {
            ada.sandbox.env(name, value);
        }
    }
    let before = snapshot(&ada);
    for _ in 0..20 {
        let outcome = ada.run(["token"]).exits(0).within(Duration::from_secs(2));
        assert_eq!((outcome.stdout(), outcome.stderr()), (token.clone(), String::new()));
    }
    assert_eq!(snapshot(&ada), before, "something was written");
    ada.idp.set_up(true);
    assert_eq!(ada.requests(), asked);
}

#[cfg(target_os = "linux")]
#[test]
fn a_cached_token_waits_for_nobody() {
    let ada = SignedIn::new();
    let token = ada.token();
    if !kernel_has_it(&ada) {
        // The token is next to the session then, which is read under the lock; nothing here to be proved.
        assert!(ada.record().is_some(), "neither a cached token nor a session");
        eprintln!("NOT RUN, NO KERNEL KEYRING: a_cached_token_waits_for_nobody");
        return;
    }
    let lock = std::fs::OpenOptions::new().write(true).open(ada.file("lock")).unwrap();
    lock.lock().unwrap();
    let outcome = ada.run(["token"]).exits(0).within(Duration::from_secs(2));
    assert_eq!(outcome.stdout(), token);
    // Whoever must renew waits, which shows that this is the lock.
    let mut waiter = ada.spawn(["token", "--force-refresh"]);
    std::thread::sleep(Duration::from_millis(500));
    assert!(waiter.is_running());
    lock.unlock().unwrap();
    waiter.wait().exits(0);

    // Not even the state folder is looked at.
    let token = ada.token();
    let away = ada.sandbox.home().join("away");
    std::fs::rename(ada.sandbox.state_dir(), &away).unwrap();
    assert_eq!(ada.token(), token);
    std::fs::write(ada.sandbox.state_dir(), "not a folder").unwrap();
    assert_eq!(ada.token(), token);
    std::fs::remove_file(ada.sandbox.state_dir()).unwrap();
    std::fs::rename(&away, ada.sandbox.state_dir()).unwrap();
}

/// The cache is only a cache: without it the session still gives a token, at the price of one refresh.
#[cfg(target_os = "linux")]
#[test]
fn a_cache_that_forgets_costs_one_refresh_and_no_more() {
    let ada = SignedIn::new();
    ada.token();
    let id = ada.sandbox.session_ids().pop().unwrap();
    let forgotten = crate::support::cmd::kernel_key(&id).map(|key| key.invalidate().unwrap());
    let token = ada.token();
    assert_eq!(ada.refreshes(), usize::from(forgotten.is_some()));
    assert_eq!(ada.token(), token);
    assert_eq!(ada.refreshes(), usize::from(forgotten.is_some()));
    ada.nothing_was_reused();
}
