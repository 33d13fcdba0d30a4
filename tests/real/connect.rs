//! Sign in with a connection string, and run what people run: mongosh and the drivers under `exec`, at the test server.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::drivers::Setting;
use crate::peers::{beside, node, node_modules, python, python_packages};
use crate::support::browser::Browser;
use crate::support::cmd::Sandbox;
use crate::support::idp::Idp;
use crate::support::mongod::{Event, Mongod};

/// Works a little, and prints what it has found as one line of JSON.
pub const WORK: &str = r#"
    const user = db.runCommand({ connectionStatus: 1 }).authInfo.authenticatedUsers[0].user;
    const people = db.getSiblingDB("shop").people;
    for (let number = 0; number < 12; number++) people.insertOne({ number });
    print(JSON.stringify({ user, count: people.countDocuments({}) }));
"#;

/// `exec` with a program that is found as people have it: `mongosh` by its name.
pub fn exec(home: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = home.command(["exec"].iter().chain(arguments));
    let mut path = OsString::from(node_modules().join(".bin"));
    // Its first line asks env(1) for node.
    if let Some(folder) = Path::new(&node()).parent() {
        path.push(":");
        path.push(folder);
    }
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    command.env("PATH", path).env("PYTHONPATH", python_packages()).stdin(Stdio::null());
    command
}

/// For what takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a program that prints a line of JSON last, and ends well.
#[track_caller]
pub fn report(command: Command) -> Value {
    report_within(PATIENCE, command)
}

/// The same with a limit: a program that hangs is a failure with all that it has said, and does not stay behind.
#[track_caller]
pub fn report_within(limit: Duration, mut command: Command) -> Value {
    // With a group of its own, what it has started ends with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let readers = [reader(child.stdout.take().unwrap()), reader(child.stderr.take().unwrap())];
    let deadline = Instant::now() + limit;
    // What it has left behind keeps the pipes open.
    let mut is_over = || child.try_wait().unwrap().is_some() && readers.iter().all(JoinHandle::is_finished);
    while !is_over() && Instant::now() < deadline {
        sleep(Duration::from_millis(10));
    }
    let in_time = is_over();
    if !in_time {
        end(&mut child);
    }
    let status = child.wait().unwrap();
    let [said, errors] = readers.map(|reader| reader.join().unwrap());
    let line: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    assert!(in_time, "not over within {limit:?}: {}\n{said}{errors}", line.join(" "));
    assert!(status.success(), "{status:?}\n{said}{errors}");
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said}{errors}"))
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(unix)]
fn end(child: &mut Child) {
    // Nobody is left in a group that is not there any more.
    let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(child), rustix::process::Signal::KILL);
}

#[cfg(not(unix))]
fn end(child: &mut Child) {
    let _ = child.kill();
}

#[cfg(unix)]
#[test]
#[ignore = "run tests/run"]
fn a_program_that_hangs_is_a_failure_with_words() {
    for script in ["echo so far; exec sleep 600", "echo so far; sleep 600 &"] {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let started = Instant::now();
        let why = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            report_within(Duration::from_millis(500), command);
        }));
        let why = *why.unwrap_err().downcast::<String>().unwrap();
        assert!(why.starts_with("not over within 500ms: -c echo") && why.ends_with("\nso far\n"), "{why}");
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }
}

/// The command lines of the scripts for PyMongo and for Node.js, as far as the URI.
pub fn drivers() -> [[String; 2]; 2] {
    [(python(), "driver.py"), (node(), "driver.mjs")]
        .map(|(program, script)| [program.into_string().unwrap(), beside(script).to_str().unwrap().to_owned()])
}

#[test]
#[ignore = "needs npm mongosh; run tests/run"]
fn mongosh_asks_us_and_goes_on_when_the_server_asks_again() {
    for way in ["auto", "k8s", "file"] {
        let setting = Setting::with(|_| {}, |behaviour| behaviour.reauthenticate_after = Some(5));
        // As it is typed: no mechanism, and a user name.
        let uri = format!("mongodb://ada%40example.com@{}/", setting.server.address());
        let line = ["--inject", way, "--", "mongosh", &uri, "--quiet", "--norc", "--eval", WORK];
        let refreshes = setting.idp.grants("refresh_token");
        assert_eq!(report(exec(&setting.home, &line)), json!({ "user": "test/00u-ada", "count": 12 }), "{way}");
        assert_eq!(setting.server.refusals(), [], "{way}");
        assert!(setting.server.counters().reauthentications >= 2, "{way}: {:?}", setting.server.counters());
        let log = setting.server.log();
        let asked = log.iter().find_map(|event| match event {
            Event::Asked { principal, .. } => Some(principal.clone()),
            _ => None,
        });
        if way == "auto" {
            assert_eq!(asked, Some(Some("ada@example.com".to_owned())), "{log:?}");
            assert!(setting.idp.grants("refresh_token") > refreshes, "391 renews the token");
        } else {
            assert_eq!(asked, None, "{way}");
        }
    }
}

#[test]
#[ignore = "needs npm mongosh; run tests/run"]
fn mongosh_says_what_we_have_to_say() {
    let setting = Setting::new();
    setting.server.change(|behaviour| behaviour.identity_providers[0].issuer = "https://evil.example".into());
    let uri = setting.server.uri();
    let output = exec(&setting.home, &["--", "mongosh", &uri, "--quiet", "--norc", "--eval", "1"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("https://evil.example") && errors.contains(setting.idp.issuer()), "{errors}");
    assert!(setting.server.tokens().is_empty(), "the token has been sent");
}

#[test]
#[ignore = "needs PyMongo and npm mongodb; run tests/run"]
fn drivers_outlive_their_tokens_under_exec() {
    for driver in drivers() {
        for way in ["k8s", "file"] {
            let setting = Setting::with(|provider| provider.access_token_lifetime = Duration::from_secs(8), |_| {});
            let uri = setting.server.uri();
            let line = ["--inject", way, "--", &driver[0], &driver[1], &uri, "30", "500"];
            let said = report(exec(&setting.home, &line));
            assert_eq!(
                (&said["user"], &said["count"]),
                (&json!("test/00u-ada"), &json!(30)),
                "{way} {driver:?}: {said}"
            );
            assert_eq!(setting.server.refusals(), [], "{way} {driver:?}");
            assert!(
                setting.server.counters().reauthentications >= 1,
                "{way} {driver:?}: {:?}",
                setting.server.counters()
            );
        }
    }
}

#[test]
#[ignore = "needs npm mongosh; run tests/run"]
fn a_connection_string_is_all_that_it_takes() {
    let idp = Idp::start();
    let server = Mongod::start(&idp);
    let uri = server.uri();
    let mut home = Sandbox::new();
    home.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
    let mut login = home.spawn(["login", &uri, "--trust-server"]);
    Browser::new().sign_in(&login.start_url(), "ada");
    login.wait().exits(0);
    let said = report(exec(&home, &["--", "mongosh", &uri, "--quiet", "--norc", "--eval", WORK]));
    assert_eq!(said, json!({ "user": "test/00u-ada", "count": 12 }));
    home.run(["verify", &uri]).exits(0);
    assert_eq!(server.refusals(), []);
}
