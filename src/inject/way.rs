//! How a program can be given a token, and which way a program understands.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::error::{Error, Kind};

/// A way of handing over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// mongosh asks us, through `MONGOSH_OIDC_PARENT_HANDLE`; its connection string stays as it is. Since mongosh 2.2.7.
    Mongosh,
    /// `ENVIRONMENT:k8s` of every driver: a path from which a live token is read. A plain file, and a FIFO while there is
    /// none, so that a reader waits for the renewal.
    K8s,
    /// The same, and always a plain file.
    File,
}

/// Whether there are FIFOs that can be made without a program of their own.
const FIFOS: bool = cfg!(all(unix, not(target_vendor = "apple")));

impl Way {
    /// The way for a program of which nothing but its command line is known.
    pub fn for_program(program: &OsStr, args: &[OsString]) -> Self {
        if cfg!(unix) && is_mongosh(program, args) { Self::Mongosh } else { Self::by_file() }
    }

    /// The way for any program that reads tokens from a path, as good as this system has it.
    pub fn by_file() -> Self {
        if FIFOS { Self::K8s } else { Self::File }
    }

    /// The value of `--inject` that asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mongosh => "mongosh",
            Self::K8s => "k8s",
            Self::File => "file",
        }
    }

    /// # Errors
    /// [`Kind::Usage`] where this system has no such way.
    pub(super) fn check(self) -> Result<(), Error> {
        let available = match self {
            Self::Mongosh => cfg!(unix),
            Self::K8s => FIFOS,
            Self::File => true,
        };
        if available { Ok(()) } else { Err(self.unavailable()) }
    }

    pub(super) fn unavailable(self) -> Error {
        Error::new(Kind::Usage, format!("`--inject {}` is not available on this system", self.name()))
            .hint("hand the token over in a file: `--inject file`")
    }
}

/// mongosh under any path, or as npx runs it: `npx mongosh`, `npx -y mongosh@2`, `npx -p mongosh mongosh`.
fn is_mongosh(program: &OsStr, args: &[OsString]) -> bool {
    match Path::new(program).file_stem().and_then(OsStr::to_str) {
        Some("mongosh") => true,
        Some("npx") => npx_command(args).is_some_and(|name| name == "mongosh" || name.starts_with("mongosh@")),
        _ => false,
    }
}

/// The first word that is neither an option of npx's nor an option's value.
fn npx_command(args: &[OsString]) -> Option<&str> {
    let mut args = args.iter().map(|arg| arg.to_str());
    loop {
        match args.next()?? {
            "-p" | "--package" | "-w" | "--workspace" => _ = args.next(),
            // A line for a shell: what it runs is anybody's guess.
            "-c" | "--call" => return None,
            option if option.starts_with('-') => {}
            command => return Some(command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mongosh_is_found_by_name_and_behind_npx() {
        for (line, expected) in [
            ("mongosh", true),
            ("mongosh mongodb://localhost", true),
            ("/opt/mongosh/bin/mongosh --quiet", true),
            ("./mongosh.exe", true),
            ("npx mongosh", true),
            ("npx -y mongosh@2 --nodb", true),
            ("npx --yes --package mongosh@2.3 mongosh", true),
            ("npx -p mongosh -- mongosh", true),
            ("/usr/bin/npx --package=mongosh mongosh", true),
            ("mongodump", false),
            ("mongosh-wrapper", false),
            ("my/mongosh/run", false),
            ("npx", false),
            ("npx -y", false),
            ("npx mongoshell", false),
            ("npx eslint mongosh", false),
            ("npx -p mongosh eslint", false),
            ("npx -c mongosh", false),
            ("sh -c mongosh", false),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(is_mongosh(&words[0], &words[1..]), expected, "{line}");
        }
    }
}
