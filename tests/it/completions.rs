//! Completion as the shells' scripts ask for it, and in bash itself.

use crate::support::cmd::Sandbox;

const CONFIG: &str = r#"
[profile.prod]
issuer = "https://login.example.com"
client_id = "0oa1"
[profile.preview]
issuer = "https://preview.example.com"
client_id = "0oa2"
"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_config(CONFIG);
    sandbox
}

/// What fish, which says it most plainly, is offered for `line`; the last word is the one to complete.
fn offered(sandbox: &Sandbox, line: &str) -> Vec<String> {
    let arguments = std::iter::once("--").chain(line.split(' '));
    let output = sandbox.command(arguments).env("MDB_LOGIN_COMPLETE", "fish").output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn profiles_complete_wherever_a_profile_may_stand() {
    let sandbox = sandbox();
    let both = ["preview", "prod"];
    for line in [
        "mdb-login token ",
        "mdb-login token --profile ",
        "mdb-login --profile ",
        "mdb-login -qp ",
        "mdb-login --device ",
        "mdb-login profile use ",
        "mdb-login profile set ",
    ] {
        assert_eq!(offered(&sandbox, line), both, "{line}");
    }
    assert_eq!(offered(&sandbox, "mdb-login logout pre"), ["preview"]);
    // The new name of a profile is not that of another one.
    let new_names = offered(&sandbox, "mdb-login profile rename prod ");
    assert!(new_names.iter().all(|word| word.starts_with('-')), "{new_names:?}");
}

#[test]
fn without_a_command_both_commands_and_profiles_are_offered() {
    let sandbox = sandbox();
    let commands = [
        "login",
        "token",
        "exec",
        "status",
        "logout",
        "discover",
        "verify",
        "inspect",
        "uri",
        "doctor",
        "profile",
        "server",
        "setup",
        "completions",
        "man",
        "help",
    ];
    assert_eq!(offered(&sandbox, "mdb-login "), [&commands[..], &["preview", "prod"]].concat());
    assert_eq!(offered(&sandbox, "mdb-login pr"), ["profile", "preview", "prod"]);
    // No command can follow a profile.
    assert_eq!(offered(&sandbox, "mdb-login prod to"), Vec::<String>::new());
}

#[test]
fn a_configuration_that_cannot_be_read_offers_no_profiles_and_says_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write_config("[profile.prod\n");
    assert_eq!(offered(&sandbox, "mdb-login pr"), ["profile"]);
}

#[test]
fn a_word_that_the_shell_has_lost_is_put_back() {
    let output = sandbox()
        .command(["--", "mdb-login", "token"])
        .env("MDB_LOGIN_COMPLETE", "powershell")
        .env("_CLAP_COMPLETE_INDEX", "2")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, "preview\thttps://preview.example.com\nprod\thttps://login.example.com\n");
}

#[test]
fn other_programs_variables_do_not_turn_a_command_into_a_completion() {
    let mut sandbox = sandbox();
    sandbox.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "1").env("MDB_LOGIN_COMPLETE", "");
    let list = sandbox.run(["profile", "list"]).exits(0);
    assert!(list.stdout().contains("https://preview.example.com"), "{list:?}");
    sandbox.env("MDB_LOGIN_COMPLETE", "tcsh");
    let unknown = sandbox.run(["profile", "list"]).exits(2);
    assert!(unknown.stdout.is_empty() && unknown.stderr().contains("unknown shell `tcsh`"), "{unknown:?}");
}

/// The committed script in the real shell, as readline calls it.
#[test]
#[cfg(unix)]
fn bash_completes_with_the_committed_script() {
    let sandbox = sandbox();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_mdb-login"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let script = r#"
        source "$1"
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _clap_complete_mdb_login mdb-login "${COMP_WORDS[COMP_CWORD]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let complete = |words: &[&str]| {
        let output = std::process::Command::new("bash")
            .args(["--norc", "-c", script, "bash"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/completions/mdb-login.bash"))
            .args(words)
            .env_clear()
            .env("PATH", &path)
            .env("MDB_LOGIN_CONFIG_DIR", sandbox.config_dir())
            .output()
            .unwrap_or_else(|error| panic!("this test needs bash: {error}"));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete(&["mdb-login", "token", "--profile", ""]), "preview\nprod\n");
    assert_eq!(complete(&["mdb-login", "pr"]), "profile\npreview\nprod\n");
    assert_eq!(complete(&["mdb-login", "profile", "set", "prod", "iss"]), "issuer=\n");
}
