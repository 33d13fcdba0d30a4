//! The full program; `mdb-login` starts it, from the same folder, for everything but a cached token.

fn main() -> std::process::ExitCode {
    mdb_login::run()
}
