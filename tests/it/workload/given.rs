//! `file`, `command` and a cluster's projected file: tokens that something else makes.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::cases::each;

/// A provider whose tokens somebody else fetches, and a sandbox that reads them from `token.jwt`.
struct Given {
    idp: Idp,
    sandbox: Sandbox,
    path: PathBuf,
}

impl Given {
    fn file() -> Self {
        Self::new(|sandbox, path| _ = sandbox.env("MDB_LOGIN_KIND", "file").env("MDB_LOGIN_SOURCE_FILE", path))
    }

    fn projected() -> Self {
        Self::new(|sandbox, path| {
            _ = sandbox.env("MDB_LOGIN_KIND", "kubernetes").env("AZURE_FEDERATED_TOKEN_FILE", path)
        })
    }

    fn command() -> Self {
        Self::new(|sandbox, path| {
            let script = format!("echo run >> runs; sleep 0.2; cat {}", path.display());
            sandbox.env("MDB_LOGIN_KIND", "command").env("MDB_LOGIN_SOURCE_COMMAND", format!("sh -c '{script}'"));
        })
    }

    fn new(set: impl FnOnce(&mut Sandbox, &Path)) -> Self {
        let idp = Idp::start();
        let mut sandbox = Sandbox::new();
        sandbox.hide(idp.issuer(), "[ISSUER]");
        let path = sandbox.home().join("token.jwt");
        set(&mut sandbox, &path);
        let this = Self { idp, sandbox, path };
        this.put(&this.mint());
        this
    }

    fn mint(&self) -> String {
        self.idp.access_token("ada")
    }

    /// Replaces the file in one step, as a kubelet does.
    fn put(&self, text: &str) {
        let new = private_file(self.path.with_extension("new"), text);
        std::fs::rename(new, &self.path).unwrap();
    }

    #[track_caller]
    fn token(&self) -> String {
        let outcome = self.sandbox.run(["token"]).exits(0);
        assert_eq!(outcome.stderr(), "");
        outcome.stdout()
    }

    /// How often the command has run.
    fn runs(&self) -> usize {
        std::fs::read_to_string(self.sandbox.home().join("runs")).unwrap_or_default().lines().count()
    }
}

/// A copy of ours would be handed out after whoever writes the file has replaced it.
#[test]
fn a_file_is_read_for_each_use_and_never_cached() {
    each([Given::file as fn() -> Given, Given::projected], |make| {
        let given = make();
        for _ in 0..3 {
            let token = given.mint();
            given.put(&token);
            assert_eq!(given.token(), token);
            assert_eq!(given.token(), token);
        }
        #[cfg(target_os = "linux")]
        assert!(given.sandbox.session_ids().iter().all(|id| crate::support::cmd::kernel_key(id).is_none()));
        let leaked = given.sandbox.files_with(&given.token());
        assert_eq!(leaked, std::slice::from_ref(&given.path), "a copy");
        let printed = object(&given.sandbox.run(["token", "--json"]).exits(0));
        assert_eq!((&printed["issuer"], &printed["subject"]), (&json!(given.idp.issuer()), &json!("00u-ada")));
        assert_eq!((&printed["audience"], &printed["client_id"]), (&json!(CLIENT_ID), &json!(null)));
        let status = object(&given.sandbox.run(["status", "--json"]).exits(0));
        assert_eq!((&status["store"], &status["expired"]), (&json!("nowhere"), &json!(false)));
        assert!(given.idp.log().is_empty(), "somebody was asked");
    });
}

/// An editor's or `echo`'s line break is none of the token's: drivers that read the file themselves would send it.
#[test]
fn a_line_break_at_the_end_is_not_part_of_the_token() {
    let given = Given::file();
    let token = given.mint();
    for end in ["", "\n", "\r\n"] {
        given.put(&format!("{token}{end}"));
        assert_eq!(given.token(), token);
    }
}

/// A command has its 30 s whatever one request may take, and so has whoever waits for what it prints.
#[test]
fn a_slow_command_is_waited_for() {
    let mut given = Given::command();
    let script = format!("echo run >> runs; sleep 11; cat {}", given.path.display());
    given.sandbox.env("MDB_LOGIN_SOURCE_COMMAND", format!("sh -c '{script}'")).env("MDB_LOGIN_HTTP_TIMEOUT", "1s");
    let first = given.sandbox.spawn(["token"]);
    while given.runs() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = given.sandbox.spawn(["token"]);
    assert_eq!(first.wait().exits(0).stdout(), second.wait().exits(0).stdout());
    assert_eq!(given.runs(), 1);
}

/// A pod's file system may be read-only: nothing is written that the token depends on.
#[cfg(unix)]
#[test]
fn a_file_s_token_needs_no_place_of_ours() {
    use std::os::unix::fs::PermissionsExt as _;
    let given = Given::file();
    let state = given.sandbox.state_dir();
    std::fs::remove_dir(&state).unwrap();
    std::fs::write(&state, "in the way").unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(given.token(), std::fs::read_to_string(&given.path).unwrap());
}

/// The order of the drivers' specification for `ENVIRONMENT:k8s`; a setting is stronger.
#[test]
fn a_projected_token_is_where_the_drivers_look() {
    let mut given = Given::projected();
    let [azure, aws, own] = ["azure", "aws", "own"].map(|name| {
        let path = private_file(given.sandbox.home().join(name), &given.mint());
        (std::fs::read_to_string(&path).unwrap(), path)
    });
    given.sandbox.env("AWS_WEB_IDENTITY_TOKEN_FILE", &aws.1).env("AZURE_FEDERATED_TOKEN_FILE", &azure.1);
    assert_eq!(given.token(), azure.0);
    given.sandbox.env("AZURE_FEDERATED_TOKEN_FILE", "");
    assert_eq!(given.token(), aws.0);
    given.sandbox.env("MDB_LOGIN_SOURCE_FILE", &own.1);
    assert_eq!(given.token(), own.0);
    given.sandbox.unset("MDB_LOGIN_SOURCE_FILE").env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token");
    given.sandbox.run(["token"]).is("
        exit 3
        --- stderr
        error: cannot read the token file `/nowhere/token`
          caused by: No such file or directory (os error 2)
          caused by: the file is named by `AWS_WEB_IDENTITY_TOKEN_FILE`
    ");
}

#[test]
fn a_command_runs_when_a_token_is_needed_and_once_for_all_who_need_it() {
    let given = Given::command();
    let crowd: Vec<_> = (0..20).map(|_| given.sandbox.spawn(["token"])).collect();
    let tokens: Vec<String> = crowd.into_iter().map(|one| one.wait().exits(0).stdout()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(given.runs(), 1);
    given.put(&given.mint());
    assert_eq!(given.token(), tokens[0]);
    assert_ne!(given.sandbox.run(["token", "--force-refresh"]).exits(0).stdout(), tokens[0]);
    assert_eq!(given.runs(), 2);
}

#[test]
fn every_bad_file_and_command_has_its_words_and_its_exit_code() {
    type Make = fn(&mut Given);
    type Row = (&'static str, fn() -> Given, Make, i32, &'static str);
    let rows: Vec<Row> = vec![
        (
            "missing",
            Given::file,
            |g| std::fs::remove_file(&g.path).unwrap(),
            3,
            "cannot read the token file `[HOME]/token.jwt`",
        ),
        (
            "a folder",
            Given::file,
            |g| {
                let home = g.sandbox.home().to_owned();
                g.sandbox.env("MDB_LOGIN_SOURCE_FILE", home);
            },
            3,
            "is not a file",
        ),
        ("empty", Given::file, |g| g.put(""), 3, "must give the token and nothing else, on one line"),
        ("two lines", Given::file, |g| g.put("a\nb"), 3, "must give the token and nothing else, on one line"),
        ("an escape", Given::file, |g| g.put("\u{1b}[2J"), 3, "must give the token and nothing else"),
        ("long", Given::file, |g| g.put(&"x".repeat(20_000)), 3, "gave more than 16384 bytes"),
        (
            "opaque",
            Given::file,
            |g| g.put("opaque-0123456789"),
            10,
            "is of no use to MongoDB\n  caused by: it is not a JWT",
        ),
        (
            "for somebody else",
            Given::file,
            |g| _ = g.sandbox.env("MDB_LOGIN_AUDIENCE", "other"),
            10,
            "it is for `mongodb-tools`, not for `other`",
        ),
        (
            "expired",
            Given::file,
            |g| {
                g.idp.change(|b| b.clock_ahead = -7200);
                g.put(&g.mint());
            },
            7,
            "error: the token of the kind `file` has expired\n  caused by: it expired 1 h ago\nhint: look after whatever replaces it",
        ),
        (
            "open to all",
            Given::file,
            |g| loosen(&g.path),
            3,
            "the token file `[HOME]/token.jwt` can be written by others\nhint: run `chmod go-w [HOME]/token.jwt`",
        ),
        (
            "a FIFO",
            Given::file,
            |g| {
                std::fs::remove_file(&g.path).unwrap();
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(rustix::fs::CWD, &g.path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            },
            3,
            "is not a file",
        ),
        ("no program", Given::command, |g| command(g, "/nowhere/x"), 3, "the token command `/nowhere/x` failed"),
        ("fails", Given::command, |g| command(g, "sh -c 'exit 3'"), 3, "failed\n  caused by: exit status: 3"),
        ("silent", Given::command, |g| command(g, "true"), 3, "must give the token and nothing else, on one line"),
        ("talks", Given::command, |g| command(g, "yes"), 3, "gave more than 16384 bytes"),
        ("opaque", Given::command, |g| command(g, "echo opaque-0123456789"), 10, "caused by: it is not a JWT"),
        ("not UTF-8", Given::command, |g| command(g, "printf '\\377'"), 3, "did not give text"),
        ("a quote", Given::command, |g| command(g, "echo 'x"), 3, "has a quote that is never closed"),
        ("nothing", Given::command, |g| command(g, ""), 3, "is empty"),
    ];
    each(rows, |(what, make, change, code, words)| {
        let mut given = make();
        change(&mut given);
        let outcome = given.sandbox.run(["token"]).exits(code);
        assert!(outcome.text().contains(words), "{what}: {outcome:?}");
        assert!(outcome.stdout.is_empty() && !outcome.text().contains('\u{1b}'), "{what}: {outcome:?}");
        assert!(!outcome.text().contains("opaque-0123"), "{what}: {outcome:?}");
        assert!(outcome.took < Duration::from_secs(20), "{what}");
    });
}

fn command(given: &mut Given, line: &str) {
    given.sandbox.env("MDB_LOGIN_SOURCE_COMMAND", line);
}

fn loosen(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o622)).unwrap();
}

/// A kubelet makes its files readable to all, and that is no reason to refuse them.
#[test]
fn a_file_that_others_can_read_is_taken() {
    use std::os::unix::fs::PermissionsExt as _;
    let given = Given::projected();
    std::fs::set_permissions(&given.path, std::fs::Permissions::from_mode(0o644)).unwrap();
    given.token();
}

#[test]
fn a_program_under_exec_gets_the_file_s_token_and_its_successor() {
    let mut given = Given::projected();
    given.idp.change(|behaviour| behaviour.access_token_lifetime = Duration::from_secs(12));
    let (first, second) = (given.mint(), given.mint());
    // As in a pod on AKS: a library of the cloud's finds the same token with us as without.
    given.sandbox.env("AZURE_CLIENT_ID", "c").env("AZURE_TENANT_ID", "t");
    given.put(&format!("{first}\n"));
    let script = "cat $AZURE_FEDERATED_TOKEN_FILE; echo; sleep 9; cat $AZURE_FEDERATED_TOKEN_FILE";
    let exec = given.sandbox.spawn(["exec", "--trust-host", "db.example.com", "--", "sh", "-c", script]);
    std::thread::sleep(Duration::from_secs(2));
    given.put(&format!("{second}\n"));
    let outcome = exec.wait().exits(0);
    assert_eq!(outcome.stdout(), format!("{first}\n{second}"));
    // Another file than the session's is not for MongoDB, and stays where it is.
    given.sandbox.env("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/eks/token");
    let refused = given.sandbox.run(["exec", "--trust-host", "db.example.com", "--", "true"]).exits(2);
    assert!(refused.text().contains("`AWS_WEB_IDENTITY_TOKEN_FILE` is set"), "{refused:?}");
}
