//! A server with Azure Arc: its agent gives tokens to whoever can read a file that it has just written for the purpose.
//!
//! The agent listens on a port that any program may have taken before it, and it names the file. So the file is read only
//! where it must be, or a stranger on that port could have any file of ours sent to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use oauth2::HttpResponse;
use oauth2::http::{StatusCode, header};
use serde_json::{Map, Value};
use url::Url;

use super::{granted, refused, selector, url};
use crate::error::{Error, Kind, Result};
use crate::http::shown_url;
use crate::oidc::Fault;
use crate::open_file::{self, Links};
use crate::secret::Secret;
use crate::ui::foreign;
use crate::workload::environment::Lookup;
use crate::workload::request::{self, Service};
use crate::workload::retry::Rule;
use crate::workload::{Ask, Obtained};

const ARC: Service = Service::new("the agent of Azure Arc", Rule::LOCAL);

/// Where the agent listens unless a variable names another address.
pub const ENDPOINT: &str = "http://127.0.0.1:40342/metadata/identity/oauth2/token";

/// The agent's program: where it is, this is a server with Azure Arc. On Linux no variable says so.
pub const AGENT: &str = "/opt/azcmagent/bin/himds";

const VERSION: &str = "2020-06-01";

/// Bytes. A longer file is another file.
const CHALLENGE_MAX: u64 = 4096;

pub async fn token(ask: &Ask<'_>, endpoint: Url, resource: &str) -> Result<Obtained> {
    // The agent knows resource ids by IMDS's word; with App Service's it gives the token of the machine itself.
    let selector = selector(ask.identity, "msi_res_id");
    let url = url(endpoint, VERSION, resource, selector);
    let failed = |fault: Fault| refused(&ARC, ask, &fault);

    let request = request::get(&url, &[("metadata", "true")]).map_err(failed)?;
    let response = ARC.send(ask.metadata, &request).await.map_err(failed)?;
    let realm = challenge(&url, response).map_err(failed)?;
    let file = checked(&realm, &folder(ask.environment)?)?;
    let secret = read(&file)?;

    let authorization = Secret::new(format!("Basic {}", secret.expose()));
    let headers = [("metadata", "true"), ("authorization", authorization.expose())];
    let request = request::get(&url, &headers).map_err(failed)?;
    let answer = ARC.ask(ask.metadata, &request).await.map_err(failed)?;
    let (obtained, body) = granted(&url, &answer).map_err(|fault| ARC.failed(&fault))?;
    match selector {
        Some((name, asked)) if !confirms(&body, name, asked) => Err(unconfirmed()),
        _ => Ok(obtained),
    }
}

/// The agent is asked for a challenge, then for the token.
pub fn longest(timeout: Duration) -> Duration {
    2 * ARC.longest(timeout)
}

/// The realm of the challenge that the first request has to be answered with: the path of a file.
fn challenge(url: &Url, response: HttpResponse) -> Result<String, Fault> {
    let what = || format!("the answer of {}", shown_url(url.as_str()));
    if response.status() != StatusCode::UNAUTHORIZED {
        ARC.judge(&shown_url(url.as_str()), response)?;
        // The agent gives nothing away without a proof, so this is somebody else.
        return Err(Fault::broken(what(), "it is a token without a challenge, so it is not the agent's"));
    }
    let realm = response.headers().get_all(header::WWW_AUTHENTICATE).iter().find_map(|value| {
        let (scheme, realm) = value.to_str().ok()?.split_once(" realm=")?;
        scheme.trim().eq_ignore_ascii_case("Basic").then(|| realm.trim().to_owned())
    });
    realm.ok_or_else(|| Fault::broken(what(), "its challenge names no file (`WWW-Authenticate: Basic realm=…`)"))
}

/// Where the agent puts its challenges.
fn folder(environment: Lookup<'_>) -> Result<PathBuf> {
    if !cfg!(windows) {
        return Ok("/var/opt/azcmagent/tokens".into());
    }
    // It is Windows' own and set everywhere, so it says nothing of the platform.
    let data = environment("ProgramData").filter(|path| !path.is_empty());
    let data = data.ok_or_else(|| Error::new(Kind::Config, "environment variable `ProgramData` is not set"))?;
    Ok(PathBuf::from(data).join("AzureConnectedMachineAgent").join("Tokens"))
}

/// The file that a challenge names, if it is a key file directly in `folder`.
fn checked(realm: &str, folder: &Path) -> Result<PathBuf> {
    let file = PathBuf::from(realm);
    // As text, since `a/../b` is not where it says it is.
    if file.parent() != Some(folder) || file.extension().is_none_or(|extension| extension != "key") {
        return Err(not_read(&file, format!("it is no `.key` file in `{}`", folder.display())));
    }
    Ok(file)
}

fn not_read(file: &Path, why: String) -> Error {
    let shown = foreign(&file.display().to_string());
    Error::new(Kind::RuleBroken, format!("the agent of Azure Arc has named `{shown}`, which is not read"))
        .because_of(why)
        .hint("somebody else may be listening on the agent's port: look at what does, and at the agent with `azcmagent show`")
}

/// What the agent has written for us.
fn read(file: &Path) -> Result<Secret> {
    let shown = foreign(&file.display().to_string());
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => Error::new(Kind::Denied, format!("cannot read `{shown}`"))
            .because(error)
            .because_of("the agent of Azure Arc gives tokens to whoever can")
            .hint("run this as root, or as a member of the group `himds`"),
        _ => not_read(file, error.to_string()),
    };
    let opened = open(file).map_err(failed)?;
    let metadata = opened.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > CHALLENGE_MAX {
        return Err(not_read(file, format!("it is no file of at most {CHALLENGE_MAX} bytes")));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    opened.take(CHALLENGE_MAX).read_to_string(&mut text).map_err(failed)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(not_read(file, "it holds something else than a challenge".to_owned()));
    }
    Ok(Secret::new(secret))
}

/// Follows no symbolic link, and waits for nobody at the other end of a FIFO.
fn open(file: &Path) -> io::Result<File> {
    open_file::open(file, OpenOptions::new().read(true), Links::Refuse)
}

/// Whether the agent says that the token is of the identity that was asked for.
fn confirms(body: &Map<String, Value>, name: &str, asked: &str) -> bool {
    // Both spellings of the resource id have been seen in answers. Ids are compared as Azure does, whatever their case.
    let names: &[&str] = if name == "msi_res_id" { &["msi_res_id", "mi_res_id"] } else { &[name] };
    let said = names.iter().find_map(|name| body.get(*name)?.as_str());
    said.is_some_and(|said| said.eq_ignore_ascii_case(asked))
}

fn unconfirmed() -> Error {
    Error::new(Kind::RuleBroken, "the agent of Azure Arc did not confirm that the token is of the `identity` asked for")
        .because_of("older agents give the token of the machine's own identity, whatever they are asked for")
        .hint("update the agent, or leave `identity` out")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_key_file_in_the_agent_s_folder_is_read() {
        let folder = Path::new("/var/opt/azcmagent/tokens");
        for (realm, good) in [
            ("/var/opt/azcmagent/tokens/a-b.key", true),
            ("/var/opt/azcmagent/tokens/a.txt", false),
            ("/var/opt/azcmagent/tokens/key", false),
            ("/var/opt/azcmagent/tokens/.key", false),
            ("/var/opt/azcmagent/tokens/", false),
            ("/var/opt/azcmagent/tokens", false),
            ("/var/opt/azcmagent/tokens/x/a.key", false),
            ("/var/opt/azcmagent/tokens/../tokens/a.key", false),
            ("/var/opt/azcmagent/tokens/../../../../etc/a.key", false),
            ("/var/opt/azcmagent/tokens2/a.key", false),
            ("/etc/ssl/private/a.key", false),
            ("a.key", false),
            ("\"/var/opt/azcmagent/tokens/a.key\"", false),
            ("", false),
        ] {
            let checked = checked(realm, folder);
            assert_eq!(checked.is_ok(), good, "{realm}");
            if let Err(error) = checked {
                assert_eq!(error.kind(), Kind::RuleBroken);
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_challenge_is_not_read() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &[u8]| std::fs::write(at(name), text).unwrap();
        write("good.key", b"c2VjcmV0\r\n");
        assert_eq!(read(&at("good.key")).unwrap().expose(), "c2VjcmV0");
        write("full.key", &[b'x'; 4096]);
        assert!(read(&at("full.key")).is_ok());

        write("long.key", &[b'x'; 4097]);
        write("empty.key", b"\n");
        write("lines.key", b"a\nb");
        write("binary.key", &[0xff; 8]);
        symlink(at("good.key"), at("link.key")).unwrap();
        std::fs::create_dir(at("folder.key")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo.key"), rustix::fs::Mode::RUSR).unwrap();
        for name in ["long", "empty", "lines", "binary", "link", "folder", "fifo", "missing"] {
            let error = read(&at(&format!("{name}.key"))).unwrap_err();
            assert_eq!(error.kind(), Kind::RuleBroken, "{name}: {error:?}");
        }
    }

    #[test]
    fn the_challenge_comes_first_and_names_a_file() {
        let url = Url::parse(ENDPOINT).unwrap();
        let answer = |status: u16, challenges: &[&str]| {
            let mut response = HttpResponse::new(br#"{"access_token":"a"}"#.to_vec());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for value in challenges {
                response.headers_mut().append(header::WWW_AUTHENTICATE, value.parse().unwrap());
            }
            challenge(&url, response).map_err(|fault| ARC.failed(&fault).kind())
        };
        assert_eq!(answer(401, &["Basic realm=/a/b.key"]).as_deref(), Ok("/a/b.key"));
        assert_eq!(answer(401, &["Negotiate", "basic realm=/a/b.key"]).as_deref(), Ok("/a/b.key"));
        for challenges in [&[][..], &["Basic"], &["Bearer realm=/a/b.key"], &["Basic /a/b.key"]] {
            assert_eq!(answer(401, challenges), Err(Kind::RuleBroken), "{challenges:?}");
        }
        assert_eq!(answer(200, &["Basic realm=/a/b.key"]), Err(Kind::RuleBroken));
        assert_eq!(answer(400, &[]), Err(Kind::Denied));
        assert_eq!(answer(503, &[]), Err(Kind::Unavailable));
    }

    #[test]
    fn an_identity_that_the_agent_does_not_confirm_is_not_trusted() {
        let rows = [
            (json!({ "client_id": "AB-1" }), "client_id", "ab-1", true),
            (json!({ "client_id": "ab-2" }), "client_id", "ab-1", false),
            (json!({ "client_id": "ab-1" }), "object_id", "ab-1", false),
            (json!({ "mi_res_id": "/Subscriptions/1" }), "msi_res_id", "/subscriptions/1", true),
            (json!({ "msi_res_id": "" }), "msi_res_id", "/subscriptions/1", false),
            (json!({}), "client_id", "ab-1", false),
        ];
        for (body, name, asked, expected) in rows {
            assert_eq!(confirms(body.as_object().unwrap(), name, asked), expected, "{body}");
        }
    }
}
