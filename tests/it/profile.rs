//! `profile` through the real program: what it changes in the file and what it leaves, and which value wins.

use serde_json::{Value, json};

use crate::support::cmd::{Sandbox, assert_text};

const CONFIG: &str = r#"# the company's providers
default_profile = "prod"   # most of us

[defaults]
http_timeout = "10s"   # the proxy is slow

# production
[profile.prod]
client_id = "0oa1"
issuer = "https://login.example.com" # do not change
timeout = "2m"

[profile.staging]
issuer = "https://staging.example.com"
client_id = "0oa2"
"#;

fn sandbox_with(config: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.unset("MDB_LOGIN_STORE").unset("MDB_LOGIN_BROWSER");
    if !config.is_empty() {
        sandbox.write_config(config);
    }
    sandbox
}

fn config(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.config_dir().join("config.toml")).unwrap()
}

#[test]
fn the_first_profile_makes_the_file_and_is_used_at_once() {
    let sandbox = sandbox_with("");
    sandbox.run(["profile", "list"]).is("
        exit 0
        --- stderr
        no profiles in [HOME]/config/config.toml
        hint: run `mdb-login profile set prod issuer=https://login.example.com client_id=CLIENT_ID`
    ");
    sandbox.run(["profile", "set", "prod", "issuer=https://login.example.com", "client_id=0oa1"]).is("
        exit 0
        --- stderr
        profile `prod`: issuer, client_id set
    ");
    assert_eq!(config(&sandbox), "[profile.prod]\nissuer = \"https://login.example.com\"\nclient_id = \"0oa1\"\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::metadata(sandbox.config_dir().join("config.toml")).unwrap();
        assert_eq!(meta.mode() & 0o7777, 0o600);
    }
    sandbox.run(["token"]).is("
        exit 4
        --- stderr
        error: not signed in to profile `prod`
        hint: run `mdb-login login --profile prod`
    ");
}

#[test]
fn changes_leave_comments_order_and_spelling_alone() {
    let sandbox = sandbox_with(CONFIG);
    for (arguments, said) in [
        (&["set", "prod", "timeout=10m", "scope=openid groups"][..], "profile `prod`: timeout, scope set"),
        (&["unset", "prod", "client_id"], "profile `prod`: client_id unset"),
        (&["use", "staging"], "`staging` is the default profile"),
        (&["rename", "staging", "stage"], "profile `staging` is now called `stage`"),
    ] {
        sandbox.run(["profile"].iter().chain(arguments)).is(&format!("exit 0\n--- stderr\n{said}"));
    }
    let expected = CONFIG
        .replace("default_profile = \"prod\"", "default_profile = \"stage\"")
        .replace("client_id = \"0oa1\"\n", "")
        .replace("timeout = \"2m\"\n", "timeout = \"10m\"\nscope = [\"openid\", \"groups\"]\n")
        .replace("[profile.staging]", "[profile.stage]");
    assert_eq!(config(&sandbox), expected);

    sandbox.run(["profile", "remove", "prod"]).is("
        exit 0
        --- stderr
        a session that was signed in with it stays; `mdb-login logout --all` ends every one
        profile `prod` is removed
    ");
    let left = config(&sandbox);
    assert!(left.starts_with("# the company's providers\ndefault_profile = \"stage\"   # most of us\n"), "{left}");
    assert!(left.contains("http_timeout = \"10s\"   # the proxy is slow\n") && !left.contains("prod]"), "{left}");
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let sandbox = sandbox_with(CONFIG);
    for (arguments, exit, part) in [
        (&["set", "prod", "timeout=5m", "isuer=x"][..], 2, "did you mean `issuer`?"),
        (&["set", "prod", "timeout=30"], 2, "`timeout` has no unit; write `30s` for seconds"),
        (&["set", "prod", "timeout=5m", "timeout=6m"], 2, "`timeout` is given twice"),
        (&["set", "prod", "issuer"], 2, "must be written `KEY=VALUE`"),
        (&["set", "my prod", "issuer"], 2, "run `mdb-login profile set 'my prod' issuer=https://login.example.com`"),
        (&["set", "prod", "client_secret=hunter2"], 2, "`client_secret` is a secret"),
        (&["set", "../x", "timeout=5m"], 2, "a profile's name must be 1 to 64 letters"),
        (&["unset", "prod", "timeout", "nonsense"], 2, "unknown key `nonsense`"),
        (&["unset", "nope", "timeout"], 3, "there is no profile called `nope`"),
        (&["use", "nope"], 3, "there is no profile called `nope`"),
        (&["remove", "nope"], 3, "there is no profile called `nope`"),
        (&["rename", "nope", "new"], 3, "there is no profile called `nope`"),
        (&["rename", "prod", "prod"], 2, "error: the profile is called `prod` already\n"),
        (&["rename", "prod", "staging"], 2, "there is a profile called `staging` already"),
        (&["rename", "prod", "a b"], 2, "must be 1 to 64 letters"),
        (&["use", "mongodb://ada@localhost"], 2, "a profile's name must not be a connection string"),
        (&["remove", "mongodb://ada@localhost"], 2, "a profile's name must not be a connection string"),
        (&["unset", "mongodb://ada@localhost", "uri"], 2, "a profile's name must not be a connection string"),
        (&["rename", "mongodb://ada@localhost", "x"], 2, "a profile's name must not be a connection string"),
        (&["rename", "prod", "mongodb://ada@localhost"], 2, "a profile's name must not be a connection string"),
        (
            &["set", "mongodb://ada@localhost", "timeout=5m"],
            2,
            "hint: to keep one in a profile: `mdb-login profile set",
        ),
        (&["show", "stagin"], 3, "did you mean the profile `staging`?"),
    ] {
        let outcome = sandbox.run(["profile"].iter().chain(arguments));
        assert!(outcome.stderr().contains(part) && !outcome.stderr().contains("hunter2"), "{arguments:?}: {outcome:?}");
        assert_eq!((outcome.code(), outcome.stdout()), (Some(exit), String::new()), "{arguments:?}: {outcome:?}");
        assert_eq!(config(&sandbox), CONFIG, "{arguments:?}");
    }
}

#[test]
fn every_object_says_its_schema() {
    let sandbox = sandbox_with(CONFIG);
    for arguments in [
        &["list"][..],
        &["show"],
        &["show", "--origin"],
        &["set", "prod", "timeout=10m"],
        &["unset", "prod", "timeout"],
        &["use", "staging"],
        &["rename", "staging", "stage"],
        &["remove", "stage"],
    ] {
        let outcome = sandbox.run(["--json", "profile"].iter().chain(arguments)).exits(0);
        let object: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        assert_eq!(object["schema"], 1, "{arguments:?}: {object}");
    }
}

#[test]
fn list_marks_the_default() {
    let sandbox = sandbox_with(CONFIG);
    sandbox.run(["profile", "list"]).is("
        exit 0
        --- stdout
        *  prod     https://login.example.com
           staging  https://staging.example.com
    ");
    let object: Value = serde_json::from_slice(&sandbox.run(["profile", "list", "--json"]).exits(0).stdout).unwrap();
    let expected = json!([
        {"name": "prod", "default": true, "kind": "workforce", "issuer": "https://login.example.com", "client_id": "0oa1"},
        {"name": "staging", "default": false, "kind": "workforce", "issuer": "https://staging.example.com", "client_id": "0oa2"},
    ]);
    assert_eq!(object["profiles"], expected);
}

#[test]
fn show_says_where_each_value_comes_from() {
    let mut sandbox = sandbox_with(CONFIG);
    sandbox.env("MDB_LOGIN_PROXY", "http://proxy.example.com:3128");
    let outcome = sandbox.run(["profile", "show", "--origin"]).exits(0);
    assert_eq!(outcome.stderr(), format!("profile prod, {}/config/config.toml\n", sandbox.home().display()));
    assert_text(
        &outcome.stdout(),
        "
        kind                      workforce                        built-in
        issuer                    https://login.example.com        config.toml:10 (profile)
        client_id                 0oa1                             config.toml:9 (profile)
        audience                  0oa1                             the client id
        scope                     openid offline_access            built-in
        id_token_as_access_token  false                            built-in
        flow                      browser                          built-in
        device_fallback           false                            built-in
        browser                   system                           built-in
        redirect_uri              http://localhost:27097/redirect  built-in
        nonce                     true                             built-in
        timeout                   2m                               config.toml:11 (profile)
        store                     auto                             built-in
        insecure_server           false                            built-in
        proxy                     http://proxy.example.com:3128    MDB_LOGIN_PROXY
        http_timeout              10s                              config.toml:5 (defaults)
    ",
    );
    let outcome = sandbox.run(["profile", "show", "staging", "--origin", "--json"]).exits(0);
    let object: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let settings = &object["settings"];
    assert_eq!(settings["proxy"]["origin"], json!({"kind": "environment", "name": "MDB_LOGIN_PROXY"}));
    assert_eq!(settings["issuer"]["origin"], json!({"kind": "profile", "line": 14}));
    assert_eq!(settings["http_timeout"]["origin"], json!({"kind": "defaults", "line": 5}));
    assert_eq!(settings["timeout"], json!({"value": "5m", "origin": {"kind": "built-in"}}));
}

/// One setting, given in one layer more each time. The issuer is where the request goes, so it shows which one won.
#[test]
fn flag_beats_environment_beats_profile_beats_defaults_beats_built_in() {
    let issuer_in = |sandbox: &Sandbox, flags: &[&str]| {
        let outcome = sandbox.run(["status", "--client-id", "x"].iter().chain(flags)).exits(4);
        let said = outcome.stderr();
        said.split("https://").nth(1).map(|rest| rest.split(['.', '`', ' ']).next().unwrap().to_owned())
    };
    let sandbox = sandbox_with("");
    sandbox.run(["status", "--client-id", "x"]).exits(3);

    let defaults = "[defaults]\nissuer = \"https://defaults.example.com\"\n";
    sandbox.write_config(defaults);
    assert_eq!(issuer_in(&sandbox, &[]).as_deref(), Some("defaults"));
    let profile = format!("{defaults}[profile.p]\nissuer = \"https://profile.example.com\"\n");
    let mut sandbox = sandbox;
    sandbox.write_config(&profile);
    assert_eq!(issuer_in(&sandbox, &["p"]).as_deref(), Some("profile"));
    sandbox.env("MDB_LOGIN_ISSUER", "https://environment.example.com");
    assert_eq!(issuer_in(&sandbox, &["p"]).as_deref(), Some("environment"));
    assert_eq!(issuer_in(&sandbox, &["p", "--issuer", "https://flag.example.com"]).as_deref(), Some("flag"));

    // The same for a setting with a built-in value, as `profile show` has it.
    let timeout = |sandbox: &Sandbox| {
        let object: Value =
            serde_json::from_slice(&sandbox.run(["profile", "show", "p", "--json"]).exits(0).stdout).unwrap();
        object["settings"]["timeout"].as_str().unwrap().to_owned()
    };
    assert_eq!(timeout(&sandbox), "5m");
    sandbox.write_config("[defaults]\ntimeout = \"1m\"\n[profile.p]\n");
    assert_eq!(timeout(&sandbox), "1m");
    sandbox.write_config("[defaults]\ntimeout = \"1m\"\n[profile.p]\ntimeout = \"2m\"\n");
    assert_eq!(timeout(&sandbox), "2m");
    sandbox.env("MDB_LOGIN_TIMEOUT", "3m");
    assert_eq!(timeout(&sandbox), "3m");
}

/// The profile that is used: named > `MDB_LOGIN_PROFILE` > `default_profile` > the only one.
#[test]
fn a_profile_is_chosen_by_the_nearest_word() {
    let chosen = |sandbox: &Sandbox, arguments: &[&str]| {
        let object: Value = serde_json::from_slice(&sandbox.run(arguments).exits(0).stdout).unwrap();
        object["profile"].as_str().map(str::to_owned)
    };
    let show = ["--json", "profile", "show"];
    let mut sandbox = sandbox_with(CONFIG);
    assert_eq!(chosen(&sandbox, &show).as_deref(), Some("prod"));
    sandbox.env("MDB_LOGIN_PROFILE", "staging");
    assert_eq!(chosen(&sandbox, &show).as_deref(), Some("staging"));
    assert_eq!(chosen(&sandbox, &["--json", "profile", "show", "prod"]).as_deref(), Some("prod"));
    assert_eq!(chosen(&sandbox, &["--json", "-p", "prod", "profile", "show"]).as_deref(), Some("prod"));
    sandbox.unset("MDB_LOGIN_PROFILE");
    sandbox.write_config("[profile.only]\nissuer = \"https://x.example.com\"\nclient_id = \"x\"\n");
    assert_eq!(chosen(&sandbox, &show).as_deref(), Some("only"));
    sandbox.write_config(&CONFIG.replace("default_profile", "#"));
    assert_eq!(chosen(&sandbox, &show), None);
    let outcome = sandbox.run(["token"]).exits(3);
    outcome.says("name one with `--profile`: prod, staging\nhint: run `mdb-login profile use prod`");
}

#[test]
fn changes_at_the_same_time_do_not_lose_each_other() {
    let sandbox = sandbox_with(CONFIG);
    let crowd: Vec<_> = (0..20)
        .map(|number| sandbox.spawn(["profile", "set", &format!("p{number}"), &format!("client_id=c{number}")]))
        .collect();
    for one in crowd {
        one.wait().exits(0);
    }
    let text = config(&sandbox);
    for number in 0..20 {
        assert!(
            text.contains(&format!("[profile.p{number}]\nclient_id = \"c{number}\"\n")),
            "{number} is lost:\n{text}"
        );
    }
    assert!(text.starts_with(CONFIG), "{text}");
}
