//! The provider of these tests, asked by plain HTTP. Each refusal here is a mistake of ours that the other tests would
//! find; none of them would be found by a peer that lets it pass.

mod authorization;
mod client_credentials;
mod device;
mod faults;
mod metadata;
mod rotation;
mod support_itself;
mod token;

use serde_json::Value;
use url::Url;

use crate::support::browser::{Exchange, get, post_form, send};
use crate::support::idp::{CLIENT_ID, Endpoint, Idp, SignIn};

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
/// BASE64URL(SHA256(VERIFIER)), worked out by another program.
const CHALLENGE: &str = "mg3QoZgnRJxQy_jYdfW7D8wJkoziCuM8Yhos7PwVvsI";
const REDIRECT: &str = "http://localhost:40123/redirect";

type Fields = Vec<(String, String)>;

/// A provider at which ada is always signed in and agrees at once.
fn quick() -> Idp {
    Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()))
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An authorization request with nothing wrong with it.
fn good_request() -> Fields {
    fields(&[
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", REDIRECT),
        ("scope", "openid offline_access"),
        ("state", "the-state"),
        ("nonce", "the-nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("prompt", "consent"),
    ])
}

/// A token request with nothing wrong with it.
fn good_redemption(code: &str) -> Fields {
    fields(&[
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT_ID),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ])
}

fn good_refresh(refresh_token: &str) -> Fields {
    fields(&[("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", refresh_token)])
}

/// One change to a list of parameters: a value set anew, `None` for left out.
type Change = (&'static str, Option<&'static str>);

fn change(mut fields: Fields, changes: &[Change]) -> Fields {
    for (name, value) in changes {
        match (fields.iter_mut().find(|(known, _)| known == name), value) {
            (Some(field), Some(value)) => (*value).clone_into(&mut field.1),
            (None, Some(value)) => fields.push(((*name).to_owned(), (*value).to_owned())),
            (_, None) => fields.retain(|(known, _)| known != name),
        }
    }
    fields
}

fn authorize(idp: &Idp, fields: &Fields) -> Exchange {
    get(Url::parse_with_params(&idp.url(Endpoint::Authorization), fields).unwrap().as_str())
}

fn post(idp: &Idp, endpoint: Endpoint, fields: &Fields) -> Exchange {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    post_form(&idp.url(endpoint), &fields)
}

/// A parameter of the URL that an answer redirects to.
fn redirected(answer: &Exchange, name: &str) -> Option<String> {
    let target = Url::parse(answer.header("location")?).unwrap();
    target.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn fresh_code(idp: &Idp) -> String {
    let answer = authorize(idp, &good_request());
    redirected(&answer, "code").unwrap_or_else(|| panic!("no code: {} {}", answer.status, answer.text()))
}

/// Signs in and gives the token response.
fn tokens(idp: &Idp) -> Value {
    let answer = post(idp, Endpoint::Token, &good_redemption(&fresh_code(idp)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {answer}"))
}

/// `400 invalid_grant`, and the like.
fn verdict(answer: &Exchange) -> String {
    match answer.status {
        200 => "200".to_owned(),
        status => format!("{status} {}", answer.json()["error"].as_str().unwrap_or("?")),
    }
}

/// Presents a refresh token.
fn refresh(idp: &Idp, refresh_token: &str) -> Exchange {
    post(idp, Endpoint::Token, &good_refresh(refresh_token))
}

fn send_to(idp: &Idp, endpoint: Endpoint, method: &str, headers: &[(&str, &str)], body: &str) -> Exchange {
    let headers: Fields = fields(headers);
    send(method, &Url::parse(&idp.url(endpoint)).unwrap(), &headers, Some(body.as_bytes())).unwrap()
}
