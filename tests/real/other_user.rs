//! Another user of the machine, who has read the start link in the browser's argument list and is faster.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::support::browser::Browser;
use crate::support::cmd::{Sandbox, start_url};
use crate::support::idp::{Behaviour, Endpoint, Idp};
use crate::support::terminal::Terminal;

/// Nobody's in particular; not 65534, which stands for users that cannot be known.
const STRANGER: u32 = 54_321;

/// What the stranger gets for following the link: the provider's page, with the `state` in it.
fn followed_by_a_stranger(link: &str) -> String {
    let rest = link.strip_prefix("http://localhost:").unwrap();
    let (port, path) = rest.split_once('/').unwrap();
    let get = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; \
         printf 'GET /{path} HTTP/1.1\\r\\nHost: localhost:{port}\\r\\n\\r\\n' >&3; cat <&3"
    );
    let mut bash = if rustix::process::getuid().is_root() {
        let mut bash = Command::new("bash");
        bash.uid(STRANGER).gid(STRANGER);
        bash
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "-u", &format!("#{STRANGER}"), "bash"]);
        sudo
    };
    let output = bash.args(["-c", &get]).output().expect("bash starts as another user");
    let answer = String::from_utf8(output.stdout).unwrap();
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    location.unwrap_or_else(|| panic!("no way to the provider in {answer}")).trim().to_owned()
}

fn provider() -> Idp {
    Idp::start_with(|behaviour: &mut Behaviour| behaviour.always_refresh_token = true)
}

/// Signs in as `user`, from the provider's page on.
fn answered(page: &str, user: &str) {
    let mut browser = Browser::new();
    let form = browser.open(page);
    browser.submit(&form, &[("user", user), ("decision", "allow")]);
}

#[test]
#[ignore = "needs root or sudo, to be another user; run tests/run"]
fn where_nobody_can_be_asked_nothing_of_a_stranger_is_kept() {
    let idp = provider();
    let sandbox = Sandbox::with(&idp);
    let mut login = sandbox.spawn(["login", "--no-browser"]);
    let page = followed_by_a_stranger(&login.start_url());
    login.line_with("was opened by another user of this machine (user id 54321); if that was not you, press Ctrl-C");
    answered(&page, "grace");
    let login = login.wait().exits(10);
    assert!(login.stderr().contains("error: grace@example.com has signed in, and that may not be you"), "{login:?}");
    assert!(!login.stderr().contains("type y"), "{login:?}");
    sandbox.run(["token"]).exits(4);
    assert!(sandbox.files_with("refresh_token").is_empty());
}

#[test]
#[ignore = "needs root or sudo, to be another user; run tests/run"]
fn at_a_terminal_the_person_is_asked_and_decides() {
    for (answer, kept) in [("y", true), ("", false), ("n", false)] {
        let idp = provider();
        let sandbox = Sandbox::with(&idp);
        let mut terminal = Terminal::start(&sandbox, ["login", "--no-browser"]);
        terminal.wait_for("/start/");
        let line = terminal.wait_for("\n");
        let link = start_url(&terminal.written()).unwrap();
        assert!(link.ends_with(line.trim_end()), "{link}");
        // Its last page is held back until the person has decided.
        let page = followed_by_a_stranger(&link);
        let stranger = std::thread::spawn(move || answered(&page, "grace"));
        terminal.wait_for("if you are grace@example.com, type y and Enter");
        terminal.type_line(answer);
        let (code, written) = terminal.wait();
        assert_eq!(code, Some(if kept { 0 } else { 10 }), "{answer:?}: {written}");
        stranger.join().unwrap();
        sandbox.run(["token"]).exits(if kept { 0 } else { 4 });
    }
}

/// Nobody gains by signing the person in as themselves.
#[test]
#[ignore = "needs root or sudo, to be another user; run tests/run"]
fn the_person_s_own_account_raises_no_question() {
    let idp = provider();
    let sandbox = Sandbox::with(&idp);
    let mut first = sandbox.spawn(["login", "--no-browser"]);
    Browser::new().sign_in(&first.start_url(), "ada");
    first.wait().exits(0);
    let mut again = sandbox.spawn(["login", "--no-browser"]);
    answered(&followed_by_a_stranger(&again.start_url()), "ada");
    again.wait().exits(0);
    assert_eq!(idp.requests(Endpoint::Token), 2);
}
