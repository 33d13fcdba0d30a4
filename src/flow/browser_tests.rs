//! Browsers played by the shell: never by a file just written, which a fork in another test's thread may keep busy.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const LINK: &str = "http://localhost:27097/start/AbC_-123";

fn open_by(argv: &[&str]) -> Result<bool, BrowserError> {
    let choice = BrowserChoice::Command(argv.iter().map(|&argument| argument.to_owned()).collect());
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(open(&choice, LINK))
}

#[test]
fn only_a_link_of_our_own_is_opened() {
    for link in [LINK, "http://127.0.0.1:1/start/x", "http://[::1]:65535/start/x"] {
        assert!(is_local(link), "{link}");
    }
    for link in [
        "https://login.example.com/authorize?state=x&scope=y",
        "http://localhost.evil.example/",
        "http://localhost:27097/start/x&calc",
        "http://localhost:27097/start/x?y",
        "http://localhost:27097@evil.example/",
        "http://localhost:27097/$(id)",
        "http://localhost:27097/ x",
        "file:///etc/passwd",
        "--version",
        "",
    ] {
        assert!(!is_local(link), "{link}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(open(&BrowserChoice::None, "https://login.example.com/"));
    assert!(matches!(refused, Err(BrowserError::ForeignLink)));
    assert!(!runtime.block_on(open(&BrowserChoice::None, LINK)).unwrap());
}

#[test]
fn the_link_is_one_argument_appended_or_put_in_the_place_of_percent_s() {
    let arguments = |argv: &[&str]| -> Vec<String> {
        let argv: Vec<_> = argv.iter().map(|&argument| argument.to_owned()).collect();
        let command = command(&argv, LINK, Some(OsStr::new("/bin"))).unwrap();
        command.get_args().map(|argument| argument.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(arguments(&["sh"]), [LINK]);
    assert_eq!(arguments(&["sh", "-x", "a b; c"]), ["-x", "a b; c", LINK]);
    assert_eq!(arguments(&["sh", "--app=%s", "last"]), [&format!("--app={LINK}"), "last"]);
    assert_eq!(arguments(&["sh", "%s", "%s"]), [LINK, LINK]);
}

#[test]
fn programs_are_found_in_absolute_directories_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("planted");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    let absolute = directory.path().as_os_str();
    // From here, this relative path leads to the very same program.
    let up = "../".repeat(env::current_dir().unwrap().components().count());
    let relative = format!("{up}{}", directory.path().strip_prefix("/").unwrap().display());
    assert!(Path::new(&relative).join("planted").exists());
    assert_eq!(find("planted", Some(absolute)), Some(file.clone()));
    for path in [Some(OsStr::new(&relative)), Some(OsStr::new("")), Some(OsStr::new(":.:")), None] {
        assert_eq!(find("planted", path), None, "{path:?}");
        assert_eq!(absolute_directories(path), "/usr/local/bin:/usr/bin:/bin");
    }
    assert_eq!(absolute_directories(Some(OsStr::new(":/a:b:./c:/d:"))), "/a:/d");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(find("planted", Some(absolute)), None, "not executable");
    assert_eq!(find(file.to_str().unwrap(), None), Some(file), "named by its path");
}

#[test]
#[cfg(target_os = "linux")]
fn the_browser_gets_the_link_nothing_of_our_terminal_and_its_own_process_group() {
    let directory = tempfile::tempdir().unwrap();
    let seen = directory.path().join("seen");
    let report = r#"{ echo "$1"; read x || echo no stdin; cut -d' ' -f5 /proc/$$/stat; } > "$0.new"; mv "$0.new" "$0""#;
    assert!(open_by(&["/bin/sh", "-c", report, seen.to_str().unwrap()]).unwrap());
    // On a busy machine the script may outlast the second in which it is watched.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !seen.exists() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    let seen = fs::read_to_string(seen).unwrap();
    let lines: Vec<_> = seen.lines().map(str::trim).collect();
    assert_eq!(lines[..2], [LINK, "no stdin"]);
    let ours = rustix::process::getpgrp().as_raw_nonzero().to_string();
    assert_ne!(lines[2], ours);
}

#[test]
fn an_immediate_failure_is_reported_and_a_browser_that_stays_is_not_one() {
    match open_by(&["/bin/sh", "-c", "exit 3"]) {
        Err(error @ BrowserError::Exit { .. }) => assert!(error.to_string().contains("/bin/sh"), "{error}"),
        other => panic!("{other:?}"),
    }
    let before = Instant::now();
    assert!(open_by(&["/bin/sh", "-c", "sleep 4; exit 1"]).unwrap());
    assert!((900..3500).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
    assert!(matches!(open_by(&["mdb-login-no-such-browser"]), Err(BrowserError::NotFound(_))));
    assert!(matches!(open_by(&[]), Err(BrowserError::Empty)));
    assert!(matches!(open_by(&["/dev/null"]), Err(BrowserError::Spawn { .. })));
}
