//! `setup` through the real program: what it says, what it asks the provider, and what it writes.

mod bad_answers;
#[cfg(unix)]
mod interactive;
mod programs;
pub mod whole_way;

use serde_json::{Value, json};

use crate::cases::each;
use crate::support::cmd::{Outcome, Sandbox, assert_text};
use crate::support::idp::{Answer, Behaviour, CLIENT_ID, Endpoint, Idp, Reply};

const VENDORS: [&str; 7] = ["entra", "okta", "ping", "keycloak", "auth0", "google", "generic"];

/// A sandbox that nobody has set up for a provider.
fn sandbox(idp: &Idp) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.hide(idp.issuer(), "[ISSUER]");
    sandbox
}

fn set_up(sandbox: &Sandbox, idp: &Idp, vendor: &str, more: &[&str]) -> Outcome {
    let known = ["setup", vendor, "--issuer", idp.issuer(), "--client-id", CLIENT_ID];
    sandbox.run(known.iter().chain(more))
}

fn config(sandbox: &Sandbox) -> Option<String> {
    std::fs::read_to_string(sandbox.config_dir().join("config.toml")).ok()
}

/// What is printed for MongoDB, in the format `json`.
fn configuration(stdout: &str) -> Value {
    let (_, configuration) = stdout.split_once("For MongoDB: json\n").unwrap();
    let (configuration, _) = configuration.split_once("\n\n").unwrap();
    serde_json::from_str(configuration).unwrap()
}

/// That the first command under "Next" prints the configuration that is there already.
fn prints_the_same(sandbox: &Sandbox, stdout: &str) {
    let (_, next) = stdout.split_once("\nNext\n").unwrap();
    let (commands, configuration) = next.split_once("\n\nFor MongoDB: ").unwrap();
    let (_, configuration) = configuration.split_once('\n').unwrap();
    let (configuration, _) = configuration.rsplit_once("\nTo be known\n").unwrap();
    // As a shell joins lines, and then looks for words.
    let commands = commands.replace("\\\n", "");
    let words = shlex::split(commands.lines().next().unwrap()).unwrap();
    let outcome = sandbox.run(&words[1..]).exits(0);
    assert_eq!(outcome.stdout(), configuration, "{words:?}");
}

/// The rows of a section, each as its mark and label, for the order and the outcome of checks.
fn rows(text: &str, heading: &str) -> Vec<String> {
    let (_, section) =
        text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no `{heading}` in\n{text}"));
    let rows = section.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with(' '));
    rows.map(str::to_owned).collect()
}

#[test]
#[cfg(unix)]
fn every_vendor_s_page_fits_the_terminal() {
    let sandbox = Sandbox::new();
    for vendor in VENDORS {
        crate::support::screen::assert_screens(&sandbox, &format!("setup-{vendor}"), &["setup", vendor]);
    }
}

#[test]
#[cfg(unix)]
fn a_whole_set_up_fits_the_terminal() {
    let idp = Idp::start_in("/realms/{}", |_| {});
    let sandbox = sandbox(&idp);
    let arguments = [
        "setup",
        "keycloak",
        "--issuer",
        idp.issuer(),
        "--client-id",
        CLIENT_ID,
        "--profile",
        "prod",
        "--yes",
        "--group",
        "dba",
        "--grant",
        "readWrite@app",
        "--format",
        "cloud-manager",
    ];
    // So that each width replaces the same.
    sandbox.run(arguments).exits(0);
    crate::support::screen::assert_screens(&sandbox, "setup-done", &arguments);
}

#[test]
fn without_issuer_and_client_id_there_is_a_page_and_nothing_else() {
    let sandbox = Sandbox::new();
    for (arguments, command) in [
        (&["entra"][..], "mdb-login setup entra --tenant ID --client-id ID"),
        (&["okta"], "mdb-login setup okta --domain DOMAIN --client-id ID"),
        (&["ping"], "mdb-login setup ping --environment-id ID --client-id ID"),
        (&["keycloak"], "mdb-login setup keycloak --base-url URL --realm REALM --client-id ID"),
        (&["google"], "mdb-login setup google --client-id ID"),
        (&["generic", "--client-id", "x"], "mdb-login setup generic --issuer URL"),
        (&["auth0", "--domain", "a.eu.auth0.com"], "mdb-login setup auth0 --client-id ID"),
    ] {
        let outcome = sandbox.run(["setup"].iter().chain(arguments)).exits(0);
        let vendor = arguments[0];
        let (page, next) = outcome.text().split_once("\nWhen it is registered\n").unwrap();
        assert_eq!(next, format!("  {command}\n  mdb-login setup {vendor} --interactive\n"));
        assert!(page.starts_with("exit 0\n--- stdout\nRegister at "), "{page}");
        assert!(
            outcome.stdout().contains("\nredirect URI  ")
                && outcome.stdout().contains("http://localhost:27097/redirect")
        );
    }
    assert_eq!(config(&sandbox), None);
    assert!(sandbox.files().is_empty(), "{:?}", sandbox.files());
}

#[test]
fn the_page_has_what_was_given() {
    let sandbox = Sandbox::new();
    sandbox.write_config("[profile.prod]\nredirect_uri = [\"http://localhost:4000/a\", \"http://127.0.0.1:4001/b\"]\n");
    let given = ["setup", "keycloak", "--client-id", "mongo", "--group-claim", "teams", "--user-claim", "mail"];
    let page = sandbox.run(given.iter().chain(&["--profile", "prod", "--audience", "db"])).exits(0).stdout();
    for part in [
        "http://localhost:4000/a, http://127.0.0.1:4001/b",
        "audience        db: a mapper Audience",
        "groups claim    `teams`: a mapper Group Membership",
        "user claim      `mail`",
    ] {
        assert!(page.contains(part), "no `{part}` in\n{page}");
    }
    // Nobody needs a groups claim where users are authorized one by one.
    let page = sandbox.run(["setup", "keycloak", "--authorization", "user"]).exits(0).stdout();
    assert!(!page.contains("groups claim") && page.contains("<client id>: a mapper Audience"), "{page}");
    let page = sandbox.run(["setup", "entra", "--redirect-uri", "http://localhost:5000/x"]).exits(0).stdout();
    assert!(page.contains("\nredirect URI   http://localhost:5000/x\n"), "{page}");
}

#[test]
fn a_profile_is_written_and_the_other_side_is_printed() {
    let idp = Idp::start_in("/realms/{}", |_| {});
    let sandbox = sandbox(&idp);
    let outcome = set_up(&sandbox, &idp, "keycloak", &["--profile", "prod"]).exits(0);
    let issuer = idp.issuer();
    assert_eq!(
        config(&sandbox).unwrap(),
        format!("[profile.prod]\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\n")
    );
    let (_, rest) = outcome.text().split_once("\nKeycloak says\n").unwrap();
    assert_text(
        rest,
        "
        ok    issuer         [ISSUER]
                             its metadata name it exactly so
        ok    PKCE           S256
        ok    refresh token  with the scope `offline_access`
        ok    device code    offered; whether to this application is a setting there
        ok    revocation     `mdb-login logout` ends a session there, too
        ok    scopes         openid offline_access

        Profile `prod`, written
        issuer     [ISSUER]
        client_id  mongodb-tools

        Next
          mdb-login server config prod --name prod
          mdb-login login prod
          mdb-login inspect prod

        For MongoDB: yaml
        setParameter:
          authenticationMechanisms: SCRAM-SHA-1,SCRAM-SHA-256,MONGODB-X509,MONGODB-OIDC
          oidcIdentityProviders: |
            [
              {
                \"issuer\": \"[ISSUER]\",
                \"audience\": \"mongodb-tools\",
                \"authNamePrefix\": \"prod\",
                \"clientId\": \"mongodb-tools\",
                \"principalName\": \"preferred_username\",
                \"authorizationClaim\": \"groups\"
              }
            ]

        To be known
        -  read at the start: restart every mongod and mongos, one after the other
        -  the list of mechanisms replaces the one you have: keep those that members,
           agents and administrators sign in with
        -  servers take an issuer without TLS only when they are started for tests
           (`enableTestCommands`)
        ",
    );
    assert_eq!(idp.log().len(), 1, "one look at the metadata");
    // The profile is one that works.
    sandbox.run(["token"]).exits(4).says("not signed in to profile `prod`");
}

/// What each maker's provider needs in the profile and at the server.
#[test]
fn recipes_reach_the_profile_and_the_server() {
    for (vendor, path, profile, server) in [
        (
            "entra",
            "/{}/v2.0",
            json!({ "scope": ["openid", "offline_access", "mongodb-tools/.default"] }),
            json!({ "requestScopes": ["mongodb-tools/.default"], "principalName": "upn", "authorizationClaim": "groups" }),
        ),
        ("okta", "/oauth2/{}", json!({}), json!({ "principalName": "sub", "authorizationClaim": "groups" })),
        (
            "ping",
            "/{}/as",
            json!({ "id_token_as_access_token": true }),
            json!({ "principalName": "sub", "authorizationClaim": "groups" }),
        ),
        (
            "google",
            "/{}",
            json!({
                "scope": ["openid", "offline_access", "email"], "id_token_as_access_token": true,
                "auth_param": { "access_type": "offline" }
            }),
            json!({ "requestScopes": ["email"], "principalName": "email", "useAuthorizationClaim": false }),
        ),
    ] {
        let idp = Idp::start_in(path, |_| {});
        let sandbox = sandbox(&idp);
        let outcome = set_up(&sandbox, &idp, vendor, &["--format", "json"]).exits(0);
        let shown = sandbox.run(["profile", "show", vendor, "--json"]).exits(0);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        for (key, value) in profile.as_object().unwrap() {
            assert_eq!(&shown["settings"][key], value, "{vendor}: {key}");
        }
        let stdout = outcome.stdout();
        let configuration = configuration(&stdout);
        let mut expected = json!({
            "issuer": idp.issuer(), "audience": CLIENT_ID, "clientId": CLIENT_ID, "authNamePrefix": vendor,
        });
        expected.as_object_mut().unwrap().extend(server.as_object().unwrap().clone());
        assert_eq!(configuration, json!([expected]), "{vendor}");
        let id_token = profile.get("id_token_as_access_token").is_some();
        assert_eq!(stdout.contains("-  the profile hands over the ID token"), id_token, "{vendor}: {outcome:?}");
    }
}

/// `server config` sees the profile alone and guesses the vendor, so what it could not know is in its flags.
#[test]
fn the_command_that_is_printed_prints_the_same_configuration() {
    let table: Vec<(&str, &str, Vec<&str>)> = vec![
        ("entra", "/{}/v2.0", vec![]),
        ("okta", "/oauth2/{}", vec!["--request-scope", "groups", "--request-scope", "x$y'z"]),
        ("ping", "/{}/as", vec!["--name", "company", "--format", "kubernetes"]),
        ("keycloak", "/realms/{}", vec!["--authorization", "user", "--user-claim", "a \"b\" $(c)"]),
        ("google", "/{}", vec!["--format", "terraform"]),
        ("generic", "/{}", vec!["--group-claim", "it's", "--match-pattern", "^.+@a b\\.c$", "--jwks-poll", "1m 30s"]),
        ("generic", "/{}", vec!["--audience", "db", "--scope", "openid a", "--format", "command-line"]),
    ];
    each(table, |(vendor, path, more)| {
        let idp = Idp::start_in(path, |_| {});
        let sandbox = sandbox(&idp);
        prints_the_same(&sandbox, &set_up(&sandbox, &idp, vendor, &more).exits(0).stdout());
    });
}

#[test]
fn an_issuer_is_made_of_what_people_have_and_that_is_said() {
    let idp = Idp::start_in("/realms/{}", |_| {});
    let sandbox = sandbox(&idp);
    let (base_url, realm) = idp.issuer().split_once("/realms/").unwrap();
    let arguments = ["setup", "keycloak", "--base-url", base_url, "--realm", realm, "--client-id", CLIENT_ID];
    let outcome = sandbox.run(arguments).exits(0);
    let made_of = format!("made of `--base-url {base_url}` and `--realm {realm}`");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&outcome.stdout()).contains(&words(&made_of)), "{outcome:?}");
    assert!(config(&sandbox).unwrap().contains(&format!("issuer = \"{}\"", idp.issuer())));

    let document = idp.url(Endpoint::Discovery);
    let outcome = sandbox.run(["setup", "keycloak", "--issuer", &document, "--client-id", CLIENT_ID]).exits(0);
    assert!(outcome.stdout().contains("made of the address of its discovery document"), "{outcome:?}");
    assert!(config(&sandbox).unwrap().contains(&format!("issuer = \"{}\"", idp.issuer())));
}

/// What the provider says decides the marks.
#[test]
fn what_the_provider_lacks_is_said_row_by_row() {
    let merged = |change: Value| move |behaviour: &mut Behaviour| behaviour.metadata = change.clone().into();
    let without = |field: &str| json!({ field: null });
    let rows_of = |change: &(dyn Fn(&mut Behaviour) + Sync), more: &[&str]| {
        let idp = Idp::start_with(|behaviour| change(behaviour));
        let sandbox = sandbox(&idp);
        let outcome = set_up(&sandbox, &idp, "generic", more).exits(0);
        rows(outcome.text(), "The identity provider says")
    };
    type Change = Box<dyn Fn(&mut Behaviour) + Sync + Send>;
    let table: Vec<(Change, &[&str], &str)> = vec![
        (
            Box::new(merged(without("code_challenge_methods_supported"))),
            &[],
            "warn  PKCE           not said; the first sign-in will show whether it takes S256",
        ),
        (
            Box::new(merged(without("device_authorization_endpoint"))),
            &[],
            "skip  device code    not offered: people need a browser to sign in",
        ),
        (
            Box::new(merged(without("revocation_endpoint"))),
            &[],
            "skip  revocation     not offered: `mdb-login logout` ends a session here alone",
        ),
        (
            Box::new(merged(json!({ "grant_types_supported": ["authorization_code"] }))),
            &[],
            "warn  refresh token  not offered: people sign in again whenever their token has",
        ),
        (
            Box::new(merged(without("grant_types_supported"))),
            &[],
            "ok    refresh token  with the scope `offline_access`",
        ),
        (
            Box::new(|behaviour: &mut Behaviour| behaviour.scopes = vec!["openid".to_owned()]),
            &[],
            "warn  refresh token  not with the scope `offline_access`, which it does not have",
        ),
        (
            Box::new(|behaviour: &mut Behaviour| behaviour.scopes = vec!["openid".to_owned()]),
            &[],
            "ok    scopes         openid",
        ),
        (Box::new(|_: &mut Behaviour| {}), &["--scope", "openid nonsense"], "warn  scopes         openid nonsense"),
        (Box::new(merged(without("scopes_supported"))), &["--scope", "openid x"], "ok    scopes         openid x"),
        (
            Box::new(merged(json!({ "token_endpoint": "https://tokens.example.com/token" }))),
            &[],
            "warn  endpoints      `token_endpoint` is on `tokens.example.com`",
        ),
    ];
    each(table, |(change, more, expected)| {
        let rows = rows_of(&*change, more);
        assert!(rows.iter().any(|row| row == expected), "no `{expected}` in {rows:#?}");
    });

    // Entra ID keeps silent of PKCE and has it.
    let idp = Idp::start_in("/{}/v2.0", merged(without("code_challenge_methods_supported")));
    let sandbox = sandbox(&idp);
    let outcome = set_up(&sandbox, &idp, "entra", &[]).exits(0);
    let rows = rows(outcome.text(), "Microsoft Entra ID says");
    assert!(rows.iter().any(|row| row == "ok    PKCE           S256, though its metadata do not say so"), "{rows:#?}");
}

/// A scope that is written down is asked for as it is, so one that the provider refuses must not be written.
#[test]
fn a_recipe_s_scopes_are_cut_to_what_the_provider_has() {
    let idp = Idp::start_in("/{}", |behaviour| behaviour.scopes = vec!["openid".to_owned(), "email".to_owned()]);
    let sandbox = sandbox(&idp);
    set_up(&sandbox, &idp, "google", &[]).exits(0);
    assert!(config(&sandbox).unwrap().contains("scope = [\"openid\", \"email\"]\n"), "{:?}", config(&sandbox));
}

#[test]
fn what_is_typed_besides_is_written_too() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    let secret = sandbox.home().join("secret");
    std::fs::write(&secret, "s").unwrap();
    let more = [
        "--profile",
        "prod",
        "--audience",
        "db",
        "--scope",
        "openid groups",
        "--id-token",
        "--client-secret-file",
        "secret",
        "--redirect-uri",
        "http://localhost:4000/x",
        "--http-timeout",
        "20s",
    ];
    let outcome = set_up(&sandbox, &idp, "generic", &more).exits(0);
    let root = sandbox.home().canonicalize().unwrap();
    assert_eq!(
        config(&sandbox).unwrap(),
        format!(
            "[profile.prod]\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\naudience = \"db\"\nscope = [\"openid\", \"groups\"]\n\
             id_token_as_access_token = true\nclient_secret_file = \"{}\"\nredirect_uri = [\"http://localhost:4000/x\"]\n\
             http_timeout = \"20s\"\n",
            idp.issuer(),
            root.join("secret").display()
        )
    );
    assert!(
        outcome.stdout().contains("\"audience\": \"db\"") && outcome.stdout().contains("\"groups\"\n"),
        "{outcome:?}"
    );
}

const OTHER: &str = "\
# ours
[profile.prod]
issuer = \"https://old.example.com\" # since 2024
client_id = \"old\"
audience = \"old-db\"
client_secret_command = [\"pass\", \"old\"]
timeout = \"10m\"
";

#[test]
fn values_of_a_profile_are_replaced_only_with_somebody_s_word() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    sandbox.write_config(OTHER);
    let outcome = set_up(&sandbox, &idp, "generic", &["--profile", "prod"]).exits(4);
    assert_text(
        &outcome.stderr(),
        "
        error: profile `prod` has other values already: issuer, client_id, audience, client_secret_command
          caused by: nobody is there who could say whether they may be replaced
        hint: give the new one another name with `--profile NAME`
        hint: if they may be replaced: add `--yes`
        ",
    );
    assert_eq!(config(&sandbox).unwrap(), OTHER);

    let outcome = set_up(&sandbox, &idp, "generic", &["--profile", "prod", "--yes"]).exits(0);
    let (_, rest) = outcome.text().split_once("\nProfile `prod`, written\n").unwrap();
    let written = rest.split("\n\n").next().unwrap();
    assert_text(
        written,
        "
        issuer                 [ISSUER]
                               was https://old.example.com
        client_id              mongodb-tools
                               was old
        audience               (not set any more)
                               was old-db
        client_secret_command  (not set any more)
                               was pass old
        ",
    );
    // What belonged to the other provider is gone; what is the person's own, and the comments, stay.
    assert_eq!(
        config(&sandbox).unwrap(),
        format!(
            "# ours\n[profile.prod]\nissuer = \"{}\" # since 2024\nclient_id = \"{CLIENT_ID}\"\ntimeout = \"10m\"\n",
            idp.issuer()
        )
    );
}

#[test]
fn the_same_once_more_asks_nobody_and_changes_nothing() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    set_up(&sandbox, &idp, "generic", &["--profile", "prod", "--audience", "db"]).exits(0);
    let before = config(&sandbox);
    // Nor does what was typed the first time go away.
    let outcome = set_up(&sandbox, &idp, "generic", &["--profile", "prod"]).exits(0);
    assert_eq!(config(&sandbox), before);
    assert!(outcome.stdout().contains("\"audience\": \"db\""), "{outcome:?}");
}

#[test]
fn a_profile_s_name_comes_from_flag_or_variable_or_vendor() {
    let idp = Idp::start();
    let mut sandbox = sandbox(&idp);
    set_up(&sandbox, &idp, "generic", &[]).exits(0);
    sandbox.env("MDB_LOGIN_PROFILE", "live");
    set_up(&sandbox, &idp, "generic", &[]).exits(0);
    set_up(&sandbox, &idp, "generic", &["-p", "prod"]).exits(0);
    let config = config(&sandbox).unwrap();
    for name in ["generic", "live", "prod"] {
        assert!(config.contains(&format!("[profile.{name}]\n")), "{config}");
    }
}

#[test]
fn a_variable_that_names_no_profile_is_no_reason_to_write_another() {
    let idp = Idp::start();
    let mut sandbox = sandbox(&idp);
    let rows = [
        ("", "environment variable `MDB_LOGIN_PROFILE` is empty"),
        ("a/b", "environment variable `MDB_LOGIN_PROFILE` must be 1 to 64 letters, digits and `._-`"),
        ("mongodb://u:hunter2@h", "environment variable `MDB_LOGIN_PROFILE` must not be a connection string"),
    ];
    for (name, message) in rows {
        sandbox.env("MDB_LOGIN_PROFILE", name);
        let outcome = set_up(&sandbox, &idp, "generic", &[]).exits(3).says(message);
        assert!(!outcome.stderr().contains("hunter2"), "{outcome:?}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        sandbox.env("MDB_LOGIN_PROFILE", std::ffi::OsStr::from_bytes(b"pr\xffod"));
        set_up(&sandbox, &idp, "generic", &[]).exits(3).says("environment variable `MDB_LOGIN_PROFILE` is not UTF-8");
    }
    assert_eq!(config(&sandbox), None);
}

#[test]
fn an_object_has_it_all() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    let outcome = set_up(&sandbox, &idp, "generic", &["--json", "--profile", "prod"]).exits(0);
    let object: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(object["schema"], 1);
    assert_eq!(object["vendor"], "generic");
    assert_eq!(object["issuer"], idp.issuer());
    let change = |key: &str, value: &str| json!({"key": key, "value": value, "before": null});
    let changes = [change("issuer", idp.issuer()), change("client_id", CLIENT_ID)];
    assert_eq!(object["profile"], json!({"name": "prod", "changes": changes}));
    assert_eq!(object["next"][1], "mdb-login login prod");
    assert_eq!(object["server"]["format"], "yaml");
    assert!(object["server"]["configuration"].as_str().unwrap().starts_with("setParameter:\n"));
    assert_eq!(object["checks"][1], json!({"check": "PKCE", "result": "ok", "text": "S256", "notes": []}));
    assert_eq!(object["register"][1]["value"], "http://localhost:27097/redirect");

    let object: Value = serde_json::from_slice(&sandbox.run(["setup", "okta", "--json"]).exits(0).stdout).unwrap();
    assert_eq!((&object["profile"], &object["issuer"], &object["checks"]), (&Value::Null, &Value::Null, &json!([])));
    // A failure leaves stdout empty, since half an object is none.
    idp.always(Endpoint::Discovery, Answer::Instead(Reply::json(200, &json!({}))));
    let outcome = set_up(&sandbox, &idp, "generic", &["--json", "--profile", "prod"]).exits(10);
    assert_eq!(outcome.stdout(), "");
}

/// A page that failed half-way is no reason to write half a profile.
#[test]
fn metadata_that_will_not_do_leave_nothing_behind() {
    type Break = fn(&Idp);
    let with = |idp: &Idp, change: Value| idp.change(|behaviour| behaviour.metadata = change.into());
    let table: Vec<(Break, i32, &str)> = vec![
        (|idp| idp.set_up(false), 7, "hint: check the issuer, the network and the proxy, then try again"),
        (|idp| idp.always(Endpoint::Discovery, Answer::Instead(Reply::json(503, &json!({})))), 7, "status 503"),
        (|idp| idp.always(Endpoint::Discovery, Answer::Instead(Reply::html(200, "<p>portal"))), 7, "cannot be read"),
        (
            |idp| idp.always(Endpoint::Discovery, Answer::Instead(Reply::html(404, "no"))),
            3,
            "exactly as the provider writes it",
        ),
    ];
    each(table, |(break_it, code, says)| {
        let idp = Idp::start();
        break_it(&idp);
        let sandbox = sandbox(&idp);
        set_up(&sandbox, &idp, "generic", &[]).exits(code).says(says);
        assert_eq!(config(&sandbox), None);
    });
    let table: Vec<(Value, i32, &str)> = vec![
        (json!({ "issuer": "https://other.example.com" }), 10, "the two must be identical"),
        (json!({ "issuer": null }), 10, "it is nothing but the configured issuer"),
        (json!({ "code_challenge_methods_supported": ["plain"] }), 3, "the provider does not offer PKCE with S256"),
        (json!({ "response_types_supported": ["id_token"] }), 3, "the authorization code flow"),
        (json!({ "token_endpoint": null }), 10, "`token_endpoint`: it is missing"),
        (json!({ "jwks_uri": "http://keys.example.com" }), 10, "does not begin with `https://`"),
        (json!({ "require_pushed_authorization_requests": true }), 3, "pushed authorization requests"),
    ];
    each(table, |(change, code, says)| {
        let idp = Idp::start();
        with(&idp, change);
        let sandbox = sandbox(&idp);
        let outcome = set_up(&sandbox, &idp, "generic", &[]).exits(code).says(says);
        assert!(outcome.stderr().contains("error: cannot set up sign-ins at `http://127.0.0.1"), "{outcome:?}");
        assert_eq!(config(&sandbox), None);
    });
}

#[test]
fn a_variable_that_would_overrule_the_profile_is_named() {
    let idp = Idp::start();
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_ISSUER", "https://login.example.com");
    set_up(&sandbox, &idp, "generic", &[]).exits(3).says(
        "error: `MDB_LOGIN_ISSUER` is set, and would overrule what is set up here\n\
         hint: run `unset MDB_LOGIN_ISSUER`, then the same command again",
    );
    assert_eq!((config(&sandbox), idp.log().len()), (None, 0));
    // One that says the same does no harm.
    sandbox.env("MDB_LOGIN_ISSUER", idp.issuer());
    set_up(&sandbox, &idp, "generic", &[]).exits(0);
}
