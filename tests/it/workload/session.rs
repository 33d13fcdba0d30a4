//! The session of a program: one ladder with that of people, and none of what only people need.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::cases::each;
use crate::signed_in::unix_now;
use crate::support::idp::{Answer, Reply};

/// A cached token of a program is on the same path as a person's: no provider, no secret, no lock, no keyring.
#[test]
fn the_first_use_gets_a_token_and_the_next_ones_need_nothing() {
    let mut program = Program::new();
    let token = program.token();
    assert_eq!(program.asked(), 1);
    program.idp.set_up(false);
    if !has_kernel(&program) {
        // The token is in a file then, which is read under the lock.
        assert_eq!(program.token(), token);
        return;
    }
    for gone in ["XDG_RUNTIME_DIR", "HOME", "PATH", "LANG", "TMPDIR"] {
        program.sandbox.unset(gone);
    }
    let (nowhere, state) = ("/nowhere/at/all", program.sandbox.state_dir());
    for name in ["CLIENT_SECRET_FILE", "CA_FILE"].map(|name| format!("MDB_LOGIN_{name}")) {
        program.sandbox.env(name, nowhere);
    }
    program.sandbox.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere").env("HTTPS_PROXY", "http://127.0.0.1:1");
    let id = program.sandbox.session_ids().pop().unwrap();
    let lock = std::fs::File::open(state.join("sessions").join(format!("{id}.lock"))).unwrap();
    lock.lock().unwrap();
    let before = program.sandbox.files();
    for _ in 0..5 {
        let outcome = program.run(["token"]).exits(0).within(Duration::from_secs(2));
        assert_eq!((outcome.stdout(), outcome.stderr()), (token.clone(), String::new()));
    }
    assert!(program.sandbox.files() == before, "a cached token has changed a file");
}

/// Where there is no kernel keyring, a program's token is kept only if a file was asked for, as the sandbox does.
fn has_kernel(program: &Program) -> bool {
    #[cfg(target_os = "linux")]
    return program.sandbox.session_ids().iter().any(|id| crate::support::cmd::kernel_key(id).is_some());
    #[cfg(not(target_os = "linux"))]
    return program.sandbox.session_ids().is_empty();
}

#[test]
fn a_worn_token_is_replaced_and_a_refused_one_too() {
    let program = stale();
    let first = program.token();
    assert_eq!(program.asked(), 2);
    assert_eq!(program.token(), first);
    let second = program.run(["token", "--force-refresh"]).exits(0).stdout();
    assert!(second != first && program.token() == second);
    assert_eq!(program.asked(), 3);
}

#[test]
fn a_token_that_still_serves_is_better_than_an_error() {
    let mut program = Program::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(100));
    let token = program.token();
    program.sandbox.env("MDB_LOGIN_MIN_TTL", "10m");
    program.idp.set_up(false);
    let outcome =
        program.run(["token"]).exits(0).says("warning: using the current token, because it could not be renewed");
    assert_eq!(outcome.stdout(), token);
    program.idp.set_up(true);
    program.run(["token"]).exits(0).says("warning: the provider's tokens live shorter than the `--min-ttl` asked for");
}

/// `login` of a program is one request and a word about it: no listener, no browser, no question, no terminal.
#[test]
fn to_log_in_is_to_ask_once_and_to_say_so() {
    let mut program = Program::new();
    program.sandbox.unset("MDB_LOGIN_BROWSER").unset("MDB_LOGIN_STORE").hide("1 h", "[LEFT]").hide("59 min", "[LEFT]");
    let outcome = program.run(["login", "--no-input"]).exits(0);
    let kept = if has_kernel(&program) { "the Linux kernel keyring, in memory only" } else { "no place" };
    let said = outcome.stderr();
    assert!(said.starts_with(&format!("got a token for {CLIENT_ID} from {}\n", program.idp.issuer())), "{said}");
    assert!(said.contains("nobody has to sign in") && said.contains(&format!("kept in {kept}")), "{said}");
    assert!(said.ends_with("next: `mdb-login token`\n"), "{said}");
    let printed = object(&program.run(["login", "--json"]).exits(0));
    assert_eq!((&printed["subject"], &printed["renewable"]), (&json!(CLIENT_ID), &json!(true)));
    assert_eq!((program.asked(), program.idp.requests(Endpoint::Authorization)), (2, 0));
    // What is odd about the token is said here, and not by each prompt.
    program.idp.change(|behaviour| behaviour.access_token.header = json!({ "typ": "at+jwt" }).into());
    program.run(["login"]).exits(0).says("warning: a MongoDB server would refuse this token: its header `typ`");
    assert_eq!(program.run(["token", "--force-refresh"]).exits(0).stderr(), "");
}

#[test]
fn a_wrong_clock_is_said_once_as_to_people() {
    each([3 * 3600, -3 * 3600], |ahead| {
        let program = Program::with(|behaviour| behaviour.clock_ahead = ahead);
        for _ in 0..2 {
            let login = program.run(["login"]).exits(0).stderr();
            let warnings: Vec<_> = login.lines().filter(|line| line.starts_with("warning: ")).collect();
            // Whole seconds on both sides.
            let expected = ["3h", "2h 59m 59s"]
                .map(|off| format!("warning: this computer's clock differs from the provider's by {off}"));
            assert!(warnings.len() == 1 && expected.iter().any(|line| line == warnings[0]), "{ahead}: {login}");
        }
        assert_eq!(program.run(["token", "--force-refresh"]).exits(0).stderr(), "");
        program.token();
    });
}

#[test]
fn status_shows_a_program_s_session_and_logout_forgets_it() {
    let mut program = Program::new();
    let issuer = program.idp.issuer().to_owned();
    program.run(["status"]).is("
        exit 4
        --- stderr
        error: no token has been asked for yet
        hint: run `mdb-login login`
    ");
    program.sandbox.env("MDB_LOGIN_RESOURCE", "https://mongodb.example.com");
    program.token();
    let shown = program.run(["status"]).exits(0).stdout();
    for line in [
        "kind       client-credentials",
        &format!("subject    {CLIENT_ID}"),
        &format!("issuer     {issuer}"),
        &format!("client id  {CLIENT_ID}"),
        "resource   https://mongodb.example.com",
        "token      valid for ",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(!shown.contains("signed in as") && !shown.contains("audience"), "{shown}");
    let listed = object(&program.run(["status", "--all", "--json"]).exits(0));
    assert_eq!(listed["sessions"][0]["kind"], "client-credentials");
    // `--check` asks the provider, whatever is cached.
    program.run(["status", "--check"]).exits(0);
    assert_eq!(program.asked(), 2);

    program.run(["logout"]).is("
        exit 0
        --- stderr
        forgotten: the next use asks for another token
    ");
    program.run(["status"]).exits(4);
    assert!(!has_kernel(&program), "the token is still there");
    program.run(["logout"]).exits(0).says("there is no token to forget");
    program.token();
    assert_eq!(program.asked(), 3);
    program.run(["logout", "--all"]).exits(0).says("forgotten: the next use asks for another token");
    assert_eq!(program.idp.requests(Endpoint::Revocation), 0);
}

/// `status --all --check` and `logout --all` know a session by its key alone, without the profile that made it.
#[test]
fn a_session_whose_profile_is_gone_can_be_asked_and_forgotten() {
    let mut sandbox = Sandbox::new();
    let idp = Idp::start();
    let path = private_file(sandbox.home().join("token.jwt"), &idp.access_token("ada"));
    sandbox
        .run([OsStr::new("token"), OsStr::new("--kind=file"), OsStr::new("--source-file"), path.as_os_str()])
        .exits(0);
    let shown = sandbox.run(["status", "--all", "--check"]).exits(0).stdout();
    assert!(shown.contains("00u-ada       file  ") && shown.contains("nowhere"), "{shown}");
    std::fs::remove_file(&path).unwrap();
    sandbox.hide(idp.issuer(), "[ISSUER]");
    sandbox.run(["status", "--all", "--check"]).exits(3).says("cannot read the token file");
    sandbox.run(["logout", "--all"]).exits(0).says("forgotten");
    assert_eq!(sandbox.run(["status", "--all"]).exits(0).stdout(), "");
}

#[test]
fn programs_and_people_never_share_a_session() {
    let mut program = Program::new();
    program.token();
    program.sandbox.unset("MDB_LOGIN_KIND");
    program.run(["token"]).exits(4).says("not signed in to");
    // Another secret is the same client, hence the same session; another audience is not.
    program.sandbox.env("MDB_LOGIN_KIND", "client-credentials");
    let other = program.file("other", SECRET);
    program.sandbox.env("MDB_LOGIN_CLIENT_SECRET_FILE", other);
    program.token();
    assert_eq!(program.asked(), 1);
    program.sandbox.env("MDB_LOGIN_AUDIENCE", CLIENT_ID);
    program.token();
    assert_eq!(program.asked(), 2);
}

/// No service has a keyring that somebody unlocks, so none is looked for; a file only if it is asked for.
#[test]
fn a_program_s_token_is_in_the_kernel_keyring_or_in_a_file_that_was_asked_for() {
    for store in ["auto", "keyring", "kernel", "file"] {
        let mut program = Program::new();
        program.sandbox.env("MDB_LOGIN_STORE", store).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
        let token = program.token();
        let status = object(&program.run(["status", "--json"]).exits(0));
        let expected = match (store, has_kernel(&program)) {
            (_, true) => "kernel",
            ("file", false) => "file",
            (_, false) => "nowhere",
        };
        assert_eq!(status["store"], expected, "{store}");
        if has_kernel(&program) {
            assert!(program.sandbox.files_with(&token).is_empty(), "{store}");
        }
        assert!(program.sandbox.files_with(SECRET).is_empty(), "{store}");
    }
}

#[test]
fn a_list_of_profiles_says_which_are_for_programs() {
    let sandbox = Sandbox::new();
    sandbox.write_config(
        "[profile.job]\nkind = 'gcp'\naudience = 'mongodb'\n[profile.people]\nissuer = 'https://idp.example.com'\n",
    );
    sandbox.run(["profile", "list", "--quiet"]).is("
        exit 0
        --- stdout
           job     gcp
           people  https://idp.example.com
    ");
}

#[test]
fn what_a_provider_breaks_once_is_mended_by_the_next_call() {
    let program = Program::new();
    program.idp.script(Endpoint::Token, [Answer::Instead(Reply::json(200, &json!({ "access_token": "a" })))]);
    program.run(["token"]).exits(10).says("token response field `token_type`");
    program.token();
    let entry = object(&program.run(["status", "--json"]).exits(0));
    assert!(entry["expires_at"].as_u64().unwrap() > unix_now() + 3000, "{entry}");
}

#[test]
fn nothing_secret_is_shown_or_left_behind() {
    let commands: [&[&str]; 7] = [
        &["login"],
        &["status", "--check"],
        &["profile", "show", "--origin"],
        &["token", "--token-file", "token.secret", "--force-refresh"],
        &["exec", "--trust-host", "db.example.com", "--", "sh", "-c", "env; cat /proc/$$/cmdline /proc/$PPID/cmdline"],
        &["exec", "--print-env", "--trust-host", "db.example.com"],
        &["logout"],
    ];
    type Make = fn() -> Program;
    let (key, secret): (Make, Make) = (|| Program::with_key(Registered::new(Key::First)), Program::new);
    let failing = |program: &Program| program.idp.always(Endpoint::Token, Answer::Processed(Reply::html(400, "<h1>")));
    each([(key, false), (key, true), (secret, false), (secret, true)], |(make, fails)| {
        let mut program = make();
        // The tokens are where they belong: in the store.
        program.sandbox.env("MDB_LOGIN_STORE", "kernel").env("RUST_LOG", "trace");
        if fails {
            program.token();
            failing(&program);
        }
        for command in commands {
            let outcome = program.run(command.iter().take(1).chain(&["-vvv"]).chain(&command[1..]));
            let mut canaries = program.idp.secrets();
            canaries.push(SECRET.to_owned());
            canaries.extend(Key::First.pem().lines().map(str::to_owned).filter(|line| line.len() > 30));
            let _ = std::fs::remove_file(program.sandbox.home().join("token.secret"));
            let files = program.sandbox.files();
            let all = files.iter().map(|(_, bytes)| bytes).chain([&outcome.stdout, &outcome.stderr]);
            for text in all.map(|bytes| String::from_utf8_lossy(bytes)) {
                for canary in &canaries {
                    assert!(!text.contains(canary), "{command:?} shows or leaves `{canary}`:\n{outcome:?}");
                }
            }
        }
        assert!(program.idp.secrets().len() >= if fails { 1 } else { 2 });
    });
}
