//! What makes two sign-ins the same session, and the short name that follows from it.

use std::ffi::OsStr;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Whose session it is: a person's, or a program's, and then where its tokens come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    /// A person, who signs in.
    Workforce,
    /// A client of a provider, with a secret or a key of its own (RFC 6749 §4.4).
    ClientCredentials,
    /// What Azure gives to machines, functions and pods.
    AzureManagedIdentity,
    /// A service account of Google's.
    Gcp,
    /// A service account of a cluster's.
    Kubernetes,
    /// A run of a workflow.
    GithubActions,
    /// A file that something else writes.
    File,
    /// A command that prints a token.
    Command,
}

impl SessionKind {
    pub const ALL: [Self; 8] = [
        Self::Workforce,
        Self::ClientCredentials,
        Self::AzureManagedIdentity,
        Self::Gcp,
        Self::Kubernetes,
        Self::GithubActions,
        Self::File,
        Self::Command,
    ];

    /// The names by which `--kind` knows them.
    pub const NAMES: [&str; 8] = [
        Self::Workforce.name(),
        Self::ClientCredentials.name(),
        Self::AzureManagedIdentity.name(),
        Self::Gcp.name(),
        Self::Kubernetes.name(),
        Self::GithubActions.name(),
        Self::File.name(),
        Self::Command.name(),
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Workforce => "workforce",
            Self::ClientCredentials => "client-credentials",
            Self::AzureManagedIdentity => "azure-managed-identity",
            Self::Gcp => "gcp",
            Self::Kubernetes => "kubernetes",
            Self::GithubActions => "github-actions",
            Self::File => "file",
            Self::Command => "command",
        }
    }

    /// The kind called `name`, one of [`Self::NAMES`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether nobody signs in: a token is there for the asking.
    pub fn is_program(self) -> bool {
        self != Self::Workforce
    }
}

/// Everything that changes what a token means or whom it speaks for. Equal keys share one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKey {
    pub issuer: String,
    pub client_id: String,
    pub audience: String,
    /// Order and repetition are of no meaning (RFC 6749 §3.3).
    pub scopes: Vec<String>,
    /// RFC 8707 resource indicators; order and repetition are of no meaning.
    pub resource: Vec<String>,
    /// `login_hint`: two accounts at one provider are two sessions.
    pub account: Option<String>,
    /// Whether the ID token is handed out in place of the access token.
    pub id_token: bool,
    /// `None` for a person's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramKey>,
}

/// What makes two sessions of programs the same, beyond what people have too. What a program proves itself with is not
/// in it: a secret is replaced by its successor, and the session stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramKey {
    pub kind: SessionKind,
    /// As the setting `identity` writes it.
    pub identity: Option<String>,
    pub credentials_file: Option<String>,
    pub impersonate: Option<String>,
    pub source_file: Option<String>,
    pub source_command: Vec<String>,
}

impl ProgramKey {
    /// Every field as text, each in a place of its own.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let optional = [&self.identity, &self.credentials_file, &self.impersonate, &self.source_file];
        let optional = optional.map(|text| text.as_deref().unwrap_or_default());
        std::iter::once(self.kind.name()).chain(optional).chain(self.source_command.iter().map(String::as_str))
    }
}

impl SessionKey {
    pub fn kind(&self) -> SessionKind {
        self.program.as_ref().map_or(SessionKind::Workforce, |program| program.kind)
    }

    /// The session's name in every store: all of the key and, when `MDB_LOGIN_STATE_DIR` is set, that folder, so that
    /// a test or a second state folder cannot touch the sessions of the first one in the shared keyring.
    pub fn id(&self) -> SessionId {
        self.id_in(std::env::var_os("MDB_LOGIN_STATE_DIR").as_deref())
    }

    fn id_in(&self, state_dir: Option<&OsStr>) -> SessionId {
        // Two beginnings, or a program's fields could be read as what follows those of a person.
        let beginning = if self.program.is_some() { "mdb-login program 1\0" } else { "mdb-login session 1\0" };
        let mut hash = Sha256::new_with_prefix(beginning);
        // Length first, or ("ab", "c") and ("a", "bc") would be one session.
        let mut field = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        field(self.issuer.as_bytes());
        field(self.client_id.as_bytes());
        field(self.audience.as_bytes());
        for set in [&self.scopes, &self.resource] {
            let mut set: Vec<&str> = set.iter().map(String::as_str).collect();
            set.sort_unstable();
            set.dedup();
            field(&u64::try_from(set.len()).unwrap_or(u64::MAX).to_be_bytes());
            for value in set {
                field(value.as_bytes());
            }
        }
        match &self.account {
            Some(account) => field(&[b"account ", account.as_bytes()].concat()),
            None => field(b""),
        }
        field(&[u8::from(self.id_token)]);
        if let Some(program) = &self.program {
            field(&u64::try_from(program.texts().count()).unwrap_or(u64::MAX).to_be_bytes());
            program.texts().for_each(|text| field(text.as_bytes()));
        }
        if let Some(dir) = state_dir.filter(|dir| !dir.is_empty()) {
            field(dir.as_encoded_bytes());
        }
        SessionId(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Names a session in keyrings, file names and locks: 32 lower-case hex digits, nothing that needs quoting anywhere
/// (Windows' Credential Manager does not tell upper from lower case).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(String);

impl SessionId {
    /// Reads a name that [`SessionKey::id`] made; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn key() -> SessionKey {
        SessionKey {
            issuer: "https://login.example.com".into(),
            client_id: "0oa1".into(),
            audience: "0oa1".into(),
            scopes: vec!["openid".into(), "offline_access".into()],
            resource: vec![],
            account: None,
            id_token: false,
            program: None,
        }
    }

    fn program() -> ProgramKey {
        ProgramKey {
            kind: SessionKind::File,
            identity: None,
            credentials_file: None,
            impersonate: None,
            source_file: None,
            source_command: Vec::new(),
        }
    }

    #[test]
    fn every_field_makes_another_session() {
        let changes: [fn(&mut SessionKey); 20] = [
            |_| {},
            |k| k.issuer.push('/'),
            |k| k.client_id.push('x'),
            |k| k.audience.push('x'),
            // The boundary between two fields moved: the same bytes in a row, another meaning.
            |k| (k.client_id, k.audience) = ("0oa10".into(), "oa1".into()),
            |k| k.scopes.push("x".into()),
            |k| k.resource.push("x".into()),
            |k| k.account = Some(String::new()),
            |k| k.account = Some("ada@example.com".into()),
            |k| k.id_token = true,
            |k| k.program = Some(program()),
            |k| k.program = Some(ProgramKey { kind: SessionKind::Gcp, ..program() }),
            |k| k.program = Some(ProgramKey { identity: Some("a".into()), ..program() }),
            |k| k.program = Some(ProgramKey { identity: Some("b".into()), ..program() }),
            |k| k.program = Some(ProgramKey { credentials_file: Some("a".into()), ..program() }),
            |k| k.program = Some(ProgramKey { impersonate: Some("a".into()), ..program() }),
            |k| k.program = Some(ProgramKey { source_file: Some("a".into()), ..program() }),
            |k| k.program = Some(ProgramKey { source_command: vec!["a".into()], ..program() }),
            |k| k.program = Some(ProgramKey { source_command: vec!["a".into(), "b".into()], ..program() }),
            |k| k.program = Some(ProgramKey { source_command: vec!["a b".into()], ..program() }),
        ];
        let mut seen = Vec::new();
        for change in changes {
            let mut key = key();
            change(&mut key);
            for dir in [None, Some(OsStr::new("/a")), Some(OsStr::new("/b"))] {
                let id = key.id_in(dir);
                assert_eq!(SessionId::parse(id.as_str()), Some(id.clone()));
                assert!(!seen.contains(&id), "{key:?} {dir:?}");
                seen.push(id);
            }
        }
    }

    #[test]
    fn order_and_repetition_of_scopes_do_not() {
        let mut other = key();
        other.scopes = vec!["offline_access".into(), "openid".into(), "openid".into()];
        assert_eq!(other.id_in(None), key().id_in(None));
        assert_eq!(key().id_in(Some(OsStr::new(""))), key().id_in(None));
    }

    #[test]
    fn the_name_never_changes_between_versions() {
        // A change here signs everybody out: do it on purpose only.
        assert_eq!(key().id_in(None).as_str(), "c7e1b770fa17ff71bbaaaf1e19691edb");
    }

    /// What an earlier version wrote has no word of programs; and a person's entry still has none.
    #[test]
    fn a_person_s_key_is_written_as_ever() {
        let text = serde_json::to_string(&key()).unwrap();
        assert!(!text.contains("program"), "{text}");
        assert_eq!(serde_json::from_str::<SessionKey>(&text).unwrap(), key());
        let key = SessionKey { program: Some(program()), ..key() };
        assert_eq!(serde_json::from_str::<SessionKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
    }

    #[test]
    fn a_kind_is_found_by_its_name_and_written_by_it() {
        for (kind, name) in SessionKind::ALL.into_iter().zip(SessionKind::NAMES) {
            assert_eq!(SessionKind::named(name), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
        assert_eq!(SessionKind::named("Gcp"), None);
    }

    #[test]
    fn only_our_own_names_are_read() {
        for text in ["", "../../etc/passwd", &"a".repeat(31), &"A".repeat(32), &"g".repeat(32), &"a".repeat(33)] {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
    }
}
