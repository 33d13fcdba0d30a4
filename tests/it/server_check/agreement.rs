//! `mdb-login server check` and a server that is started from the same file: what the one calls a failure the other refuses,
//! and it starts with all else. Where they differ, the row says why.

use super::broken::{LIST, Row, Server, file, good, rows, unmarked};
use crate::cases::each;
use crate::support::cmd::Sandbox;
use crate::support::mongod::Mongod;

/// Files that both take, without a word.
fn taken() -> Vec<Row> {
    let set = |text: &str| {
        file(&format!("setParameter:\n  authenticationMechanisms: SCRAM-SHA-256,MONGODB-OIDC\n  {text}\n"), &[])
    };
    let list = |value: &str| set(&format!("oidcIdentityProviders: {value}"));
    let last = "\"authorizationClaim\": \"groups\"";
    vec![
        good(&[], &[]),
        list(&format!("'{LIST}'")),
        list(&format!("{:?}", LIST)),
        list(&format!("|\n    {}", LIST.replace(", ", ",\n    "))),
        list(&format!(">-\n    {}", LIST.replace(", ", ",\n    "))),
        list(&format!("'{}'", LIST.replace(", ", ",\n\n      "))),
        list(&format!("\"{}\"", LIST.replace('"', "'"))),
        list(
            "\"[{issuer: 'https://a.example', audience:'m', authNamePrefix :'a', clientId: 'c', authorizationClaim: 'g'}]\"",
        ),
        list(&format!("'{}'", LIST.replace("}]", ", \"JWKSPollSecs\": NumberInt(60), \"matchPattern\": null}]"))),
        list(&format!("'{}'", LIST.replace("\"m\"", "\"\\u006d\\\\\\/\""))),
        list(&format!("!!str &idps '{LIST}'")),
        set(&format!("JWKSMinimumQuiescePeriodSecs: '0'\n  oidcIdentityProviders: '{LIST}'")).newer(),
        set(&format!(
            "enableTestCommands: 1\n  oidcIdentityProviders: '{}'",
            LIST.replace("https://a.example", "http://127.0.0.1:9")
        )),
        file(
            &format!(
                "# ours\n---\nsetParameter: {{ authenticationMechanisms: \"PLAIN,MONGODB-OIDC\", oidcIdentityProviders: '{LIST}' }}\n..."
            ),
            &[],
        ),
        file(
            &format!(
                "{{\"setParameter\": {{\"authenticationMechanisms\": \"PLAIN,MONGODB-OIDC\", \"oidcIdentityProviders\": {LIST:?}}}}}"
            ),
            &[],
        ),
        good(&[("https://accounts.google.com", "https://login.example.com")], &[]),
        good(
            &[(
                last,
                &format!("{last}, \"requestScopes\": [], \"logClaims\": [\"iss\", \"sub\"], \"JWKSPollSecs\": 86400"),
            )],
            &[],
        ),
        good(
            &[
                ("\"0oa1\"", "\"0oa1\", \"matchPattern\": \"@(?!b)[a-c]+\\\\.example$\""),
                ("\"supportsHumanFlows\": false", "\"clientId\": \"c\", \"matchPattern\": \"@b\\\\.example$\""),
            ],
            &[],
        ),
    ]
}

#[test]
fn check_and_server_agree_on_every_file() {
    let sandbox = Sandbox::new();
    let asked = taken().into_iter().chain(rows()).filter(|row| row.server != Server::IsNotAsked);
    let asked: Vec<Row> = asked.collect();
    assert!(asked.len() >= 100, "{}", asked.len());
    each(asked.into_iter().enumerate(), |(number, row)| {
        let (text, _) = unmarked(&row.text);
        let name = format!("{number}.conf");
        std::fs::write(sandbox.home().join(&name), &text).unwrap();
        let outcome = sandbox.run(["server", "check", "--server-version", row.release, &name]);
        let start = Mongod::start_from_config(&text, |_| {}).map(drop);
        let passes = match row.server {
            Server::Agrees => start.is_ok(),
            Server::StartsInVain(_) => {
                assert_eq!(start, Ok(()), "{text}");
                false
            }
            Server::Refuses(_) => {
                assert!(start.is_err(), "{text}");
                true
            }
            Server::IsNotAsked => unreachable!(),
        };
        assert_eq!(outcome.code(), Some(if passes { 0 } else { 3 }), "{start:?} for\n{text}\n{outcome:?}");
        if row.expected.is_empty() {
            assert!(passes && !outcome.stdout().contains("warn"), "{outcome:?}");
        }
    });
}
