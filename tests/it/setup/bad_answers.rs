//! Flags that would not do, each with its exit code and its words. Nobody is asked, and nothing is written.

use crate::cases::each;
use crate::support::cmd::Sandbox;

const GUID: &str = "11111111-2222-3333-4444-555555555555";

#[test]
fn bad_answers() {
    let long = "x".repeat(3000);
    let table: Vec<(Vec<&str>, i32, &str)> = vec![
        // Vendors and formats.
        (vec![], 2, "<VENDOR>"),
        (
            vec!["ping-identity"],
            2,
            "[possible values: entra, okta, ping, keycloak, auth0, google, kubernetes, github, generic]",
        ),
        (vec!["okta", "--format", "toml"], 2, "invalid value 'toml' for '--format <FORMAT>'"),
        (vec!["okta", "--authorization", "roles"], 2, "[possible values: groups, user]"),
        // Entra ID.
        (vec!["entra", "--tenant", "common"], 2, "`--tenant` stands for people of any company"),
        (
            vec!["entra", "--tenant", "contoso.onmicrosoft.com"],
            2,
            "`--tenant` is a domain; tokens name the tenant by its id",
        ),
        (vec!["entra", "--tenant", "11111111-2222"], 2, "`--tenant` must be an id such as"),
        (vec!["entra", "--tenant", ""], 2, "`--tenant` must be an id such as"),
        (
            vec!["entra", "--issuer", "https://sts.windows.net/0b1c/"],
            2,
            "hint: give `--issuer https://login.microsoftonline.com/0b1c/v2.0`",
        ),
        (
            vec!["entra", "--issuer", "https://login.microsoftonline.com/0b1c/v2.0/"],
            2,
            "hint: give `--issuer https://login.microsoftonline.com/0b1c/v2.0`",
        ),
        (vec!["entra", "--issuer", "https://login.microsoftonline.com/common/v2.0"], 2, "hint: give `--tenant ID`"),
        // Okta.
        (
            vec!["okta", "--issuer", "https://dev-1.okta.com"],
            2,
            "hint: give `--issuer https://dev-1.okta.com/oauth2/default`",
        ),
        (vec!["okta", "--domain", "dev-1-admin.okta.com"], 2, "hint: give `--domain dev-1.okta.com`"),
        (vec!["okta", "--domain", "dev 1.okta.com"], 2, "`--domain` must be a domain such as"),
        (
            vec!["okta", "--domain", "https://dev-1.okta.com/oauth2/aus1"],
            2,
            "hint: give `--issuer https://dev-1.okta.com/oauth2/aus1`",
        ),
        (vec!["okta", "--authorization-server", "aus1"], 2, "`--domain` is missing: Okta domain"),
        // The others.
        (vec!["ping", "--region", "mars", "--environment-id", GUID], 2, "`--region` must be one of `com`"),
        (vec!["ping", "--environment-id", "0b1c"], 2, "`--environment-id` must be an id such as"),
        (vec!["ping", "--region", "eu"], 2, "`--environment-id` is missing"),
        (vec!["keycloak", "--base-url", "https://id.example.com"], 2, "`--realm` is missing: realm, from the menu"),
        (
            vec!["keycloak", "--base-url", "id.example.com", "--realm", "a"],
            2,
            "`--base-url` must be an address such as",
        ),
        (vec!["keycloak", "--issuer", "https://id.example.com/auth"], 2, "`--issuer` must end with `/realms/`"),
        (
            vec!["keycloak", "--base-url", "http://id.example.com", "--realm", "a"],
            2,
            "`--base-url` must start with `https://`",
        ),
        (vec!["auth0", "--issuer", "https://acme.eu.auth0.com"], 2, "hint: give `--issuer https://acme.eu.auth0.com/`"),
        (
            vec!["google", "--issuer", "https://accounts.google.com/"],
            2,
            "hint: give `--issuer https://accounts.google.com`",
        ),
        (
            vec!["google", "--domain", "example.com"],
            2,
            "`--domain` says nothing of Google, which takes `--issuer` alone",
        ),
        (vec!["okta", "--realm", "main"], 2, "which takes `--domain` and `--authorization-server`"),
        (vec!["okta", "--issuer", "https://acme.auth0.com/"], 2, "hint: run `mdb-login setup auth0`"),
        (
            vec!["okta", "--issuer", "https://a.okta.com/oauth2/default", "--domain", "a.okta.com"],
            2,
            "`--issuer` and `--domain` say the same in two ways",
        ),
        // Issuers that are none.
        (vec!["generic", "--issuer", ""], 2, "`--issuer` is empty"),
        (vec!["generic", "--issuer", "login.example.com"], 2, "`--issuer` is not a URL such as"),
        (vec!["generic", "--issuer", "http://login.example.com"], 2, "`--issuer` must use https"),
        (
            vec!["generic", "--issuer", "https://u:hunter2@login.example.com"],
            2,
            "must not contain a user name or password",
        ),
        (vec!["generic", "--issuer", "https://login.example.com/?tenant=1"], 2, "must not contain a query"),
        (vec!["generic", "--issuer", "https://login.example.com\n"], 2, "`--issuer` "),
        // Clients.
        (vec!["generic", "--client-id", ""], 2, "`--client-id` is empty"),
        (vec!["generic", "--client-id", "my client"], 2, "`--client-id` contains a space"),
        (vec!["generic", "--client-id", " 0oa1"], 2, "`--client-id` starts or ends with a space"),
        (vec!["generic", "--client-id", "0oa1\u{1b}[2J"], 2, "`--client-id` contains a control character"),
        (vec!["generic", "--client-id", &long], 2, "`--client-id` is longer than 512 bytes"),
        (vec!["generic", "--client-secret", "hunter2"], 2, "`--client-secret` is refused"),
        (
            vec!["generic", "--redirect-uri", "https://localhost/redirect"],
            2,
            "`--redirect-uri` must start with `http://`",
        ),
        (vec!["generic", "--scope", "a\"b"], 2, "`--scope` may hold visible ASCII characters only"),
        (vec!["generic", "--http-timeout", "5"], 2, "`--http-timeout` has no unit"),
        // MongoDB's side.
        (vec!["generic", "--audience", " db"], 2, "`--audience` starts or ends with a space"),
        (vec!["generic", "--user-claim", ""], 2, "`--user-claim` is empty"),
        (vec!["generic", "--group-claim", "a\u{7}"], 2, "`--group-claim` contains a character that does not show"),
        (vec!["generic", "--group-claim", "groups", "--authorization", "user"], 2, "`--group-claim` does not go with"),
        (vec!["google", "--authorization", "groups"], 2, "`--group-claim` is missing: tokens of Google list no groups"),
        (vec!["generic", "--jwks-poll", "5"], 2, "`--jwks-poll` has no unit; write `5s`"),
        (vec!["generic", "--jwks-poll", "1500ms"], 2, "`--jwks-poll` must be whole seconds"),
        (vec!["generic", "--jwks-poll", "-1"], 2, "`--jwks-poll` must be a duration between 0s and"),
        // Profiles, and who is asked.
        (vec!["generic", "--profile", "../x"], 2, "a profile's name must be 1 to 64 letters"),
        (vec!["generic", "--profile", "mongodb://h"], 2, "a profile's name must not be a connection string"),
        (vec!["generic", "--interactive"], 4, "`--interactive` needs somebody at a terminal"),
        (vec!["generic", "--yes"], 2, "issuer and client id are not given, and `--yes` wants a profile written"),
        (vec!["okta", "--domain", "a.okta.com", "--yes"], 2, "hint: run `mdb-login setup okta --client-id ID --yes`"),
    ];
    assert!(table.len() >= 30);
    each(table, |(arguments, code, says)| {
        let sandbox = Sandbox::new();
        let outcome = sandbox.run(["setup"].iter().chain(&arguments)).exits(code).says(says);
        assert!(!outcome.stderr().contains("hunter2"), "{outcome:?}");
        assert!(!sandbox.config_dir().join("config.toml").exists(), "{arguments:?}");
    });
}

/// Known only when issuer and client id are, and still said before anybody is asked.
#[test]
fn bad_answers_of_a_whole_set_up() {
    let known = ["setup", "generic", "--issuer", "http://127.0.0.1:9/x", "--client-id", "0oa1"];
    let table: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["--name", "a b"], 2, "`--name` must be 1 to 128 letters, digits, `_` and `-`"),
        (vec!["--name", "a/b"], 2, "`--name` must be 1 to 128 letters"),
        (vec!["--name", ""], 2, "`--name` must be 1 to 128 letters"),
        (vec!["--profile", "a.b"], 2, "`--name` is the profile's name unless it is given, and must be"),
        (vec!["--request-scope", "a\\b"], 2, "`--request-scope` may hold visible ASCII characters only"),
        (vec!["--match-pattern", ""], 2, "`--match-pattern` is empty"),
        (
            vec!["--match-pattern", "@example.com$", "--format", "atlas"],
            2,
            "`--match-pattern` has no place in the format `atlas`",
        ),
        (
            vec!["--jwks-poll", "5m", "--format", "kubernetes"],
            2,
            "`--jwks-poll` has no place in the format `kubernetes`",
        ),
        (vec!["--group", "a\nb"], 2, "`--group` contains a character that does not show"),
        (vec!["--user", "ada"], 2, "`--user` has no roles of its own where they come from groups"),
        (
            vec!["--group", "dba", "--authorization", "user"],
            2,
            "`--group` says nothing where users are authorized one by one",
        ),
        (vec!["--group", "dba", "--grant", "readWrite"], 2, "`--grant` must be written `ROLE@DATABASE`"),
        (
            vec!["--group", "dba", "--grant", "read@a.b"],
            2,
            "`--grant` has a name of a database that no database can have",
        ),
        // Nothing listens there.
        (vec![], 7, "hint: check the issuer, the network and the proxy, then try again"),
    ];
    each(table, |(arguments, code, says)| {
        let sandbox = Sandbox::new();
        sandbox.run(known.iter().chain(&arguments)).exits(code).says(says);
        assert!(!sandbox.config_dir().join("config.toml").exists(), "{arguments:?}");
    });
}
