//! Connection strings, the servers that they lead to, and the programs that are given them.
//!
//! What DNS can answer for `mongodb+srv://` (row 100) needs a network of its own: `tests/real/srv.rs`.

use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, doc};

use super::{Given, Row, typed};
use crate::support::cmd::Sandbox;
use crate::support::mongod::behaviour::loopback_names;
use crate::support::mongod::{Answer, Behaviour, Manner, Release};

/// How the row's MongoDB server is bad.
pub(super) struct Server {
    pub change: Box<dyn Fn(&mut Behaviour) + Send + Sync>,
    /// To the first step of a sign-in, one each time; right again when they are used up.
    pub answers: Vec<Answer>,
    /// Nobody may even connect to it.
    pub is_untouched: bool,
}

impl Server {
    fn with(change: impl Fn(&mut Behaviour) + Send + Sync + 'static, answer: Option<Answer>) -> Self {
        Self { change: Box::new(change), answers: answer.into_iter().collect(), is_untouched: false }
    }
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = connection_strings();
    rows.extend(hosts());
    rows.extend(words_of_servers());
    rows.extend(changed_words());
    rows.extend(answers_to_a_token());
    #[cfg(unix)]
    rows.extend(programs());
    rows
}

/// The same for somebody whose token is good, in whose folder nothing may happen, and at whose server nothing may arrive.
fn signed_in(row: Row) -> Row {
    let server = Server { is_untouched: true, ..Server::with(|_| {}, None) };
    Row { given: Given::Session, server: Some(server), ..row }
}

/// A program that is given these arguments, and would leave a file behind.
fn exec(number: u32, arguments: &[&str], exit: i32, says: impl Into<String>) -> Row {
    typed(number, [&["exec", "--", "touch", "started"], arguments].concat(), exit, says)
}

/// Rows 95, 97, 98: what cannot be read, or speaks of another way to sign in. All exit with 2.
fn connection_strings() -> Vec<Row> {
    let hex = "`%` must be followed by two hexadecimal digits";
    let port = "the port must be a number from 1 to 65535";
    let at = |position: usize, reason: &str| format!("is wrong at character {position}: {reason}");
    let password =
        || "has a password, and MONGODB-OIDC takes none: leave it out, and have it replaced if it is a real one".into();
    let scram = "has `authMechanism=SCRAM-SHA-256`: leave it out, or write `authMechanism=MONGODB-OIDC`";
    let inputs = [
        (95, "mongodb://", at(11, "there is no host")),
        (95, "mongodb://?tls=true", at(11, "there is no host")),
        (95, "mongodb://a,,b", at(13, "there is no host")),
        (95, "mongodb://u%4@h", at(11, hex)),
        (95, "mongodb://h/?appName=%zz", at(22, hex)),
        (95, "mongodb://u%ff@h", at(11, "percent-encoding of something that is not UTF-8")),
        (95, "mongodb://@h", at(11, "there is no user name before the `@`")),
        (95, "mongodb://a@b@h", at(11, "`@` and `/` in a user name are written `%40` and `%2F`")),
        (95, "mongodb://h:0", at(11, port)),
        (95, "mongodb://h:port", at(11, port)),
        (95, "mongodb://[::1", at(11, "the brackets of an IPv6 address do not match")),
        (95, "mongodb://h\u{1b}[31m", at(12, "there is a control character")),
        (95, "mongodb://h h", at(12, "there is a space")),
        (95, "mongodb://%2Ftmp%2Fm.sock", at(11, "a Unix socket has no name by which it could be trusted")),
        (95, "mongodb+srv://h:1", at(15, "`mongodb+srv://` takes no port: the DNS records have it")),
        (95, "mongodb+srv://a,b", "may have one host only after `mongodb+srv://`".into()),
        (95, "mongodb://h/?tls", at(14, "an option is written `name=value`")),
        (95, "mongodb://h/?tls=maybe", "has `tls`, which must be `true` or `false`".into()),
        (95, "mongodb://h/?tls=true&TLS=false", "has `tls` twice".into()),
        (97, "mongodb://h/?authMechanism=PLAIN", "has `authMechanism=PLAIN`: leave it out".into()),
        (97, "mongodb://h/?authMechanism=SCRAM-SHA-256", scram.into()),
        (97, "mongodb://h/?authSource=admin", "has `authSource=admin`: leave it out".into()),
        (97, "mongodb://u:hunter2@h", password()),
        (97, "mongodb://u:hunter2%zz@", password()),
        (97, "mongodb://h/?tlsCertificateKeyFilePassword=hunter2", "holds a password, of a key file or a proxy".into()),
        (97, "mongodb://h/?proxyHost=p&proxyPassword=hunter2", "holds a password, of a key file or a proxy".into()),
        (97, "mongodb://h/?authMechanismProperties=X:1", "has `X`, which is no property of MONGODB-OIDC".into()),
        (
            98,
            "mongodb://h/?authMechanismProperties=ALLOWED_HOSTS:*",
            "has `ALLOWED_HOSTS`, which is not its to say".into(),
        ),
    ];
    let mut rows = Vec::new();
    for (number, uri, reason) in inputs {
        // A password is refused wherever it stands, before anybody asks what the argument is.
        let argument = |n: u32, name: &str| match uri.contains("hunter2") {
            true => format!("error: argument {n}, a connection string, {reason}"),
            false => format!("error: {name} {reason}"),
        };
        rows.push(typed(number, ["token", uri], 2, argument(2, "`TARGET`")));
        rows.push(typed(number, ["verify", "--uri", uri], 2, argument(3, "`--uri`")));
        let whose = "the program's argument 2, a connection string,";
        rows.push(exec(number, &["--quiet", uri], 2, format!("error: {} {reason}", whose.replace('2', "3"))));
        rows.push(exec(number, &[&format!("--uri={uri}")], 2, format!("error: {whose} {reason}")));
    }
    // One that is read by nobody but the program.
    rows.push(exec(
        97,
        &["mongodb://localhost/?authMechanismProperties=ENVIRONMENT:aws,TOKEN_RESOURCE:x"],
        2,
        "has `ENVIRONMENT:aws`, which is none of `azure`, `gcp`, `k8s` and `test`",
    ));
    rows.push(typed(97, ["uri", "mongodb://h"], 0, "mongodb://h/?authMechanism=MONGODB-OIDC&authSource=%24external"));
    rows.push(typed(95, ["token", "--uri", "mongodb://a", "mongodb://b"], 2, "two connection strings"));
    rows.push(typed(95, ["token", "-p", "mongodb://u@h"], 2, "must not be a connection string"));
    rows.extend(misplaced(&password()));
    // A server that has been accepted makes no difference.
    let accepted = "mongodb://[SERVER]/?tlsCertificateKeyFilePassword=hunter2";
    for (line, whose) in [
        (&["token", accepted][..], "argument 2, a connection string,"),
        (&["exec", "--", "touch", "started", accepted], "the program's argument 2, a connection string,"),
    ] {
        let server = Server { is_untouched: true, ..Server::with(|_| {}, None) };
        let says = format!("{whose} holds a password");
        rows.push(Row { given: Given::Accepted, server: Some(server), ..typed(97, line.iter().copied(), 2, says) });
    }
    rows
}

/// Row 97: connection strings where none belongs. They are not repeated: people type them with passwords.
fn misplaced(password: &str) -> Vec<Row> {
    let uri = "mongodb://ada:hunter2@db.example.com";
    let mut rows = Vec::new();
    for line in [
        &["profile", "use"][..],
        &["profile", "remove"],
        &["profile", "unset"],
        &["profile", "rename"],
        &["profile", "set", "prod"],
        &["profile"],
        &["verify", "prod"],
        &["token", "prod"],
        &["token", "-p"],
        &["exec", "mongosh"],
        &["server", "check"],
        &["server"],
        &["inspect", "--server-config"],
        &["setup"],
        &["completions"],
        &["help"],
        &["--"],
    ] {
        let says = |number: usize| format!("argument {number}, a connection string, {password}");
        rows.push(typed(97, [line, &[uri]].concat(), 2, format!("error: {}", says(line.len() + 1))));
        let as_json = format!("\"message\":\"{}", says(line.len() + 2));
        rows.push(typed(97, [&["--json"], line, &[uri]].concat(), 2, as_json));
    }
    let nobody = "no program is named before the connection string\nhint: run `mdb-login exec -- mongosh";
    for (uri, shown) in [
        (uri, "URI`"),
        ("mongodb://localhost/?proxyHost=p&proxyPassword=hunter2", "URI`"),
        ("mongodb://localhost/?tls=true", "'mongodb://localhost/?tls=true'`"),
    ] {
        rows.push(typed(97, ["exec", "--", uri], 2, format!("{nobody} {shown}")));
        rows.push(typed(97, ["exec", "--print-env", "--", uri], 2, format!("{nobody} {shown}")));
    }
    rows
}

/// Rows 96 and 99: where no token may go, by whose name it is and by how the connection is protected. All exit with 10, but
/// for names that are not plainly written.
fn hosts() -> Vec<Row> {
    let stranger = |host: &str| format!("`{host}` is not a host that tokens may be given to");
    let no_name = |host: &str| format!("`{host}` is no host name, or not plainly written");
    let plain = || "the connection would not be encrypted".to_owned();
    let blind = |option: &str| format!("`{option}` leaves open who the server is, and it would get the token");
    let inputs = [
        (96, "mongodb://db.example.com/?tls=true", 10, stranger("db.example.com")),
        (96, "mongodb://127.0.0.2:[PORT]/?tls=true", 10, stranger("127.0.0.2")),
        (96, "mongodb://localhost,127.0.0.1:[PORT],evil.example", 10, stranger("evil.example")),
        (96, "mongodb://EVIL.Example./?tls=true", 10, stranger("EVIL.Example.")),
        (96, "mongodb://x.mong\u{43e}db.net/?tls=true", 10, stranger("x.mong\u{43e}db.net")),
        (96, "mongodb://x.mongodb.net.evil.example/?tls=true", 10, stranger("x.mongodb.net.evil.example")),
        (96, "mongodb://evilmongodb.net/?tls=true", 10, stranger("evilmongodb.net")),
        (96, "mongodb://localhost@evil.example", 10, stranger("evil.example")),
        (96, "mongodb://[::ffff:10.0.0.1]/?tls=true", 10, stranger("::ffff:10.0.0.1")),
        (96, "mongodb+srv://nowhere.invalid", 10, stranger("nowhere.invalid")),
        (96, "mongodb://0x7f.1:[PORT]", 2, no_name("0x7f.1")),
        (96, "mongodb://0177.0.0.1:[PORT]", 2, no_name("0177.0.0.1")),
        (96, "mongodb://2130706433:[PORT]", 2, no_name("2130706433")),
        (96, "mongodb://evil.com%2Cx.mongodb.net/?tls=true", 2, no_name("evil.com%2Cx.mongodb.net")),
        (96, "mongodb://x.mongodb.net;evil.com/?tls=true", 2, no_name("x.mongodb.net;evil.com")),
        (99, "mongodb://x.mongodb.net", 10, plain()),
        (99, "mongodb://x.mongodb.net/?tls=false", 10, plain()),
        (99, "mongodb+srv://x.mongodb.net/?tls=false", 10, plain()),
        (99, "mongodb+srv://x.mongodb.net/?ssl=false", 10, plain()),
        (99, "mongodb://[SERVER]/?tls=true&tlsInsecure=true", 10, blind("tlsinsecure")),
        (99, "mongodb://[SERVER]/?tls=true&tlsAllowInvalidCertificates=true", 10, blind("tlsallowinvalidcertificates")),
        (99, "mongodb://x.mongodb.net/?tls=true&tlsAllowInvalidHostnames=true", 10, blind("tlsallowinvalidhostnames")),
        (99, "mongodb://x.mongodb.net/?tls=true&a=b;tlsInsecure=true", 2, "an option is written `name=value`".into()),
        (99, "mongodb://[SERVER]/?proxyHost=evil.example", 10, "`proxyHost` lets the connection string choose".into()),
    ];
    let mut rows = Vec::new();
    for (number, uri, exit, says) in inputs {
        rows.push(signed_in(typed(number, ["verify", uri], exit, says.clone())));
        rows.push(signed_in(exec(number, &[uri], exit, says)));
    }
    // Trusted by name, it has to prove it all the same.
    for (uri, says) in [
        ("mongodb://db.example.com", plain()),
        ("mongodb://db.example.com/?tls=true&tlsInsecure=true", blind("tlsinsecure")),
        ("mongodb://db.example.com,other.example.com/?tls=true", stranger("other.example.com")),
    ] {
        rows.push(signed_in(typed(96, ["verify", uri, "--trust-host", "db.example.com"], 10, says.clone())));
        let line = ["exec", "--trust-host", "db.example.com", "--", "touch", "started", uri];
        rows.push(signed_in(typed(96, line, 10, says)));
    }
    rows.push(typed(
        96,
        ["verify", "mongodb://h", "--trust-host", "*.example."],
        2,
        "would trust a whole top-level domain",
    ));
    // What MongoDB's own programs take besides.
    for (number, arguments, says) in [
        (96, &["--host", "evil.example", "--tls"][..], stranger("evil.example")),
        (96, &["mongodb://x.mongodb.net/?tls=true", "--host", "evil.example"], stranger("evil.example")),
        (99, &["--host=rs/x.mongodb.net:1,y.mongodb.net"], plain()),
        (
            99,
            &["mongodb://x.mongodb.net/?tls=true", "--tlsAllowInvalidCertificates"],
            blind("--tlsAllowInvalidCertificates"),
        ),
    ] {
        let line = [&["exec", "--", "/nowhere/mongosh"], arguments].concat();
        rows.push(signed_in(typed(number, line, 10, says)));
    }
    rows
}

/// A server that is asked for its provider, with nothing known of it: what is said, and that `login` ends the same and
/// before anybody is sent anywhere.
fn asked(
    number: u32,
    uri: &str,
    change: fn(&mut Behaviour),
    answer: Option<Answer>,
    exit: i32,
    says: &'static str,
) -> Vec<Row> {
    let limit = if says.contains("within 2 s") { "2s" } else { "10s" };
    let discover = ["discover", uri, "--http-timeout", limit];
    let login = ["login", uri, "--http-timeout", limit, "--no-browser", "--trust-server"];
    // Where the server's word is good, `login` would go on.
    let lines = if exit == 0 { vec![discover.to_vec()] } else { vec![discover.to_vec(), login.to_vec()] };
    let row = |line: Vec<&str>| {
        let server = Some(Server::with(change, answer.clone()));
        let input = format!("{line:?} {answer:.80?}: {says}");
        Row { given: Given::Nothing, server, input, ..typed(number, line, exit, says) }
    };
    lines.into_iter().map(row).collect()
}

/// What a server says that is content, and asks nothing more.
fn granted() -> Answer {
    let payload = Binary { subtype: BinarySubtype::Generic, bytes: Vec::new() };
    Answer::Reply(doc! { "conversationId": 1, "done": true, "payload": payload, "ok": 1.0 })
}

/// Two providers, each for the user names with a certain ending.
fn two_providers(behaviour: &mut Behaviour) {
    let mut second = behaviour.identity_providers[0].clone();
    second.audience = "another".into();
    second.match_pattern = Some("@second".into());
    behaviour.identity_providers[0].match_pattern = Some("@first".into());
    behaviour.identity_providers.push(second);
}

/// Rows 101, 102, 104: servers without a provider for people, and what is no answer to the question for one.
fn words_of_servers() -> Vec<Row> {
    const URI: &str = "mongodb://[SERVER]";
    const TLS: &str = "mongodb://[SERVER]/?tls=true";
    let tls = |behaviour: &mut Behaviour| behaviour.tls = loopback_names();
    let offered = |behaviour: &mut Behaviour| behaviour.mechanisms.retain(|mechanism| mechanism != "MONGODB-OIDC");
    let no_tls = "closed the connection without an answer\n  caused by: tls handshake eof\nhint: check the port, or leave \
                  `tls=true` out";
    type Fault = (u32, &'static str, fn(&mut Behaviour), Option<Answer>, i32, &'static str);
    let faults: Vec<Fault> = vec![
        (101, URI, offered, None, 5, "does not offer MONGODB-OIDC"),
        (101, URI, |b| b.release = Release::Six, Some(Answer::Failure(334)), 5, "is older than MongoDB 7.0"),
        (101, URI, |_| {}, Some(Answer::Failure(2)), 5, "does not offer MONGODB-OIDC"),
        (101, URI, |_| {}, Some(Answer::Failure(334)), 5, "does not offer MONGODB-OIDC"),
        (101, URI, |_| {}, Some(Answer::Failure(18)), 2, "has several identity providers, or none for people"),
        (101, URI, |b| b.manner = Manner::Dead, None, 7, "did not answer within 2 s"),
        (101, URI, |b| b.manner = Manner::Slow(Duration::from_secs(3)), None, 7, "did not answer within 2 s"),
        (101, URI, |b| b.manner = Manner::Http, None, 7, "is not a MongoDB server"),
        (101, URI, tls, None, 7, "closed the connection without an answer"),
        (101, TLS, |_| {}, None, 7, no_tls),
        (101, TLS, tls, None, 10, "cannot be trusted\n  caused by: invalid peer certificate: UnknownIssuer"),
        (
            101,
            URI,
            |_| {},
            Some(Answer::Bytes(b"rubbish rubbish rubbish rubbish".to_vec())),
            7,
            "is not a MongoDB server",
        ),
        (101, URI, |_| {}, Some(Answer::Close), 7, "closed the connection without an answer"),
        (101, URI, |_| {}, Some(Answer::Silence), 7, "did not answer within 2 s"),
        (
            101,
            "mongodb://127.0.0.1:1",
            |_| {},
            None,
            7,
            "cannot reach `mongodb://127.0.0.1:1`\n  caused by: Connection refused",
        ),
        (101, "mongodb://nowhere.invalid", |_| {}, None, 7, "cannot reach `mongodb://nowhere.invalid:27017`"),
        (
            100,
            "mongodb+srv://nowhere.invalid",
            |_| {},
            None,
            7,
            "DNS knows no servers for `mongodb+srv://nowhere.invalid`",
        ),
        (101, URI, |b| b.identity_providers[0].client_id = None, None, 5, "takes tokens of programs only"),
        (104, URI, two_providers, None, 2, "say which by a user name in the connection string"),
        (
            104,
            "mongodb://eve%40third@[SERVER]",
            two_providers,
            None,
            5,
            "has no identity provider for the user `eve@third`",
        ),
        (104, "mongodb://eve%40first@[SERVER]", two_providers, None, 0, "client id  mongodb-tools"),
    ];
    let mut rows: Vec<Row> = faults
        .into_iter()
        .flat_map(|(n, uri, change, answer, exit, says)| asked(n, uri, change, answer, exit, says))
        .collect();

    let no_answer = "gave an answer that is no answer to MONGODB-OIDC";
    let info = |issuer: Bson, client: Bson, scopes: Bson| {
        Answer::idp_info(&doc! { "issuer": issuer, "clientId": client, "requestScopes": scopes })
    };
    let issuer = |issuer: Bson| info(issuer, "c".into(), Bson::Array(Vec::new()));
    let client = |client: Bson| info("https://a.example".into(), client, Bson::Array(Vec::new()));
    let scopes = |scopes: Bson| info("https://a.example".into(), "c".into(), scopes);
    let many: Vec<String> = (0..500).map(|number| format!("scope-{number}")).collect();
    let answers = vec![
        (Answer::payload(b"garbage".to_vec()), 10, no_answer),
        (Answer::payload(Vec::new()), 10, no_answer),
        (Answer::payload(vec![b'x'; 2 << 20]), 10, no_answer),
        (granted(), 10, no_answer),
        (Answer::Reply(doc! { "ok": 1.0 }), 10, no_answer),
        (Answer::idp_info(&doc! {}), 10, no_answer),
        (Answer::idp_info(&doc! { "clientId": "c" }), 10, no_answer),
        (issuer(3.into()), 10, no_answer),
        (issuer("".into()), 10, "the server's `issuer` is empty"),
        (issuer("http://a.example".into()), 10, "the server's `issuer` must use https"),
        (issuer("https://a.example/?x".into()), 10, "the server's `issuer` must not contain a query"),
        (issuer("https://u:hunter2@a.example".into()), 10, "the server's `issuer` must not contain a user name"),
        (issuer("file:///etc/passwd".into()), 10, "the server's `issuer` must start with `https://`"),
        (issuer("https://a.example/\u{1b}]0;x\u{7}".into()), 10, "the server's `issuer` "),
        (issuer("x".repeat(2 << 20).into()), 10, "of its provider is longer than 16 KiB"),
        (client(3.into()), 10, no_answer),
        (client("".into()), 10, "the server's `client_id` is empty"),
        (client("a b".into()), 10, "the server's `client_id` "),
        (client("a\u{1b}b".into()), 10, "the server's `client_id` "),
        (client("x".repeat(2 << 20).into()), 10, "of its provider is longer than 16 KiB"),
        (scopes("openid".into()), 10, no_answer),
        (scopes(vec![1, 2].into()), 10, no_answer),
        (scopes(vec!["a\"b"].into()), 10, "the server's `scope` "),
        (scopes(vec!["a b"].into()), 10, "the server's `scope` "),
        (scopes(many.into()), 10, "the server's `scope` is longer than 1024 bytes in all"),
        (scopes(vec!["x".repeat(2 << 20)].into()), 10, "of its provider is longer than 16 KiB"),
        (scopes(vec!["openid"; 2].into()), 0, "scopes     openid"),
        (scopes(vec!["scope-number-1"; 2].into()), 0, "scopes     scope-number-1"),
        (
            Answer::idp_info(&doc! { "issuer": "https://a.example", "clientId": "c", "x": 1 }),
            0,
            "scopes     none of its own",
        ),
    ];
    rows.extend(answers.into_iter().flat_map(|(answer, exit, says)| asked(102, URI, |_| {}, Some(answer), exit, says)));
    rows
}

/// Row 103: an accepted server that says something else now, or nothing that could be understood.
fn changed_words() -> Vec<Row> {
    let uri = "mongodb://[SERVER]/";
    let login = ["login", uri, "--no-browser", "--trust-server", "--http-timeout", "2s"];
    let row = |line: &[&'static str], change: fn(&mut Behaviour), answer: Option<Answer>, exit, says: &str| {
        let server = Some(Server::with(change, answer.clone()));
        let input = format!("accepted, then {line:?} {answer:.80?}");
        Row { given: Given::Accepted, server, input, ..typed(103, line.iter().copied(), exit, says) }
    };
    type Rule = (fn(&mut Behaviour), &'static str);
    let rules: [Rule; 3] = [
        (
            |b| b.identity_providers[0].issuer = "https://evil.example".into(),
            "issuer `https://evil.example`, client id `mongodb-tools`, scopes none of its own",
        ),
        (
            |b| b.identity_providers[0].client_id = Some("evil".into()),
            "issuer `[ISSUER]`, client id `evil`, scopes none of its own",
        ),
        (
            |b| b.identity_providers[0].request_scopes = Some(vec!["admin".into()]),
            "issuer `[ISSUER]`, client id `mongodb-tools`, scopes admin",
        ),
    ];
    let mut rows = Vec::new();
    for (change, now) in rules {
        let both = format!(
            "names another provider than the one that you accepted\n  \
             caused by: accepted: issuer `[ISSUER]`, client id `mongodb-tools`, scopes none of its own\n  \
             caused by: now:      {now}"
        );
        rows.push(row(&login, change, None, 10, &both));
        rows.push(row(&["profile", "trust", uri], change, None, 4, &format!("it says: {now}")));
    }
    let machines: fn(&mut Behaviour) = |b| b.identity_providers[0].client_id = None;
    rows.push(row(&login, machines, None, 5, "takes tokens of programs only"));
    for (answer, exit, says) in [
        (Answer::payload(b"garbage".to_vec()), 10, "gave an answer that is no answer"),
        (Answer::idp_info(&doc! { "issuer": "x".repeat(2 << 20), "clientId": "c" }), 10, "is longer than 16 KiB"),
        (
            Answer::idp_info(&doc! { "issuer": "http://a.example", "clientId": "c" }),
            10,
            "the server's `issuer` must use https",
        ),
    ] {
        rows.push(row(&login, |_| {}, Some(answer.clone()), exit, says));
        rows.push(row(&["profile", "trust", uri, "--yes"], |_| {}, Some(answer), exit, says));
    }
    let mute = row(&["profile", "trust", uri, "--yes"], |_| {}, Some(Answer::Silence), 7, "did not answer within 2 s");
    let make = |_: &_, sandbox: &mut Sandbox| {
        sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "2s");
    };
    rows.push(Row { make: Some(Box::new(make)), ..mute });
    // Nothing of it is needed by who has signed in.
    rows.push(row(&["token", uri], |b| b.manner = Manner::Dead, None, 0, "[JWT]"));
    rows
}

/// Row 101, with a token in the place of a question.
fn answers_to_a_token() -> Vec<Row> {
    let rows = [
        (Answer::payload(b"garbage".to_vec()), 10, "gave an answer that is no answer to MONGODB-OIDC"),
        (Answer::payload(vec![b'x'; 2 << 20]), 10, "gave an answer that is no answer to MONGODB-OIDC"),
        (Answer::Reply(doc! { "ok": 1.0 }), 10, "gave an answer that is no answer to MONGODB-OIDC"),
        (granted(), 5, "has taken the token, and signs nobody in"),
        (Answer::Failure(334), 5, "does not offer MONGODB-OIDC"),
        (Answer::Bytes(b"rubbish rubbish rubbish rubbish".to_vec()), 7, "is not a MongoDB server"),
        (Answer::Close, 7, "closed the connection without an answer"),
        (Answer::Silence, 7, "did not answer within 2 s"),
    ];
    let row = |(answer, exit, says): (Answer, i32, &str)| {
        let input = format!("verify: {answer:.80?}");
        let server = Some(Server::with(|_| {}, Some(answer)));
        let line = ["verify", "mongodb://[SERVER]", "--http-timeout", "2s"];
        Row { given: Given::Session, server, input, ..typed(101, line, exit, says) }
    };
    rows.into_iter().map(row).collect()
}

/// Rows 105 to 107: the program of `exec`.
#[cfg(unix)]
fn programs() -> Vec<Row> {
    let trusted = |number, arguments: &[&str], exit, says: &str| {
        let line = [&["exec", "--trust-host", "db.example.com", "--"], arguments].concat();
        signed_in(typed(number, line, exit, says))
    };
    let file = |row: Row, name: &'static str, text: &'static str, mode: &'static str| {
        let make = move |_: &_, sandbox: &mut Sandbox| {
            // By a process that has ended when the file is started: one that is open for writing cannot be (ETXTBSY).
            let script = "printf %s \"$2\" > \"$1\" && chmod \"$3\" \"$1\"";
            let status = sandbox.tool("sh").args(["-c", script, "sh", name, text, mode]).status().unwrap();
            assert!(status.success());
        };
        Row { input: format!("{} beside a file {text:?} {mode}", row.input), make: Some(Box::new(make)), ..row }
    };
    let set = |row: Row, name: &'static str, value: &'static str| {
        let make = move |_: &_, sandbox: &mut Sandbox| {
            sandbox.env(name, value);
        };
        Row { input: format!("{} with {name}={value}", row.input), make: Some(Box::new(make)), ..row }
    };
    let unseen = "is given no connection string here, so nobody can see where it would send your token";
    let stay = "directConnection=true";
    let ready = "authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s";
    let mut rows = vec![
        trusted(105, &["no-such-program-here"], 127, "there is no program `no-such-program-here` in `PATH`"),
        trusted(105, &["./missing"], 127, "`./missing` is not there, or not what its first line asks for"),
        trusted(105, &["./missing/program"], 127, "`./missing/program` is not there"),
        trusted(105, &["a\u{1b}b"], 127, "there is no program `a\\u{1b}b` in `PATH`"),
        trusted(105, &["/"], 126, "cannot run `/`\n  caused by: Permission denied"),
        file(
            trusted(105, &["./plain"], 126, "cannot run `./plain`\n  caused by: Permission denied"),
            "plain",
            "#!/bin/sh\n",
            "600",
        ),
        file(
            signed_in(typed(
                105,
                ["exec", "--json", "--trust-host", "db.example.com", "--", "./plain"],
                126,
                "\"code\":\"cannot_start\",\"exit_code\":126",
            )),
            "plain",
            "#!/bin/sh\n",
            "600",
        ),
        file(
            trusted(105, &["./lost"], 127, "`./lost` is not there, or not what its first line asks for"),
            "lost",
            "#!/nowhere/sh\n",
            "700",
        ),
        file(trusted(105, &["./folder-sh"], 126, "cannot run `./folder-sh`"), "folder-sh", "#!/\n", "700"),
        file(
            trusted(105, &["./plain/x"], 126, "cannot run `./plain/x`\n  caused by: Not a directory"),
            "plain",
            "",
            "700",
        ),
        signed_in(exec(106, &[], 2, format!("`touch` {unseen}"))),
        signed_in(typed(106, ["exec", "--", "mongosh"], 2, "hint: run `mdb-login exec -- mongosh mongodb+srv://HOST`")),
        // Where nothing is started nothing is sent; what is named is judged all the same.
        signed_in(typed(106, ["exec", "--print-env", "--", "mongosh"], 0, "MDB_LOGIN_EXEC=mongosh")),
        signed_in(typed(106, ["exec", "--print-env"], 0, "MDB_LOGIN_EXEC=k8s")),
        signed_in(typed(
            106,
            ["exec", "--print-env", "--", "mongosh", "mongodb://evil.example"],
            10,
            "for good: `mdb-login profile set NAME allowed_host=evil.example`",
        )),
        signed_in(typed(
            106,
            ["exec", "--print-env", "--trust-host", "db.example.com", "--", "mongosh", "--host", "evil.example"],
            10,
            "for good: `mdb-login profile set NAME allowed_host='db.example.com evil.example'`",
        )),
        exec(106, &["--eval=connect('mongodb://localhost')"], 2, "has a connection string inside of an argument"),
        set(exec(106, &[], 2, unseen), "MONGODB_URI", "mongodb://localhost"),
        file(exec(106, &["--config", "app.conf"], 2, unseen), "app.conf", "uri: mongodb://localhost\n", "600"),
        trusted(106, &["echo", "done"], 0, "done"),
        signed_in(exec(106, &["mongodb://localhost", "mongodb://evil.example"], 10, "`evil.example` is not a host")),
        exec(106, &["mongodb://evil.example", "mongodb://localhost"], 10, "`evil.example` is not a host"),
        exec(106, &["uri=mongodb://evil.example"], 10, "`evil.example` is not a host"),
        exec(
            106,
            &["x", "mongodb://u:hunter2@localhost"],
            2,
            "the program's argument 3, a connection string, has a password",
        ),
        signed_in(typed(
            106,
            ["exec", "--", "echo", "mongodb://localhost", "mongodb://127.0.0.1/db"],
            0,
            format!("mongodb://localhost/?{ready}&{stay} mongodb://127.0.0.1/db?{ready}&{stay}"),
        )),
        // One that mdb-login is given itself is seen.
        signed_in(typed(
            106,
            ["exec", "--uri", "mongodb://evil.example", "--", "true"],
            10,
            "`evil.example` is not a host",
        )),
        signed_in(typed(
            106,
            ["exec", "--uri", "mongodb://localhost", "--", "sh", "-c", "echo \"$MDB_LOGIN_URI\""],
            0,
            format!("mongodb://localhost/?{ready}"),
        )),
    ];
    for way in ["k8s", "file"] {
        // Runs on when the program has ended, and so have we; it holds stdout until it has looked.
        let outlive = "cat \"$OIDC_TOKEN_FILE\" > /dev/null || exit 9
            (while kill -0 $PPID 2> /dev/null; do sleep 0.02; done
             if cat \"$OIDC_TOKEN_FILE\" 2> /dev/null; then echo is left; else echo nothing is left; fi) &
            exit 0";
        let line = ["exec", "--inject", way, "--trust-host", "db.example.com", "--", "sh", "-c", outlive];
        rows.push(signed_in(typed(107, line, 0, "nothing is left")));
    }
    rows
}
