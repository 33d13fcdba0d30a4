//! `token`: what is printed and in which form, where else it may go, and when it is renewed first.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cases::each;
use crate::login::within;
use crate::signed_in::{SignedIn, sign_in, unix_now};
use crate::support::cmd::Sandbox;
use crate::support::idp::{CLIENT_ID, Endpoint, Idp, jwt};

#[test]
fn the_token_comes_alone_and_without_a_line_break() {
    let ada = SignedIn::new();
    let outcome = ada.run(["token"]);
    outcome.is("
        exit 0
        --- stdout
        [JWT][no newline]
    ");
    let token = outcome.stdout();
    assert!(ada.idp.secrets().contains(&token), "not what the provider gave");
    let claims = jwt::claims(&token);
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("00u-ada"), &json!(CLIENT_ID)));
    // Access token, not ID token.
    assert_eq!(claims["client_id"], CLIENT_ID);
}

#[test]
fn each_form_has_the_same_token() {
    let mut ada = SignedIn::new();
    let token = ada.token();
    ada.sandbox.hide(&token, "[TOKEN]");

    for flag in ["-o", "--output"] {
        ada.run(["token", flag, "raw"]).is("exit 0\n--- stdout\n[TOKEN][no newline]");
        ada.run(["token", flag, "header"]).is("exit 0\n--- stdout\nAuthorization: Bearer [TOKEN]");
    }
    let end = jwt::claims(&token)["exp"].clone();
    for shell in ["bash", "fish", "powershell"] {
        let (one, two) = match shell {
            "bash" => ("export MDB_ACCESS_TOKEN='[TOKEN]'", format!("export MDB_ACCESS_TOKEN_EXPIRES_AT='{end}'")),
            "fish" => ("set -gx MDB_ACCESS_TOKEN '[TOKEN]'", format!("set -gx MDB_ACCESS_TOKEN_EXPIRES_AT '{end}'")),
            _ => ("$env:MDB_ACCESS_TOKEN = '[TOKEN]'", format!("$env:MDB_ACCESS_TOKEN_EXPIRES_AT = '{end}'")),
        };
        ada.run(["token", "-o", "env", "--shell", shell]).is(&format!("exit 0\n--- stdout\n{one}\n{two}"));
    }
    for (shell, start) in [("/usr/bin/fish", "set -gx"), ("/bin/zsh", "export"), ("/opt/pwsh", "$env:")] {
        ada.sandbox.env("SHELL", shell);
        let said = ada.run(["token", "-o", "env"]).exits(0).stdout();
        assert!(said.starts_with(start), "{shell}: {said}");
    }
    assert_eq!(ada.refreshes(), 0);
}

#[test]
fn json_tells_what_a_program_needs_to_know() {
    let ada = SignedIn::new();
    let token = ada.token();
    for arguments in [&["token", "-o", "json"][..], &["token", "--json"], &["--json", "token"]] {
        let outcome = ada.run(arguments).exits(0);
        assert_eq!((outcome.stderr().as_str(), outcome.stdout.last()), ("", Some(&b'\n')));
        let mut object: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        let left = object["expires_in"].take().as_u64().unwrap();
        assert!((3500..=3600).contains(&left), "{left}");
        let expected = json!({
            "schema": 1, "access_token": token, "token_type": "Bearer", "expires_in": null,
            "expires_at": jwt::claims(&token)["exp"], "issuer": ada.idp.issuer(), "client_id": CLIENT_ID,
            "audience": CLIENT_ID, "subject": "00u-ada", "scope": "openid offline_access", "profile": null,
        });
        assert_eq!(object, expected);
    }
}

#[cfg(unix)]
#[test]
fn a_shell_takes_the_assignments_as_they_are() {
    let ada = SignedIn::new();
    let program = ada.sandbox.command([""; 0]).get_program().to_owned();
    let script = r#"eval "$("$0" token -o env --shell bash)"; printf %s "$MDB_ACCESS_TOKEN"; env"#;
    let mut shell = ada.sandbox.command([""; 0]);
    let mut shell_of = std::process::Command::new("/bin/sh");
    shell_of.arg("-c").arg(script).arg(&program).env_clear();
    shell_of.envs(shell.env("LC_ALL", "C").get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell_of.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let token = ada.token();
    assert!(said.starts_with(&token) && said.contains(&format!("\nMDB_ACCESS_TOKEN={token}\n")), "not exported");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn shells_that_quote_as_bash_does_are_known_by_their_names() {
    let ada = SignedIn::new();
    let lines = |shell: &str| ada.run(["token", "-o", "env", "--shell", shell]).exits(0).stdout();
    let bash = lines("bash");
    for shell in ["zsh", "sh", "dash", "ksh"] {
        assert_eq!(lines(shell), bash, "{shell}");
    }
}

#[cfg(unix)]
#[test]
fn a_token_file_is_private_whole_and_quiet() {
    use std::io::Read as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let ada = SignedIn::new();
    let token = ada.token();
    let folder = ada.sandbox.home().join("out");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("token");
    let write = || {
        let mut command = ada.sandbox.command(["token", "--token-file"]);
        command.arg(&path);
        // The widest umask that there is: the mode must not depend on it.
        let script = r#"umask 000; exec "$@""#;
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = shell.output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    };
    let is_good = || {
        assert_eq!(std::fs::read_to_string(&path).unwrap(), token);
        let meta = std::fs::symlink_metadata(&path).unwrap();
        assert!(meta.is_file());
        assert_eq!(meta.mode() & 0o7777, 0o600);
    };

    write();
    is_good();

    // A reader that has the old file open keeps it whole; whoever could open the old one cannot open the new one.
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut reader = std::fs::File::open(&path).unwrap();
    write();
    is_good();
    let mut read = String::new();
    reader.read_to_string(&mut read).unwrap();
    assert_eq!(read, "old");

    // A link that somebody has put there is replaced; what it points to is left alone.
    let other = ada.sandbox.home().join("precious");
    std::fs::write(&other, "precious").unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    write();
    is_good();
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");

    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["token"], "something is left");
}

#[test]
fn a_token_file_that_cannot_be_written_is_an_error_and_nothing_is_printed() {
    let ada = SignedIn::new();
    std::fs::create_dir(ada.sandbox.home().join("folder")).unwrap();
    ada.run(["token", "--token-file", "folder"]).is("
        exit 1
        --- stderr
        error: cannot write the token file `folder`
          caused by: it is a directory
    ");
    ada.run(["token", "--token-file", "nowhere/token"]).is("
        exit 1
        --- stderr
        error: cannot write the token file `nowhere/token`
          caused by: there is no folder `nowhere`
        hint: run `mkdir -p -m 700 nowhere`
    ");
    assert_eq!(std::fs::read_dir(ada.sandbox.home().join("folder")).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_token_that_cannot_be_written_is_an_error_and_a_reader_that_has_gone_is_none() {
    let ada = SignedIn::new();
    let with_stdout = |to: &str| {
        let mut command = ada.sandbox.command(["token"]);
        command.stdout(std::fs::OpenOptions::new().write(true).open(to).unwrap()).output().unwrap()
    };
    let full = with_stdout("/dev/full");
    assert_eq!(full.status.code(), Some(1));
    let said = String::from_utf8(full.stderr).unwrap();
    assert!(said.starts_with("error: cannot write to stdout\n  caused by: No space left"), "{said}");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let gone = ada.sandbox.command(["token"]).stdout(writer).output().unwrap();
    assert_eq!((gone.status.code(), String::from_utf8_lossy(&gone.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_token_is_renewed_when_less_life_is_left_than_asked_for() {
    let ada = SignedIn::new();
    let first = ada.token();
    for enough in ["0s", "5m", "59m"] {
        assert_eq!(ada.run(["token", "--min-ttl", enough]).exits(0).stdout(), first);
    }
    assert_eq!(ada.refreshes(), 0);

    ada.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(3 * 3600));
    let second = ada.run(["token", "--min-ttl", "2h"]).exits(0);
    assert_eq!((second.stdout() != first, second.stderr().as_str(), ada.refreshes()), (true, "", 1));
    assert_eq!(ada.token(), second.stdout());

    // The provider cannot give what is asked for: the best there is, and a word about it.
    let outcome = ada.run(["token", "--min-ttl", "12h"]);
    outcome.is("
        exit 0
        --- stdout
        [JWT][no newline]
        --- stderr
        warning: the provider's tokens live shorter than the `--min-ttl` asked for
    ");
    assert_eq!(ada.refreshes(), 2);
    ada.nothing_was_reused();
}

#[test]
fn an_expired_token_is_never_handed_out() {
    let ada = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(3));
    let first = ada.token();
    assert_eq!(ada.refreshes(), 0, "a token is used for half of its life at least");
    let end = jwt::claims(&first)["exp"].as_u64().unwrap();
    while unix_now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let second = ada.token();
    assert!(jwt::claims(&second)["exp"].as_u64().unwrap() > end, "the same token");
    assert_eq!(ada.refreshes(), 1);
}

#[test]
fn force_refresh_renews_a_good_token_for_everybody() {
    let ada = SignedIn::new();
    let first = ada.token();
    let second = ada.run(["token", "--force-refresh"]).exits(0);
    assert_eq!((second.stdout() != first, second.stderr().as_str(), ada.refreshes()), (true, "", 1));
    assert_eq!(ada.token(), second.stdout());
    assert_eq!(ada.refreshes(), 1);
}

#[test]
fn not_signed_in_is_said_at_once_with_the_command_to_type() {
    let idp = Idp::start();
    let mut sandbox = Sandbox::with(&idp);
    // A terminal's surroundings must make no difference either: this command never opens a browser.
    sandbox.unset("MDB_LOGIN_BROWSER").env("DISPLAY", ":0").unset("MDB_LOGIN_STORE");
    for arguments in [&["token"][..], &["token", "-o", "env"], &["token", "--force-refresh"], &["token", "--no-input"]]
    {
        within(Duration::from_secs(1), || sandbox.run(arguments)).is("
            exit 4
            --- stderr
            error: not signed in to `[ISSUER]`
            hint: run `mdb-login login`
        ");
    }
    sandbox.run(["token", "--json"]).is(r#"
        exit 4
        --- stderr
        {"error":{"causes":[],"code":"login_required","exit_code":4,"hints":["run `mdb-login login`"],"message":"not signed in to `[ISSUER]`","retryable":false},"schema":1}
    "#);
    assert_eq!((idp.log().len(), sandbox.files().len()), (0, 0), "a look left traces");

    sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    sandbox.write_config(&format!("[profile.prod]\nissuer = \"{}\"\nclient_id = \"x\"\n", idp.issuer()));
    sandbox.run(["token"]).is("
        exit 4
        --- stderr
        error: not signed in to profile `prod`
        hint: run `mdb-login login --profile prod`
    ");
}

#[test]
fn a_target_names_the_profile() {
    let idp = Idp::start();
    let mut sandbox = Sandbox::with(&idp);
    sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    let of = |name: &str, hint: &str| {
        format!("[profile.{name}]\nissuer = {:?}\nclient_id = {CLIENT_ID:?}\nlogin_hint = {hint:?}\n", idp.issuer())
    };
    sandbox.write_config(&(of("one", "ada") + &of("two", "grace")));
    sign_in(&sandbox, &["one"]);
    for arguments in [&["token", "one"][..], &["token", "--profile", "one"], &["-p", "one", "token"]] {
        assert_eq!(jwt::claims(&sandbox.run(arguments).exits(0).stdout())["sub"], "00u-ada");
    }
    let object: Value = serde_json::from_slice(&sandbox.run(["token", "one", "--json"]).stdout).unwrap();
    assert_eq!(object["profile"], "one");
    sandbox.run(["token", "two"]).exits(4);
    sandbox.env("MDB_LOGIN_PROFILE", "one");
    sandbox.run(["token"]).exits(0);
    sandbox.run(["token"; 1].iter().chain(&["two"])).exits(4);
}

/// A sign-in is tried again by the way on which it was tried.
#[test]
fn the_command_in_a_hint_of_a_sign_in_takes_the_same_way() {
    let idp = Idp::start();
    let mut sandbox = Sandbox::with(&idp);
    let flags = ["--device", "--no-browser", "--http-timeout", "5s", "--proxy", "http://127.0.0.1:1"];
    sandbox
        .unset("NO_PROXY")
        .run(["login"].iter().chain(&flags).chain(&["--issuer", "https://login.example.com"]))
        .exits(7)
        .says("`mdb-login login --issuer https://login.example.com --proxy http://127.0.0.1:1 --http-timeout 5s --device --no-browser`");
}

#[test]
fn a_profile_may_hand_out_id_tokens() {
    let mut ada = SignedIn::new();
    ada.sandbox.env("MDB_LOGIN_ID_TOKEN_AS_ACCESS_TOKEN", "true");
    ada.run(["token"]).exits(4);
    sign_in(&ada.sandbox, &[]);
    let first = ada.token();
    assert_eq!(jwt::claims(&first)["azp"], CLIENT_ID, "not the ID token");
    let second = ada.run(["token", "--force-refresh"]).exits(0).stdout();
    assert!(second != first && jwt::claims(&second)["azp"] == CLIENT_ID);

    // What is handed out must come: a refresh without it is an end, and says which setting asks for it.
    ada.idp.change(|behaviour| behaviour.omit_id_token = true);
    let outcome = ada.run(["token", "--force-refresh"]).exits(4);
    assert!(outcome.text().contains("unset `id_token_as_access_token`"), "{outcome:?}");
    assert_eq!(ada.idp.requests(Endpoint::Discovery), 2, "one a sign-in");
}

/// Flags that say which session it is, and how its provider is reached, are repeated, and nothing else is: environment and profile are there the next time too.
#[test]
fn the_command_in_a_hint_means_the_same_session() {
    let resource = "https://mongodb.example.com";
    let rows = [
        (&["--audience", resource, "--resource", resource][..], format!("--audience {resource} --resource {resource}")),
        (
            &["--scope=openid", "--scope", "offline_access profile"],
            "--scope 'openid offline_access profile'".to_owned(),
        ),
        (&["--login-hint", "ada o'hara@example.com"], "--login-hint \"ada o'hara@example.com\"".to_owned()),
        (&["--id-token", "--store=file"], "--id-token --store file".to_owned()),
        (&["--http-timeout", "9s", "--min-ttl", "1m"], "--http-timeout 9s".to_owned()),
        (&["--proxy", "http://127.0.0.1:1"], "--proxy http://127.0.0.1:1".to_owned()),
        (&["--profile", "prod"], "--profile prod".to_owned()),
        (&["prod", "--audience", resource], format!("--profile prod --audience {resource}")),
    ];
    each(rows, |(flags, expected)| {
        let idp = Idp::start();
        let sandbox = Sandbox::with(&idp);
        sandbox.write_config("[profile.prod]\nresource = \"https://mongodb.example.com\"\n");
        let outcome = sandbox.run(["token"].iter().chain(flags)).exits(4);
        let said = outcome.stderr();
        let (_, hint) = said.trim_end().strip_suffix('`').unwrap().split_once("hint: run `").unwrap();
        assert_eq!(hint, format!("mdb-login login {expected}").trim_end());
    });
}

#[test]
fn a_command_from_a_hint_can_be_pasted() {
    let idp = Idp::start();
    let sandbox = Sandbox::with(&idp);
    let flags =
        ["--issuer", idp.issuer(), "--client-id", CLIENT_ID, "--scope", "openid profile", "--login-hint", "a 'b"];
    let refused = sandbox.run(["token"].iter().chain(&flags)).exits(4).stderr();
    let hint = refused.split('`').rfind(|part| part.starts_with("mdb-login ")).unwrap();
    let words = shlex::split(hint).unwrap();
    assert_eq!(words[1..2], ["login"]);
    sign_in(&sandbox, &words[2..].iter().map(String::as_str).collect::<Vec<_>>());
    sandbox.run(["token"].iter().chain(&flags)).exits(0);
}
