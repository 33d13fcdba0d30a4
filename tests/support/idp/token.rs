//! The token endpoint (RFC 6749 §3.2, RFC 7636 §4.6, RFC 8628 §3.4) and revocation (RFC 7009).

use std::time::Instant;

use serde_json::{Value, json};

use super::Reply;
use super::authorization::{known_resources, known_scope};
use super::behaviour::{Again, Behaviour, Person, Rotation};
use super::clients::{self, Client, ClientAuth, DEVICE_CODE};
use super::device;
use super::jwt;
use super::server::Site;
use super::state::{Code, Family, Grant, RefreshToken, State, now, random};
use crate::support::peer::parameters::Parameters;

const EVERY_GRANT: [&str; 5] =
    ["grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// A token request whose form has been read: POST, the right content type, no parameter twice.
pub(super) fn request(
    site: &Site,
    behaviour: &Behaviour,
    state: &mut State,
    authorization: Option<&str>,
    form: &Parameters,
) -> Result<Reply, Reply> {
    let client = clients::authenticate(site, &behaviour.clients, state, authorization, form)?;
    let grant_type = needed(form, "grant_type")?;
    let own: &[&str] = match grant_type {
        "authorization_code" => &["code", "redirect_uri", "code_verifier", "resource"],
        "refresh_token" => &["refresh_token", "scope", "resource"],
        DEVICE_CODE => &["device_code", "resource"],
        "client_credentials" => &["scope", "resource"],
        _ => return Err(Reply::refusal("unsupported_grant_type", "not one of the four")),
    };
    form.only(&[&EVERY_GRANT, own].concat(), &[])?;
    if !client.may_use(grant_type) {
        return Err(Reply::refusal("unauthorized_client", "this client may not use this grant"));
    }
    match grant_type {
        "authorization_code" => redeem_code(site, behaviour, state, client, form),
        "refresh_token" => refresh(site, behaviour, state, client, form),
        "client_credentials" => of_client(site, behaviour, state, client, form),
        _ => device::poll(behaviour, state, client, form).map(|grant| first_tokens(site, behaviour, state, grant).0),
    }
}

fn needed<'a>(form: &'a Parameters, name: &str) -> Result<&'a str, Reply> {
    form.get(name).ok_or_else(|| Reply::refusal("invalid_request", &format!("no {name}")))
}

fn invalid_grant(why: &str) -> Reply {
    Reply::refusal("invalid_grant", why)
}

fn redeem_code(
    site: &Site,
    behaviour: &Behaviour,
    state: &mut State,
    client: &Client,
    form: &Parameters,
) -> Result<Reply, Reply> {
    let [text, redirect_uri, verifier] =
        [needed(form, "code")?, needed(form, "redirect_uri")?, needed(form, "code_verifier")?];
    let well_formed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(well_formed) {
        return Err(Reply::refusal("invalid_request", "code_verifier is not as RFC 7636 §4.1 has it"));
    }
    let Some(code) = state.codes.get(text) else {
        return Err(invalid_grant("unknown code"));
    };
    if let Some(family) = code.redeemed {
        // RFC 6749 §4.1.2: whoever presents it again, what the first one got is no longer safe.
        state.counters.reuse_detected += 1;
        if let Some(family) = family {
            state.revoke(family);
        }
        return Err(invalid_grant("this code has been used"));
    }
    check_code(behaviour, code, client, redirect_uri, verifier).map_err(invalid_grant)?;
    let grant = code.grant.clone();
    narrowed_resource(behaviour, &grant, form)?;
    let (reply, family) = first_tokens(site, behaviour, state, grant);
    state.counters.codes_redeemed += 1;
    if let Some(code) = state.codes.get_mut(text) {
        code.redeemed = Some(family);
    }
    Ok(reply)
}

/// RFC 6749 §4.4: a token of the client's own. No refresh token (§4.4.3), and no ID token, as nobody has signed in.
fn of_client(
    site: &Site,
    behaviour: &Behaviour,
    state: &mut State,
    client: &Client,
    form: &Parameters,
) -> Result<Reply, Reply> {
    if matches!(client.auth, ClientAuth::None) {
        return Err(Reply::refusal("unauthorized_client", "this grant is for confidential clients"));
    }
    let scope = known_scope(behaviour, form)?;
    // As Entra ID refuses them: they are about a person.
    if let Some(word) = scope.iter().find(|word| *word == "openid" || *word == "offline_access") {
        return Err(Reply::refusal("invalid_scope", &format!("`{word}` needs somebody who signs in")));
    }
    let resource = known_resources(behaviour, form)?;
    let person = Person { sub: client.id.clone(), groups: Vec::new(), ..Person::new(&client.id) };
    let grant =
        Grant { client_id: client.id.clone(), person, scope, resource, nonce: None, acr: None, auth_time: now() };
    let answer = tokens(site, behaviour, state, &grant);
    Ok(Reply::json(200, &behaviour.token_response.apply(answer)))
}

fn check_code(
    behaviour: &Behaviour,
    code: &Code,
    client: &Client,
    redirect_uri: &str,
    verifier: &str,
) -> Result<(), &'static str> {
    if code.grant.client_id != client.id {
        return Err("this code is another client's");
    }
    if code.issued.elapsed() > behaviour.code_lifetime {
        return Err("this code is too old");
    }
    if code.redirect_uri != redirect_uri {
        return Err("redirect_uri is not the one of the authorization request");
    }
    if code.code_challenge != jwt::s256(verifier) {
        return Err("code_verifier does not fit code_challenge");
    }
    Ok(())
}

fn refresh(
    site: &Site,
    behaviour: &Behaviour,
    state: &mut State,
    client: &Client,
    form: &Parameters,
) -> Result<Reply, Reply> {
    let text = needed(form, "refresh_token")?;
    let Some(token) = state.refresh_tokens.get(text) else {
        return Err(invalid_grant("unknown refresh token"));
    };
    let family = token.family;
    let grant = state.families[family].grant.clone();
    if grant.client_id != client.id {
        return Err(invalid_grant("this refresh token is another client's"));
    }
    if !state.families[family].alive {
        return Err(invalid_grant("this session has ended"));
    }
    if token.issued.elapsed() > behaviour.refresh_token_lifetime {
        return Err(invalid_grant("this refresh token is too old"));
    }
    if let Some((when, lost)) = &token.used {
        match behaviour.rotation {
            Rotation::Grace { within, again } if when.elapsed() <= within => {
                let lost = lost.clone();
                state.counters.replays += 1;
                if again == Again::SamePair {
                    state.counters.refreshes += 1;
                    return Ok(lost);
                }
            }
            _ => {
                state.counters.reuse_detected += 1;
                state.revoke(family);
                return Err(invalid_grant("this refresh token has been used; the session is over"));
            }
        }
    }
    let mut grant = grant;
    let asked = known_scope(behaviour, form)?;
    if let Some(word) = asked.iter().find(|word| !grant.scope.contains(word)) {
        return Err(Reply::refusal("invalid_scope", &format!("`{word}` was not granted")));
    }
    if !asked.is_empty() {
        grant.scope = asked;
    }
    grant.resource = narrowed_resource(behaviour, &grant, form)?;
    if let Some(sub) = &behaviour.subject_on_refresh {
        grant.person.sub.clone_from(sub);
    }
    // OIDC Core §12.2: a nonce belongs to the first ID token only.
    grant.nonce = None;

    let mut answer = tokens(site, behaviour, state, &grant);
    if behaviour.omit_id_token
        && let Some(members) = answer.as_object_mut()
    {
        members.remove("id_token");
    }
    match behaviour.rotation {
        Rotation::Static if behaviour.omit_refresh_token => {}
        Rotation::Static => answer["refresh_token"] = json!(text),
        Rotation::Strict | Rotation::Grace { .. } => answer["refresh_token"] = json!(refresh_token(state, family)),
    }
    let answer = behaviour.refresh_response.apply(behaviour.token_response.apply(answer));
    let reply = Reply::json(200, &answer);
    state.counters.refreshes += 1;
    if behaviour.rotation != Rotation::Static
        && let Some(token) = state.refresh_tokens.get_mut(text)
    {
        // The grace time runs from the first use, or a replay a minute would keep a stolen token alive for good.
        token.used.get_or_insert((Instant::now(), reply.clone()));
    }
    Ok(reply)
}

/// RFC 8707 §2.2: at the token endpoint a subset of what was granted.
fn narrowed_resource(behaviour: &Behaviour, grant: &Grant, form: &Parameters) -> Result<Vec<String>, Reply> {
    let asked = known_resources(behaviour, form)?;
    match asked.iter().find(|resource| !grant.resource.contains(resource)) {
        Some(resource) => Err(Reply::refusal("invalid_target", &format!("`{resource}` was not granted"))),
        None if asked.is_empty() => Ok(grant.resource.clone()),
        None => Ok(asked),
    }
}

/// The answer to a sign-in, and the family that it founds if it has a refresh token.
fn first_tokens(site: &Site, behaviour: &Behaviour, state: &mut State, grant: Grant) -> (Reply, Option<usize>) {
    let mut answer = tokens(site, behaviour, state, &grant);
    let mut family = None;
    if behaviour.always_refresh_token || grant.scope.iter().any(|word| word == "offline_access") {
        let number = state.families.len();
        state.families.push(Family { grant, alive: true });
        answer["refresh_token"] = json!(refresh_token(state, number));
        family = Some(number);
    }
    (Reply::json(200, &behaviour.token_response.apply(answer)), family)
}

fn refresh_token(state: &mut State, family: usize) -> String {
    let text = state.secret("refresh-");
    state.refresh_tokens.insert(text.clone(), RefreshToken { family, issued: Instant::now(), used: None });
    text
}

/// A token response without a refresh token.
fn tokens(site: &Site, behaviour: &Behaviour, state: &mut State, grant: &Grant) -> Value {
    let issued = now().saturating_add_signed(behaviour.clock_ahead);
    let lifetime = behaviour.access_token_lifetime.as_secs();
    let access_token = mint_access_token(site, behaviour, state, grant);
    let mut answer = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetime,
        "scope": grant.scope.join(" "),
    });
    if grant.scope.iter().any(|word| word == "openid") {
        // Email and user name without their scopes, as providers with default scopes do it: a client may not rely on
        // them, and must not be confused by them.
        let mut claims = json!({
            "iss": site.issuer, "sub": grant.person.sub, "aud": grant.client_id, "azp": grant.client_id,
            "iat": issued, "exp": issued + lifetime.max(60), "auth_time": grant.auth_time.saturating_add_signed(behaviour.clock_ahead),
            "at_hash": jwt::at_hash(&access_token),
            "email": grant.person.email, "preferred_username": grant.person.email,
        });
        if let Some(nonce) = &grant.nonce {
            claims["nonce"] = json!(nonce);
        }
        if let Some(acr) = &grant.acr {
            claims["acr"] = json!(acr);
        }
        let id_token = jwt::mint(behaviour.key, "JWT", claims, &behaviour.id_token);
        state.secrets.push(id_token.clone());
        answer["id_token"] = json!(id_token);
    }
    answer
}

/// The access token of a person who has signed in for nothing but that.
pub(super) fn access_token(site: &Site, behaviour: &Behaviour, state: &mut State, person: Person) -> String {
    let grant = Grant {
        client_id: super::CLIENT_ID.to_owned(),
        person,
        scope: vec!["openid".to_owned()],
        resource: Vec::new(),
        nonce: None,
        acr: None,
        auth_time: now(),
    };
    mint_access_token(site, behaviour, state, &grant)
}

/// The token of a program that a platform vouches for.
pub(super) fn workload_token(site: &Site, behaviour: &Behaviour, state: &mut State, mut claims: Value) -> String {
    let issued = now().saturating_add_signed(behaviour.clock_ahead);
    claims["iss"] = json!(site.issuer);
    claims["iat"] = json!(issued);
    claims["nbf"] = json!(issued);
    claims["exp"] = json!(issued + behaviour.access_token_lifetime.as_secs());
    claims["jti"] = json!(random(12));
    let token = jwt::mint(behaviour.key, "JWT", claims, &behaviour.access_token);
    state.secrets.push(token.clone());
    token
}

fn mint_access_token(site: &Site, behaviour: &Behaviour, state: &mut State, grant: &Grant) -> String {
    let issued = now().saturating_add_signed(behaviour.clock_ahead);
    let audience = match grant.resource.as_slice() {
        [] => json!(grant.client_id),
        [one] => json!(one),
        several => json!(several),
    };
    let claims = json!({
        "iss": site.issuer, "sub": grant.person.sub, "aud": audience, "client_id": grant.client_id,
        "iat": issued, "exp": issued + behaviour.access_token_lifetime.as_secs(), "jti": random(12),
        "scope": grant.scope.join(" "), "groups": grant.person.groups,
    });
    let token = jwt::mint(behaviour.key, "JWT", claims, &behaviour.access_token);
    state.secrets.push(token.clone());
    token
}

/// RFC 7009 §2: an unknown token is no error, another client's is.
pub(super) fn revoke(
    site: &Site,
    behaviour: &Behaviour,
    state: &mut State,
    authorization: Option<&str>,
    form: &Parameters,
) -> Result<Reply, Reply> {
    let client = clients::authenticate(site, &behaviour.clients, state, authorization, form)?;
    let known = ["token", "token_type_hint", "client_id", "client_secret"];
    form.only(&known, &[])?;
    let token = needed(form, "token")?;
    if let Some(family) = state.refresh_tokens.get(token).map(|token| token.family) {
        if state.families[family].grant.client_id != client.id {
            return Err(Reply::refusal("invalid_request", "this token is another client's"));
        }
        state.revoke(family);
    }
    Ok(Reply { status: 200, headers: Vec::new(), body: Vec::new() })
}
