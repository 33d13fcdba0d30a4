//! The provider: the way there, its clock, its certificate, what it says of itself, and where companies stumble.

use std::env;
use std::io;
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use url::{Host, Url};

use super::finding::Finding;
use super::{Case, PATIENCE};
use crate::error::{Kind, Result};
use crate::event_loop::block_on;
use crate::http::{self, Http, HttpOptions, Proxied, is_loopback};
use crate::oidc::access_token::flaw::Flaw;
use crate::oidc::access_token::mend::mend;
use crate::oidc::access_token::rules::ALGORITHMS;
use crate::oidc::client_assertion;
use crate::oidc::metadata::{self, Document, Offers};
use crate::oidc::token::Clock;
use crate::oidc::{Fault, NotJwt, Outcome};
use crate::secret::source::{self, Source};
use crate::session::explain::{self, Doing};
use crate::settings::{FlowChoice, Origin, SessionKind, Settings, schema};
use crate::ui::{foreign, span};
use crate::vendor::Vendor;
use crate::workload::{self, Place};

/// How long a proxy may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(4);

fn options(settings: &Settings) -> HttpOptions<'_> {
    HttpOptions {
        issuer: &settings.issuer,
        ca_file: settings.ca_file.as_deref(),
        proxy: settings.proxy.as_deref(),
        timeout: settings.http_timeout.min(PATIENCE),
    }
}

/// The issuer as a URL, where anything is asked of it; otherwise why not.
fn issuer(settings: &Settings) -> Result<Url, String> {
    if settings.kind.is_program() && settings.kind != SessionKind::ClientCredentials {
        return Err(format!("the kind `{}` asks none", settings.kind.name()));
    }
    Url::parse(&settings.issuer).map_err(|_| "no provider is known".to_owned())
}

/// What a fault there would be met by.
fn doing(settings: &Settings) -> Doing {
    if settings.kind.is_program() { Doing::Obtain } else { Doing::SignIn }
}

/// Through which proxy the provider is asked, who says so, and whether the proxy is there.
pub fn proxy(case: &Case) -> Vec<Finding> {
    const NAME: &str = "proxy";
    let settings = &case.settings;
    let issuer = match issuer(settings) {
        Ok(issuer) => issuer,
        Err(why) => return vec![Finding::skip(NAME, why)],
    };
    let finding = match http::proxied(&options(settings)) {
        Some(proxy) => judge_proxy(&proxy, &said_by(settings, issuer.scheme()), &connect(&proxy.host, proxy.port)),
        None => judge_no_proxy(is_loopback(&issuer), settings.proxy.is_some() || variable(issuer.scheme()).is_some()),
    };
    vec![finding]
}

/// The variable that names a proxy for URLs of this scheme.
fn variable(scheme: &str) -> Option<&'static str> {
    let own = if scheme == "http" { ["HTTP_PROXY", "http_proxy"] } else { ["HTTPS_PROXY", "https_proxy"] };
    let set = |name: &&'static str| env::var_os(name).is_some_and(|value| !value.is_empty());
    own.into_iter().chain(["ALL_PROXY", "all_proxy"]).find(set)
}

fn said_by(settings: &Settings, scheme: &str) -> String {
    if settings.proxy.is_some() {
        return format!("`proxy`, {}", settings.origin(schema::PROXY.key));
    }
    variable(scheme).map_or_else(|| "the system's settings".to_owned(), |name| format!("`{name}`"))
}

fn connect(host: &str, port: u16) -> io::Result<()> {
    let mut last = io::Error::other("it has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn judge_proxy(proxy: &Proxied, said_by: &str, connected: &io::Result<()>) -> Finding {
    const NAME: &str = "proxy";
    let shown = foreign(&proxy.shown);
    match connected {
        Ok(()) => Finding::ok(NAME, format!("`{shown}` ({said_by})")),
        Err(error) => Finding::fail(
            NAME,
            Kind::Unavailable,
            format!("`{shown}` ({said_by}) cannot be reached: {}", foreign(&error.to_string())),
        )
        .note("correct it, or unset it; `NO_PROXY` lists hosts that are reached without it"),
    }
}

/// `named`: somebody names a proxy, and it is not used for this provider.
fn judge_no_proxy(loopback: bool, named: bool) -> Finding {
    const NAME: &str = "proxy";
    match (loopback, named) {
        (true, _) => Finding::ok(NAME, "none: the provider is on this machine"),
        (false, true) => {
            Finding::ok(NAME, "none: `NO_PROXY` leaves this provider out, or the proxy's address cannot be read")
        }
        (false, false) => Finding::ok(NAME, "none"),
    }
}

/// Which authorities are trusted.
pub fn certificates(case: &Case) -> Vec<Finding> {
    let count = |path: &Path| http::certificates(path).map(|certificates| certificates.len());
    // Where others are read, the verifier asks the system itself and no variable.
    let instead = env::var_os("SSL_CERT_FILE").filter(|path| cfg!(target_os = "linux") && !path.is_empty());
    vec![judge_certificates(instead.map(|path| count(path.as_ref())), case.settings.ca_file.as_deref().map(count))]
}

/// How many certificates `SSL_CERT_FILE` and `ca_file` hold, where they are set.
fn judge_certificates(instead: Option<Result<usize>>, more: Option<Result<usize>>) -> Finding {
    const NAME: &str = "certificates";
    let many = |count: usize| if count == 1 { "one certificate".to_owned() } else { format!("{count} certificates") };
    let mut text = match instead {
        Some(Err(error)) => return Finding::failed(NAME, &error).note("correct `SSL_CERT_FILE`, or unset it"),
        Some(Ok(count)) => format!("those of `SSL_CERT_FILE` ({}) in place of the system's", many(count)),
        None => "the system's".to_owned(),
    };
    match more {
        Some(Err(error)) => return Finding::failed(NAME, &error),
        Some(Ok(count)) => text.push_str(&format!(", and those of `ca_file` ({})", many(count))),
        None => {}
    }
    Finding::ok(NAME, text)
}

/// Whether the provider's name has an address.
pub fn dns(case: &Case) -> Vec<Finding> {
    const NAME: &str = "dns";
    let skip = |why: &str| vec![Finding::skip(NAME, why)];
    let issuer = match issuer(&case.settings) {
        Ok(issuer) => issuer,
        Err(why) => return skip(&why),
    };
    if http::proxied(&options(&case.settings)).is_some() {
        return skip("the proxy looks the name up");
    }
    let (Some(Host::Domain(host)), Some(port)) = (issuer.host(), issuer.port_or_known_default()) else {
        return skip("the issuer is at an address, and has no name");
    };
    let found = (host, port).to_socket_addrs().map(|addresses| addresses.map(|address| address.ip()).collect());
    vec![judge_dns(host, &found)]
}

fn judge_dns(host: &str, found: &io::Result<Vec<IpAddr>>) -> Finding {
    const NAME: &str = "dns";
    let host = foreign(host);
    match found {
        Ok(addresses) if !addresses.is_empty() => {
            let families = match (addresses.iter().any(IpAddr::is_ipv4), addresses.iter().any(IpAddr::is_ipv6)) {
                (true, true) => "IPv4 and IPv6",
                (true, false) => "IPv4",
                _ => "IPv6",
            };
            Finding::ok(NAME, format!("`{host}` has an address ({families})"))
        }
        found => {
            let why = found.as_ref().map_or_else(|error| foreign(&error.to_string()), |_| "no address".to_owned());
            Finding::fail(NAME, Kind::Unavailable, format!("`{host}` is not found: {why}"))
                .note("check the name in the issuer, the network and its name servers; a VPN may have to be up")
        }
    }
}

/// Asks the provider for its metadata, and judges clock, issuer and what is supported.
pub fn discovery(case: &Case) -> Vec<Finding> {
    const NAME: &str = "discovery";
    let settings = &case.settings;
    if let Err(why) = issuer(settings) {
        return vec![Finding::skip(NAME, why)];
    }
    if settings.ca_file.as_deref().is_some_and(|path| http::certificates(path).is_err()) {
        return vec![Finding::skip(NAME, "`ca_file` cannot be used, and nobody is asked without it")];
    }
    let asked = Http::new(&options(settings)).and_then(|http| block_on(metadata::fetch(&http, &settings.issuer)));
    let mut findings = match asked {
        Err(error) => vec![Finding::failed(NAME, &error)],
        Ok(Err(fault)) => vec![unusable(settings, fault)],
        Ok(Ok(document)) => judge_document(settings, &document),
    };
    findings.extend(traps(settings));
    findings
}

fn unusable(settings: &Settings, fault: Fault) -> Finding {
    let no_statement = matches!(&fault, Fault::Unavailable { outcome: Outcome::Later, retry_after: None, .. });
    let error = explain::fault(settings, doing(settings), fault);
    let finding = Finding::fail("discovery", error.kind(), error.causes().join(": "));
    let finding = error.hints().iter().fold(finding, |finding, hint| finding.note(hint));
    if no_statement {
        finding.note("a portal of the network may answer in the provider's place: open any page in a browser")
    } else {
        finding
    }
}

fn judge_document(settings: &Settings, document: &Document) -> Vec<Finding> {
    let mut findings = vec![judge_clock(document.clock)];
    if settings.kind.is_program() {
        findings.extend(judge_for_program(settings, &document.body));
        return findings;
    }
    match metadata::judge(&settings.issuer, &document.body) {
        Err(fault) => findings.push(unusable(settings, fault)),
        Ok(provider) => {
            findings
                .push(Finding::ok("discovery", format!("`{}` answers, and is the issuer", foreign(&provider.issuer))));
            if *settings.origin(schema::ISSUER.key) == Origin::Server
                && let Some((name, host)) = provider.endpoint_elsewhere(&settings.endpoint_hosts)
            {
                let text = format!(
                    "`{name}` is on `{}`, and nobody but the MongoDB server has named this provider",
                    foreign(&host)
                );
                findings.push(
                    Finding::fail("discovery", Kind::RuleBroken, text)
                        .note("if this is right, set `endpoint_host` in the profile"),
                );
            }
            findings.extend(
                metadata::offers(&document.body).map(|offers| judge_offers(settings, &offers)).unwrap_or_default(),
            );
        }
    }
    findings
}

/// What a program needs of the provider's metadata.
fn judge_for_program(settings: &Settings, body: &[u8]) -> Vec<Finding> {
    let endpoint = match metadata::judge_token_endpoint(&settings.issuer, body) {
        Ok(endpoint) => endpoint,
        Err(fault) => return vec![unusable(settings, fault)],
    };
    let mut findings =
        vec![Finding::ok("discovery", format!("`{}` answers, and is the issuer", foreign(&settings.issuer)))];
    let Some(offers) = metadata::offers(body) else { return findings };
    if offers.client_credentials == Some(false) {
        findings.push(
            Finding::warn("supports", "the grant type `client_credentials` is none of the provider's")
                .note("it may give tokens to programs all the same; if not, use a provider that does"),
        );
    }
    if let Some(offered) = endpoint.assertion_algorithms.filter(|_| settings.client_key_file.is_some())
        && let Err(fault) = client_assertion::check_algorithms(&offered)
    {
        findings.push(unusable(settings, fault));
    }
    findings.push(judge_algorithms(&offers.algorithms));
    findings
}

/// Seconds of difference that anything notices: MongoDB's server allows as much for `nbf`.
const CLOCK_TOLERANCE: u64 = 60;

fn judge_clock(clock: Clock) -> Finding {
    const NAME: &str = "clock";
    let difference = clock.difference();
    if difference <= CLOCK_TOLERANCE {
        return Finding::ok(NAME, "agrees with the provider's");
    }
    let which = if clock.local > clock.provider { "ahead of" } else { "behind" };
    Finding::warn(NAME, format!("this computer's clock is {} {which} the provider's", span(difference)))
        .note("mdb-login allows for it, other programs do not, and certificates are judged by it: have the clock set by the network")
}

fn judge_offers(settings: &Settings, offers: &Offers) -> Vec<Finding> {
    let has = |offered: bool, what: &'static str| offered.then_some(what);
    let refresh = offers.refresh_token != Some(false);
    let features = [
        // Entra ID has it and does not say so.
        Some(if offers.pkce.is_some() { "PKCE (S256)" } else { "PKCE (not said, and common)" }),
        has(offers.refresh_token == Some(true), "refresh tokens"),
        has(offers.offline_access == Some(true), "`offline_access`"),
        has(offers.device_authorization, "device codes"),
        has(offers.revocation, "revocation"),
        has(offers.end_session, "a sign-out page"),
        has(offers.iss_parameter, "`iss` in answers"),
    ];
    let lacks = [
        has(!offers.device_authorization, "device codes (`--device`)"),
        has(!offers.revocation, "revocation (`logout` forgets the session here only)"),
        has(!offers.end_session, "a sign-out page (`logout --browser-session`)"),
    ];
    let list = |words: &[Option<&str>]| words.iter().copied().flatten().collect::<Vec<_>>().join(", ");
    let mut supports = Finding::ok("supports", list(&features));
    if lacks.iter().any(Option::is_some) {
        supports = supports.note(format!("without: {}", list(&lacks)));
    }
    let mut findings = vec![supports];
    if !refresh {
        findings.push(
            Finding::warn("refresh_tokens", "the provider has none: a person has to sign in whenever a token ends")
                .note("at the provider, allow the refresh token grant for this client"),
        );
    } else if offers.offline_access == Some(false) && settings.scopes.list.iter().any(|scope| scope == "offline_access")
    {
        let what = if settings.scopes.is_default { "it is left out" } else { "the provider may refuse it" };
        findings.push(Finding::warn(
            "refresh_tokens",
            format!("`offline_access` is none of the provider's scopes: {what}"),
        ));
    }
    if !offers.device_authorization && (settings.flow == FlowChoice::Device || settings.device_fallback) {
        let error = explain::fault(settings, Doing::SignIn, Fault::NoDeviceFlow);
        let text = "the settings ask for a code on another device, and the provider has none";
        let finding = if settings.flow == FlowChoice::Device {
            Finding::fail("device_codes", error.kind(), text)
        } else {
            Finding::warn("device_codes", text)
        };
        findings.push(error.hints().iter().fold(finding, |finding, hint| finding.note(hint)));
    }
    findings.push(judge_algorithms(&offers.algorithms));
    findings
}

/// The algorithms of ID tokens. Those of access tokens are told nowhere, and are the same at most providers.
fn judge_algorithms(offered: &[String]) -> Finding {
    const NAME: &str = "algorithms";
    let taken: Vec<&str> = offered.iter().map(String::as_str).filter(|name| ALGORITHMS.contains(name)).collect();
    match taken.as_slice() {
        [] => Finding::warn(NAME, format!("tokens are signed with {}", foreign(&offered.join(", "))))
            .note(format!("MongoDB takes {}: have the provider use one of them", ALGORITHMS.join(", "))),
        taken => Finding::ok(NAME, format!("{}: MongoDB takes them", taken.join(", "))),
    }
}

/// What is known to go wrong with this vendor's providers, and can be seen in the settings alone: the flaw that a token
/// would have, before there is one.
fn traps(settings: &Settings) -> Vec<Finding> {
    let Ok(issuer) = issuer(settings) else { return Vec::new() };
    let (vendor, path) = (Vendor::of(&settings.issuer), issuer.path());
    let opaque = Flaw::NotJwt(NotJwt::Opaque);
    let trap = |what: &str, mends: [Option<String>; 2]| {
        mends.into_iter().flatten().fold(Finding::warn("known_trap", what), Finding::note)
    };
    let set = |setting, value: &str| Some(settings.how_to_set(setting, value));
    let mut traps = Vec::new();
    match vendor {
        Vendor::Entra => {
            let tenant = path.trim_start_matches('/').split('/').next().unwrap_or_default();
            if matches!(tenant, "common" | "organizations" | "consumers") {
                let what = format!("Entra ID: `{tenant}` is nobody's issuer, and tokens name that of the tenant");
                let issuer = "https://login.microsoftonline.com/TENANT_ID/v2.0";
                traps.push(trap(&what, [set(&schema::ISSUER, issuer), None]));
            } else if !path.trim_end_matches('/').ends_with("/v2.0") {
                let what = "Entra ID: this is the issuer of version 1 tokens, which lack what MongoDB needs";
                let mend = "set `requestedAccessTokenVersion` to 2 in the application's manifest, and use the issuer that \
                            ends with `/v2.0`";
                traps.push(trap(what, [Some(mend.to_owned()), None]));
            }
            let usual = ["openid", "offline_access", "profile", "email"];
            let has_own_scope = settings.scopes.list.iter().any(|scope| !usual.contains(&scope.as_str()));
            if !settings.id_token_as_access_token && !has_own_scope {
                let graph = Flaw::Audience {
                    found: vec!["https://graph.microsoft.com".to_owned()],
                    expected: vec![settings.audience.clone()],
                };
                let scope = match settings.kind.is_program() {
                    true => "APPLICATION_ID/.default".to_owned(),
                    false => format!("{}/.default openid offline_access", settings.client_id),
                };
                let what =
                    "Entra ID: no scope of the application is asked for, so the token will be for Microsoft Graph";
                traps.push(trap(what, [mend(&graph, vendor), set(&schema::SCOPE, &scope)]));
            }
        }
        Vendor::Okta if !path.starts_with("/oauth2/") => {
            traps.push(trap(
                "Okta: this is the org server, whose tokens nobody else can read",
                [mend(&opaque, vendor), None],
            ));
        }
        Vendor::Google if settings.kind.is_program() => {
            let what = "Google has no client credentials: its programs are service accounts";
            traps.push(trap(what, [set(&schema::KIND, SessionKind::Gcp.name()), None]));
        }
        Vendor::Google if !settings.id_token_as_access_token => {
            let what = "Google's access tokens are no JWTs, and MongoDB can read nothing else";
            traps.push(trap(what, [mend(&opaque, vendor), set(&schema::ID_TOKEN, "true")]));
        }
        _ => {}
    }
    traps
}

/// Where a secret is read from; it is not read.
pub fn client_secret(case: &Case) -> Vec<Finding> {
    const NAME: &str = "client_secret";
    match &case.settings.client_secret {
        None => Vec::new(),
        Some(Source::File(path)) => vec![match source::check_file(path, &source::CLIENT_SECRET) {
            Ok(()) => Finding::ok(NAME, format!("in `{}`, closed to others", foreign(&path.to_string_lossy()))),
            Err(error) => Finding::failed(NAME, &error),
        }],
        // It may ask the person for a passphrase, and its arguments may be secrets.
        Some(Source::Command(_)) => {
            vec![Finding::skip(NAME, "comes from a command, which is not run here")]
        }
        Some(Source::Stdin(_)) => vec![Finding::skip(NAME, "comes from stdin, which is not read here")],
    }
}

/// The key by which a program proves to be the client, and its certificate: whether they are what they should be.
pub fn client_key(case: &Case) -> Vec<Finding> {
    const NAME: &str = "client_key";
    let Some(path) = &case.settings.client_key_file else { return Vec::new() };
    vec![match workload::client_key(&case.settings, path) {
        Ok(_) => {
            Finding::ok(NAME, format!("in `{}`, an RSA key and closed to others", foreign(&path.to_string_lossy())))
        }
        Err(error) => Finding::failed(NAME, &error),
    }]
}

/// Where a program's tokens come from, other than a provider. Nobody is asked for one: a platform would give it.
pub fn source(case: &Case) -> Vec<Finding> {
    const NAME: &str = "source";
    let settings = &case.settings;
    if let Some(place) = Place::of(settings, &|name| env::var_os(name)) {
        let shown = foreign(&place.path.to_string_lossy());
        return vec![match place.read() {
            Ok(_) => Finding::ok(NAME, format!("`{shown}` holds a token, and others cannot write to it")),
            Err(error) => Finding::failed(NAME, &error),
        }];
    }
    match settings.kind {
        SessionKind::Workforce | SessionKind::ClientCredentials | SessionKind::File => Vec::new(),
        // As with that of a secret.
        SessionKind::Command => vec![Finding::skip(NAME, "comes from a command, which is not run here")],
        SessionKind::AzureManagedIdentity | SessionKind::Gcp | SessionKind::Kubernetes | SessionKind::GithubActions => {
            vec![judge_platform(&workload::variables_set(settings.kind, &|name| env::var_os(name)))]
        }
    }
}

/// `set`: the platform's variables that are set, by which it is found.
fn judge_platform(set: &[&str]) -> Finding {
    let text = match set {
        [] => "the platform, which is not asked here; no variable of its own is set".to_owned(),
        set => format!("the platform, which is not asked here; set: `{}`", set.join("`, `")),
    };
    Finding::skip("source", text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Error;
    use crate::settings::schema::Setting;
    use crate::ui::report::Mark;

    const ISSUER: &str = "https://login.example.com";

    fn settings(flags: &[(&'static Setting, &str)]) -> Settings {
        let base = [(&schema::ISSUER, ISSUER), (&schema::CLIENT_ID, "0oa1")];
        let given = |setting: &Setting| flags.iter().any(|(flag, _)| flag.key == setting.key);
        let base = base.into_iter().filter(|(setting, _)| !given(setting));
        crate::doctor::tests::settings(&base.chain(flags.iter().copied()).collect::<Vec<_>>())
    }

    /// A document with these fields changed, or taken away.
    fn document(patch: serde_json::Value) -> Vec<u8> {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/authorize"),
            "token_endpoint": format!("{ISSUER}/token"),
            "jwks_uri": format!("{ISSUER}/keys"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "scopes_supported": ["openid", "offline_access"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "device_authorization_endpoint": format!("{ISSUER}/device"),
            "revocation_endpoint": format!("{ISSUER}/revoke"),
            "end_session_endpoint": format!("{ISSUER}/logout"),
            "authorization_response_iss_parameter_supported": true,
        });
        for (key, value) in patch.as_object().unwrap() {
            document[key] = value.clone();
        }
        document.to_string().into_bytes()
    }

    fn judged(settings: &Settings, patch: serde_json::Value) -> Vec<Finding> {
        let clock = Clock { local: 1_800_000_000, provider: 1_800_000_000 };
        judge_document(settings, &Document { body: document(patch), clock })
    }

    fn lines(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|f| format!("{} {}: {}", f.mark.name(), f.name, f.text)).collect()
    }

    #[test]
    fn a_provider_with_everything_is_fine() {
        assert_eq!(
            lines(&judged(&settings(&[]), json!({}))),
            [
                "ok clock: agrees with the provider's",
                "ok discovery: `https://login.example.com` answers, and is the issuer",
                "ok supports: PKCE (S256), refresh tokens, `offline_access`, device codes, revocation, a sign-out page, `iss` in answers",
                "ok algorithms: RS256: MongoDB takes them",
            ]
        );
    }

    #[test]
    fn what_a_provider_lacks_is_told_by_what_it_costs() {
        let device = settings(&[(&schema::FLOW, "device")]);
        let fallback = settings(&[(&schema::DEVICE_FALLBACK, "true")]);
        let scope = settings(&[(&schema::SCOPE, "openid offline_access")]);
        let plain = settings(&[]);
        let no_device = json!({ "device_authorization_endpoint": null });
        let no_offline = json!({ "scopes_supported": ["openid"] });
        let rows: Vec<(&Settings, serde_json::Value, Mark, &str, &str)> = vec![
            (
                &plain,
                json!({ "grant_types_supported": ["authorization_code"] }),
                Mark::Warn,
                "refresh_tokens",
                "has none",
            ),
            (&plain, no_offline.clone(), Mark::Warn, "refresh_tokens", "left out"),
            (&scope, no_offline, Mark::Warn, "refresh_tokens", "may refuse it"),
            (&plain, json!({ "id_token_signing_alg_values_supported": ["EdDSA"] }), Mark::Warn, "algorithms", "EdDSA"),
            (&device, no_device.clone(), Mark::Fail, "device_codes", "has none"),
            (&fallback, no_device, Mark::Warn, "device_codes", "has none"),
            (
                &plain,
                json!({ "code_challenge_methods_supported": ["plain"] }),
                Mark::Fail,
                "discovery",
                "does not offer PKCE with S256",
            ),
            (
                &plain,
                json!({ "issuer": "https://other.example.com" }),
                Mark::Fail,
                "discovery",
                "`https://other.example.com`",
            ),
            (
                &plain,
                json!({ "token_endpoint": "http://login.example.com/token" }),
                Mark::Fail,
                "discovery",
                "token_endpoint",
            ),
        ];
        for (settings, patch, mark, name, words) in rows {
            let findings = judged(settings, patch.clone());
            let told = findings.iter().any(|f| (f.mark, f.name) == (mark, name) && f.text.contains(words));
            assert!(told, "{patch}: {:#?}", lines(&findings));
            let others = findings.iter().filter(|f| f.name != name && f.mark > Mark::Skip).count();
            assert_eq!(others, 0, "{patch}: {:#?}", lines(&findings));
        }
        let all_missing =
            json!({ "device_authorization_endpoint": null, "revocation_endpoint": null, "end_session_endpoint": null });
        let findings = judged(&plain, all_missing);
        let supports = findings.iter().find(|f| f.name == "supports").unwrap();
        assert!(supports.mark == Mark::Ok && supports.notes[0].matches("`").count() == 6, "{supports:?}");
        // Entra ID says nothing of PKCE and of grants, and has both.
        let silent = judged(&plain, json!({ "code_challenge_methods_supported": null, "grant_types_supported": null }));
        assert!(silent.iter().all(|f| f.mark == Mark::Ok), "{:#?}", lines(&silent));
    }

    #[test]
    fn a_clock_is_judged_by_what_servers_allow() {
        let now = 1_800_000_000_u64;
        for (local, expected) in [
            (now, "agrees with the provider's"),
            (now + 60, "agrees with the provider's"),
            (now + 600, "this computer's clock is 10 min ahead of the provider's"),
            (now - 7200, "this computer's clock is 2 h behind the provider's"),
        ] {
            let finding = judge_clock(Clock { local, provider: now });
            assert_eq!(finding.text, expected);
            assert_eq!(finding.mark == Mark::Warn, local.abs_diff(now) > 60);
        }
    }

    #[test]
    fn the_way_to_the_provider_is_told_with_who_chose_it() {
        let proxy =
            || Proxied { shown: "http://proxy.example.com:3128".into(), host: "proxy.example.com".into(), port: 3128 };
        let dead = judge_proxy(&proxy(), "`HTTPS_PROXY`", &Err(io::Error::other("refused")));
        assert_eq!((dead.mark, dead.kind), (Mark::Fail, Kind::Unavailable));
        assert_eq!(dead.text, "`http://proxy.example.com:3128` (`HTTPS_PROXY`) cannot be reached: refused");
        assert_eq!(
            judge_proxy(&proxy(), "`proxy`, --proxy", &Ok(())).text,
            "`http://proxy.example.com:3128` (`proxy`, --proxy)"
        );
        assert_eq!(judge_no_proxy(false, false).text, "none");
        assert!(judge_no_proxy(false, true).text.contains("NO_PROXY"));
        assert!(judge_no_proxy(true, true).text.contains("this machine"));
        let addresses = |list: &[&str]| Ok(list.iter().map(|ip| ip.parse().unwrap()).collect());
        for (found, expected, mark) in [
            (addresses(&["192.0.2.1", "2001:db8::1"]), "`a.example` has an address (IPv4 and IPv6)", Mark::Ok),
            (addresses(&["2001:db8::1"]), "`a.example` has an address (IPv6)", Mark::Ok),
            (addresses(&[]), "`a.example` is not found: no address", Mark::Fail),
            (Err(io::Error::other("no\u{1b}")), "`a.example` is not found: no\\u{1b}", Mark::Fail),
        ] {
            let finding = judge_dns("a.example", &found);
            assert_eq!((finding.text.as_str(), finding.mark), (expected, mark));
        }
    }

    #[test]
    fn certificates_are_counted_and_a_file_that_has_none_is_a_failure() {
        let error = || Err(Error::new(Kind::Config, "x"));
        for (instead, more, mark, text) in [
            (None, None, Mark::Ok, "the system's"),
            (None, Some(Ok(1)), Mark::Ok, "the system's, and those of `ca_file` (one certificate)"),
            (Some(Ok(2)), None, Mark::Ok, "those of `SSL_CERT_FILE` (2 certificates) in place of the system's"),
            (Some(error()), None, Mark::Fail, "x"),
            (None, Some(error()), Mark::Fail, "x"),
        ] {
            let finding = judge_certificates(instead, more);
            assert_eq!((finding.mark, finding.text.as_str()), (mark, text));
        }
    }

    #[test]
    fn each_vendor_s_trap_is_known_and_the_way_out_is_not_one() {
        let of = |issuer: &str, more: &[(&'static Setting, &str)]| {
            let flags: Vec<_> = std::iter::once((&schema::ISSUER, issuer)).chain(more.iter().copied()).collect();
            traps(&settings(&flags)).into_iter().map(|finding| finding.text).collect::<Vec<_>>()
        };
        let scope = [(&schema::SCOPE, "0oa1/.default openid offline_access")];
        let id_token = [(&schema::ID_TOKEN, "true")];
        let entra = "https://login.microsoftonline.com/0b1c/v2.0";
        assert!(of(entra, &[])[0].contains("Microsoft Graph"));
        assert_eq!(of(entra, &scope), Vec::<String>::new());
        assert_eq!(of(entra, &id_token), Vec::<String>::new());
        assert!(of("https://login.microsoftonline.com/common/v2.0", &scope)[0].contains("`common` is nobody's issuer"));
        assert!(of("https://sts.windows.net/0b1c/", &scope)[0].contains("version 1"));
        assert!(of("https://example.okta.com", &[])[0].contains("org server"));
        assert_eq!(of("https://example.okta.com/oauth2/default", &[]), Vec::<String>::new());
        assert!(of("https://accounts.google.com", &[])[0].contains("no JWTs"));
        assert_eq!(of("https://accounts.google.com", &id_token), Vec::<String>::new());
        assert_eq!(of("https://id.example.com/realms/main", &[]), Vec::<String>::new());
    }
}
