//! The device authorization grant: its endpoint, its verification page, and its polls (RFC 8628).

use std::time::{Duration, Instant};

use rand::Rng as _;
use serde_json::json;

use super::Endpoint;
use super::Reply;
use super::authorization::{known_resources, known_scope};
use super::behaviour::{Behaviour, Person};
use super::clients::{self, Client, DEVICE_CODE};
use super::pages;
use super::server::Site;
use super::state::{DeviceGrant, Grant, State, Verdict, now};
use crate::support::peer::parameters::Parameters;

/// What a poll may be too early by: the network's and the client's timers' jitter, not a tenth of the shortest interval.
const TOLERANCE: Duration = Duration::from_millis(50);

/// §3.1, §3.2.
pub(super) fn authorize(
    site: &Site,
    behaviour: &Behaviour,
    state: &mut State,
    authorization: Option<&str>,
    form: &Parameters,
) -> Result<Reply, Reply> {
    let client = clients::authenticate(site, &behaviour.clients, state, authorization, form)?;
    if !client.may_use(DEVICE_CODE) {
        return Err(Reply::refusal("unauthorized_client", "this client may not use the device flow"));
    }
    let known = ["client_id", "client_secret", "scope", "resource", "acr_values", "login_hint"];
    form.only(&known, &behaviour.extra_parameters)?;
    let (scope, resource) = (known_scope(behaviour, form)?, known_resources(behaviour, form)?);
    let device_code = state.secret("device-");
    let user_code = user_code();
    let verification_uri = site.url(Endpoint::Verification);
    let response = behaviour.device.response.apply(json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": verification_uri,
        "verification_uri_complete": format!("{verification_uri}?user_code={user_code}"),
        "expires_in": behaviour.device.expires_in,
        "interval": behaviour.device.interval,
    }));
    state.devices.push(DeviceGrant {
        device_code,
        user_code,
        client_id: client.id.clone(),
        scope,
        resource,
        issued: Instant::now(),
        expires: Duration::from_secs(behaviour.device.expires_in),
        interval: behaviour.device.interval,
        polls: 0,
        last_poll: None,
        verdict: Verdict::Pending,
    });
    Ok(Reply::json(200, &response))
}

/// §3.4, §3.5: the grant once a person has said yes, else the error to answer with.
pub(super) fn poll(
    behaviour: &Behaviour,
    state: &mut State,
    client: &Client,
    form: &Parameters,
) -> Result<Grant, Reply> {
    let refuse = |error: &str, why: &str| Err(Reply::refusal(error, why));
    let Some(code) = form.get("device_code") else {
        return refuse("invalid_request", "no device_code");
    };
    let Some(device) = state.devices.iter_mut().find(|device| device.device_code == code) else {
        return refuse("invalid_grant", "unknown device_code");
    };
    if device.client_id != client.id {
        return refuse("invalid_grant", "this device_code is another client's");
    }
    if device.issued.elapsed() > device.expires {
        return refuse("expired_token", "this device_code is too old");
    }
    device.polls += 1;
    // A poll that was too early counts as one: the wait starts anew with each.
    let pause = device.last_poll.replace(Instant::now()).map(|last| last.elapsed());
    let too_fast = pause.is_some_and(|pause| pause + TOLERANCE < Duration::from_secs(device.interval));
    if too_fast || behaviour.device.slow_down_forever {
        device.interval += 5;
        return refuse("slow_down", "wait five seconds longer from now on");
    }
    if let Some((after, name)) = &behaviour.device.auto_approve
        && device.polls >= *after
        && matches!(device.verdict, Verdict::Pending)
        && let Some(person) = behaviour.people.iter().find(|person| person.name == *name)
    {
        device.verdict = Verdict::Approved(person.clone());
    }
    match device.verdict.clone() {
        Verdict::Pending => refuse("authorization_pending", "nobody has answered yet"),
        Verdict::Denied => refuse("access_denied", "the person said no"),
        Verdict::Redeemed => refuse("invalid_grant", "this device_code has been used"),
        Verdict::Approved(person) => {
            device.verdict = Verdict::Redeemed;
            Ok(Grant {
                client_id: device.client_id.clone(),
                person,
                scope: device.scope.clone(),
                resource: device.resource.clone(),
                nonce: None,
                acr: None,
                auth_time: now(),
            })
        }
    }
}

/// The verification page (§3.3); `user_code` may come with the URL (§3.3.1).
pub(super) fn page(site: &Site, behaviour: &Behaviour, query: &[u8]) -> Reply {
    match Parameters::parse(query, &[]) {
        Ok(query) => {
            pages::verification(&site.path("/verify"), &behaviour.people, query.get("user_code").unwrap_or_default())
        }
        Err(why) => pages::failure("invalid_request", &why),
    }
}

/// The verification page's form: `user_code`, `user`, and `decision` = `allow` or `deny`.
pub(super) fn decide(behaviour: &Behaviour, state: &mut State, form: &Parameters) -> Reply {
    let person = behaviour.people.iter().find(|person| Some(person.name.as_str()) == form.get("user"));
    let person = match (form.get("decision"), person) {
        (Some("allow"), Some(person)) => Some(person.clone()),
        (Some("deny"), _) => None,
        _ => return pages::failure("invalid_request", "neither a person nor a decision"),
    };
    match settle(state, form.get("user_code").unwrap_or_default(), person) {
        Ok(true) => pages::message("Done", "This device may sign in. You can close this page."),
        Ok(false) => pages::message("Refused", "This device may not sign in."),
        Err(why) => pages::failure("invalid_request", why),
    }
}

/// Writes a person's decision down; `None` is a refusal. Gives whether it was a yes.
pub(super) fn settle(state: &mut State, user_code: &str, person: Option<Person>) -> Result<bool, &'static str> {
    let plain = |text: &str| text.to_ascii_uppercase().replace(['-', ' '], "");
    let Some(device) = state.devices.iter_mut().find(|device| plain(&device.user_code) == plain(user_code)) else {
        return Err("unknown code");
    };
    if !matches!(device.verdict, Verdict::Pending) || device.issued.elapsed() > device.expires {
        return Err("this code has been answered, or is too old");
    }
    let allowed = person.is_some();
    device.verdict = person.map_or(Verdict::Denied, Verdict::Approved);
    Ok(allowed)
}

/// Eight letters without vowels (§6.1: no words by accident), as `WDJB-MJHT`.
fn user_code() -> String {
    const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
    let mut random = rand::thread_rng();
    let mut letters: String = (0..8).map(|_| char::from(LETTERS[random.gen_range(0..LETTERS.len())])).collect();
    letters.insert(4, '-');
    letters
}
