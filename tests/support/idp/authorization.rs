//! The authorization endpoint and its sign-in page (RFC 6749 §4.1, RFC 7636, OIDC Core §3.1.2, RFC 9207).

use std::time::Instant;

use serde_json::{Map, Value, json};
use url::Url;

use super::behaviour::{Behaviour, Person, ResponseIss, SignIn};
use super::clients::Client;
use super::pages;
use super::server::{MAY_REPEAT, Site};
use super::state::{AuthorizationRequest, Code, Grant, State, now, random};
use crate::support::peer::answer::{Refusal, Reply};
use crate::support::peer::parameters::Parameters;

/// What the standards define for this endpoint, less what this provider does not support.
const KNOWN: [&str; 16] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "prompt",
    "login_hint",
    "acr_values",
    "max_age",
    "domain_hint",
    "ui_locales",
    "resource",
];

/// The request that a browser brings.
pub(super) fn request(site: &Site, behaviour: &Behaviour, state: &mut State, query: &[u8]) -> Reply {
    let parameters = match Parameters::parse(query, MAY_REPEAT) {
        Ok(parameters) => parameters,
        // With a parameter twice, who knows which redirect URI is meant: no redirect (RFC 6749 §4.1.2.1).
        Err(why) => return pages::failure("invalid_request", &why),
    };
    let client = match trusted_target(behaviour, &parameters) {
        Ok(client) => client,
        Err(why) => return pages::failure("invalid_request", &why),
    };
    let request = match judge(behaviour, client, &parameters) {
        Ok(request) => request,
        Err((error, why)) => {
            let uri = parameters.get("redirect_uri").unwrap_or_default();
            return refuse(site, behaviour, uri, parameters.get("state"), error, &why);
        }
    };
    match &behaviour.sign_in {
        SignIn::Auto(name) => match behaviour.people.iter().find(|person| person.name == *name) {
            Some(person) => approve(site, behaviour, state, request, person.clone()),
            None => pages::failure("server_error", "the test names a person who is not there"),
        },
        SignIn::Refuse(error) => {
            refuse(site, behaviour, &request.redirect_uri, request.state.as_deref(), error, "the test wants it so")
        }
        SignIn::Page if parameters.get("prompt") == Some("none") => refuse(
            site,
            behaviour,
            &request.redirect_uri,
            request.state.as_deref(),
            "login_required",
            "nobody is signed in here",
        ),
        SignIn::Page => {
            let page = random(16);
            let reply = pages::sign_in(&site.path("/sign-in"), &page, &behaviour.people, &request);
            state.pages.insert(page, request);
            reply
        }
    }
}

/// The sign-in page's form: `page`, `user`, and `decision` = `allow` or `deny`.
pub(super) fn decide(site: &Site, behaviour: &Behaviour, state: &mut State, form: &Parameters) -> Reply {
    let Some(request) = form.get("page").and_then(|page| state.pages.remove(page)) else {
        return pages::failure("invalid_request", "this sign-in page has been used, or was never shown");
    };
    let person = behaviour.people.iter().find(|person| Some(person.name.as_str()) == form.get("user"));
    match (form.get("decision"), person) {
        (Some("allow"), Some(person)) => approve(site, behaviour, state, request, person.clone()),
        (Some("deny"), _) => refuse(
            site,
            behaviour,
            &request.redirect_uri,
            request.state.as_deref(),
            "access_denied",
            "the person said no",
        ),
        _ => pages::failure("invalid_request", "neither a person nor a decision"),
    }
}

/// Whether there is a client and a redirect URI that may be believed. Until then nothing is sent anywhere.
fn trusted_target<'a>(behaviour: &'a Behaviour, parameters: &Parameters) -> Result<&'a Client, String> {
    let id = parameters.get("client_id").ok_or("no client_id")?;
    let client = behaviour.clients.iter().find(|client| client.id == id).ok_or("unknown client")?;
    let uri = parameters.get("redirect_uri").ok_or("no redirect_uri")?;
    if !client.may_redirect_to(uri) {
        return Err(format!("redirect_uri `{uri}` is not registered"));
    }
    Ok(client)
}

fn judge(behaviour: &Behaviour, client: &Client, parameters: &Parameters) -> Result<AuthorizationRequest, Refusal> {
    let invalid = |why: &str| Err(("invalid_request", why.to_owned()));
    if parameters.get("request").is_some() {
        return Err(("request_not_supported", "request objects are not supported".to_owned()));
    }
    if parameters.get("request_uri").is_some() {
        return Err(("request_uri_not_supported", "request objects are not supported".to_owned()));
    }
    parameters.only(&KNOWN, &behaviour.extra_parameters)?;
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "only `code`".to_owned())),
        None => return invalid("no response_type"),
    }
    if !client.may_use("authorization_code") {
        return Err(("unauthorized_client", "this client may not use the authorization code grant".to_owned()));
    }
    if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
        return invalid("only response_mode `query`");
    }
    // Without a method, RFC 7636 §4.3 means `plain`, which is refused like the word itself.
    if parameters.get("code_challenge_method") != Some("S256") {
        return invalid("code_challenge_method must be `S256`");
    }
    let Some(challenge) = parameters.get("code_challenge").filter(|text| is_sha256(text)) else {
        return invalid("code_challenge must be 43 characters of base64url");
    };
    let Some(state) = parameters.get("state") else {
        return invalid("no state");
    };
    if parameters.get("max_age").is_some_and(|age| age.parse::<u32>().is_err()) {
        return invalid("max_age must be a number of seconds");
    }
    let prompt = parameters.words("prompt");
    if prompt.iter().any(|word| !["none", "login", "consent", "select_account"].contains(&word.as_str()))
        || (prompt.len() > 1 && prompt.iter().any(|word| word == "none"))
    {
        return invalid("prompt makes no sense");
    }
    let resource = known_resources(behaviour, parameters)?;
    let mut scope = known_scope(behaviour, parameters)?;
    if !scope.iter().any(|word| word == "openid") {
        return Err(("invalid_scope", "`openid` is missing".to_owned()));
    }
    if behaviour.offline_access_needs_consent && !prompt.iter().any(|word| word == "consent") {
        scope.retain(|word| word != "offline_access");
    }
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        redirect_uri: parameters.get("redirect_uri").unwrap_or_default().to_owned(),
        state: Some(state.to_owned()),
        scope,
        resource,
        nonce: parameters.get("nonce").map(str::to_owned),
        acr: parameters.words("acr_values").into_iter().next(),
        code_challenge: challenge.to_owned(),
        login_hint: parameters.get("login_hint").map(str::to_owned),
    })
}

/// RFC 6749 §3.3: known words, each once.
pub(super) fn known_scope(behaviour: &Behaviour, parameters: &Parameters) -> Result<Vec<String>, Refusal> {
    let scope = parameters.words("scope");
    for (index, word) in scope.iter().enumerate() {
        if !behaviour.scopes.contains(word) || scope.iter().take(index).any(|earlier| earlier == word) {
            return Err(("invalid_scope", format!("scope `{word}` is not known, or there twice")));
        }
    }
    Ok(scope)
}

/// RFC 8707 §2.
pub(super) fn known_resources(behaviour: &Behaviour, parameters: &Parameters) -> Result<Vec<String>, Refusal> {
    let resources = parameters.all("resource");
    match resources.iter().find(|resource| !behaviour.resources.contains(resource)) {
        Some(resource) => Err(("invalid_target", format!("resource `{resource}` is not known"))),
        None => Ok(resources),
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn approve(
    site: &Site,
    behaviour: &Behaviour,
    state: &mut State,
    request: AuthorizationRequest,
    person: Person,
) -> Reply {
    let code = state.secret("code-");
    state.counters.codes_issued += 1;
    let grant = Grant {
        client_id: request.client_id,
        person,
        scope: request.scope,
        resource: request.resource,
        nonce: request.nonce,
        acr: request.acr,
        auth_time: now(),
    };
    state.codes.insert(
        code.clone(),
        Code {
            grant,
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge,
            issued: Instant::now(),
            redeemed: None,
        },
    );
    respond(site, behaviour, &request.redirect_uri, request.state.as_deref(), json!({ "code": code }))
}

fn refuse(
    site: &Site,
    behaviour: &Behaviour,
    redirect_uri: &str,
    state: Option<&str>,
    error: &str,
    description: &str,
) -> Reply {
    let answer = json!({ "error": error, "error_description": description });
    respond(site, behaviour, redirect_uri, state, answer)
}

fn respond(site: &Site, behaviour: &Behaviour, redirect_uri: &str, state: Option<&str>, mut answer: Value) -> Reply {
    if let Some(state) = state {
        answer["state"] = json!(state);
    }
    match &behaviour.response_iss {
        ResponseIss::Right => answer["iss"] = json!(site.issuer),
        ResponseIss::Wrong(other) => answer["iss"] = json!(other),
        ResponseIss::Missing => {}
    }
    let answer = behaviour.authorization_response.apply(answer);
    let Ok(mut target) = Url::parse(redirect_uri) else {
        return pages::failure("invalid_request", "redirect_uri is no URI");
    };
    append(&mut target, answer.as_object().unwrap_or(&Map::new()));
    Reply::see_other(target.as_str())
}

/// Adds the members as query parameters; an array gives its name once an element, so that tests can send duplicates.
fn append(target: &mut Url, members: &Map<String, Value>) {
    let mut query = target.query_pairs_mut();
    for (name, value) in members {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            query.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
        }
    }
}
