//! What a provider can answer: metadata, token responses, ID tokens, keys.

use serde_json::{Value, json};

use super::{Given, Row, row};
use crate::support::cmd::Sandbox;
use crate::support::idp::{Answer, Behaviour, Endpoint, Idp, Key, Patch, Reply, Signing};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = discovery();
    rows.extend(token_responses());
    rows.extend(id_tokens());
    rows.extend(keys());
    rows
}

/// A provider that behaves like this when somebody signs in.
fn behaving(
    number: u32,
    input: impl Into<String>,
    change: impl Fn(&mut Behaviour) + Send + Sync + 'static,
    exit: i32,
    says: &'static str,
) -> Row {
    row(
        number,
        input,
        Given::Login,
        move |idp: &Idp, _: &mut Sandbox| idp.change(|behaviour| change(behaviour)),
        exit,
        says,
    )
}

/// An endpoint that answers like this when somebody signs in.
fn answering(number: u32, endpoint: Endpoint, answer: Answer, exit: i32, says: &'static str) -> Row {
    let input = match &answer {
        Answer::Instead(reply) => {
            format!("{endpoint:?}: {} {:.40}", reply.status, String::from_utf8_lossy(&reply.body))
        }
        other => format!("{endpoint:?}: {other:?}"),
    };
    row(number, input, Given::Login, move |idp: &Idp, _: &mut Sandbox| idp.always(endpoint, answer.clone()), exit, says)
}

fn instead(reply: Reply) -> Answer {
    Answer::Instead(reply)
}

fn json_text(text: &str) -> Answer {
    instead(Reply::new(200, "application/json", text))
}

fn metadata(number: u32, change: Value, exit: i32, says: &'static str) -> Row {
    let input = format!("metadata {change:.80}");
    behaving(number, input, move |behaviour| behaviour.metadata = Patch::merge(change.clone()), exit, says)
}

fn discovery() -> Vec<Row> {
    let at = Endpoint::Discovery;
    let mut rows = vec![
        answering(55, at, instead(Reply::html(404, "<h1>Not found")), 3, "status 404"),
        answering(55, at, instead(Reply::html(500, "")), 7, "answered with status 500"),
        answering(55, at, instead(Reply::html(503, "")), 7, "answered with status 503"),
        answering(55, at, instead(Reply::html(200, "<html>portal</html>")), 7, "is not valid JSON"),
        answering(55, at, json_text(""), 7, "the discovery document of `[ISSUER]` cannot be read"),
        answering(55, at, json_text("null"), 7, "the discovery document of `[ISSUER]` cannot be read"),
        answering(55, at, json_text("[]"), 7, "the discovery document of `[ISSUER]` cannot be read"),
        answering(
            59,
            at,
            json_text(&format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000))),
            7,
            "it is nested too deeply",
        ),
        answering(59, at, json_text("{\"issuer\":1,\"issuer\":2}"), 7, "a key occurs twice"),
        answering(59, at, Answer::Flood(300 << 20), 10, "is larger than 262144 bytes"),
        answering(
            61,
            at,
            instead(Reply::see_other("http://169.254.169.254/latest")),
            10,
            "answered with a redirect (status 303), which is not followed",
        ),
        answering(71, at, Answer::CutAfter(20), 7, "no answer from"),
        metadata(56, json!({"issuer": "https://evil.example.com"}), 10, "`https://evil.example.com`"),
        metadata(56, json!({"issuer": null}), 10, "`issuer`"),
        metadata(57, json!({"authorization_endpoint": null}), 10, "`authorization_endpoint`"),
        metadata(57, json!({"token_endpoint": null}), 10, "`token_endpoint`"),
        metadata(57, json!({"token_endpoint": "http://idp.example.com/token"}), 10, "`token_endpoint`"),
        metadata(57, json!({"token_endpoint": "file:///etc/passwd"}), 10, "`token_endpoint`"),
        metadata(57, json!({"token_endpoint": "/token"}), 10, "`token_endpoint`"),
        metadata(57, json!({"jwks_uri": 5}), 10, "`jwks_uri`"),
        metadata(58, json!({"response_types_supported": ["token"]}), 3, "`response_types_supported`"),
        metadata(58, json!({"code_challenge_methods_supported": ["plain"]}), 3, "`code_challenge_methods_supported`"),
    ];
    // The issuer must be byte for byte what was configured.
    let slash = |behaviour: &mut Behaviour| {
        behaviour.metadata = Patch::with(|document| {
            let issuer = document["issuer"].as_str().unwrap().to_owned();
            document["issuer"] = json!(format!("{issuer}/"));
        });
    };
    rows.push(behaving(
        56,
        "issuer with one slash more",
        slash,
        10,
        "hint: set the issuer exactly as the provider writes it",
    ));
    rows
}

/// A change to the token response when a session is renewed.
fn response(number: u32, change: Value, exit: i32, says: &'static str) -> Row {
    let input = format!("token response {change:.80}");
    let patch = Patch::merge(change);
    let make = move |idp: &Idp, _: &mut Sandbox| idp.change(|behaviour| behaviour.refresh_response = patch.clone());
    row(number, input, Given::Renewal, make, exit, says)
}

fn refusal(number: u32, status: u16, error: &str, exit: i32, says: &'static str) -> Row {
    let body = json!({"error": error, "error_description": "as ordered\u{1b}[2J"});
    answering(number, Endpoint::Token, instead(Reply::json(status, &body)), exit, says)
}

fn token_responses() -> Vec<Row> {
    let long = "x".repeat(20 * 1024);
    let mut rows = vec![
        answering(
            61,
            Endpoint::Token,
            instead(Reply::see_other("https://evil.example.com/token")),
            10,
            "redirects to `evil.example.com`",
        ),
        refusal(62, 200, "access_denied", 5, "`access_denied`: as ordered\\u{1b}[2J"),
        refusal(62, 401, "invalid_client", 3, "hint: check `client_id`"),
        answering(62, Endpoint::Token, instead(Reply::html(400, "<h1>Bad")), 7, "answered with status 400"),
        refusal(69, 400, "invalid_scope", 3, "`invalid_scope`"),
        refusal(69, 400, "unauthorized_client", 3, "hint: check `client_id`"),
        refusal(69, 400, "invalid_target", 3, "correct `resource`"),
        refusal(69, 400, "invalid_request", 3, "has the redirect URI `http://localhost:[PORT]/redirect` registered"),
        answering(70, Endpoint::Token, instead(Reply::html(429, "").header("retry-after", "7")), 7, "try again in 7 s"),
        answering(71, Endpoint::Token, Answer::CutAfter(30), 7, "no answer from"),
        answering(
            63,
            Endpoint::Token,
            json_text("{\"access_token\":\"a\",\"access_token\":\"b\",\"token_type\":\"Bearer\"}"),
            7,
            "cannot be read: a key occurs twice",
        ),
        response(63, json!({"access_token": null}), 10, "`access_token`: it is missing"),
        response(63, json!({"access_token": ""}), 10, "`access_token`: it is empty"),
        response(63, json!({"access_token": 5}), 10, "`access_token`: it is not a text"),
        response(63, json!({"access_token": "a\nb"}), 10, "`access_token`: it contains characters"),
        response(63, json!({"access_token": "a b"}), 10, "`access_token`: it contains characters"),
        response(63, json!({"access_token": long}), 10, "`access_token`: it is longer than 16 KiB"),
        response(64, json!({"token_type": null}), 10, "`token_type`: it is missing"),
        response(64, json!({"token_type": "mac"}), 10, "`token_type`: it is `mac`"),
        response(64, json!({"token_type": "DPoP"}), 10, "`token_type`: it is `DPoP`"),
        response(64, json!({"token_type": "bEARER"}), 0, "[JWT]"),
        response(66, json!({"refresh_token": long}), 10, "`refresh_token`: it is longer than 16 KiB"),
        response(66, json!({"refresh_token": "a b"}), 10, "`refresh_token`: it contains spaces"),
        response(66, json!({"refresh_token": null}), 0, "[JWT]"),
        response(66, json!({"refresh_token": ""}), 0, "[JWT]"),
    ];
    let narrow = |behaviour: &mut Behaviour| behaviour.token_response = Patch::merge(json!({"scope": "openid"}));
    let wide = move |idp: &Idp, sandbox: &mut Sandbox| {
        idp.change(narrow);
        sandbox.env("MDB_LOGIN_SCOPE", "openid offline_access groups");
    };
    rows.push(row(
        67,
        "fewer scopes than asked for",
        Given::Login,
        wide,
        0,
        "warning: the provider did not grant `groups`",
    ));
    rows
}

fn id_token(number: u32, claims: Value, says: &'static str) -> Row {
    let input = format!("ID token {claims:.80}");
    let patch = Patch::merge(claims);
    behaving(number, input, move |behaviour| behaviour.id_token.claims = patch.clone(), 10, says)
}

fn id_tokens() -> Vec<Row> {
    let whole = |number, text: &'static str, says| {
        let change = move |behaviour: &mut Behaviour| behaviour.id_token.instead = Some(text.into());
        behaving(number, format!("ID token `{text}`"), change, 10, says)
    };
    let header = |number, change: Value, says| {
        let input = format!("ID token's header {change}");
        let patch = Patch::merge(change);
        behaving(number, input, move |behaviour: &mut Behaviour| behaviour.id_token.header = patch.clone(), 10, says)
    };
    let signed = |number, signing: Signing, says| {
        let change = move |behaviour: &mut Behaviour| behaviour.id_token.signing = signing;
        behaving(number, format!("ID token signed {signing:?}"), change, 10, says)
    };
    let mut rows = vec![
        whole(79, "e30.e30", "the ID token: it is not a JWT"),
        whole(79, "e30.e30.e30.e30", "the ID token: it is not a JWT"),
        whole(79, "e30.e30.e30.e30.e30", "the ID token: it is an encrypted token (JWE)"),
        whole(79, "e30=.e30=.e30=", "the ID token: its "),
        whole(79, "e30.!!!.e30", "is not base64url"),
        whole(79, "e30.e30.", "the ID token: it has no signature"),
        signed(80, Signing::None, "the ID token: "),
        signed(80, Signing::Hs256WithPublicKey, "the ID token: "),
        signed(80, Signing::WrongKey, "the ID token: "),
        signed(80, Signing::Damaged, "the ID token: "),
        header(80, json!({"alg": "RS1"}), "the ID token: "),
        header(80, json!({"alg": null}), "the ID token: "),
        id_token(81, json!({"exp": "1800000000"}), "its `exp` is"),
        id_token(81, json!({"exp": [1_800_000_000]}), "its `exp` is"),
        id_token(81, json!({"exp": -1}), "its `exp` is"),
        id_token(81, json!({"exp": u64::MAX}), "its `exp` is"),
        id_token(81, json!({"exp": null}), "its `exp` is"),
        id_token(81, json!({"exp": 1_000_000_000}), "it has expired"),
        id_token(81, json!({"iat": 4_000_000_000_u64}), "its `iat` lies in the future"),
        id_token(82, json!({"aud": "other"}), "its `aud` is not for this client"),
        id_token(82, json!({"aud": []}), "the ID token: "),
        id_token(82, json!({"aud": {}}), "the ID token: "),
        id_token(82, json!({"azp": "other"}), "its `azp` is `other`, not this client"),
        id_token(82, json!({"iss": "https://evil.example.com"}), "its `iss` is not the issuer"),
        id_token(83, json!({"sub": null}), "the ID token: "),
        id_token(83, json!({"sub": ""}), "its `sub` is empty or longer than 255 characters"),
        id_token(83, json!({"sub": "x".repeat(300)}), "its `sub` is empty or longer than 255 characters"),
        id_token(84, json!({"nonce": null}), "its `nonce` is wrong: it is missing"),
        id_token(84, json!({"nonce": "other"}), "its `nonce` is wrong: it is not the nonce of this sign-in"),
        id_token(84, json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), "its `at_hash` does not match"),
        header(85, json!({"kid": "../../x"}), "its key (`kid`) is not in the provider's key set"),
        header(85, json!({"kid": 7}), "the ID token: "),
        whole(85, "eyJhIjoxLCJhIjoyfQ.e30.e30", "its header cannot be read: a key occurs twice"),
        whole(85, "e30.eyJhIjoxLCJhIjoyfQ.e30", "its payload cannot be read: a key occurs twice"),
        header(87, json!({"crit": ["b64"], "b64": false}), "the ID token: "),
        header(87, json!({"typ": "at+jwt"}), "its header `typ` is `at+jwt`"),
    ];
    let opaque = |behaviour: &mut Behaviour| behaviour.access_token.instead = Some("opaque-token-0123456789".into());
    rows.push(behaving(88, "an opaque access token", opaque, 10, "it is not a JWT (three parts, separated by dots)"));
    let graph = |behaviour: &mut Behaviour| {
        behaviour.access_token.claims = Patch::merge(json!({"aud": "00000003-0000-0000-c000-000000000000"}));
    };
    rows.push(behaving(89, "a Microsoft Graph token", graph, 10, "mongodb-tools/.default"));
    rows
}

/// Publishes a second key, under this name.
fn add_key(kid: &'static str) -> impl Fn(&mut Value) + Send + Sync {
    move |set| {
        let mut key = Key::Second.jwk();
        key["kid"] = json!(kid);
        set["keys"].as_array_mut().unwrap().push(key);
    }
}

fn keys() -> Vec<Row> {
    let key_set = |input: &'static str, change: fn(&mut Value)| {
        let make = move |behaviour: &mut Behaviour| behaviour.jwks = Patch::with(change);
        behaving(86, input, make, 10, "it has no key that may sign")
    };
    let with_keys =
        |input: &'static str, change: fn(&mut Behaviour), exit, says| behaving(85, input, change, exit, says);
    vec![
        with_keys(
            "no kid, one key",
            |behaviour| behaviour.id_token.header = Patch::merge(json!({"kid": null})),
            0,
            "signed in as ada@example.com",
        ),
        with_keys(
            "no kid, two keys",
            |behaviour| {
                behaviour.id_token.header = Patch::merge(json!({"kid": null}));
                behaviour.jwks = Patch::with(add_key("test-key-2"));
            },
            10,
            "more than one of the provider's keys fits (its `kid` is missing, or several have it)",
        ),
        with_keys(
            "two keys with one kid",
            |behaviour| behaviour.jwks = Patch::with(add_key("test-key-1")),
            10,
            "more than one of the provider's keys fits (its `kid` is missing, or several have it)",
        ),
        with_keys(
            "a further key with a kid of its own",
            |behaviour| behaviour.jwks = Patch::with(add_key("test-key-2")),
            0,
            "signed in as ada@example.com",
        ),
        key_set("no keys", |set| set["keys"] = json!([])),
        key_set("a key for encryption", |set| set["keys"][0]["use"] = json!("enc")),
        key_set("a symmetric key", |set| {
            set["keys"] =
                json!([{"kty": "oct", "kid": "test-key-1", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]);
        }),
        behaving(86, "RSA 1,024 bits", |behaviour| behaviour.key = Key::Short, 10, "it has no key that may sign"),
        answering(86, Endpoint::Jwks, json_text("[]"), 10, "key"),
        answering(86, Endpoint::Jwks, json_text("{}"), 10, "key"),
        answering(86, Endpoint::Jwks, json_text("{\"keys\":[],\"keys\":[]}"), 10, "a key occurs twice"),
        answering(86, Endpoint::Jwks, Answer::Flood(300 << 20), 10, "is larger than 262144 bytes"),
        answering(86, Endpoint::Jwks, instead(Reply::html(503, "")), 7, "answered with status 503"),
    ]
}
