//! The program's start, its signals, its end, and what is left of us.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use super::wait_for;
use crate::signed_in::SignedIn;
use crate::support::cmd::{Running, Sandbox, program};
use crate::support::idp::{Answer, Endpoint};

#[test]
fn the_exit_code_is_the_program_s() {
    let ada = SignedIn::new();
    for (script, code) in
        [("true", 0), ("exit 1", 1), ("exit 77", 77), ("exit 255", 255), ("kill -9 $$", 137), ("kill -INT $$", 130)]
    {
        let outcome = ada.exec(&[], script).exits(code);
        assert_eq!((outcome.stdout(), outcome.stderr()), (String::new(), String::new()), "{script}");
    }
}

#[test]
fn stdin_stdout_and_stderr_are_the_program_s() {
    let ada = SignedIn::new();
    let outcome = ada.sandbox.run_with(["exec", "--", "sh", "-c", "cat; echo no >&2"], b"one\0two").exits(0);
    assert_eq!((outcome.stdout.as_slice(), outcome.stderr()), (b"one\0two".as_slice(), "no\n".to_owned()));
}

#[test]
fn arguments_reach_the_program_as_they_are() {
    let ada = SignedIn::new();
    let outcome = ada.run(["exec", "--", "printf", "[%s]", "--json", "--", "-p", "a b", ""]).exits(0);
    assert_eq!(outcome.stdout(), "[--json][--][-p][a b][]");
}

#[test]
fn a_line_without_a_program_is_wrong_usage() {
    let sandbox = Sandbox::new();
    for line in
        [&["exec"][..], &["exec", "--"], &["exec", "prod", "mongosh"], &["exec", "--inject", "vault", "--", "x"]]
    {
        sandbox.run(line).exits(2);
    }
}

#[test]
fn nothing_is_started_for_who_is_not_signed_in() {
    let ada = SignedIn::new();
    ada.run(["logout"]).exits(0);
    ada.exec(&[], "touch started").exits(4).says("not signed in").says("mdb-login login");
    assert!(!ada.sandbox.home().join("started").exists());
}

/// A program that has come as far as its first line, which waits for its signals.
fn started(ada: &SignedIn, script: &str) -> Running {
    let exec = ada.spawn_exec(
        &[],
        &format!("{script}\necho $$ > pid.new; mv pid.new pid; for i in $(seq 600); do sleep 0.05; done"),
    );
    wait_for("the program", || ada.sandbox.home().join("pid").exists().then_some(()));
    exec
}

#[test]
fn termination_is_passed_on_and_waited_for() {
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::HUP, "HUP"), (Signal::INT, "INT"), (Signal::QUIT, "QUIT")] {
        let ada = SignedIn::new();
        // Without a terminal, INT and QUIT come from nowhere else.
        if std::fs::File::open("/dev/tty").is_ok() && matches!(name, "INT" | "QUIT") {
            continue;
        }
        let exec = started(&ada, &format!("trap 'sleep 0.3; echo got {name}; exit 9' {name}"));
        exec.signal(signal);
        assert_eq!(exec.wait().exits(9).stdout(), format!("got {name}\n"));
        assert!(ada.runs().is_empty());
    }
}

/// As timeout(1) and service managers do it: the program has the signal from them already.
#[test]
fn a_signal_to_the_whole_group_comes_once_to_a_program_that_ends_at_it() {
    let ada = SignedIn::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::TERM] {
        // A signal ends a `read`; the next is for the line that lets it end.
        let script = "trap 'echo got' TERM HUP; echo started; read line || read line || read line; exit 9";
        let mut command = ada.sandbox.command(["exec", "--", "sh", "-c", script]);
        let mut exec = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(exec.stdout.take().unwrap()).lines().map(Result::unwrap);
        let us = rustix::process::Pid::from_child(&exec);
        assert_eq!(stdout.next().unwrap(), "started");
        // Stopped, so that the program has dealt with its own signal when we come to ours: two at once would be one.
        rustix::process::kill_process(us, Signal::STOP).unwrap();
        rustix::process::kill_process_group(us, signal).unwrap();
        assert_eq!(stdout.next().unwrap(), "got");
        rustix::process::kill_process(us, Signal::CONT).unwrap();
        std::thread::sleep(Duration::from_millis(15));
        let _ = exec.stdin.take().unwrap().write_all(b"end\n");
        assert_eq!(stdout.next(), None, "{signal:?} came twice");
        assert_eq!(exec.wait().unwrap().code(), Some(9));
    }
}

/// `nohup mdb-login exec -- mongodump &`: with a token at hand, and with one that has to be renewed first.
#[cfg(target_os = "linux")]
#[test]
fn what_was_ignored_stays_ignored() {
    for ada in [SignedIn::new(), SignedIn::stale()] {
        let mut command = ada.sandbox.tool("sh");
        let script = "trap '' HUP INT CHLD; exec \"$0\" exec -- grep SigIgn /proc/self/status";
        let output = command.args(["-c", script]).arg(program()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mask = u64::from_str_radix(text.trim_start_matches("SigIgn:").trim(), 16).unwrap();
        assert_eq!(mask & 0b11, 0b11, "{text}");
    }
}

#[test]
fn everything_is_gone_at_the_end_and_after_kill_9_with_the_next_run() {
    let ada = SignedIn::new();
    for way in ["k8s", "file", "mongosh"] {
        ada.exec(&["--inject", way], "true").exits(0);
        assert!(ada.runs().is_empty(), "{way}");
    }
    // The orphan lets go of our pipes.
    let exec = started(&ada, "exec > /dev/null 2>&1");
    let child: i32 = std::fs::read_to_string(ada.sandbox.home().join("pid")).unwrap().trim().parse().unwrap();
    exec.signal(Signal::KILL);
    exec.wait();
    assert_eq!(ada.runs().len(), 1);

    // One that lives is let be.
    std::fs::remove_file(ada.sandbox.home().join("pid")).unwrap();
    let living = started(&ada, ":");
    assert_eq!(ada.runs().len(), 1, "the killed one's is gone, the living one's is there");
    ada.exec(&[], "cat $OIDC_TOKEN_FILE > /dev/null").exits(0);
    assert_eq!(ada.runs().len(), 1);
    living.signal(Signal::TERM);
    living.wait();
    assert!(ada.runs().is_empty());
    rustix::process::kill_process(rustix::process::Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_runtime_folder_that_others_can_open_is_not_used() {
    let mut ada = SignedIn::new();
    let shared = ada.sandbox.home().join("xdg-runtime");
    for (value, mode) in [(shared.to_str().unwrap(), 0o755), ("relative", 0o700), ("/nowhere", 0o700), ("", 0o700)] {
        std::fs::set_permissions(&shared, Permissions::from_mode(mode)).unwrap();
        ada.sandbox.env("XDG_RUNTIME_DIR", value);
        let outcome = ada.exec(&[], "echo $OIDC_TOKEN_FILE; cat $OIDC_TOKEN_FILE > /dev/null").exits(0);
        assert!(outcome.stdout().contains("/state/run/exec-"), "{outcome:?}");
    }
    let run = ada.sandbox.state_dir().join("run");
    assert_eq!(std::fs::read_dir(&run).unwrap().count(), 0);
    std::fs::set_permissions(&run, Permissions::from_mode(0o777)).unwrap();
    ada.exec(&[], "touch started").exits(8).says("other users can write to it");
    std::fs::remove_dir(&run).unwrap();
    std::os::unix::fs::symlink(&shared, &run).unwrap();
    ada.exec(&[], "touch started").exits(8).says("was not used");
    assert!(!ada.sandbox.home().join("started").exists());
}

/// Whoever waits for the new token is about to write it when we end. Many at once, so that some are in the middle of that.
#[test]
fn a_renewal_under_way_is_not_lost_with_the_program_and_leaves_no_token() {
    std::thread::scope(|scope| {
        for number in 0..16 {
            scope.spawn(move || ends_in_a_renewal(if number % 2 == 0 { "k8s" } else { "file" }));
        }
    });
}

fn ends_in_a_renewal(way: &str) {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(2));
    ada.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(3600));
    ada.idp.script(Endpoint::Token, [Answer::Delay(Duration::from_secs(2))]);
    // The program ends while the provider thinks.
    let script =
        "sleep 2; timeout 0.5 cat $OIDC_TOKEN_FILE > /dev/null; while ! test -e asked; do sleep 0.05; done; exit 5";
    let exec = ada.spawn_exec(&["--inject", way], script);
    ada.wait_for_refreshes(1);
    std::fs::write(ada.sandbox.home().join("asked"), "").unwrap();
    assert_eq!(exec.wait().exits(5).stderr(), "");
    assert_eq!(ada.runs(), Vec::<std::path::PathBuf>::new(), "{way}");
    assert_eq!(ada.refreshes(), 1);
    ada.token();
    assert_eq!(ada.refreshes(), 1);
    ada.nothing_was_reused();
}
