//! The redirect port: all addresses or none, who holds it, the further redirect URIs, and two sign-ins at a time.

use std::net::TcpListener;
use std::time::Duration;

use super::login::{assert_told, only, provider, sandbox, sign_in, within};
use crate::support::browser::Browser;
use crate::support::cmd::{Outcome, assert_text};
use crate::support::idp::Endpoint;

/// The holder of this process's sockets as the program can know it.
fn this_process() -> String {
    if cfg!(target_os = "linux") {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", std::process::id())).unwrap();
        format!("`{}` (process {})", name.trim_end(), std::process::id())
    } else {
        "another program".to_owned()
    }
}

fn uri(port: u16) -> String {
    format!("http://localhost:{port}/redirect")
}

/// Compares stderr with the ports in it, which [`Outcome::text`] hides.
#[track_caller]
fn assert_stderr(outcome: &Outcome, issuer: &str, expected: &str) {
    assert_text(&outcome.stderr().replace(issuer, "[ISSUER]"), expected);
}

#[test]
fn a_port_taken_on_one_address_is_taken() {
    for host in ["127.0.0.1", "::1"] {
        let idp = provider(|_| {});
        let sandbox = sandbox(&idp);
        let squatter = TcpListener::bind((host, 0)).unwrap();
        let (address, port) = (squatter.local_addr().unwrap(), squatter.local_addr().unwrap().port());
        let login = within(Duration::from_secs(1), || sandbox.run(["login", "--redirect-uri", &uri(port)]));
        let holder = this_process();
        assert_stderr(
            &login,
            idp.issuer(),
            &format!(
                "error: cannot listen for the browser's answer on `http://localhost:{port}/redirect`\n  \
                 caused by: `{address}` is taken by {holder}\n\
                 hint: if that is a sign-in too (mdb-login, mongosh, Compass), finish it and run this again; otherwise end that \
                 program, or register a second redirect URI at the provider and add it to `redirect_uri`\n\
                 hint: or sign in with a code, if the provider offers it: `mdb-login login --device`\n"
            ),
        );
        assert_eq!(login.code(), Some(9));
        // Found out before anybody was asked, and the other address was let go.
        assert_eq!(idp.log().len(), 0);
        let other = if host == "::1" { "127.0.0.1" } else { "::1" };
        TcpListener::bind((other, port)).unwrap();
    }
}

#[test]
fn further_redirect_uris_are_tried_in_order() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    let squatter = TcpListener::bind("[::1]:0").unwrap();
    let (taken, free) = (squatter.local_addr().unwrap().port(), free_port());
    sandbox.env("MDB_LOGIN_REDIRECT_URI", format!("{} {} {}", uri(taken), uri(free), uri(free_port())));
    let (login, visit) = sign_in(&sandbox, &["login"], "ada");
    assert_told(&login, "exit 0\n--- stderr\n[INVITATION]\n[REPORT]\n");
    assert_eq!(visit.url().port(), Some(free));
    assert_eq!(only(&idp, Endpoint::Authorization).parameters["redirect_uri"], uri(free));

    // All taken: each is named.
    let second = TcpListener::bind("127.0.0.1:0").unwrap();
    let also = second.local_addr().unwrap().port();
    sandbox.env("MDB_LOGIN_REDIRECT_URI", format!("{} {}", uri(taken), uri(also)));
    let login = sandbox.run(["login"]).exits(9);
    for part in [uri(taken), uri(also), format!("`[::1]:{taken}` is taken"), format!("`127.0.0.1:{also}` is taken")] {
        assert!(login.stderr().contains(&part), "no {part}:\n{}", login.stderr());
    }
}

/// A port that was free on both families a moment ago.
fn free_port() -> u16 {
    for _ in 0..50 {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if TcpListener::bind(("::1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

#[test]
fn the_device_flow_serves_where_the_profile_allows_it() {
    let idp = provider(|behaviour| {
        behaviour.device.interval = 1;
        behaviour.device.auto_approve = Some((1, "ada".into()));
    });
    let mut sandbox = sandbox(&idp);
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    sandbox
        .env("MDB_LOGIN_DEVICE_FALLBACK", "true")
        .env("MDB_LOGIN_REDIRECT_URI", uri(squatter.local_addr().unwrap().port()));
    let login = sandbox.run(["login"]);
    let user_code = &idp.user_codes()[0];
    assert_told(
        &login,
        &format!(
            "exit 0\n--- stderr\n\
             no redirect port is free; using a device code, as the profile allows\n\
             open   [ISSUER]/device\n\
             enter  {user_code}\n\
             the code is valid for 10 min and signs this terminal in at 127.0.0.1\n\
             only go on if you started this yourself; never enter a code that somebody sent you\n\
             [REPORT]\n"
        ),
    );
    assert_eq!(idp.requests(Endpoint::Authorization), 0);
}

#[test]
fn a_second_sign_in_to_the_same_session_waits_and_uses_the_result() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_REDIRECT_URI", uri(free_port()));
    let mut first = sandbox.spawn(["login"]);
    let url = first.start_url();
    let mut second = sandbox.spawn(["login"]);
    second.line_with("waiting for it");
    Browser::new().sign_in(&url, "ada");
    assert_told(&first.wait(), "exit 0\n--- stderr\n[INVITATION]\n[REPORT]\n");
    second.wait().is("
        exit 0
        --- stderr
        another mdb-login is signing in to this session; waiting for it
        signed in as ada@example.com at [ISSUER] (by the other mdb-login)
        token valid for 1 h; it renews by itself
        kept in a file (`--store file`): every program of yours, and every backup, can read it
        next: `mdb-login token`
    ");
    assert_eq!(idp.requests(Endpoint::Token), 1);
    assert_eq!(idp.requests(Endpoint::Authorization), 1);
}

#[test]
fn a_wait_for_another_sign_in_ends_and_says_whose_it_was() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_REDIRECT_URI", uri(free_port()));
    let mut first = sandbox.spawn(["login"]);
    first.start_url();
    let second = sandbox.run(["login", "--timeout=5s"]).exits(6);
    assert_stderr(
        &second,
        idp.issuer(),
        &format!(
            "another mdb-login is signing in to this session; waiting for it\n\
             error: another mdb-login (process {}) is still signing in to this session\n  \
             caused by: waited 5 s for its lock\n\
             hint: finish the sign-in there, or end it with Ctrl-C, and run this again\n",
            first.id()
        ),
    );
}

#[test]
fn when_the_first_sign_in_fails_the_second_goes_on_by_itself() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_REDIRECT_URI", uri(free_port()));
    let mut first = sandbox.spawn(["login"]);
    let url = first.start_url();
    let mut second = sandbox.spawn(["login"]);
    second.line_with("waiting for it");
    Browser::new().deny(&url);
    first.wait().exits(5);
    second.line_with("the other mdb-login has ended without signing in; it is your turn");
    let url = second.start_url();
    Browser::new().sign_in(&url, "grace");
    let second = second.wait().exits(0);
    assert!(second.stderr().contains("signed in as grace@example.com"), "{}", second.text());
}

#[test]
fn a_sign_in_to_another_session_holds_the_port_and_is_named() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_REDIRECT_URI", uri(free_port()));
    let mut first = sandbox.spawn(["login"]);
    first.start_url();
    let second = within(Duration::from_secs(1), || sandbox.run(["login", "--audience=another"])).exits(9);
    // The program hides its descriptors from its own user, but not from root.
    let names =
        [format!("is taken by another mdb-login (process {})", first.id()), "is taken by another program".to_owned()];
    assert!(names.iter().any(|name| second.stderr().contains(name)), "{}", second.text());
}
