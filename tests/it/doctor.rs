//! `doctor` on machines that are sick in one way each: it names what is wrong, says what to do, ends with the right code
//! and in time, and tells nobody's name.

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cases::each;
use crate::signed_in::SignedIn;
use crate::support::cmd::{Outcome, Sandbox, program};
use crate::support::idp::{Answer, CLIENT_ID, Endpoint, Idp, Patch, Reply, SignIn};
use crate::support::mongod::{Manner, Mongod};

/// Somebody who has signed in, and a server that trusts the provider.
struct World {
    ada: SignedIn,
    server: Mongod,
    /// What keeps something busy as long as the test goes on.
    held: Vec<Box<dyn Send>>,
}

impl World {
    fn new() -> Self {
        let ada = SignedIn::new();
        let server = Mongod::start(&ada.idp);
        Self { ada, server, held: Vec::new() }
    }

    fn env(&mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) {
        self.ada.sandbox.env(name, value);
    }

    fn home(&self) -> &Path {
        self.ada.sandbox.home()
    }

    fn metadata(&self, change: Value) {
        self.ada.idp.change(|behaviour| behaviour.metadata = Patch::merge(change));
    }

    fn doctor(&self) -> Outcome {
        self.ada.run(["doctor", &self.server.uri(), "--json"])
    }
}

fn checks(outcome: &Outcome) -> Vec<Value> {
    let object: Value = serde_json::from_str(&outcome.stdout()).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    object["checks"].as_array().unwrap().clone()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_healthy_machine_is_left_as_it_was_and_nobody_is_asked_for_anything() {
    let world = World::new();
    let (files, asked) = (world.ada.sandbox.files(), world.ada.requests());
    let outcome = world.doctor().exits(0);
    let bad: Vec<_> = checks(&outcome).into_iter().filter(|check| check["status"] == "fail").collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let weak: Vec<_> = checks(&outcome).into_iter().filter(|check| check["status"] == "warn").collect();
    assert!(weak.len() == 1 && weak[0]["name"] == "choices", "the file as a store: {weak:#?}");
    assert_eq!(world.ada.sandbox.files(), files);
    assert_eq!(world.ada.requests(), asked + 1);
    assert_eq!(world.ada.idp.requests(Endpoint::Discovery), 2, "sign-in, and this");
    assert!(world.server.tokens().is_empty() && world.server.refusals().is_empty());
    #[cfg(target_os = "linux")]
    for id in world.ada.sandbox.session_ids() {
        let keys = crate::support::cmd::kernel_keys(&id);
        assert!(keys.iter().all(|(description, _)| description.ends_with(":access")), "a trial key is left: {keys:?}");
    }
}

/// What makes a machine sick; the check that must say so, how, and with what words; and the exit code.
type Row = (fn(&mut World), &'static str, &'static str, &'static str, i32);

#[test]
fn each_sickness_is_named_with_what_to_do() {
    let rows: Vec<Row> = vec![
        // This program and its settings.
        (
            |w| _ = w.ada.sandbox.write_config("[profile.prod]\ncleint_id = 'x'\n"),
            "settings",
            "fail",
            "config.toml:2:1: unknown key `cleint_id`",
            3,
        ),
        (|w| w.env("MDB_LOGIN_TIMEOUT", "5"), "settings", "fail", "`MDB_LOGIN_TIMEOUT` has no unit", 3),
        (
            |w| w.env("MDB_LOGIN_CLIENT_SECRET", "hunter2"),
            "settings",
            "fail",
            "`MDB_LOGIN_CLIENT_SECRET` is not read",
            3,
        ),
        (
            |w| write(&w.ada.sandbox.config_dir().join("config.toml"), "", 0o666),
            "settings",
            "fail",
            "other users may write to it (mode 0666)",
            3,
        ),
        (
            |w| _ = w.ada.sandbox.write_config("default_profile = 'a'\n[profile.a]\n[profile.b]\ntimeout = '5'\n"),
            "profile",
            "warn",
            "config.toml:4:11: `timeout` has no unit",
            0,
        ),
        (|w| w.env("MDB_LOGIN_CLIENTID", "x"), "variables", "warn", "did you mean `MDB_LOGIN_CLIENT_ID`?", 0),
        (|w| w.env("MDB_LOGIN_INSECURE_SERVER", "true"), "choices", "warn", "`insecure_server = true`", 0),
        (|w| w.env("MDB_LOGIN_STORE", "file"), "choices", "warn", "`store = \"file\"` (MDB_LOGIN_STORE)", 0),
        // This machine.
        (
            |w| {
                let squatter = TcpListener::bind("[::1]:0").unwrap();
                let port = squatter.local_addr().unwrap().port();
                w.env("MDB_LOGIN_REDIRECT_URI", format!("http://localhost:{port}/redirect"));
                w.held.push(Box::new(squatter));
            },
            "redirect_port",
            "fail",
            "is taken by",
            9,
        ),
        (
            |w| w.env("MDB_LOGIN_BROWSER", "no-such-browser %s"),
            "browser",
            "warn",
            "`no-such-browser` is in no directory of PATH",
            0,
        ),
        // The provider.
        (
            |w| w.ada.idp.change(|behaviour| behaviour.clock_ahead = 600),
            "clock",
            "warn",
            "10 min behind the provider's",
            0,
        ),
        (
            |w| w.ada.idp.change(|behaviour| behaviour.clock_ahead = -7200),
            "clock",
            "warn",
            "2 h ahead of the provider's",
            0,
        ),
        (|w| w.ada.idp.set_up(false), "discovery", "fail", "Connection refused", 7),
        (
            |w| w.ada.idp.always(Endpoint::Discovery, Answer::Instead(Reply::html(200, "<h1>Welcome</h1>"))),
            "discovery",
            "fail",
            "a portal of the network may answer",
            7,
        ),
        (
            |w| w.ada.idp.always(Endpoint::Discovery, Answer::Instead(Reply::json(503, &json!({})))),
            "discovery",
            "fail",
            "answered with status 503",
            7,
        ),
        (
            |w| w.metadata(json!({"issuer": "https://other.example.com"})),
            "discovery",
            "fail",
            "the two must be identical",
            10,
        ),
        (
            |w| w.metadata(json!({"code_challenge_methods_supported": ["plain"]})),
            "discovery",
            "fail",
            "does not offer PKCE with S256",
            3,
        ),
        (
            |w| w.metadata(json!({"grant_types_supported": ["authorization_code"]})),
            "refresh_tokens",
            "warn",
            "allow the refresh token grant",
            0,
        ),
        (
            |w| {
                w.metadata(json!({"device_authorization_endpoint": null}));
                w.env("MDB_LOGIN_FLOW", "device");
            },
            "device_codes",
            "fail",
            "sign in with a browser",
            3,
        ),
        (
            |w| {
                w.env("MDB_LOGIN_ISSUER", "https://login.invalid");
                w.env("HTTPS_PROXY", "http://ada:hunter2@127.0.0.1:1");
            },
            "proxy",
            "fail",
            "`http://127.0.0.1:1` (`HTTPS_PROXY`) cannot be reached",
            7,
        ),
        (|w| w.env("MDB_LOGIN_ISSUER", "https://login.invalid"), "dns", "fail", "`login.invalid` is not found", 7),
        (
            |w| {
                let path = w.home().join("ca.pem");
                write(&path, "", 0o644);
                w.env("SSL_CERT_FILE", path);
            },
            "certificates",
            "fail",
            "correct `SSL_CERT_FILE`, or unset it",
            3,
        ),
        (|w| w.env("MDB_LOGIN_CA_FILE", "/no/such/ca.pem"), "certificates", "fail", "cannot read the CA file", 3),
        (
            |w| {
                let path = w.home().join("ca.pem");
                write(&path, "no certificate", 0o644);
                w.env("MDB_LOGIN_CA_FILE", path);
            },
            "certificates",
            "fail",
            "holds no PEM certificate",
            3,
        ),
        (
            |w| {
                let path = w.home().join("secret");
                write(&path, "hunter2", 0o644);
                w.env("MDB_LOGIN_CLIENT_SECRET_FILE", path);
            },
            "client_secret",
            "fail",
            "chmod 600 ~/secret",
            3,
        ),
        // Keeping.
        (|w| w.env("MDB_LOGIN_STORE", "keyring"), "keyring", "skip", "there is no session bus", 0),
        (
            |w| {
                w.env("MDB_LOGIN_STORE", "keyring");
                w.ada.run(["logout"]).exits(0);
            },
            "keyring",
            "fail",
            "there is no session bus",
            8,
        ),
        (
            |w| fs::set_permissions(w.ada.file("secret"), Permissions::from_mode(0o640)).unwrap(),
            "files",
            "fail",
            "other users can open it",
            8,
        ),
        (
            |w| fs::set_permissions(w.ada.sandbox.state_dir(), Permissions::from_mode(0o777)).unwrap(),
            "files",
            "fail",
            "other users can write to it",
            8,
        ),
        (|w| write(&w.ada.file("json"), "{", 0o600), "files", "fail", "the stored session is damaged", 8),
        (
            |w| {
                w.ada.idp.end_all_sessions();
                w.ada.run(["token", "--force-refresh"]).exits(4);
            },
            "session",
            "warn",
            "the provider has ended it, ",
            0,
        ),
        // The server.
        (|w| w.server.change(|b| b.manner = Manner::Http), "server", "fail", "is not a MongoDB server", 7),
        (
            |w| w.server.change(|b| b.mechanisms.retain(|mechanism| mechanism != "MONGODB-OIDC")),
            "server",
            "fail",
            "does not offer MONGODB-OIDC",
            5,
        ),
        (
            |w| w.server.change(|b| b.identity_providers[0].client_id = None),
            "server_provider",
            "fail",
            "takes tokens of programs only",
            5,
        ),
        (
            |w| w.server.change(|b| b.identity_providers[0].issuer = "https://other.example.com".into()),
            "server_provider",
            "warn",
            "names `https://other.example.com`",
            0,
        ),
    ];
    each(rows, |(make_sick, name, status, words, code)| {
        let mut world = World::new();
        make_sick(&mut world);
        let outcome = world.doctor().exits(code);
        let checks = checks(&outcome);
        let said = checks.iter().find(|check| {
            check["name"] == name
                && check["status"] == status
                && format!("{} {}", check["text"], check["notes"]).replace("\\\"", "\"").contains(words)
        });
        assert!(said.is_some(), "no {status} of {name} with `{words}`:\n{checks:#?}");
        assert!(!outcome.text().contains("hunter2"), "{outcome:?}");
        // Whatever is broken, the rest is looked at.
        for name in ["version", "programs", "variables", "redirect_port", "cache", "server"] {
            assert!(checks.iter().any(|check| check["name"] == name), "{name} is missing: {checks:#?}");
        }
    });
}

/// A server that may have no token, and one that names another provider than what was accepted.
#[test]
fn servers_that_a_token_may_not_go_to_are_refused_by_name() {
    let world = World::new();
    let outcome = world.ada.run(["doctor", "mongodb://db.invalid/?tls=true", "--json"]).exits(10);
    let found = checks(&outcome);
    let of = |name: &str| found.iter().find(|check| check["name"] == name).unwrap().clone();
    assert_eq!((&of("hosts")["status"], &of("hosts")["code"]), (&json!("fail"), &json!("rule_broken")));
    assert!(of("hosts")["notes"][0].as_str().unwrap().contains("`--trust-host db.invalid`"));
    assert_eq!(of("server")["code"], "unavailable");
    let trusted = world.ada.run(["doctor", "mongodb://db.invalid/?tls=true", "--trust-host", "db.invalid", "--json"]);
    let trusted = checks(&trusted.exits(7)).into_iter().find(|check| check["name"] == "hosts").unwrap();
    assert_eq!(trusted["text"], "may have tokens: `db.invalid`, by `allowed_host`");
}

#[test]
fn a_server_s_word_is_held_against_what_was_accepted() {
    let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
    let server = Mongod::start(&idp);
    let sandbox = Sandbox::new();
    let uri = server.uri();
    let provider = |code: i32| {
        let outcome = sandbox.run(["doctor", &uri, "--json"]).exits(code);
        let check = checks(&outcome).into_iter().find(|check| check["name"] == "server_provider").unwrap();
        (check["status"].as_str().unwrap().to_owned(), check["text"].as_str().unwrap().to_owned())
    };
    let (status, text) = provider(0);
    assert!(status == "skip" && text.contains(idp.issuer()), "{status} {text}");
    assert!(sandbox.files().is_empty() && idp.log().is_empty(), "nobody has accepted anything");
    sandbox.run(["profile", "trust", &uri, "--yes"]).exits(0);
    assert_eq!(provider(0), ("ok".to_owned(), "the server names the provider that you accepted".to_owned()));
    server.change(|behaviour| behaviour.identity_providers[0].client_id = Some("other".into()));
    let (status, text) = provider(10);
    assert!(status == "fail" && text.contains("now:      ") && text.contains("client id `other`"), "{status} {text}");
}

/// A token that no MongoDB server would take, and nothing else that is wrong.
#[cfg(target_os = "linux")]
#[test]
fn a_token_that_servers_refuse_is_told_with_the_reasons() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token.header = Patch::merge(json!({"typ": "at+jwt"})));
    if ada.sandbox.session_ids().iter().all(|id| crate::support::cmd::kernel_key(id).is_none()) {
        eprintln!("NOT RUN, NO KERNEL KEYRING: a_token_that_servers_refuse_is_told_with_the_reasons");
        return;
    }
    let outcome = ada.run(["doctor", "--json"]).exits(10).says("\"message\":\"1 of ");
    let token = checks(&outcome).into_iter().find(|check| check["name"] == "token").unwrap();
    assert_eq!(token["notes"][0], "its header `typ` is `at+jwt` and must be `JWT` or absent");
}

#[cfg(target_os = "linux")]
#[test]
fn two_files_of_different_versions_are_told_apart() {
    let mut ada = SignedIn::new();
    let bin = ada.sandbox.home().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program().with_file_name("mdb-login-full"), bin.join("full")).unwrap();
    // A link will not do: the program looks beside its own file.
    assert!(
        std::process::Command::new("cp")
            .arg("-L")
            .arg(bin.join("full"))
            .arg(bin.join("mdb-login-full"))
            .status()
            .unwrap()
            .success()
    );
    ada.sandbox.use_program(bin.join("mdb-login-full"));
    let programs = |code: i32| {
        let outcome = ada.run(["doctor", "--json"]).exits(code);
        checks(&outcome).into_iter().find(|check| check["name"] == "programs").unwrap()["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(programs(0).starts_with("there is no `mdb-login` beside this program: "));
    write(&bin.join("mdb-login"), "#!/bin/sh\nprintf 'mdb-login 0.0.9\\033[2J\\n'\n", 0o755);
    assert!(programs(1).starts_with("`mdb-login` beside this program says `mdb-login 0.0.9\\u{1b}[2J`"));
    write(&bin.join("mdb-login"), "#!/bin/sh\nsleep 60\n", 0o755);
    assert_eq!(programs(6), "there is no answer after 3 s");
}

#[test]
fn without_a_home_a_network_and_a_provider_the_rest_is_looked_at() {
    let mut sandbox = Sandbox::new();
    for variable in ["MDB_LOGIN_CONFIG_DIR", "MDB_LOGIN_STATE_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "USER"] {
        sandbox.unset(variable);
    }
    sandbox.env("HOME", "");
    let outcome = sandbox.run(["doctor", "--json"]).exits(3);
    let found = checks(&outcome);
    let status =
        |name: &str| found.iter().find(|check| check["name"] == name).map(|check| check["status"].clone()).unwrap();
    assert_eq!((status("settings"), status("files"), status("locks")), (json!("fail"), json!("fail"), json!("skip")));
    assert_eq!(
        (status("redirect_port"), status("discovery"), status("server")),
        (json!("ok"), json!("skip"), json!("skip"))
    );

    // Nobody has configured anything: no fault, and what to type.
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(["doctor"]).exits(0);
    assert!(outcome.stdout().contains("warn  settings   no issuer and no client id are set\n"), "{outcome:?}");
    assert!(outcome.stderr().starts_with("nothing is wrong, with "), "{outcome:?}");
    assert!(sandbox.files().is_empty(), "{:?}", sandbox.files());
}

/// A provider, a server and a session bus that take a connection and never say a word.
#[test]
fn what_never_answers_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sandbox = Sandbox::new();
    let bus = sandbox.home().join("bus");
    let listener = UnixListener::bind(&bus).unwrap();
    sandbox
        .env("MDB_LOGIN_ISSUER", format!("http://{}", silent.local_addr().unwrap()))
        .env("MDB_LOGIN_CLIENT_ID", CLIENT_ID)
        .env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect")
        .env("MDB_LOGIN_HTTP_TIMEOUT", "2m")
        .env("MDB_LOGIN_STORE", "keyring")
        .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", bus.display()));
    let idp = Idp::start();
    let server = Mongod::start_with(&idp, |behaviour| behaviour.manner = Manner::Dead);
    let outcome = sandbox.run(["doctor", &server.uri(), "--json"]).exits(7).within(Duration::from_secs(14));
    let found = checks(&outcome);
    for (name, words) in [
        ("discovery", "it took too long"),
        ("server", "did not answer within 5 s"),
        ("keyring", "did not answer within 3 seconds"),
    ] {
        let check = found.iter().find(|check| check["name"] == name).unwrap();
        let text = check["text"].as_str().unwrap();
        assert!(check["status"] == "fail" && text.contains(words), "{check:#?}");
    }
    assert_eq!(found.iter().find(|check| check["name"] == "redirect_port").unwrap()["status"], "ok");
    drop(listener);
}

/// With everything in reach that a ticket must not have.
#[test]
fn a_page_for_a_ticket_has_no_secret_and_no_name() {
    const NEVER: [&str; 10] =
        ["ada@", "ada.", "00u-", "lovelace", "hunter", "corp.example", "refresh-", "eyJ", "mdb-login-test-", "%40"];
    let ways: [&[&str]; 4] = [&["doctor"], &["doctor", "--json"], &["doctor", "-vv"], &["doctor", "--json", "-vvv"]];
    each(ways.into_iter().flat_map(|way| [(way, true), (way, false)]).collect::<Vec<_>>(), |(arguments, proxied)| {
        let mut world = World::new();
        let home = world.home().to_owned();
        write(&home.join("canary.secret"), "canary-of-the-client", 0o644);
        if proxied {
            world.env("MDB_LOGIN_ISSUER", "https://login.invalid");
        }
        for (name, value) in [
            ("USER", "lovelace"),
            ("MDB_LOGIN_LOGIN_HINT", "ada.lovelace@corp.example.com"),
            ("MDB_LOGIN_CLIENT_SECRET_FILE", home.join("canary.secret").to_str().unwrap()),
            ("HTTPS_PROXY", "http://lovelace:hunter2@127.0.0.1:1"),
            ("ALL_PROXY", "socks5://lovelace:hunter2@127.0.0.1:1"),
            ("MDB_LOGIN_CA_FILE", "/srv/lovelace/ca.pem"),
        ] {
            world.env(name, value);
        }
        world.ada.sandbox.write_config("[profile.prod]\nclient_secret = 'hunter3'\n");
        let uri = format!("mongodb://ada.lovelace%40corp.example.com@{}", world.server.address());
        world.ada.idp.set_up(false);
        let outcome = world.ada.run([arguments[0], &uri].iter().chain(&arguments[1..]));
        let (stdout, stderr) = (outcome.stdout(), outcome.stderr());
        // All that is said of these, and it is said.
        let told =
            ["`~/canary.secret` can be read by others", "/srv/[user]/ca.pem", "`http://127.0.0.1:1` (`HTTPS_PROXY`)"];
        let one_line = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in &told[..if proxied { 3 } else { 2 }] {
            assert!(one_line.contains(words), "no {words}: {stdout}");
        }
        for (place, text) in [("stdout", stdout), ("stderr", stderr)] {
            let text = text.to_lowercase();
            assert!(!text.contains("canary-of"), "{place} has the client secret:\n{text}");
            for never in NEVER {
                assert!(!text.contains(&never.to_lowercase()), "{place} has `{never}`:\n{text}");
            }
            for secret in world.ada.idp.secrets() {
                assert!(!text.contains(&secret.to_lowercase()), "{place} has a secret:\n{text}");
            }
        }
    });
}

/// Every variable that the manual knows means something to the doctor.
#[test]
fn no_variable_of_the_manual_is_called_a_mistake() {
    let mut sandbox = Sandbox::new();
    let manual = sandbox.run(["man"]).exits(0).stdout();
    let names = manual.lines().map(|line| line.replace("\\-", "-").replace("\\fB", "").replace("\\fR", ""));
    let names: Vec<String> = names
        .filter(|line| line.starts_with("MDB_LOGIN_") && line.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names.iter().filter(|name| *name != "MDB_LOGIN_COMPLETE") {
        sandbox.env(name, "/x");
    }
    let outcome = sandbox.run(["doctor", "--json"]);
    let found = checks(&outcome);
    let variables: Vec<&Value> = found.iter().filter(|check| check["name"] == "variables").collect();
    assert!(!variables.iter().any(|check| check["text"].as_str().unwrap().contains("means nothing")), "{variables:#?}");
    assert!(variables[0]["text"].as_str().unwrap().matches("`, `").count() + 2 >= names.len(), "{variables:#?}");
}

#[cfg(target_os = "linux")]
#[test]
fn one_screen_of_a_healthy_machine_and_of_a_sick_one() {
    use crate::support::screen::assert_screens;
    let mut world = World::new();
    if world.ada.sandbox.session_ids().iter().all(|id| crate::support::cmd::kernel_key(id).is_none()) {
        eprintln!("NOT RUN, NO KERNEL KEYRING: one_screen_of_a_healthy_machine_and_of_a_sick_one");
        return;
    }
    let address = world.server.address().to_string();
    // Shorter than what they stand for, or a line could seem to be too long.
    world.ada.sandbox.hide(&address, "[SERVER]").hide("http://localhost:0/redirect", "[REDIRECT URI]");
    world
        .ada
        .sandbox
        .hide(&format!("{} ({}-unknown-linux-gnu)", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH), "[VERSION]");
    let uri = world.server.uri();
    assert_screens(&world.ada.sandbox, "doctor-healthy", &["doctor", &uri]);

    world.ada.sandbox.write_config("[profile.prod]\ncleint_id = 'x'\n");
    write(&world.ada.file("json"), "{", 0o600);
    world.ada.idp.change(|behaviour| {
        behaviour.clock_ahead = 600;
        behaviour.metadata = Patch::merge(json!({"issuer": "https://other.example.com"}));
    });
    for (name, value) in [("MDB_LOGIN_CLIENTID", "x"), ("MDB_LOGIN_BROWSER", "no-such-browser %s")] {
        world.env(name, value);
    }
    assert_screens(&world.ada.sandbox, "doctor-sick", &["doctor", "mongodb://127.0.0.1:1"]);
}

/// The pipe's other end sees a whole page, and a failure that is said on stderr does not spoil it.
#[test]
fn a_page_into_a_pipe_is_whole() {
    let world = World::new();
    world.ada.idp.set_up(false);
    let mut child = world
        .ada
        .sandbox
        .command(["doctor"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut page = String::new();
    child.stdout.take().unwrap().read_to_string(&mut page).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let headings: Vec<&str> = page.lines().filter(|line| !line.is_empty() && !line.contains("  ")).collect();
    assert_eq!(headings, ["mdb-login", "This machine", "Provider", "Keeping", "MongoDB server"]);
    assert!(page.lines().all(|line| line.chars().count() <= 80 || !line.trim().contains(' ')), "{page}");
}
