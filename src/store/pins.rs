//! What a MongoDB server has said of its identity provider, as the person has accepted it: one small file a server.
//!
//! A server is a stranger, whose answer decides where a person types a password and who gets the tokens. It is believed once,
//! by the person, and from then on it must say the same (trust on first use).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::trouble::{Trouble, shown};
use super::{folder, record};
use crate::error::{Error, Kind, Result};
use crate::ui::{foreign, shell_quoted};

/// One server's answer to one user name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The hosts of the connection string.
    pub server: String,
    /// The user name that was asked for: it chooses among a server's providers.
    pub user: Option<String>,
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

fn read_file(path: &Path, server: &str, user: Option<&str>) -> Result<Option<Pin>, Trouble> {
    let Some(bytes) = folder::read(path)? else { return Ok(None) };
    let item = shown(path);
    record::check_version(&item, &bytes)?;
    let pin: Pin = record::read(&item, &bytes)?;
    // The name is a digest of both, so the file has been copied or renamed.
    if (pin.server.as_str(), pin.user.as_deref()) != (server, user) {
        let user = pin.user.map(|user| format!(" and the user `{}`", foreign(&user))).unwrap_or_default();
        return Err(Trouble::Damaged { item, why: format!("it is about `{}`{user}", foreign(&pin.server)) });
    }
    Ok(Some(pin))
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
    #[derive(Serialize)]
    struct Versioned<'a> {
        v: u32,
        #[serde(flatten)]
        pin: &'a Pin,
    }
    let path = file(&folder::servers(state_dir)?, &pin.server, pin.user.as_deref());
    let text = serde_json::to_vec(&Versioned { v: 1, pin }).map_err(Trouble::refused)?;
    Ok(folder::write(&path, &text)?)
}

fn file(folder: &Path, server: &str, user: Option<&str>) -> PathBuf {
    // The line break can be in neither, so no two pairs share a name.
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
}
