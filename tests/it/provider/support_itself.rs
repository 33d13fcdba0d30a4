//! The scripted browser and the comparison of texts, where a mistake would make other tests pass.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

#[cfg(target_os = "linux")]
use crate::signed_in::{SignedIn, sign_in};
use crate::support::browser::{Browser, raw};
use crate::support::cmd::{Sandbox, assert_text};

/// Answers each connection with the next of `answers`; gives the requests.
fn serve(listener: TcpListener, answers: Vec<String>) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            requests.push(String::from_utf8(request).unwrap());
        }
        requests
    })
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn the_browser_says_where_it_comes_from_and_keeps_its_cookies_to_itself() {
    let ((client, port), (provider, other)) = (listen(), listen());
    let redirect = |to: String, more: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n{more}\r\n");
    let cookies = "Set-Cookie: strict=1; Path=/; SameSite=Strict\r\nSet-Cookie: lax=2; Path=/back; SameSite=Lax\r\n";
    let form = "HTTP/1.1 200 OK\r\n\r\n<form method=post action='/go'></form>".to_owned();
    let page = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<p>\r\n2\r\nhi\r\n0\r\n\r\n".to_owned();
    let client = serve(client, vec![redirect(format!("http://127.0.0.1:{other}/"), cookies), page.clone(), page]);
    let provider = serve(provider, vec![form, redirect(format!("http://localhost:{port}/back"), "")]);

    let mut browser = Browser::new();
    let visit = browser.sign_in(&format!("http://localhost:{port}/start"), "ada");
    assert_eq!((visit.status(), visit.text().as_str()), (200, "hi"));
    let ways: Vec<String> = visit.hops.iter().map(|hop| format!("{} {}", hop.method, hop.url.path())).collect();
    assert_eq!(ways, ["GET /start", "GET /", "POST /go", "GET /back"]);
    browser.open(&format!("http://localhost:{port}/back"));

    let (client, provider) = (client.join().unwrap(), provider.join().unwrap());
    assert_eq!(header(&client[0], "Host"), Some(format!("localhost:{port}").as_str()));
    assert_eq!(header(&client[0], "Sec-Fetch-Site"), Some("none"));
    assert_eq!(header(&client[1], "Sec-Fetch-Site"), Some("cross-site"));
    assert_eq!(header(&client[1], "Cookie"), Some("lax=2"), "another site led here");
    assert_eq!(header(&client[2], "Cookie"), Some("strict=1; lax=2"), "typed by the person");
    assert_eq!(header(&provider[1], "Sec-Fetch-Site"), Some("same-origin"));
    assert_eq!(header(&provider[1], "Cookie"), None, "another host");
}

#[test]
fn raw_bytes_go_out_as_they_are() {
    let (listener, port) = listen();
    let thread = serve(listener, vec!["anything".to_owned()]);
    let address = ([127, 0, 0, 1], port).into();
    let answer = raw(address, b"NONSENSE\r\n\r\n", std::time::Duration::from_secs(5)).unwrap();
    assert_eq!(answer, b"anything");
    assert_eq!(thread.join().unwrap(), ["NONSENSE\r\n\r\n"]);
}

#[test]
fn texts_are_compared_whole() {
    assert_text("exit 0\n--- stdout\nhi\n", "\n        exit 0\n        --- stdout\n        hi\n    ");
    for (actual, expected) in [("exit 0\nmore\n", "exit 0"), ("exit 0\n", "exit 0\nmore"), ("a\n  b\n", "a\nb")] {
        let failed = std::panic::catch_unwind(|| assert_text(actual, expected));
        assert!(failed.is_err(), "{actual:?} passed for {expected:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_sandbox_shows_what_a_program_did_without_what_differs_from_run_to_run() {
    let mut sandbox = Sandbox::of("/bin/sh".into());
    sandbox.env("JWTS", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln,eyJh.eyJz.x").unset("LANG");
    let script = r#"
        printf '%s' "$JWTS"; cat
        echo "see $HOME/x at http://localhost:40123/start/aB-9_, http://[::1]:1/done/x?" >&2
        echo "${USER-no user}, ${LANG-no language}, $MDB_LOGIN_STORE, ${DBUS_SESSION_BUS_ADDRESS-no bus}" >&2
        exit 7
    "#;
    sandbox.run_with(["-c", script], b"; input").exits(7).is("
        exit 7
        --- stdout
        [JWT],[JWT]; input[no newline]
        --- stderr
        see [HOME]/x at http://localhost:[PORT]/start/[ID], http://[::1]:[PORT]/done/[ID]?
        no user, no language, file, no bus
    ");
}

#[cfg(unix)]
#[test]
fn a_running_program_can_be_followed_and_interrupted() {
    let sandbox = Sandbox::of("/bin/sh".into());
    let script = r#"trap 'exit 130' INT; echo first >&2; echo "(open http://localhost:1/start/xyz.)" >&2
        while :; do sleep 0.02; done"#;
    let mut running = sandbox.spawn(["-c", script]);
    assert_eq!(running.start_url(), "http://localhost:1/start/xyz");
    assert!(running.is_running());
    running.interrupt();
    let outcome = running.wait().exits(130);
    assert_eq!(outcome.stderr(), "first\n(open http://localhost:1/start/xyz.)\n");
}

/// Sessions of tests that were left in a person's kernel keyring would fill it in the end.
#[test]
#[cfg(target_os = "linux")]
fn a_sandbox_takes_its_keys_along() {
    use std::collections::BTreeSet;

    use crate::support::cmd::kernel_keys;
    let mut ada = SignedIn::new();
    let ids = ada.sandbox.session_ids();
    let kept = || ids.iter().flat_map(|id| kernel_keys(id)).map(|(description, _)| description).collect::<Vec<_>>();
    if kept().is_empty() {
        eprintln!("NOT RUN, NO KERNEL KEYRING: a_sandbox_takes_its_keys_along");
        return;
    }
    ada.sandbox.env("MDB_LOGIN_STORE", "kernel");
    sign_in(&ada.sandbox, &[]);
    let slots = kept().iter().filter_map(|key| key.rsplit(':').next().map(str::to_owned)).collect::<BTreeSet<_>>();
    assert_eq!(slots, BTreeSet::from(["access".to_owned(), "session".to_owned()]));
    drop(ada);
    assert_eq!(kept(), Vec::<String>::new());
}
