//! `mdb-login server check`: what it says of configurations, good and broken.

mod agreement;
mod broken;

use serde_json::{Value, json};

use crate::support::cmd::{Outcome, Sandbox};

fn object(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout()).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

/// One provider for people, and one for programs.
pub const GOOD: &str = "\
net:
  port: 27017
setParameter:
  authenticationMechanisms: SCRAM-SHA-256,MONGODB-OIDC
  oidcIdentityProviders: '[ {
      \"issuer\": \"https://login.example.com\",
      \"audience\": \"mongodb\",
      \"authNamePrefix\": \"corp\",
      \"clientId\": \"0oa1\",
      \"authorizationClaim\": \"groups\"
    }, {
      \"issuer\": \"https://accounts.google.com\",
      \"audience\": \"reports\",
      \"authNamePrefix\": \"gcp\",
      \"supportsHumanFlows\": false,
      \"useAuthorizationClaim\": false
    } ]'
";

#[test]
fn a_good_configuration_is_explained() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.home().join("mongod.conf"), GOOD).unwrap();
    sandbox.run(["server", "check", "mongod.conf"]).is("
        exit 0
        --- stdout
        As MongoDB 8.2 reads it
        ok    corp  people with tokens of https://login.example.com for `mongodb`
                    become `corp/<sub>` at $external, with roles `corp/<groups>` at
                    admin
        ok    gcp   programs with tokens of https://accounts.google.com for `reports`
                    become `gcp/<sub>` at $external, with the roles of that user, who
                    has to be there
    ");
    let object = object(&sandbox.run_with(["server", "check", "-", "--json"], GOOD.as_bytes()).exits(0));
    assert_eq!(object["schema"], 1);
    assert_eq!((&object["ok"], &object["file"], &object["findings"]), (&json!(true), &json!("stdin"), &json!([])));
    assert_eq!(object["identity_providers"][1]["auth_name_prefix"], "gcp");
    assert_eq!(sandbox.files().len(), 1, "{:?}", sandbox.files());
}

#[test]
fn every_mistake_is_named_at_once_and_the_first_one_again() {
    let sandbox = Sandbox::new();
    let text = GOOD.replace("\"mongodb\"", "\" mongodb\"").replace("\"0oa1\"", "7").replace("gcp", "g c p");
    std::fs::write(sandbox.home().join("mongod.conf"), text).unwrap();
    sandbox.run(["server", "check", "mongod.conf"]).is("
        exit 3
        --- stdout
        FAIL  mongod.conf:7:19
              `oidcIdentityProviders[0].audience`: begins or ends with a blank, and is
              compared as it stands
              hint: leave the blank out
        FAIL  mongod.conf:9:19
              `oidcIdentityProviders[0].clientId`: must be a string, not 7
        FAIL  mongod.conf:14:25
              `oidcIdentityProviders[1].authNamePrefix`: ` ` is not allowed in it:
              letters and digits of ASCII, `-` and `_` are
        --- stderr
        error: mongod.conf:7:19: `oidcIdentityProviders[0].audience`: begins or ends with a blank, and is compared as it stands
    ");
}

/// What cannot be read at all has words of its own, and the exit code of a bad file.
#[test]
fn files_that_are_no_text_are_named() {
    let sandbox = Sandbox::new();
    let write = |name: &str, bytes: &[u8]| std::fs::write(sandbox.home().join(name), bytes).unwrap();
    let utf16: Vec<u8> = "\u{feff}net:".encode_utf16().flat_map(u16::to_le_bytes).collect();
    write("utf16", &utf16);
    write("latin1", b"net:\n  bindIp: \xe4\n");
    write("binary", b"\x7fELF\x02\x01\x01\x00\x00");
    write("big", &vec![b'#'; (1 << 20) + 1]);
    write("small", &vec![b'#'; 1 << 20]);
    std::fs::create_dir(sandbox.home().join("folder")).unwrap();
    for (name, expected) in [
        ("utf16", "error: `utf16` is written in UTF-16\nhint: save it as UTF-8\n"),
        ("latin1", "error: latin1:2:11: this is not UTF-8\n"),
        ("binary", "error: binary:1:8: this is a NUL byte, not text\n"),
        ("big", "error: `big` is larger than 1 MiB\n"),
        ("folder", "error: cannot read `folder`: it is a folder\n"),
        ("nowhere", "error: cannot read `nowhere`\n  caused by: No such file or directory (os error 2)\n"),
    ] {
        let outcome = sandbox.run(["server", "check", name]).exits(3);
        assert_eq!((outcome.stdout(), outcome.stderr()), (String::new(), expected.to_owned()), "{name}");
    }
    // As large as may be, and nothing but a comment.
    sandbox.run(["server", "check", "small"]).exits(3).says("small:1:1: the file has no value in it");
    sandbox.run(["server", "check"]).exits(2);
    sandbox.run(["server", "check", "small", "--server-version", "6.0"]).exits(2).says("came with MongoDB 7.0");
}

/// A FIFO that nobody writes to would hold the program up for ever.
#[cfg(unix)]
#[test]
fn a_file_that_never_ends_is_not_waited_for() {
    let sandbox = Sandbox::new();
    let fifo = sandbox.home().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    for path in [fifo.to_str().unwrap(), "/dev/zero"] {
        sandbox.run(["server", "check", path]).exits(3).says("it is not a regular file");
    }
}

/// What grows when it is unfolded is not unfolded, and what is deep is not climbed.
#[test]
fn a_file_cannot_be_more_than_it_is() {
    let sandbox = Sandbox::new();
    let mut laughs = "a0: &a0 [lol, lol]\n".to_owned();
    for depth in 1..40 {
        let before = depth - 1;
        laughs.push_str(&format!("a{depth}: &a{depth} [*a{before}, *a{before}, *a{before}, *a{before}]\n"));
    }
    laughs.push_str("setParameter: {authenticationMechanisms: \"A,MONGODB-OIDC\", oidcIdentityProviders: *a39}\n");
    for (text, words) in [
        (laughs, "is an alias (`*`), which is not followed here"),
        ("[".repeat(500_000), "more than 50 values within each other"),
        (format!("{{{}", "\"a\": {".repeat(100_000)), "more than 50 values within each other"),
        (format!("a: {}", "- ".repeat(200_000)), "not YAML: "),
        (format!("x:\n{}", "- ".repeat(200_000)), "more than 50 values within each other"),
    ] {
        let outcome = sandbox.run_with(["server", "check", "-"], text.as_bytes()).exits(3).says(words);
        outcome.within(std::time::Duration::from_secs(10));
    }
}

#[cfg(unix)]
#[test]
fn reports_fit_their_terminal() {
    use crate::support::screen::assert_screens;

    let sandbox = Sandbox::new();
    let warnings = GOOD.replace("SCRAM-SHA-256,", "").replace("https://login.example.com", "https://example.okta.com");
    let faults = GOOD
        .replace("\"https://login.example.com\"", "\"https://login.microsoftonline.com/common/v2.0\"")
        .replace("\"groups\"\n", "\"groups\",\n")
        .replace("\"authNamePrefix\": \"gcp\"", "\"authNamePrefx\": \"gcp\"");
    for (name, text) in [("good", GOOD), ("warnings", &warnings), ("faults", &faults)] {
        std::fs::write(sandbox.home().join("mongod.conf"), text).unwrap();
        assert_screens(&sandbox, &format!("server-check-{name}"), &["server", "check", "mongod.conf"]);
    }
}
