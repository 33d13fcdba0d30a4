//! The connection strings among a program's arguments: they say where the program will send its token.

use std::ffi::OsString;

use super::uri::{Uri, is_connection_string};

/// A connection string, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    index: usize,
    /// What stands before it in the same argument: `--uri=`.
    prefix: String,
    pub uri: Uri,
}

/// Finds the arguments that are connection strings, or options with one as their value (`--uri=mongodb://…`).
///
/// # Errors
/// The number of the argument, from 1, and what is wrong with it.
pub fn find(args: &[OsString]) -> Result<Vec<Found>, (usize, String)> {
    let mut found = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        let Some(text) = arg.to_str() else { continue };
        let (prefix, text) = match text.split_once('=') {
            Some((option, value)) if option.starts_with('-') && is_connection_string(value) => {
                (format!("{option}="), value)
            }
            _ => (String::new(), text),
        };
        if is_connection_string(text) {
            let uri = Uri::parse(text).map_err(|reason| (index + 1, reason))?;
            found.push(Found { index, prefix, uri });
        }
    }
    Ok(found)
}

/// Puts what `rewrite` makes of each connection string in its place.
pub fn rewrite(args: &mut [OsString], found: &[Found], rewrite: impl Fn(&Uri) -> Uri) {
    for Found { index, prefix, uri } in found {
        if let Some(arg) = args.get_mut(*index) {
            *arg = format!("{prefix}{}", rewrite(uri).text()).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn connection_strings_are_found_where_programs_take_them() {
        let tail = "authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s";
        let rows = [
            ("--quiet mongodb://ada@h/db --eval 1", format!("--quiet mongodb://h/db?{tail} --eval 1")),
            ("--uri=mongodb+srv://h --gzip", format!("--uri=mongodb+srv://h/?{tail} --gzip")),
            ("--uri mongodb://h", format!("--uri mongodb://h/?{tail}")),
            ("sync mongodb://a mongodb://b", format!("sync mongodb://a/?{tail} mongodb://b/?{tail}")),
            // Not an argument that is one.
            ("--eval=connect('mongodb://h')", "--eval=connect('mongodb://h')".into()),
            ("note=mongodb://h", "note=mongodb://h".into()),
        ];
        for (line, expected) in rows {
            let mut args = args(line);
            let found = find(&args).unwrap();
            rewrite(&mut args, &found, Uri::for_token_file);
            assert_eq!(args, self::args(&expected), "{line}");
        }
        let bad = find(&args("-x --uri=mongodb://u:hunter2@h")).unwrap_err();
        assert!(bad.0 == 2 && !bad.1.contains("hunter2"), "{bad:?}");
    }
}
