//! `mdb-login` and `mdb-login-full`: what the small one does by itself, and what the full one is given.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::signed_in::SignedIn;
use crate::support::cmd::{Sandbox, kernel_key, program};
use crate::support::idp::{CLIENT_ID, Client, ClientAuth, Idp};

/// A folder in the sandbox with `mdb-login` in it, and if there is a second program, that one as `mdb-login-full`.
fn installed(sandbox: &Sandbox, full: Option<&Path>) -> PathBuf {
    let folder = sandbox.home().join("bin");
    std::fs::create_dir(&folder).unwrap();
    copy(&program(), &folder.join("mdb-login"));
    if let Some(full) = full {
        copy(full, &folder.join("mdb-login-full"));
    }
    folder.join("mdb-login")
}

/// Not by this process: a child of another test could inherit the open file, and a file that is open for writing cannot
/// be started (ETXTBSY).
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-L").arg(from).arg(to).status().unwrap().success());
}

const INCOMPLETE: &str = "
    exit 1
    --- stderr
    error: cannot start `[HOME]/bin/mdb-login-full`
      caused by: No such file or directory (os error 2)
    hint: `mdb-login` and `mdb-login-full` belong in one folder: install both
";

#[test]
fn alone_it_hands_out_a_cached_token_and_nothing_else() {
    let mut ada = SignedIn::new();
    let token = ada.token();
    let asked = ada.requests();
    let program = installed(&ada.sandbox, None);
    ada.sandbox.use_program(program);
    // What is first in PATH is anybody's choice.
    let elsewhere = ada.sandbox.home().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink("/bin/true", elsewhere.join("mdb-login-full")).unwrap();
    let path = std::env::var("PATH").unwrap();
    ada.sandbox.env("PATH", format!("{}:{path}", elsewhere.display()));

    if ada.sandbox.session_ids().iter().any(|id| kernel_key(id).is_some()) {
        for arguments in [&["token"][..], &["token", "--min-ttl", "1m"], &["token", "-o", "raw"]] {
            let outcome = ada.run(arguments).exits(0);
            assert_eq!((outcome.stdout(), outcome.stderr()), (token.clone(), String::new()), "{arguments:?}");
        }
    } else {
        eprintln!("NOT RUN, NO KERNEL KEYRING: alone_it_hands_out_a_cached_token_and_nothing_else, its first half");
        ada.run(["token"]).is(INCOMPLETE);
    }
    for arguments in [
        &["token", "--force-refresh"][..],
        &["token", "--min-ttl", "2h"],
        &["token", "--token-file", "file"],
        &["token", "-v"],
        &["token", "--nonsense"],
        &["token", "--help"],
        &["token", "--issuer", "https://other.example.com"],
        &["status"],
        &["--json", "--version"],
        &[],
    ] {
        ada.run(arguments).is(INCOMPLETE);
    }
    // Its own, and not that of the file beside it: how else could the two be told apart?
    for flag in ["--version", "-V"] {
        let version = format!("mdb-login {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(ada.run([flag]).exits(0).stdout(), version);
    }
    // A completion script asks the full program, whatever is being completed.
    ada.sandbox.env("MDB_LOGIN_COMPLETE", "bash");
    ada.run(["token"]).is(INCOMPLETE);
    assert_eq!(ada.requests(), asked);
}

/// A program's cached token is handed out by the small one alone too, whatever its kind needs for the next one.
#[test]
fn alone_it_hands_out_a_program_s_cached_token() {
    let idp = Idp::start_with(|behaviour| {
        behaviour.clients = vec![Client::program(CLIENT_ID, ClientAuth::SecretBasic("secret".into()))];
    });
    let ways: [&[(&str, &str)]; 2] = [
        &[("MDB_LOGIN_KIND", "client-credentials"), ("MDB_LOGIN_CLIENT_SECRET_COMMAND", "printf secret")],
        &[("MDB_LOGIN_KIND", "command"), ("MDB_LOGIN_SOURCE_COMMAND", "cat token.jwt")],
    ];
    for variables in ways {
        let mut sandbox = Sandbox::new();
        if variables[0].1 == "client-credentials" {
            sandbox = Sandbox::with(&idp);
        }
        variables.iter().for_each(|(name, value)| _ = sandbox.env(name, value));
        std::fs::write(sandbox.home().join("token.jwt"), idp.access_token("ada")).unwrap();
        let token = sandbox.run(["token"]).exits(0).stdout();
        if sandbox.session_ids().iter().all(|id| kernel_key(id).is_none()) {
            eprintln!("NOT RUN, NO KERNEL KEYRING: alone_it_hands_out_a_program_s_cached_token");
            return;
        }
        idp.set_up(false);
        let alone = installed(&sandbox, None);
        sandbox.use_program(alone);
        let outcome = sandbox.run(["token"]).exits(0);
        assert_eq!((outcome.stdout(), outcome.stderr()), (token, String::new()), "{variables:?}");
        sandbox.run(["token", "--force-refresh"]).is(INCOMPLETE);
        idp.set_up(true);
    }
}

#[test]
fn together_they_answer_everything_also_through_a_link() {
    let mut ada = SignedIn::new();
    let token = ada.token();
    let full = program().with_file_name("mdb-login-full");
    let program = installed(&ada.sandbox, Some(&full));
    let link = ada.sandbox.home().join("link");
    symlink(&program, &link).unwrap();
    for program in [program, link] {
        ada.sandbox.use_program(program);
        assert_eq!(ada.token(), token);
        let version = format!("mdb-login {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(ada.run(["--version"]).exits(0).stdout(), version);
        ada.run(["token", "--nonsense"]).exits(2).says("unexpected argument '--nonsense'");
        let mut asking = ada.sandbox.command(["--", "mdb-login", "tok"]);
        let candidates = asking.env("MDB_LOGIN_COMPLETE", "fish").output().unwrap();
        assert!(candidates.stdout.starts_with(b"token\t"), "{candidates:?}");
    }
}

/// With a shell in the full program's place, which tells how it was started.
#[test]
fn the_full_program_is_the_same_process_with_the_same_words() {
    const TELL: &str = "echo $$; tr '\\0' '\\n' </proc/$$/cmdline; exit 42";
    let sandbox = Sandbox::new();
    let program = installed(&sandbox, Some(Path::new("/bin/sh")));
    let odd = OsString::from_vec(b"a b\"\xff".to_vec());
    let words = [OsStr::new("-c"), OsStr::new(TELL), OsStr::new("token"), OsStr::new(""), &odd];
    // Not the name that it would have by itself.
    let mut command = sandbox.tool(&program);
    command.arg0("sh").args(words).stdout(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    let expected =
        [id.to_string().as_bytes(), b"sh", b"-c", TELL.as_bytes(), b"token", b"", odd.as_bytes(), b""].join(&b'\n');
    assert_eq!(String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&expected));
    assert!(output.stdout == expected && output.status.code() == Some(42), "{output:?}");
}

#[test]
fn an_argument_that_is_not_utf8_is_judged_by_the_full_program() {
    let sandbox = Sandbox::new();
    let arguments = [OsString::from("token"), OsString::from("--issuer"), OsString::from_vec(b"ab\xff".to_vec())];
    sandbox.run(arguments).exits(2).says("argument 3 is not UTF-8 (byte 3)");
}
