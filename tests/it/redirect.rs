//! Hostile and stray requests to the real program while a sign-in waits: none ends the wait, none learns anything, and
//! the right answer is still taken.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use url::{Url, form_urlencoded};

use super::login::{assert_told, provider, sandbox};
use crate::support::browser::{self, Browser, Visit, raw};
use crate::support::cmd::{Running, Sandbox};
use crate::support::idp::{Endpoint, Idp};

/// A sign-in under way: the person's browser shows the provider's page.
struct Attempt {
    idp: Idp,
    login: Running,
    browser: Browser,
    page: Visit,
    port: u16,
    state: String,
    _sandbox: Sandbox,
}

impl Attempt {
    fn start() -> Self {
        let idp = provider(|_| {});
        let sandbox = sandbox(&idp);
        let mut login = sandbox.spawn(["login"]);
        let url = Url::parse(&login.start_url()).unwrap();
        let mut browser = Browser::new();
        let page = browser.open(url.as_str());
        let location = Url::parse(page.hops[0].answer.header("location").unwrap()).unwrap();
        let state = location.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        Self { idp, login, browser, page, port: url.port().unwrap(), state, _sandbox: sandbox }
    }

    fn v4(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Writes a request's bytes, with `{port}`, `{state}` and `{issuer}` filled in; gives the status, or 0 for a closed connection.
    fn status_of(&self, request: &str) -> u16 {
        let issuer: String = form_urlencoded::byte_serialize(self.idp.issuer().as_bytes()).collect();
        let request = request
            .replace("{port}", &self.port.to_string())
            .replace("{state}", &self.state)
            .replace("{issuer}", &issuer);
        let answer = raw(self.v4(), request.as_bytes(), Duration::from_secs(10)).unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains(&self.state), "the state is repeated to a stranger:\n{answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control-"), "{answer}");
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The person goes on and signs in; `warnings` is what the strangers have caused on the terminal.
    #[track_caller]
    fn succeeds(mut self, warnings: &str) {
        let visit = self.browser.submit(&self.page, &[("user", "ada"), ("decision", "allow")]);
        let login = self.login.wait();
        assert_told(&login, &format!("exit 0\n--- stderr\n[INVITATION]\n{warnings}[REPORT]\n"));
        assert_eq!(visit.title(), "Signed in · mdb-login");
        assert!(!login.stderr().contains(&self.state), "{}", login.stderr());
        // Strangers cost the provider nothing, and no code of theirs was tried.
        assert_eq!(self.idp.requests(Endpoint::Token), 1);
    }
}

#[test]
fn strangers_are_turned_away_and_the_wait_goes_on() {
    let attempt = Attempt::start();
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost:{{port}}\r\n\r\n");
    let with = |headers: &str| {
        format!(
            "GET /redirect?code=c&state={{state}}&iss={{issuer}} HTTP/1.1\r\nHost: localhost:{{port}}\r\n{headers}\r\n\r\n"
        )
    };
    let to_host = |host: &str| format!("GET /redirect?code=c&state={{state}}&iss={{issuer}} HTTP/1.1\r\n{host}\r\n");
    let method = |method: &str| {
        format!(
            "{method} /redirect?code=c&state={{state}}&iss={{issuer}} HTTP/1.1\r\nHost: localhost:{{port}}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let cases = [
        // No state, or not this one.
        (403, get("/redirect?code=c")),
        (403, get("/redirect?code=c&state=")),
        (403, get("/redirect?code=c&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        (403, get("/redirect?code=c&state={state}&state={state}")),
        (403, get("/redirect?code=c&state={state}x")),
        (403, get("/redirect?error=access_denied&state=guess")),
        // The right state, and nothing that could be an answer.
        (400, get("/redirect?state={state}&iss={issuer}")),
        (400, get("/redirect?state={state}&iss={issuer}&code=")),
        (400, get("/redirect?state={state}&iss={issuer}&iss={issuer}&code=a")),
        (400, get("/redirect?state={state}&iss={issuer}&code=a&code=b")),
        (400, get("/redirect?state={state}&iss={issuer}&code=a&error=access_denied")),
        (400, get("/redirect?state={state}&iss={issuer}&code=a%00b")),
        (400, get("/redirect?state={state}&iss={issuer}&code=a%ff")),
        (400, get(&format!("/redirect?state={{state}}&iss={{issuer}}&code={}", "x".repeat(5000)))),
        // Paths that look like ours.
        (404, get("/")),
        (404, get("/favicon.ico")),
        (404, get("/redirect/?code=c&state={state}&iss={issuer}")),
        (404, get("//redirect?code=c&state={state}&iss={issuer}")),
        (404, get("/REDIRECT?code=c&state={state}&iss={issuer}")),
        (404, get("/redirect%2f?code=c&state={state}&iss={issuer}")),
        (404, get("/%72edirect?code=c&state={state}&iss={issuer}")),
        (404, get("/redirect;x?code=c&state={state}&iss={issuer}")),
        (404, get("/start/AAAAAAAAAAAAAAAAAAAAAA")),
        (404, get("/done/AAAAAAAAAAAAAAAAAAAAAA")),
        // Other methods.
        (405, method("POST")),
        (405, method("PUT")),
        (405, method("HEAD")),
        (405, method("OPTIONS")),
        (405, method("DELETE")),
        (405, method("TRACE")),
        // Not addressed to us: a rebound host name, no name, two names, a proxy request.
        (421, to_host("Host: evil.example.com\r\n")),
        (421, to_host("Host: localhost.evil.example.com:{port}\r\n")),
        (421, to_host("Host: localhost:1\r\n")),
        (421, to_host("Host: localhost\r\n")),
        (421, to_host("")),
        (421, to_host("Host: localhost:{port}\r\nHost: evil.example.com\r\n")),
        (400, get("http://localhost:{port}/redirect?code=c&state={state}&iss={issuer}")),
        // Not a person's navigation.
        (403, with("Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image")),
        (403, with("Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nOrigin: https://evil.example.com")),
        (403, with("Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe")),
        (503, with("Sec-Purpose: prefetch;prerender")),
        (503, with("Purpose: prefetch")),
        // Not HTTP as it should be. `HEAD`s that are too large are a test of their own: they cause a warning.
        (400, get("/redirect?code=c&state={state}&iss={issuer}").replace("\r\n\r\n", "\r\n folded\r\n\r\n")),
        (400, with("Content-Length: 1\r\nContent-Length: 2")),
        (0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        (400, "SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        (400, "\0\u{1}\u{2}\u{3}\r\n\r\n".to_owned()),
    ];
    let mut wrong = String::new();
    for (expected, request) in &cases {
        let status = attempt.status_of(request);
        if status != *expected {
            wrong.push_str(&format!("{status} instead of {expected} for {:.200}\n", format!("{request:?}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    attempt.succeeds("warning: an answer that belongs to another sign-in was ignored; still waiting for yours\nwarning: an answer was sent as a form (`response_mode=form_post`), which is not accepted; the identity provider must redirect with a query\n");
}

#[test]
fn what_a_person_should_know_is_said_once() {
    let attempt = Attempt::start();
    // A browser that insists on https; the beginning of a ClientHello.
    let hello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];
    for _ in 0..3 {
        assert_eq!(raw(attempt.v4(), &hello, Duration::from_secs(10)).unwrap_or_default(), b"");
    }
    let large = format!("GET / HTTP/1.1\r\nHost: localhost:{{port}}\r\nCookie: {}\r\n\r\n", "x".repeat(20_000));
    for _ in 0..2 {
        assert_eq!(attempt.status_of(&large), 431);
    }
    attempt.succeeds(
        "warning: a browser insists on https for localhost, where only http is spoken; allow http for localhost in its settings (or clear its HSTS entry), or use another browser\n\
         warning: a request was larger than 16 KiB and was refused; if that was your browser, delete its cookies for localhost\n",
    );
}

#[test]
fn the_start_link_serves_one_browser() {
    let mut attempt = Attempt::start();
    let start = attempt.page.hops[0].url.clone();
    // The same browser may reload; another one is refused, and the person is told.
    assert_eq!(attempt.browser.open(start.as_str()).status(), 200);
    assert_eq!(Browser::new().open(start.as_str()).status(), 410);
    if cfg!(target_os = "linux") {
        // Both were programs of the same user, as after a double click: no reason to doubt the first.
        attempt.succeeds(
            "warning: the sign-in link was opened a second time, in another browser, and was refused there; \
             go on in the first\n",
        );
    } else {
        // Whose the first one was cannot be known, and here is no terminal to ask at.
        attempt.browser.submit(&attempt.page, &[("user", "ada"), ("decision", "allow")]);
        let login = attempt.login.wait().exits(10);
        assert!(login.stderr().contains("ada@example.com has signed in, and that may not be you"), "{}", login.text());
    }
}

#[test]
fn the_first_answer_counts_and_a_second_one_is_refused() {
    let mut attempt = Attempt::start();
    // Held back, so that the sign-in is not over when the second answer comes.
    attempt.idp.script(Endpoint::Token, [crate::support::idp::Answer::Delay(Duration::from_millis(800))]);
    let mut person = std::mem::take(&mut attempt.browser);
    let page = std::mem::take(&mut attempt.page);
    let signing_in = std::thread::spawn(move || person.submit(&page, &[("user", "ada"), ("decision", "allow")]));
    let deadline = Instant::now() + Duration::from_secs(20);
    while attempt.idp.requests(Endpoint::Token) == 0 {
        assert!(Instant::now() < deadline, "no exchange");
        std::thread::sleep(Duration::from_millis(2));
    }
    let second = "GET /redirect?code=stolen&state={state}&iss={issuer} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n";
    assert_eq!(attempt.status_of(second), 409);
    let visit = signing_in.join().unwrap();
    assert_told(&attempt.login.wait(), "exit 0\n--- stderr\n[INVITATION]\n[REPORT]\n");
    assert_eq!(visit.title(), "Signed in · mdb-login");
    assert_eq!(attempt.idp.requests(Endpoint::Token), 1);
}

#[test]
fn five_hundred_idle_connections_and_a_thousand_requests_do_not_keep_the_person_out() {
    let attempt = Attempt::start();
    let connect = || {
        let stream = TcpStream::connect(attempt.v4()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    let idle: Vec<TcpStream> = (0..500).map(|_| connect()).collect();
    for number in 0..1000 {
        let mut stream = connect();
        let _ = write!(stream, "GET /junk/{number} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", attempt.port);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 404"), "{number}: {}", String::from_utf8_lossy(&answer));
    }
    attempt.succeeds("");
    drop(idle);
}

#[test]
fn the_port_is_closed_when_the_sign_in_is_over() {
    let attempt = Attempt::start();
    let (port, start) = (attempt.port, attempt.page.hops[0].url.clone());
    for host in ["127.0.0.1", "::1"] {
        TcpStream::connect((host, port)).unwrap();
    }
    attempt.succeeds("");
    for host in ["127.0.0.1", "::1"] {
        assert!(TcpStream::connect((host, port)).is_err(), "{host} still answers");
    }
    assert!(browser::send("GET", &start, &[], None).is_err());
}
