//! The connection strings among a program's arguments: they say where the program will send its token.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::uri::{Uri, has_connection_string, is_connection_string};

/// A connection string, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub index: usize,
    /// What stands before it in the same argument: `--uri=`.
    prefix: String,
    pub uri: Uri,
}

/// Finds the arguments that are connection strings, or that have one as their value (`--uri=mongodb://…`,
/// `--env=URI=mongodb://…`).
///
/// # Errors
/// The number of the argument, from 1, and what is wrong with it.
pub fn find(args: &[OsString]) -> Result<Vec<Found>, (usize, String)> {
    let mut found = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        let text = arg.to_string_lossy();
        let ends = text.match_indices('=').map(|(at, _)| at + 1);
        let value = ends.filter_map(|end| text.split_at_checked(end)).find(|(_, value)| is_connection_string(value));
        let (prefix, text) = value.map_or((String::new(), &*text), |(prefix, value)| (prefix.to_owned(), value));
        if is_connection_string(text) {
            let uri = Uri::parse(text).map_err(|reason| (index + 1, reason))?;
            // Every user of the machine can read a command line, and the program gets the string in a variable, too.
            uri.check_secrets().map_err(|reason| (index + 1, reason))?;
            found.push(Found { index, prefix, uri });
        }
    }
    Ok(found)
}

/// Where else the program may find out where to connect, which nobody can see: a connection string inside of a text of
/// another language, or a file of one of MongoDB's own programs. The rest of a sentence that starts with the program.
pub fn hidden(program: &OsStr, args: &[OsString], found: &[Found]) -> Option<&'static str> {
    let is_found = |index: usize| found.iter().any(|found| found.index == index);
    let inside = |(index, arg): (usize, &OsString)| !is_found(index) && has_connection_string(&arg.to_string_lossy());
    if args.iter().enumerate().any(inside) {
        return Some("has a connection string inside of an argument");
    }
    let is_file = |arg: &OsString| arg == "--config" || arg.to_string_lossy().starts_with("--config=");
    let reads_one = tool(program, args).is_some() && args.iter().any(is_file);
    reads_one.then_some("takes a connection string from a file (`--config`)")
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

/// Whether a word is the name or the path of such a program, or of npx's package of one.
pub fn is_tool(word: &OsStr) -> bool {
    tool_of(word).is_some()
}

fn tool_of(word: &OsStr) -> Option<&'static str> {
    let name = Path::new(word).file_stem().unwrap_or_default().to_string_lossy();
    let name = name.split('@').next().unwrap_or_default();
    TOOLS.iter().copied().find(|tool| *tool == name)
}

/// What flags of one of MongoDB's own programs say of the connection, beside or in place of a connection string.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Of `--host`, without ports and replica set.
    pub hosts: Vec<String>,
    /// The first that takes the protection of the connection away.
    pub unsafe_flag: Option<String>,
    pub tls: bool,
}

/// Which of MongoDB's own programs this is, and its arguments; also where something else runs it, as npx does.
fn tool<'a>(program: &OsStr, args: &'a [OsString]) -> Option<(&'static str, &'a [OsString])> {
    if let Some(name) = tool_of(program) {
        return Some((name, args));
    }
    args.iter().enumerate().find_map(|(index, arg)| Some((tool_of(arg)?, args.get(index + 1..)?)))
}

/// Flags of mongosh that take the word behind them. A word behind any other flag is an argument of its own.
const MONGOSH_TAKES_A_WORD: &[&str] = &[
    "-f",
    "--file",
    "--host",
    "-h",
    "--port",
    "--eval",
    "-u",
    "--username",
    "-p",
    "--password",
    "--authenticationdatabase",
    "--authenticationmechanism",
    "--awsiamsessiontoken",
    "--gssapiservicename",
    "--sspihostnamecanonicalization",
    "--sspirealmoverride",
    "--tlscertificatekeyfile",
    "--tlscertificatekeyfilepassword",
    "--tlscafile",
    "--tlscertificateselector",
    "--tlscrlfile",
    "--tlsdisabledprotocols",
    "--apiversion",
    "--awsaccesskeyid",
    "--awssecretaccesskey",
    "--awssessiontoken",
    "--keyvaultnamespace",
    "--kmsurl",
    "--oidcredirecturi",
    "--oidcflows",
];

/// The host of mongosh's "db address", its first argument that belongs to no flag, where that is no connection string:
/// `host/db`, `host:port`. A word without any of `.`, `:` and `/` is a database of this machine.
fn address_of_mongosh(args: &[OsString]) -> Option<String> {
    let mut args = args.iter().map(|arg| arg.to_string_lossy());
    let address = loop {
        let arg = args.next()?;
        if arg == "--" {
            break args.next()?;
        }
        if !arg.starts_with('-') {
            break arg;
        }
        if MONGOSH_TAKES_A_WORD.contains(&arg.to_ascii_lowercase().as_str()) {
            args.next();
        }
    };
    let is_file = [".js", ".mongodb", ".mongosh"].iter().any(|end| address.ends_with(end));
    if is_connection_string(&address) || is_file || !address.contains(['.', ':', '/']) {
        return None;
    }
    address.split('/').next().map(|host| host_of(host).to_owned())
}

/// Reads the flags of one of MongoDB's own programs, or of npx that runs one; those of any other program are unknown.
pub fn flags(program: &OsStr, args: &[OsString]) -> Flags {
    let mut flags = Flags::default();
    let Some((name, args)) = tool(program, args) else { return flags };
    if matches!(name, "mongosh" | "mongo") {
        flags.hosts.extend(address_of_mongosh(args));
    }
    let mut args = args.iter().map(|arg| arg.to_string_lossy()).peekable();
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
            "--tls" | "--ssl" => {
                // mongosh takes the next word for the value only if it is one.
                let value =
                    value.or_else(|| args.next_if(|next| matches!(&**next, "true" | "false")).map(String::from));
                if value.is_none_or(|value| value == "true") {
                    flags.tls = true;
                } else {
                    flags.unsafe_flag.get_or_insert(format!("{flag}=false"));
                }
            }
            _ if [
                "--tlsinsecure",
                "--tlsallowinvalid",
                "--sslallowinvalid",
                "--no-tls",
                "--notls",
                "--no-ssl",
                "--nossl",
            ]
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
        for line in ["--tls=false", "--tls false", "--ssl=0", "--host h --tls=false"] {
            let read = read("mongosh", line);
            assert!(read.unsafe_flag.is_some_and(|flag| flag.ends_with("=false")) && !read.tls, "{line}");
        }
        for line in ["--no-ssl", "--nossl", "--tls --no-tls"] {
            assert!(weak(line).is_some(), "{line}");
        }
        assert!(read("mongosh", "--tls true --host h").tls && read("mongosh", "--tls=true").tls);
    }

    #[test]
    fn the_address_that_mongosh_is_given_is_a_host() {
        let hosts = |program: &str, line: &str| flags(OsStr::new(program), &args(line)).hosts;
        let rows = [
            ("evil.example/x mongodb://h/?tls=true", "evil.example"),
            ("--quiet evil.example:1/x", "evil.example"),
            ("--eval 1.5 --tls evil:1", "evil"),
            ("--unknown-yet evil.example", "evil.example"),
            ("--norc -- 192.168.0.5/foo", "192.168.0.5"),
            ("[::1]:27017/x", "[::1]"),
        ];
        for (line, host) in rows {
            assert_eq!(hosts("mongosh", line), [host], "{line}");
            assert_eq!(hosts("npx", &format!("-y mongosh@2 {line}")), [host], "{line}");
        }
        for line in ["test", "mongodb://h", "a/script.js", "--eval db.x.find() -f a.b", "--nodb --file x/y", ""] {
            assert_eq!(hosts("mongosh", line), [""; 0], "{line}");
        }
        assert_eq!(hosts("mongorestore", "dump/orders.bson"), [""; 0]);
    }

    #[test]
    fn what_a_program_may_connect_to_unseen_is_known() {
        let hidden = |program: &str, line: &str| {
            let args = args(line);
            hidden(OsStr::new(program), &args, &find(&args).unwrap()).is_some()
        };
        assert!(hidden("mongosh", "mongodb://h --eval connect('mongodb://evil')"));
        assert!(hidden("sh", "-c app${IFS}mongodb+srv://evil"));
        assert!(hidden("mongodump", "--config=a.yaml") && hidden("mongodump", "--config a.yaml"));
        assert!(!hidden("app", "--config=a.yaml") && !hidden("mongosh", "mongodb://h --eval 1"));
        assert!(!hidden("docker", "run --env=U=mongodb://h app"));
    }

    #[test]
    fn connection_strings_are_found_where_programs_take_them() {
        let tail = "authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s";
        let rows = [
            ("--quiet mongodb://ada@h/db --eval 1", format!("--quiet mongodb://h/db?{tail} --eval 1")),
            ("--uri=mongodb+srv://h --gzip", format!("--uri=mongodb+srv://h/?{tail} --gzip")),
            ("--uri mongodb://h", format!("--uri mongodb://h/?{tail}")),
            ("sync mongodb://a mongodb://b", format!("sync mongodb://a/?{tail} mongodb://b/?{tail}")),
            ("run --env=U=mongodb://h app", format!("run --env=U=mongodb://h/?{tail} app")),
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
