//! The flags of settings, and how a command's flags become a [`Request`].
//!
//! Their help texts come from the table in [`schema`].

use clap::{Args, ValueHint};

use super::{
    DiscoverArgs, DoctorArgs, ExecArgs, GlobalArgs, InspectArgs, KeysArgs, LoginArgs, LogoutArgs, StatusArgs,
    TokenArgs, VerifyArgs,
};
use crate::settings::{Request, SessionKind, StoreChoice, schema};

const PROVIDER: &str = "Provider";
const SIGN_IN: &str = "Sign-in";
const PROGRAM: &str = "Programs (with --kind)";
const STORAGE: &str = "Storage";
pub(super) const NETWORK: &str = "Network";

/// What decides which session is meant, and how its provider is reached.
#[derive(Args, Debug)]
pub struct SessionArgs {
    #[arg(long, value_name = "URI", value_hint = ValueHint::Url, help_heading = PROVIDER, help = schema::URI.flag_help)]
    pub uri: Option<String>,
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, help_heading = PROVIDER, help = schema::ISSUER.flag_help)]
    pub issuer: Option<String>,
    #[arg(long, value_name = "ID", help_heading = PROVIDER, help = schema::CLIENT_ID.flag_help)]
    pub client_id: Option<String>,
    #[arg(long, value_name = "AUDIENCE", help_heading = PROVIDER, help = schema::AUDIENCE.flag_help)]
    pub audience: Option<String>,
    #[arg(long, value_name = "SCOPE", help_heading = PROVIDER, help = schema::SCOPE.flag_help)]
    pub scope: Vec<String>,
    #[arg(long, value_name = "URI", help_heading = PROVIDER, help = schema::RESOURCE.flag_help)]
    pub resource: Vec<String>,
    #[arg(long, help_heading = PROVIDER, help = schema::ID_TOKEN.flag_help)]
    pub id_token: bool,
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = PROVIDER)]
    #[arg(help = schema::CLIENT_SECRET_FILE.flag_help)]
    pub client_secret_file: Option<String>,
    #[command(flatten)]
    pub program: ProgramArgs,
    #[arg(long, value_name = "ACCOUNT", help_heading = SIGN_IN, help = schema::LOGIN_HINT.flag_help)]
    pub login_hint: Option<String>,
    #[arg(long, value_name = "STORE", help_heading = STORAGE, help = schema::STORE.flag_help)]
    #[arg(value_parser = StoreChoice::NAMES, hide_possible_values = true)]
    pub store: Option<String>,
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, help_heading = NETWORK, help = schema::PROXY.flag_help)]
    pub proxy: Option<String>,
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Where a program gets its tokens.
#[derive(Args, Debug)]
pub struct ProgramArgs {
    #[arg(long, value_name = "KIND", help_heading = PROGRAM, help = schema::KIND.flag_help)]
    #[arg(value_parser = SessionKind::NAMES)]
    pub kind: Option<String>,
    #[arg(long, value_name = "IDENTITY", help_heading = PROGRAM, help = schema::IDENTITY.flag_help)]
    pub identity: Option<String>,
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = PROGRAM)]
    #[arg(help = schema::CLIENT_KEY_FILE.flag_help)]
    pub client_key_file: Option<String>,
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = PROGRAM)]
    #[arg(help = schema::CLIENT_CERTIFICATE_FILE.flag_help)]
    pub client_certificate_file: Option<String>,
    #[arg(long, value_name = "ID", help_heading = PROGRAM, help = schema::CLIENT_KEY_ID.flag_help)]
    pub client_key_id: Option<String>,
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = PROGRAM)]
    #[arg(help = schema::CREDENTIALS_FILE.flag_help)]
    pub credentials_file: Option<String>,
    #[arg(long, value_name = "ACCOUNT", help_heading = PROGRAM, help = schema::IMPERSONATE.flag_help)]
    pub impersonate: Option<String>,
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = PROGRAM)]
    #[arg(help = schema::SOURCE_FILE.flag_help)]
    pub source_file: Option<String>,
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString, help_heading = PROGRAM)]
    #[arg(help = schema::SOURCE_COMMAND.flag_help)]
    pub source_command: Option<String>,
}

/// How others are reached, providers and servers alike.
#[derive(Args, Debug)]
pub struct NetworkArgs {
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = NETWORK)]
    #[arg(help = schema::CA_FILE.flag_help)]
    pub ca_file: Option<String>,
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true, help_heading = NETWORK)]
    #[arg(help = schema::HTTP_TIMEOUT.flag_help)]
    pub http_timeout: Option<String>,
}

/// Which servers may have a token.
#[derive(Args, Debug)]
pub struct HostArgs {
    #[arg(long, value_name = "HOST", value_hint = ValueHint::Hostname, help = schema::ALLOWED_HOST.flag_help)]
    pub trust_host: Vec<String>,
}

/// How a person signs in.
#[derive(Args, Debug)]
pub struct SignInArgs {
    #[arg(long, help_heading = SIGN_IN)]
    #[arg(help = "Sign in with a code on another device [env: MDB_LOGIN_FLOW=device]")]
    pub device: bool,
    #[arg(long, value_name = "URI", value_hint = ValueHint::Url, help_heading = SIGN_IN)]
    #[arg(help = schema::REDIRECT_URI.flag_help)]
    pub redirect_uri: Vec<String>,
    #[arg(long, value_name = "PROMPT", help_heading = SIGN_IN, help = schema::PROMPT.flag_help)]
    pub prompt: Option<String>,
    #[arg(long, value_name = "CLASSES", help_heading = SIGN_IN, help = schema::ACR_VALUES.flag_help)]
    pub acr_values: Option<String>,
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, help_heading = SIGN_IN)]
    #[arg(help = schema::MAX_AGE.flag_help)]
    pub max_age: Option<String>,
    #[arg(long, value_name = "DOMAIN", help_heading = SIGN_IN, help = schema::DOMAIN_HINT.flag_help)]
    pub domain_hint: Option<String>,
    #[arg(long, value_name = "NAME=VALUE", help_heading = SIGN_IN, help = schema::AUTH_PARAM.flag_help)]
    pub auth_param: Vec<String>,
    #[arg(long, help_heading = SIGN_IN)]
    #[arg(help = "Send no nonce, for a provider that drops it [env: MDB_LOGIN_NONCE=false]")]
    pub no_nonce: bool,
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true, help_heading = SIGN_IN)]
    #[arg(help = schema::TIMEOUT.flag_help)]
    pub timeout: Option<String>,
}

/// What opens a page.
#[derive(Args, Debug)]
pub struct BrowserArgs {
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString, help_heading = SIGN_IN)]
    #[arg(help = schema::BROWSER.flag_help)]
    pub browser: Option<String>,
    #[arg(long, conflicts_with = "browser", help_heading = SIGN_IN)]
    #[arg(help = "Open no browser; print the address only [env: MDB_LOGIN_BROWSER=none]")]
    pub no_browser: bool,
}

impl LoginArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        self.browser.add_to(&mut request);
        let flags = &self.sign_in;
        switch(&mut request, flags.device, &schema::FLOW, "--device", "device");
        list(&mut request, &schema::REDIRECT_URI, &flags.redirect_uri);
        one(&mut request, &schema::PROMPT, &flags.prompt);
        one(&mut request, &schema::ACR_VALUES, &flags.acr_values);
        one(&mut request, &schema::MAX_AGE, &flags.max_age);
        one(&mut request, &schema::DOMAIN_HINT, &flags.domain_hint);
        list(&mut request, &schema::AUTH_PARAM, &flags.auth_param);
        switch(&mut request, flags.no_nonce, &schema::NONCE, "--no-nonce", "false");
        one(&mut request, &schema::TIMEOUT, &flags.timeout);
        request
    }
}

impl DoctorArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        list(&mut request, &schema::ALLOWED_HOST, &self.hosts.trust_host);
        request
    }
}

impl TokenArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        one(&mut request, &schema::MIN_TTL, &self.min_ttl);
        request
    }
}

impl ExecArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        list(&mut request, &schema::ALLOWED_HOST, &self.hosts.trust_host);
        request
    }
}

impl StatusArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        self.session.request(global)
    }
}

impl LogoutArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        self.browser.add_to(&mut request);
        request
    }
}

impl SessionArgs {
    fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = global.request();
        one(&mut request, &schema::URI, &self.uri);
        one(&mut request, &schema::ISSUER, &self.issuer);
        one(&mut request, &schema::CLIENT_ID, &self.client_id);
        one(&mut request, &schema::AUDIENCE, &self.audience);
        list(&mut request, &schema::SCOPE, &self.scope);
        list(&mut request, &schema::RESOURCE, &self.resource);
        switch(&mut request, self.id_token, &schema::ID_TOKEN, "--id-token", "true");
        one(&mut request, &schema::CLIENT_SECRET_FILE, &self.client_secret_file);
        self.program.add_to(&mut request);
        one(&mut request, &schema::LOGIN_HINT, &self.login_hint);
        one(&mut request, &schema::STORE, &self.store);
        one(&mut request, &schema::PROXY, &self.proxy);
        self.network.add_to(&mut request);
        request
    }
}

impl ProgramArgs {
    pub(super) fn add_to(&self, request: &mut Request) {
        one(request, &schema::KIND, &self.kind);
        one(request, &schema::IDENTITY, &self.identity);
        one(request, &schema::CLIENT_KEY_FILE, &self.client_key_file);
        one(request, &schema::CLIENT_CERTIFICATE_FILE, &self.client_certificate_file);
        one(request, &schema::CLIENT_KEY_ID, &self.client_key_id);
        one(request, &schema::CREDENTIALS_FILE, &self.credentials_file);
        one(request, &schema::IMPERSONATE, &self.impersonate);
        one(request, &schema::SOURCE_FILE, &self.source_file);
        one(request, &schema::SOURCE_COMMAND, &self.source_command);
    }
}

impl NetworkArgs {
    pub(super) fn add_to(&self, request: &mut Request) {
        one(request, &schema::CA_FILE, &self.ca_file);
        one(request, &schema::HTTP_TIMEOUT, &self.http_timeout);
    }
}

impl DiscoverArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.target.as_ref().map_or_else(|| global.request(), |target| global.request_for(target));
        self.network.add_to(&mut request);
        request
    }
}

impl VerifyArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        list(&mut request, &schema::ALLOWED_HOST, &self.hosts.trust_host);
        request
    }
}

impl InspectArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        self.session.request(global)
    }
}

impl KeysArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.session.request(global);
        list(&mut request, &schema::ALLOWED_HOST, &self.hosts.trust_host);
        request
    }
}

impl BrowserArgs {
    fn add_to(&self, request: &mut Request) {
        one(request, &schema::BROWSER, &self.browser);
        switch(request, self.no_browser, &schema::BROWSER, "--no-browser", "none");
    }
}

pub(super) fn one(request: &mut Request, setting: &'static schema::Setting, value: &Option<String>) {
    if let (Some(flag), Some(value)) = (setting.flag, value) {
        request.flags.push((setting, flag, vec![value.clone()]));
    }
}

pub(super) fn list(request: &mut Request, setting: &'static schema::Setting, values: &[String]) {
    if let (Some(flag), false) = (setting.flag, values.is_empty()) {
        request.flags.push((setting, flag, values.to_vec()));
    }
}

pub(super) fn switch(
    request: &mut Request,
    on: bool,
    setting: &'static schema::Setting,
    flag: &'static str,
    value: &str,
) {
    if on {
        request.flags.push((setting, flag, vec![value.to_owned()]));
    }
}
