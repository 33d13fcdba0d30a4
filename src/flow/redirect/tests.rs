//! The listener as a browser, a stranger and an attacker meet it: real sockets on both loopback families.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::*;
use crate::settings::RedirectHost;

const STATE: &str = "Zm9vYmFyYmF6cXV4LXN0YXRl";
const GOOD: &str = "/redirect?code=c0de&state=Zm9vYmFyYmF6cXV4LXN0YXRl";
const AUTHORIZATION: &str = "https://login.example.com/authorize?state=Zm9vYmFyYmF6cXV4LXN0YXRl&scope=openid";

struct Rig {
    waiting: Waiting,
    port: u16,
}

fn localhost(port: u16) -> RedirectUri {
    RedirectUri { host: RedirectHost::Localhost, port, path: "/redirect".into() }
}

fn serve() -> Rig {
    let listener = Listener::bind(&localhost(0)).unwrap();
    let port = listener.port();
    let expect = Expectation {
        destination: Url::parse(AUTHORIZATION).unwrap(),
        answer: Some(ExpectedAnswer {
            state: Secret::new(STATE),
            issuer: "https://login.example.com".into(),
            iss_promised: false,
        }),
    };
    Rig { waiting: listener.serve(expect).unwrap(), port }
}

fn signed_in() -> Outcome {
    Outcome::SignedIn { who: "ada@example.com".into(), issuer_host: "login.example.com".into() }
}

/// Sends bytes and reads until the other side closes; what cannot be read any more (a reset) is not part of the answer.
async fn exchange(address: String, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        answer.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(answer).unwrap()
}

/// Gives `attempt` five tries to take less than `limit`, as it measures itself: a machine with much else to do may be
/// slow once, but what waits for something is slow every time.
async fn within(limit: Duration, attempt: impl AsyncFn() -> Duration) {
    let mut all = Vec::new();
    while all.len() < 5 {
        let took = attempt().await;
        if took < limit {
            return;
        }
        all.push(took);
    }
    panic!("slower than {limit:?} each time: {all:?}");
}

impl Rig {
    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn get(&self, target: &str, headers: &str) -> String {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost:{}\r\n{headers}\r\n", self.port);
        exchange(self.address(), request.as_bytes()).await
    }

    fn start_path(&self) -> String {
        let url = Url::parse(self.waiting.start_url()).unwrap();
        url.path().to_owned()
    }

    /// Nothing has ended the wait.
    async fn still_waits(&self) {
        tokio::select! {
            biased;
            answer = self.waiting.callback() => panic!("ended by {answer:?}"),
            () = sleep(Duration::from_millis(20)) => {}
        }
    }

    async fn code(&self) -> String {
        match timeout(Duration::from_secs(2), self.waiting.callback()).await.unwrap() {
            Ok(Callback::Code { code }) => code.expose().to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

fn field(answer: &str, name: &str) -> Option<String> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn a_sign_in_from_start_to_the_final_page_on_either_family() {
    for ip in ["127.0.0.1", "[::1]"] {
        within(Duration::from_millis(500), async || {
            let rig = serve();
            assert!(rig.waiting.start_url().starts_with(&format!("http://localhost:{}/start/", rig.port)));
            assert!(rig.waiting.start_url().bytes().all(|b| b.is_ascii_alphanumeric() || b":/._-".contains(&b)));
            let get = async |target: String| {
                let request = format!("GET {target} HTTP/1.1\r\nHost: {ip}:{}\r\n\r\n", rig.port);
                exchange(format!("{ip}:{}", rig.port), request.as_bytes()).await
            };

            let start = get(rig.start_path()).await;
            assert_eq!((status(&start), field(&start, "location").as_deref()), ("307", Some(AUTHORIZATION)));
            timeout(Duration::from_secs(1), rig.waiting.opened()).await.unwrap();

            let redirect = get(GOOD.into()).await;
            assert_eq!(status(&redirect), "303");
            let done = field(&redirect, "location").unwrap();
            assert!(done.starts_with("/done/") && !done.contains(['?', '#']), "{done}");
            assert_eq!(rig.code().await, "c0de");

            // The final page is kept back until the outcome is known, and then delivered before the port is closed.
            let page = tokio::spawn(exchange(
                format!("{ip}:{}", rig.port),
                format!("GET {done} HTTP/1.1\r\nHost: {ip}:{}\r\n\r\n", rig.port).leak().as_bytes(),
            ));
            sleep(Duration::from_millis(100)).await;
            assert!(!page.is_finished());
            let port = rig.port;
            let before = Instant::now();
            rig.waiting.finish(signed_in()).await;
            let took = before.elapsed();
            // No await in between: the port is free when `finish` returns, not some time later.
            Listener::bind(&localhost(port)).unwrap();
            let page = page.await.unwrap();
            assert_eq!(status(&page), "200");
            assert!(page.contains("ada@example.com") && page.contains("The database has not been asked yet"), "{page}");
            took
        })
        .await;
    }
}

#[tokio::test]
async fn every_response_carries_the_headers_and_no_kept_connection() {
    let rig = serve();
    let start = rig.start_path();
    for target in ["/", "/redirect", &start, &start, GOOD, GOOD] {
        let answer = rig.get(target, "").await; // ends only because the other side closes
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("connection", "close"),
        ] {
            assert_eq!(field(&answer, name).as_deref(), Some(value), "{target}: {answer}");
        }
        let policy = field(&answer, "content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        for name in ["server", "x-powered-by", "access-control-allow-origin", "access-control-allow-methods"] {
            assert_eq!(field(&answer, name), None, "{target}");
        }
    }
    rig.waiting.finish(signed_in()).await;
}

#[tokio::test]
async fn strangers_get_one_and_the_same_page_and_never_end_the_wait() {
    let rig = serve();
    let mut bodies = std::collections::BTreeSet::new();
    let host = format!("Host: localhost:{}\r\n", rig.port);
    for (expected, request) in [
        ("403", format!("GET /redirect?error=access_denied&state=n0tth1s HTTP/1.1\r\n{host}\r\n")),
        ("404", format!("GET /n0tth1s HTTP/1.1\r\n{host}\r\n")),
        ("405", format!("POST {GOOD} HTTP/1.1\r\n{host}Content-Length: 4\r\n\r\nx=yz")),
        ("405", format!("OPTIONS {GOOD} HTTP/1.1\r\n{host}Origin: https://evil.example\r\n\r\n")),
        ("405", format!("CONNECT localhost:{} HTTP/1.1\r\n{host}\r\n", rig.port)),
        ("421", format!("GET {GOOD} HTTP/1.1\r\nHost: n0tth1s.example\r\n\r\n")),
        ("421", format!("GET {GOOD} HTTP/1.0\r\n\r\n")),
        ("503", format!("GET {GOOD} HTTP/1.1\r\n{host}Sec-Purpose: prefetch\r\n\r\n")),
        ("400", format!("GET http://localhost:{}{GOOD} HTTP/1.1\r\n{host}\r\n", rig.port)),
    ] {
        let answer = exchange(rig.address(), request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{request}");
        assert!(!answer.contains("n0tth1s") && !answer.contains(STATE), "{answer}");
        bodies.insert(answer.split("\r\n\r\n").nth(1).unwrap().to_owned());
    }
    let head = exchange(rig.address(), format!("HEAD {GOOD} HTTP/1.1\r\n{host}\r\n").as_bytes()).await;
    assert_eq!(status(&head), "405");
    assert_eq!(field(&head, "allow").as_deref(), Some("GET"));
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(rig.waiting.strangers().0.values().sum::<u32>(), 10, "{}", rig.waiting.strangers());
    rig.still_waits().await;
    rig.get(GOOD, "").await;
    assert_eq!(rig.code().await, "c0de");
}

#[tokio::test]
async fn bytes_that_are_not_a_request_are_dropped_and_the_wait_goes_on() {
    let rig = serve();
    let host = format!("Host: localhost:{}\r\n", rig.port);
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    for (expected, bytes) in [
        ("none", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("400", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("none", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("400", b"\x00\xff\xfe\x80random\r\n\r\n".to_vec()),
        ("431", format!("GET {GOOD} HTTP/1.1\r\n{host}X: {}\r\n\r\n", "y".repeat(16 * 1024)).into_bytes()),
        ("431", format!("GET {GOOD} HTTP/1.1\r\n{host}{many}\r\n").into_bytes()),
        ("400", format!("GET {GOOD} HTTP/1.1\r\n{host}X: y\r\n folded\r\n\r\n").into_bytes()),
        ("400", format!("GET {GOOD} HTTP/1.1\r\n{host}X : y\r\n\r\n").into_bytes()),
        ("400", format!("GET {GOOD} HTTP/1.1\r\n{host}Content-Length: 1\r\nTransfer-Encoding: x\r\n\r\n").into_bytes()),
        ("400", format!("GET {GOOD} HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n").into_bytes()),
        ("414", format!("GET /redirect?{} HTTP/1.1\r\n{host}\r\n", "y".repeat(70_000)).into_bytes()),
    ] {
        let answer = exchange(rig.address(), &bytes).await;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let got = status(&answer);
        assert!(
            got == expected || (expected == "414" && got == "431"),
            "{shown:?}: expected {expected}, got {answer:?}"
        );
    }
    rig.still_waits().await;
    let mut notices = Vec::new();
    while let Ok(notice) = timeout(Duration::from_millis(20), rig.waiting.notice()).await {
        notices.push(notice);
    }
    assert_eq!(notices, [Notice::HttpsInsisted, Notice::HeadTooLarge]);
}

#[tokio::test]
async fn five_hundred_idle_connections_do_not_delay_the_answer() {
    within(Duration::from_millis(500), async || {
        let rig = serve();
        let mut idle = Vec::new();
        for n in 0..500 {
            let mut stream = TcpStream::connect(rig.address()).await.unwrap();
            if n % 2 == 0 {
                stream.write_all(b"GET /redirect?").await.unwrap();
            }
            idle.push(stream);
        }
        let before = Instant::now();
        let answer = rig.get(GOOD, "").await;
        let took = before.elapsed();
        assert_eq!(status(&answer), "303");
        assert_eq!(rig.code().await, "c0de");
        assert!(rig.waiting.strangers().to_string().contains("connection too many"));
        took
    })
    .await;
}

#[tokio::test]
async fn a_flood_does_not_push_out_a_request_that_has_arrived_nor_the_final_page() {
    let rig = serve();
    // Everything is in the listen queue before the server runs: the one real request, and 100 idle ones behind it.
    let mut real = std::net::TcpStream::connect(rig.address()).unwrap();
    io::Write::write_all(&mut real, format!("GET {GOOD} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", rig.port).as_bytes())
        .unwrap();
    let idle: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(rig.address()).unwrap()).collect();
    assert_eq!(rig.code().await, "c0de");

    let done = field(&rig.get(GOOD, "").await, "location").unwrap();
    let mut page = std::net::TcpStream::connect(rig.address()).unwrap();
    page.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    io::Write::write_all(&mut page, format!("GET {done} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", rig.port).as_bytes())
        .unwrap();
    let more: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(rig.address()).unwrap()).collect();
    sleep(Duration::from_millis(200)).await;
    rig.waiting.finish(signed_in()).await;
    let mut answer = String::new();
    io::Read::read_to_string(&mut page, &mut answer).unwrap();
    assert_eq!(status(&answer), "200");
    drop((idle, more));
}

#[tokio::test]
async fn a_slow_head_is_cut_off_at_its_deadline() {
    let rig = serve();
    let before = Instant::now();
    let silent = tokio::spawn(exchange(rig.address(), b""));
    let slow = exchange(rig.address(), b"GET /redirect HTTP/1.1\r\nHost: local").await;
    assert_ne!(status(&slow), "200");
    silent.await.unwrap();
    let took = before.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(8)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn the_start_link_serves_one_browser_and_says_so_when_another_comes() {
    let rig = serve();
    let prefetch = rig.get(&rig.start_path(), "Sec-Purpose: prefetch\r\n").await;
    assert_eq!(status(&prefetch), "503");
    let first = rig.get(&rig.start_path(), "").await;
    let cookie = field(&first, "set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Domain"),
        "{cookie}"
    );
    let ours = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());

    let again = rig.get(&rig.start_path(), &ours).await;
    assert_eq!((status(&again), field(&again, "location").as_deref()), ("307", Some(AUTHORIZATION)));
    let other = rig.get(&rig.start_path(), "").await;
    assert_eq!((status(&other), field(&other, "location")), ("410", None));
    assert!(!other.contains("login.example.com"));
    // Whose the first browser was is known on Linux alone.
    let doubt = (!cfg!(target_os = "linux")).then_some(Doubt::TwoBrowsers);
    let notice = timeout(Duration::from_secs(1), rig.waiting.notice()).await.unwrap();
    assert_eq!((notice, rig.waiting.doubt()), (doubt.map_or(Notice::StartUsedAgain, Notice::Doubtful), doubt));
    rig.still_waits().await;
}

#[tokio::test]
async fn a_repeated_answer_is_harmless_and_a_second_one_is_refused() {
    let rig = serve();
    let first = rig.get(GOOD, "").await;
    let again = rig.get(GOOD, "").await;
    assert_eq!((status(&again), field(&again, "location")), ("303", field(&first, "location")));
    let other = rig.get(&GOOD.replace("c0de", "0ther"), "").await;
    assert_eq!(status(&other), "409");
    assert_eq!(rig.code().await, "c0de");
}

#[tokio::test]
async fn the_final_page_tells_of_a_failure_and_nobody_waits_for_a_browser_that_is_gone() {
    let failed = || Outcome::Failed { what: "it broke".into(), todo: "try again".into() };
    // Nobody follows to the final page: bounded.
    within(Duration::from_millis(1500), async || {
        let rig = serve();
        rig.get(&GOOD.replace("code=c0de", "error=access_denied"), "").await;
        assert!(matches!(rig.waiting.callback().await, Ok(Callback::Refused { .. })));
        let port = rig.port;
        let before = Instant::now();
        rig.waiting.finish(failed()).await;
        let took = before.elapsed();
        assert!(took >= Duration::from_millis(900), "{took:?}");
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
        took
    })
    .await;

    // There was no answer at all (timeout, Ctrl-C): at once, whatever is connected.
    within(Duration::from_millis(500), async || {
        let rig = serve();
        let idle = TcpStream::connect(rig.address()).await.unwrap();
        let before = Instant::now();
        rig.waiting.finish(failed()).await;
        let took = before.elapsed();
        drop(idle);
        took
    })
    .await;
}

#[tokio::test]
async fn dropping_the_wait_closes_the_port_and_it_can_be_bound_again_at_once() {
    let rig = serve();
    rig.get("/", "").await; // leaves a connection in TIME_WAIT on our side
    let port = rig.port;
    drop(rig);
    tokio::task::yield_now().await;
    let listener = Listener::bind(&localhost(port)).unwrap();
    assert_eq!(listener.redirect_uri(), format!("http://localhost:{port}/redirect"));
}
