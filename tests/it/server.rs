//! The program and a MongoDB server: what the server says of its provider, and whether it takes the session's token. What
//! is refused is in `bad_input::servers`.

use std::time::Duration;

use bson::doc;
use serde_json::{Value, json};

use crate::cases::each;
use crate::support::browser::Browser;
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::{CLIENT_ID, Endpoint, Idp, SignIn};
use crate::support::mongod::{Answer, Mongod, Refusal};

fn idp() -> Idp {
    Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()))
}

/// Signs in through the server, and gives the terminal's text with the server's address hidden.
fn sign_in(sandbox: &mut Sandbox, server: &Mongod, more: &[&str]) -> Outcome {
    sandbox.hide(&server.address().to_string(), "[SERVER]");
    let uri = server.uri();
    let mut login = sandbox.spawn([&["login", &uri, "--no-browser"], more].concat());
    Browser::new().open(&login.start_url());
    login.wait()
}

/// Nothing in its environment says who the provider is.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
    sandbox
}

fn object(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout()).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

#[test]
fn a_server_s_word_is_shown_and_nothing_is_stored() {
    let idp = idp();
    let server = Mongod::start_with(&idp, |behaviour| {
        behaviour.identity_providers[0].request_scopes = Some(vec!["groups".into()]);
    });
    let mut sandbox = sandbox();
    sandbox.hide(idp.issuer(), "[ISSUER]");
    sandbox.run(["discover", &server.uri()]).is("
        exit 0
        --- stdout
        issuer     [ISSUER]
        client id  mongodb-tools
        scopes     groups
    ");
    let uri = format!("mongodb://ada%40example.com@{}/db", server.address());
    let object = object(&sandbox.run(["discover", &uri, "--json"]));
    assert_eq!(object["schema"], 1);
    assert_eq!((object["issuer"].as_str(), object["user"].as_str()), (Some(idp.issuer()), Some("ada@example.com")));
    assert_eq!(object["request_scopes"], json!(["groups"]));
    assert!(sandbox.files().is_empty(), "{:?}", sandbox.files());
    assert!(idp.log().is_empty(), "the provider has been asked something");
    assert!(server.tokens().is_empty());
}

#[test]
fn a_connection_string_is_enough_to_sign_in() {
    let idp = idp();
    let server = Mongod::start(&idp);
    let mut sandbox = sandbox();
    sandbox.hide(idp.issuer(), "[ISSUER]");
    let uri = server.uri();
    sandbox.hide(&server.address().to_string(), "[SERVER]");

    sandbox.run(["token", &uri]).is("
        exit 4
        --- stderr
        error: nobody has signed in for `mongodb://[SERVER]` yet
        hint: run `mdb-login login mongodb://[SERVER]/`
    ");
    // Without a person, nobody has accepted what the server says.
    sandbox.run(["login", &uri, "--no-browser"]).is("
        exit 4
        --- stderr
        error: nobody has accepted the provider that `mongodb://[SERVER]` names
          caused by: it says: issuer `[ISSUER]`, client id `mongodb-tools`, scopes none of its own
        hint: run `mdb-login login mongodb://[SERVER]/` at a terminal
        hint: in a script, if you know that it is right: add `--trust-server`
    ");
    assert!(sandbox.files().is_empty() && idp.log().is_empty());

    let outcome = sign_in(&mut sandbox, &server, &["--trust-server"]).exits(0);
    assert!(outcome.text().contains("signed in as ada@example.com at [ISSUER]"), "{outcome:?}");
    assert!(outcome.text().contains("next: `mdb-login token mongodb://[SERVER]/`"), "{outcome:?}");
    let token = sandbox.run(["token", &uri]).exits(0).stdout();
    // Another server with the same provider and client needs no second sign-in, and the same session serves a profile.
    let other = Mongod::start(&idp);
    sandbox.run(["profile", "trust", &other.uri(), "--yes"]).exits(0);
    assert_eq!(sandbox.run(["token", &other.uri()]).exits(0).stdout(), token);
    assert_eq!(sandbox.run(["token", "--issuer", idp.issuer(), "--client-id", CLIENT_ID]).exits(0).stdout(), token);
    assert_eq!(idp.requests(Endpoint::Authorization), 1);
}

#[test]
fn a_changed_answer_is_refused_until_it_is_accepted() {
    let (idp, rogue) = (idp(), Idp::start());
    let server = Mongod::start(&idp);
    let mut sandbox = sandbox();
    sandbox.hide(idp.issuer(), "[ISSUER]").hide(rogue.issuer(), "[ROGUE]");
    sign_in(&mut sandbox, &server, &["--trust-server"]).exits(0);

    let issuer = rogue.issuer().to_owned();
    server.change(|behaviour| behaviour.identity_providers[0].issuer = issuer);
    // The flag is for the first time only.
    sandbox.run(["login", &server.uri(), "--no-browser", "--trust-server"]).is("
        exit 10
        --- stderr
        error: `mongodb://[SERVER]` names another provider than the one that you accepted
          caused by: accepted: issuer `[ISSUER]`, client id `mongodb-tools`, scopes none of its own
          caused by: now:      issuer `[ROGUE]`, client id `mongodb-tools`, scopes none of its own
        hint: ask whoever runs the server whether this is right; a server that has been taken over would do the same
        hint: if it is: run `mdb-login profile trust mongodb://[SERVER]/`
    ");
    assert!(rogue.log().is_empty(), "the new provider has been contacted");
    sandbox.run(["token", &server.uri()]).exits(0);
    sandbox
        .run(["profile", "trust", &server.uri()])
        .exits(4)
        .says("nobody has accepted the other provider that")
        .says("add `--yes`");
    let accepted = object(&sandbox.run(["profile", "trust", &server.uri(), "--yes", "--json"]).exits(0));
    assert_eq!(accepted["issuer"].as_str(), Some(rogue.issuer()));
    sandbox.run(["token", &server.uri()]).exits(4).says(&format!("not signed in to `{}`", rogue.issuer()));
}

#[test]
fn a_server_that_cannot_be_asked_again_does_not_keep_anybody_from_signing_in() {
    let idp = idp();
    let server = Mongod::start(&idp);
    let mut sandbox = sandbox();
    sign_in(&mut sandbox, &server, &["--trust-server"]).exits(0);
    server.script("saslStart", [Answer::Close]);
    let outcome = sign_in(&mut sandbox, &server, &[]).exits(0);
    assert!(
        outcome.text().contains("warning: the server could not be asked whether its provider is still the same"),
        "{outcome:?}"
    );
}

/// What was accepted is neither used nor forgotten when it is not as we left it, and the hint mends it.
#[cfg(unix)]
#[test]
fn an_accepted_answer_that_somebody_has_changed_is_named_and_kept() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    /// Changes the first file; the second is another server's.
    type Change = fn(&Path, &Path);
    let rows: [(Change, &str, &str); 9] = [
        (|pin, _| edit(pin, |text| text[..text.len() / 2].to_owned()), "is damaged", "not the expected JSON"),
        (|pin, _| edit(pin, |_| String::new()), "is damaged", "not the expected JSON"),
        (|pin, _| edit(pin, |text| text.replace("\"issuer\"", "\"tissuer\"")), "is damaged", "not the expected JSON"),
        (|pin, _| edit(pin, |text| text.replace("\"v\":1", "\"v\":0")), "is damaged", "its version is 0"),
        (|pin, _| edit(pin, |text| text.replace("\"v\":1", "\"v\":2")), "was written by a newer mdb-login", ""),
        (|pin, other| fs::rename(other, pin).unwrap(), "is damaged", "it is about `mongodb://"),
        (|pin, _| edit(pin, |text| text.replace("\"user\":null", "\"user\":\"eve\"")), "is damaged", "the user `eve`"),
        (
            |pin, other| {
                fs::remove_file(pin).unwrap();
                symlink(other, pin).unwrap();
            },
            "it is a symbolic link",
            "",
        ),
        (|pin, _| fs::set_permissions(pin, Permissions::from_mode(0o644)).unwrap(), "other users can open it", ""),
    ];
    fn edit(path: &Path, change: fn(&str) -> String) {
        fs::write(path, change(&fs::read_to_string(path).unwrap())).unwrap();
    }
    each(rows, |(change, words, why)| {
        let idp = idp();
        let (server, other) = (Mongod::start(&idp), Mongod::start(&idp));
        let mut sandbox = sandbox();
        sign_in(&mut sandbox, &server, &["--trust-server"]).exits(0);
        let uri = server.uri();
        let token = sandbox.run(["token", &uri]).exits(0).stdout();
        let pins = || fs::read_dir(sandbox.state_dir().join("servers")).unwrap().map(|entry| entry.unwrap().path());
        let pin = pins().next().unwrap();
        sandbox.run(["profile", "trust", &other.uri(), "--yes"]).exits(0);
        let others = pins().find(|path| *path != pin).unwrap();
        change(&pin, &others);

        let before = sandbox.files();
        let asked = idp.log().len();
        let mut hint = String::new();
        for line in [
            &["token", &uri][..],
            &["verify", &uri],
            &["exec", "--", "true", &uri],
            &["login", &uri, "--no-browser", "--trust-server"],
            &["profile", "trust", &uri, "--yes"],
        ] {
            let error = sandbox.run(line).exits(8).says(words).says(why).stderr();
            hint = error.rsplit_once("hint: ").unwrap().1.split('`').nth(1).unwrap().to_owned();
        }
        assert!(sandbox.files() == before && idp.log().len() == asked, "{words}: something has happened");

        let mended = sandbox.tool("sh").args(["-c", &hint]).status().unwrap();
        assert!(mended.success(), "{hint}");
        sandbox.run(["profile", "trust", &uri, "--yes"]).exits(0);
        assert_eq!(sandbox.run(["token", &uri]).exits(0).stdout(), token, "{words}: the session is lost");
    });
}

/// A server must not be able to pair a real sign-in page with a token endpoint of its own.
#[test]
fn endpoints_of_a_provider_that_a_server_named_are_at_home() {
    let idp = idp();
    let server = Mongod::start(&idp);
    idp.change(|behaviour| behaviour.metadata = json!({ "token_endpoint": "https://evil.example/token" }).into());
    let mut sandbox = sandbox();
    sandbox.hide(&server.address().to_string(), "[SERVER]");
    let login = ["login", &server.uri(), "--no-browser", "--trust-server"].map(str::to_owned);
    sandbox
        .run(&login)
        .exits(10)
        .says("`token_endpoint` is on `evil.example`")
        .says("MDB_LOGIN_ENDPOINT_HOST=evil.example");
    assert_eq!(idp.requests(Endpoint::Authorization), 0);
    // For a provider that the person has configured, its own word is believed.
    let mut configured = sandbox.spawn(["login", "--no-browser", "--issuer", idp.issuer(), "--client-id", CLIENT_ID]);
    configured.start_url();
    configured.interrupt();
    configured.wait();
    sandbox.env("MDB_LOGIN_ENDPOINT_HOST", "evil.example");
    let mut named = sandbox.spawn(&login);
    named.start_url();
    named.interrupt();
    named.wait();
}

#[test]
fn verify_says_who_the_session_is_at_the_server() {
    let idp = idp();
    // What is left of it reads the same for hours.
    idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(200_000));
    let server = Mongod::start(&idp);
    let mut sandbox = sandbox();
    sandbox.hide(idp.issuer(), "[ISSUER]");
    sign_in(&mut sandbox, &server, &["--trust-server"]).exits(0);
    let before = server.counters().connections;
    sandbox.run(["verify", &server.uri()]).is("
        exit 0
        --- stdout
        server  mongodb://[SERVER], MongoDB 8.0.4
        user    test/00u-ada at $external
        roles   test/dba at admin
        token   valid for 2 days
    ");
    // One to find out what the server is, one to sign in.
    assert_eq!(server.counters().connections - before, 2);
    let object = object(&sandbox.run(["verify", &server.uri(), "--privileges", "--json"]).exits(0));
    assert_eq!((object["schema"].as_u64(), object["user"].as_str()), (Some(1), Some("test/00u-ada")));
    assert_eq!(object["roles"][0], json!({ "role": "test/dba", "db": "admin" }));
    assert!(object["privileges"][0]["actions"].as_array().unwrap().iter().any(|action| action == "find"), "{object}");
    assert!(object["expires_in"].as_u64().unwrap() > 3500);
    // No second request at the provider, and the token only ever went to the server.
    assert_eq!(idp.grants("refresh_token"), 0);
    sandbox
        .run(["verify", "--issuer", idp.issuer(), "--client-id", CLIENT_ID])
        .exits(2)
        .says("no connection string is given");
}

/// What is left out would be taken for not allowed, so everything is there, laid out for the terminal.
#[cfg(unix)]
#[test]
fn verify_shows_every_role_and_every_action() {
    use crate::support::screen::assert_screens;

    // As a server lists the built-in roles `readWrite` and `clusterMonitor`, and a role of somebody's own.
    let read_write = [
        "changeStream",
        "collStats",
        "convertToCapped",
        "createCollection",
        "createIndex",
        "createSearchIndexes",
        "dbHash",
        "dbStats",
        "dropCollection",
        "dropIndex",
        "dropSearchIndex",
        "find",
        "insert",
        "killCursors",
        "listCollections",
        "listIndexes",
        "listSearchIndexes",
        "planCacheRead",
        "remove",
        "renameCollectionSameDB",
        "update",
        "updateSearchIndex",
    ];
    let monitor = [
        "checkFreeMonitoringStatus",
        "connPoolStats",
        "getCmdLineOpts",
        "getDefaultRWConcern",
        "getLog",
        "getParameter",
        "getShardMap",
        "hostInfo",
        "inprog",
        "listDatabases",
        "listSessions",
        "listShards",
        "netstat",
        "replSetGetConfig",
        "replSetGetStatus",
        "serverStatus",
        "top",
        "useUUID",
    ];
    let privilege = |resource, actions: &[&str]| doc! { "resource": resource, "actions": actions };
    let privileges = vec![
        privilege(doc! { "db": "shop", "collection": "" }, &read_write),
        privilege(doc! { "cluster": true }, &monitor),
        privilege(
            doc! { "db": "shop", "collection": "system.buckets.prices_of_the_last_year" },
            &["find", "a\u{1b}[2Jb"],
        ),
    ];
    let role = |name: &str, db: &str| doc! { "role": name, "db": db };
    let status = |more: usize| {
        let roles = [role("test/shop", "admin"), role("readWrite", "shop"), role("clusterMonitor", "admin")];
        let roles: Vec<_> = roles.into_iter().chain((0..more).map(|number| role(&format!("r{number}"), "a"))).collect();
        Answer::Reply(doc! { "ok": 1.0, "authInfo": {
            "authenticatedUsers": [{ "user": "test/00u-ada", "db": "$external" }],
            "authenticatedUserRoles": roles, "authenticatedUserPrivileges": privileges.clone(),
        } })
    };
    let idp = idp();
    idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(200_000));
    let server = Mongod::start(&idp);
    let mut sandbox = sandbox();
    sign_in(&mut sandbox, &server, &["--trust-server"]).exits(0);
    let line = ["verify", &server.uri(), "--privileges"];
    server.script("connectionStatus", (0..3).map(|_| status(0)));
    assert_screens(&sandbox, "verify-privileges", &line);

    server.script("connectionStatus", [status(100), status(100)]);
    let text = sandbox.run(line).exits(0).stdout();
    let words: Vec<&str> = text.split([' ', '\n', ',']).collect();
    let roles: Vec<String> = (0..100).map(|number| format!("r{number}")).collect();
    for word in read_write.iter().chain(&monitor).copied().chain(roles.iter().map(String::as_str)) {
        assert!(words.contains(&word), "no {word}: {text}");
    }
    let object = object(&sandbox.run([&line[..], &["--json"]].concat()).exits(0));
    assert_eq!(object["privileges"][1], json!({ "resource": "cluster", "actions": monitor }));
    assert_eq!(object["roles"].as_array().unwrap().len(), 103);
}

#[test]
fn a_refused_token_is_renewed_once_and_then_explained() {
    let idp = idp();
    let server = Mongod::start(&idp);
    let mut sandbox = sandbox();
    sandbox.hide(idp.issuer(), "[ISSUER]");
    sign_in(&mut sandbox, &server, &["--trust-server"]).exits(0);
    server.change(|behaviour| behaviour.identity_providers[0].audience = "elsewhere".into());
    sandbox.run(["verify", &server.uri()]).is("
        exit 5
        --- stderr
        error: `mongodb://[SERVER]` refused the token: authentication failed
        hint: its audience is `mongodb-tools`: the server's `audience` must be the same
        hint: run `mdb-login inspect mongodb://[SERVER]/` to have it judged rule by rule
        hint: the server's log says why, in a line of the component ACCESS; ask whoever runs it
    ");
    assert_eq!(idp.grants("refresh_token"), 1);
    server.change(|behaviour| {
        behaviour.identity_providers[0].audience = CLIENT_ID.into();
        behaviour.identity_providers[0].issuer = "https://elsewhere.example".into();
    });
    sandbox
        .run(["verify", &server.uri()])
        .exits(5)
        .says("it trusts the issuer `https://elsewhere.example`, and this token is from ");
}

#[test]
fn a_token_goes_to_hosts_that_are_trusted_and_prove_their_name() {
    let idp = idp();
    let server =
        Mongod::start_with(&idp, |behaviour| behaviour.tls = Some(vec!["db.example.com".into(), "127.0.0.1".into()]));
    let port = server.address().port();
    let mut sandbox = Sandbox::with(&idp);
    let ca = sandbox.home().join("ca.pem");
    std::fs::write(&ca, Mongod::ca_pem()).unwrap();
    let mut login = sandbox.spawn(["login", "--no-browser"]);
    Browser::new().open(&login.start_url());
    login.wait().exits(0);
    sandbox.hide(&port.to_string(), "[PORT]");
    let run = |arguments: &[&str]| sandbox.run([&["verify", "--http-timeout", "5s"], arguments].concat());

    let good = format!("mongodb://127.0.0.1:{port}/?tls=true&tlsCAFile={}", ca.display());
    run(&[&good]).exits(0);
    run(&[&format!("mongodb://127.0.0.1:{port}/?tls=true"), "--ca-file", &ca.display().to_string()]).exits(0);
    assert_eq!(server.refusals(), Vec::<Refusal>::new());
    // Trusted by name, the connection is made: here it fails at the name, which nobody has.
    run(&["mongodb://nowhere.invalid/?tls=true", "--trust-host", "nowhere.invalid"]).exits(7).says("cannot reach");
}

#[test]
fn uri_completes_a_connection_string() {
    let sandbox = Sandbox::new();
    sandbox.run(["uri", "mongodb://ada%40example.com@h1,h2:2/db?tls=true"]).is("
        exit 0
        --- stdout
        mongodb://h1,h2:2/db?tls=true&authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s
        --- stderr
        the user name `ada@example.com` is left out: drivers refuse one beside `ENVIRONMENT:k8s`
    ");
    let stays = sandbox.run(["uri", "mongodb://localhost"]).exits(0).stdout();
    assert!(stays.ends_with("ENVIRONMENT:k8s&directConnection=true\n"), "{stays}");
    sandbox.run(["uri", "mongodb://"]).is("
        exit 2
        --- stderr
        error: the connection string is wrong at character 11: there is no host
    ");
}

/// A server can name others as members of its replica set. The driver would go there with the token.
#[test]
fn a_token_does_not_follow_a_server_to_hosts_that_nobody_has_judged() {
    let idp = idp();
    let server = Mongod::start(&idp);
    let lure = Mongod::start(&idp);
    let hello = doc! {
        "isWritablePrimary": true, "ismaster": true, "setName": "rs0", "setVersion": 1, "ok": 1.0, "maxWireVersion": 25,
        "minWireVersion": 0, "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
        "hosts": vec![server.address().to_string().replace("127.0.0.1", "127.0.0.2"), lure.address().to_string()],
        "me": lure.address().to_string(), "primary": lure.address().to_string(),
    };
    for name in ["hello", "isMaster", "ismaster"] {
        lure.script(name, (0..20).map(|_| Answer::Reply(hello.clone())));
    }
    let mut sandbox = sandbox();
    sign_in(&mut sandbox, &server, &["--trust-server"]).exits(0);
    let before = server.counters().connections;
    // Whatever becomes of it at the lure itself, nobody else is connected to: not even a member that is dead.
    sandbox
        .run([
            "verify",
            "--issuer",
            idp.issuer(),
            "--client-id",
            CLIENT_ID,
            "--uri",
            &lure.uri(),
            "--http-timeout",
            "5s",
        ])
        .exits(0);
    sandbox.run(["discover", &lure.uri(), "--http-timeout", "5s"]).exits(0);
    assert_eq!(server.counters().connections, before);
}

#[test]
fn options_of_other_drivers_are_no_obstacle() {
    let idp = idp();
    let server = Mongod::start(&idp);
    let sandbox = Sandbox::new();
    for options in [
        "compressors=zstd",
        "timeoutMS=100",
        "zlibCompressionLevel=3",
        "enableUtf8Validation=true",
        "replicaSet=other",
        "w=5",
    ] {
        sandbox.run(["discover", &format!("{}?{options}", server.uri())]).exits(0);
    }
}
