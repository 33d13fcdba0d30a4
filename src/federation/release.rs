//! Versions of MongoDB's server, as far as they differ in what `oidcIdentityProviders` may say.

use std::fmt;
use std::str::FromStr;

/// A release, or the newest of its series where no patch is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    major: u16,
    minor: u16,
    patch: u16,
}

/// No patch is named.
const NEWEST: u16 = u16::MAX;

impl Release {
    /// What is checked against where nothing is said: the newest rules that are known.
    pub const LATEST: Self = Self::new(8, 2, NEWEST);

    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Whether it is of `MAJOR.MINOR`.
    pub fn is_of(self, major: u16, minor: u16) -> bool {
        (self.major, self.minor) == (major, minor)
    }

    /// Whether something is in this release that came with `since`, one release for each series that got it, oldest first.
    /// A series between two of them lacks it.
    pub fn has(self, since: &[Self]) -> bool {
        let newest = since.last().is_none_or(|last| self >= *last);
        newest || since.iter().any(|since| self.is_of(since.major, since.minor) && self >= *since)
    }
}

impl FromStr for Release {
    type Err = String;

    /// `8.0` or `7.0.11`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.parse::<u16>().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()));
        let parts: Option<Vec<u16>> = text.split('.').map(number).collect();
        let release = match parts.as_deref() {
            Some([major, minor]) => Self::new(*major, *minor, NEWEST),
            Some([major, minor, patch]) => Self::new(*major, *minor, *patch),
            _ => return Err("a version is written `8.0` or `7.0.11`".to_owned()),
        };
        if release < Self::new(7, 0, 0) {
            return Err("MONGODB-OIDC came with MongoDB 7.0".to_owned());
        }
        Ok(release)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch == NEWEST { Ok(()) } else { write!(f, ".{}", self.patch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        text.parse().unwrap()
    }

    #[test]
    fn a_version_is_read_and_shown() {
        for (text, shown) in [
            ("8.0", Ok("8.0")),
            ("7.0.11", Ok("7.0.11")),
            ("10.2.0", Ok("10.2.0")),
            ("6.0", Err("MONGODB-OIDC came with MongoDB 7.0")),
            ("8", Err("a version is written `8.0` or `7.0.11`")),
            ("8.0-ent", Err("a version is written `8.0` or `7.0.11`")),
            ("8.+0", Err("a version is written `8.0` or `7.0.11`")),
            ("v8.0", Err("a version is written `8.0` or `7.0.11`")),
            ("", Err("a version is written `8.0` or `7.0.11`")),
        ] {
            let read = text.parse::<Release>().map(|release| release.to_string());
            assert_eq!(read, shown.map(str::to_owned).map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn what_was_brought_to_an_older_series_is_not_in_those_between() {
        let since = [Release::new(7, 0, 5), Release::new(7, 2, 0)];
        for (text, expected) in
            [("7.0.4", false), ("7.0.5", true), ("7.0", true), ("7.1", false), ("7.2.0", true), ("8.0", true)]
        {
            assert_eq!(release(text).has(&since), expected, "{text}");
        }
    }
}
