//! The one error a person or a script ever sees: what failed, why, what to type next, and an exit code.
//!
//! Rooms further down have their own error types by cause; they become an [`Error`] once, where the hint is known.

use std::error::Error as StdError;
use std::fmt;

/// Result of anything that may end the program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was. Scripts branch on it, so numbers and names are an interface (man page, EXIT STATUS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something failed that no other kind describes.
    Failed,
    /// The command line is wrong; clap reports most of these itself.
    Usage,
    /// The configuration file, the environment or a file that they name is wrong.
    Config,
    /// There is no session, or it has ended: a person must sign in.
    LoginRequired,
    /// The person, the identity provider or the server said no.
    Denied,
    /// Nobody answered in time: the person, the device code, or another mdb-login.
    TimedOut,
    /// The network or the identity provider is unavailable; the same command may work later.
    Unavailable,
    /// The keyring or store is locked, absent, full or refusing.
    Store,
    /// No redirect URI of the profile could be listened on.
    PortTaken,
    /// An answer broke a security rule and was not used.
    RuleBroken,
    /// `exec` has found its program, and it could not be started.
    CannotStart,
    /// `exec` has not found its program.
    NotFound,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

impl Kind {
    /// Every kind, by exit code. The length is tied to the last one, so a kind that is added has to be listed.
    pub const ALL: [Self; Self::Interrupted as usize + 1] = [
        Self::Failed,
        Self::Usage,
        Self::Config,
        Self::LoginRequired,
        Self::Denied,
        Self::TimedOut,
        Self::Unavailable,
        Self::Store,
        Self::PortTaken,
        Self::RuleBroken,
        Self::CannotStart,
        Self::NotFound,
        Self::Interrupted,
    ];

    /// The process exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::LoginRequired => 4,
            Self::Denied => 5,
            Self::TimedOut => 6,
            Self::Unavailable => 7,
            Self::Store => 8,
            Self::PortTaken => 9,
            Self::RuleBroken => 10,
            Self::CannotStart => 126,
            Self::NotFound => 127,
            Self::Interrupted => 130,
        }
    }

    /// The stable name in `--json` errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Config => "configuration",
            Self::LoginRequired => "login_required",
            Self::Denied => "denied",
            Self::TimedOut => "timed_out",
            Self::Unavailable => "unavailable",
            Self::Store => "store",
            Self::PortTaken => "port_taken",
            Self::RuleBroken => "rule_broken",
            Self::CannotStart => "cannot_start",
            Self::NotFound => "not_found",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the same command may succeed later with nothing changed.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::TimedOut)
    }
}

/// A failure with its story. Texts are lower-case, without a full stop, literals in backticks; foreign text must have
/// passed [`crate::ui::foreign`] before it gets here.
pub struct Error {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

impl Error {
    /// A failure of `kind`, described by `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// Adds the cause and all of its sources, outermost first.
    pub fn because(mut self, cause: impl StdError) -> Self {
        self.causes.extend(texts(&cause));
        self
    }

    /// Adds a cause in our own words.
    pub fn because_of(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds the next thing to do: a complete command wherever there is one.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

/// An error and all of its sources on one line, safe to show, for what is reported and not fatal.
pub fn with_sources(error: &dyn StdError) -> String {
    texts(error).join(": ")
}

/// Outermost first.
fn texts(error: &dyn StdError) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = crate::ui::foreign(&error.to_string());
        // Many libraries repeat their source in their own text; saying it twice helps nobody.
        if !texts.last().is_some_and(|last| last.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts
}

/// The same text that a person sees, so that a test's failure reads like the program.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.kind.name(), self.message)?;
        for cause in &self.causes {
            write!(f, " / caused by: {cause}")?;
        }
        for hint in &self.hints {
            write!(f, " / hint: {hint}")?;
        }
        Ok(())
    }
}
