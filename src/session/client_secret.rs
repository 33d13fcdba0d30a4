//! Where a confidential client's secret comes from: a file or a command, never an argument or the configuration.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use crate::settings::ClientSecretSource;
use crate::ui::{foreign, shell_quoted};

/// Bytes. A secret is shorter; a longer file is another file.
const MAX: usize = 4096;

/// Reads the secret. One trailing line break is dropped, as editors and `echo` add one.
pub fn read(source: &ClientSecretSource) -> Result<Secret> {
    let (bytes, origin) = match source {
        ClientSecretSource::File(path) => {
            (from_file(path)?, format!("the client secret file `{}`", foreign(&path.display().to_string())))
        }
        ClientSecretSource::Command(argv) => {
            (from_command(argv)?, format!("the client secret command `{}`", foreign(&argv.join(" "))))
        }
    };
    let bad = |why: &str| Error::new(Kind::Config, format!("{origin} {why}"));
    if bytes.len() > MAX {
        return Err(bad("gave more than 4096 bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("did not give text"))?;
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(bad("must give the secret and nothing else, on one line"));
    }
    Ok(Secret::new(secret))
}

fn from_file(path: &Path) -> Result<Vec<u8>> {
    let shown = foreign(&path.display().to_string());
    let failed =
        |error| Error::new(Kind::Config, format!("cannot read the client secret file `{shown}`")).because(error);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::new(Kind::Config, format!("the client secret file `{shown}` is not a file")));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Error::new(Kind::Config, format!("the client secret file `{shown}` can be read by others"))
                .hint(format!("run `chmod 600 {}`", shell_quoted(&path.to_string_lossy()))));
        }
    }
    std::fs::read(path).map_err(failed)
}

fn from_command(argv: &[String]) -> Result<Vec<u8>> {
    let shown = foreign(&argv.join(" "));
    let failed = || Error::new(Kind::Config, format!("the client secret command `{shown}` failed"));
    let (program, arguments) =
        argv.split_first().ok_or_else(|| Error::new(Kind::Config, "`client_secret_command` is empty"))?;
    // A password manager may ask for a passphrase: stdin and stderr stay the person's.
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed().because(error))?;
    if !output.status.success() {
        return Err(failed().because_of(output.status.to_string()));
    }
    Ok(output.stdout)
}
