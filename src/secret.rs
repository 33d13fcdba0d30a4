//! The type of everything that must not be seen: tokens, codes, verifiers, client secrets.

pub mod source;

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A text that cannot be printed by accident: no `Display`, no `Serialize`, a redacted `Debug`, zeroed on drop.
///
/// Copies that libraries make on the way (HTTP buffers, serde scratch space) are not covered; SECURITY.md says so.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Every call is a place where a secret leaves its cover: keep them few.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `guess` is this secret. Compares digests: the time that takes says nothing of where a guess goes wrong.
    pub fn matches(&self, guess: &str) -> bool {
        Sha256::digest(guess) == Sha256::digest(self.0.as_bytes())
    }

    /// A short name for logs: eight hex digits of a labelled SHA-256, so that two lines about one token can be matched
    /// and neither gives it away.
    pub fn log_id(&self) -> String {
        let digest = Sha256::new().chain_update("mdb-login log id\0").chain_update(self.0.as_bytes()).finalize();
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        let secret = Secret::new("hunter2-hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "[secret] Some(\n    [secret],\n)");
    }

    #[test]
    fn only_the_same_text_matches() {
        let secret = Secret::new("hunter2");
        assert!(secret.matches("hunter2"));
        for guess in ["", "hunter", "hunter22", "Hunter2", "hunter2\0", "2retnuh"] {
            assert!(!secret.matches(guess), "{guess}");
        }
    }

    #[test]
    fn log_id_is_stable_short_and_not_a_part_of_the_secret() {
        let secret = Secret::new("abcdefgh");
        assert_eq!(secret.log_id(), Secret::new("abcdefgh").log_id());
        assert_ne!(secret.log_id(), Secret::new("abcdefgi").log_id());
        assert_eq!(secret.log_id().len(), 8);
    }
}
