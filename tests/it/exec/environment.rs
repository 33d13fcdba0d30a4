//! What the program finds in its environment, and what `exec` refuses to put there.

use crate::signed_in::{SignedIn, unix_now};

/// The variables of a program under `exec` that differ from those of one without.
const SHOW: &str =
    "env | grep -E '^(MDB_LOGIN_(EXEC|TOKEN|URI)|AZURE|AWS|OIDC|MONGOSH)' | sed 's/exec-[0-9a-f]*/exec-[id]/' | sort";

#[test]
fn the_program_finds_the_path_of_its_token_under_every_name() {
    let ada = SignedIn::new();
    for way in ["k8s", "file"] {
        let outcome = ada.exec(&["--inject", way], SHOW).exits(0);
        let (times, rest): (Vec<String>, Vec<String>) =
            outcome.stdout().lines().map(str::to_owned).partition(|line| line.contains("EXPIRES_AT"));
        let path = ada.sandbox.home().canonicalize().unwrap().join("xdg-runtime/mdb-login/exec-[id]/token");
        let expected =
            ["AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE", "MDB_LOGIN_TOKEN_FILE", "OIDC_TOKEN_FILE"];
        let mut expected: Vec<String> = expected.iter().map(|name| format!("{name}={}", path.display())).collect();
        expected.insert(2, format!("MDB_LOGIN_EXEC={way}"));
        assert_eq!(rest, expected);
        let expires_at: u64 = times[0].strip_prefix("MDB_LOGIN_TOKEN_EXPIRES_AT=").unwrap().parse().unwrap();
        assert!((3500..=3600).contains(&(expires_at - unix_now())), "{times:?}");
        assert_eq!(outcome.stderr(), "");
    }
}

#[test]
fn mongosh_finds_its_handle_and_nothing_else() {
    let ada = SignedIn::new();
    let names = ada.exec(&["--inject", "mongosh"], &format!("{SHOW} | cut -d= -f1")).exits(0);
    assert_eq!(names.stdout(), "MDB_LOGIN_EXEC\nMONGOSH_OIDC_PARENT_HANDLE\n");
}

#[test]
fn no_token_is_in_the_arguments_or_the_environment() {
    let ada = SignedIn::new();
    for way in ["k8s", "file", "mongosh"] {
        let all = "cat /proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline 2>/dev/null | tr '\\0' '\\n'; env";
        let seen = ada.exec(&["--inject", way], all).exits(0).stdout();
        assert!(seen.contains("MDB_LOGIN_EXEC="), "{seen}");
        for secret in ada.idp.secrets() {
            assert!(!seen.contains(&secret), "{way}");
        }
    }
}

#[test]
fn print_env_shows_what_would_be_set_and_starts_nothing() {
    let ada = SignedIn::new();
    let token_file = "[HOME]/xdg-runtime/mdb-login/exec-[id]/token";
    ada.run(["exec", "--print-env", "--", "touch", "started"]).is(&format!(
        "
        exit 0
        --- stdout
        MDB_LOGIN_EXEC=k8s
        MDB_LOGIN_TOKEN_FILE={token_file}
        OIDC_TOKEN_FILE={token_file}
        AZURE_FEDERATED_TOKEN_FILE={token_file}
        AWS_WEB_IDENTITY_TOKEN_FILE={token_file}
        MDB_LOGIN_TOKEN_EXPIRES_AT=[seconds since 1970]
        MDB_LOGIN_KIND=workforce
        MDB_LOGIN_ISSUER=[ISSUER]
        MDB_LOGIN_CLIENT_ID=mongodb-tools
        MDB_LOGIN_AUDIENCE=mongodb-tools
        MDB_LOGIN_SCOPE=openid offline_access
        "
    ));
    ada.run(["exec", "--print-env", "--", "npx", "-y", "mongosh@2"]).is("
        exit 0
        --- stdout
        MDB_LOGIN_EXEC=mongosh
        MONGOSH_OIDC_PARENT_HANDLE=[key and socket, made for each run]
        MDB_LOGIN_KIND=workforce
        MDB_LOGIN_ISSUER=[ISSUER]
        MDB_LOGIN_CLIENT_ID=mongodb-tools
        MDB_LOGIN_AUDIENCE=mongodb-tools
        MDB_LOGIN_SCOPE=openid offline_access
    ");
    let object = ada.run(["exec", "--print-env", "--json"]).exits(0).stdout();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&object).unwrap()["variables"]["MDB_LOGIN_EXEC"], "k8s");
    assert!(!ada.sandbox.home().join("started").exists());
    assert!(ada.runs().is_empty());
}

#[test]
fn a_cloud_s_companions_are_refused_with_the_reason() {
    let mut ada = SignedIn::new();
    ada.sandbox.env("AWS_ROLE_ARN", "arn:aws:iam::1:role/x");
    ada.exec(&[], "touch started").is("
        exit 2
        --- stderr
        error: `AWS_ROLE_ARN` is set: beside the token file, AWS libraries would send the token for MongoDB to AWS
        hint: run it without: `env -u AWS_ROLE_ARN mdb-login exec -- …`
        hint: if the program speaks to no cloud: `mdb-login exec --allow-cloud-env -- …`
    ");
    ada.exec(&["--inject", "file"], "touch started").exits(2);
    assert!(!ada.sandbox.home().join("started").exists());
    ada.exec(&["--allow-cloud-env"], "test -n \"$AWS_ROLE_ARN\"").exits(0);
    // mongosh reads no file, and gets none.
    ada.exec(&["--inject", "mongosh"], "true").exits(0);
}

#[test]
fn nesting_is_refused_unless_asked_for() {
    let mut ada = SignedIn::new();
    let program = crate::support::cmd::program();
    ada.sandbox.env("PROGRAM", &program);
    ada.exec(&[], "exec \"$PROGRAM\" exec -- touch started").is("
        exit 2
        --- stderr
        error: this runs inside of another `mdb-login exec`, which hands out tokens already
        hint: run the program itself
        hint: for a session of its own: `mdb-login exec --nested -- …`
    ");
    assert!(!ada.sandbox.home().join("started").exists());
    let inner = "outer=$OIDC_TOKEN_FILE \"$PROGRAM\" exec --nested -- sh -c 'test \"$outer\" != \"$OIDC_TOKEN_FILE\" && cat \"$outer\" \"$OIDC_TOKEN_FILE\"'";
    let token = ada.token();
    assert_eq!(ada.exec(&[], inner).exits(0).stdout(), format!("{token}{token}"));
}
