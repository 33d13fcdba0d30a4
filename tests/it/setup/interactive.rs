//! `--interactive` at a terminal: questions, wrong answers, and how it ends early.

use super::{OTHER, config, sandbox};
use crate::support::cmd::Sandbox;
use crate::support::idp::{Answer, CLIENT_ID, Endpoint, Idp};
use crate::support::terminal::Terminal;

fn keycloak() -> Idp {
    Idp::start_in("/realms/{}", |_| {})
}

/// Answers the questions after the issuer's with what is offered.
fn accept_the_rest(terminal: &mut Terminal) {
    terminal.wait_for("Client id (Clients > … > Settings > Client ID): ");
    terminal.type_line(CLIENT_ID);
    terminal.wait_for("Name of the profile, which people type [keycloak]: ");
    terminal.type_line("");
    terminal.wait_for("(groups, user) [groups]: ");
    terminal.type_line("");
    terminal.wait_for("names of users and roles begin with [keycloak]: ");
    terminal.type_line("");
}

#[test]
fn each_answer_is_judged_at_once_and_asked_for_again() {
    let idp = keycloak();
    let sandbox = sandbox(&idp);
    let (base_url, realm) = idp.issuer().split_once("/realms/").unwrap();
    let mut terminal = Terminal::start(&sandbox, ["setup", "keycloak", "--interactive"]);
    for (question, wrong, says) in [
        ("address of the server (", "id.example.com", "that must be an address such as"),
        (
            "address of the server (",
            "https://id.example.com/realms/a",
            "that has a realm in it already; meant is perhaps `--issuer https://id.example.com/realms/a`",
        ),
    ] {
        terminal.wait_for(question);
        terminal.type_line(wrong);
        terminal.wait_for(says);
    }
    terminal.wait_for("address of the server (");
    terminal.type_line(base_url);
    terminal.wait_for("realm (the menu at the top of the console): ");
    terminal.type_line("a/b");
    terminal.wait_for("that must be letters, digits");
    terminal.wait_for("realm (the menu at the top of the console): ");
    terminal.type_line(realm);
    terminal.wait_for("Client id (");
    terminal.type_line("my client");
    terminal.wait_for("that contains a space");
    terminal.wait_for("Client id (");
    // No default for it: an empty answer is none.
    terminal.type_line("");
    terminal.wait_for("that is empty");
    terminal.wait_for("Client id (");
    terminal.type_line(CLIENT_ID);
    terminal.wait_for("Name of the profile, which people type [keycloak]: ");
    terminal.type_line("../x");
    terminal.wait_for("that must be 1 to 64 letters");
    terminal.wait_for("which people type [keycloak]: ");
    terminal.type_line("prod.eu");
    terminal.wait_for("(groups, user) [groups]: ");
    terminal.type_line("roles");
    terminal.wait_for("that must be `groups` or `user`");
    terminal.wait_for("[groups]: ");
    terminal.type_line("user");
    terminal.wait_for("names of users and roles begin with [prod-eu]: ");
    terminal.type_line("a/b");
    terminal.wait_for("that must be 1 to 128 letters, digits, `_` and `-`");
    terminal.wait_for("[prod-eu]: ");
    assert_eq!((config(&sandbox), idp.log().len()), (None, 0), "nobody is asked before all is answered");
    terminal.type_line("company");
    let (code, written) = terminal.wait();
    assert_eq!(code, Some(0), "{written}");
    assert_eq!(
        config(&sandbox).unwrap(),
        format!("[profile.\"prod.eu\"]\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n", idp.issuer())
    );
}

#[test]
fn what_is_typed_beforehand_is_not_asked_for() {
    let idp = keycloak();
    let sandbox = sandbox(&idp);
    let arguments =
        ["setup", "keycloak", "-i", "--issuer", idp.issuer(), "--client-id", CLIENT_ID, "-p", "prod", "--name", "prod"];
    let terminal = Terminal::start(&sandbox, arguments.iter().chain(&["--authorization", "groups"]));
    let (code, written) = terminal.wait();
    assert_eq!(code, Some(0), "{written}");
    assert!(!written.contains("Client id"), "{written}");
    assert!(config(&sandbox).unwrap().starts_with("[profile.prod]\n"));
}

#[test]
fn an_issuer_is_asked_for_where_nothing_makes_one() {
    let idp = Idp::start();
    let sandbox = sandbox(&idp);
    let mut terminal = Terminal::start(&sandbox, ["setup", "generic", "--interactive"]);
    terminal.wait_for("Issuer (the value of `issuer`");
    terminal.type_line("http://login.example.com");
    terminal.wait_for("that must use https");
    terminal.wait_for("Issuer (");
    terminal.type_line(&idp.url(Endpoint::Discovery));
    terminal.wait_for("Client id (");
    terminal.type_line(CLIENT_ID);
    for _ in 0..3 {
        terminal.wait_for("]: ");
        terminal.type_line("");
    }
    let (code, written) = terminal.wait();
    assert_eq!(code, Some(0), "{written}");
    assert!(config(&sandbox).unwrap().contains(&format!("issuer = \"{}\"\n", idp.issuer())));
}

#[test]
fn google_s_secret_is_asked_for_as_a_file() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::start(&sandbox, ["setup", "google", "--interactive"]);
    // Its issuer is everybody's.
    terminal.wait_for("Client id (Google Auth Platform");
    terminal.type_line("1.apps.googleusercontent.com");
    terminal.wait_for("File with the client secret [none]: ");
    terminal.type_line("~/secret");
    terminal.wait_for("that starts with `~`, which only a shell expands");
    terminal.wait_for("File with the client secret [none]: ");
    terminal.type_line("/nowhere/secret");
    terminal.wait_for("Name of the profile, which people type [google]: ");
    terminal.type_line("");
    terminal.wait_for("(groups, user) [user]: ");
    terminal.type_line("groups");
    terminal.wait_for("Claim that lists the groups: ");
    terminal.type_line("");
    terminal.wait_for("that is empty");
    terminal.interrupt();
    assert_eq!(terminal.wait().0, Some(130));
}

/// Wherever it waits, Ctrl-C and Ctrl-D leave nothing behind.
#[test]
fn ctrl_c_and_the_end_of_the_input_leave_nothing_half_written() {
    for at in
        ["address of the server (", "Client id (", "Name of the profile", "(groups, user)", "begin with [keycloak]"]
    {
        for interrupt in [true, false] {
            let idp = keycloak();
            let sandbox = sandbox(&idp);
            let (base_url, realm) = idp.issuer().split_once("/realms/").unwrap();
            let mut terminal = Terminal::start(&sandbox, ["setup", "keycloak", "--interactive"]);
            let answers = [
                ("address of the server (", base_url),
                ("realm (", realm),
                ("Client id (", CLIENT_ID),
                ("Name of the profile", ""),
                ("(groups, user)", ""),
                ("begin with [keycloak]", ""),
            ];
            for (question, answer) in answers {
                terminal.wait_for(question);
                terminal.wait_for(": ");
                if question == at {
                    break;
                }
                terminal.type_line(answer);
            }
            if interrupt {
                terminal.interrupt();
            } else {
                terminal.end_input();
            }
            let (code, written) = terminal.wait();
            assert_eq!(code, Some(if interrupt { 130 } else { 4 }), "at `{at}`: {written}");
            assert_eq!(written.contains("error: interrupted"), interrupt, "{written}");
            assert_eq!(written.contains("the input has ended before everything was answered"), !interrupt, "{written}");
            assert!(config(&sandbox).is_none() && idp.log().is_empty(), "at `{at}`");
        }
    }
}

#[test]
fn ctrl_c_ends_a_provider_that_hangs() {
    let idp = keycloak();
    idp.always(Endpoint::Discovery, Answer::Delay(std::time::Duration::from_secs(20)));
    let sandbox = sandbox(&idp);
    let arguments = ["setup", "keycloak", "--issuer", idp.issuer(), "--client-id", CLIENT_ID];
    let terminal = Terminal::start(&sandbox, arguments);
    while idp.requests(Endpoint::Discovery) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    terminal.interrupt();
    let (code, written) = terminal.wait();
    assert_eq!(code, Some(130), "{written}");
    assert_eq!(config(&sandbox), None);
}

#[test]
fn whether_values_may_be_replaced_is_the_person_s_choice() {
    for (answer, code) in [("", 5), ("no", 5), ("y", 0)] {
        let idp = keycloak();
        let sandbox = sandbox(&idp);
        sandbox.write_config(&OTHER.replace("prod", "keycloak"));
        let before = config(&sandbox);
        let mut terminal = Terminal::start(&sandbox, ["setup", "keycloak", "-i", "--issuer", idp.issuer()]);
        accept_the_rest(&mut terminal);
        terminal.wait_for("profile `keycloak` has other values already: issuer, client_id, audience");
        terminal.wait_for("  issuer is `https://old.example.com`");
        terminal.wait_for("replace them? [y/N] ");
        terminal.type_line(answer);
        let (ended, written) = terminal.wait();
        assert_eq!(ended, Some(code), "{written}");
        assert_eq!(config(&sandbox) == before, code != 0, "`{answer}`");
    }
    // Without `--interactive` the same is asked, since somebody is there.
    let idp = keycloak();
    let sandbox = sandbox(&idp);
    sandbox.write_config(&OTHER.replace("prod", "keycloak"));
    let arguments = ["setup", "keycloak", "--issuer", idp.issuer(), "--client-id", CLIENT_ID];
    let mut terminal = Terminal::start(&sandbox, arguments);
    terminal.wait_for("replace them? [y/N] ");
    terminal.end_input();
    assert_eq!(terminal.wait().0, Some(5));
}

/// What was agreed to is what was shown.
#[test]
fn a_profile_that_changes_while_somebody_thinks_is_left_alone() {
    let idp = keycloak();
    let sandbox = sandbox(&idp);
    sandbox.write_config(&OTHER.replace("prod", "keycloak"));
    let arguments = ["setup", "keycloak", "--issuer", idp.issuer(), "--client-id", CLIENT_ID];
    let mut terminal = Terminal::start(&sandbox, arguments);
    terminal.wait_for("replace them? [y/N] ");
    let changed = OTHER.replace("prod", "keycloak").replace("old-db", "new-db");
    sandbox.write_config(&changed);
    terminal.type_line("y");
    let (code, written) = terminal.wait();
    assert_eq!(code, Some(1), "{written}");
    assert!(written.contains("error: profile `keycloak` was changed by somebody else meanwhile"), "{written}");
    assert_eq!(config(&sandbox).unwrap(), changed);
}
