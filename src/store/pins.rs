//! What a MongoDB server has said of its identity provider, as the person has accepted it: one small file a server.
//!
//! A server is a stranger, whose answer decides where a person types a password and who gets the tokens. It is believed once,
//! by the person, and from then on it must say the same (trust on first use).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::trouble::{Trouble, shown};
use super::{folder, versioned};
use crate::error::{Error, Kind, Result};
use crate::ui::{foreign, shell_quoted};

/// One server's answer to one user name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The hosts of the connection string.
    pub server: String,
    /// The user name that was asked for: it chooses among a server's providers.
    pub user: Option<String>,
    /// The connection string with which it was asked, to be typed again. Holds no password.
    pub uri: String,
    pub issuer: String,
    pub client_id: String,
    pub request_scopes: Vec<String>,
    /// When the person agreed. Unix seconds.
    pub accepted_at: u64,
}

/// What was accepted for a server and user name; `None` if nothing was.
///
/// # Errors
/// `Kind::Store` for a file that is not as we left it, which stays where it is: to forget what was accepted without a word
/// would let the server name anybody.
pub fn read(state_dir: &Path, server: &str, user: Option<&str>) -> Result<Option<Pin>> {
    let Some(folder) = folder::servers_if_any(state_dir)? else { return Ok(None) };
    let path = file(&folder, server, user);
    read_file(&path, server, user).map_err(|trouble| unusable(trouble, &path, server))
}

/// Everything that was accepted, the newest first. What cannot be used is left out; whoever asks for it by its server
/// hears why.
pub fn all(state_dir: &Path) -> Vec<Pin> {
    let Ok(Some(folder)) = folder::servers_if_any(state_dir) else { return Vec::new() };
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut pins: Vec<Pin> = files
        .filter_map(|entry| {
            let pin = read_any(&entry.path()).ok()??;
            (entry.path() == file(&folder, &pin.server, pin.user.as_deref())).then_some(pin)
        })
        .collect();
    pins.sort_by(|a, b| b.accepted_at.cmp(&a.accepted_at).then_with(|| a.uri.cmp(&b.uri)));
    pins
}

fn read_file(path: &Path, server: &str, user: Option<&str>) -> Result<Option<Pin>, Trouble> {
    let Some(pin) = read_any(path)? else { return Ok(None) };
    // The name is a digest of both, so the file has been copied or renamed.
    if (pin.server.as_str(), pin.user.as_deref()) != (server, user) {
        let user = pin.user.map(|user| format!(" and the user `{}`", foreign(&user))).unwrap_or_default();
        let why = format!("it is about `{}`{user}", foreign(&pin.server));
        return Err(Trouble::Damaged { item: shown(path), why });
    }
    Ok(Some(pin))
}

fn read_any(path: &Path) -> Result<Option<Pin>, Trouble> {
    let Some(bytes) = folder::read(path)? else { return Ok(None) };
    versioned::read(&shown(path), &bytes).map(Some)
}

/// In the words of servers and not of sessions, and with what mends it.
fn unusable(trouble: Trouble, path: &Path, server: &str) -> Error {
    let (server, name) = (foreign(server), shown(path));
    let error = |what: &str| Error::new(Kind::Store, format!("what you accepted of `{server}` {what} (`{name}`)"));
    let remove = format!(
        "it was left as it is; to accept the server's provider once more, remove it: `rm {}`",
        shell_quoted(&path.to_string_lossy())
    );
    match trouble {
        Trouble::Damaged { why, .. } => error("is damaged").because_of(why).hint(remove),
        Trouble::Newer { .. } => error("was written by a newer mdb-login").hint("update this mdb-login").hint(remove),
        Trouble::Unsafe { hint: None, .. } => Error::from(trouble).hint(remove),
        other => other.into(),
    }
}

/// Remembers what the person has accepted, in place of anything earlier.
pub fn write(state_dir: &Path, pin: &Pin) -> Result<()> {
    let path = file(&folder::servers(state_dir)?, &pin.server, pin.user.as_deref());
    Ok(folder::write(&path, &versioned::write(pin, 0)?)?)
}

fn file(folder: &Path, server: &str, user: Option<&str>) -> PathBuf {
    // A user name can have any character, a line break too (`%0A`), but a server cannot: its first one is the border. Nor
    // is a user name empty. So no two pairs share a name.
    let digest = Sha256::new_with_prefix("mdb-login server 1\0")
        .chain_update(server)
        .chain_update("\n")
        .chain_update(user.unwrap_or_default())
        .finalize();
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_for_a_server_and_a_user() {
        let dir = tempfile::tempdir().unwrap();
        let pin = Pin {
            server: "mongodb://db:1".into(),
            user: Some("ada".into()),
            uri: "mongodb://ada@db:1/?tls=true".into(),
            issuer: "https://idp".into(),
            client_id: "c".into(),
            request_scopes: vec!["s".into()],
            accepted_at: 7,
        };
        let look = |server, user| read(dir.path(), server, user).unwrap();
        assert_eq!(look("mongodb://db:1", Some("ada")), None);
        write(dir.path(), &pin).unwrap();
        assert_eq!(look("mongodb://db:1", Some("ada")), Some(pin.clone()));
        assert_eq!(look("mongodb://db:1", None), None);
        assert_eq!(look("mongodb://db:2", Some("ada")), None);
        let changed = Pin { issuer: "https://other".into(), ..pin };
        write(dir.path(), &changed).unwrap();
        assert_eq!(look("mongodb://db:1", Some("ada")), Some(changed));
    }

    #[test]
    fn all_that_was_accepted_is_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(all(dir.path()), []);
        let pin = |server: &str, accepted_at| Pin {
            server: server.into(),
            user: None,
            uri: format!("{server}/?tls=true"),
            issuer: "https://idp".into(),
            client_id: "c".into(),
            request_scopes: Vec::new(),
            accepted_at,
        };
        let [old, new] = [("mongodb://old:1", 1), ("mongodb://new:1", 2)].map(|(server, at)| pin(server, at));
        write(dir.path(), &old).unwrap();
        write(dir.path(), &new).unwrap();
        let folder = folder::servers(dir.path()).unwrap();
        folder::write(&folder.join("damaged.json"), b"{").unwrap();
        std::fs::copy(file(&folder, &old.server, None), folder.join("copied.json")).unwrap();
        assert_eq!(all(dir.path()), [new, old]);
    }

    /// Every pair of short names, with the one character that could be taken for the border.
    #[test]
    fn no_two_pairs_share_a_file() {
        let servers = ["a", "b", "ab", "ba", "aba"];
        let users =
            [None, Some("a"), Some("b"), Some("\n"), Some("ba"), Some("\na"), Some("a\n"), Some("a\nb"), Some("b\na")];
        let pairs = servers.iter().flat_map(|server| users.iter().map(move |user| (server, user)));
        let files: std::collections::BTreeSet<_> =
            pairs.map(|(server, user)| file(Path::new(""), server, *user)).collect();
        assert_eq!(files.len(), servers.len() * users.len());
    }
}
