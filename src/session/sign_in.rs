//! Rung three: a person signs in.
//!
//! The order matters. The store is proved before the person is sent to a browser, the port is bound before an address
//! is shown, everything is verified before anything is stored, and the browser is told the truth last.

use tokio::time::timeout;
use tracing::info;

use super::explain::Doing;
use super::keep::{endpoints, hand_out, keep_token};
use super::{Session, block_on};
use crate::error::{Error, Kind, Result};
use crate::flow::code::{self, End};
use crate::flow::redirect::{BindError, Doubt, Listener, Outcome, Waiting};
use crate::flow::{Context, device};
use crate::http::shown_host;
use crate::oidc::authorization::scopes_to_request;
use crate::oidc::id_token::{self, Identity};
use crate::oidc::metadata::{self, KeySet};
use crate::oidc::token::TokenResponse;
use crate::oidc::{Fault, decode_jwt};
use crate::secret::Secret;
use crate::settings::{FlowChoice, RedirectUri, schema};
use crate::signals;
use crate::store::index::{self, IndexEntry};
use crate::store::lock::{LockKind, SessionLock};
use crate::store::{Backend, SessionRecord, Store};
use crate::ui::foreign;
use crate::ui::keyboard::Keyboard;

/// What a sign-in leaves to be told.
pub struct SignedIn {
    /// The account as a person knows it, made safe to show.
    pub who: String,
    pub subject: String,
    pub issuer: String,
    /// Local time, seconds since 1970.
    pub expires_at: u64,
    pub renewable: bool,
    /// Which store has the refresh token, and what it is worth.
    pub store: String,
    /// Another mdb-login signed in to this session while we waited for it.
    pub by_sibling: bool,
}

/// Every redirect URI of the profile, and why none could be listened on.
type Unbound<'a> = Vec<(&'a RedirectUri, BindError)>;

impl Session<'_> {
    /// Signs a person in and keeps the session.
    pub fn sign_in(&self) -> Result<SignedIn> {
        let before = self.entry()?.map_or(0, |entry| entry.signed_in_at);
        let mut announced = false;
        let waited = self.wait_for_lock(LockKind::SignIn, self.settings.timeout, || {
            if !announced {
                announced = true;
                self.ui.tell("another mdb-login is signing in to this session; waiting for it");
            }
            None
        })?;
        let _lock = waited.lock();
        if announced {
            if let Some(sibling) = self.sibling(before)? {
                return Ok(sibling);
            }
            self.ui.tell("the other mdb-login has ended without signing in; it is your turn");
        }
        let store = self.open_store(None)?;
        if let Some(why) = store.fell_back() {
            self.ui.tell(format!("no keyring here: {why}"));
            self.ui.tell(format!("the session is kept in {}", store.describe()));
        }
        {
            let _lock = self.lock()?;
            store.probe()?;
            // One that cannot be read would not be overwritten either.
            self.load(&store)?;
        }
        block_on(async {
            let mut page = None;
            let result = tokio::select! {
                result = self.sign_in_with(&store, &mut page) => result,
                // One ear for the whole of it: between two waits a signal would go unheard. Once it has its lock, the
                // commit awaits nothing, so this finds the session either untouched or whole.
                stop = signals::interrupted() => return Err(stop),
            };
            if let Some(page) = page {
                page.finish(self.outcome(&result)).await;
            }
            result
        })?
    }

    /// The session that another process has signed in to meanwhile.
    fn sibling(&self, before: u64) -> Result<Option<SignedIn>> {
        let entry = self.entry()?;
        Ok(entry.filter(|entry| entry.signed_in_at > before && entry.ended.is_none()).map(|entry| SignedIn {
            who: foreign(entry.name.as_ref().unwrap_or(&entry.subject)),
            subject: entry.subject,
            issuer: entry.key.issuer,
            expires_at: entry.access_expires_at,
            renewable: entry.renewable,
            store: entry.backend.worth(),
            by_sibling: true,
        }))
    }

    async fn sign_in_with(&self, store: &Store, page: &mut Option<Waiting>) -> Result<SignedIn> {
        let bound = match self.settings.flow {
            FlowChoice::Device => None,
            // Bound before anybody is asked anything, and whether the provider has a device flow is not known yet.
            FlowChoice::Browser => match self.listen() {
                Err(unbound) if !self.settings.device_fallback => {
                    return Err(cannot_listen(&unbound, Some(&self.command("login"))));
                }
                bound => Some(bound),
            },
        };
        let http = self.http()?;
        let provider = metadata::discover(&http, &self.settings.issuer)
            .await
            .map_err(|fault| self.explain(Doing::SignIn, fault))?;
        self.check_endpoints(&provider)?;
        let identity = self.identity(provider.client_secret_in_body).await?;
        let scopes = scopes_to_request(&self.settings.scopes.list, self.settings.scopes.is_default, &provider);
        let context = Context {
            ui: self.ui,
            settings: self.settings,
            http: &http,
            provider: &provider,
            identity: &identity,
            scopes: &scopes,
            login_command: self.command("login"),
        };
        let listener = match bound {
            Some(Err(unbound)) if !context.offers_device() => return Err(cannot_listen(&unbound, None)),
            Some(Err(_)) => {
                self.ui.tell("no redirect port is free; using a device code, as the profile allows");
                None
            }
            Some(Ok(listener)) => Some(listener),
            None => None,
        };
        let mut keyboard = Keyboard::default();
        if let Some(listener) = listener {
            match code::run(&context, listener, &mut keyboard, page).await? {
                End::Exchanged(response, nonce) => {
                    let identity = self.who(&context, &response, nonce.as_ref()).await?;
                    if let Some(doubt) = page.as_ref().and_then(Waiting::doubt) {
                        self.confirm(doubt, &identity, &mut keyboard).await?;
                    }
                    return self.keep(store, &context, *response, identity).await;
                }
                End::Failed(fault) => return Err(self.explain(Doing::SignIn, fault)),
                End::DeviceWanted => {}
            }
        }
        let response = device::run(&context, &mut keyboard).await?.map_err(|fault| self.explain_device(fault))?;
        // RFC 8628 has no nonce: the person's consent at the provider is what binds the answer to this terminal.
        let identity = self.who(&context, &response, None).await?;
        self.keep(store, &context, response, identity).await
    }

    /// Lets the person say whether it was they who signed in, where that may be doubted. A question and not a refusal,
    /// because most who come in doubt are honest: a desktop's browser that a root shell has been given the link of, a
    /// second browser on a system that does not tell whose it is. Where nobody can be asked, nothing is kept.
    async fn confirm(&self, doubt: Doubt, identity: &Identity, keyboard: &mut Keyboard) -> Result<()> {
        // Nobody gains by signing the person in as themselves.
        let previous = self.entry()?;
        if previous.is_some_and(|entry| entry.subject == identity.subject) {
            return Ok(());
        }
        if self.ui.can_ask() {
            let who = identity.shown();
            keyboard.ask();
            self.ui.tell(format!(
                "{doubt}; if you are {who}, type y and Enter, otherwise Enter alone, and nothing is kept"
            ));
            let answer = timeout(self.settings.timeout, keyboard.line()).await.ok().flatten();
            if answer.is_some_and(|answer| ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())) {
                return Ok(());
            }
        }
        Err(Error::new(Kind::RuleBroken, format!("{} has signed in, and that may not be you", identity.shown()))
            .because_of(doubt.to_string())
            .hint(format!(
                "run `{} --no-browser`, and open the address yourself: no other user gets to see it",
                self.command("login")
            )))
    }

    /// Binds the first redirect URI of the profile that is free.
    fn listen(&self) -> std::result::Result<Listener, Unbound<'_>> {
        let mut unbound = Vec::new();
        for uri in &self.settings.redirect_uris {
            match Listener::bind(uri) {
                Ok(listener) => return Ok(listener),
                Err(error) => unbound.push((uri, error)),
            }
        }
        Err(unbound)
    }

    /// The provider's keys. One more try, because a person has already signed in.
    async fn keys(&self, context: &Context<'_>) -> Result<KeySet> {
        let mut keys = metadata::fetch_keys(context.http, context.provider).await;
        if matches!(keys, Err(Fault::Unavailable { .. })) {
            keys = metadata::fetch_keys(context.http, context.provider).await;
        }
        keys.map_err(|fault| self.explain(Doing::SignIn, fault))
    }

    /// Judges the token and commits the session under its lock.
    async fn keep(
        &self,
        store: &Store,
        context: &Context<'_>,
        response: TokenResponse,
        identity: Identity,
    ) -> Result<SignedIn> {
        // A renewal of the old session may count on while the person signs in: what is read must stay true to the end.
        let deadline = self.lock_deadline();
        let waited = SessionLock::acquire(&self.state_dir, &self.id, LockKind::Session, deadline, || None).await?;
        let _lock = waited.lock();
        let previous = self.entry()?;
        let record = SessionRecord {
            generation: previous.as_ref().map_or(0, |entry| entry.generation) + 1,
            refresh_token: response.refresh_token.clone(),
            id_token: response.id_token.clone(),
            issuer: context.provider.issuer.clone(),
            client_id: context.identity.client_id.clone(),
            audience: self.settings.audience.clone(),
            granted_scopes: response.scopes.clone().unwrap_or_else(|| context.scopes.to_vec()),
            subject: identity.subject.clone(),
            name: identity.name.clone(),
            id_token_audience: identity.audience.clone(),
            signed_in_at: response.clock.local,
            renewed_at: response.clock.local,
            endpoints: endpoints(context.provider),
        };
        let (token, remarks) = hand_out(self, &response, &record)?;
        store.save(&record)?;
        keep_token(Some(store), self, &token);
        index::write(
            &self.state_dir,
            &self.id,
            &IndexEntry::new(&self.key, &record, store.backend(), token.expires_at),
        )?;

        if let Some(old) = previous.as_ref().filter(|old| old.backend != store.backend()) {
            self.clear_out(old.backend);
        }
        self.tell(previous.as_ref(), &record, remarks, context);
        info!(session = %self.id, generation = record.generation, "signed in");
        Ok(SignedIn {
            who: identity.shown(),
            subject: identity.subject,
            issuer: record.issuer,
            expires_at: token.expires_at,
            renewable: record.refresh_token.is_some(),
            store: store.describe(),
            by_sibling: false,
        })
    }

    /// Deletes the session from the store that it has moved away from.
    fn clear_out(&self, backend: Backend) {
        if let Err(error) = self.open_store(Some(backend)).and_then(|store| store.delete()) {
            let what = format!("the old session could not be removed from {}", backend.worth());
            self.ui.warn(format!("{what}: {}", error.message()));
        }
    }

    /// What a person should hear once, at sign-in.
    fn tell(&self, previous: Option<&IndexEntry>, record: &SessionRecord, remarks: Vec<String>, context: &Context<'_>) {
        remarks.iter().for_each(|remark| self.ui.warn(remark));
        if let Some(previous) = previous.filter(|entry| entry.subject != record.subject && entry.ended.is_none()) {
            let who = previous.name.clone().unwrap_or_else(|| foreign(&previous.subject));
            self.ui.warn(format!("this replaces the session of {who}"));
        }
        if record.refresh_token.is_none() {
            self.ui.warn("the provider gave no refresh token: you will have to sign in again when this token expires");
            let consent =
                self.settings.authorization.prompt.as_deref().is_some_and(|prompt| prompt.contains("consent"));
            if context.scopes.iter().any(|scope| scope == "offline_access") && !consent {
                // OIDC Core §11 lets a provider drop `offline_access` without it; Entra ID stops people who may not
                // consent, so it cannot be sent to everybody.
                self.ui
                    .tell(format!("hint: some providers give one only with {}", self.set(&schema::PROMPT, "consent")));
            }
        }
        let lost: Vec<_> = context
            .scopes
            .iter()
            .filter(|scope| !record.granted_scopes.contains(scope))
            .map(|scope| foreign(scope))
            .collect();
        // `offline_access` is spent in the refresh token and `openid` in the ID token; where the access token is for a
        // resource, many providers list neither (RFC 8707 §2.2).
        let lost: Vec<_> = lost.into_iter().filter(|scope| scope != "offline_access" && scope != "openid").collect();
        if !lost.is_empty() {
            self.ui.warn(format!("the provider did not grant `{}`", lost.join(" ")));
        }
    }

    /// Who signed in: by the verified ID token, or, where the profile asks for none, by the access token's own word.
    async fn who(&self, context: &Context<'_>, response: &TokenResponse, nonce: Option<&Secret>) -> Result<Identity> {
        if let Some(id_token) = &response.id_token {
            let keys = self.keys(context).await?;
            let expected = id_token::Expectation {
                issuer: &context.provider.issuer,
                client_id: &context.identity.client_id,
                nonce,
                max_age: self.settings.authorization.max_age,
                algorithms: &context.provider.id_token_algorithms,
            };
            return id_token::verify(id_token, &response.access_token, &keys, &expected, response.clock.provider)
                .map_err(|fault| self.explain(Doing::SignIn, fault));
        }
        let asked = context.scopes.iter().any(|scope| scope == "openid");
        if asked && nonce.is_some() {
            return Err(self.explain(
                Doing::SignIn,
                Fault::broken("the token response", "it has no ID token although `openid` was asked for"),
            ));
        }
        Ok(by_access_token(&response.access_token))
    }

    /// What the browser's last page says: the words of the terminal.
    fn outcome(&self, result: &Result<SignedIn>) -> Outcome {
        match result {
            Ok(signed_in) => {
                Outcome::SignedIn { who: signed_in.who.clone(), issuer_host: shown_host(&signed_in.issuer) }
            }
            Err(error) => {
                let mut what = error.message().to_owned();
                if let Some(cause) = error.causes().first() {
                    what = format!("{what}: {cause}");
                }
                let again = || format!("run `{}` again", self.settings.login_again());
                Outcome::Failed { what, todo: error.hints().first().cloned().unwrap_or_else(again) }
            }
        }
    }

    /// Many tenants forbid the device flow, and the provider's own text seldom says so (AADSTS53003, AADSTS50199).
    fn explain_device(&self, fault: Fault) -> Error {
        let denied = matches!(&fault, Fault::Refused { error, .. } if error == "access_denied" || error == "unauthorized_client");
        let error = self.explain(Doing::SignIn, fault);
        if denied {
            error.hint(format!(
                "many organisations forbid the device flow and allow a browser: `{}`, which says how to reach one from here",
                self.command("login")
            ))
        } else {
            error
        }
    }
}

/// `login_command` is given where the provider may have a device flow.
fn cannot_listen(unbound: &[(&RedirectUri, BindError)], login_command: Option<&str>) -> Error {
    let uris = unbound.iter().map(|(uri, _)| format!("`{uri}`")).collect::<Vec<_>>().join(", ");
    let error = Error::new(Kind::PortTaken, format!("cannot listen for the browser's answer on {uris}"));
    let error = unbound.iter().fold(error, |error, (_, cause)| error.because(cause));
    let mut hints: Vec<&str> = unbound.iter().filter_map(|(_, cause)| cause.hint()).collect();
    hints.dedup();
    let error = hints.into_iter().fold(error, Error::hint);
    match login_command {
        Some(command) => error.hint(format!("or sign in with a code, if the provider offers it: `{command} --device`")),
        None => error,
    }
}

/// Not verified: without an ID token nothing more is known, and only names are taken from it.
fn by_access_token(token: &Secret) -> Identity {
    let claims = decode_jwt(token.expose()).map(|decoded| decoded.claims).unwrap_or_default();
    let subject = claims.get("sub").and_then(|sub| sub.as_str()).unwrap_or("unknown").to_owned();
    Identity { subject, name: id_token::display_name(&claims), audience: Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::settings::RedirectHost;

    #[test]
    fn what_the_system_said_of_a_port_is_repeated_and_only_a_holder_is_to_be_ended() {
        let uri = RedirectUri { host: RedirectHost::V4, port: 80, path: "/redirect".into() };
        let source = io::Error::from_raw_os_error(13);
        let said = source.to_string();
        let denied = BindError::Denied { address: ([127, 0, 0, 1], 80).into(), source };
        let error = cannot_listen(&[(&uri, denied)], Some("mdb-login login"));
        assert_eq!(error.causes(), ["the system does not allow listening on `127.0.0.1:80`", &said]);
        assert!(!error.hints().iter().any(|hint| hint.contains("end that")), "{error:?}");
        assert_eq!(
            error.hints().last().unwrap(),
            "or sign in with a code, if the provider offers it: `mdb-login login --device`"
        );
    }
}
