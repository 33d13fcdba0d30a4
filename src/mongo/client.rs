//! One short conversation with a server, carried by the official driver: DNS, TLS, topologies and the wire are its work.

pub mod keys;

use std::error::Error as _;
use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error as DriverError, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::oidc::{Callback, CallbackContext, IdpServerResponse};
use mongodb::options::{
    AuthMechanism, ClientOptions, Credential, DriverInfo, ReadPreference, SelectionCriteria, ServerAddress,
    ServerMonitoringMode, Tls,
};
use tempfile::NamedTempFile;
use tokio::sync::Notify;

use super::hosts::{self, Trust};
use super::uri::{MECHANISM, Protection, Uri};
use crate::error::{Error, Kind, Result};
use crate::mutex::lock;
use crate::secret::Secret;
use crate::ui::foreign;

/// What every refusal inside MONGODB-OIDC is called on the wire.
const AUTHENTICATION_FAILED: i32 = 18;

/// MongoDB 7.0, the first that speaks MONGODB-OIDC.
const WIRE_VERSION_7_0: i32 = 21;

/// The server and how to get there.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub uri: &'a Uri,
    /// PEM certificates trusted in addition to the platform's, as far as that has them in a file.
    pub ca_file: Option<&'a Path>,
    /// For the whole conversation, DNS included.
    pub timeout: Duration,
}

/// What a server says of the identity provider that people sign in to: the answer to the principal step, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdpInfo {
    pub issuer: String,
    /// `None` where the server takes tokens of programs only.
    pub client_id: Option<String>,
    pub request_scopes: Vec<String>,
}

/// What a server that was only asked for its provider gives away.
#[derive(Clone, Debug)]
pub struct Looked {
    /// `None`: the server has no provider of people for that name, and says nothing of those of programs.
    pub info: Option<IdpInfo>,
    /// `maxWireVersion` of its `hello`, which tells the release.
    pub max_wire_version: Option<i32>,
}

impl IdpInfo {
    /// More than any URL, name and list of scopes need; the driver takes what the wire can carry, 48 MB.
    const MAX: usize = 16 * 1024;

    fn within_reason(self, server: &str) -> Result<Self> {
        let scopes: usize = self.request_scopes.iter().map(String::len).sum();
        let size = self.issuer.len() + self.client_id.as_ref().map_or(0, String::len) + scopes;
        if size <= Self::MAX {
            return Ok(self);
        }
        let limit = Self::MAX / 1024;
        Err(Error::new(Kind::RuleBroken, format!("what `{server}` says of its provider is longer than {limit} KiB")))
    }
}

/// What a server that has taken the token says.
#[derive(Clone, Debug)]
pub struct Verified {
    pub server_version: String,
    /// `<prefix>/<principal>`, at `$external`.
    pub user: String,
    pub roles: Vec<Role>,
    /// What the roles allow, if it was asked for: resource and actions.
    pub privileges: Vec<Privilege>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    pub database: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege {
    pub resource: String,
    pub actions: Vec<String>,
}

/// A conversation that failed.
#[derive(Debug)]
struct Unanswered {
    /// The server did not take the token.
    refused: bool,
    error: Error,
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self { refused: false, error }
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    Driver(DriverError),
    /// No server could be talked to, for the reason that the monitors have, or within the time.
    Unreachable,
}

impl Target<'_> {
    /// That a token may go where the DNS records of the connection string lead to.
    ///
    /// # Errors
    /// `Kind::RuleBroken` for a host that is not trusted, or records that lead to another domain; `Kind::Unavailable` where
    /// DNS gives none.
    pub async fn check_records(&self, trust: Trust<'_>) -> Result<()> {
        hosts::check(self.uri, &names(&self.resolve().await?), trust)
    }

    /// Asks the server which identity provider people sign in to, for the user name of the connection string. Nothing
    /// but that name is sent, so any server may be asked.
    pub async fn discover(&self) -> Result<IdpInfo> {
        self.look().await?.info.ok_or_else(|| self.no_provider())
    }

    /// The same, with what else there is to see on the way.
    pub async fn look(&self) -> Result<Looked> {
        let mut options = self.resolve().await?;
        let heard: Arc<Mutex<Option<IdpInfo>>> = Arc::default();
        let ear = Arc::clone(&heard);
        let callback = Callback::human(move |context: CallbackContext| {
            let info = context.idp_info.map(|info| IdpInfo {
                issuer: info.issuer,
                client_id: info.client_id,
                request_scopes: info.request_scopes.unwrap_or_default(),
            });
            *lock(&ear) = info;
            // The conversation ends here: a token is the next step's affair.
            Box::pin(async { Err(DriverError::custom("heard enough")) })
        });
        let mut credential = credential(callback);
        credential.username = self.uri.user();
        // The driver's rule guards tokens, and none is sent.
        credential.mechanism_properties = Some(doc! { "ALLOWED_HOSTS": names(&options) });
        options.credential = Some(credential);
        let last_words = Arc::default();
        let result = self.converse(options, &last_words, |client| async move { ping(&client).await }).await;
        let answer = lock(&heard).take();
        let looked = |info| Looked { info, max_wire_version: lock(&last_words).max_wire_version };
        match (answer, result) {
            (Some(info), _) => info.within_reason(&self.shown()).map(|info| looked(Some(info))),
            (None, Err(unanswered)) if unanswered.refused => Ok(looked(None)),
            (None, Err(unanswered)) => Err(unanswered.error),
            (None, Ok(())) => Err(Error::new(
                Kind::Denied,
                format!("`{}` lets everybody in: it does not ask who connects", self.shown()),
            )),
        }
    }

    /// Servers refuse the principal step without a reason. It has no secret that could be wrong, so it can only be the name.
    pub fn no_provider(&self) -> Error {
        let server = self.shown();
        match self.uri.user() {
            Some(user) => Error::new(
                Kind::Denied,
                format!("`{server}` has no identity provider for the user `{}`", foreign(&user)),
            )
            .hint("check the user name in the connection string; it chooses among the providers of the server"),
            None => Error::new(Kind::Usage, format!("`{server}` has several identity providers, or none for people"))
                .hint("say which by a user name in the connection string: `mongodb://you%40example.com@HOST`"),
        }
    }

    /// Authenticates with a token, and asks who that makes us; `None` if the server refuses the token.
    ///
    /// # Errors
    /// `Kind::RuleBroken` before anything is sent to a host that is not trusted.
    pub async fn verify(&self, token: &Secret, trust: Trust<'_>, privileges: bool) -> Result<Option<Verified>> {
        let options = self.resolve_for(token, trust).await?;
        let answer = self
            .converse(options, &Arc::default(), |client| async move {
                let admin = client.database("admin");
                let status = doc! { "connectionStatus": 1, "showPrivileges": privileges };
                let status = admin.run_command(status).selection_criteria(anyone()).await?;
                let build = admin.run_command(doc! { "buildInfo": 1 }).selection_criteria(anyone()).await?;
                Ok(verified(&status, &build))
            })
            .await;
        match answer {
            Ok(verified) if verified.user.is_empty() => {
                Err(Error::new(Kind::Denied, format!("`{}` has taken the token, and signs nobody in", self.shown())))
            }
            Ok(verified) => Ok(Some(verified)),
            Err(unanswered) if unanswered.refused => Ok(None),
            Err(unanswered) => Err(unanswered.error),
        }
    }

    /// The driver's options for handing a token over. Hosts are judged as they are written, before anybody is asked, and
    /// once more where DNS has led.
    async fn resolve_for(&self, token: &Secret, trust: Trust<'_>) -> Result<ClientOptions> {
        hosts::check(self.uri, &self.uri.names(), trust)?;
        let mut options = self.resolve().await?;
        hosts::check(self.uri, &names(&options), trust)?;
        options.credential = Some(machine(token));
        Ok(options)
    }

    /// The driver's options, with the servers' addresses and without any authentication.
    async fn resolve(&self) -> Result<ClientOptions> {
        let parsed = ClientOptions::parse(self.uri.connection_only().text());
        let parsed = tokio::time::timeout(self.timeout, parsed).await;
        let mut options = parsed
            // Nobody but DNS has been asked so far.
            .map_err(|_| no_dns(&self.shown()).because_of(format!("no answer within {} s", self.timeout.as_secs())))
            .and_then(|result| result.map_err(|error| self.explain(&self.shown(), Failure::Driver(error), None)))?;
        options.driver_info =
            Some(DriverInfo::builder().name("mdb-login").version(env!("CARGO_PKG_VERSION").to_owned()).build());
        options.connect_timeout = Some(self.timeout);
        options.server_selection_timeout = Some(self.timeout);
        options.retry_reads = Some(false);
        // The conversation is over before the first change: otherwise a third connection would open, and shake hands, to
        // measure how far away the server is.
        options.server_monitoring_mode = Some(ServerMonitoringMode::Poll);
        Ok(options)
    }

    /// Talks to the first server that answers, and to no other: a server can name others as members of its replica set,
    /// and the driver would follow it to hosts that nobody has judged.
    async fn converse<T, F>(
        &self,
        mut options: ClientOptions,
        last_words: &Arc<Mutex<LastWords>>,
        conversation: impl Fn(Client) -> F,
    ) -> Result<T, Unanswered>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        /// Enough for a handshake. Of very many servers not all can be asked.
        const LEAST: Duration = Duration::from_secs(1);
        // Lives as long as the driver may read it.
        let _certificates = self.trust_the_platform(&mut options)?;
        let deadline = Instant::now() + self.timeout;
        let mut left = options.hosts.len();
        let mut failed = None;
        for server in &options.hosts {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            // One that does not answer leaves the others their share.
            let patience = (rest / u32::try_from(left).unwrap_or(u32::MAX)).max(LEAST).min(rest);
            left -= 1;
            *lock(last_words) = LastWords::default();
            match self.converse_with_one(server, &self.shown(), &options, patience, last_words, &conversation).await {
                Err(unanswered) if unanswered.error.kind() == Kind::Unavailable => {
                    failed.get_or_insert(unanswered);
                }
                result => return result,
            }
        }
        Err(failed.unwrap_or_else(|| self.explain(&self.shown(), Failure::Unreachable, None).into()))
    }

    /// The same with one server, which is called `shown` if it fails. The options are the driver's, certificates included.
    async fn converse_with_one<T, F>(
        &self,
        server: &ServerAddress,
        shown: &str,
        options: &ClientOptions,
        patience: Duration,
        last_words: &Arc<Mutex<LastWords>>,
        conversation: impl Fn(Client) -> F,
    ) -> Result<T, Unanswered>
    where
        F: Future<Output = mongodb::error::Result<T>>,
    {
        let mut options = options.clone();
        options.hosts = vec![server.clone()];
        options.direct_connection = Some(options.load_balanced != Some(true));
        let hopeless = Arc::new(Notify::new());
        let (ear, bell) = (Arc::clone(last_words), Arc::clone(&hopeless));
        options.sdam_event_handler = Some(EventHandler::callback(move |event| {
            let mut words = lock(&ear);
            words.hear(event);
            if words.failure.is_some() {
                bell.notify_one();
            }
        }));
        let explained = |failure: Failure| {
            let refused = matches!(&failure, Failure::Driver(error) if code(error) == Some(AUTHENTICATION_FAILED));
            Unanswered { refused, error: self.explain(shown, failure, Some(&lock(last_words))) }
        };
        let client = Client::with_options(options).map_err(|error| explained(Failure::Driver(error)))?;
        tokio::select! {
            // What the server has said counts, whatever has happened to the monitor's connection since.
            biased;
            result = conversation(client) => result.map_err(|error| explained(Failure::Driver(error))),
            // The driver would go on to try, for a program that can wait until the server is back. A person at a terminal
            // wants to hear that the connection was refused.
            () = hopeless.notified() => Err(explained(Failure::Unreachable)),
            () = tokio::time::sleep(patience) => Err(explained(Failure::Unreachable)),
        }
    }

    /// The driver brings certificate authorities of its own; people expect the system's, and their company's.
    fn trust_the_platform(&self, options: &mut ClientOptions) -> Result<Option<NamedTempFile>> {
        let Some(Tls::Enabled(tls)) = &mut options.tls else { return Ok(None) };
        if tls.ca_file_path.is_some() {
            return Ok(None);
        }
        let platform = openssl_probe::probe().cert_file;
        let Some(own) = self.ca_file else {
            tls.ca_file_path = platform;
            return Ok(None);
        };
        let failed = |error: std::io::Error| {
            Error::new(Kind::Config, format!("cannot use the certificates of `{}`", foreign(&own.to_string_lossy())))
                .because(error)
        };
        let mut both = NamedTempFile::new().map_err(failed)?;
        for path in platform.iter().map(std::path::PathBuf::as_path).chain([own]) {
            let pem = std::fs::read(path).map_err(failed)?;
            both.write_all(&pem).and_then(|()| both.write_all(b"\n")).map_err(failed)?;
        }
        tls.ca_file_path = Some(both.path().to_owned());
        Ok(Some(both))
    }

    fn shown(&self) -> String {
        foreign(&self.uri.server())
    }

    /// The words for a failure: what a person can do about it differs more than what the driver says.
    fn explain(&self, server: &str, failure: Failure, last_words: Option<&LastWords>) -> Error {
        let driver = match failure {
            Failure::Driver(error) if !matches!(*error.kind, ErrorKind::ServerSelection { .. }) => Some(error),
            // The operation waited for a server in vain; the monitors know why.
            _ => last_words.and_then(|words| words.failure.clone()),
        };
        let Some(driver) = driver else {
            return Error::new(
                Kind::Unavailable,
                format!("`{server}` did not answer within {} s", self.timeout.as_secs()),
            )
            .hint("check the host, the port and the firewall, and whether the server has TLS (`tls=true`)");
        };
        let too_old =
            last_words.and_then(|words| words.max_wire_version).is_some_and(|version| version < WIRE_VERSION_7_0);
        match (&*driver.kind, code(&driver)) {
            (_, Some(AUTHENTICATION_FAILED)) if too_old => too_old_error(server),
            (_, Some(AUTHENTICATION_FAILED)) => Error::new(Kind::Denied, format!("`{server}` refused: authentication failed")),
            // MechanismUnavailable, BadValue, and what servers without the mechanism say.
            (ErrorKind::Authentication { .. }, Some(2 | 59 | 334)) if too_old => too_old_error(server),
            (ErrorKind::Authentication { message, .. }, Some(2 | 59 | 334)) => {
                Error::new(Kind::Denied, format!("`{server}` does not offer {MECHANISM}"))
                    .because_of(foreign(message))
                    .hint("it takes MongoDB Enterprise or Atlas, 7.0 or later, with an identity provider configured; Community has none")
            }
            (ErrorKind::Authentication { message, .. }, _) => {
                Error::new(Kind::RuleBroken, format!("`{server}` gave an answer that is no answer to {MECHANISM}"))
                    .because_of(foreign(message))
            }
            (ErrorKind::DnsResolve { message, .. }, _) => dns(server, message),
            (ErrorKind::InvalidTlsConfig { message, .. }, _) => {
                Error::new(Kind::Config, "the TLS options of the connection string cannot be used").because_of(foreign(message))
            }
            (ErrorKind::InvalidArgument { message, .. }, _) => {
                Error::new(Kind::Usage, "bad connection string").because_of(foreign(message))
            }
            (ErrorKind::IncompatibleServer { .. }, _) => too_old_error(server),
            (ErrorKind::Io(error), _) => io(server, error, self.uri.protection() != Protection::None),
            (ErrorKind::InvalidResponse { .. } | ErrorKind::Bson(_) | ErrorKind::BsonDeserialization(_), _) => {
                Error::new(Kind::Unavailable, format!("`{server}` is not a MongoDB server: its answer is of another protocol"))
                    .hint("check the host and the port")
            }
            (ErrorKind::Command(command), _) => Error::new(Kind::Denied, format!("`{server}` refused a command"))
                .because_of(foreign(&format!("{} ({}): {}", command.code_name, command.code, command.message))),
            _ => Error::new(Kind::Unavailable, format!("`{server}` cannot be used")).because_of(foreign(&driver.to_string())),
        }
    }
}

/// What the driver's monitors have seen.
#[derive(Default)]
struct LastWords {
    max_wire_version: Option<i32>,
    failure: Option<DriverError>,
}

impl LastWords {
    fn hear(&mut self, event: SdamEvent) {
        match event {
            SdamEvent::ServerHeartbeatSucceeded(event) => {
                self.failure = None;
                self.max_wire_version = event.reply.get_i32("maxWireVersion").ok();
            }
            SdamEvent::ServerHeartbeatFailed(event) => self.failure = Some(event.failure),
            _ => {}
        }
    }
}

fn too_old_error(server: &str) -> Error {
    Error::new(Kind::Denied, format!("`{server}` is older than MongoDB 7.0, which brought {MECHANISM}"))
}

/// The driver has one kind for everything about DNS, and only its words differ. They quote what strangers wrote, so it is
/// their beginning and end that count.
fn dns(server: &str, message: &str) -> Error {
    let no_records = message.starts_with("DNS error: no records found") || message.ends_with(" returned no records");
    if no_records {
        Error::new(Kind::Unavailable, format!("DNS knows no servers for `{server}`"))
            .hint("check the name; `mongodb+srv://` needs an SRV record `_mongodb._tcp.NAME`")
    } else if message.starts_with("SRV lookup for ") {
        Error::new(Kind::RuleBroken, format!("the DNS records of `{server}` lead to another domain"))
            .because_of(foreign(message))
            .hint("ask whoever runs the server; records that somebody has forged would do the same")
    } else if message.starts_with("TXT ") {
        Error::new(Kind::RuleBroken, format!("the TXT record of `{server}` says what no TXT record may say"))
            .because_of(foreign(message))
            .hint("ask whoever runs the server; records that somebody has forged would do the same")
    } else {
        no_dns(server).because_of(foreign(message))
    }
}

/// The name may be right: nobody could be asked.
fn no_dns(server: &str) -> Error {
    Error::new(Kind::Unavailable, format!("DNS does not say which servers `{server}` has"))
        .hint("check the network and its name servers, and try again")
}

fn io(server: &str, error: &std::io::Error, encrypted: bool) -> Error {
    let no_tls = "check the port, or leave `tls=true` out if the server has no TLS";
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => {
            Error::new(Kind::RuleBroken, format!("`{server}` cannot be trusted")).because(error).hint(
                "if the certificate is your company's own, add `tlsCAFile=PATH` to the connection string, or give `--ca-file PATH`",
            )
        }
        (Some(_), _) => Error::new(Kind::Unavailable, format!("`{server}` does not speak TLS")).because(error)
            .hint(no_tls),
        (None, std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset) => {
            Error::new(Kind::Unavailable, format!("`{server}` closed the connection without an answer")).because(error)
                .hint(if encrypted { no_tls } else { "if the server wants TLS, add `tls=true` to the connection string" })
        }
        _ => Error::new(Kind::Unavailable, format!("cannot reach `{server}`")).because(error)
            .hint("check the host, the port and the firewall"),
    }
}

/// The server's error code, wherever in the chain of causes the driver has put it.
fn code(error: &DriverError) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let ErrorKind::Command(command) = &*error.kind {
            return Some(command.code);
        }
        next = error.source().and_then(|source| source.downcast_ref::<Box<DriverError>>()).map(|boxed| &**boxed);
    }
    None
}

fn credential(callback: Callback) -> Credential {
    let mut credential = Credential::default();
    credential.mechanism = Some(AuthMechanism::MongoDbOidc);
    credential.source = Some("$external".to_owned());
    credential.oidc_callback = callback;
    credential
}

/// With this token, and no other when the server wants one again.
fn machine(token: &Secret) -> Credential {
    let token = token.clone();
    credential(Callback::machine(move |_| {
        let response = IdpServerResponse::builder().access_token(token.expose()).build();
        Box::pin(async { Ok(response) })
    }))
}

/// A replica set without a primary can still be asked.
fn anyone() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Nearest { options: None })
}

async fn ping(client: &Client) -> mongodb::error::Result<()> {
    client.database("admin").run_command(doc! { "ping": 1 }).selection_criteria(anyone()).await.map(drop)
}

fn names(options: &ClientOptions) -> Vec<String> {
    let name = |address: &ServerAddress| match address {
        ServerAddress::Tcp { host, .. } => Some(host.clone()),
        _ => None,
    };
    options.hosts.iter().filter_map(name).collect()
}

fn verified(status: &Document, build: &Document) -> Verified {
    let text = |document: &Document, key: &str| document.get_str(key).unwrap_or_default().to_owned();
    let list = |key: &str| -> Vec<Document> {
        let items = status.get_document("authInfo").and_then(|info| info.get_array(key)).cloned().unwrap_or_default();
        items.into_iter().filter_map(|item| if let Bson::Document(item) = item { Some(item) } else { None }).collect()
    };
    let privilege = |item: &Document| Privilege {
        resource: item.get_document("resource").map(resource).unwrap_or_default(),
        actions: item
            .get_array("actions")
            .map(|actions| actions.iter().filter_map(Bson::as_str).map(str::to_owned).collect())
            .unwrap_or_default(),
    };
    Verified {
        server_version: text(build, "version"),
        user: list("authenticatedUsers").first().map(|user| text(user, "user")).unwrap_or_default(),
        roles: list("authenticatedUserRoles")
            .iter()
            .map(|role| Role { name: text(role, "role"), database: text(role, "db") })
            .collect(),
        privileges: list("authenticatedUserPrivileges").iter().map(privilege).collect(),
    }
}

/// `db.collection`, with `*` for every one; or what else a resource document names.
fn resource(resource: &Document) -> String {
    let part = |key: &str| match resource.get_str(key) {
        Ok("") => Some("*".to_owned()),
        Ok(name) => Some(name.to_owned()),
        Err(_) => None,
    };
    match (part("db"), part("collection")) {
        (Some(db), Some(collection)) => format!("{db}.{collection}"),
        _ => resource.keys().next().cloned().unwrap_or_default(),
    }
}
