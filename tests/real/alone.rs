//! Tests that need for themselves what a machine has once: a network, a file of the system's, a folder with a fixed name.
//!
//! Each runs a second time, as the only one of a process that has it.

use std::path::Path;
use std::process::Command;

/// Set in the process that has it.
const INSIDE: &str = "MDB_TEST_IS_ALONE";

/// What a test has for itself.
pub struct Place {
    /// What of the machine's is left behind beside its mounts, as options of unshare(1).
    pub without: &'static [&'static str],
    /// The shell's commands that put something in its stead. `$1` is a folder with files of the test's.
    pub made_by: &'static str,
    /// As in "there is no …, for which it needs root or unprivileged user namespaces".
    pub name: &'static str,
}

impl Place {
    /// Runs `test`, the whole of the test function `name` (`srv::words`), there. `prepare` writes the files.
    pub fn run(&self, name: &str, prepare: impl FnOnce(&Path), test: impl FnOnce()) {
        if std::env::var_os(INSIDE).is_some() {
            return test();
        }
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());

        let trial = self.command(folder.path()).arg("true").output().expect("unshare(1) of util-linux");
        let why = String::from_utf8_lossy(&trial.stderr);
        let what = self.name;
        assert!(
            trial.status.success(),
            "there is no {what}, for which it needs root or unprivileged user namespaces: {why}"
        );

        let mut command = self.command(folder.path());
        command.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--ignored", "--nocapture"]);
        let output = command.env(INSIDE, "1").output().unwrap();
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{name}:\n{said}{errors}");
    }

    /// A command, to be completed, that runs another one there.
    fn command(&self, files: &Path) -> Command {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = format!("set -e; {}; shift; exec \"$@\"", self.made_by);
        command.arg("--mount").args(self.without).args(["sh", "-c", &script, "sh"]).arg(files);
        command
    }
}
