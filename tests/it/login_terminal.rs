//! Who is asked to sign in, and how: terminals and their absence, browsers that fail, SSH, waiting in vain, Ctrl-C.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::login::{assert_told, provider, sandbox, within};
use crate::support::browser::Browser;
#[cfg(unix)]
use crate::support::cmd::Outcome;
use crate::support::cmd::{Sandbox, start_url};
use crate::support::idp::Endpoint;
#[cfg(unix)]
use crate::support::idp::{Answer, Idp};

#[test]
fn where_nobody_is_there_nobody_is_asked() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    sandbox.unset("MDB_LOGIN_BROWSER");
    let login = within(Duration::from_secs(1), || sandbox.run(["login"]));
    login.is("
        exit 4
        --- stderr
        error: signing in needs a person, and this is not a terminal
        hint: run `mdb-login login` at a terminal
        hint: or say how to reach the person: `--device`, `--no-browser` (the address is printed), or `--browser COMMAND`
    ");

    for arguments in
        [&["login", "--no-input"][..], &["login", "--no-input", "--device"], &["login", "--no-input", "--no-browser"]]
    {
        sandbox.run(arguments).is("
            exit 4
            --- stderr
            error: signing in needs a person, and `--no-input` says that nobody is there
            hint: run `mdb-login login` at a terminal
        ");
    }
    sandbox.env("MDB_LOGIN_NO_INPUT", "1");
    sandbox.run(["login", "--json"]).is(r#"
        exit 4
        --- stderr
        {"error":{"causes":[],"code":"login_required","exit_code":4,"hints":["run `mdb-login login` at a terminal"],"message":"signing in needs a person, and `--no-input` says that nobody is there","retryable":false},"schema":1}
    "#);
    assert_eq!(idp.log().len(), 0);
}

#[test]
fn a_wait_in_vain_ends_and_says_how_far_it_came() {
    let idp = provider(|_| {});
    let (quiet, opened) = (sandbox(&idp), sandbox(&idp));
    // Both at once: neither has anything to do but wait.
    let nobody = quiet.spawn(["login", "--timeout=5s"]);
    let mut somebody = opened.spawn(["login", "--timeout=5s"]);
    assert_eq!(Browser::new().open(&somebody.start_url()).status(), 200);
    for (login, cause) in [
        (nobody, "no browser came for the sign-in page"),
        (somebody, "the browser came for the sign-in page, but no answer of the provider reached this machine"),
    ] {
        let login = login.wait();
        assert_told(
            &login,
            &format!(
                "exit 6\n--- stderr\n[INVITATION]\nerror: nobody signed in within 5s\n  caused by: {cause}\n\
                 hint: run `mdb-login login` again, \
                 with `--timeout 10m` for more time, or with `--device`\n"
            ),
        );
        assert!(login.took >= Duration::from_secs(5), "{:?}", login.took);
    }
}

/// A desktop of Windows or macOS that is reached over SSH has a display; the words for the others are tested here.
#[test]
#[cfg(not(any(windows, target_os = "macos")))]
fn over_ssh_and_without_a_display_the_other_ways_are_complete_commands() {
    let ssh = [("SSH_CONNECTION", "192.0.2.9 50000 192.0.2.7 2222"), ("USER", "ada")];
    for (variables, expected) in [
        (
            &ssh[..],
            "this is an SSH session, so a browser opened here would not be seen
             either run on your own computer `ssh -p 2222 -L [PORT]:localhost:[PORT] ada@192.0.2.7` and open the link there
             or sign in with a code on any other device: ",
        ),
        (&[], "there is no display here that a browser could open on\nsign in with a code on any other device: "),
        (
            &[("container", "podman")],
            "this is a container without a display, and browsers outside cannot reach its localhost
             sign in with a code on any other device: ",
        ),
    ] {
        let idp = provider(|_| {});
        // Asked to open the desktop's browser, as at a terminal. Nothing in this PATH could.
        let mut sandbox = Sandbox::with(&idp);
        for (name, value) in variables {
            sandbox.env(name, value);
        }
        let mut login = sandbox.spawn(["login"]);
        let url = login.start_url();
        let port = url.split(['/', ':']).nth(4).unwrap().to_owned();
        Browser::new().sign_in(&url, "ada");
        let login = login.wait().exits(0);
        let stderr = login.stderr().replace(&port, "[PORT]");
        let expected: Vec<&str> = expected.lines().map(str::trim_start).collect();
        assert!(stderr.contains(&expected.join("\n")), "{stderr}");
    }
}

/// A browser command that writes down its arguments.
#[cfg(unix)]
fn recorder(sandbox: &Sandbox, then: &str) -> (String, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let (script, record) = (sandbox.home().join("browser"), sandbox.home().join("arguments"));
    let text = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{0}.new'\nmv '{0}.new' '{0}'\n{then}\n", record.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    (script.display().to_string(), record)
}

#[cfg(unix)]
fn recorded(path: &std::path::Path) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) => return text.lines().map(str::to_owned).collect(),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[cfg(unix)]
fn a_browser_command_gets_the_local_link_and_nothing_else() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    let (script, record) = recorder(&sandbox, "");
    for (template, expected) in [
        ("", &["%s"][..]),
        ("--profile 'for work' %s", &["--profile", "for work", "%s"]),
        ("%s --again=%s", &["%s", "--again=%s"]),
        // A shell would make something of each of these. There is none.
        (
            "%s '; touch pwned' $(touch pwned) `touch pwned` > pwned & *",
            &["%s", "; touch pwned", "$(touch", "pwned)", "`touch", "pwned`", ">", "pwned", "&", "*"],
        ),
    ] {
        sandbox.env("MDB_LOGIN_BROWSER", format!("{script} {template}").trim_end());
        let mut login = sandbox.spawn(["login"]);
        let url = login.start_url();
        let expected: Vec<String> = expected.iter().map(|argument| argument.replace("%s", &url)).collect();
        assert_eq!(recorded(&record), expected);
        assert!(!sandbox.home().join("pwned").exists());
        assert_eq!(start_url(&url), Some(url.clone()), "more than the link: `{url}`");
        Browser::new().sign_in(&url, "ada");
        login.wait().is("
            exit 0
            --- stderr
            your browser will show the sign-in page of 127.0.0.1; if it does not, open
              http://localhost:[PORT]/start/[ID]
            signed in as ada@example.com at [ISSUER]
            token valid for 1 h; it renews by itself
            kept in the file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
            next: `mdb-login token`
        ");
        std::fs::remove_file(&record).unwrap();
    }
}

/// `BROWSER` is set for every program of a desktop, so it is no sign that somebody waits for this one.
#[test]
fn a_desktop_s_browser_variable_alone_does_not_stand_for_a_person() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    sandbox.unset("MDB_LOGIN_BROWSER").env("BROWSER", "true");
    let outcome = sandbox.run(["login"]).exits(4);
    assert!(
        outcome.stderr().starts_with("error: signing in needs a person, and this is not a terminal"),
        "{outcome:?}"
    );
    assert!(idp.log().is_empty(), "the provider was asked");
}

#[test]
#[cfg(unix)]
fn a_browser_that_fails_is_reported_and_the_wait_goes_on() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    let (script, _) = recorder(&sandbox, "exit 3");
    for (command, expected) in [
        (script.as_str(), "`[HOME]/browser` failed (exit status: 3)"),
        ("no-such-browser --new-tab", "`no-such-browser` is in no directory of PATH"),
        ("/dev/null", "`/dev/null` could not be started: Permission denied (os error 13)"),
    ] {
        sandbox.env("MDB_LOGIN_BROWSER", command);
        let mut login = sandbox.spawn(["login"]);
        let url = login.start_url();
        // The link comes first; the failure is known later.
        login.line_with("the browser could not be opened");
        login.line_with("or sign in with a code");
        Browser::new().sign_in(&url, "ada");
        login.wait().is(&format!(
            "exit 0
--- stderr
your browser will show the sign-in page of 127.0.0.1; if it does not, open
  http://localhost:[PORT]/start/[ID]
warning: the browser could not be opened: {expected}
open the address above in a browser on this machine
or sign in with a code on any other device: `mdb-login login --device`
signed in as ada@example.com at [ISSUER]
token valid for 1 h; it renews by itself
kept in the file `[HOME]/state/sessions/[ID].secret`, readable by every program of yours
next: `mdb-login token`
"
        ));
    }
}

/// A browser in the terminal (lynx) stays in the foreground; its launcher only returns when it is closed.
#[test]
#[cfg(unix)]
fn a_browser_that_stays_in_the_foreground_holds_nothing_up() {
    let idp = provider(|_| {});
    let mut sandbox = sandbox(&idp);
    let (script, record) = recorder(&sandbox, "exec sleep 3");
    sandbox.env("MDB_LOGIN_BROWSER", script);
    // A machine with much else to do may be slow once; a wait for the launcher is slow every time.
    let quick = (0..5).any(|_| {
        let mut login = sandbox.spawn(["login"]);
        recorded(&record);
        let started = Instant::now();
        let visit = Browser::new().sign_in(&login.start_url(), "ada");
        let took = started.elapsed();
        login.wait().exits(0);
        assert_eq!(visit.title(), "Signed in · mdb-login");
        println!("the page came after {took:?}");
        std::fs::remove_file(&record).unwrap();
        took < Duration::from_millis(900)
    });
    assert!(quick, "each page came after the launcher's second");
}

/// At each point where a sign-in waits for somebody, Ctrl-C ends it at once: the port is closed, nothing is stored.
#[cfg(unix)]
fn interrupted_while(what: &str, arguments: &[&str], prepare: impl Fn(&Idp, &mut Sandbox), wait_until: impl Fn(&Idp)) {
    within(Duration::from_millis(500), || interrupted_once(what, arguments, &prepare, &wait_until));
}

/// Gives how it ended; what it took is counted from the key.
#[cfg(unix)]
fn interrupted_once(
    what: &str,
    arguments: &[&str],
    prepare: impl Fn(&Idp, &mut Sandbox),
    wait_until: impl Fn(&Idp),
) -> Outcome {
    let idp = provider(|behaviour| behaviour.device.interval = 5);
    let mut sandbox = sandbox(&idp);
    prepare(&idp, &mut sandbox);
    let mut login = sandbox.spawn(arguments);
    let browser = arguments.contains(&"--no-browser").then(|| {
        let url = login.start_url();
        (url.clone(), std::thread::spawn(move || Browser::new().sign_in(&url, "ada")))
    });
    wait_until(&idp);
    let pressed = Instant::now();
    login.interrupt();
    let mut outcome = login.wait().exits(130);
    outcome.took = pressed.elapsed();
    println!("interrupted while {what}: gone after {:?}", outcome.took);
    assert!(outcome.stderr().ends_with("error: interrupted\n"), "while {what}: {}", outcome.text());
    if let Some((url, browser)) = browser {
        let port: u16 = url.split(['/', ':']).nth(4).unwrap().parse().unwrap();
        for host in ["127.0.0.1", "::1"] {
            assert!(TcpStream::connect((host, port)).is_err(), "while {what}: {host} still answers");
        }
        // A page that waited for the outcome is cut off, not told something.
        browser.join().unwrap();
    }
    sandbox.run(["token"]).exits(4);
    let kept: Vec<_> =
        sandbox.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "secret")).collect();
    assert!(kept.is_empty(), "while {what}: {kept:?}");
    outcome
}

#[cfg(unix)]
fn has_been_asked(endpoint: Endpoint) -> impl Fn(&Idp) {
    move |idp| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while idp.requests(endpoint) == 0 {
            assert!(Instant::now() < deadline, "nobody asked {endpoint:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_it_at_once_wherever_it_waits() {
    let hang =
        |endpoint| move |idp: &Idp, _: &mut Sandbox| idp.always(endpoint, Answer::Delay(Duration::from_secs(20)));
    let nothing = |_: &Idp, _: &mut Sandbox| {};
    interrupted_while("discovery hangs", &["login"], hang(Endpoint::Discovery), has_been_asked(Endpoint::Discovery));
    interrupted_while(
        "the person is away",
        &["login", "--no-browser"],
        |idp, _| {
            idp.always(Endpoint::SignIn, Answer::Delay(Duration::from_secs(1)));
        },
        has_been_asked(Endpoint::SignIn),
    );
    interrupted_while(
        "the exchange hangs",
        &["login", "--no-browser"],
        hang(Endpoint::Token),
        has_been_asked(Endpoint::Token),
    );
    interrupted_while(
        "the keys hang",
        &["login", "--no-browser"],
        hang(Endpoint::Jwks),
        has_been_asked(Endpoint::Jwks),
    );
    interrupted_while(
        "a code is asked for",
        &["--device"],
        hang(Endpoint::DeviceAuthorization),
        has_been_asked(Endpoint::DeviceAuthorization),
    );
    interrupted_while("a code is out", &["--device"], nothing, |idp| {
        has_been_asked(Endpoint::DeviceAuthorization)(idp);
        std::thread::sleep(Duration::from_millis(200));
    });
    interrupted_while(
        "a browser is started",
        &["login"],
        |_, sandbox| {
            let (script, _) = recorder(sandbox, "exec sleep 3");
            sandbox.env("MDB_LOGIN_BROWSER", script);
        },
        |idp| {
            has_been_asked(Endpoint::Discovery)(idp);
            std::thread::sleep(Duration::from_millis(200));
        },
    );
}
