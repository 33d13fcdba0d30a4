//! `server config` through the real program: each format as a committed example, names that try to be more than names, and
//! what is refused.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cases::each;
use crate::support::cmd::{Sandbox, assert_text};
use crate::support::mongod::Mongod;

const CONFIG: &str = "\
[profile.prod]
issuer = \"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0\"
client_id = \"66666666-7777-8888-9999-000000000000\"

[profile.partner]
issuer = \"https://login.example.com\"
client_id = \"0oa1\"
audience = \"https://db.example.com\"
scope = [\"openid\", \"offline_access\", \"groups\"]
id_token_as_access_token = true

[profile.orders]
kind = \"gcp\"
audience = \"mongodb://orders\"
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_config(CONFIG);
    sandbox
}

/// `tests/it/server_config/NAME`, as it was committed; written anew with `MDB_LOGIN_REGENERATE=1`.
#[track_caller]
fn assert_example(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/server_config").join(name);
    if std::env::var_os("MDB_LOGIN_REGENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path);
    let committed = committed.unwrap_or_else(|error| panic!("{}: {error}", path.display())).replace("\r\n", "\n");
    // Not through `assert_text`: to a file, indentation matters.
    assert!(committed == text, "{} is not what the program prints:\n{text}", path.display());
}

#[test]
fn each_format_is_as_committed() {
    let sandbox = sandbox();
    let dba = [
        "--group",
        "5f1c2d3e",
        "--group",
        "it's \"all\"",
        "--grant",
        "readWrite@app",
        "--grant",
        "clusterMonitor@admin",
    ];
    let issuer = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
    let program =
        ["--workload", "--issuer", issuer, "--audience", "66666666-7777-8888-9999-000000000000", "--name", "entra"];
    let ada = ["--authorization", "user", "--user", "ada@example.com", "--grant", "read@app"];
    for (name, arguments) in [
        ("mongod.conf", &["prod"][..]),
        (
            "partner.conf",
            &["partner", "--match-pattern", "@example\\.com$", "--jwks-poll", "5m", "--authorization", "user"],
        ),
        ("providers.json", &["prod", "--format", "json"]),
        ("command-line.sh", &["prod", "--format", "command-line"]),
        ("cloud-manager.txt", &["prod", "--format", "cloud-manager"]),
        ("automation.json", &["prod", "--format", "automation", "--jwks-poll", "1h"]),
        ("atlas.json", &["prod", "--format", "atlas"]),
        ("terraform.tf", &["prod", "--format", "terraform"]),
        ("kubernetes.yaml", &["prod", "--format", "kubernetes"]),
        ("kubernetes-users.yaml", &["partner", "--format", "kubernetes", "--authorization", "user"]),
        ("roles.js", &[&["prod", "--format", "roles"], &dba[..]].concat()),
        ("users.js", &[&["prod", "--format", "roles"], &ada[..]].concat()),
        ("workload.conf", &["orders"]),
        ("workload-groups.conf", &[&program[..], &["--group-claim", "roles"]].concat()),
        ("workload-providers.json", &["orders", "--format", "json"]),
        ("workload-command-line.sh", &["orders", "--format", "command-line", "--jwks-poll", "1h"]),
        ("workload-cloud-manager.txt", &["orders", "--format", "cloud-manager"]),
        ("workload-automation.json", &["orders", "--format", "automation"]),
        ("workload-atlas.json", &["orders", "--format", "atlas"]),
        ("workload-terraform.tf", &["orders", "--format", "terraform"]),
        ("workload-kubernetes.yaml", &["orders", "--format", "kubernetes"]),
        ("workload-users.js", &["orders", "--format", "roles", "--user", "112233", "--grant", "readWrite@app"]),
    ] {
        let outcome = sandbox.run(["server", "config"].iter().chain(arguments)).exits(0);
        assert_example(name, &outcome.stdout());
        // The same for whoever wants no words, and for programs.
        let quiet = sandbox.run(["server", "config", "-q"].iter().chain(arguments)).exits(0);
        assert_eq!((quiet.stdout(), quiet.stderr()), (outcome.stdout(), String::new()), "{name}");
        let object = sandbox.run(["server", "config", "--json"].iter().chain(arguments)).exits(0);
        let object: Value = serde_json::from_slice(&object.stdout).unwrap();
        assert_eq!(object["configuration"], outcome.stdout(), "{name}");
        let notes: Vec<&str> = object["notes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(notes.join("\n"), outcome.stderr().trim_end(), "{name}");
    }
}

/// What is committed is what others read: parsers of the formats, and `server check`.
#[test]
fn examples_are_taken_by_their_readers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/server_config");
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let workload = ["workload-providers.json", "workload-automation.json", "workload-atlas.json"];
    for name in ["providers.json", "automation.json", "atlas.json"].into_iter().chain(workload) {
        let value: Result<Value, _> = serde_json::from_str(&text(name));
        assert!(value.is_ok(), "{name}: {value:?}");
    }
    let workload = ["workload.conf", "workload-groups.conf", "workload-kubernetes.yaml"];
    for name in ["mongod.conf", "partner.conf", "kubernetes.yaml", "kubernetes-users.yaml"].into_iter().chain(workload)
    {
        let value: Result<Value, _> = yaml_serde::from_str(&text(name));
        assert!(value.is_ok(), "{name}: {value:?}");
    }
    let sandbox = Sandbox::new();
    let workload = [
        "workload.conf",
        "workload-groups.conf",
        "workload-providers.json",
        "workload-command-line.sh",
        "workload-automation.json",
    ];
    let people = ["mongod.conf", "partner.conf", "providers.json", "command-line.sh", "automation.json"];
    for name in people.into_iter().chain(workload) {
        let path = folder.join(name);
        let outcome = sandbox.run(["server", "check", path.to_str().unwrap()]).exits(0);
        assert!(!outcome.stdout().contains("warn") && !outcome.stdout().contains("FAIL"), "{name}: {outcome:?}");
    }
}

#[test]
fn stdout_has_the_configuration_and_stderr_the_words() {
    let sandbox = sandbox();
    sandbox.run(["server", "config", "partner"]).is("
        exit 0
        --- stdout
        setParameter:
          authenticationMechanisms: SCRAM-SHA-1,SCRAM-SHA-256,MONGODB-X509,MONGODB-OIDC
          oidcIdentityProviders: |
            [
              {
                \"issuer\": \"https://login.example.com\",
                \"audience\": \"https://db.example.com\",
                \"authNamePrefix\": \"partner\",
                \"clientId\": \"0oa1\",
                \"requestScopes\": [
                  \"groups\"
                ],
                \"principalName\": \"sub\",
                \"authorizationClaim\": \"groups\"
              }
            ]
        --- stderr
        read at the start: restart every mongod and mongos, one after the other
        the list of mechanisms replaces the one you have: keep those that members, agents and administrators sign in with
        the profile hands over the ID token; mongosh by itself does so with `--oidcIdTokenAsAccessToken`
    ");
    let outcome = sandbox.run(["server", "config", "prod", "--format", "atlas"]).exits(0);
    assert_text(
        &outcome.stderr(),
        "
        POST https://cloud.mongodb.com/api/atlas/v2/federationSettings/FEDERATION_SETTINGS_ID/identityProviders
        Content-Type and Accept: application/vnd.atlas.2023-11-15+json
        then connect it: add its id to `dataAccessIdentityProviderIds` of the organization's configuration
        Atlas gives the provider an id of 24 digits, and users and groups are called `ID/…`: the name here is for display
        ",
    );
    // What is not granted yet is said where it would be.
    let roles = sandbox.run(["server", "config", "prod", "--format", "roles", "--group", "dba"]).exits(0);
    assert!(roles.stdout().contains("  roles: []\n"), "{roles:?}");
    roles.says("nothing is granted yet: add `--grant ROLE@DATABASE`");
}

#[test]
fn without_a_profile_flags_are_enough() {
    let sandbox = Sandbox::new();
    let known =
        ["server", "config", "--issuer", "https://login.example.com", "--client-id", "0oa1", "--format", "json"];
    let outcome = sandbox.run(known.iter().chain(&["--name", "corp"])).exits(0);
    let list: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let expected = json!([{
        "issuer": "https://login.example.com", "audience": "0oa1", "authNamePrefix": "corp", "clientId": "0oa1",
        "principalName": "sub", "authorizationClaim": "groups",
    }]);
    assert_eq!(list, expected);
    // Flags are stronger than the profile, and the environment is read as everywhere.
    let mut sandbox = self::sandbox();
    sandbox.env("MDB_LOGIN_AUDIENCE", "from-the-environment");
    let arguments =
        ["server", "config", "partner", "--format", "json", "--request-scope", "a b", "--request-scope", "c"];
    let list: Value = serde_json::from_slice(&sandbox.run(arguments).exits(0).stdout).unwrap();
    assert_eq!(
        (&list[0]["audience"], &list[0]["requestScopes"]),
        (&json!("from-the-environment"), &json!(["a", "b", "c"]))
    );
    let arguments = arguments.iter().chain(&["--audience", "db"]);
    let list: Value = serde_json::from_slice(&sandbox.run(arguments).exits(0).stdout).unwrap();
    assert_eq!(list[0]["audience"], "db");
}

#[test]
fn bad_answers() {
    let long = "x".repeat(51);
    let table: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["--format", "toml"], 2, "[possible values: yaml, json, command-line, cloud-manager, automation, atlas"),
        (vec!["nope"], 3, "there is no profile called `nope`"),
        (
            vec!["--issuer", "https://login.example.com", "--name", "x"],
            2,
            "`--client-id` is missing: people sign in with it",
        ),
        (
            vec!["--client-id", "0oa1", "--name", "x"],
            2,
            "`--issuer` is missing\nhint: name a profile, or give `--issuer` and `--client-id`",
        ),
        (
            vec!["mongodb://h", "--name", "x"],
            2,
            "`--issuer` is missing\n  caused by: nobody has signed in for `mongodb://h:27017` yet\nhint: run `mdb-login login mongodb://h`",
        ),
        (
            vec!["--issuer", "https://a", "--client-id", "b"],
            2,
            "`--name` is missing: names of users and roles begin with it",
        ),
        (vec!["--issuer", "http://login.example.com"], 2, "`--issuer` must use https"),
        (vec!["--issuer", "https://login.example.com/"], 2, "`--client-id` is missing"),
        (vec!["prod", "--client-id", "a b"], 2, "`--client-id` contains a space"),
        (vec!["prod", "--name", "a b"], 2, "`--name` must be 1 to 128 letters, digits, `_` and `-`"),
        (vec!["prod", "--name", "a/b"], 2, "`--name` must be 1 to 128 letters"),
        (vec!["prod", "--name", "${x}"], 2, "`--name` must be 1 to 128 letters"),
        (
            vec!["prod", "--name", &long, "--format", "atlas"],
            2,
            "`--name` may have 50 characters in the format `atlas`",
        ),
        (vec!["prod", "--audience", ""], 2, "`--audience` is empty"),
        (vec!["prod", "--audience", "a\nb"], 2, "`--audience` contains a control character"),
        (vec!["prod", "--user-claim", "a\u{202e}b"], 2, "`--user-claim` contains a character that does not show"),
        (vec!["prod", "--group-claim", "groups", "--authorization", "user"], 2, "`--group-claim` does not go with"),
        (vec!["prod", "--request-scope", "\""], 2, "`--request-scope` may hold visible ASCII characters only"),
        (vec!["prod", "--match-pattern", "(a"], 2, "`--match-pattern`: is no regular expression"),
        (vec!["prod", "--match-pattern", "@a$", "--format", "terraform"], 2, "has no place in the format `terraform`"),
        (
            vec!["prod", "--match-pattern", "@a$", "--format", "automation"],
            2,
            "has no place in the format `automation`",
        ),
        (vec!["prod", "--jwks-poll", "5m", "--format", "cloud-manager"], 2, "`--jwks-poll` has no place in the format"),
        (vec!["prod", "--jwks-poll", "2"], 2, "`--jwks-poll` has no unit; write `2s`"),
        (vec!["prod", "--jwks-poll", "400d"], 2, "`--jwks-poll` must be a duration between 0s and"),
        (vec!["prod", "--format", "roles"], 2, "`--format roles` needs the names of groups\nhint: add `--group NAME`"),
        (
            vec!["prod", "--format", "roles", "--authorization", "user"],
            2,
            "needs the names of users\nhint: add `--user NAME`",
        ),
        (vec!["prod", "--format", "roles", "--user", "ada"], 2, "`--user` has no roles of its own"),
        (vec!["prod", "--group", "dba"], 2, "the format `yaml` creates nobody"),
        (vec!["prod", "--grant", "readWrite@app"], 2, "the format `yaml` creates nobody"),
        (
            vec!["prod", "--format", "roles", "--group", "a\u{1b}[2J"],
            2,
            "`--group` contains a character that does not show",
        ),
        (vec!["prod", "--format", "roles", "--group", "dba", "--grant", "root"], 2, "must be written `ROLE@DATABASE`"),
        (vec!["prod", "--format", "roles", "--group", "dba", "--grant", "a@$external"], 2, "that no database can have"),
    ];
    assert!(table.len() >= 30);
    each(table, |(arguments, code, says)| {
        let sandbox = if arguments.contains(&"prod") { sandbox() } else { Sandbox::new() };
        let outcome = sandbox.run(["server", "config"].iter().chain(&arguments)).exits(code).says(says);
        assert_eq!(outcome.stdout(), "", "{arguments:?}");
    });
}

/// Whose a server's side is follows from the profile's kind, or from `--workload`; an issuer that only vouches for programs is
/// no reason to guess.
#[test]
fn programs_are_told_from_people() {
    let sandbox = sandbox();
    let provider = |arguments: &[&str]| -> Value {
        let outcome = sandbox.run(["server", "config", "--format", "json"].iter().chain(arguments)).exits(0);
        let list: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        list[0].clone()
    };
    // The issuer of a platform is known; that of the profile counts more.
    assert_eq!(provider(&["orders"])["issuer"], "https://accounts.google.com");
    assert_eq!(provider(&["orders", "--workload"]), provider(&["orders"]));
    let own = ["orders", "--issuer", "https://google.example.com"];
    assert_eq!(provider(&own)["issuer"], "https://google.example.com");
    // The same provider, for people and for programs.
    let people = provider(&["prod"]);
    let programs = provider(&["prod", "--workload", "--audience", "api"]);
    assert_eq!(programs["issuer"], people["issuer"]);
    assert_eq!(
        (&people["clientId"], &people["supportsHumanFlows"]),
        (&json!("66666666-7777-8888-9999-000000000000"), &Value::Null)
    );
    assert_eq!(
        (&programs["clientId"], &programs["requestScopes"], &programs["supportsHumanFlows"]),
        (&Value::Null, &Value::Null, &json!(false))
    );
    let cluster = ["--issuer", "https://container.googleapis.com/v1/projects/p", "--audience", "a", "--name", "k8s"];
    assert_eq!(provider(&[&cluster[..], &["--workload"]].concat())["useAuthorizationClaim"], false);

    for (arguments, says) in [
        (
            &cluster[..],
            "Kubernetes vouches for programs, and nobody signs in there\nhint: if it is for programs: add `--workload`",
        ),
        (&["prod", "--workload"], "`--audience` is missing: programs have no client id that could stand for it"),
        (&["orders", "--request-scope", "a"], "`--request-scope` means nothing where only programs sign in"),
        (&["orders", "--match-pattern", "a"], "`--match-pattern` means nothing where only programs sign in"),
        (&["orders", "--authorization", "groups"], "`--group-claim` is missing: tokens of Google Cloud list no groups"),
        (&["orders", "--jwks-poll", "1h", "--format", "atlas"], "`--jwks-poll` has no place in the format `atlas`"),
        (
            &["--workload", "--audience", "a", "--name", "x"],
            "`--issuer` is missing\nhint: name a profile, or give `--issuer` and `--audience`",
        ),
    ] {
        sandbox.run(["server", "config"].iter().chain(arguments)).exits(2).says(says);
    }
}

/// A server starts from what is printed, with the names as they were typed.
#[test]
fn a_server_starts_from_the_file() {
    each(NASTY, |name| {
        let claims = ["--audience", name, "--user-claim", name, "--group-claim", name, "--request-scope", "a"];
        let file = printed(&Sandbox::new(), "yaml", &claims);
        Mongod::start_from_config(&file, |behaviour| {
            let [provider] = behaviour.identity_providers.as_slice() else { panic!("{file}") };
            assert_eq!((provider.audience.as_str(), provider.principal_name.as_str()), (name, name));
            assert_eq!((provider.authorization_claim.as_str(), provider.auth_name_prefix.as_str()), (name, "x"));
            assert!(behaviour.mechanisms.contains(&"MONGODB-OIDC".to_owned()));
        })
        .unwrap();
    });
}

/// What a server would take and people might stumble over is said, and printed all the same.
#[test]
fn doubts_are_said() {
    let sandbox = Sandbox::new();
    for (issuer, says) in [
        ("https://dev-1.okta.com", "`--issuer`: tokens of Okta's org authorization server are for Okta alone"),
        (
            "https://acme.auth0.com",
            "`--issuer`: Auth0's tokens have a `/` at the end of `iss`; write `https://acme.auth0.com/`",
        ),
        ("http://localhost:8080/realms/a", "servers take an issuer without TLS only when they are started for tests"),
    ] {
        let outcome = sandbox.run(["server", "config", "--issuer", issuer, "--client-id", "c", "--name", "x"]).exits(0);
        outcome.says(says);
    }
    let known = ["--client-id", "c", "--name", "x", "--request-scope", "openid"];
    let entra = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
    let outcome = sandbox.run(["server", "config", "--issuer", entra].iter().chain(&known)).exits(0);
    outcome.says("`--request-scope`: Entra ID gives a token for Microsoft Graph");
    let common = "https://login.microsoftonline.com/common/v2.0";
    let outcome = sandbox.run(["server", "config", "--issuer", common].iter().chain(&known)).exits(2);
    outcome.says("error: `--issuer`: no token has this issuer");
}

/// Whatever is in a name, it is the name that arrives.
const NASTY: [&str; 8] = [
    "it's \"quoted\"",
    "${file(\"/etc/passwd\")}",
    "%{ for x in y }$${z}",
    "$(reboot) `reboot` \\$HOME",
    "a: b # c",
    "]}', '--x",
    "\\u0022, \\\" \\n",
    "*&!|>- 東京",
];

fn printed(sandbox: &Sandbox, format: &str, more: &[&str]) -> String {
    let known = ["server", "config", "-q", "--issuer", "https://login.example.com", "--client-id", "c", "--name", "x"];
    sandbox.run(known.iter().chain(&["--format", format]).chain(more)).exits(0).stdout()
}

#[test]
fn no_name_becomes_anything_else() {
    each(NASTY, |name| {
        let sandbox = Sandbox::new();
        let claims = ["--audience", name, "--user-claim", name, "--group-claim", name];
        let whole = |value: &Value, names: [&str; 3]| {
            for field in names {
                assert_eq!(value[field], name, "{field} of {value:#}");
            }
        };
        let server = ["audience", "principalName", "authorizationClaim"];
        let list = |text: &str| serde_json::from_str::<Value>(text).unwrap();

        whole(&list(&printed(&sandbox, "json", &claims))[0], server);
        let file: Value = yaml_serde::from_str(&printed(&sandbox, "yaml", &claims)).unwrap();
        whole(&list(file["setParameter"]["oidcIdentityProviders"].as_str().unwrap())[0], server);
        let part: Value = yaml_serde::from_str(&printed(&sandbox, "kubernetes", &claims)).unwrap();
        whole(
            &part["spec"]["security"]["authentication"]["oidcProviderConfigs"][0],
            ["audience", "userClaim", "groupsClaim"],
        );
        let automation = list(&printed(&sandbox, "automation", &claims));
        whole(&automation["oidcProviderConfigs"][0], ["audience", "userClaim", "groupsClaim"]);
        whole(&list(&printed(&sandbox, "atlas", &claims)), ["audience", "userClaim", "groupsClaim"]);

        // Strings of HCL are those of JSON, but for templates: with none of those left, JSON's parser reads them.
        let terraform = printed(&sandbox, "terraform", &claims);
        assert!(!terraform.contains("${") && !terraform.contains("%{"), "{terraform}");
        for field in ["audience", "user_claim", "groups_claim"] {
            let line = terraform.lines().find(|line| line.trim_start().starts_with(&format!("{field} "))).unwrap();
            assert_eq!(list(line.split_once(" = ").unwrap().1), name, "{line}");
        }

        let roles = printed(&sandbox, "roles", &["--group", name, "--group-claim", name]);
        let line = roles.lines().find(|line| line.starts_with("  role: ")).unwrap();
        let role = line.strip_prefix("  role: ").unwrap().strip_suffix(',').unwrap();
        assert_eq!(list(role), format!("x/{name}"), "{roles}");
        assert_eq!(roles.lines().count(), 5, "{roles}");
    });
}

/// A real shell takes the options apart.
#[test]
#[cfg(unix)]
fn a_shell_hands_the_options_over_as_they_are() {
    each(NASTY, |name| {
        let sandbox = Sandbox::new();
        let options =
            printed(&sandbox, "command-line", &["--audience", name, "--match-pattern", "^[^@]+@example\\.com$"]);
        let script = format!("printf '%s\\0' {options}");
        let output = Command::new("sh").arg("-c").arg(&script).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let words = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = words.split_terminator('\0').collect();
        let [first, mechanisms, second, providers] = words[..] else { panic!("{words:?}") };
        assert_eq!((first, second), ("--setParameter", "--setParameter"));
        assert_eq!(mechanisms, "authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,MONGODB-X509,MONGODB-OIDC");
        let list: Value = serde_json::from_str(providers.strip_prefix("oidcIdentityProviders=").unwrap()).unwrap();
        assert_eq!((&list[0]["audience"], &list[0]["matchPattern"]), (&json!(name), &json!("^[^@]+@example\\.com$")));
    });
}
