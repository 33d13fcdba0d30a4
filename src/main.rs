//! `mdb-login`, as people and scripts call it: hands out a cached access token, or starts the full program.
//!
//! On Linux these are two files, because of what the loader does before `main`: the full program carries 240 KB of tables
//! that hold addresses (TLS, HTTP, D-Bus, the manual), and a page fault for each page of them costs more than everything
//! that a cached token needs. This one has none of that, and no code for networks either. Elsewhere there is no cache
//! that is read without asking a service, and this is the full program itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    return mdb_login::run_cached().unwrap_or_else(full::start);
    #[cfg(not(target_os = "linux"))]
    mdb_login::run()
}

#[cfg(target_os = "linux")]
mod full {
    use std::io::{self, Write as _};
    use std::os::unix::process::CommandExt as _;
    use std::path::PathBuf;
    use std::process::{Command, ExitCode};

    /// Becomes the full program, in the same process; comes back only if that is not possible.
    pub fn start() -> ExitCode {
        let error = match program() {
            Ok(program) => {
                let mut args = std::env::args_os();
                let name = args.next().unwrap_or_else(|| "mdb-login".into());
                let error = Command::new(&program).arg0(name).args(args).exec();
                format!("cannot start `{}`\n  caused by: {error}", program.display())
            }
            Err(error) => format!("cannot find out where this program is\n  caused by: {error}"),
        };
        let hint = "`mdb-login` and `mdb-login-full` belong in one folder: install both";
        // Without a stderr there is nobody to tell.
        let _ = writeln!(io::stderr(), "error: {error}\nhint: {hint}");
        ExitCode::FAILURE
    }

    /// The file beside this one, wherever a link to this one lies; never one from `PATH`, which is anybody's choice.
    fn program() -> io::Result<PathBuf> {
        Ok(std::env::current_exe()?.with_file_name("mdb-login-full"))
    }
}
