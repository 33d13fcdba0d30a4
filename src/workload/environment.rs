//! The vendors' own variables, read as their libraries read them: an empty one is not set.

use std::ffi::OsString;
use std::path::PathBuf;

use url::Url;

use crate::error::{Error, Kind, Result};

/// What looks a variable up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The variables of one platform.
pub struct Variables<'a> {
    known: &'static [&'static str],
    lookup: Lookup<'a>,
}

impl<'a> Variables<'a> {
    /// `known` is the platform's list, which others are shown ([`super::variables_set`]): whoever reads another variable has
    /// forgotten to list it, and fails wherever assertions are on.
    pub const fn new(known: &'static [&'static str], lookup: Lookup<'a>) -> Self {
        Self { known, lookup }
    }

    /// Those that are set.
    pub fn set(&self) -> Vec<&'static str> {
        self.known.iter().copied().filter(|name| self.value(name).is_some()).collect()
    }

    /// The value of a variable that becomes a part of a request.
    ///
    /// # Errors
    /// [`Kind::Config`] if it holds anything but visible ASCII: a line break would be a header of its own.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.into_string() {
            Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(text)),
            _ => Err(Error::new(Kind::Config, format!("environment variable `{name}` holds more than visible ASCII"))),
        }
    }

    /// The same, for what cannot do without.
    pub fn required(&self, name: &str, what: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| {
            Error::new(Kind::Config, format!("environment variable `{name}` is not set")).because_of(what)
        })
    }

    /// A variable that names an http or https URL with a host.
    pub fn url(&self, name: &str) -> Result<Option<Url>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match known(&text) {
            Ok(url) => Ok(Some(url)),
            Err(_) => {
                Err(Error::new(Kind::Config, format!("environment variable `{name}` is not a URL of http or https")))
            }
        }
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    fn value(&self, name: &str) -> Option<OsString> {
        debug_assert!(self.known.contains(&name), "`{name}` is not in the platform's list");
        (self.lookup)(name).filter(|value| !value.is_empty())
    }
}

/// An http or https URL with a host, and no user name or password in it.
///
/// # Errors
/// [`Kind::Config`], without the text: it may hold a secret.
pub fn known(text: &str) -> Result<Url> {
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let url = Url::parse(text).ok().filter(plain);
    url.ok_or_else(|| Error::new(Kind::Config, "an address is not a URL of http or https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_a_request_is_refused() {
        for (value, expected) in
            [("", Some(None)), ("a=b;c", Some(Some("a=b;c"))), ("a b", None), ("a\nb", None), ("a\u{e9}", None)]
        {
            let environment = |_: &str| Some(OsString::from(value));
            let text = Variables::new(&["X"], &environment).text("X");
            assert_eq!(text.as_ref().ok().map(Option::as_deref), expected, "{value:?}");
        }
    }

    #[test]
    #[should_panic(expected = "`Y` is not in the platform's list")]
    #[cfg(debug_assertions)]
    fn a_variable_that_nobody_is_told_of_is_not_read() {
        _ = Variables::new(&["X"], &|_| None).text("Y");
    }

    #[test]
    fn an_address_is_a_web_address_without_credentials() {
        for (text, good) in [
            ("http://169.254.169.254", true),
            ("https://h/p?q=1", true),
            ("http://u:p@h/", false),
            ("http://u@h/", false),
            ("ftp://h/", false),
            ("h:80/p", false),
            ("/p", false),
            ("unix:/run/x", false),
        ] {
            assert_eq!(known(text).is_ok(), good, "{text}");
        }
    }
}
