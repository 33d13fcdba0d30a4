//! Tokens, most of them wrong in one thing: each is inspected by the real program, and presented to a server. Both must
//! come to the same end, and the program must say the server's reason.
//!
//! What is expected of a row was written down from MongoDB's manual and its server's public rules.

use std::io;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bson::Document;
use serde_json::{Value, json};

use super::{Setting, object, rules};
use crate::cases::each;
use crate::mongod::client::{Client, sasl_start, section};
use crate::mongod::keys::{curve_key, sign_by_rsa, signed_text};
use crate::support::idp::{Answer, Behaviour, Discovery, Endpoint, Idp, Key, Minting, Patch, Reply, Signing, jwt};
use crate::support::mongod::{IdentityProvider, Mongod, Refusal};

/// One token, and what is to become of it.
struct Row {
    what: String,
    /// Makes the bytes that are handed over, at a provider of its own.
    make: Box<Make>,
    /// Further arguments of `inspect`.
    arguments: Vec<&'static str>,
    /// How the server is set up for it.
    server: Box<dyn Fn(&mut IdentityProvider) + Send + Sync>,
    /// The rules that are broken, and a part of what is said of each.
    broken: Vec<(&'static str, &'static str)>,
    /// The same for warnings.
    warned: Vec<(&'static str, &'static str)>,
    exit: i32,
    /// What the server makes of the same bytes.
    end: End,
}

type Make = dyn Fn(&Setting) -> Vec<u8> + Send + Sync;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Taken,
    Refused,
    /// It is not asked, for the reason that stands beside it.
    NotAsked,
}

fn row(what: impl Into<String>, make: impl Fn(&Setting) -> Vec<u8> + Send + Sync + 'static) -> Row {
    Row {
        what: what.into(),
        make: Box::new(make),
        arguments: Vec::new(),
        server: Box::new(|_| {}),
        broken: Vec::new(),
        warned: Vec::new(),
        exit: 0,
        end: End::Taken,
    }
}

impl Row {
    fn breaks(mut self, rule: &'static str, words: &'static str) -> Self {
        self.broken.push((rule, words));
        (self.exit, self.end) = (5, End::Refused);
        self
    }

    fn warns(mut self, rule: &'static str, words: &'static str) -> Self {
        self.warned.push((rule, words));
        self
    }

    fn set_up(
        mut self,
        arguments: &[&'static str],
        server: impl Fn(&mut IdentityProvider) + Send + Sync + 'static,
    ) -> Self {
        self.arguments.extend(arguments);
        self.server = Box::new(server);
        self
    }

    /// Nobody can say: exit 7.
    fn undecided(mut self, end: End) -> Self {
        (self.exit, self.end) = (7, end);
        self
    }
}

/// These bytes, whoever the provider is.
fn bytes(what: &str, bytes: impl Into<Vec<u8>>) -> Row {
    let bytes = bytes.into();
    row(what, move |_| bytes.clone())
}

/// Ada's token, with this around it.
fn around(what: &str, make: impl Fn(String) -> Vec<u8> + Send + Sync + 'static) -> Row {
    row(what, move |setting| make(setting.token(Minting::default())))
}

fn minted(what: &str, minting: Minting) -> Row {
    row(what, move |setting| setting.token(minting.clone()).into())
}

fn header(what: &str, change: Value) -> Row {
    minted(what, Minting { header: change.into(), ..Minting::default() })
}

fn claims(what: &str, change: Value) -> Row {
    minted(what, Minting { claims: change.into(), ..Minting::default() })
}

/// A change that RFC 7396 cannot say.
fn edited(what: &str, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Row {
    minted(what, Minting { claims: Patch::with(edit), ..Minting::default() })
}

/// A claim relative to now.
fn time(what: &str, name: &'static str, from_now: i64) -> Row {
    edited(what, move |claims| claims[name] = json!(claims["iat"].as_i64().unwrap() + from_now))
}

fn signed(what: &str, signing: Signing) -> Row {
    minted(what, Minting { signing, ..Minting::default() })
}

/// Ada's token at a provider that behaves so.
fn provider(what: &str, change: impl Fn(&mut Behaviour) + Send + Sync + 'static) -> Row {
    row(what, move |setting| {
        setting.idp.change(&change);
        setting.token(Minting::default()).into()
    })
}

/// The same, for what is done to the provider itself.
fn disturbed(what: &str, disturb: impl Fn(&Idp) + Send + Sync + 'static) -> Row {
    row(what, move |setting| {
        let token = setting.token(Minting::default());
        disturb(&setting.idp);
        token.into()
    })
}

/// Ada's header and claims as texts, edited before they are signed: for what no JSON library writes.
fn written(what: &str, edit: fn(&mut String, &mut String)) -> Row {
    row(what, move |setting| {
        let token = setting.token(Minting::default());
        let (mut header, mut claims) = (jwt::header(&token).to_string(), jwt::claims(&token).to_string());
        edit(&mut header, &mut claims);
        signed_text(&header, &claims, sign_by_rsa(&RSA_PKCS1_SHA256)).into()
    })
}

fn algorithm(name: &'static str, encoding: &'static (dyn RsaEncoding + Sync)) -> Row {
    row(name, move |setting| {
        let claims = jwt::claims(&setting.token(Minting::default()));
        let header = json!({ "alg": name, "kid": Key::First.kid(), "typ": "JWT" });
        signed_text(&header.to_string(), &claims.to_string(), sign_by_rsa(encoding)).into()
    })
}

/// Signed with a curve's key, `with` as its algorithm.
fn curve(of: &'static str, with: &'static str) -> Row {
    row(format!("{with} with the curve of {of}"), move |setting| {
        let (key, jwk) = curve_key(of);
        setting.idp.change(|behaviour| behaviour.jwks = add_key(jwk.clone()));
        let claims = jwt::claims(&setting.token(Minting::default()));
        let header = json!({ "alg": with, "kid": "curve" });
        let sign = |message: &[u8]| key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        signed_text(&header.to_string(), &claims.to_string(), sign).into()
    })
}

fn add_key(key: Value) -> Patch {
    Patch::with(move |set| set["keys"].as_array_mut().unwrap().push(key.clone()))
}

fn member(text: &mut String, member: &str) {
    *text = text.replacen('{', &format!("{{{member},"), 1);
}

fn form() -> Vec<Row> {
    let long = "x".repeat(17 * 1024);
    vec![
        minted("a good token", Minting::default()),
        bytes("opaque", "opaque-0123456789").breaks("form", "it is not a JWT (three parts, separated by dots)"),
        bytes("empty", "").breaks("form", "it is empty"),
        bytes("two parts", "e30.e30").breaks("form", "it is not a JWT"),
        bytes("four parts", "e30.e30.e30.e30").breaks("form", "it is not a JWT"),
        bytes("five parts", "e30.e30.e30.e30.e30").breaks("form", "it is an encrypted token (JWE)"),
        bytes("no base64url", "e30.e3+.e30").breaks("form", "its payload is not base64url"),
        bytes("padded base64", "e30=.e30=.e30=").breaks("form", "its header is not base64url"),
        bytes("a header that is a list", "W10.e30.e30").breaks("form", "its header cannot be read"),
        bytes("a header that is no JSON", "eHl6.e30.e30").breaks("form", "its header cannot be read"),
        bytes("a payload that is a text", "e30.ImEi.e30").breaks("form", "its payload cannot be read"),
        bytes("binary", b"\x1f\x8b\x08\0\xff".to_vec()).breaks("form", "it is neither a token nor any other text"),
        bytes("a portal's page", "<!doctype html><title>Sign in</title>").breaks("form", "it is a page of HTML"),
        bytes("an error's answer", "{\"error\":\"invalid_grant\"}").breaks("form", "a JSON object without a member"),
        around("a line break behind it", |token| format!("{token}\n").into())
            .breaks("form", "there is a line break behind it"),
        around("a line break of Windows", |token| format!("{token}\r\n").into())
            .breaks("form", "there is a line break behind it"),
        around("a space in front", |token| format!(" {token}").into())
            .breaks("form", "spaces or line breaks around it"),
        around("quotes", |token| format!("\"{token}\"").into()).breaks("form", "there are quotes around it"),
        around("Bearer", |token| format!("Bearer {token}").into()).breaks("form", "there is `Bearer` in front of it"),
        around("a token answer", |token| json!({ "access_token": token, "expires_in": 60 }).to_string().into())
            .breaks("form", "it stands in a JSON object, as `access_token`"),
        around("UTF-16", |token| {
            [0xff, 0xfe].into_iter().chain(token.encode_utf16().flat_map(u16::to_le_bytes)).collect()
        })
        .breaks("form", "it is written in UTF-16"),
        around("a byte order mark", |token| format!("\u{feff}{token}").into())
            .breaks("form", "there is a byte order mark in front of it"),
        written("`exp` twice", |_, claims| member(claims, "\"exp\":1")).breaks("form", "a key occurs twice"),
        written("`iss` twice", |_, claims| member(claims, "\"iss\":\"x\"")).breaks("form", "a key occurs twice"),
        written("`aud` twice", |_, claims| member(claims, "\"aud\":\"x\"")).breaks("form", "a key occurs twice"),
        written("`sub` twice", |_, claims| member(claims, "\"sub\":\"x\"")).breaks("form", "a key occurs twice"),
        written("`alg` twice", |header, _| member(header, "\"alg\":\"none\"")).breaks("form", "a key occurs twice"),
        written("`kid` twice", |header, _| member(header, "\"kid\":\"x\"")).breaks("form", "a key occurs twice"),
        // Servers take the first, others the last: not to be relied on, whatever this one does.
        Row {
            end: End::NotAsked,
            ..written("`groups` twice", |_, claims| member(claims, "\"groups\":[\"x\"]"))
                .breaks("form", "a key occurs twice")
        },
        written("a number that is too large", |_, claims| member(claims, "\"x\":1e400"))
            .breaks("form", "its payload cannot be read"),
        written("deep nesting", |_, claims| {
            member(claims, &format!("\"x\":{}1{}", "[".repeat(5000), "]".repeat(5000)));
        })
        .breaks("form", "it is nested too deeply"),
        claims("more than 16 KiB", json!({ "x": long })).breaks("length", "it is longer than 16 KiB"),
    ]
}

fn headers() -> Vec<Row> {
    let mongodb_takes = "and MongoDB takes RS256, RS384, RS512, PS256, ES256, ES384";
    vec![
        header("RFC 9068", json!({ "typ": "at+jwt" })).breaks("type", "its header `typ` is `at+jwt`"),
        header("typ in small letters", json!({ "typ": "jwt" })).breaks("type", "`jwt`"),
        header("typ a number", json!({ "typ": 1 })).breaks("type", "`1`"),
        header("no typ", json!({ "typ": null })),
        header("no kid", json!({ "kid": null })).breaks("key_id", "its header has no `kid`"),
        header("empty kid", json!({ "kid": "" })).breaks("key_id", "its header has no `kid`"),
        header("kid a number", json!({ "kid": 1 })).breaks("key_id", "its header has no `kid`"),
        header("unknown kid", json!({ "kid": "gone" }))
            .breaks("key", "none of the provider's keys has its `kid`, `gone`"),
        header("a path as kid", json!({ "kid": "../../etc/passwd" })).breaks("key", "`../../etc/passwd`"),
        signed("unsigned", Signing::None).breaks("form", "it has no signature").breaks("algorithm", "`none`"),
        signed("signed with the public key", Signing::Hs256WithPublicKey).breaks("algorithm", "`HS256`"),
        header("PS384", json!({ "alg": "PS384" })).breaks("algorithm", mongodb_takes),
        header("PS512", json!({ "alg": "PS512" })).breaks("algorithm", mongodb_takes),
        header("ES512", json!({ "alg": "ES512" })).breaks("algorithm", mongodb_takes),
        header("EdDSA", json!({ "alg": "EdDSA" })).breaks("algorithm", mongodb_takes),
        header("RS1", json!({ "alg": "RS1" })).breaks("algorithm", "`RS1`"),
        header("alg in small letters", json!({ "alg": "rs256" })).breaks("algorithm", "`rs256`"),
        header("no alg", json!({ "alg": null })).breaks("algorithm", "nothing"),
        header("alg a number", json!({ "alg": 256 })).breaks("algorithm", "`256`"),
        algorithm("RS384", &RSA_PKCS1_SHA384),
        algorithm("RS512", &RSA_PKCS1_SHA512),
        algorithm("PS256", &RSA_PSS_SHA256),
        curve("ES256", "ES256").warns("algorithm", "which only the newest servers know"),
        curve("ES384", "ES384").warns("algorithm", "which only the newest servers know"),
        curve("ES256", "ES384").warns("algorithm", "`ES384`").breaks("key", "not one for `ES384`"),
        header("an elliptic curve's alg for an RSA key", json!({ "alg": "ES256" }))
            .warns("algorithm", "`ES256`")
            .breaks("key", "not one for `ES256`"),
        header("another RSA alg than signed", json!({ "alg": "RS512" })).breaks("signature", "its signature is wrong"),
        signed("another key", Signing::WrongKey).breaks("signature", "its signature is wrong"),
        signed("a damaged signature", Signing::Damaged).breaks("signature", "its signature is wrong"),
        around("another person's claims", |token| {
            let parts: Vec<&str> = token.split('.').collect();
            let mut claims = jwt::claims(&token);
            claims["sub"] = json!("00u-grace");
            format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2]).into()
        })
        .breaks("signature", "its signature is wrong"),
        header("a key of the token's own", json!({ "jwk": Key::Second.jwk(), "jku": "https://evil.example.com" })),
        header("critical members, which servers pass over", json!({ "crit": ["b64"], "b64": true })),
    ]
}

fn all_claims() -> Vec<Row> {
    let graph = "00000003-0000-0000-c000-000000000000";
    let overage = json!({ "groups": null, "_claim_names": { "groups": "src1" } });
    vec![
        claims("no iss", json!({ "iss": null })).breaks("issuer", "its `iss` is nothing"),
        claims("iss a number", json!({ "iss": 7 })).breaks("issuer", "its `iss` is `7`"),
        claims("another issuer", json!({ "iss": "https://idp.example.com" }))
            .breaks("issuer", "`https://idp.example.com`, not `"),
        edited("an issuer with one slash more", |claims| {
            claims["iss"] = json!(format!("{}/", claims["iss"].as_str().unwrap()))
        })
        .breaks("issuer", "(the slash at the end counts)"),
        edited("an issuer in capitals", |claims| claims["iss"] = json!(claims["iss"].as_str().unwrap().to_uppercase()))
            .breaks("issuer", "(capital letters count)"),
        claims("no sub", json!({ "sub": null })).breaks("subject", "it has no `sub`"),
        claims("sub a number", json!({ "sub": 7 })).breaks("subject", "it has no `sub`"),
        claims("empty sub", json!({ "sub": "" })).breaks("principal", "is empty or has a null character"),
        claims("sub with a null character", json!({ "sub": "a\0b" })).breaks("principal", "has a null character"),
        claims("no aud", json!({ "aud": null })).breaks("audience", "it is for no audience"),
        claims("aud a number", json!({ "aud": 7 }))
            .breaks("audience", "its `aud` is `7`, neither a text nor a list of texts"),
        claims("aud an object", json!({ "aud": { "x": "mongodb-tools" } })).breaks("audience", "neither a text"),
        claims("aud an empty list", json!({ "aud": [] })).breaks("audience", "it is for no audience"),
        claims("aud a list of numbers", json!({ "aud": [7] })).breaks("audience", "neither a text nor a list of texts"),
        claims("another audience", json!({ "aud": "another" }))
            .breaks("audience", "it is for `another`, not for `mongodb-tools`"),
        claims("Microsoft Graph's", json!({ "aud": graph }))
            .breaks("audience", "(Microsoft Graph), not for `mongodb-tools`"),
        claims("two audiences", json!({ "aud": ["mongodb-tools", "account"] }))
            .breaks("audience", "names more than one audience"),
        claims("one audience in a list", json!({ "aud": ["mongodb-tools"] })),
        claims("no exp", json!({ "exp": null })).breaks("expiry", "it has no `exp`"),
        claims("exp a text", json!({ "exp": "4102444800" })).breaks("expiry", "`4102444800`, not a number of seconds"),
        claims("exp a list", json!({ "exp": [4_102_444_800_u64] })).breaks("expiry", "not a number of seconds"),
        claims("a negative exp", json!({ "exp": -1 })).breaks("expiry", "it expired").warns("lifetime", "0 s"),
        time("expired just now", "exp", -1).breaks("expiry", "it expired").warns("lifetime", "0 s"),
        time("expired half a minute ago", "exp", -30).breaks("expiry", "it expired").warns("lifetime", "0 s"),
        claims("a token until the year 9999", json!({ "exp": 253_402_300_799_u64 }))
            .warns("lifetime", "nothing ends it before 9999"),
        claims("exp with a fraction", json!({ "exp": 4_102_444_800.5 }))
            .warns("lifetime", "nothing ends it before 2100"),
        time("a short life", "exp", 120).warns("lifetime", "it lives for 2 min only"),
        time("a day and an hour", "exp", 25 * 3600).warns("lifetime", "it lives for 25 h"),
        time("a day", "exp", 24 * 3600),
        time("nbf beyond the leeway", "nbf", 330).breaks("not_before", "its `nbf` lies in the future, by 5 min"),
        time("nbf within the leeway", "nbf", 30),
        time("nbf that has come", "nbf", -30),
        claims("nbf a text", json!({ "nbf": "0" })).breaks("not_before", "`0`, not a number of seconds"),
        claims("nothing that servers do not read", json!({ "iat": null, "client_id": null, "scope": null }))
            .warns("purpose", "it is an ID token"),
        time("iat in the future", "iat", 600),
        claims("no groups", json!({ "groups": null }))
            .breaks("groups", "it has no `groups`, from which the roles are taken"),
        claims("groups a number", json!({ "groups": 7 }))
            .breaks("groups", "is `7`, neither a text nor a list of texts"),
        claims("groups an object", json!({ "groups": { "name": "dba" } })).breaks("groups", "neither a text"),
        claims("groups of mixed types", json!({ "groups": ["dba", 7] })).breaks("groups", "neither a text nor a list"),
        claims("groups with a name that is empty", json!({ "groups": ["dba", ""] }))
            .breaks("groups", "a group whose name is empty"),
        claims("one group as a text", json!({ "groups": "dba" })),
        claims("an empty list of groups", json!({ "groups": [] }))
            .warns("groups", "an empty list: the user has no roles"),
        claims("groups that Entra ID left out", overage).breaks("groups", "Entra ID left the groups out"),
        claims("the same, in its implicit flow", json!({ "groups": null, "hasgroups": "true" }))
            .breaks("groups", "left the groups out"),
        claims("a nonce", json!({ "nonce": "n-1" })).warns("purpose", "it is an ID token (it has `nonce`)"),
        claims("an at_hash", json!({ "at_hash": "AAAA" })).warns("purpose", "it is an ID token (it has `at_hash`)"),
        claims("what Keycloak calls it", json!({ "typ": "ID" })).warns("purpose", "its claim `typ` is `ID`"),
    ]
}

fn set_ups() -> Vec<Row> {
    let upn = |provider: &mut IdentityProvider| provider.principal_name = "upn".into();
    let roles = |provider: &mut IdentityProvider| provider.authorization_claim = "memberOf".into();
    let users = |provider: &mut IdentityProvider| provider.use_authorization_claim = false;
    vec![
        claims("another claim names the user", json!({ "upn": "ada@example.com" }))
            .set_up(&["--user-claim", "upn"], upn),
        claims("and is missing", json!({}))
            .set_up(&["--user-claim", "upn"], upn)
            .breaks("principal", "it has no `upn`"),
        claims("and is a list", json!({ "upn": ["ada"] }))
            .set_up(&["--user-claim", "upn"], upn)
            .breaks("principal", "`[\"ada\"]`, not a text"),
        claims("and is empty", json!({ "upn": "" }))
            .set_up(&["--user-claim", "upn"], upn)
            .breaks("principal", "is empty"),
        claims("sub is needed all the same", json!({ "upn": "ada", "sub": null }))
            .set_up(&["--user-claim", "upn"], upn)
            .breaks("subject", "it has no `sub`"),
        claims("sub may be empty then", json!({ "upn": "ada", "sub": "" })).set_up(&["--user-claim", "upn"], upn),
        claims("another claim names the groups", json!({ "memberOf": ["dba"], "groups": null }))
            .set_up(&["--group-claim", "memberOf"], roles),
        claims("and is missing", json!({}))
            .set_up(&["--group-claim", "memberOf"], roles)
            .breaks("groups", "it has no `memberOf`"),
        claims("roles of the user's document", json!({ "groups": null })).set_up(&["--no-group-claim"], users),
        claims("whatever the groups are", json!({ "groups": 7 })).set_up(&["--no-group-claim"], users),
        claims("another audience", json!({ "aud": "api://database" }))
            .set_up(&["--audience", "api://database"], |provider| provider.audience = "api://database".into()),
    ]
}

fn key_sets() -> Vec<Row> {
    let spoilt = |what: &str, key: fn() -> Value, words| {
        provider(what, move |behaviour| behaviour.jwks = add_key(key())).breaks("key_set", words)
    };
    let but = |name: &'static str, value: Value| Patch::with(move |set| set["keys"][0][name] = value.clone());
    let (encryption, other_alg) = (but("use", json!("enc")), but("alg", json!("RS512")));
    let (no_kid, exponent) = (but("kid", json!("")), but("e", json!("AQ")));
    let patched = |what: &str, patch: Patch| provider(what, move |behaviour| behaviour.jwks = patch.clone());
    let metadata =
        |what: &str, change: Value| provider(what, move |behaviour| behaviour.metadata = change.clone().into());
    let answer = |endpoint, reply: fn() -> Reply| move |idp: &Idp| idp.always(endpoint, Answer::Instead(reply()));
    vec![
        provider("a short key", |behaviour| behaviour.key = Key::Short).breaks("key_set", "is shorter than 2,048 bits"),
        spoilt("a short key beside the good one", || Key::Short.jwk(), "is shorter than 2,048 bits"),
        spoilt("another key without a name", || json!({ "kty": "oct", "k": "AAAA" }), "it has no `kid`"),
        spoilt("another key without a type", || json!({ "kid": "x" }), "it has no `kty`"),
        spoilt("two keys of one name", || Key::First.jwk(), "two are called `test-key-1`"),
        spoilt(
            "an RSA key without its modulus",
            || json!({ "kty": "RSA", "kid": "x", "e": "AQAB" }),
            "`x` has no `n` or no `e`",
        ),
        patched("a key without a name", no_kid).breaks("key_set", "it has no `kid`"),
        patched("an exponent of 1", exponent).breaks("key_set", "has an exponent below 3"),
        patched("a key for encryption, which servers do not look at", encryption),
        patched("a key for another algorithm, the same", other_alg),
        provider("a key of a type that servers pass over", |behaviour| {
            behaviour.jwks = add_key(json!({ "kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "AAAA" }));
        }),
        row("such a key in the token", |setting| {
            setting.idp.change(|behaviour| behaviour.jwks = add_key(json!({ "kty": "OKP", "kid": "x" })));
            setting.token(Minting { header: json!({ "kid": "x" }).into(), ..Minting::default() }).into()
        })
        .breaks("key", "of a type that servers pass over"),
        patched("no keys", json!({ "keys": [] }).into()).breaks("key", "none of the provider's keys has its `kid`"),
        patched("no list of keys", json!({ "keys": null }).into()).breaks("key_set", "has no list `keys`"),
        metadata("metadata of another issuer", json!({ "issuer": "https://other.example.com" }))
            .breaks("key_set", "have `https://other.example.com` as their `issuer`"),
        metadata("metadata without an issuer", json!({ "issuer": null }))
            .breaks("key_set", "have nothing as their `issuer`"),
        metadata("metadata without keys", json!({ "jwks_uri": null })).breaks("key_set", "`jwks_uri`: it is missing"),
        provider("metadata at the address of RFC 8414 alone", |behaviour| behaviour.discovery = Discovery::Rfc8414)
            .breaks("key_set", "answered with status 404"),
        disturbed("keys that are gone", answer(Endpoint::Jwks, || Reply::html(404, "")))
            .breaks("key_set", "status 404"),
        // What a server has loaded before, nobody knows.
        disturbed("a provider in trouble", answer(Endpoint::Jwks, || Reply::html(503, ""))).undecided(End::Refused),
        disturbed("a portal in its place", answer(Endpoint::Discovery, || Reply::html(200, "<html>")))
            .undecided(End::Refused),
        disturbed("a redirect", answer(Endpoint::Discovery, || Reply::see_other("http://169.254.169.254/")))
            .undecided(End::Refused),
        disturbed("a provider that is down", |idp| idp.set_up(false)).undecided(End::Refused),
        // A server that has no such limit as we have.
        provider("ten thousand keys", |behaviour| {
            let key = |number| json!({ "kty": "OKP", "kid": format!("key-{number}"), "x": "AAAAAAAA" });
            let keys: Vec<Value> = (0..10_000).map(key).collect();
            behaviour.jwks = Patch::with(move |set| set["keys"].as_array_mut().unwrap().extend(keys.clone()));
        })
        .undecided(End::Taken),
    ]
}

#[test]
fn what_inspect_says_is_what_a_server_does() {
    let mut rows = form();
    rows.extend(headers());
    rows.extend(all_claims());
    rows.extend(set_ups());
    rows.extend(key_sets());
    assert!(rows.len() >= 140, "{}", rows.len());
    each(rows, |row| {
        let setting = Setting::new();
        let bytes = (row.make)(&setting);
        let server = Mongod::start_with(&setting.idp, |behaviour| {
            (row.server)(&mut behaviour.identity_providers[0]);
            behaviour.users.insert("test/00u-ada".into(), Vec::new());
        });
        let said = row.inspected(&setting, &bytes);
        let taken = present(&server, &bytes);
        let refusals: Vec<Refusal> = server.refusals();
        match row.end {
            End::Taken => assert!(taken.is_some(), "{}: the server refuses it: {refusals:?}", row.what),
            End::Refused => assert_eq!(taken, None, "{}: the server takes it", row.what),
            End::NotAsked => {}
        }
        // Who the program says that it is, the server says too.
        if let (Some(who), Some(true)) = (taken, said["accepted"].as_bool()) {
            let claimed = said["roles"].as_array().cloned().unwrap_or_default();
            let who: (Value, Value) = (who.0.into(), who.1.into());
            assert_eq!((said["user"].clone(), json!(claimed)), who, "{}", row.what);
        }
    });
}

impl Row {
    /// Inspects, and compares with what is expected.
    fn inspected(&self, setting: &Setting, bytes: &[u8]) -> Value {
        let arguments: Vec<&str> = ["--prefix", "test"].iter().chain(&self.arguments).copied().collect();
        let outcome = setting.inspect(bytes, &arguments);
        let what = &self.what;
        assert_eq!(outcome.code(), Some(self.exit), "{what}: {outcome:?}");
        let object = object(&outcome);
        for (result, expected) in [("fail", &self.broken), ("warn", &self.warned)] {
            let found = rules(&object, result);
            let fits = |(found, (rule, words)): (&String, &(&str, &str))| {
                found.starts_with(&format!("{rule}: ")) && found.contains(words)
            };
            let all = found.len() == expected.len() && found.iter().zip(expected).all(fits);
            assert!(all, "{what}: {result}: {found:#?}, not {expected:?}");
        }
        let accepted = match self.exit {
            0 => json!(true),
            5 => json!(false),
            _ => Value::Null,
        };
        assert_eq!(object["accepted"], accepted, "{what}");
        if let Some(first) = rules(&object, "fail").first() {
            let (_, reason) = first.split_once(": ").unwrap();
            let error: Value = serde_json::from_slice(&outcome.stderr).unwrap();
            let message = error["error"]["message"].as_str().unwrap();
            assert_eq!(message, format!("a MongoDB server would refuse this token: {reason}"), "{what}");
        }
        object
    }
}

/// User and roles, as names, or `None` if the server refuses these bytes.
fn present(server: &Mongod, bytes: &[u8]) -> Option<(String, Vec<String>)> {
    // What is no text cannot even be sent as one.
    let token = std::str::from_utf8(bytes).ok()?;
    let mut client = Client::connect(server);
    let mut command = sasl_start(&bson::doc! { "jwt": token });
    command.insert("$db", "$external");
    let answer: io::Result<Document> = client.message(0, &section(&command));
    if answer.ok()?.get_f64("ok").ok() != Some(1.0) {
        return None;
    }
    let info = client.run("admin", bson::doc! { "connectionStatus": 1 });
    let names = |list: &str, field: &str| -> Vec<String> {
        let list = info.get_document("authInfo").unwrap().get_array(list).unwrap();
        list.iter().map(|entry| entry.as_document().unwrap().get_str(field).unwrap().to_owned()).collect()
    };
    let user = names("authenticatedUsers", "user").pop()?;
    Some((user, names("authenticatedUserRoles", "role")))
}
