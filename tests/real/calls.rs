//! The program watched by strace, system call by system call: what a cached token costs, and what is left when the
//! program is killed at any point of a renewal.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::cmd::{Sandbox, kernel_key, program};
use crate::support::idp::{Again, Endpoint, Idp, Rotation, SignIn};

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

fn unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "new")
}
