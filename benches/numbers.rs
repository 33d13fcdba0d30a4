//! The numbers that mdb-login promises, measured side by side in one run: `cargo bench`.
//!
//! Times are whole processes, from spawn to reap, the candidates taking turns; medians and their ratios are printed,
//! because a machine's speed drifts and a ratio within one run does not. What runs is a copy of each program, as an
//! installation leaves it, ours and the others alike: see [`Programs`]. Where the ratio is close to its limit, it is the
//! median of the ratios of each round, and `±` is half of its 95 % confidence interval. Everything is on loopback and in
//! temporary folders. What needs a program that is not here (`secret-tool`, a Secret Service, mongosh, which `tests/run`
//! installs) says so and is not measured.
//!
//! `cargo bench -- --runs 300` takes more rounds, `--shells 100` more of mongosh. Ends with 1 if a promise is not kept.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(target_os = "linux")]
#[path = "../tests/real/bus.rs"]
#[allow(dead_code)]
mod bus;
#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use support::browser::Browser;
use support::cmd::Sandbox;
use support::idp::{CLIENT_ID, Client, ClientAuth, Endpoint, Idp, Rotation};
use support::mongod::Mongod;
use support::mongod::behaviour::loopback_names;

fn main() -> ExitCode {
    let runs = option("--runs").unwrap_or(150);
    let parallel = option("--parallel").unwrap_or(1000);
    let shells = option("--shells").unwrap_or(60);
    println!("{runs} rounds, {shells} of mongosh, medians; {parallel} callers at once\n");

    let programs = Programs::install();
    let mut report = Report::default();
    cached_token(runs, &programs, &mut report);
    memory(&programs, &mut report);
    run_a_program(runs, &programs, &mut report);
    run_mongosh(shells, &programs, &mut report);
    verify(runs, &programs, &mut report);
    one_refresh(parallel, &programs, &mut report);
    one_request(parallel, &programs, &mut report);
    login(&programs, &mut report);
    if report.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn option(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next()?.parse().ok()
}

#[derive(Default)]
struct Report {
    broken: bool,
}

impl Report {
    /// One line, with what was promised; `kept` is the verdict.
    fn line(&mut self, what: &str, measured: &str, promise: &str, kept: bool) {
        let verdict = if kept { "ok" } else { "MISSED" };
        println!("{what:<58} {measured:>15}   {promise:<18} {verdict}");
        self.broken |= !kept;
    }
}

/// The programs that are measured, copied to a folder of their own.
///
/// What a linker has just written lies in the kernel's page cache in single pages, and starting it takes half as much time
/// again as starting a copy of it does (ext4, Linux 6.18). Nobody runs such a file but who has just built it: `cargo install`
/// and every package manager copy.
struct Programs {
    folder: PathBuf,
}

impl Programs {
    fn install() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let programs = Self { folder };
        programs.copy(Path::new(env!("CARGO_BIN_EXE_mdb-login")));
        programs.copy(Path::new(env!("CARGO_BIN_EXE_mdb-login-full")));
        programs
    }

    /// A sandbox for ours.
    fn sandbox(&self, idp: &Idp) -> Sandbox {
        let mut sandbox = Sandbox::with(idp);
        let ours = Path::new(env!("CARGO_BIN_EXE_mdb-login")).file_name().unwrap();
        sandbox.use_program(self.folder.join(ours));
        sandbox
    }

    /// A program of `examples/`, built with the profile of ours.
    fn example(&self, name: &str) -> PathBuf {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--example", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(status.success());
        let built = Path::new(env!("CARGO_BIN_EXE_mdb-login")).with_file_name("examples");
        self.copy(&built.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
    }

    fn copy(&self, program: &Path) -> PathBuf {
        let copy = self.folder.join(program.file_name().unwrap());
        std::fs::copy(program, &copy).unwrap();
        copy
    }
}

/// Signs in, so that everything after has a session.
fn sign_in(sandbox: &Sandbox) {
    let mut login = sandbox.spawn(["login", "--prompt", "consent"]);
    Browser::new().sign_in(&login.start_url(), "ada");
    let outcome = login.wait();
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
}

/// The medians of the times that [`rounds`] takes.
fn race(runs: usize, candidates: &mut [Command]) -> Vec<Duration> {
    rounds(runs, candidates).into_iter().map(median).collect()
}

/// The time of each candidate in each of `runs` rounds. Who begins changes from round to round, so that nobody always
/// comes after the same one.
fn rounds(runs: usize, candidates: &mut [Command]) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::with_capacity(runs); candidates.len()];
    // The first rounds warm the caches up.
    let warm_up = runs.min(5);
    for round in 0..runs + warm_up {
        for turn in 0..candidates.len() {
            let index = (round + turn) % candidates.len();
            let command = &mut candidates[index];
            let started = Instant::now();
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            let took = started.elapsed();
            assert!(status.success(), "{command:?}: {status}");
            if round >= warm_up {
                times[index].push(took);
            }
        }
    }
    times
}

/// A ratio from pairs of times that were taken one after the other, whatever else the machine did meanwhile.
struct Paired {
    median: f64,
    /// Half of the median's 95 % confidence interval, from the order of the ratios alone: no assumption of how they are
    /// distributed.
    spread: f64,
}

impl Paired {
    fn of(times: &[Duration], against: &[Duration]) -> Self {
        let mut ratios: Vec<f64> = times.iter().zip(against).map(|(time, against)| ratio(*time, *against)).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let middle = ratios.len() / 2;
        // The median's rank is binomial: 1.96 of its standard deviations, √n / 2.
        let ranks = (0.98 * (ratios.len() as f64).sqrt()).ceil() as usize;
        let (low, high) = (middle.saturating_sub(ranks), (middle + ranks).min(ratios.len() - 1));
        Self { median: ratios[middle], spread: (ratios[high] - ratios[low]) / 2.0 }
    }
}

impl fmt::Display for Paired {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:.3}× ±{:.3}", self.median, self.spread)
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn cached_token(runs: usize, programs: &Programs, report: &mut Report) {
    let idp = Idp::start();
    let mut sandbox = programs.sandbox(&idp);
    let empty = programs.example("empty_clap");

    #[cfg(target_os = "linux")]
    let session_bus = secret_service(&mut sandbox);
    #[cfg(not(target_os = "linux"))]
    let session_bus: Option<()> = None;

    sign_in(&sandbox);
    let asked = idp.log().len();
    let mut empty = sandbox.tool(&empty);
    empty.arg("token");
    let (provider, program) = a_program(programs);
    let first = program.run(["token"]);
    assert_eq!(first.code(), Some(0), "{first:?}");
    let mut candidates = vec![empty, sandbox.command(["token"]), program.command(["token"])];
    if session_bus.is_some() {
        let mut lookup = sandbox.tool("secret-tool");
        lookup.args(["lookup", "service", "bench", "username", "bench"]);
        candidates.push(lookup);
    }
    let times = race(runs, &mut candidates);
    println!("empty clap program {:?}, token {:?}, a program's {:?}", times[0], times[1], times[2]);
    for (what, token) in [("cached token", times[1]), ("a program's cached token", times[2])] {
        let against = ratio(token, times[0]);
        let what = format!("{what} / empty clap program");
        report.line(&what, &format!("{against:.2}×"), "at most 1.3×", against <= 1.3);
    }
    match times.get(3) {
        Some(lookup) => {
            let against = ratio(times[1], *lookup);
            report.line("cached token / secret-tool lookup", &format!("{against:.2}×"), "at most 0.2×", against <= 0.2);
        }
        None => println!("secret-tool, dbus-daemon or gnome-keyring is not here: not measured against them"),
    }
    let asked = idp.log().len() - asked + provider.grants("client_credentials") - 1;
    report.line("requests at the provider meanwhile", &asked.to_string(), "0", asked == 0);
}

/// `exec -- true` with a cached token, against `true` itself.
fn run_a_program(runs: usize, programs: &Programs, report: &mut Report) {
    let idp = Idp::start();
    let sandbox = programs.sandbox(&idp);
    sign_in(&sandbox);
    let ways = ["k8s", "mongosh"];
    let mut candidates = vec![sandbox.tool("true")];
    let exec = |way| sandbox.command(["exec", "--trust-host", "db.example.com", "--inject", way, "--", "true"]);
    candidates.extend(ways.map(exec));
    let times = race(runs, &mut candidates);
    for (way, time) in ways.iter().zip(&times[1..]) {
        let more = time.saturating_sub(times[0]);
        let kept = more <= Duration::from_millis(10);
        report.line(&format!("exec --inject {way} -- true / true"), &format!("{more:.1?} more"), "at most 10 ms", kept);
    }
}

/// What a command of mongosh takes under `exec`, against the same mongosh with a token file that somebody has prepared.
fn run_mongosh(shells: usize, programs: &Programs, report: &mut Report) {
    // It brings the Node.js that it is tested with; another system's is whatever `node` is there.
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tests/peers/node_modules/.bin");
    if !peers.join("mongosh").exists() {
        println!("mongosh is not here (tests/run installs it): not measured");
        return;
    }
    let idp = Idp::start();
    let server = Mongod::start(&idp);
    let mut sandbox = programs.sandbox(&idp);
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([peers].into_iter().chain(std::env::split_paths(&path))).unwrap();
    sandbox.env("PATH", path);
    sign_in(&sandbox);
    let token_file = token_file(&sandbox);

    let shell = |uri: &str| {
        ["mongosh", uri, "--quiet", "--norc", "--eval", "db.adminCommand({ connectionStatus: 1 })"].map(str::to_owned)
    };
    let by_hand =
        shell(&format!("{}?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:k8s", server.uri()));
    let mut alone = sandbox.tool(&by_hand[0]);
    alone
        .args(&by_hand[1..])
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token_file)
        .env("AZURE_FEDERATED_TOKEN_FILE", &token_file);
    let ways = ["mongosh", "k8s"];
    let under_exec = ways.map(|way| {
        let mut command = sandbox.command(["exec", "--inject", way, "--"]);
        command.args(shell(&server.uri()));
        command
    });
    let mut candidates: Vec<Command> = [alone].into_iter().chain(under_exec).collect();
    let times = rounds(shells, &mut candidates);
    assert_eq!(server.refusals(), []);
    println!("mongosh with a token file {:.0?}", median(times[0].clone()));
    for (way, times_under_exec) in ways.iter().zip(&times[1..]) {
        let paired = Paired::of(times_under_exec, &times[0]);
        let what = format!("exec --inject {way} -- mongosh / mongosh, a token file");
        report.line(&what, &paired.to_string(), "at most 1.03×", paired.median <= 1.03);
    }
}

/// `verify` with a cached token, against the driver with nothing around it.
fn verify(runs: usize, programs: &Programs, report: &mut Report) {
    let bare_driver = programs.example("bare_driver");
    for (how, tls) in [("verify / a bare driver", false), ("verify / a bare driver, both with TLS", true)] {
        let idp = Idp::start();
        let server = Mongod::start_with(&idp, |behaviour| behaviour.tls = loopback_names().filter(|_| tls));
        let sandbox = programs.sandbox(&idp);
        sign_in(&sandbox);
        let mut uri = server.uri();
        if tls {
            let authority = sandbox.home().join("ca.pem");
            std::fs::write(&authority, Mongod::ca_pem()).unwrap();
            uri += &format!("?tls=true&tlsCAFile={}", authority.display());
        }
        let mut bare = sandbox.tool(&bare_driver);
        bare.arg(&uri).arg(token_file(&sandbox));
        let times = rounds(runs, &mut [bare, sandbox.command(["verify", &uri])]);
        assert_eq!(server.refusals(), []);
        let paired = Paired::of(&times[1], &times[0]);
        println!("a bare driver {:.1?}, verify {:.1?}", median(times[0].clone()), median(times[1].clone()));
        report.line(how, &paired.to_string(), "at most 1.5×", paired.median <= 1.5);
    }
}

/// A file with a token of the session, as somebody makes it by hand.
fn token_file(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.home().join("token");
    std::fs::write(&path, sandbox.run(["token"]).exits(0).stdout()).unwrap();
    path
}

/// A private gnome-keyring, unlocked, with something to look up; `None` where its programs are missing.
#[cfg(target_os = "linux")]
fn secret_service(sandbox: &mut Sandbox) -> Option<bus::Bus> {
    use std::io::Write as _;

    let here =
        |program: &str| std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|dir| dir.join(program).exists());
    if !["dbus-daemon", "gnome-keyring-daemon", "secret-tool"].into_iter().all(here) {
        return None;
    }
    let mut bus = bus::Bus::start(sandbox);
    bus.unlocked(sandbox);
    let mut store = sandbox
        .tool("secret-tool")
        .args(["store", "--label=bench", "service", "bench", "username", "bench"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    store.stdin.take().unwrap().write_all(&[b'x'; 1500]).unwrap();
    assert!(store.wait().unwrap().success());
    sandbox.env("MDB_LOGIN_STORE", "keyring");
    Some(bus)
}

/// Peak memory of a `token` that is about to end and of a login that waits, from the kernel's own account.
#[cfg(target_os = "linux")]
fn memory(programs: &Programs, report: &mut Report) {
    use std::io::Write as _;

    let idp = Idp::start();
    let sandbox = programs.sandbox(&idp);
    sign_in(&sandbox);

    // A full pipe holds `token` at its last act, when its peak is behind it.
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[0; 65_536]).unwrap();
    let mut token = sandbox.command(["token"]).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let peak = peak_memory(token.id());
    drop(reader);
    token.wait().unwrap();
    report.line("peak memory of a cached token", &format!("{:.1} MiB", peak), "under 8 MiB", peak < 8.0);

    let mut login = sandbox.spawn(["login"]);
    login.start_url();
    std::thread::sleep(Duration::from_millis(300));
    let peak = peak_memory(login.id());
    login.interrupt();
    login.wait();
    report.line("peak memory of a waiting login", &format!("{:.1} MiB", peak), "under 20 MiB", peak < 20.0);
}

#[cfg(not(target_os = "linux"))]
fn memory(_: &Programs, _: &mut Report) {
    println!("peak memory: measured on Linux only");
}

/// In MiB.
#[cfg(target_os = "linux")]
fn peak_memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the process has not ended yet");
    line.split_ascii_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Many callers at once, an expired token, and a provider that punishes a refresh token used twice.
fn one_refresh(parallel: usize, programs: &Programs, report: &mut Report) {
    let idp = Idp::start_with(|behaviour| {
        behaviour.rotation = Rotation::Strict;
        behaviour.access_token_lifetime = Duration::from_secs(1);
    });
    let sandbox = programs.sandbox(&idp);
    sign_in(&sandbox);
    idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(3600));
    std::thread::sleep(Duration::from_secs(2));

    ask_at_once(parallel, &sandbox, "refreshes for all of them", || idp.grants("refresh_token"), report);
}

/// The same for a program that has no token yet.
fn one_request(parallel: usize, programs: &Programs, report: &mut Report) {
    let (idp, sandbox) = a_program(programs);
    let asked = || idp.grants("client_credentials");
    ask_at_once(parallel, &sandbox, "token requests for all of a program's", asked, report);
}

/// A provider with a program that is registered there, and a sandbox that is this program.
fn a_program(programs: &Programs) -> (Idp, Sandbox) {
    let idp = Idp::start_with(|behaviour| {
        behaviour.clients = vec![Client::program(CLIENT_ID, ClientAuth::SecretBasic("secret".into()))];
    });
    let mut sandbox = programs.sandbox(&idp);
    sandbox.env("MDB_LOGIN_KIND", "client-credentials").env("MDB_LOGIN_CLIENT_SECRET_COMMAND", "printf secret");
    (idp, sandbox)
}

/// All ask for a token; `asked` counts what reaches the provider for it.
fn ask_at_once(parallel: usize, sandbox: &Sandbox, what: &str, asked: impl Fn() -> usize, report: &mut Report) {
    let before = asked();
    let started = Instant::now();
    let callers: Vec<_> = (0..parallel)
        .map(|_| sandbox.command(["token"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
        .collect();
    let answers: Vec<_> = callers.into_iter().map(|caller| caller.wait_with_output().unwrap()).collect();
    let took = started.elapsed();
    let equal = answers.iter().filter(|answer| answer.status.success() && answer.stdout == answers[0].stdout).count();
    let requests = asked() - before;
    println!("{parallel} callers answered in {took:.1?}");
    report.line(what, &requests.to_string(), "1", requests == 1);
    report.line("equal answers", &equal.to_string(), &parallel.to_string(), equal == parallel);
}

/// Sign-ins with a browser and a provider that answer at once: what is left is ours.
fn login(programs: &Programs, report: &mut Report) {
    let mut times = Vec::new();
    for _ in 0..11 {
        let idp = Idp::start();
        let sandbox = programs.sandbox(&idp);
        let mut browser = Browser::new();
        let mut login = sandbox.spawn(["login", "--prompt", "consent"]);
        let url = login.start_url();
        let page = browser.open(&url);
        // The person's part, filling in the form, is over; from here on nobody thinks.
        let submitted = Instant::now();
        browser.submit(&page, &[("user", "ada"), ("decision", "allow")]);
        let outcome = login.wait();
        times.push(submitted.elapsed());
        assert_eq!(outcome.code(), Some(0), "{outcome:?}");

        let count = |endpoint| idp.requests(endpoint);
        let counts = [count(Endpoint::Discovery), count(Endpoint::Token), count(Endpoint::Jwks)];
        let total = idp.log().len();
        sandbox.run(["token"]).exits(0);
        if counts != [1, 1, 1] || idp.log().len() != total {
            report.line("requests of one sign-in", &format!("{counts:?}"), "[1, 1, 1], then 0", false);
        }
    }
    report.line("requests of one sign-in: discovery, token, keys", "1, 1, 1", "1, 1, at most 1", true);
    let median = median(times);
    report.line(
        "sign-in, from the person's consent to the end",
        &format!("{median:.0?}"),
        "under 100 ms",
        median < Duration::from_millis(100),
    );
}
