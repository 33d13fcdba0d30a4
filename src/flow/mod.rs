//! Signing in: how a person's consent, given in a browser, becomes an authorization code in this process.
//!
//! This room knows sockets, pages and programs; it knows neither the store nor the provider's endpoints.

pub mod browser;
pub mod redirect;

use std::fmt;

/// Where the browser is sent back to. Printed byte for byte as it was configured, because providers compare it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    pub host: RedirectHost,
    /// 0 = any free port.
    pub port: u16,
    /// With its leading slash, and without query or fragment.
    pub path: String,
}

/// The three names under which a listener on this machine can be reached, and nothing else can (RFC 8252 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectHost {
    Localhost,
    V4,
    V6,
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.host {
            RedirectHost::Localhost => "localhost",
            RedirectHost::V4 => "127.0.0.1",
            RedirectHost::V6 => "[::1]",
        };
        write!(f, "http://{host}:{}{}", self.port, self.path)
    }
}

/// Which program opens the start link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrowserChoice {
    /// The desktop's own choice.
    System,
    /// None: the person opens the printed link.
    None,
    /// A program and its arguments; `%s` stands for the link, which is otherwise appended.
    Command(Vec<String>),
}
