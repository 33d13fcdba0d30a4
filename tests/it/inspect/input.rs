//! Where the token comes from, what is known of the server, and what is kept back: everything but the rules themselves.

use std::time::Duration;

use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

use super::{Setting, object, rules};
use crate::cases::each;
use crate::mongod::keys::{sign_by_rsa, signed_text};
use crate::signed_in::{SignedIn, sign_in};
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::{CLIENT_ID, Endpoint, Idp, Key, Minting, Patch, jwt};
use crate::support::mongod::Mongod;

/// Ada's token with these claims.
fn with_claims(setting: &Setting, change: Value) -> String {
    setting.token(Minting { claims: change.into(), ..Minting::default() })
}

/// Header and claims of somebody's provider, under a signature of nobody's.
fn unsigned(claims: &Value) -> String {
    signed_text(&json!({ "alg": "RS256", "kid": "1", "typ": "JWT" }).to_string(), &claims.to_string(), |_| vec![7; 256])
}

#[test]
fn the_session_s_own_token_is_judged_and_its_server_agrees() {
    let ada = SignedIn::new();
    let server = Mongod::start(&ada.idp);
    let outcome = ada.run(["inspect", "--prefix", "test", "--json"]).exits(0);
    assert_eq!(outcome.stderr(), "");
    let object = object(&outcome);
    let token = ada.token();
    assert_eq!(object["token"], json!({ "header": jwt::header(&token), "claims": jwt::claims(&token) }));
    let rules = object["rules"].as_array().unwrap();
    let names: Vec<&str> = rules.iter().map(|rule| rule["rule"].as_str().unwrap()).collect();
    let expected = [
        "form",
        "length",
        "type",
        "algorithm",
        "key_id",
        "issuer",
        "audience",
        "subject",
        "expiry",
        "not_before",
        "key_set",
        "key",
        "signature",
        "principal",
        "groups",
        "clock",
        "lifetime",
        "purpose",
    ];
    assert_eq!(names, expected);
    assert!(rules.iter().all(|rule| rule["result"] == "ok" && rule["mend"].is_null()), "{rules:#?}");
    let mut rest = object.clone();
    for known in ["token", "rules"] {
        rest.as_object_mut().unwrap().remove(known);
    }
    let expected = json!({
        "schema": 1,
        "provider": { "issuer": ada.idp.issuer(), "audience": CLIENT_ID, "prefix": "test" },
        "user": "test/00u-ada",
        "roles": ["test/dba"],
        "accepted": true,
    });
    assert_eq!(rest, expected);
    let verified: Value =
        serde_json::from_slice(&ada.run(["verify", &server.uri(), "--json"]).exits(0).stdout).unwrap();
    assert_eq!((&verified["user"], &verified["roles"][0]["role"]), (&object["user"], &object["roles"][0]));
}

#[test]
fn not_signed_in_is_said_as_elsewhere() {
    Setting::new().sandbox.run(["inspect"]).is("
        exit 4
        --- stderr
        error: not signed in to `[ISSUER]`
        hint: run `mdb-login login`
    ");
}

/// What is pasted is not what a driver sends, so what came along with it is a warning; a file is sent as it is.
#[test]
fn what_stands_around_a_token_on_stdin_is_warned_of() {
    type Wrap = fn(&str) -> String;
    let rows: Vec<(&str, Wrap)> = vec![
        ("there is a line break behind it", |token| format!("{token}\n")),
        ("there are quotes around it", |token| format!("\"{token}\"")),
        ("there is `Bearer` in front of it, as in an HTTP header", |token| format!("Authorization: Bearer {token}")),
        ("it stands in a JSON object, as `access_token`", |token| {
            json!({ "access_token": token, "refresh_token": "canary", "id_token": "x.y.z" }).to_string()
        }),
        ("it stands in a JSON object, as `id_token`", |token| json!({ "id_token": token }).to_string()),
    ];
    each(rows, |(said, wrap)| {
        let setting = Setting::new();
        let text = wrap(&setting.token(Minting::default()));
        let outcome = setting.sandbox.run_with(["inspect", "-", "--json"], text.as_bytes()).exits(0);
        let object = object(&outcome);
        let around = rules(&object, "warn");
        assert_eq!(around, [format!("form: {said}")]);
        assert_eq!(object["accepted"], true);
        assert!(!outcome.stdout().contains("canary"));
        // As a file for drivers, the same would be refused.
        setting.inspect(&text, &[]).exits(5).says(said);
    });
}

#[test]
fn a_token_on_the_command_line_is_refused_and_not_repeated() {
    let setting = Setting::new();
    let token = setting.token(Minting::default());
    let rows = [
        vec!["inspect".to_owned(), token.clone()],
        vec!["inspect".to_owned(), "prod".to_owned(), token.clone()],
        vec![token.clone()],
        vec!["inspect".to_owned(), format!("Bearer {token}")],
        vec!["inspect".to_owned(), format!("--prefix={token}")],
        vec!["status".to_owned(), "--profile".to_owned(), token.clone()],
        vec!["inspect".to_owned(), format!("{{\"access_token\":\"{token}\"}}")],
        // Encrypted: header, key, vector, text, tag.
        vec!["inspect".to_owned(), "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkExMjhHQ00ifQ.a.b.c.d".to_owned()],
    ];
    for arguments in rows {
        for more in [vec![], vec!["--json".to_owned()]] {
            let outcome =
                setting.sandbox.run(arguments.iter().chain(&more)).exits(2).says("a token is refused as an argument");
            assert!(outcome.stderr().contains("`mdb-login inspect -` reads it from stdin"), "{outcome:?}");
            keeps_back(&token, &outcome);
            assert!(!outcome.stderr().contains("eyJ"), "{outcome:?}");
        }
    }
    // What is behind the dashes belongs to somebody else.
    let outcome = setting.sandbox.run(["exec", "--print-env", "--", "true", &token]);
    assert!(!outcome.stderr().contains("refused as an argument"), "{outcome:?}");
}

#[cfg(unix)]
#[test]
fn a_token_is_not_asked_for_at_the_terminal() {
    use crate::support::terminal::Terminal;
    let (code, said) = Terminal::start(&Setting::new().sandbox, ["inspect", "-"]).wait();
    assert_eq!(code, Some(2));
    assert!(
        said.contains("stdin is a terminal") && said.contains("hint: pipe it: `pbpaste | mdb-login inspect -`"),
        "{said}"
    );
}

#[test]
fn a_word_is_a_profile_first_and_a_file_second() {
    let setting = Setting::new();
    let token = setting.token(Minting::default());
    for name in ["prod", "token.jwt"] {
        std::fs::write(setting.sandbox.home().join(name), &token).unwrap();
    }
    let run = |arguments: &[&str]| setting.sandbox.run(["inspect"].iter().chain(arguments));
    run(&["prod"]).exits(0);
    run(&["token.jwt"]).exits(0);
    run(&["./prod"]).exits(0);
    setting.sandbox.write_config(&format!(
        "[profile.prod]\nissuer = '{0}'\nclient_id = '{CLIENT_ID}'\n[profile.other]\nissuer = '{0}'\nclient_id = 'other'\n",
        setting.idp.issuer()
    ));
    run(&["prod"]).exits(4).says("not signed in to profile `prod`");
    run(&["./prod"]).exits(0);
    // The profile says what to expect, the file has the token.
    let mut sandbox = Sandbox::new();
    sandbox.write_config(&std::fs::read_to_string(setting.sandbox.config_dir().join("config.toml")).unwrap());
    let path = setting.sandbox.home().join("token.jwt");
    let path = path.to_str().unwrap();
    sandbox.run(["inspect", path, "--profile", "prod"]).exits(0);
    sandbox.run(["inspect", path, "--profile", "other"]).exits(5).says("it is for `mongodb-tools`, not for `other`");
    sandbox.env("MDB_LOGIN_PROFILE", "prod");
    sandbox.run(["inspect", path]).exits(0);
    sandbox.run(["inspect", "prod", "--profile", "other"]).exits(2).says("name different profiles");
    sandbox.run(["inspect", "nobody"]).exits(3).says("there is no profile called `nobody`");
}

#[test]
fn files_that_hold_no_token_are_named() {
    let setting = Setting::new();
    let home = setting.sandbox.home();
    std::fs::write(home.join("large"), vec![b'x'; 3 << 20]).unwrap();
    std::fs::create_dir(home.join("folder")).unwrap();
    for (path, cause) in [
        ("./missing", "No such file or directory"),
        ("missing.jwt", "No such file or directory"),
        ("./folder", "directory"),
        ("./large", "it is larger than 2 MiB, and no token is"),
        ("./a\u{1b}[2J", "No such file or directory"),
    ] {
        let outcome = setting.sandbox.run(["inspect", path]).exits(1).says("cannot read the token from `");
        assert!(outcome.stderr().contains(cause) && !outcome.stderr().contains('\u{1b}'), "{outcome:?}");
        assert_eq!(outcome.stdout(), "");
        let hints = outcome.stderr().contains("hint: TARGET is a file, a profile, or a connection string");
        assert_eq!(hints, cause.starts_with("No such"), "{outcome:?}");
    }
    setting.sandbox.run_with(["inspect", "-"], &vec![b'x'; 3 << 20]).exits(1).says("cannot read the token from stdin");
}

#[test]
fn without_an_expectation_it_is_decoded_and_nothing_is_promised() {
    let setting = Setting::new();
    let token = setting.token(Minting::default());
    let sandbox = Sandbox::new();
    let outcome = sandbox.run_with(["inspect", "-", "--json"], token.as_bytes()).exits(3);
    assert!(outcome.stderr().contains("nobody has said what the MongoDB server expects"), "{outcome:?}");
    let said = object(&outcome);
    assert_eq!((&said["accepted"], &said["user"], &said["provider"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(said["token"]["claims"]["sub"], "00u-ada");
    let skipped = rules(&said, "skip");
    assert!(skipped[0].starts_with("issuer: it is `http://127.0.0.1:"), "{skipped:?}");
    // Nobody is asked whom only the token names.
    assert_eq!(setting.idp.log().len(), 0);
    let graph = with_claims(&setting, json!({ "aud": "https://graph.microsoft.com" }));
    sandbox.run_with(["inspect", "-"], graph.as_bytes()).exits(5).says("(Microsoft Graph), not for any MongoDB server");
    // Said on the command line, it is enough.
    let flags = ["inspect", "-", "--issuer", setting.idp.issuer(), "--audience", CLIENT_ID];
    let token = setting.token(Minting::default());
    sandbox.run_with(flags, token.as_bytes()).exits(0);
}

#[test]
fn the_provider_that_is_expected_is_asked_and_no_other() {
    let (setting, stranger) = (Setting::new(), Setting::new());
    let token = stranger.token(Minting::default());
    let outcome = setting.inspect(&token, &[]).exits(5);
    assert_eq!(rules(&object(&outcome), "fail").len(), 1, "{outcome:?}");
    let skipped = rules(&object(&outcome), "skip");
    assert_eq!(skipped, ["key: it is from another issuer", "signature: it is from another issuer"]);
    assert_eq!((setting.idp.log().len(), stranger.idp.log().len()), (2, 0));
}

#[test]
fn offline_asks_nobody_and_says_what_is_missing() {
    let ada = SignedIn::new();
    let asked = ada.requests();
    let outcome = ada.run(["inspect", "--offline", "--json"]).exits(7);
    let error: Value = serde_json::from_slice(&outcome.stderr).unwrap();
    assert_eq!(error["error"]["message"], "it cannot be said whether a MongoDB server would take this token");
    assert_eq!(error["error"]["causes"], json!(["nobody was asked (`--offline`)"]));
    assert_eq!(object(&outcome)["accepted"], Value::Null);
    assert_eq!(object(&outcome)["user"], "<prefix>/00u-ada");
    let expired = json!({ "exp": 1_000_000_000 }).into();
    ada.idp.change(|behaviour| behaviour.access_token.claims = expired);
    let token = ada.idp.access_token("ada");
    ada.sandbox.run_with(["inspect", "-", "--offline"], token.as_bytes()).exits(5).says("it expired");
    assert_eq!(ada.requests(), asked);
    // A token that has to be renewed is not there.
    let stale = SignedIn::with(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(1));
    std::thread::sleep(Duration::from_millis(1100));
    let asked = stale.requests();
    stale.run(["inspect", "--offline"]).exits(7).says("there is no token at hand");
    assert_eq!(stale.requests(), asked);
}

/// A laptop that has slept: the server keeps the provider's time, and so does the verdict.
#[test]
fn it_is_the_provider_s_clock_that_counts() {
    for ahead in [7200, -7200] {
        let setting = Setting::with(|behaviour| behaviour.clock_ahead = ahead);
        let server = Mongod::start_with(&setting.idp, |behaviour| behaviour.clock_ahead = ahead);
        let good = setting.token(Minting::default());
        let warned = rules(&object(&setting.inspect(&good, &[]).exits(0)), "warn");
        let expected = if ahead > 0 { "behind the provider's" } else { "ahead of the provider's" };
        assert!(
            matches!(warned.as_slice(), [one] if one.starts_with("clock: ") && one.ends_with(expected)),
            "{warned:?}"
        );
        let claims = Patch::with(|claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 330));
        let dead = setting.token(Minting { claims, ..Minting::default() });
        setting.inspect(&dead, &[]).exits(5).says("it expired 5 min ago");
        let mut client = crate::mongod::client::Client::connect(&server);
        assert_eq!(client.present(&good).get_f64("ok").unwrap(), 1.0);
        assert_eq!(client.present(&dead).get_f64("ok").unwrap(), 0.0);
    }
}

#[test]
fn an_id_token_is_fine_where_the_profile_hands_it_out() {
    let ada = SignedIn::new();
    sign_in(&ada.sandbox, &["--id-token"]);
    let outcome = ada.run(["inspect", "--id-token", "--no-group-claim", "--json"]).exits(0);
    assert_eq!(rules(&object(&outcome), "warn"), Vec::<String>::new());
    let purpose = rules(&object(&outcome), "ok").pop().unwrap();
    assert_eq!(purpose, "purpose: an ID token, as the profile has it");
    let id_token = ada.run(["token", "--id-token"]).exits(0).stdout();
    let outcome = ada.sandbox.run_with(["inspect", "-", "--no-group-claim", "--json"], id_token.as_bytes()).exits(0);
    assert!(
        rules(&object(&outcome), "warn")[0].starts_with("purpose: it is an ID token (it has `nonce`)"),
        "{outcome:?}"
    );
}

/// Each mistake in the words of whose provider it is, on the page, in the object and as the error's hint.
#[test]
fn what_is_broken_is_mended_where_it_was_made() {
    let tenant = "0b1c2d3e-0000-4000-8000-000000000000";
    let entra = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let entra = entra.as_str();
    let sts = format!("https://sts.windows.net/{tenant}/");
    let (okta, keycloak) = ("https://acme.okta.com/oauth2/aus1", "https://id.example.com/realms/main");
    let (auth0, google, ping) =
        ("https://acme.eu.auth0.com/", "https://accounts.google.com", "https://auth.pingone.eu/1/as");
    for (issuer, patch, mend) in [
        (entra, json!({ "iss": sts }), "`requestedAccessTokenVersion`"),
        (entra, json!({ "aud": "00000003-0000-0000-c000-000000000000" }), "`<client id>/.default`"),
        (entra, json!({ "groups": null, "hasgroups": true }), "Groups assigned to the application"),
        (entra, json!({ "groups": null }), "Add groups claim"),
        (okta, json!({ "groups": null }), "filter Matches regex `.*`"),
        (okta, json!({ "aud": "api://default" }), "Authorization Servers > (the server) > Audience"),
        (keycloak, json!({ "aud": ["client", "account"] }), "\"audience resolve\""),
        (keycloak, json!({ "groups": null }), "Group Membership"),
        (keycloak, json!({ "sub": null }), "add `basic`"),
        (auth0, json!({ "aud": ["client", "https://acme.eu.auth0.com/userinfo"] }), "`userinfo`"),
        (
            auth0,
            json!({ "iss": "https://acme.eu.auth0.com" }),
            "the server's `issuer` to `https://acme.eu.auth0.com`, byte for byte",
        ),
        (google, json!({ "groups": null }), "`useAuthorizationClaim: false`"),
        (ping, json!({ "groups": null }), "mapped to Group Names"),
        ("https://login.example.com", json!({ "groups": null }), "say so: `--group-claim CLAIM`, `--no-group-claim`"),
    ] {
        let mut claims = json!({
            "iss": issuer, "aud": "client", "sub": "u", "groups": ["dba"], "scope": "x", "iat": 1_700_000_000, "exp": 4_102_444_800_u64,
        });
        for (name, value) in patch.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let token = unsigned(&claims);
        let mut sandbox = Sandbox::new();
        sandbox.env("MDB_LOGIN_ISSUER", issuer).env("MDB_LOGIN_CLIENT_ID", "client");
        let outcome = sandbox.run_with(["inspect", "-", "--offline"], token.as_bytes()).exits(5);
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&outcome.stdout()).contains(mend), "{issuer}: {outcome:?}");
        assert!(outcome.stderr().lines().any(|line| line.starts_with("hint: ") && line.contains(mend)), "{outcome:?}");
        let outcome = sandbox.run_with(["inspect", "-", "--offline", "--json"], token.as_bytes()).exits(5);
        let said = object(&outcome);
        let broken: Vec<&Value> =
            said["rules"].as_array().unwrap().iter().filter(|rule| rule["result"] == "fail").collect();
        assert!(broken.len() == 1 && broken[0]["mend"].as_str().unwrap().contains(mend), "{broken:?}");
    }
}

/// Fails if any part of the token is in what was written.
#[track_caller]
fn keeps_back(token: &str, outcome: &Outcome) {
    for (place, text) in [("stdout", outcome.stdout()), ("stderr", outcome.stderr())] {
        for part in token.split('.').filter(|part| part.len() > 16) {
            assert!(!text.contains(part), "{place} holds a part of the token:\n{text}");
        }
    }
}

#[test]
fn the_token_itself_is_nowhere_to_be_seen() {
    let loud: [&[&str]; 3] = [&["-vv"], &["--json", "-vvv"], &[]];
    each(loud, |flags| {
        let ada = SignedIn::new();
        let token = ada.token();
        let mut sandbox = ada.sandbox;
        sandbox.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        keeps_back(&token, &sandbox.run(["inspect"].iter().chain(flags)).exits(0));
        let bad = [
            token.clone(),
            format!("{token}\n"),
            format!("{}x", &token[..token.len() - 8]),
            token[..token.len() - 40].to_owned(),
            token.split('.').next().unwrap().to_owned(),
            format!("{token}.{token}"),
            json!({ "access_token": token, "refresh_token": "canary-of-a-refresh-token" }).to_string(),
        ];
        for text in bad {
            let outcome = sandbox.run_with(["inspect", "-"].iter().chain(flags), text.as_bytes());
            keeps_back(&token, &outcome);
            assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
        }
        // If the search were wrong, this could not fail.
        let shown = sandbox.run(["token"]).exits(0);
        assert!(std::panic::catch_unwind(|| keeps_back(&token, &shown)).is_err());
    });
}

#[test]
fn hostile_tokens_end_in_a_verdict() {
    let escape = "\u{1b}]0;pwned\u{7}\u{202e}";
    let many: Value =
        (0..2000).map(|number| (format!("claim-{number}"), json!(number))).collect::<serde_json::Map<_, _>>().into();
    let rows: Vec<(&str, Value, Value)> = vec![
        ("a header of 1 MiB", json!({ "x": "x".repeat(1 << 20) }), json!({})),
        (
            "escapes everywhere",
            json!({ "kid": escape, "x": escape }),
            json!({ "iss": escape, "sub": escape, "groups": [escape], escape: escape }),
        ),
        ("two thousand claims", json!({}), many),
        ("a long name", json!({}), json!({ "x".repeat(5000): 1 })),
        ("long values", json!({}), json!({ "sub": "x".repeat(5000), "groups": vec!["g".repeat(300); 20] })),
        ("odd times", json!({}), json!({ "exp": 1e300, "nbf": -1e300, "iat": u64::MAX })),
        ("odd audiences", json!({}), json!({ "aud": vec![json!({}); 500] })),
        ("a name of nothing but spaces", json!({}), json!({ "sub": "   ", "groups": ["\t"] })),
    ];
    each(rows, |(what, header, claims)| {
        let setting = Setting::new();
        let good = setting.token(Minting::default());
        let (mut own_header, mut own_claims) = (jwt::header(&good), jwt::claims(&good));
        own_header.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        own_claims.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let token = signed_text(&own_header.to_string(), &own_claims.to_string(), sign_by_rsa(&RSA_PKCS1_SHA256));
        for flags in [&[][..], &["--json"]] {
            let outcome = setting.sandbox.run_with(["inspect", "-"].iter().chain(flags), token.as_bytes());
            let outcome = outcome.within(Duration::from_secs(20));
            assert!(matches!(outcome.code(), Some(0 | 5)), "{what}: {outcome:?}");
            let shown = outcome.stdout() + &outcome.stderr();
            let deceives = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            // JSON has its own escapes for all but the last.
            assert!(flags == ["--json"] || !shown.contains(deceives), "{what}: {outcome:?}");
            assert!(!shown.contains('\u{1b}') && !shown.contains("panicked"), "{what}");
            assert!(flags == ["--json"] || shown.len() < 20_000, "{what}: {} bytes", shown.len());
        }
    });
}

#[test]
fn a_rotated_key_is_found_and_one_that_is_gone_is_missed() {
    let setting = Setting::new();
    let old = setting.token(Minting::default());
    setting.idp.change(|behaviour| behaviour.key = Key::Second);
    setting.inspect(setting.token(Minting::default()), &[]).exits(0);
    setting.inspect(&old, &[]).exits(5).says("none of the provider's keys has its `kid`, `test-key-1`");
    assert_eq!(setting.idp.requests(Endpoint::Jwks), 2, "once each time");
}

#[test]
fn flags_that_contradict_are_refused() {
    let idp = Idp::start();
    let sandbox = Sandbox::with(&idp);
    let refused = |arguments: &[&str]| sandbox.run(["inspect"].iter().chain(arguments)).exits(2);
    refused(&["--group-claim", "roles", "--no-group-claim"]).says("cannot be used with");
    for flag in
        [&["--user-claim", "upn"][..], &["--group-claim", "roles"], &["--no-group-claim"], &["--prefix", "corp"]]
    {
        refused(&[&["--server-config", "mongod.conf"], flag].concat()).says("cannot be used with");
    }
    refused(&["-", "--server-config", "-"]).says("token and configuration cannot both come from stdin");
}
