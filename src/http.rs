//! The one HTTP client. It sends what `oidc` builds and returns what `oidc` judges; it judges nothing itself.
//!
//! No redirects (an answer must come from the endpoint that was asked, and a redirect is a way into the internal
//! network), deadlines on everything, a body cap, TLS with the platform's roots, and nothing of a request in the log but
//! method, host and path.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use hyper_util::client::proxy::matcher::Matcher;
use oauth2::{HttpRequest, HttpResponse};
use reqwest::redirect::Policy;
use rustls::CertificateError;
use tracing::debug;
use url::Url;

use crate::error::{Error, Kind, Result};
use crate::ui::foreign;

/// Metadata documents of large tenants reach some 20 KiB, key sets some 50.
const BODY_MAX: usize = 256 * 1024;

/// A connection that is not there after this long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the client depends on.
pub struct HttpOptions<'a> {
    /// The issuer; requests to a provider on loopback never go through a proxy.
    pub issuer: &'a str,
    /// PEM certificates trusted in addition to the platform's.
    pub ca_file: Option<&'a Path>,
    /// Used instead of the proxy that the environment or the system names.
    pub proxy: Option<&'a str>,
    /// One request, from connecting to the last byte of the answer.
    pub timeout: Duration,
}

/// A metadata server answers at once, or there is none: this machine is not in that cloud. That is known within a second,
/// with the program's own start.
const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_millis(800);

#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    timeout: Duration,
}

/// Why there is no answer. The difference matters for a refresh: a request that was never sent can be repeated freely.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("cannot reach {url}: {why}")]
    NotSent { url: String, why: String },
    #[error("no answer from {url}: {why}")]
    Lost { url: String, why: String },
    #[error("{url} cannot be trusted: {why}")]
    Untrusted { url: String, flaw: CertificateFlaw, why: String },
    #[error("the answer of {url} is larger than {limit} bytes")]
    TooLarge { url: String, limit: usize },
}

/// What is wrong with a server's certificate, as far as it decides what a person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFlaw {
    /// No authority that this computer trusts has signed it.
    UnknownAuthority,
    /// It has expired, or is not valid yet.
    OutOfTime,
    /// It is for another host.
    OtherHost,
    Other,
}

impl From<&CertificateError> for CertificateFlaw {
    fn from(error: &CertificateError) -> Self {
        use CertificateError as E;
        match error {
            // A company's authority that was replaced keeps its name, and the old key's signature is then a bad one.
            E::UnknownIssuer | E::BadSignature => Self::UnknownAuthority,
            E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. } => Self::OutOfTime,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::OtherHost,
            _ => Self::Other,
        }
    }
}

impl Http {
    pub fn new(options: &HttpOptions<'_>) -> Result<Self> {
        let mut builder = plain(CONNECT_TIMEOUT, options.timeout);
        if let Some(path) = options.ca_file {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        if Url::parse(options.issuer).is_ok_and(|issuer| is_loopback(&issuer)) {
            builder = builder.no_proxy();
        } else if let Some(proxy) = options.proxy {
            // The URL may hold a password; reqwest's own text may repeat it, so no cause is attached.
            let proxy = reqwest::Proxy::all(proxy).map_err(|_| {
                Error::new(Kind::Config, "`proxy` is not a proxy URL such as `http://proxy.example.com:3128`")
            })?;
            builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_env()));
        }
        built(builder, options.timeout)
    }

    /// For the addresses at which a platform tells a machine who it is. Never through a proxy: that would be asked who it
    /// is itself, and whoever runs it would have the token. `timeout` is for one request.
    pub fn for_metadata(timeout: Duration) -> Result<Self> {
        built(plain(METADATA_CONNECT_TIMEOUT, timeout).no_proxy(), timeout)
    }

    /// For a service in the same network: never through a proxy. `ca_file` holds PEM certificates that are trusted in
    /// addition to the platform's. `timeout` is for one request.
    pub fn direct(ca_file: Option<&Path>, timeout: Duration) -> Result<Self> {
        let mut builder = plain(CONNECT_TIMEOUT, timeout).no_proxy();
        if let Some(path) = ca_file {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        built(builder, timeout)
    }

    /// How long one request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends one request and reads the whole answer, whatever its status.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let url = shown_url(&request.uri().to_string());
        let method = request.method().clone();
        let started = Instant::now();
        let request = reqwest::Request::try_from(request)
            .map_err(|error| SendError::NotSent { url: url.clone(), why: reason(&error) })?;
        let mut response = self.client.execute(request).await.map_err(|error| failure(&url, &error))?;
        debug!(%method, %url, status = response.status().as_u16(), elapsed_ms = started.elapsed().as_millis(), "asked");

        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&url, &error))? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(SendError::TooLarge { url, limit: BODY_MAX });
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = HttpResponse::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

/// What all clients have in common.
fn plain(connect_timeout: Duration, timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("mdb-login/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(connect_timeout.min(timeout))
        .timeout(timeout)
}

fn built(builder: reqwest::ClientBuilder, timeout: Duration) -> Result<Http> {
    let client = builder.build().map_err(|error| {
        Error::new(Kind::Config, "cannot set up TLS")
            .because(error)
            .hint("check the system's certificate store, `SSL_CERT_FILE`, and the proxy variables")
    })?;
    Ok(Http { client, timeout })
}

/// A proxy that requests go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Its URL, without credentials.
    pub shown: String,
    pub host: String,
    pub port: u16,
}

/// The proxy that requests to the issuer go through, by the rules of the client: they are the same library's.
pub fn proxied(options: &HttpOptions<'_>) -> Option<Proxied> {
    let issuer = Url::parse(options.issuer).ok().filter(|issuer| !is_loopback(issuer))?;
    let rules = match options.proxy {
        Some(proxy) => {
            let except = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
            Matcher::builder().all(proxy.to_owned()).no(except.unwrap_or_default()).build()
        }
        None => Matcher::from_system(),
    };
    let proxy = rules.intercept(&issuer.as_str().parse().ok()?)?;
    let (uri, host) = (proxy.uri(), proxy.uri().host()?);
    let scheme = uri.scheme_str().unwrap_or("http");
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => 1080,
    };
    let port = uri.port_u16().unwrap_or(usual);
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Proxied { shown: format!("{scheme}://{host}:{port}"), host: bare, port })
}

/// Reads certificate authorities.
///
/// # Errors
/// [`Kind::Config`] for a file that cannot be read, is no PEM, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>> {
    let shown = foreign(&path.display().to_string());
    let bytes = std::fs::read(path)
        .map_err(|error| Error::new(Kind::Config, format!("cannot read the CA file `{shown}`")).because(error))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&bytes).map_err(|error| {
        Error::new(Kind::Config, format!("the CA file `{shown}` is not a list of PEM certificates")).because(error)
    })?;
    if certificates.is_empty() {
        return Err(Error::new(Kind::Config, format!("the CA file `{shown}` holds no PEM certificate"))
            .hint("it must contain `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(certificates)
}

fn failure(url: &str, error: &reqwest::Error) -> SendError {
    let (url, why) = (url.to_owned(), reason(error));
    if let Some(flaw) = certificate_error(error) {
        SendError::Untrusted { url, flaw: flaw.into(), why }
    } else if error.is_connect() || error.is_builder() {
        SendError::NotSent { url, why }
    } else if error.is_timeout() {
        SendError::Lost { url, why: "it took too long".to_owned() }
    } else {
        SendError::Lost { url, why }
    }
}

/// What the TLS library has against the certificate, if that is why the request failed.
fn certificate_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CertificateError> {
    if let Some(rustls::Error::InvalidCertificate(flaw)) = error.downcast_ref() {
        return Some(flaw);
    }
    let next = match error.downcast_ref::<io::Error>() {
        // Its `source` would pass over the very error that it wraps.
        Some(wrapper) => wrapper.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
        None => error.source(),
    };
    certificate_error(next?)
}

/// The innermost cause: reqwest's outer texts only repeat the URL, with its query.
fn reason(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    foreign(&innermost.to_string())
}

/// A URL for logs and messages: parameter values are codes, tokens and hints, so the query is left out.
pub fn shown_url(url: &str) -> String {
    foreign(url.split(['?', '#']).next().unwrap_or_default())
}

/// The host of a URL for messages, or the URL where it has none.
pub fn shown_host(url: &str) -> String {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(foreign));
    host.unwrap_or_else(|| shown_url(url))
}

/// Whether plain http to this URL stays on this machine (RFC 8252 §8.3).
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_parameters() {
        assert_eq!(shown_url("https://idp.example.com/a?code=secret#x"), "https://idp.example.com/a");
        assert_eq!(shown_url("https://idp.example.com/a#frag"), "https://idp.example.com/a");
    }

    #[test]
    fn a_proxy_is_shown_without_its_password_and_never_for_this_machine() {
        let proxied = |issuer, proxy| {
            proxied(&HttpOptions { issuer, ca_file: None, proxy: Some(proxy), timeout: Duration::from_secs(1) })
        };
        let of = |proxy| proxied("https://idp.example.com", proxy).map(|proxy| (proxy.shown, proxy.host, proxy.port));
        let expected = |shown: &str, host: &str, port| Some((shown.to_owned(), host.to_owned(), port));
        assert_eq!(of("http://ada:hunter2@proxy:3128"), expected("http://proxy:3128", "proxy", 3128));
        assert_eq!(of("http://proxy"), expected("http://proxy:80", "proxy", 80));
        assert_eq!(of("socks5h://[::1]"), expected("socks5h://[::1]:1080", "::1", 1080));
        assert_eq!(proxied("http://127.0.0.1:9/x", "http://proxy"), None);
    }

    #[test]
    fn a_host_is_shown_alone_and_as_it_is_asked() {
        for (url, expected) in [
            ("https://ada:secret@idp.example.com:8443/a?code=secret", "idp.example.com"),
            ("https://пример.example/", "xn--e1afmkfd.example"),
            ("/login?code=secret", "/login"),
            ("mailto:a\u{1b}b", "mailto:a\\u{1b}b"),
        ] {
            assert_eq!(shown_host(url), expected);
        }
    }

    #[test]
    fn loopback_is_decided_on_the_parsed_host() {
        for (url, expected) in [
            ("http://localhost:1/", true),
            ("http://127.0.0.9/", true),
            ("http://[::1]:2/", true),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://10.0.0.1/", false),
            ("http://user@example.com#@localhost/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
