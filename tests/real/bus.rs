//! A private D-Bus session, and what may answer there as the Secret Service: Debian's gnome-keyring, or somebody who
//! never answers. Nothing is started by D-Bus activation, so that a test has exactly the services it asked for.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::cmd::Sandbox;

const SECRET_SERVICE: &str = "org.freedesktop.secrets";
/// gnome-keyring asks this service to show its password prompt.
const PROMPTER: &str = "org.gnome.keyring.SystemPrompter";
const PASSWORD: &[u8] = b"the password of a test keyring";

/// A message bus for one home. When it ends, no process that was started in that home may be left.
pub struct Bus {
    daemon: Child,
    keyring: Option<Child>,
    address: String,
    home: PathBuf,
}

impl Bus {
    /// Starts a bus on which nobody is the Secret Service, and tells the home its address.
    pub fn start(home: &mut Sandbox) -> Self {
        let config = home.home().join("bus.conf");
        let socket = home.home().join("bus");
        let document = format!(
            r#"<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
            <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>"#,
            socket.display()
        );
        std::fs::write(&config, document).unwrap();
        let mut daemon = home
            .tool("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .arg(format!("--config-file={}", config.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon starts");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("unix:"), "dbus-daemon said no address: {address:?}");
        home.env("DBUS_SESSION_BUS_ADDRESS", &address);
        Self { daemon, keyring: None, address, home: home.home().to_owned() }
    }

    /// Starts gnome-keyring with its login collection open.
    pub fn unlocked(&mut self, home: &Sandbox) {
        let mut daemon = Self::keyring_command(home).arg("--unlock").stdin(Stdio::piped()).spawn().unwrap();
        // The end of the input is the end of the password.
        daemon.stdin.take().unwrap().write_all(PASSWORD).unwrap();
        self.keyring = Some(daemon);
        self.await_owner();
    }

    /// Starts gnome-keyring as after a login over SSH: the collection is there and nobody has opened it.
    pub fn locked(&mut self, home: &Sandbox) {
        self.unlocked(home);
        self.lock();
    }

    /// Locks the login collection of a running gnome-keyring, as a screen lock may do.
    pub fn lock(&self) {
        let login = zbus::zvariant::ObjectPath::try_from("/org/freedesktop/secrets/collection/login").unwrap();
        let service = "org.freedesktop.Secret.Service";
        let reply = self
            .connect()
            .call_method(Some(SECRET_SERVICE), "/org/freedesktop/secrets", Some(service), "Lock", &vec![login.clone()])
            .unwrap();
        let body = reply.body();
        let (locked, _prompt): (Vec<zbus::zvariant::ObjectPath>, zbus::zvariant::ObjectPath) =
            body.deserialize().unwrap();
        assert_eq!(locked, [login], "gnome-keyring has not locked its collection");
    }

    /// Ends gnome-keyring, as its known crash under parallel sessions does.
    pub fn kill_keyring(&mut self) {
        if let Some(mut daemon) = self.keyring.take() {
            daemon.kill().ok();
            daemon.wait().ok();
        }
    }

    /// Somebody owns the Secret Service's name and never answers a call. Lasts as long as the value given back.
    pub fn mute_service(&self) -> zbus::blocking::Connection {
        self.own_and_ignore(SECRET_SERVICE)
    }

    /// Password prompts are accepted and shown to nobody, as on a desktop whose owner has gone home.
    pub fn mute_prompter(&self) -> zbus::blocking::Connection {
        self.own_and_ignore(PROMPTER)
    }

    fn own_and_ignore(&self, name: &'static str) -> zbus::blocking::Connection {
        let connection = self.connect();
        // Connection::request_name would start an object server, and that one answers "unknown method".
        connection
            .call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "RequestName",
                &(name, 0_u32),
            )
            .unwrap();
        assert!(self.has_owner(name));
        connection
    }

    fn keyring_command(home: &Sandbox) -> std::process::Command {
        let mut command = home.tool("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn connect(&self) -> zbus::blocking::Connection {
        zbus::blocking::connection::Builder::address(self.address.as_str()).unwrap().build().unwrap()
    }

    fn has_owner(&self, name: &str) -> bool {
        let bus = "org.freedesktop.DBus";
        let reply = self.connect().call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "NameHasOwner", &name);
        reply.unwrap().body().deserialize().unwrap()
    }

    fn await_owner(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.has_owner(SECRET_SERVICE) {
            assert!(Instant::now() < deadline, "gnome-keyring did not come up within 10 s");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The processes, besides this one, that were started with this bus's home in their environment.
    fn left_behind(&self) -> Vec<(u32, String)> {
        let home = self.home.as_os_str().as_encoded_bytes();
        let mut left = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.windows(home.len()).any(|window| window == home) {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                left.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            }
        }
        left
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.kill_keyring();
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.daemon), rustix::process::Signal::TERM)
            .ok();
        wait(&mut self.daemon, Duration::from_secs(3));
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.left_behind().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let left = self.left_behind();
        assert!(left.is_empty() || std::thread::panicking(), "processes left behind: {left:?}");
    }
}

/// Waits for `child`, at most `limit`; past it the child is killed and there is no status.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().ok();
            child.wait().ok();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
