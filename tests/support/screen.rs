//! What a person sees on a terminal of a certain width, held against the pictures in `tests/it/screens/`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::cmd::{Sandbox, assert_text};

/// A small window, the usual one, and a wide one.
const WIDTHS: [u16; 3] = [60, 80, 120];

/// How to draw the committed pictures anew; look at what changed before it is committed.
const REGENERATE: &str = "MDB_LOGIN_REGENERATE=1 cargo test --test it";

/// Runs the command at each width and compares what is on the screen, without colour, with the committed pictures
/// `NAME-WIDTH.txt`. A line must not depend on the machine for its length, or it would break elsewhere: issuers, ports and
/// folders of the sandbox are as long everywhere on one system.
#[track_caller]
pub fn assert_screens(sandbox: &Sandbox, name: &str, arguments: &[&str]) {
    for width in WIDTHS {
        let shown = screen(sandbox, width, arguments);
        let path = picture(&format!("{name}-{width}"));
        if std::env::var_os("MDB_LOGIN_REGENERATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, shown).unwrap();
            continue;
        }
        let committed = std::fs::read_to_string(&path);
        let committed = committed.unwrap_or_else(|error| panic!("{}: {error}; run `{REGENERATE}`", path.display()));
        assert_text(shown.trim_end(), &format!("\n{committed}"));
        let too_long: Vec<&str> = shown.lines().filter(|line| is_too_long(line, width)).collect();
        assert!(too_long.is_empty(), "wider than {width} columns: {too_long:#?}");
    }
}

/// The command's exit code and what a terminal of that width shows of both streams.
pub fn screen(sandbox: &Sandbox, width: u16, arguments: &[&str]) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: 50, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let line = || Stdio::from(File::options().read(true).write(true).open(&path).unwrap());
    let mut command = sandbox.command(arguments);
    command.env("NO_COLOR", "1").env("TERM", "xterm").stdin(Stdio::null()).stdout(line()).stderr(line());
    let mut child = command.spawn().unwrap();
    // Its ends of the line are closed with it; ours would keep the other side from seeing the end.
    drop(command);
    let reader = thread::spawn(move || {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        let mut master = File::from(master);
        // Linux ends a line that nobody holds any more with an error.
        while let Ok(read @ 1..) = master.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..read]);
        }
        bytes
    });
    let status = child.wait().unwrap();
    let bytes = reader.join().unwrap();
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    sandbox.shown(status, &text)
}

/// What can be copied is not broken, so one word may stick out, behind its label. Errors and hints are the terminal's to
/// break: they are as whole in a log.
fn is_too_long(line: &str, width: u16) -> bool {
    let is_said = ["error: ", "  caused by: ", "hint: ", "warning: "].iter().any(|head| line.starts_with(head));
    let text = line.trim_start().rsplit("  ").next().unwrap_or_default();
    line.chars().count() > usize::from(width) && text.contains(' ') && !is_said
}

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens").join(format!("{name}.txt"))
}

#[test]
fn a_line_that_could_have_been_broken_is_too_long() {
    for (line, expected) in [
        ("ok  label  one two three", true),
        ("ok  label  https://a.example/one-two-three", false),
        ("           https://a.example/one-two-three", false),
        ("           one https://a.example/one-two-three", true),
        ("error: one two three four five", false),
        ("errors one two three four five", true),
        ("ok  label  one", false),
    ] {
        assert_eq!(is_too_long(line, 20), expected, "{line}");
    }
}
