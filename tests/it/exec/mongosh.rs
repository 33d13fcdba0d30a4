//! mongosh's parent handle: its protocol, spoken by a client of our own, honest and hostile.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::wait_for;
use crate::signed_in::SignedIn;
use crate::support::cmd::{Outcome, Running};
use crate::support::idp::{Answer, CLIENT_ID, Endpoint};

/// A program under `exec` that stays until it is told to go.
struct Shell {
    exec: Running,
    mongosh: Mongosh,
}

/// What mongosh does with its handle.
struct Mongosh {
    key: Vec<u8>,
    socket: PathBuf,
    issuer: String,
}

impl Shell {
    fn start(ada: &SignedIn) -> Self {
        let script = "printf %s \"$MONGOSH_OIDC_PARENT_HANDLE\" > new; mv new handle; exec sleep 60";
        let exec = ada.spawn_exec(&["--inject", "mongosh"], script);
        let handle = ada.sandbox.home().join("handle");
        let handle: (String, PathBuf) =
            wait_for("the handle", || serde_json::from_str(&std::fs::read_to_string(&handle).ok()?).ok());
        let key = STANDARD.decode(handle.0).unwrap();
        Self { exec, mongosh: Mongosh { key, socket: handle.1, issuer: ada.idp.issuer().to_owned() } }
    }

    fn end(self) -> Outcome {
        self.exec.signal(rustix::process::Signal::TERM);
        self.exec.wait().exits(128 + 15)
    }
}

impl std::ops::Deref for Shell {
    type Target = Mongosh;

    fn deref(&self) -> &Mongosh {
        &self.mongosh
    }
}

impl Mongosh {
    fn sign(&self, body: &[u8]) -> String {
        STANDARD.encode(Hmac::<Sha256>::new_from_slice(&self.key).unwrap().chain_update(body).finalize().into_bytes())
    }

    /// Sends bytes as they are; everything that comes back until the end.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // Who is cut off in the middle has been refused.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn request(&self, body: &str, signature: &str) -> Vec<u8> {
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             x-signature: {signature}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// A signed call; status and body of the answer, whose signature must be right.
    #[track_caller]
    fn call(&self, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let answer = self.send(&self.request(&body, &self.sign(body.as_bytes())));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let signature = head.lines().find_map(|line| line.strip_prefix("x-signature: ")).unwrap();
        assert_eq!(signature, self.sign(body.as_bytes()));
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    fn callback(&self, context: &str) -> Value {
        json!({ "method": "oidc:OIDC_HUMAN_CALLBACK", "timeoutContextId": context, "callbackParams": {
            "version": 1, "idpInfo": { "issuer": self.issuer, "clientId": CLIENT_ID, "requestScopes": ["openid"] } } })
    }

    /// A token and the id that goes with it.
    #[track_caller]
    fn token(&self, context: &str, refused: Option<&str>) -> (String, String) {
        let mut call = self.callback(context);
        if let Some(refused) = refused {
            call["callbackParams"]["refreshToken"] = json!(refused);
        }
        let (status, answer) = self.call(&call);
        assert_eq!((status, &answer["status"]), (200, &json!(200)), "{answer}");
        let result = answer["result"].as_object().unwrap();
        let keys: Vec<&String> = result.keys().collect();
        assert_eq!(keys, ["accessToken", "expiresInSeconds", "refreshToken"]);
        (result["accessToken"].as_str().unwrap().to_owned(), result["refreshToken"].as_str().unwrap().to_owned())
    }

    /// The text that mongosh would show.
    #[track_caller]
    fn refusal(&self, call: &Value) -> String {
        let (status, answer) = self.call(call);
        assert_eq!((status, &answer["status"]), (500, &json!(500)), "{answer}");
        answer["error"].as_str().unwrap().to_owned()
    }
}

#[test]
fn mongosh_is_found_by_its_name_and_behind_npx() {
    let mut ada = SignedIn::new();
    let bin = ada.sandbox.home().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["mongosh", "npx"] {
        std::fs::write(
            bin.join(name),
            "#!/bin/sh\necho ${MONGOSH_OIDC_PARENT_HANDLE:+handle} $OIDC_TOKEN_FILE \"$@\"\n",
        )
        .unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    ada.sandbox.env("PATH", path);
    for line in [&["mongosh", "--nodb"][..], &["npx", "-y", "mongosh@2"], &["bin/mongosh"]] {
        let outcome = ada.run(["exec", "--"].iter().chain(line)).exits(0);
        assert_eq!(outcome.stdout().trim(), [&["handle"], &line[1..]].concat().join(" "));
    }
    assert!(!ada.run(["exec", "--", "npx", "other"]).exits(0).stdout().contains("handle"));
    assert!(!ada.run(["exec", "--inject", "k8s", "--", "mongosh"]).exits(0).stdout().contains("handle"));
}

#[test]
fn mongosh_gets_the_token_and_its_life() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    assert_eq!(shell.key.len(), 16);
    assert_eq!(std::fs::metadata(&shell.socket).unwrap().permissions().mode() & 0o777, 0o600);
    let (status, answer) = shell.call(&shell.callback("1"));
    assert_eq!((status, answer["result"]["accessToken"].as_str()), (200, Some(ada.token().as_str())));
    assert!((3500..=3600).contains(&answer["result"]["expiresInSeconds"].as_u64().unwrap()), "{answer}");
    assert_eq!(ada.refreshes(), 0);
    let outcome = shell.end();
    assert_eq!((outcome.stdout(), outcome.stderr()), (String::new(), String::new()));
    assert!(ada.runs().is_empty());
}

#[test]
fn a_refused_token_is_renewed_once_for_each_id() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    let (first, first_id) = shell.token("1", None);
    let (second, second_id) = shell.token("2", Some(&first_id));
    assert!(first != second && first_id != second_id);
    // Another client of the same shell, which was refused the same token a moment later.
    assert_eq!(shell.token("3", Some(&first_id)).0, second);
    assert_eq!(ada.refreshes(), 1);
    let (third, _) = shell.token("4", Some(&second_id));
    assert!(third != second && third != first);
    assert_eq!(ada.refreshes(), 2);
    // An id that is not ours says nothing of any token of ours.
    assert_eq!(shell.token("5", Some("from somewhere else")).0, third);
    assert_eq!(ada.refreshes(), 2);
    ada.nothing_was_reused();
    shell.end();
}

#[test]
fn our_errors_are_said_by_mongosh_and_not_by_us() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    let (_, id) = shell.token("1", None);
    ada.idp.end_all_sessions();
    let mut call = shell.callback("2");
    call["callbackParams"]["refreshToken"] = json!(id);
    let text = shell.refusal(&call);
    assert!(text.starts_with("the session for ") && text.contains("\nhint: run `mdb-login login"), "{text}");
    assert_eq!(shell.end().stderr(), "");
}

#[test]
fn a_server_with_another_provider_gets_nothing() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    for (field, value) in [("issuer", "https://evil.example.com"), ("clientId", "other")] {
        let mut call = shell.callback(field);
        call["callbackParams"]["idpInfo"][field] = json!(value);
        let text = shell.refusal(&call);
        assert!(text.contains(value) && text.contains(&format!("the session: issuer `{}`", shell.issuer)), "{text}");
    }
    shell.end();
}

#[test]
fn an_older_mongosh_is_told_what_to_do() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    for method in ["oidc:REQUEST_TOKEN_CALLBACK", "oidc:REFRESH_TOKEN_CALLBACK"] {
        let text = shell.refusal(&json!({ "method": method, "info": {}, "context": {} }));
        assert!(text.contains("2.2.7") && text.contains("`mdb-login exec --inject k8s -- mongosh …`"), "{text}");
    }
    shell.end();
}

#[test]
fn an_abort_ends_the_wait_and_not_the_renewal() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    let (first, id) = shell.token("1", None);
    ada.idp.script(Endpoint::Token, [Answer::Delay(Duration::from_secs(2))]);
    let mut call = shell.callback("2");
    call["callbackParams"]["refreshToken"] = json!(id);
    let mongosh = &shell.mongosh;
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| (mongosh.refusal(&call), Instant::now()));
        ada.wait_for_refreshes(1);
        let aborted = Instant::now();
        let abort = json!({ "method": "oidc:_abort", "timeoutContextId": "2" });
        assert_eq!(mongosh.call(&abort), (200, json!({ "status": 200 })));
        let (text, ended) = waiting.join().unwrap();
        assert_eq!(text, "aborted");
        assert!(ended - aborted < Duration::from_secs(1));
        // There is nothing to abort any more, and nothing wrong with that.
        assert_eq!(mongosh.call(&abort).0, 200);
    });
    assert_ne!(shell.token("3", None).0, first);
    assert_eq!(ada.refreshes(), 1);
    ada.nothing_was_reused();
    shell.end();
}

#[test]
fn strangers_get_neither_a_token_nor_a_signature() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    let body = shell.callback("1").to_string();
    let signature = shell.sign(body.as_bytes());
    let honest = String::from_utf8(shell.request(&body, &signature)).unwrap();
    let huge = shell.callback(&"x".repeat(70_000)).to_string();
    let in_chunks = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nx-signature: {}\r\n\r\n{:x}\r\n{huge}\r\n0\r\n\r\n",
        shell.sign(huge.as_bytes()),
        huge.len()
    );
    let hex: String = STANDARD.decode(&signature).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    // Another run of ours, whose key somebody has.
    let other = SignedIn::new();
    let others = Shell::start(&other);
    for (what, bytes, status) in [
        ("no signature", honest.replace("x-signature", "x-other"), 401),
        ("two signatures", honest.replace("\r\n\r\n", &format!("\r\nx-signature: {signature}\r\n\r\n")), 401),
        ("signed with another key", honest.replace(&signature, &STANDARD.encode([7; 32])), 401),
        (
            "a signature cut short",
            honest.replace(&signature, &STANDARD.encode(&STANDARD.decode(&signature).unwrap()[..31])),
            401,
        ),
        ("no base64", honest.replace(&signature, "%%%"), 401),
        ("in hexadecimal digits", honest.replace(&signature, &hex), 401),
        ("signed with another run's key", honest.replace(&signature, &others.sign(body.as_bytes())), 401),
        ("another body", honest.replace("\"timeoutContextId\":\"1\"", "\"timeoutContextId\":\"2\""), 401),
        ("GET", honest.replace("POST", "GET"), 405),
        ("oversized", String::from_utf8(shell.request(&huge, &shell.sign(huge.as_bytes()))).unwrap(), 413),
        ("oversized, in chunks", in_chunks, 413),
        ("a head without an end", format!("POST / HTTP/1.1\r\nx: {}", "x".repeat(40_000)), 431),
        ("not HTTP", "hello\r\n\r\n".to_owned(), 400),
    ] {
        let answer = shell.send(bytes.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        assert!(!answer.contains("x-signature") && !answer.contains("eyJ"), "{what}: {answer}");
    }
    assert_eq!(shell.token("3", None).0, ada.token());
    shell.end();
    others.end();
}

/// Whoever has the key, as the program and what it starts do, can have tokens; it can do nothing else.
#[test]
fn who_has_the_key_and_sends_rubbish_is_refused_in_words() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    let post = |body: &str| shell.send(&shell.request(body, &shell.sign(body.as_bytes())));
    // Both ways are signed with one key, so an answer looks like a request of somebody's who knows it.
    let answer = post(&shell.callback("1").to_string());
    let played_back = answer.split_once("\r\n\r\n").unwrap().1;
    let mut long = shell.callback("2");
    long["timeoutContextId"] = json!("2".repeat(60_000));
    for (what, body, words) in [
        ("an answer of ours", played_back, "does not understand this mongosh"),
        ("nothing", "", "does not understand this mongosh"),
        ("no JSON", "{\"method\":", "does not understand this mongosh"),
        ("JSON without an end", &"[".repeat(60_000), "does not understand this mongosh"),
        ("an unknown method", &json!({ "method": "oidc:EVAL", "timeoutContextId": "3" }).to_string(), "does not know"),
        ("a context to be remembered", &long.to_string(), "of more than 512 bytes"),
    ] {
        let answer = post(body);
        assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains(words), "{what}: {answer}");
        assert!(answer.contains("x-signature: ") && !answer.contains("eyJ"), "{what}: {answer}");
    }
    assert_eq!(shell.token("3", None).0, ada.token());
    assert_eq!(shell.end().stderr(), "");
}

#[test]
fn a_request_that_is_played_back_gets_no_second_token() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    let body = shell.callback("1").to_string();
    let recorded = shell.request(&body, &shell.sign(body.as_bytes()));
    assert!(shell.send(&recorded).contains("accessToken"));
    let answer = shell.send(&recorded);
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("has been made before"), "{answer}");
    shell.end();
}

#[test]
fn a_thousand_connections_do_not_shut_mongosh_out() {
    let ada = SignedIn::new();
    let token = ada.token();
    let shell = Shell::start(&ada);
    let mut strangers = Vec::new();
    let forged = shell.request("{}", &STANDARD.encode([7; 32]));
    let kinds = [b"".as_slice(), b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n", &forged];
    for bytes in kinds.iter().cycle().take(1000) {
        // A queue that is full is the hostile child's own trouble.
        if let Ok(mut stream) = UnixStream::connect(&shell.socket) {
            let _ = stream.write_all(bytes);
            strangers.push(stream);
        }
    }
    let started = Instant::now();
    for context in 0..10 {
        assert_eq!(shell.token(&context.to_string(), None).0, token);
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    // Nor do they cost more than a few open files.
    #[cfg(target_os = "linux")]
    assert!(open_ends(&shell.socket) <= 64, "{} connections are held", open_ends(&shell.socket));
    drop(strangers);
    shell.end();
}

/// The connections at a socket that its server holds.
#[cfg(target_os = "linux")]
fn open_ends(socket: &std::path::Path) -> usize {
    const CONNECTED: &str = "03";
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    let at_it = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(5) == Some(&CONNECTED) && columns.get(7) == socket.to_str().as_ref()
    };
    sockets.lines().filter(at_it).count()
}

/// Strangers that never end a request are sent away, all of them.
#[test]
fn a_request_has_five_seconds() {
    let ada = SignedIn::new();
    let shell = Shell::start(&ada);
    let started = Instant::now();
    for part in ["", "POST / HTTP/1.1\r\n", "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc"] {
        shell.send(part.as_bytes());
    }
    let took = started.elapsed();
    assert!(took > Duration::from_secs(13) && took < Duration::from_secs(20), "{took:?}");
    shell.end();
}
