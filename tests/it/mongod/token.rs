//! Tokens, each wrong in one thing: the client hears the same of all, the log has the reason.

use serde_json::{Value, json};

use super::{REFUSED, Setting, verdict, who};
use crate::cases::each;
use crate::support::idp::{Key, Minting, Patch, Signing};
use crate::support::mongod::{IdentityProvider, Refusal};

/// A token as ada would get it, minted so.
fn minted(setting: &Setting, minting: Minting) -> String {
    setting.idp.change(|behaviour| behaviour.access_token = minting);
    setting.idp.access_token("ada")
}

fn header(change: Value) -> Minting {
    Minting { header: change.into(), ..Minting::default() }
}

fn claims(change: Value) -> Minting {
    Minting { claims: change.into(), ..Minting::default() }
}

/// A claim relative to now, which RFC 7396 cannot say.
fn time(name: &'static str, from_now: i64) -> Minting {
    let change = move |claims: &mut Value| claims[name] = json!(claims["iat"].as_i64().unwrap() + from_now);
    Minting { claims: Patch::with(change), ..Minting::default() }
}

fn signed(signing: Signing) -> Minting {
    Minting { signing, ..Minting::default() }
}

fn instead(token: &str) -> Minting {
    Minting { instead: Some(token.to_owned()), ..Minting::default() }
}

#[test]
fn a_bad_token_is_refused_for_the_right_reason() {
    use Refusal as R;
    let algorithm = |name: &str| R::Algorithm(name.to_owned());
    let groups = || R::Groups("groups".to_owned());
    let rows: Vec<(&str, Minting, Refusal)> = vec![
        ("opaque", instead("not-a-jwt"), R::Form),
        ("encrypted, five parts", instead("e30.e30.e30.e30.e30"), R::Form),
        ("two parts", instead("e30.e30"), R::Form),
        ("not base64url", instead("e30.e3+.e30"), R::Form),
        ("padded base64", instead("e30=.e30=.e30="), R::Form),
        ("header no object", instead("W10.e30.e30"), R::Form),
        ("empty", instead(""), R::Form),
        ("RFC 9068", header(json!({ "typ": "at+jwt" })), R::Type("at+jwt".into())),
        ("typ in small letters", header(json!({ "typ": "jwt" })), R::Type("jwt".into())),
        ("typ a number", header(json!({ "typ": 1 })), R::Type("1".into())),
        ("no kid", header(json!({ "kid": null })), R::NoKeyId),
        ("empty kid", header(json!({ "kid": "" })), R::NoKeyId),
        ("kid a number", header(json!({ "kid": 1 })), R::NoKeyId),
        ("unknown kid", header(json!({ "kid": "gone" })), R::UnknownKey("gone".into())),
        ("unsigned", signed(Signing::None), algorithm("none")),
        ("signed with the public key", signed(Signing::Hs256WithPublicKey), algorithm("HS256")),
        ("PS384", header(json!({ "alg": "PS384" })), algorithm("PS384")),
        ("ES512", header(json!({ "alg": "ES512" })), algorithm("ES512")),
        ("EdDSA", header(json!({ "alg": "EdDSA" })), algorithm("EdDSA")),
        ("no alg", header(json!({ "alg": null })), algorithm("")),
        ("an elliptic curve's alg for an RSA key", header(json!({ "alg": "ES256" })), R::WrongKey("ES256".into())),
        ("another RSA alg than signed", header(json!({ "alg": "RS512" })), R::Signature),
        ("another key", signed(Signing::WrongKey), R::Signature),
        ("a damaged signature", signed(Signing::Damaged), R::Signature),
        ("no iss", claims(json!({ "iss": null })), R::Claim("iss")),
        (
            "another issuer",
            claims(json!({ "iss": "https://idp.example.com" })),
            R::Issuer("https://idp.example.com".into()),
        ),
        ("no sub", claims(json!({ "sub": null })), R::Claim("sub")),
        ("sub a number", claims(json!({ "sub": 7 })), R::Claim("sub")),
        ("empty sub", claims(json!({ "sub": "" })), R::Name(String::new())),
        ("sub with a null byte", claims(json!({ "sub": "a\0b" })), R::Name("a\0b".into())),
        ("no aud", claims(json!({ "aud": null })), R::Claim("aud")),
        ("aud a number", claims(json!({ "aud": 7 })), R::Claim("aud")),
        ("aud empty", claims(json!({ "aud": [] })), R::Audiences(0)),
        ("another audience", claims(json!({ "aud": "another" })), R::Audience("another".into())),
        ("two audiences, the right one first", claims(json!({ "aud": ["mongodb-tools", "account"] })), R::Audiences(2)),
        ("an audience of another type", claims(json!({ "aud": [7] })), R::Claim("aud")),
        ("no exp", claims(json!({ "exp": null })), R::Claim("exp")),
        ("exp a string", claims(json!({ "exp": "4102444800" })), R::Claim("exp")),
        ("expired just now, no leeway", time("exp", -1), R::Expired),
        ("nbf beyond the leeway", time("nbf", 90), R::NotYet),
        ("nbf a string", claims(json!({ "nbf": "0" })), R::Claim("nbf")),
        ("no groups", claims(json!({ "groups": null })), groups()),
        ("groups a number", claims(json!({ "groups": 7 })), groups()),
        ("groups an object", claims(json!({ "groups": { "name": "dba" } })), groups()),
        ("groups of mixed types", claims(json!({ "groups": ["dba", 7] })), groups()),
        ("an empty group", claims(json!({ "groups": [""] })), R::Name(String::new())),
    ];
    each(rows, |(what, minting, expected)| {
        let setting = Setting::new();
        let token = minted(&setting, minting);
        let mut client = setting.client();
        assert_eq!(verdict(&client.present(&token)), REFUSED, "{what}");
        assert_eq!(setting.server.refusals(), [expected], "{what}");
        assert_eq!(who(&mut client), (Vec::new(), Vec::new()), "{what}");
        // The connection goes on, and the same server takes a good one.
        let good = minted(&setting, Minting::default());
        assert_eq!(verdict(&client.present(&good)), "ok", "{what}");
    });
}

#[test]
fn what_looks_odd_and_is_allowed_is_taken() {
    let rows: Vec<(&str, Minting)> = vec![
        ("nothing odd", Minting::default()),
        ("no typ", header(json!({ "typ": null }))),
        ("one audience in an array", claims(json!({ "aud": ["mongodb-tools"] }))),
        ("no iat, no client_id, no scope", claims(json!({ "iat": null, "client_id": null, "scope": null }))),
        ("nbf within the leeway", time("nbf", 30)),
        ("one group as a string", claims(json!({ "groups": "dba" }))),
        ("a token for ten thousand years", claims(json!({ "exp": 253_402_300_799_u64 }))),
        ("an exp with a fraction", claims(json!({ "exp": 4_102_444_800.5 }))),
    ];
    each(rows, |(what, minting)| {
        let setting = Setting::new();
        let token = minted(&setting, minting);
        let mut client = setting.client();
        assert_eq!(verdict(&client.present(&token)), "ok", "{what}: {:?}", setting.server.refusals());
        let expected = (vec!["test/00u-ada@$external".to_owned()], vec!["test/dba@admin".to_owned()]);
        assert_eq!(who(&mut client), expected, "{what}");
    });
}

#[test]
fn names_come_from_the_claims_that_the_administrator_chose() {
    let setting = Setting::with(|_, behaviour| {
        let provider = &mut behaviour.identity_providers[0];
        provider.auth_name_prefix = "corp".into();
        provider.principal_name = "upn".into();
        provider.authorization_claim = "memberOf".into();
    });
    let token = minted(&setting, claims(json!({ "upn": "ada@example.com", "memberOf": ["dba", "no/such role"] })));
    let mut client = setting.client();
    assert_eq!(verdict(&client.present(&token)), "ok");
    let roles = ["corp/dba@admin", "corp/no/such role@admin"].map(str::to_owned).to_vec();
    assert_eq!(who(&mut client), (vec!["corp/ada@example.com@$external".to_owned()], roles));

    let refused = [("upn", claims(json!({}))), ("upn", claims(json!({ "upn": ["ada"], "memberOf": [] })))];
    for (claim, minting) in refused {
        let token = minted(&setting, minting);
        assert_eq!(verdict(&setting.client().present(&token)), REFUSED);
        assert_eq!(setting.server.refusals().pop(), Some(Refusal::Principal(claim.to_owned())));
    }
}

#[test]
fn without_an_authorization_claim_the_user_has_to_exist() {
    let setting = Setting::with(|_, behaviour| {
        behaviour.identity_providers[0].use_authorization_claim = false;
        behaviour.users.insert("test/00u-ada".into(), vec!["test/reader".into()]);
    });
    assert_eq!(who(&mut setting.ada()).1, ["test/reader@admin"], "the token's groups do not matter");
    assert_eq!(verdict(&setting.client().present(&setting.idp.access_token("grace"))), REFUSED);
    assert_eq!(setting.server.refusals(), [Refusal::UnknownUser("test/00u-grace".into())]);
}

#[test]
fn one_issuer_may_serve_several_audiences() {
    let setting = Setting::with(|issuer, behaviour| {
        behaviour.identity_providers.push(IdentityProvider::workload(issuer, "api://database"));
    });
    let token = minted(&setting, claims(json!({ "aud": "api://database" })));
    let mut client = setting.client();
    assert_eq!(verdict(&client.present(&token)), "ok");
    assert_eq!(who(&mut client).0, ["machine/00u-ada@$external"]);
}

#[test]
fn an_elliptic_curve_is_for_the_newest_servers_only() {
    let setting = Setting::with(|_, behaviour| behaviour.elliptic_curves = false);
    let token = minted(&setting, header(json!({ "alg": "ES256" })));
    assert_eq!(verdict(&setting.client().present(&token)), REFUSED);
    assert_eq!(setting.server.refusals(), [Refusal::Algorithm("ES256".into())]);
}

#[test]
fn a_short_key_spoils_the_whole_set() {
    let setting = Setting::new();
    setting.idp.change(|behaviour| behaviour.key = Key::Short);
    assert_eq!(verdict(&setting.client().present(&setting.idp.access_token("ada"))), REFUSED);
    let short = format!("key `{}` is shorter than 2,048 bits", Key::Short.kid());
    assert_eq!(setting.server.refusals(), [Refusal::KeySet(short)]);
}
