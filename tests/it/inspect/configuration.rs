//! With the server's own configuration: which of its providers a token is for, and who it makes somebody there. The same
//! providers are given to a server, which has to say the same.

use serde_json::{Value, json};

use super::{Setting, object, rules};
use crate::cases::each;
use crate::mongod::client::Client;
use crate::support::idp::{CLIENT_ID, Minting};
use crate::support::mongod::{IdentityProvider, Mongod};

/// People, programs under another audience, and somebody else's people.
fn providers(issuer: &str) -> Vec<IdentityProvider> {
    let stranger =
        IdentityProvider { auth_name_prefix: "other".into(), ..IdentityProvider::workforce("https://other.example") };
    let by_mail = IdentityProvider {
        audience: "api://mail".into(),
        auth_name_prefix: "mail".into(),
        principal_name: "email".into(),
        use_authorization_claim: false,
        supports_human_flows: false,
        client_id: None,
        ..IdentityProvider::workforce(issuer)
    };
    let pattern = |provider, pattern: &str| IdentityProvider { match_pattern: Some(pattern.into()), ..provider };
    vec![
        pattern(IdentityProvider::workforce(issuer), "@example.com$"),
        pattern(stranger, "@other.example$"),
        IdentityProvider::workload(issuer, "api://database"),
        by_mail,
    ]
}

/// An entry of `oidcIdentityProviders`.
fn entry(provider: &IdentityProvider) -> Value {
    let mut entry = json!({
        "issuer": provider.issuer, "audience": provider.audience, "authNamePrefix": provider.auth_name_prefix,
        "principalName": provider.principal_name, "supportsHumanFlows": provider.supports_human_flows,
        "useAuthorizationClaim": provider.use_authorization_claim,
    });
    let more = [("matchPattern", &provider.match_pattern), ("clientId", &provider.client_id)];
    for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        entry[name] = json!(value);
    }
    if provider.use_authorization_claim {
        entry["authorizationClaim"] = json!(provider.authorization_claim);
    }
    entry
}

/// The issuer of the tests is on loopback and without TLS, which servers take with test commands only.
fn json_object(entries: &[Value]) -> String {
    json!({ "enableTestCommands": 1, "oidcIdentityProviders": entries }).to_string()
}

fn mongod_conf(entries: &[Value]) -> String {
    let list = Value::from(entries).to_string();
    format!(
        "security:\n  authorization: enabled\nsetParameter:\n  enableTestCommands: 1\n  \
         authenticationMechanisms: MONGODB-OIDC\n  oidcIdentityProviders: '{list}'\n"
    )
}

#[test]
fn the_token_finds_its_entry_and_its_names_as_at_the_server() {
    /// Prefix, user and roles.
    type Names = (&'static str, &'static str, Option<Vec<&'static str>>);
    let rows: Vec<(Value, Option<Names>, &str)> = vec![
        (json!({}), Some(("test", "test/00u-ada", Some(vec!["test/dba"]))), ""),
        (json!({ "aud": "api://database" }), Some(("machine", "machine/00u-ada", Some(vec!["machine/dba"]))), ""),
        (json!({ "aud": "api://mail", "email": "ada@example.com" }), Some(("mail", "mail/ada@example.com", None)), ""),
        (json!({ "aud": "api://mail" }), None, "principal: it has no `email`, which names the user"),
        (
            json!({ "aud": "elsewhere" }),
            None,
            "audience: it is for `elsewhere`, not for `mongodb-tools` or `api://database` or `api://mail`",
        ),
        (
            json!({ "iss": "https://third.example" }),
            None,
            "issuer: its `iss` is `https://third.example`, not `http://127.0.0.1:",
        ),
    ];
    let forms: [fn(&[Value]) -> String; 2] = [json_object, mongod_conf];
    let rows = rows.into_iter().flat_map(|row| forms.map(|form| (row.clone(), form)));
    each(rows.collect::<Vec<_>>(), |((claims, expected, broken), form)| {
        let setting = Setting::new();
        let providers = providers(setting.idp.issuer());
        let server = Mongod::start_with(&setting.idp, |behaviour| {
            behaviour.identity_providers.clone_from(&providers);
            behaviour.users.insert("mail/ada@example.com".into(), vec!["mail/reader".into()]);
        });
        let token = setting.token(Minting { claims: claims.clone().into(), ..Minting::default() });
        let path = setting.sandbox.home().join("mongod.conf");
        std::fs::write(&path, form(&providers.iter().map(entry).collect::<Vec<_>>())).unwrap();
        let arguments = ["--server-config", path.to_str().unwrap()];
        let outcome = setting.inspect(&token, &arguments);
        let said = object(&outcome);
        let mut client = Client::connect(&server);
        let taken = client.present(&token).get_f64("ok").unwrap() == 1.0;
        assert_eq!(said["accepted"], taken, "{claims}: {outcome:?}");
        match expected {
            Some((prefix, user, roles)) => {
                assert_eq!(outcome.code(), Some(0), "{outcome:?}");
                assert_eq!(
                    (&said["provider"]["prefix"], &said["user"], &said["roles"]),
                    (&json!(prefix), &json!(user), &json!(roles))
                );
                let info = client.run("admin", bson::doc! { "connectionStatus": 1 });
                let users = info.get_document("authInfo").unwrap().get_array("authenticatedUsers").unwrap();
                assert_eq!(users[0].as_document().unwrap().get_str("user").unwrap(), user);
            }
            None => {
                assert_eq!(outcome.code(), Some(5), "{outcome:?}");
                let fails = rules(&said, "fail");
                assert!(fails.len() == 1 && fails[0].starts_with(broken), "{fails:?}");
            }
        }
    });
}

#[test]
fn an_automation_configuration_and_stdin_are_read_too() {
    let setting = Setting::new();
    let token = setting.token(Minting::default());
    let path = setting.file(&token);
    // As Ops Manager spells it.
    let config = json!({
        "auth": { "deploymentAuthMechanisms": ["MONGODB-OIDC"] },
        "oidcProviderConfigs": [{
            "authNamePrefix": "corp", "issuerUri": "https://login.example.com", "audience": CLIENT_ID, "clientId": CLIENT_ID,
            "userClaim": "sub", "groupsClaim": "groups", "supportsHumanFlows": true, "useAuthorizationClaim": true,
        }],
    });
    let arguments = ["inspect", path.to_str().unwrap(), "--server-config", "-", "--offline"];
    let outcome = setting.sandbox.run_with(arguments, config.to_string().as_bytes()).exits(5);
    assert!(outcome.stderr().contains("its `iss` is `http://127.0.0.1:"), "{outcome:?}");
    assert!(
        outcome.stdout().contains("\nprovider  corp: https://login.example.com, audience mongodb-tools\n"),
        "{outcome:?}"
    );
    assert!(outcome.stdout().contains("\nuser      corp/00u-ada at $external, if it took it\n"), "{outcome:?}");
}

#[test]
fn a_server_that_would_not_start_takes_no_token() {
    let setting = Setting::new();
    let token = setting.token(Minting::default());
    let path = setting.sandbox.home().join("mongod.conf");
    let good = entry(&IdentityProvider::workforce(setting.idp.issuer()));
    let without = |name: &str| {
        let mut entry = good.clone();
        entry.as_object_mut().unwrap().remove(name);
        json_object(&[entry])
    };
    for (text, place) in [
        (String::new(), "mongod.conf:1:1: the file is empty"),
        ("net:\n  port: 27017\n".to_owned(), "mongod.conf:1:1: no `oidcIdentityProviders` in it"),
        (without("audience"), "`audience` is missing"),
        (without("authNamePrefix"), "`authNamePrefix` is missing"),
        (json_object(&[good.clone(), good.clone()]), "mongod.conf:1:"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let outcome = setting.inspect(&token, &["--server-config", path.to_str().unwrap()]).exits(3);
        assert!(outcome.stderr().contains(place), "{text}: {outcome:?}");
        assert!(outcome.stderr().contains("run `mdb-login server check "), "{outcome:?}");
        assert_eq!(outcome.stdout(), "");
    }
    setting.inspect(&token, &["--server-config", "missing.conf"]).exits(3).says("cannot read `missing.conf`");
    assert_eq!(setting.idp.log().len(), 0, "nobody is asked");
}

#[test]
fn the_page_says_which_entry_it_was() {
    let setting = Setting::new();
    let token = setting.token(Minting::default());
    let path = setting.file(&token);
    let config = setting.sandbox.home().join("oidc.json");
    let entries: Vec<Value> = providers(setting.idp.issuer()).iter().map(entry).collect();
    std::fs::write(&config, json_object(&entries)).unwrap();
    let run = |path: &str| setting.sandbox.run(["inspect", path, "--server-config", config.to_str().unwrap()]);
    let page = run(path.to_str().unwrap()).exits(0).stdout();
    let (_, at_mongodb) = page.split_once("\nMongoDB\n").unwrap();
    let shown = at_mongodb.replace(setting.idp.issuer(), "[ISSUER]");
    assert_eq!(
        shown.split_whitespace().collect::<Vec<_>>().join(" "),
        "server takes the token provider test: [ISSUER], audience mongodb-tools user test/00u-ada at $external roles test/dba at admin"
    );
    let stranger = setting
        .token(Minting { claims: json!({ "iss": "https://x.example", "aud": "x" }).into(), ..Minting::default() });
    let page = run(setting.file(&stranger).to_str().unwrap()).exits(5).stdout();
    assert!(page.ends_with("\nMongoDB\nserver    refuses the token\nprovider  none of the server's\n"), "{page}");
}
