//! MONGODB-OIDC: the two steps, and who a connection belongs to.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};

use super::behaviour::{Behaviour, IdentityProvider, MONGODB_OIDC, Release};
use super::failure::{
    BAD_VALUE, Failure, MECHANISM_UNAVAILABLE, PROTOCOL_ERROR, REAUTHENTICATION_REQUIRED, TYPE_MISMATCH, UNAUTHORIZED,
};
use super::jwks::{KeySets, UsedKey};
use super::refusal::Refusal;
use super::server::Connection;
use super::state::Event;
use super::token::{Identity, Rules, judge};

/// Always this one: a connection has one conversation at a time.
const CONVERSATION: i32 = 1;

/// The authentication state of one connection.
#[derive(Default)]
pub(super) struct Session {
    authorization: Authorization,
    /// A principal step has been answered, and the token is still to come.
    awaits_token: bool,
}

#[derive(Default)]
enum Authorization {
    #[default]
    Nobody,
    User(User),
    /// The token has run out. Only the same user can come back.
    Expired(String),
}

pub(super) struct User {
    /// Of `$external`.
    pub name: String,
    /// Of `admin`.
    pub roles: Vec<String>,
    /// Unix seconds.
    expires: f64,
    pub key: UsedKey,
    commands_left: Option<usize>,
}

impl Session {
    pub fn user(&self) -> Option<&User> {
        match &self.authorization {
            Authorization::User(user) => Some(user),
            Authorization::Nobody | Authorization::Expired(_) => None,
        }
    }

    /// Ends what has run out, or rests on a key that is gone. To be called at the start of each command.
    pub fn expire(&mut self, now: f64, keys: &KeySets) {
        if let Authorization::User(user) = &mut self.authorization
            && (user.expires <= now || user.commands_left == Some(0) || !keys.has(&user.key))
        {
            self.authorization = Authorization::Expired(std::mem::take(&mut user.name));
        }
    }

    pub fn log_out(&mut self) {
        self.authorization = Authorization::Nobody;
    }

    /// Counts `command`, which is one that needs authentication, or refuses it.
    pub fn admit(&mut self, command: &str) -> Result<&User, Failure> {
        match &mut self.authorization {
            Authorization::User(user) => {
                user.commands_left = user.commands_left.map(|left| left.saturating_sub(1));
                Ok(user)
            }
            Authorization::Expired(_) => {
                let message = format!(
                    "Command {command} requires reauthentication since the current authorization session has expired. \
                     Please re-auth."
                );
                Err(Failure::new(REAUTHENTICATION_REQUIRED, message))
            }
            Authorization::Nobody => {
                Err(Failure::new(UNAUTHORIZED, format!("Command {command} requires authentication")))
            }
        }
    }

    /// Makes the connection the user's. Gives whether it was before, and had run out.
    fn begin(&mut self, user: User) -> Result<bool, Refusal> {
        match &self.authorization {
            Authorization::User(known) if known.name != user.name => Err(Refusal::OtherUser(known.name.clone())),
            Authorization::Expired(known) if *known != user.name => Err(Refusal::OtherUser(known.clone())),
            // Granted, and of no effect: the server keeps the first token's expiry.
            Authorization::User(_) => Ok(false),
            previous => {
                let again = matches!(previous, Authorization::Expired(_));
                self.authorization = Authorization::User(user);
                Ok(again)
            }
        }
    }
}

/// `saslStart`, by itself or within hello, on `database`.
pub(super) fn start(
    connection: &mut Connection,
    behaviour: &Behaviour,
    database: &str,
    command: &Document,
) -> Result<Document, Failure> {
    let mechanism = command.get_str("mechanism").unwrap_or_default();
    if mechanism != MONGODB_OIDC || !behaviour.offers(mechanism) || behaviour.release == Release::Six {
        let message = format!("Received authentication for mechanism {mechanism} which is unknown or not enabled");
        return Err(Failure::new(MECHANISM_UNAVAILABLE, message));
    }
    if database != "$external" {
        return Err(Failure::new(BAD_VALUE, format!("{MONGODB_OIDC} is for users of $external, not of {database}")));
    }
    connection.session.awaits_token = false;
    let step = payload(command)?;
    let result = match step.as_ref().map(|step| (step.get("jwt"), step.get("n"))) {
        Some((Some(Bson::String(token)), _)) => return present(connection, behaviour, token),
        Some((None, None)) => ask(connection, behaviour, None),
        Some((None, Some(Bson::String(principal)))) => ask(connection, behaviour, Some(principal)),
        _ => Err(Refusal::Payload),
    };
    result.map_err(|why| refuse(connection, why))
}

/// `saslContinue`.
pub(super) fn proceed(
    connection: &mut Connection,
    behaviour: &Behaviour,
    command: &Document,
) -> Result<Document, Failure> {
    if !std::mem::take(&mut connection.session.awaits_token) {
        return Err(Failure::new(PROTOCOL_ERROR, "No SASL session state found"));
    }
    if !matches!(command.get("conversationId"), Some(Bson::Int32(CONVERSATION))) {
        return Err(Failure::new(PROTOCOL_ERROR, "sasl: Mismatched conversation id"));
    }
    match payload(command)?.as_ref().and_then(|step| step.get_str("jwt").ok()) {
        Some(token) => present(connection, behaviour, token),
        None => Err(refuse(connection, Refusal::Payload)),
    }
}

/// The step's document; `None` if the bytes are no BSON.
fn payload(command: &Document) -> Result<Option<Document>, Failure> {
    match command.get("payload") {
        Some(Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })) => {
            Ok(Document::from_reader(bytes.as_slice()).ok())
        }
        _ => Err(Failure::new(TYPE_MISMATCH, "BSON field 'saslStart.payload' is no binary data of subtype 0")),
    }
}

fn refuse(connection: &Connection, why: Refusal) -> Failure {
    connection.shared.state().log.push(Event::Refused { connection: connection.number, why });
    Failure::authentication()
}

/// The principal step: which provider to go to.
fn ask(connection: &mut Connection, behaviour: &Behaviour, principal: Option<&str>) -> Result<Document, Refusal> {
    let provider = choose(&behaviour.identity_providers, principal)?;
    let mut info = doc! { "issuer": &provider.issuer };
    info.extend(provider.client_id.iter().map(|id| ("clientId".to_owned(), Bson::from(id))));
    info.extend(provider.request_scopes.iter().map(|scopes| ("requestScopes".to_owned(), Bson::from(scopes.clone()))));
    connection.session.awaits_token = true;
    connection.shared.state().log.push(Event::Asked {
        connection: connection.number,
        principal: principal.map(str::to_owned),
        issuer: provider.issuer.clone(),
    });
    Ok(step_answer(false, info.to_vec().unwrap()))
}

/// With one candidate any principal will do. Among several, the first whose pattern fits; one without a pattern, which
/// the manual wants to be the last, takes the rest.
fn choose<'a>(providers: &'a [IdentityProvider], principal: Option<&str>) -> Result<&'a IdentityProvider, Refusal> {
    let for_people: Vec<_> = providers.iter().filter(|provider| provider.supports_human_flows).collect();
    let candidates = if for_people.is_empty() { providers.iter().collect() } else { for_people };
    let fits = |provider: &&IdentityProvider| match (&provider.match_pattern, principal) {
        (Some(pattern), Some(principal)) => {
            regress::Regex::new(pattern).is_ok_and(|pattern| pattern.find(principal).is_some())
        }
        (None, Some(_)) => true,
        (_, None) => false,
    };
    match (candidates.as_slice(), principal) {
        ([only], _) => Ok(only),
        ([_, _, ..], None) => Err(Refusal::SeveralProviders),
        _ => candidates.into_iter().find(fits).ok_or_else(|| Refusal::NoProviderFor(principal.map(str::to_owned))),
    }
}

/// The JWT step.
fn present(connection: &mut Connection, behaviour: &Behaviour, token: &str) -> Result<Document, Failure> {
    connection.shared.state().tokens.push(token.to_owned());
    match authenticate(connection, behaviour, token) {
        Ok(()) => Ok(step_answer(true, Vec::new())),
        Err(why) => Err(refuse(connection, why)),
    }
}

fn authenticate(connection: &mut Connection, behaviour: &Behaviour, token: &str) -> Result<(), Refusal> {
    let rules = Rules {
        identity_providers: &behaviour.identity_providers,
        elliptic_curves: behaviour.elliptic_curves,
        now: connection.now(behaviour),
    };
    let mut used = None;
    let key = |issuer: &str, kid: &str| {
        let key = connection.shared.keys().key(issuer, kid, behaviour.jwks_quiet)?;
        used = Some(UsedKey { issuer: issuer.to_owned(), kid: kid.to_owned(), key: key.clone() });
        Ok(key)
    };
    let Identity { user: name, roles, expires } = judge(token, &rules, key)?;
    let roles = match roles {
        Some(roles) => roles,
        None => behaviour.users.get(&name).cloned().ok_or_else(|| Refusal::UnknownUser(name.clone()))?,
    };
    let event = Event::Authenticated { connection: connection.number, user: name.clone(), roles: roles.clone() };
    let key = used.expect("a token is good by a key only");
    let again =
        connection.session.begin(User { name, roles, expires, key, commands_left: behaviour.reauthenticate_after })?;
    let mut state = connection.shared.state();
    if again {
        state.counters.reauthentications += 1;
    } else {
        state.counters.authentications += 1;
    }
    state.log.push(event);
    Ok(())
}

fn step_answer(done: bool, payload: Vec<u8>) -> Document {
    let payload = Binary { subtype: BinarySubtype::Generic, bytes: payload };
    doc! { "conversationId": CONVERSATION, "done": done, "payload": payload }
}
