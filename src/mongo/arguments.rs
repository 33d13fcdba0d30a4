//! The connection strings among a program's arguments: they say where the program will send its token.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::uri::{Uri, is_connection_string};

/// A connection string, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub index: usize,
    /// What stands before it in the same argument: `--uri=`.
    prefix: String,
    pub uri: Uri,
}

/// Finds the arguments that are connection strings, or that have one as their value (`--uri=mongodb://…`).
///
/// # Errors
/// The number of the argument, from 1, and what is wrong with it.
pub fn find(args: &[OsString]) -> Result<Vec<Found>, (usize, String)> {
    let mut found = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        let text = arg.to_string_lossy();
        let (prefix, text) = match text.split_once('=') {
            Some((option, value)) if is_connection_string(value) => (format!("{option}="), value),
            _ => (String::new(), &*text),
        };
        if is_connection_string(text) {
            let uri = Uri::parse(text).map_err(|reason| (index + 1, reason))?;
            // Every user of the machine can read a command line, and the program gets the string in a variable, too.
            uri.check_secrets().map_err(|reason| (index + 1, reason))?;
            found.push(Found { index, prefix, uri });
        }
    }
    Ok(found)
}

/// The programs that MongoDB has made, and that have flags of their own for what a connection string says.
const TOOLS: &[&str] = &[
    "mongosh",
    "mongo",
    "mongodump",
    "mongorestore",
    "mongoexport",
    "mongoimport",
    "mongostat",
    "mongotop",
    "mongofiles",
];

/// What flags of one of MongoDB's own programs say of the connection, beside or in place of a connection string.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Of `--host`, without ports and replica set.
    pub hosts: Vec<String>,
    /// The first that takes the protection of the connection away.
    pub unsafe_flag: Option<String>,
    pub tls: bool,
}

/// Reads the flags of one of MongoDB's own programs, or of npx that runs one; those of any other program are unknown.
pub fn flags(program: &OsStr, args: &[OsString]) -> Flags {
    let is_tool = |name: &OsStr| {
        let name = Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        TOOLS.contains(&name.split('@').next().unwrap_or_default())
    };
    let mut flags = Flags::default();
    if !is_tool(program) && !args.iter().any(|arg| is_tool(arg)) {
        return flags;
    }
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    while let Some(arg) = args.next() {
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (arg.to_string(), None),
        };
        let lower = flag.to_ascii_lowercase();
        match lower.as_str() {
            "--host" | "-h" => {
                let value = value.or_else(|| args.next().map(|value| value.to_string())).unwrap_or_default();
                // `set/host:port,host`
                let list = value.split_once('/').map_or(&*value, |(_, hosts)| hosts);
                flags.hosts.extend(list.split(',').map(|host| host_of(host).to_owned()));
            }
            "--tls" | "--ssl" => flags.tls = true,
            _ if ["--tlsinsecure", "--tlsallowinvalid", "--sslallowinvalid", "--no-tls", "--notls"]
                .iter()
                .any(|weak| lower.starts_with(weak)) =>
            {
                flags.unsafe_flag.get_or_insert(flag);
            }
            _ => {}
        }
    }
    flags
}

fn host_of(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => text,
    }
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
    fn flags_of_mongodb_s_programs_are_read() {
        let read = |program: &str, line: &str| flags(OsStr::new(program), &args(line));
        let hosts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(read("mongosh", "--host rs0/a:1,b --eval 1").hosts, hosts(&["a", "b"]));
        assert_eq!(read("/usr/bin/mongodump", "-h=[::1]:1").hosts, hosts(&["[::1]"]));
        assert_eq!(
            read("npx", "-y mongosh@2 --host h --tls"),
            Flags { hosts: hosts(&["h"]), tls: true, ..Flags::default() }
        );
        let weak = |line: &str| read("mongosh", line).unsafe_flag;
        assert_eq!(weak("--tlsAllowInvalidHostnames").as_deref(), Some("--tlsAllowInvalidHostnames"));
        assert_eq!(weak("--tls").as_deref(), None);
        assert_eq!(read("ls", "-h --host evil"), Flags::default());
    }

    #[test]
    fn connection_strings_are_found_where_programs_take_them() {
        let tail = "authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s";
        let rows = [
            ("--quiet mongodb://ada@h/db --eval 1", format!("--quiet mongodb://h/db?{tail} --eval 1")),
            ("--uri=mongodb+srv://h --gzip", format!("--uri=mongodb+srv://h/?{tail} --gzip")),
            ("--uri mongodb://h", format!("--uri mongodb://h/?{tail}")),
            ("sync mongodb://a mongodb://b", format!("sync mongodb://a/?{tail} mongodb://b/?{tail}")),
            ("note=mongodb://h", format!("note=mongodb://h/?{tail}")),
            // Inside of a text of another language, nobody can tell.
            ("--eval=connect('mongodb://h')", "--eval=connect('mongodb://h')".into()),
        ];
        for (line, expected) in rows {
            let mut args = args(line);
            let found = find(&args).unwrap();
            rewrite(&mut args, &found, Uri::for_token_file);
            assert_eq!(args, self::args(&expected), "{line}");
        }
        for line in ["-x --uri=mongodb://u:hunter2@h", "-x mongodb://h/?tlsCertificateKeyFilePassword=hunter2"] {
            let (number, reason) = find(&args(line)).unwrap_err();
            assert!(number == 2 && reason.contains("a password") && !reason.contains("hunter2"), "{line}: {reason}");
        }
    }
}
