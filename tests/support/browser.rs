//! A scripted browser: follows redirects, keeps cookies, fills in forms and sends the headers that browsers send, so
//! that a listener's checks meet what they will meet in life. Also the plain and the malformed requests of tests.

mod html;
pub mod http;

use url::Url;

pub use html::Form;
pub use http::{Exchange, get, post_form, raw, send};

/// The longest chain of redirects that is followed; browsers stop at 20.
const REDIRECTS_MAX: usize = 20;

/// One person's browser, with its cookies.
#[derive(Default)]
pub struct Browser {
    cookies: Vec<Cookie>,
}

/// Cookies do not keep ports apart (RFC 6265 §8.5), so neither does this.
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
    /// `SameSite=Strict`: not sent when another site leads here.
    strict: bool,
}

/// A way through the web, from what was typed or pressed to the page where it ended.
#[derive(Debug, Default)]
pub struct Visit {
    /// Every exchange, in order.
    pub hops: Vec<Hop>,
    /// Why the way ended without a page: nobody listened, or the connection broke.
    pub failure: Option<String>,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Hop {
    pub method: String,
    pub url: Url,
    pub answer: Exchange,
}

impl Browser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes to a URL as if it had been typed, and wherever that leads.
    pub fn open(&mut self, url: &str) -> Visit {
        self.go("GET", Url::parse(url).unwrap(), None, None)
    }

    /// Goes to a URL as if a link on `from` had been followed.
    pub fn follow(&mut self, from: &str, url: &str) -> Visit {
        self.go("GET", Url::parse(url).unwrap(), None, Some(&Url::parse(from).unwrap()))
    }

    /// Sends the first form of the page that a visit ended on. `fields` are what the person fills in or presses; the
    /// rest is as the page has it.
    pub fn submit(&mut self, visit: &Visit, fields: &[(&str, &str)]) -> Visit {
        let page = visit.last();
        let form = visit.form().unwrap_or_else(|| panic!("no form on `{}`", page.url));
        let target = page.url.join(&form.action).unwrap();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &form.fields {
            if !fields.iter().any(|(filled, _)| filled == name) {
                body.append_pair(name, value);
            }
        }
        for (name, value) in fields {
            body.append_pair(name, value);
        }
        let body = body.finish();
        if form.method == "post" {
            self.go("POST", target, Some(body), Some(&page.url))
        } else {
            let mut target = target;
            target.set_query(Some(&body));
            self.go("GET", target, None, Some(&page.url))
        }
    }

    /// The whole sign-in at the test provider: opens `url`, picks `user`, agrees. All hops in one visit.
    pub fn sign_in(&mut self, url: &str, user: &str) -> Visit {
        self.decide(url, &[("user", user), ("decision", "allow")])
    }

    /// The same, refusing.
    pub fn deny(&mut self, url: &str) -> Visit {
        self.decide(url, &[("decision", "deny")])
    }

    fn decide(&mut self, url: &str, fields: &[(&str, &str)]) -> Visit {
        let mut visit = self.open(url);
        if visit.failure.is_none() && visit.form().is_some() {
            let rest = self.submit(&visit, fields);
            visit.hops.extend(rest.hops);
            visit.failure = rest.failure;
        }
        visit
    }

    fn go(&mut self, method: &str, url: Url, body: Option<String>, from: Option<&Url>) -> Visit {
        let mut visit = Visit::default();
        let (mut method, mut url, mut body) = (method.to_owned(), url, body);
        // One foreign hop makes the whole chain cross-site: what the Fetch Metadata specification says for redirects.
        let mut site = match from {
            None => "none",
            Some(from) => relation(from, &url),
        };
        for _ in 0..=REDIRECTS_MAX {
            let headers = self.headers(&method, &url, site, from);
            let sent = send(&method, &url, &headers, body.as_deref().map(str::as_bytes));
            let answer = match sent {
                Ok(answer) => answer,
                Err(error) => {
                    visit.failure = Some(format!("{method} {url}: {error}"));
                    return visit;
                }
            };
            self.keep_cookies(&url, &answer);
            let next = match answer.status {
                301 | 302 | 303 | 307 | 308 => answer.header("location").map(|target| url.join(target).unwrap()),
                _ => None,
            };
            let as_get = matches!(answer.status, 301..=303);
            visit.hops.push(Hop { method: method.clone(), url: url.clone(), answer });
            if as_get {
                "GET".clone_into(&mut method);
                body = None;
            }
            let Some(next) = next else { return visit };
            site = match (site, relation(&url, &next)) {
                ("none", _) if from.is_none() => "none",
                ("cross-site", _) | (_, "cross-site") => "cross-site",
                ("same-site", _) | (_, "same-site") => "same-site",
                (_, same) => same,
            };
            url = next;
        }
        visit.failure = Some("too many redirects".to_owned());
        visit
    }

    /// What Chromium sends with a navigation, less what nobody here looks at.
    fn headers(&self, method: &str, url: &Url, site: &str, from: Option<&Url>) -> Vec<(String, String)> {
        let mut headers = vec![
            ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"),
            ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("Accept-Language", "en-GB,en;q=0.9"),
            ("Accept-Encoding", "identity"),
            ("Upgrade-Insecure-Requests", "1"),
            ("Sec-Fetch-Site", site),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-User", "?1"),
            ("Sec-Fetch-Dest", "document"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect::<Vec<_>>();
        if method == "POST" {
            headers.push(("Content-Type".into(), "application/x-www-form-urlencoded".into()));
            headers.extend(from.map(|from| ("Origin".to_owned(), from.origin().ascii_serialization())));
        }
        let host = url.host_str().unwrap_or_default();
        let sent: Vec<String> = self
            .cookies
            .iter()
            .filter(|cookie| cookie.host == host && url.path().starts_with(&cookie.path))
            .filter(|cookie| !cookie.strict || site != "cross-site")
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if !sent.is_empty() {
            headers.push(("Cookie".into(), sent.join("; ")));
        }
        headers
    }

    fn keep_cookies(&mut self, url: &Url, answer: &Exchange) {
        for (_, text) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let mut parts = text.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let attributes: Vec<(String, &str)> = parts
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect();
            let attribute = |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
            let folder =
                url.path().rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
            let cookie = Cookie {
                host: url.host_str().unwrap_or_default().to_owned(),
                path: attribute("path").filter(|path| path.starts_with('/')).unwrap_or(folder).to_owned(),
                name: name.to_owned(),
                value: value.to_owned(),
                strict: attribute("samesite").is_some_and(|value| value.eq_ignore_ascii_case("strict")),
            };
            self.cookies.retain(|old| (&old.host, &old.path, &old.name) != (&cookie.host, &cookie.path, &cookie.name));
            if attribute("max-age") != Some("0") {
                self.cookies.push(cookie);
            }
        }
    }
}

/// `Sec-Fetch-Site` of a request to `to` that starts at `from`. Loopback hosts have no registrable domain in common,
/// and a site does not know ports.
fn relation(from: &Url, to: &Url) -> &'static str {
    if from.origin() == to.origin() {
        "same-origin"
    } else if from.scheme() == to.scheme() && from.host_str() == to.host_str() {
        "same-site"
    } else {
        "cross-site"
    }
}

impl Visit {
    /// The page where the way ended.
    pub fn last(&self) -> &Hop {
        if let Some(failure) = &self.failure {
            panic!("the browser got nowhere: {failure}");
        }
        self.hops.last().unwrap()
    }

    pub fn status(&self) -> u16 {
        self.last().answer.status
    }

    /// What the address bar shows.
    pub fn url(&self) -> &Url {
        &self.last().url
    }

    /// What a person reads on the last page.
    pub fn text(&self) -> String {
        html::text(&self.last().answer.text())
    }

    pub fn title(&self) -> String {
        html::title(&self.last().answer.text())
    }

    /// The first form on the last page.
    pub fn form(&self) -> Option<Form> {
        html::form(&self.last().answer.text())
    }
}
