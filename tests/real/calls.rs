//! The program watched by strace, system call by system call: what a cached token costs, and what is left when the
//! program is killed at any point of a renewal.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::cmd::{Sandbox, kernel_key, program};
use crate::support::idp::{Again, Answer, CLIENT_ID, Endpoint, Idp, Rotation, SignIn};

fn provider(rotation: Rotation) -> Idp {
    Idp::start_with(|behaviour| {
        behaviour.sign_in = SignIn::Auto("ada".into());
        behaviour.rotation = rotation;
    })
}

fn signed_in(idp: &Idp) -> Sandbox {
    let sandbox = Sandbox::with(idp);
    let mut login = sandbox.spawn(["login"]);
    Browser::new().open(&login.start_url());
    login.wait().exits(0);
    sandbox
}

/// Runs the program under strace. `options` are strace's own.
fn traced(sandbox: &Sandbox, log: &Path, options: &[&str], arguments: &[&str]) -> Output {
    let mut strace = sandbox.tool("strace");
    strace.args(["-f", "-qq", "-o"]).arg(log).args(options).arg(program()).args(arguments);
    strace.output().expect("strace is here; tests/run installs it")
}

#[test]
#[ignore = "needs strace; run tests/run"]
fn a_cached_token_costs_no_network_no_lock_no_thread_and_no_write() {
    let idp = provider(Rotation::Strict);
    let sandbox = signed_in(&idp);
    let id = sandbox.session_ids().pop().unwrap();
    assert!(kernel_key(&id).is_some(), "this machine has no kernel keyring to keep the token in");
    let asked = idp.log().len();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls");
    let output = traced(&sandbox, &log, &[], &["token"]);
    assert!(output.status.success() && idp.secrets().contains(&String::from_utf8(output.stdout).unwrap()));
    assert_eq!(idp.log().len(), asked);

    let calls = std::fs::read_to_string(&log).unwrap();
    let count = |name: &str| calls.lines().filter(|line| line.contains(&format!(" {name}("))).count();
    for forbidden in ["socket", "connect", "flock", "clone", "clone3", "fork", "vfork", "fsync", "rename", "mkdir"] {
        assert_eq!(count(forbidden), 0, "`{forbidden}`:\n{calls}");
    }
    let written = |line: &&str| ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| line.contains(flag));
    assert_eq!(calls.lines().filter(|line| line.contains("openat(")).find(written), None);
    assert!(!calls.contains(sandbox.state_dir().to_str().unwrap()), "the state folder was looked at:\n{calls}");
    // Search and read, and the ring itself.
    assert!((1..=4).contains(&count("keyctl")), "{} calls of keyctl:\n{calls}", count("keyctl"));
    println!("a cached token: {} system calls, {} of them keyctl", calls.lines().count(), count("keyctl"));
}

/// Killed at every seventh call: the session is the old one or the new one, and the next call has a token. Where the
/// provider keeps no grace time, only a kill between its answer and our commit may cost the session.
#[test]
#[ignore = "needs strace; run tests/run"]
fn a_renewal_that_is_killed_anywhere_leaves_a_session_that_works() {
    let within = Duration::from_secs(30);
    for rotation in [Rotation::Static, Rotation::Grace { within, again: Again::NewPair }] {
        let idp = provider(rotation);
        let sandbox = signed_in(&idp);
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("calls");
        let (mut kills, mut at) = (0, 1);
        loop {
            let inject = format!("inject=all:signal=KILL:when={at}");
            let output = traced(&sandbox, &log, &["-e", &inject], &["token", "--force-refresh"]);
            if output.status.success() {
                break;
            }
            kills += 1;
            let status = sandbox.run(["status"]).within(Duration::from_secs(2));
            assert_eq!(status.code(), Some(0), "{rotation:?}, killed at call {at}:\n{status:?}");
            // A token that must be renewed: the killed one may have spent the refresh token.
            let token = sandbox.run(["token", "--force-refresh"]);
            assert_eq!((token.code(), token.stderr().as_str()), (Some(0), ""), "{rotation:?}, killed at call {at}");
            at += 7;
        }
        assert!(kills > 20, "{kills} kills: the program was not traced to its end");
        assert_eq!(idp.counters().reuse_detected, 0);
        println!("{rotation:?}: {kills} kills, {} refreshes, none lost", idp.requests(Endpoint::Token) - 1);
        let left: Vec<_> = sandbox.files().into_iter().map(|(path, _)| path).filter(|path| unfinished(path)).collect();
        assert!(left.len() <= 2, "half-written files pile up: {left:?}");
    }
}

/// A machine without a kernel keyring (macOS, Windows, many containers): every call to it fails, as if it were not
/// built in. The token then lies next to the session, and nothing else may change.
#[test]
#[ignore = "needs strace; run tests/run"]
fn without_a_kernel_keyring_everything_is_the_same_but_slower() {
    const WITHOUT: [&str; 6] =
        ["-f", "-qq", "-o/dev/null", "-etrace=add_key,keyctl", "-einject=add_key,keyctl:error=ENOSYS", "--"];
    let idp = provider(Rotation::Strict);
    let mut sandbox = Sandbox::of("strace".into());
    sandbox.env("MDB_LOGIN_ISSUER", idp.issuer()).env("MDB_LOGIN_CLIENT_ID", CLIENT_ID);
    sandbox.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
    let program = program();
    let command = |words: &[&str]| {
        let start = WITHOUT.map(OsString::from).into_iter().chain([program.clone().into_os_string()]);
        start.chain(words.iter().map(OsString::from)).collect::<Vec<_>>()
    };
    let mut login = sandbox.spawn(command(&["login"]));
    Browser::new().open(&login.start_url());
    login.wait().exits(0);
    assert!(sandbox.session_ids().iter().all(|id| kernel_key(id).is_none()), "the kernel keyring was used");
    let run = |words: &[&str]| sandbox.run(command(words));

    let first = run(&["token"]).exits(0).stdout();
    assert_eq!((run(&["token"]).exits(0).stdout(), idp.grants("refresh_token")), (first.clone(), 0));
    let second = run(&["token", "--force-refresh"]).exits(0).stdout();
    assert_eq!((second != first, idp.grants("refresh_token")), (true, 1), "not renewed");
    run(&["status", "--check"]).exits(0);
    assert_eq!(idp.grants("refresh_token"), 2);

    idp.script(Endpoint::Token, [Answer::Delay(Duration::from_secs(2))]);
    let crowd: Vec<_> = (0..20).map(|_| sandbox.spawn(command(&["token", "--force-refresh"]))).collect();
    let mut tokens: Vec<_> = crowd.into_iter().map(|one| one.wait().exits(0).stdout()).collect();
    tokens.dedup();
    assert_eq!((tokens.len(), idp.grants("refresh_token")), (1, 3), "one for all who had the same one");

    idp.set_up(false);
    let outcome = run(&["token", "--min-ttl", "2h"]).exits(0);
    assert_eq!((outcome.stdout(), outcome.stderr().lines().count()), (tokens[0].clone(), 1), "{outcome:?}");
    run(&["token", "--force-refresh"]).exits(7);
    run(&["logout"]).exits(0);
    for secret in idp.secrets() {
        assert_eq!(sandbox.files_with(&secret), Vec::<PathBuf>::new());
    }
}

fn unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
}
