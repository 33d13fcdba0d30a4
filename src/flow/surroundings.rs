//! Where this program runs, as far as the environment tells: can the person see a browser that is opened here, and if
//! not, what can they do instead?
//!
//! Advice only. Nothing is switched because of it: `--browser`, `--no-browser` and `--device` always win, and the device
//! flow starts by consent alone.

use crate::settings::BrowserChoice;

/// What the environment says of the place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    pub ssh: Option<Ssh>,
    /// A display that windows can be opened on; a forwarded X11 display counts.
    pub display: bool,
    /// The Windows desktop is at hand.
    pub wsl: bool,
    pub container: bool,
    pub codespaces: bool,
    /// An editor on the person's own machine runs this terminal, opens links there and forwards ports (VS Code Remote).
    pub remote_editor: bool,
    user: Option<String>,
}

/// An SSH session: how the person reaches this machine, so they can reach it the same way once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssh {
    server: Option<String>,
    /// Only if it is not 22.
    port: Option<u16>,
}

impl Ssh {
    /// `SSH_CONNECTION`: client address and port, server address and port (ssh(1)).
    fn from_connection(connection: &str) -> Self {
        let mut fields = connection.split_ascii_whitespace().skip(2);
        let server = fields.next().filter(|server| is_plain(server)).map(str::to_owned);
        let port = fields.next().and_then(|port| port.parse().ok()).filter(|port| *port != 22);
        Self { server, port }
    }
}

impl Surroundings {
    /// Where this process runs.
    pub fn here() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the surroundings through `variable`, which gives an environment variable's value.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let has = |name| set(name).is_some();
        Self {
            ssh: (has("SSH_CONNECTION") || has("SSH_CLIENT") || has("SSH_TTY"))
                .then(|| set("SSH_CONNECTION").as_deref().map_or_else(Ssh::default, Ssh::from_connection)),
            display: cfg!(any(windows, target_os = "macos")) || has("DISPLAY") || has("WAYLAND_DISPLAY"),
            wsl: has("WSL_DISTRO_NAME") || has("WSL_INTEROP"),
            container: has("container") || has("KUBERNETES_SERVICE_HOST") || has("REMOTE_CONTAINERS"),
            codespaces: set("CODESPACES").as_deref() == Some("true"),
            remote_editor: has("VSCODE_IPC_HOOK_CLI") && has("BROWSER"),
            user: set("USER").or_else(|| set("LOGNAME")).filter(|user| is_plain(user)),
        }
    }

    /// Whether a browser is to be started: where the person would see it, or where they name one.
    pub fn launches(&self, choice: &BrowserChoice) -> bool {
        match choice {
            BrowserChoice::None => false,
            BrowserChoice::Command(_) => true,
            BrowserChoice::System => self.can_see_browser(),
        }
    }

    /// Whether a browser opened here would be seen by the person at this terminal.
    pub fn can_see_browser(&self) -> bool {
        if self.codespaces {
            // In a browser tab `localhost` is the person's own machine; only the desktop editor forwards it.
            return false;
        }
        if self.remote_editor || self.wsl {
            return true;
        }
        // On macOS and Windows a display always exists, but over SSH it is somebody else's, or locked.
        let own_display = self.ssh.is_none() || !cfg!(any(windows, target_os = "macos"));
        self.display && own_display
    }

    /// What to tell a person who cannot see a browser here: why, and each other way with its complete command.
    ///
    /// `port` is the listener's, `device_command` is what starts the device flow for the same session, if the provider
    /// offers one.
    pub fn other_ways(&self, port: u16, device_command: Option<&str>) -> Vec<String> {
        let tunnelled = self.ssh.is_some() && !self.codespaces;
        let mut lines = Vec::new();
        if self.codespaces {
            lines.push(
                "this is a codespace: a browser reaches the link only through the port forwarding of desktop VS Code"
                    .into(),
            );
        } else if let Some(ssh) = &self.ssh {
            lines.push("this is an SSH session, so a browser opened here would not be seen".into());
            let tunnel = self.tunnel(ssh, port);
            let either = if device_command.is_some() { "either " } else { "" };
            lines.push(format!("{either}run on your own computer `{tunnel}` and open the link there"));
        } else if self.container {
            lines.push("this is a container without a display, and browsers outside cannot reach its localhost".into());
        } else if !self.can_see_browser() {
            lines.push("there is no display here that a browser could open on".into());
        }
        let or = if lines.is_empty() || tunnelled { "or " } else { "" };
        lines.extend(device_command.map(|command| format!("{or}sign in with a code on any other device: `{command}`")));
        lines
    }

    fn tunnel(&self, ssh: &Ssh, port: u16) -> String {
        let user = self.user.as_deref().unwrap_or("user");
        let host = ssh.server.as_deref().unwrap_or("host");
        let ssh_port = ssh.port.map(|port| format!(" -p {port}")).unwrap_or_default();
        format!("ssh{ssh_port} -L {port}:localhost:{port} {user}@{host}")
    }
}

/// Names and addresses that can be pasted into a shell as they are. The environment is foreign text.
fn is_plain(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    starts_well && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c))
}

#[cfg(test)]
#[cfg(not(any(windows, target_os = "macos")))]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Surroundings {
        Surroundings::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_browser_can_be_seen_where_there_is_a_display() {
        let cases: [(bool, &[(&str, &str)]); 13] = [
            (false, &[]),
            (true, &[("DISPLAY", ":0")]),
            (true, &[("WAYLAND_DISPLAY", "wayland-0")]),
            (false, &[("DISPLAY", "")]),
            (false, &[("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.7 22")]),
            (false, &[("SSH_TTY", "/dev/pts/0")]),
            (true, &[("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.7 22"), ("DISPLAY", "localhost:10.0")]),
            (true, &[("WSL_DISTRO_NAME", "Debian")]),
            (false, &[("container", "podman")]),
            (false, &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]),
            (false, &[("CODESPACES", "true"), ("BROWSER", "/x"), ("VSCODE_IPC_HOOK_CLI", "/y")]),
            (true, &[("SSH_CONNECTION", "a 1 b 22"), ("BROWSER", "/x"), ("VSCODE_IPC_HOOK_CLI", "/y")]),
            (false, &[("BROWSER", "/x")]),
        ];
        for (expected, variables) in cases {
            assert_eq!(from(variables).can_see_browser(), expected, "{variables:?}");
        }
    }

    #[test]
    fn over_ssh_the_tunnel_goes_the_way_the_person_came() {
        let tunnel = |connection: &str, user: &str, device: Option<&str>| {
            let here = from(&[("SSH_CONNECTION", connection), ("USER", user)]);
            here.other_ways(27097, device).join("\n")
        };
        let lines = tunnel("10.0.0.9 50000 10.0.0.7 22", "ada", Some("mdb-login --device"));
        assert!(lines.contains("`ssh -L 27097:localhost:27097 ada@10.0.0.7`"), "{lines}");
        assert!(lines.ends_with("or sign in with a code on any other device: `mdb-login --device`"), "{lines}");
        let cases = [
            ("2001:db8::9 50000 2001:db8::7 2222", "ada", "`ssh -p 2222 -L 27097:localhost:27097 ada@2001:db8::7`"),
            ("broken", "ada", "`ssh -L 27097:localhost:27097 ada@host`"),
            ("a 1 $(rm) 22", "ada;id", "`ssh -L 27097:localhost:27097 user@host`"),
            ("a 1 -oProxyCommand=x 22", "", "`ssh -L 27097:localhost:27097 user@host`"),
        ];
        for (connection, user, expected) in cases {
            let lines = tunnel(connection, user, None);
            assert!(lines.contains(expected), "{lines}");
        }
    }

    #[test]
    fn elsewhere_no_tunnel_is_promised() {
        for variables in [&[("container", "podman")][..], &[("CODESPACES", "true")], &[]] {
            let lines = from(variables).other_ways(27097, Some("mdb-login --device --profile prod")).join("\n");
            assert!(!lines.contains("ssh") && lines.contains("`mdb-login --device --profile prod`"), "{lines}");
        }
    }

    #[test]
    fn a_device_flow_that_the_provider_lacks_is_not_spoken_of() {
        let ssh = ("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.7 22");
        let cases: [(&[(&str, &str)], usize); 5] = [
            (&[ssh], 2),
            (&[("container", "podman")], 1),
            (&[("CODESPACES", "true")], 1),
            (&[], 1),
            (&[("DISPLAY", ":0")], 0),
        ];
        for (variables, expected) in cases {
            let lines = from(variables).other_ways(27097, None);
            assert_eq!(lines.len(), expected, "{lines:?}");
            assert!(!lines.iter().any(|line| line.contains("code on") || line.contains("either")), "{lines:?}");
        }
    }
}
