//! `setup --workload`: programs that nobody signs in for.

use serde_json::{Value, json};

use super::{config, configuration, prints_the_same, sandbox};
use crate::cases::each;
use crate::support::cmd::{Outcome, Sandbox, assert_text};
use crate::support::idp::{Answer, Endpoint, Idp, Reply};

const VENDORS: [&str; 5] = ["entra", "google", "kubernetes", "github", "generic"];

const APPLICATION: &str = "66666666-7777-8888-9999-000000000000";

/// Sets a program up whose issuer is the test provider.
fn set_up(sandbox: &Sandbox, idp: &Idp, vendor: &str, more: &[&str]) -> Outcome {
    let known = ["setup", vendor, "--workload", "--issuer", idp.issuer()];
    sandbox.run(known.iter().chain(more))
}

fn secret(sandbox: &Sandbox) -> String {
    let path = sandbox.home().canonicalize().unwrap().join("secret");
    std::fs::write(&path, "s").unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
#[cfg(unix)]
fn every_vendor_s_page_fits_the_terminal() {
    let sandbox = Sandbox::new();
    let screens = crate::support::screen::assert_screens;
    for vendor in VENDORS {
        screens(&sandbox, &format!("setup-workload-{vendor}"), &["setup", vendor, "--workload"]);
    }
    let client = ["setup", "entra", "--workload", "--kind", "client-credentials", "--group-claim", "roles"];
    screens(&sandbox, "setup-workload-entra-client", &client);
}

#[test]
#[cfg(unix)]
fn a_whole_set_up_fits_the_terminal() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    let known = ["setup", "google", "--workload", "--issuer", idp.issuer(), "--audience", "mongodb://orders"];
    let side =
        ["--profile", "orders", "--user", "112233", "--grant", "readWrite@app", "--format", "cloud-manager", "--yes"];
    let arguments = [&known[..], &side[..]].concat();
    // So that each width replaces the same.
    sandbox.run(&arguments).exits(0);
    crate::support::screen::assert_screens(&sandbox, "setup-workload-done", &arguments);
}

#[test]
fn what_is_missing_is_in_the_command_to_go_on_with() {
    let sandbox = Sandbox::new();
    for (arguments, command) in [
        (&["entra"][..], "mdb-login setup entra --workload --tenant ID --audience APPLICATION_ID"),
        (
            &["entra", "--kind", "client-credentials"],
            "mdb-login setup entra --workload --tenant ID --client-id ID --audience APPLICATION_ID --client-secret-file PATH",
        ),
        (&["google"], "mdb-login setup google --workload --audience AUDIENCE"),
        (&["kubernetes", "--audience", "a"], "mdb-login setup kubernetes --workload --issuer URL"),
        (&["github"], "mdb-login setup github --workload --audience AUDIENCE"),
        (
            &["generic", "--issuer", "https://a.example", "--audience", "a"],
            "mdb-login setup generic --workload --client-id ID --client-secret-file PATH",
        ),
    ] {
        let outcome = sandbox.run(["setup", "--workload"].iter().chain(arguments)).exits(0);
        let vendor = arguments[0];
        let (_, next) = outcome.text().split_once("\nWhen it is registered\n").unwrap();
        let next = next.replace("\\\n    ", "");
        assert_eq!(next, format!("  {command}\n  mdb-login setup {vendor} --workload --interactive\n"));
    }
    assert!(sandbox.files().is_empty(), "{:?}", sandbox.files());
    let outcome = sandbox.run(["setup", "entra", "--workload", "--client-id", "x", "--yes"]).exits(2);
    outcome.says("issuer, application id and secret or key are not given, and `--yes` wants a profile written");
}

#[test]
fn a_profile_is_written_and_the_other_side_is_printed() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    let outcome = set_up(&sandbox, &idp, "google", &["--audience", "mongodb://orders", "--profile", "orders"]).exits(0);
    assert_eq!(
        config(&sandbox).unwrap(),
        format!("[profile.orders]\nkind = \"gcp\"\nissuer = \"{}\"\naudience = \"mongodb://orders\"\n", idp.issuer())
    );
    let (_, rest) = outcome.text().split_once("\nGoogle Cloud says\n").unwrap();
    assert_text(
        rest,
        "
        ok    issuer  [ISSUER]
                      its metadata name it exactly so
        ok    keys    a MongoDB server can load them

        Profile `orders`, written
        kind      gcp
        issuer    [ISSUER]
        audience  mongodb://orders

        The same as variables, where there is no profile
        MDB_LOGIN_KIND      gcp
        MDB_LOGIN_ISSUER    [ISSUER]
        MDB_LOGIN_AUDIENCE  mongodb://orders

        A driver with built-in authentication
        connection string  ?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:gcp,TOKEN_RESOURCE:mongodb%3A%2F%2Forders
                           wherever there is a metadata server; without a user name

        Next
          mdb-login server config orders --name orders
          mdb-login login orders
          mdb-login inspect orders

        For MongoDB: yaml
        setParameter:
          authenticationMechanisms: SCRAM-SHA-1,SCRAM-SHA-256,MONGODB-X509,MONGODB-OIDC
          oidcIdentityProviders: |
            [
              {
                \"issuer\": \"[ISSUER]\",
                \"audience\": \"mongodb://orders\",
                \"authNamePrefix\": \"orders\",
                \"principalName\": \"sub\",
                \"useAuthorizationClaim\": false,
                \"supportsHumanFlows\": false
              }
            ]

        To be known
        -  read at the start: restart every mongod and mongos, one after the other
        -  the list of mechanisms replaces the one you have: keep those that members,
           agents and administrators sign in with
        -  MongoDB takes tokens of programs from 7.0.11 on
        -  a program without a user in `$external` does not get in: `--format roles
           --user NAME --grant ROLE@DATABASE`
        -  servers take an issuer without TLS only when they are started for tests
           (`enableTestCommands`)
        ",
    );
    // What a server asks for, and nothing else: no token.
    assert_eq!(idp.log().len(), 2, "{:?}", idp.log());
    assert!(idp.log().iter().all(|request| [Endpoint::Discovery, Endpoint::Jwks].contains(&request.endpoint)));
}

/// What each platform needs in the profile and at the server.
#[test]
fn recipes_reach_the_profile_and_the_server() {
    let managed = json!({
        "kind": "azure-managed-identity", "audience": APPLICATION, "resource": [format!("api://{APPLICATION}")],
    });
    let client = json!({
        "kind": "client-credentials", "client_id": "program", "audience": APPLICATION,
        "scope": [format!("{APPLICATION}/.default")],
    });
    let users = json!({ "principalName": "sub", "useAuthorizationClaim": false });
    let groups = |claim: &str| json!({ "principalName": "sub", "authorizationClaim": claim });
    let application = ["--audience", APPLICATION];
    let orders = ["--audience", "orders"];
    let table: Vec<(&str, &str, Vec<&str>, Value, Value)> = vec![
        ("entra", "/{}/v2.0", application.to_vec(), managed.clone(), users.clone()),
        (
            "entra",
            "/{}/v2.0",
            [&application[..], &["--identity", "client_id:11111111-2222-3333-4444-555555555555"]].concat(),
            json!({ "identity": "client_id:11111111-2222-3333-4444-555555555555" }),
            users.clone(),
        ),
        (
            "entra",
            "/{}/v2.0",
            [&application[..], &["--resource", "api://mongodb", "--authorization", "groups"]].concat(),
            json!({ "resource": ["api://mongodb"] }),
            groups("groups"),
        ),
        (
            "entra",
            "/{}/v2.0",
            [&application[..], &["--client-id", "program", "--group-claim", "roles"]].concat(),
            client,
            groups("roles"),
        ),
        (
            "google",
            "/{}",
            [&orders[..], &["--user-claim", "email", "--impersonate", "db@p.iam.gserviceaccount.com"]].concat(),
            json!({ "kind": "gcp", "audience": "orders", "impersonate": "db@p.iam.gserviceaccount.com" }),
            json!({ "principalName": "email", "useAuthorizationClaim": false }),
        ),
        (
            "kubernetes",
            "/{}",
            [&orders[..], &["--identity", "shop/orders"]].concat(),
            json!({ "kind": "kubernetes", "audience": "orders", "identity": "shop/orders" }),
            users.clone(),
        ),
        (
            "github",
            "/{}",
            [&orders[..], &["--user-claim", "repository"]].concat(),
            json!({ "kind": "github-actions", "audience": "orders" }),
            json!({ "principalName": "repository", "useAuthorizationClaim": false }),
        ),
        (
            "generic",
            "/{}",
            [&orders[..], &["--client-id", "program", "--scope", "db"]].concat(),
            json!({ "kind": "client-credentials", "client_id": "program", "audience": "orders", "scope": ["db"] }),
            users,
        ),
    ];
    each(table, |(vendor, path, more, profile, server)| {
        let idp = Idp::start_in(path, |_| {});
        let sandbox = sandbox(&idp);
        let secret = secret(&sandbox);
        let proof = if more.contains(&"--client-id") { vec!["--client-secret-file", &secret] } else { Vec::new() };
        let outcome = set_up(&sandbox, &idp, vendor, &[&more[..], &proof, &["--format", "json"]].concat()).exits(0);
        let shown = sandbox.run(["profile", "show", vendor, "--json"]).exits(0);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        for (key, value) in profile.as_object().unwrap() {
            assert_eq!(&shown["settings"][key], value, "{vendor}: {key}");
        }
        let audience = &shown["settings"]["audience"];
        let configuration = configuration(&outcome.stdout());
        let mut expected = json!({
            "issuer": idp.issuer(), "audience": audience, "authNamePrefix": vendor, "supportsHumanFlows": false,
        });
        expected.as_object_mut().unwrap().extend(server.as_object().unwrap().clone());
        assert_eq!(configuration, json!([expected]), "{vendor}");
    });
}

/// `server config` sees the profile alone, and prints the same by the command that is printed.
#[test]
fn the_command_that_is_printed_prints_the_same_configuration() {
    let entra = ["--audience", APPLICATION];
    let orders = ["--audience", "orders"];
    let table: Vec<(&str, &str, Vec<&str>)> = vec![
        ("entra", "/{}/v2.0", entra.to_vec()),
        ("entra", "/{}/v2.0", [&entra[..], &["--authorization", "groups", "--name", "company"]].concat()),
        ("entra", "/{}/v2.0", [&entra[..], &["--group-claim", "roles", "--format", "terraform"]].concat()),
        ("google", "/{}", [&orders[..], &["--user-claim", "email", "--jwks-poll", "1h"]].concat()),
        ("kubernetes", "/{}", [&orders[..], &["--format", "kubernetes"]].concat()),
        ("github", "/{}", [&orders[..], &["--user-claim", "a \"b\" $(c)", "--format", "cloud-manager"]].concat()),
    ];
    each(table, |(vendor, path, more)| {
        let idp = Idp::start_in(path, |_| {});
        let sandbox = sandbox(&idp);
        prints_the_same(&sandbox, &set_up(&sandbox, &idp, vendor, &more).exits(0).stdout());
    });
}

#[test]
fn bad_answers() {
    let table: Vec<(Vec<&str>, i32, &str)> = vec![
        (
            vec!["github"],
            2,
            "GitHub Actions vouches for programs, and nobody signs in there\nhint: if it is for programs: add `--workload`",
        ),
        (vec!["kubernetes"], 2, "add `--workload`"),
        (vec!["okta", "--workload"], 2, "`--workload` has no page of its own for Okta"),
        (vec!["okta", "--workload"], 2, "run `mdb-login setup generic --workload`"),
        (vec!["entra", "--kind", "gcp"], 2, "`--kind` is for programs\nhint: add `--workload`"),
        (
            vec!["entra", "--workload", "--kind", "gcp"],
            2,
            "`--kind` must be `azure-managed-identity` or `client-credentials` for Microsoft Entra ID",
        ),
        (vec!["google", "--workload", "--kind", "nope"], 2, "[possible values: workforce, client-credentials"),
        (vec!["google", "--workload", "--kind", "workforce"], 2, "`--kind` must be `gcp` for Google Cloud"),
        (vec!["google", "--workload", "--tenant", "x"], 2, "`--tenant` says nothing of Google"),
        (vec!["entra", "--workload", "--tenant", "common"], 2, "`--tenant` stands for people of any company"),
        (
            vec!["google", "--workload", "--issuer", "https://token.actions.githubusercontent.com"],
            2,
            "is an issuer of GitHub Actions, not of Google\nhint: run `mdb-login setup github --workload`",
        ),
        (
            vec!["github", "--workload", "--issuer", "https://token.actions.githubusercontent.com/"],
            2,
            "give `--issuer https://token.actions.githubusercontent.com`",
        ),
        (
            vec!["kubernetes", "--workload", "--issuer", "https://westeurope.oic.prod-aks.azure.com/a/b"],
            2,
            "give `--issuer https://westeurope.oic.prod-aks.azure.com/a/b/`",
        ),
        (
            vec!["kubernetes", "--workload", "--issuer", "https://oidc.eks.eu-west-1.amazonaws.com/id/A/"],
            2,
            "give `--issuer https://oidc.eks.eu-west-1.amazonaws.com/id/A`",
        ),
        (vec!["google", "--workload", "--audience", ""], 2, "`--audience` is empty"),
        (
            vec!["google", "--workload", "--audience", "a", "--request-scope", "x"],
            2,
            "`--request-scope` means nothing where only programs",
        ),
        (
            vec!["google", "--workload", "--audience", "a", "--match-pattern", "x"],
            2,
            "`--match-pattern` means nothing where only programs",
        ),
        (
            vec!["google", "--workload", "--audience", "a", "--authorization", "groups"],
            2,
            "`--group-claim` is missing: tokens of Google Cloud",
        ),
        (
            vec!["google", "--workload", "--audience", "a", "--group", "dba"],
            2,
            "`--group` says nothing where users are authorized one by one",
        ),
        (vec!["google", "--workload", "--audience", "a", "--identity", "client_id:1"], 3, "`identity` must be"),
        (
            vec!["google", "--workload", "--audience", "a", "--source-file", "/x"],
            2,
            "`--source-file` means nothing to a session of the kind `gcp`",
        ),
        (vec!["github", "--workload", "--audience", "a", "--client-id", "x"], 2, "`--client-id` means nothing"),
        (vec!["github", "--workload", "--audience", "a", "--id-token"], 2, "`--id-token` means nothing"),
        (
            vec![
                "kubernetes",
                "--workload",
                "--issuer",
                "https://a.example",
                "--audience",
                "a",
                "--identity",
                "orders",
            ],
            2,
            "`--identity` ",
        ),
        (
            vec![
                "generic",
                "--workload",
                "--issuer",
                "https://a.example",
                "--audience",
                "a",
                "--client-id",
                "c",
                "--yes",
            ],
            2,
            "the secret or key is not given, and `--yes` wants a profile written",
        ),
        (
            vec![
                "entra",
                "--identity",
                "client_id:1",
                "--issuer",
                "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
                "--client-id",
                "c",
            ],
            2,
            "`--identity` means nothing",
        ),
    ];
    each(table, |(arguments, code, says)| {
        let sandbox = Sandbox::new();
        let outcome = sandbox.run(["setup", "-q"].iter().chain(&arguments)).exits(code).says(says);
        assert_eq!(config(&sandbox), None, "{outcome:?}");
    });
}

/// Where a MongoDB server would find no keys, nothing is written.
#[test]
fn keys_that_a_server_cannot_load_are_the_end() {
    let table: Vec<(Endpoint, Answer, i32, &str)> = vec![
        (
            Endpoint::Discovery,
            Answer::Instead(Reply::html(403, "forbidden")),
            3,
            "a MongoDB server would find no keys at",
        ),
        (Endpoint::Jwks, Answer::Instead(Reply::json(401, &json!({}))), 3, "without signing in"),
        (
            Endpoint::Jwks,
            Answer::Instead(Reply::json(200, &json!({ "keys": [{ "kty": "RSA" }] }))),
            3,
            "it has no `kid`",
        ),
        (
            Endpoint::Discovery,
            Answer::Instead(Reply::json(200, &json!({ "issuer": "https://other.example" }))),
            3,
            "have `https://other.example` as their `issuer`",
        ),
        (Endpoint::Discovery, Answer::Instead(Reply::html(503, "later")), 7, "answered with status 503"),
        (Endpoint::Jwks, Answer::Instead(Reply::html(200, "<p>portal")), 7, "cannot be read"),
        (Endpoint::Discovery, Answer::DropBefore, 7, "check the issuer, the network and the proxy"),
    ];
    each(table, |(endpoint, answer, code, says)| {
        let idp = Idp::start();
        idp.always(endpoint, answer);
        let sandbox = sandbox(&idp);
        set_up(&sandbox, &idp, "github", &["--audience", "orders"]).exits(code).says(says);
        assert_eq!(config(&sandbox), None);
    });
    // A client needs somewhere to ask for its token.
    let idp = Idp::start_with(|behaviour| behaviour.metadata = json!({ "token_endpoint": null }).into());
    let sandbox = sandbox(&idp);
    let client = ["--audience", "orders", "--client-id", "program", "--client-secret-file", &secret(&sandbox)];
    set_up(&sandbox, &idp, "generic", &client).exits(10).says("`token_endpoint`");
    assert_eq!(config(&sandbox), None);
}

/// A pod's own token is for the API server, which is not what anybody wants to send to a database.
#[test]
fn a_pod_without_a_token_for_mongodb_is_warned_of() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    let audience = ["--audience", "orders"];
    let warned = |more: &[&str]| {
        let outcome = set_up(&sandbox, &idp, "kubernetes", &[&audience[..], more, &["--yes"]].concat()).exits(0);
        outcome.stdout().contains("warn  token   the usual one of the pod, which is for the API server alone")
    };
    assert!(warned(&[]));
    assert!(!warned(&["--source-file", "/var/run/secrets/mongodb/token"]));
    assert!(!warned(&["--identity", "shop/orders"]));
}

/// A profile of people that becomes a program's keeps nothing of theirs, and the other way round.
#[test]
fn a_profile_changes_whose_it_is_only_as_a_whole() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    let issuer = idp.issuer();
    let people = format!(
        "[profile.prod]\nissuer = \"{issuer}\"\nclient_id = \"tools\"\nscope = [\"openid\"]\nid_token_as_access_token = true\n\
         timeout = \"10m\"\n"
    );
    sandbox.write_config(&people);
    let program = ["--audience", "orders", "--profile", "prod"];
    let outcome = set_up(&sandbox, &idp, "google", &program).exits(4);
    outcome.says("profile `prod` has other values already: client_id, scope, id_token_as_access_token");
    assert_eq!(config(&sandbox).unwrap(), people);
    set_up(&sandbox, &idp, "google", &[&program[..], &["--yes"]].concat()).exits(0);
    let written = config(&sandbox).unwrap();
    for line in
        [&format!("issuer = \"{issuer}\"\n")[..], "kind = \"gcp\"\n", "audience = \"orders\"\n", "timeout = \"10m\"\n"]
    {
        assert!(written.contains(line), "{written}");
    }
    assert_eq!(written.lines().count(), 5, "{written}");
    // The same once more changes nothing, and knows the audience.
    set_up(&sandbox, &idp, "google", &["--profile", "prod"]).exits(0);
    assert_eq!(config(&sandbox).unwrap(), written);

    let back = ["setup", "generic", "--issuer", issuer, "--client-id", "tools", "--profile", "prod", "--yes"];
    sandbox.run(back).exits(0);
    let written = config(&sandbox).unwrap();
    assert!(!written.contains("kind") && !written.contains("audience"), "{written}");
    assert!(written.contains("client_id = \"tools\"\n") && written.contains("timeout = \"10m\"\n"), "{written}");
}

#[test]
fn a_kind_that_comes_from_elsewhere_is_named() {
    let idp = Idp::start();
    let mut sandbox = sandbox(&idp);
    sandbox.env("MDB_LOGIN_KIND", "github-actions");
    let outcome = set_up(&sandbox, &idp, "google", &["--audience", "orders"]).exits(3);
    outcome.says("`MDB_LOGIN_KIND` is set, and would overrule what is set up here");
    let people = ["setup", "generic", "--issuer", idp.issuer(), "--client-id", "tools"];
    sandbox.run(people).exits(3).says("`kind` is `github-actions` by MDB_LOGIN_KIND, and not `workforce`");
    assert_eq!(config(&sandbox), None);
}

#[test]
fn an_object_has_it_all() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    let outcome = set_up(&sandbox, &idp, "github", &["--audience", "orders", "--json"]).exits(0);
    let object: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!((&object["vendor"], &object["kind"]), (&json!("github"), &json!("github-actions")));
    assert_eq!((&object["issuer"], &object["client_id"]), (&json!(idp.issuer()), &Value::Null));
    assert_eq!(
        object["checks"][1],
        json!({"check": "keys", "result": "ok", "text": "a MongoDB server can load them", "notes": []})
    );
    assert_eq!(object["profile"]["changes"][0], json!({"key": "kind", "value": "github-actions", "before": null}));
    assert!(object["server"]["configuration"].as_str().unwrap().contains("\"supportsHumanFlows\": false"));
}

#[cfg(unix)]
mod interactive {
    use super::{APPLICATION, Idp, config, sandbox, secret};
    use crate::support::terminal::Terminal;

    #[test]
    fn a_service_principal_is_asked_for_its_proof() {
        let idp = Idp::start_in("/{}/v2.0", |_| {});
        let sandbox = sandbox(&idp);
        let secret = secret(&sandbox);
        let mut terminal = Terminal::start(&sandbox, ["setup", "entra", "--workload", "-i", "--issuer", idp.issuer()]);
        terminal.wait_for("  client-credentials: a service principal, anywhere");
        terminal.wait_for("Where the program gets its tokens [azure-managed-identity]: ");
        terminal.type_line("gcp");
        terminal.wait_for("that must be one of azure-managed-identity, client-credentials");
        terminal.wait_for("[azure-managed-identity]: ");
        terminal.type_line("client-credentials");
        terminal.wait_for("What tokens are for: application id (Application (client) ID, on the Overview of MongoDB's registration): ");
        terminal.type_line("");
        terminal.wait_for("that is empty");
        terminal.wait_for("registration): ");
        terminal.type_line(APPLICATION);
        terminal.wait_for("Client id (of the program's own registration): ");
        terminal.type_line("program");
        terminal.wait_for("File with the client secret [none]: ");
        terminal.type_line(&secret);
        terminal.wait_for("Name of the profile, which people type [entra]: ");
        terminal.type_line("orders");
        terminal.wait_for("or from a user for each program (groups, user) [user]: ");
        terminal.type_line("");
        terminal.wait_for("begin with [orders]: ");
        terminal.type_line("");
        let (code, written) = terminal.wait();
        assert_eq!(code, Some(0), "{written}");
        assert_eq!(
            config(&sandbox).unwrap(),
            format!(
                "[profile.orders]\nkind = \"client-credentials\"\nissuer = \"{}\"\nclient_id = \"program\"\n\
                 audience = \"{APPLICATION}\"\nclient_secret_file = \"{secret}\"\nscope = [\"{APPLICATION}/.default\"]\n",
                idp.issuer()
            )
        );
    }

    #[test]
    fn what_is_the_same_for_everybody_is_not_asked_for() {
        let idp = Idp::start();
        let sandbox = sandbox(&idp);
        let known = ["setup", "google", "--workload", "-i", "--issuer", idp.issuer(), "-p", "orders", "--name", "gcp"];
        let mut terminal = Terminal::start(&sandbox, known);
        terminal.wait_for("What tokens are for: audience (free to choose, such as `mongodb://orders`): ");
        terminal.type_line("orders");
        terminal.wait_for("(groups, user) [user]: ");
        terminal.type_line("user");
        let (code, written) = terminal.wait();
        assert_eq!(code, Some(0), "{written}");
        assert!(!written.contains("Client id") && !written.contains("secret"), "{written}");
        assert!(config(&sandbox).unwrap().starts_with("[profile.orders]\nkind = \"gcp\"\n"));
    }
}
