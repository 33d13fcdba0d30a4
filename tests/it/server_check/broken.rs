//! Broken configurations, and what is to be said of each. Expectations come from MongoDB's manual (`oidcIdentityProviders`,
//! `mongod.conf`) and the public source of its parsers, not from the program. `▸` stands where a finding has to point to,
//! and is no part of the file.

use serde_json::Value;

use super::{GOOD, object};
use crate::cases::each;
use crate::support::cmd::Sandbox;

/// A file and the findings that it must have, in order: `mark path: words`, of which the words may be the beginning.
pub(super) struct Row {
    pub text: String,
    pub release: &'static str,
    pub expected: &'static [&'static str],
    pub server: Server,
}

/// What a server does that is started from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// It starts if there is no failure, and not otherwise.
    Agrees,
    /// It starts although there is a failure, because nobody can sign in for this reason.
    StartsInVain(&'static str),
    /// It does not start although there are warnings only, for this reason.
    Refuses(&'static str),
    /// It is not started from this: another form, or another release than the test server's.
    IsNotAsked,
}

/// [`GOOD`] with the first occurrence of each text replaced.
pub(super) fn good(edits: &[(&str, &str)], expected: &'static [&'static str]) -> Row {
    let edited = edits.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "`{from}` is not in the file");
        text.replacen(from, to, 1)
    });
    file(&edited, expected)
}

/// A whole file.
pub(super) fn file(text: &str, expected: &'static [&'static str]) -> Row {
    Row { text: text.to_owned(), release: "8.0", expected, server: Server::Agrees }
}

impl Row {
    fn of(self, release: &'static str) -> Self {
        Self { release, server: Server::IsNotAsked, ..self }
    }

    /// For a release that the test server is like, and that knows more than the usual one of these rows.
    pub fn newer(self) -> Self {
        Self { release: "8.1", ..self }
    }

    fn starts_in_vain(self, why: &'static str) -> Self {
        Self { server: Server::StartsInVain(why), ..self }
    }

    fn refused(self, why: &'static str) -> Self {
        Self { server: Server::Refuses(why), ..self }
    }

    fn no_file(self) -> Self {
        Self { server: Server::IsNotAsked, ..self }
    }
}

/// The second provider for people, too, so that there are two.
const TWO_FOR_PEOPLE: (&str, &str) = ("\"supportsHumanFlows\": false", "\"clientId\": \"0oa2\"");

/// A JSON list with one good provider, for what it stands in.
pub(super) const LIST: &str = r#"[{"issuer": "https://a.example", "audience": "m", "authNamePrefix": "a", "clientId": "c", "authorizationClaim": "g"}]"#;

pub(super) fn rows() -> Vec<Row> {
    [fields(), issuers(), together(), releases(), json(), yaml(), parameters(), forms()].into_iter().flatten().collect()
}

/// What a field may hold, and which have to be there.
fn fields() -> Vec<Row> {
    let last = "\"authorizationClaim\": \"groups\"";
    let with = |field: &str, expected| good(&[(last, &format!("{last}, {field}"))], expected);
    vec![
        good(
            &[("[ {", "[ ▸{"), ("\"issuer\": \"https://login.example.com\",", "")],
            &["fail oidcIdentityProviders[0]: `issuer` is missing"],
        ),
        good(
            &[("[ {", "[ ▸{"), ("\"audience\": \"mongodb\",", "")],
            &["fail oidcIdentityProviders[0]: `audience` is missing"],
        ),
        good(
            &[("[ {", "[ ▸{"), ("\"authNamePrefix\": \"corp\",", "")],
            &["fail oidcIdentityProviders[0]: `authNamePrefix` is missing"],
        ),
        good(
            &[("[ {", "[ ▸{"), ("\"clientId\": \"0oa1\",", "")],
            &["fail oidcIdentityProviders[0]: `clientId` is missing: people sign in with it"],
        ),
        good(
            &[("[ {", "[ ▸{"), (last, "\"logClaims\": []")],
            &["fail oidcIdentityProviders[0]: `authorizationClaim` is missing"],
        ),
        good(&[("[ {", "[ ▸{"), ("\"0oa1\"", "null")], &["fail oidcIdentityProviders[0]: `clientId` is missing"]),
        good(&[("\"corp\"", "▸\"\"")], &["fail oidcIdentityProviders[0].authNamePrefix: is empty"])
            .starts_in_vain("users would have no prefix"),
        good(
            &[("\"corp\"", "▸\"corp/eu\"")],
            &["fail oidcIdentityProviders[0].authNamePrefix: `/` is not allowed in it"],
        ),
        good(&[("\"corp\"", "▸\"körp\"")], &["fail oidcIdentityProviders[0].authNamePrefix: `ö` is not allowed in it"]),
        good(
            &[("\"issuer\"", "▸\"issuerUri\"")],
            &["fail oidcIdentityProviders[0].issuerUri: unknown field `issuerUri`"],
        ),
        good(
            &[("\"clientId\"", "▸\"clientID\"")],
            &["fail oidcIdentityProviders[0].clientID: unknown field `clientID`"],
        ),
        with(
            "▸\"clientSecret\": \"hunter2\"",
            &["fail oidcIdentityProviders[0].clientSecret: unknown field `clientSecret`"],
        ),
        with("▸\"colour\": 1", &["fail oidcIdentityProviders[0].colour: unknown field `colour`"]),
        good(
            &[("\"0oa1\"", "\"0oa1\", ▸\"clientId\": \"0oa2\"")],
            &["fail oidcIdentityProviders[0].clientId: `clientId` is given twice"],
        ),
        good(&[("\"mongodb\"", "▸7")], &["fail oidcIdentityProviders[0].audience: must be a string, not 7"]),
        good(
            &[("\"mongodb\"", "▸[\"mongodb\"]")],
            &["fail oidcIdentityProviders[0].audience: must be a string, not a list"],
        ),
        good(
            &[("\"mongodb\"", "▸\"mongodb \"")],
            &["fail oidcIdentityProviders[0].audience: begins or ends with a blank"],
        )
        .starts_in_vain("no token has that audience"),
        with(
            "\"requestScopes\": ▸\"openid\"",
            &["fail oidcIdentityProviders[0].requestScopes: must be a list of strings, not a string"],
        ),
        with(
            "\"requestScopes\": [\"openid\", ▸2]",
            &["fail oidcIdentityProviders[0].requestScopes[1]: must be a string, not a number"],
        ),
        with(
            "\"requestScopes\": [▸\"a b\"]",
            &["warn oidcIdentityProviders[0].requestScopes[0]: a scope has no blanks in it"],
        ),
        with("\"requestScopes\": [\"a\", ▸\"\"]", &["fail oidcIdentityProviders[0].requestScopes[1]: is empty"])
            .starts_in_vain("no provider has that scope"),
        with(
            "\"logClaims\": ▸\"iss\"",
            &["fail oidcIdentityProviders[0].logClaims: must be a list of strings, not a string"],
        ),
        with(
            "\"logClaims\": [▸true]",
            &["fail oidcIdentityProviders[0].logClaims[0]: must be a string, not a boolean"],
        ),
        with(
            "\"JWKSPollSecs\": ▸-1",
            &["fail oidcIdentityProviders[0].JWKSPollSecs: must be a whole number of seconds, 0 or more, not -1"],
        ),
        with(
            "\"JWKSPollSecs\": ▸1.5",
            &["fail oidcIdentityProviders[0].JWKSPollSecs: must be a whole number of seconds, 0 or more, not 1.5"],
        ),
        with("\"JWKSPollSecs\": ▸3000000000", &["fail oidcIdentityProviders[0].JWKSPollSecs: must be a whole number"]),
        with(
            "\"JWKSPollSecs\": ▸\"60\"",
            &["fail oidcIdentityProviders[0].JWKSPollSecs: must be a whole number of seconds, 0 or more, not a string"],
        ),
        with(
            "▸\"JWKSMinimumQuiescePeriodSecs\": 60",
            &["fail oidcIdentityProviders[0].JWKSMinimumQuiescePeriodSecs: unknown field"],
        ),
        good(
            &[("\"supportsHumanFlows\": false", "\"supportsHumanFlows\": ▸\"false\"")],
            &["fail oidcIdentityProviders[1].supportsHumanFlows: must be true or false, not a string"],
        ),
        good(
            &[("\"useAuthorizationClaim\": false", "\"useAuthorizationClaim\": ▸0")],
            &["fail oidcIdentityProviders[1].useAuthorizationClaim: must be true or false, not 0"],
        ),
        good(
            &[("\"useAuthorizationClaim\": false", "\"useAuthorizationClaim\": false, \"authorizationClaim\": ▸\"g\"")],
            &["warn oidcIdentityProviders[1].authorizationClaim: is not used"],
        ),
        with(
            "\"serverCAFile\": ▸\"/ca.pem\"",
            &["warn oidcIdentityProviders[0].serverCAFile: only Percona Server for MongoDB knows this field"],
        ),
        good(
            &[("}, {", "}, ▸7, {"), ("\"corp\"", "\"c\"")],
            &["fail oidcIdentityProviders[1]: must be an object with the fields of an identity provider, not a number"],
        ),
    ]
}

/// Issuers that no token has.
fn issuers() -> Vec<Row> {
    let issuer = |text: &str, expected: &'static [&'static str]| {
        let row = good(&[("\"https://login.example.com\"", &format!("▸\"{text}\""))], expected);
        if expected[0].starts_with("fail") { row.starts_in_vain("no token has that issuer") } else { row }
    };
    let of_entra = |text: &str, expected: &'static [&'static str]| {
        let row = issuer(text, expected);
        Row { text: row.text.replacen("\"0oa1\"", "\"0oa1\", \"requestScopes\": [\"0oa1/.default\"]", 1), ..row }
    };
    const TENANT: &str = "11111111-2222-3333-4444-555555555555";
    vec![
        issuer("login.example.com", &["fail oidcIdentityProviders[0].issuer: must be an `https` URL"]),
        issuer("http://login.example.com", &["fail oidcIdentityProviders[0].issuer: must be an `https` URL"]),
        issuer("ftp://login.example.com", &["fail oidcIdentityProviders[0].issuer: must be an `https` URL"]),
        issuer(
            "http://localhost:8080",
            &["fail oidcIdentityProviders[0].issuer: an issuer without TLS is taken on this machine only"],
        ),
        issuer("https://login.example.com ", &["fail oidcIdentityProviders[0].issuer: begins or ends with a blank"]),
        issuer(
            "https://login.example.com/?x=1",
            &["fail oidcIdentityProviders[0].issuer: an issuer has no user name, no query and no fragment"],
        ),
        issuer("https://login.example.com/#x", &["fail oidcIdentityProviders[0].issuer: an issuer has no user name"]),
        issuer("https://ada@login.example.com", &["fail oidcIdentityProviders[0].issuer: an issuer has no user name"]),
        issuer(
            "https://login.example.com/.well-known/openid-configuration",
            &["fail oidcIdentityProviders[0].issuer: this is the address of the discovery document"],
        ),
        of_entra(
            &format!("https://login.microsoftonline.com/{TENANT}"),
            &["fail oidcIdentityProviders[0].issuer: Entra ID's tokens of version 2 have `/v2.0` at the end of `iss`"],
        ),
        of_entra(
            &format!("https://login.microsoftonline.com/{TENANT}/v2.0/"),
            &["fail oidcIdentityProviders[0].issuer: Entra ID's tokens of version 2 have `/v2.0` at the end of `iss`"],
        ),
        of_entra(
            "https://login.microsoftonline.com/common/v2.0",
            &["fail oidcIdentityProviders[0].issuer: no token has this issuer"],
        ),
        of_entra(
            "https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0",
            &["fail oidcIdentityProviders[0].issuer: Entra ID's tokens name the tenant in `iss` by its id"],
        ),
        of_entra(
            &format!("https://sts.windows.net/{TENANT}"),
            &["fail oidcIdentityProviders[0].issuer: Entra ID's tokens of version 1 have a `/` at the end"],
        ),
        of_entra(
            &format!("https://sts.windows.net/{TENANT}/"),
            &["warn oidcIdentityProviders[0].issuer: this is the issuer of Entra ID's tokens of version 1"],
        ),
        good(
            &[
                ("[ {", "[ ▸{"),
                ("https://login.example.com", &format!("https://login.microsoftonline.com/{TENANT}/v2.0")),
            ],
            &["warn oidcIdentityProviders[0].requestScopes: Entra ID gives a token for Microsoft Graph"],
        ),
        issuer(
            "https://example.okta.com",
            &["warn oidcIdentityProviders[0].issuer: tokens of Okta's org authorization server"],
        ),
        issuer("https://example.eu.auth0.com", &["warn oidcIdentityProviders[0].issuer: Auth0's tokens have a `/`"]),
        good(
            &[("\"https://accounts.google.com\"", "▸\"https://accounts.google.com/\"")],
            &["warn oidcIdentityProviders[1].issuer: Google's tokens have no `/`"],
        ),
    ]
}

/// What is wrong with several only.
fn together() -> Vec<Row> {
    let same_issuer = ("https://accounts.google.com", "https://login.example.com");
    let patterns = |first: &str, second: &str, expected| {
        let (first, second) =
            (format!("\"0oa1\", \"matchPattern\": {first}"), format!("\"0oa2\", \"matchPattern\": {second}"));
        good(&[TWO_FOR_PEOPLE, ("\"0oa1\"", &first), ("\"0oa2\"", &second)], expected)
    };
    vec![
        good(
            &[("\"gcp\"", "▸\"corp\"")],
            &[
                "warn oidcIdentityProviders[1].authNamePrefix: `oidcIdentityProviders[0]` has the same prefix: whoever has a name",
            ],
        ),
        good(
            &[same_issuer, ("\"gcp\"", "▸\"corp\"")],
            &["warn oidcIdentityProviders[1].authNamePrefix: `oidcIdentityProviders[0]` has the same prefix"],
        ),
        good(
            &[same_issuer, ("\"reports\"", "▸\"mongodb\"")],
            &[
                "fail oidcIdentityProviders[1].audience: `oidcIdentityProviders[0]` has the same issuer and the same audience",
            ],
        ),
        good(
            &[same_issuer, ("\"reports\"", "\"reports\", \"JWKSPollSecs\": ▸60")],
            &["fail oidcIdentityProviders[1].JWKSPollSecs: is 60, and 0 in `oidcIdentityProviders[0]`"],
        ),
        good(
            &[same_issuer, ("\"mongodb\"", "\"mongodb\", \"JWKSPollSecs\": 60"), ("}, {", "}, ▸{")],
            &["fail oidcIdentityProviders[1].JWKSPollSecs: is 0, and 60 in `oidcIdentityProviders[0]`"],
        ),
        good(
            &[TWO_FOR_PEOPLE, ("[ {", "[ ▸{"), ("}, {", "}, ▸{")],
            &[
                "fail oidcIdentityProviders[0]: `matchPattern` is missing: with several providers for people each needs one",
                "fail oidcIdentityProviders[1]: `matchPattern` is missing",
            ],
        ),
        good(
            &[TWO_FOR_PEOPLE, ("\"0oa1\"", "\"0oa1\", \"matchPattern\": \"@a$\""), ("}, {", "}, ▸{")],
            &["fail oidcIdentityProviders[1]: `matchPattern` is missing"],
        ),
        patterns(
            "\"@a$\"",
            "▸\"(1$\"",
            &["fail oidcIdentityProviders[1].matchPattern: is no regular expression: unbalanced parenthesis"],
        ),
        patterns("▸\"*@a\"", "\"@b$\"", &["fail oidcIdentityProviders[0].matchPattern: is no regular expression"]),
        patterns(
            "▸\"[a\"",
            "\"@b$\"",
            &["fail oidcIdentityProviders[0].matchPattern: is no regular expression: unbalanced bracket"],
        ),
        patterns(
            "▸\"(?i)@a$\"",
            "\"@b$\"",
            &["warn oidcIdentityProviders[0].matchPattern: Percona Server for MongoDB refuses flags in a pattern"],
        ).refused("Percona's regular expressions are ECMAScript's"),
        patterns(
            "\"@a$\"",
            "▸\"@a$\"",
            &[
                "warn oidcIdentityProviders[1].matchPattern: is never reached: the pattern of `oidcIdentityProviders[0]` comes first",
            ],
        ),
        patterns("\".*\"", "▸\"@a$\"", &["warn oidcIdentityProviders[1].matchPattern: is never reached"]),
        good(
            &[("\"reports\"", "\"reports\", \"matchPattern\": ▸\"@b$\"")],
            &[
                "warn oidcIdentityProviders[1].matchPattern: Percona Server for MongoDB refuses a pattern behind `oidcIdentityProviders[0]`",
            ],
        ).refused("the order is a rule of Percona's"),
    ]
}

/// What older servers do not know.
fn releases() -> Vec<Row> {
    let same_issuer = |row: &'static [&'static str]| {
        good(&[("\"https://accounts.google.com\"", "▸\"https://login.example.com\"")], row)
    };
    let switches: &[(&str, &str)] = &[("Flows\": false", "Flows\": ▸false"), ("Claim\": false", "Claim\": ▸false")];
    let unknown: &[&str] = &[
        "fail oidcIdentityProviders[1].supportsHumanFlows: MongoDB 7.0.4 does not know this field: it came with 7.0.5 and 7.2.0",
        "fail oidcIdentityProviders[1].useAuthorizationClaim: MongoDB 7.0.4 does not know this field",
    ];
    vec![
        good(switches, unknown).of("7.0.4"),
        good(switches, &["fail oidcIdentityProviders[1].supportsHumanFlows: MongoDB 7.1", "fail oidcIdentityProviders[1].useAuthorizationClaim: MongoDB 7.1"]).of("7.1"),
        same_issuer(&["fail oidcIdentityProviders[1].issuer: `oidcIdentityProviders[0]` has the same issuer, which is allowed from MongoDB 8.0 on"]).of("7.2"),
        same_issuer(&["warn oidcIdentityProviders[1].issuer: `oidcIdentityProviders[0]` has the same issuer"]).of("7.0.16"),
        good(&[("setParameter:\n", "setParameter:\n  ▸JWKSMinimumQuiescePeriodSecs: 0\n")], &["warn JWKSMinimumQuiescePeriodSecs: MongoDB 8.0 may not know this parameter"]),
    ]
}

/// A file with this in the list's string.
fn within(json: &str, expected: &'static [&'static str]) -> Row {
    valued(&format!("'{json}'"), expected)
}

/// A file with this as the list's value, and nothing wrong around it.
fn valued(value: &str, expected: &'static [&'static str]) -> Row {
    let head = "setParameter:\n  authenticationMechanisms: SCRAM-SHA-256,MONGODB-OIDC\n  oidcIdentityProviders: ";
    file(&format!("{head}{value}\n"), expected)
}

/// MongoDB's JSON within the string (`fromjson`).
fn json() -> Vec<Row> {
    vec![
        good(
            &[("\"groups\"", "\"groups\"▸,")],
            &["fail oidcIdentityProviders: not JSON: a comma before `}`, with no value behind it"],
        ),
        good(&[("} ]'", "}▸, ]'")], &["fail oidcIdentityProviders: not JSON: a comma before `]`"]),
        good(
            &[("\"mongodb\",", "\"mongodb\""), ("\"authNamePrefix\"", "▸\"authNamePrefix\"")],
            &["fail oidcIdentityProviders: not JSON: expected `,` or `}`, found `\"`"],
        ),
        good(&[("\"mongodb\"", "▸mongodb")], &["fail oidcIdentityProviders: not JSON: `mongodb` is no value"]),
        good(
            &[("\"useAuthorizationClaim\": false", "\"useAuthorizationClaim\": ▸False")],
            &["fail oidcIdentityProviders: not JSON: `False` is no value"],
        ),
        good(&[("\"mongodb\"", "▸“mongodb”")], &["fail oidcIdentityProviders: not JSON: expected a value, found `“`"]),
        good(&[("\"issuer\":", "\"issuer\" ▸=")], &["fail oidcIdentityProviders: not JSON: expected `:`, found `=`"]),
        good(
            &[("[ {", "[ {\n      ▸// ours")],
            &["fail oidcIdentityProviders: not JSON: expected a field's name in quotation marks, found `/`"],
        ),
        good(
            &[("\"mongodb\"", "\"mongo▸\tdb\"")],
            &["fail oidcIdentityProviders: not JSON: a line break or another control character within a string"],
        ),
        good(
            &[("\"mongodb\"", "\"\\▸x41\"")],
            &["fail oidcIdentityProviders: not JSON: the server knows no hexadecimal and no octal escape"],
        ),
        good(
            &[("\"mongodb\"", "\"\\▸u12\"")],
            &["fail oidcIdentityProviders: not JSON: four hexadecimal digits must follow"],
        ),
        good(&[("} ]'", "} ]▸}'")], &["warn oidcIdentityProviders: `}` behind the end is not read by the server"]),
        good(&[("} ]'", "}▸'")], &["fail oidcIdentityProviders: not JSON: `,` or `]` is missing, and the text ends"]),
        within("▸{}", &["fail oidcIdentityProviders: must be a list, not an object"]),
        within("▸7", &["fail oidcIdentityProviders: must be a list, not a number"]),
        within("▸", &["fail oidcIdentityProviders: not JSON: a value is missing, and the text ends"]),
        within(
            &format!("{}▸{}", "[".repeat(51), "[".repeat(9)),
            &["fail oidcIdentityProviders: not JSON: more than 50 values within each other"],
        ),
    ]
}

/// YAML around it.
fn yaml() -> Vec<Row> {
    vec![
        valued(
            "▸[ { issuer: \"https://a.example\", audience: m, authNamePrefix: a, clientId: c, authorizationClaim: g } ]",
            &["fail oidcIdentityProviders: must be a string, not a list: the server refuses to start"],
        ),
        valued("▸{ issuer: \"https://a.example\" }", &["fail oidcIdentityProviders: must be a string, not an object"]),
        valued(
            "▸{ __exec: /bin/idps, type: string }",
            &["warn oidcIdentityProviders: comes from elsewhere when the server starts"],
        ).refused("only `--configExpand` allows it"),
        valued("▸5", &["fail oidcIdentityProviders: must be a list, not a number"]),
        valued("▸~", &["fail oidcIdentityProviders: must be a list, not null"]),
        valued(
            "▸!mine 'x'",
            &["fail oidcIdentityProviders: is a value with the tag `!mine`, which is not followed here"],
        ),
        valued("&idps '▸[]'", &["warn oidcIdentityProviders: the list is empty"]),
        file(
            "idps: &idps 'x'\nsetParameter:\n  authenticationMechanisms: A,MONGODB-OIDC\n  oidcIdentityProviders: ▸*idps\n",
            &["fail oidcIdentityProviders: is an alias (`*`), which is not followed here"],
        ),
        good(
            &[("oidcIdentityProviders: '", "oidcIdentityProviders: '▸[]'\n  ▸oidcIdentityProviders: '")],
            &[
                "warn oidcIdentityProviders: the list is empty",
                "fail setParameter.oidcIdentityProviders: `oidcIdentityProviders` stands in line 5 already",
            ],
        ),
        good(
            &[("net:\n  port: 27017\n", "net:\n  port: 27017\n  ▸port: 27018\n")],
            &["fail net.port: `port` stands in line 2 already"],
        ),
        good(&[("} ]'\n", "} ]'\n▸---\nx: y\n")], &["warn : another document starts here"]),
        good(&[("port: 27017", "port: a▸: b")], &["fail : not YAML: mapping values are not allowed in this context"]),
        good(
            &[("'[ {", "▸'[ {"), ("} ]'\n", "} ]\n")],
            &["fail : not YAML: while scanning a quoted scalar, found unexpected end of stream"],
        ),
        file(&format!("{{\"setParameter\": {{\"authenticationMechanisms\": \"A,MONGODB-OIDC\", \"oidcIdentityProviders\": ▸{LIST}}}}}"), &["fail oidcIdentityProviders: must be a string, not a list"]),
        file(
            &format!("systemLog:\n  path: &idps '{LIST}'\nsetParameter:\n  authenticationMechanisms: A,MONGODB-OIDC\n  oidcIdentityProviders: ▸*idps\n"),
            &["fail oidcIdentityProviders: is an alias (`*`), which is not followed here"],
        )
        .starts_in_vain("of the program alone: it follows no alias"),
        file("▸just words\n", &["fail : this is no configuration of a server"]),
        file(
            "- ▸a\n- ▸b\n",
            &["fail oidcIdentityProviders[0]: must be an object", "fail oidcIdentityProviders[1]: must be an object"],
        ),
        file("▸", &["fail : the file is empty"]).starts_in_vain("nothing is set"),
        file("▸ \n\n", &["fail : the file is empty"]).starts_in_vain("nothing is set"),
        file("▸net:\n  port: 27017\n", &["fail : no `oidcIdentityProviders` in it"]).starts_in_vain("no provider is set"),
    ]
}

/// The parameters beside the list, and where it may stand.
fn parameters() -> Vec<Row> {
    let mechanisms = |text: &str, expected| good(&[("SCRAM-SHA-256,MONGODB-OIDC", text)], expected);
    vec![
        mechanisms("▸SCRAM-SHA-256", &["fail authenticationMechanisms: MONGODB-OIDC is not in it"])
            .starts_in_vain("the mechanism is not on"),
        mechanisms("▸SCRAM-SHA-256,MONGODB_OIDC", &["fail authenticationMechanisms: MONGODB-OIDC is not in it"])
            .starts_in_vain("the mechanism is not on"),
        mechanisms("▸MONGODB-OIDC", &["warn authenticationMechanisms: MONGODB-OIDC is the only mechanism"]),
        mechanisms("▸SCRAM-SHA-256, MONGODB-OIDC", &["warn authenticationMechanisms: a blank beside a comma"]),
        mechanisms("▸[SCRAM-SHA-256, MONGODB-OIDC]", &["fail authenticationMechanisms: must be a string, not a list"]),
        good(
            &[("  authenticationMechanisms: SCRAM-SHA-256,MONGODB-OIDC\n  oidc", "  ▸oidc")],
            &["warn : `authenticationMechanisms` is not set here"],
        ),
        good(
            &[("setParameter:\n", "setParameter:\n  JWKSMinimumQuiescePeriodSecs: ▸-1\n")],
            &["fail JWKSMinimumQuiescePeriodSecs: must be a whole number of seconds, 0 or more"],
        ),
        good(
            &[("oidcIdentityProviders:", "▸oidcIdentityProvider:")],
            &["fail oidcIdentityProvider: unknown parameter `oidcIdentityProvider`"],
        ),
        good(
            &[("setParameter:\n", "security:\n"), ("oidcIdentityProviders:", "▸oidcIdentityProviders:")],
            &["fail security.oidcIdentityProviders: `oidcIdentityProviders` belongs under `setParameter`"],
        ),
        file(
            &format!("net:\n  port: 1\n▸oidcIdentityProviders: '{LIST}'\n"),
            &["fail oidcIdentityProviders: a server's file has this under `setParameter`"],
        ),
        file("a: &a {}\nsetParameter: ▸*a\n", &["fail setParameter: is an alias (`*`), which is not followed here"])
            .starts_in_vain("of the program alone: it follows no alias"),
    ]
}

/// The other forms in which the list comes.
fn forms() -> Vec<Row> {
    let bad = |text: &str| text.replace("\"m\"", "▸\" m\"");
    let blank: &[&str] = &["fail oidcIdentityProviders[0].audience: begins or ends with a blank"];
    let rows = vec![
        file(&bad(LIST), blank),
        file(&bad(&format!("{{\n  \"oidcIdentityProviders\": {LIST}\n}}")), blank),
        file(&bad(&format!("\u{feff}{LIST}\r\n")), blank),
        file(&bad(&LIST.replace("}]", "}\r\n]").replace(", ", ",\r\n")), blank),
        file(&format!("{{\"setParameter\": 1, \"oidcIdentityProviders\": {}}}", bad(LIST)), blank),
        file(&bad(&format!("mongod --auth --setParameter authenticationMechanisms=A,MONGODB-OIDC \\\n  --setParameter 'oidcIdentityProviders={LIST}'\n")), blank),
        file(
            &format!("mongod --setParameter authenticationMechanisms=A,MONGODB-OIDC --setParameter oidcIdentityProviders={LIST}").replace(": \"https", ":▸ \"https"),
            &["fail oidcIdentityProviders: not JSON: a value is missing, and the text ends"],
        ),
        file("mongod --setParameter ▸'oidcIdentityProviders=[]\n", &["fail : a quotation mark opens here, and none closes it"]),
        file("▸mongod --config /etc/mongod.conf", &["fail : no `oidcIdentityProviders` in it"]),
        file(
            r#"{"auth": {"deploymentAuthMechanisms": ▸["SCRAM-SHA-256"]}, "oidcProviderConfigs": [▸{"authNamePrefix": "a", "audience": "m", "issuerUri": "https://a.example", ▸"audienc": 1, "userClaim": "sub", "groupsClaim": "g"}]}"#,
            &[
                "fail deploymentAuthMechanisms: MONGODB-OIDC is not in it",
                "fail oidcProviderConfigs[0]: `clientId` is missing",
                "fail oidcProviderConfigs[0].audienc: unknown field `audienc`",
            ],
        ),
        file(
            r#"{"auth": {"deploymentAuthMechanisms": ["SCRAM-SHA-256", "MONGODB-OIDC"]}, "oidcProviderConfigs": [{"authNamePrefix": "a", "audience": "m", ▸"issuer": "https://a.example", "clientId": "c", "useAuthorizationClaim": false}]}"#,
            &["fail oidcProviderConfigs[0].issuer: unknown field `issuer`"],
        ),
    ];
    rows.into_iter().map(Row::no_file).collect()
}

/// The text without marks, and the places of the marks: line and column from 1, in characters.
pub(super) fn unmarked(text: &str) -> (String, Vec<(u64, u64)>) {
    let (mut plain, mut places, mut line, mut column) = (String::new(), Vec::new(), 1, 1);
    for c in text.chars() {
        match c {
            '▸' => {
                places.push((line, column));
                continue;
            }
            '\n' => (line, column) = (line + 1, 1),
            // No editor counts a byte order mark.
            '\u{feff}' => {}
            _ => column += 1,
        }
        plain.push(c);
    }
    (plain, places)
}

#[test]
fn every_broken_file_is_told_where_and_why() {
    let rows = rows();
    assert!(rows.len() >= 40, "{}", rows.len());
    let sandbox = Sandbox::new();
    each(rows.into_iter().enumerate(), |(number, row)| {
        let (text, places) = unmarked(&row.text);
        let name = format!("{number}.conf");
        std::fs::write(sandbox.home().join(&name), &text).unwrap();
        let arguments = ["server", "check", "--server-version", row.release, &name];
        let fails = row.expected.iter().position(|expected| expected.starts_with("fail "));
        let code = if fails.is_some() { 3 } else { 0 };

        let outcome = sandbox.run([&arguments[..], &["--json"]].concat()).exits(code);
        let object = object(&outcome);
        let findings = object["findings"].as_array().unwrap();
        let said = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
        let shown: Vec<String> = findings
            .iter()
            .map(|one| format!("{} {}: {}", said(one, "mark"), said(one, "path"), said(one, "message")))
            .collect();
        let matches = shown.len() == row.expected.len()
            && shown.iter().zip(row.expected).all(|(shown, words)| shown.starts_with(words));
        assert!(matches, "{text}\nis: {shown:#?}\nshould be: {:#?}", row.expected);
        let found: Vec<(u64, u64)> =
            findings.iter().map(|one| (one["line"].as_u64().unwrap(), one["column"].as_u64().unwrap())).collect();
        assert_eq!(found, places, "{text}\n{shown:#?}");
        assert_eq!(object["ok"], code == 0, "{text}");

        let outcome = sandbox.run(arguments).exits(code);
        assert!(!outcome.text().contains("hunter2"), "{outcome:?}");
        let first = fails.map(|first| format!("error: {name}:{}:{}: ", places[first].0, places[first].1));
        let stderr = outcome.stderr();
        assert_eq!(stderr.lines().count(), usize::from(first.is_some()), "{outcome:?}");
        assert!(stderr.starts_with(&first.unwrap_or_default()), "{outcome:?}");
    });
}
