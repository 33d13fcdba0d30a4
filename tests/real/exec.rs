//! `exec` on a terminal: the program has the keyboard, and a shell's job control works as it does without us.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::cmd::{Sandbox, program};
use crate::support::idp::{Idp, SignIn};
use crate::terminal::{CTRL_C, Terminal};

const CTRL_Z: &[u8] = b"\x1a";

/// Somebody who is signed in.
fn ada() -> (Idp, Sandbox) {
    let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
    let mut sandbox = Sandbox::with(&idp);
    sandbox.env("MDB_LOGIN_ALLOWED_HOST", "db.example.com");
    let mut login = sandbox.spawn(["login"]);
    Browser::new().sign_in(&login.start_url(), "ada");
    login.wait().exits(0);
    (idp, sandbox)
}

#[track_caller]
fn wait_for(terminal: &Terminal, text: &str) {
    terminal.wait_for(text, |written| written.contains(text).then_some(()));
}

/// An interactive bash with `mdb-login` as `$m`. What it echoes of a typed line must not look like the line's output, so
/// words that are waited for are typed with a quote in the middle.
fn shell(sandbox: &Sandbox) -> Terminal {
    let mut terminal = Terminal::run(sandbox, "bash --norc --noprofile -i");
    terminal.press(format!("m={}; PS1='$ '; echo rea''dy\n", program().display()).as_bytes());
    wait_for(&terminal, "ready");
    terminal
}

#[test]
#[ignore = "needs script(1); run tests/run"]
fn ctrl_c_is_the_program_s() {
    let (_idp, sandbox) = ada();
    let script = "trap 'echo caught' INT; echo started; read line; echo \"read $line\"; exit 7";
    let mut terminal = Terminal::start(&sandbox, &["exec", "--", "bash", "-c", script]);
    wait_for(&terminal, "started");
    terminal.press(CTRL_C);
    wait_for(&terminal, "caught");
    std::thread::sleep(Duration::from_millis(300));
    terminal.press(b"on\n");
    let (code, _, written) = terminal.finish(Duration::from_secs(5));
    assert_eq!(code, 7, "{written}");
    assert_eq!(written.matches("caught").count(), 1, "once, and not again from us: {written}");
    assert!(written.contains("read on"), "{written}");
}

#[test]
#[ignore = "needs script(1); run tests/run"]
fn ctrl_c_that_ends_the_program_ends_us_after_it() {
    let (_idp, sandbox) = ada();
    let mut terminal = Terminal::start(&sandbox, &["exec", "--", "sh", "-c", "echo started; exec sleep 60"]);
    wait_for(&terminal, "started");
    terminal.press(CTRL_C);
    let (code, _, written) = terminal.finish(Duration::from_secs(5));
    assert_eq!(code, 130, "{written}");
    assert_eq!(runs(&sandbox), 0);
}

#[test]
#[ignore = "needs script(1); run tests/run"]
fn ctrl_z_and_fg_stop_and_continue_both() {
    let (_idp, sandbox) = ada();
    let mut terminal = shell(&sandbox);
    terminal.press(
        b"$m exec -- sh -c 'echo star\"\"ted; while ! test -e go; do sleep 0.1; done; test -s $OIDC_TOKEN_FILE && echo a''live'\n",
    );
    wait_for(&terminal, "started");
    for round in 1..=3 {
        terminal.press(CTRL_Z);
        terminal.wait_for("a stopped job", |written| (written.matches("Stopped").count() >= round).then_some(()));
        terminal.press(b"fg\n");
        std::thread::sleep(Duration::from_millis(200));
    }
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    wait_for(&terminal, "alive");
    terminal.press(b"echo code=$?; exit\n");
    let (_, _, written) = terminal.finish(Duration::from_secs(5));
    assert!(written.contains("code=0") && written.matches("Stopped").count() == 3, "{written}");
}

/// As mongosh does it: the keyboard is raw there, so Ctrl-Z is a key, and only the shell stops itself.
#[test]
#[ignore = "needs script(1); run tests/run"]
fn a_program_that_stops_itself_gives_the_terminal_back() {
    let (_idp, sandbox) = ada();
    let mut terminal = shell(&sandbox);
    terminal.press(b"$m exec -- sh -c 'kill -TSTP $$; echo res\"\"umed; exit 3'\n");
    wait_for(&terminal, "Stopped");
    terminal.press(b"jobs; echo at the pro''mpt\n");
    wait_for(&terminal, "at the prompt");
    assert_eq!(runs(&sandbox), 1);
    terminal.press(b"fg\n");
    wait_for(&terminal, "resumed");
    terminal.press(b"echo code=$?; exit\n");
    let (_, _, written) = terminal.finish(Duration::from_secs(5));
    assert!(written.contains("code=3"), "{written}");
    assert_eq!(runs(&sandbox), 0);
}

/// Nobody but root may send it a signal: a setuid program, or what sudo(8) starts.
#[test]
#[ignore = "needs root and setpriv(1), or sudo, to be another user; run tests/run"]
fn a_program_of_another_user_s_is_waited_for_whatever_is_sent_to_us() {
    const STRANGER: &str = "54321";
    let (_idp, mut sandbox) = ada();
    let script = ["sh", "-c", "cd /; echo started >&2; sleep 1; echo over; exit 9"];
    let as_stranger = if rustix::process::getuid().is_root() {
        // Root may signal everybody, so this is a root without the right to.
        let wrapper = sandbox.home().join("as-nobody-special");
        let text = format!("#!/bin/sh\nexec setpriv --bounding-set -kill -- '{}' \"$@\"\n", program().display());
        std::fs::write(&wrapper, text).unwrap();
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
        sandbox.use_program(wrapper);
        vec!["setpriv", "--reuid", STRANGER, "--clear-groups"]
    } else {
        vec!["sudo", "-n", "-u", "#54321"]
    };
    let mut exec = sandbox.spawn(["exec", "--"].iter().chain(&as_stranger).chain(&script));
    exec.line_with("started");
    exec.signal(rustix::process::Signal::TERM);
    let outcome = exec.wait().exits(9);
    assert_eq!((outcome.stdout(), outcome.stderr()), ("over\n".to_owned(), "started\n".to_owned()));
    assert_eq!(runs(&sandbox), 0);
}

/// Folders of runs that are there now.
fn runs(sandbox: &Sandbox) -> usize {
    let base: PathBuf = sandbox.home().join("xdg-runtime/mdb-login");
    std::fs::read_dir(base).into_iter().flatten().count()
}
