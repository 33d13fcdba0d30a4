//! What a person at a terminal is asked while a sign-in waits, and what comes of each answer, and of none.

use std::time::{Duration, Instant};

use serde_json::json;

use super::login::{provider, sandbox};
use crate::support::idp::{Answer, Behaviour, Endpoint, Idp, Reply};
use crate::support::terminal::Terminal;

fn quick(behaviour: &mut Behaviour) {
    behaviour.device.interval = 1;
}

fn expired() -> Answer {
    Answer::Instead(Reply::json(400, &json!({"error": "expired_token"})))
}

const ANOTHER: &str = "the code has expired; press Enter for a new one, or Ctrl-C to stop";

/// The codes that a device sign-in has shown.
fn codes(idp: &Idp) -> usize {
    idp.requests(Endpoint::DeviceAuthorization)
}

#[test]
fn a_new_code_is_given_for_an_enter_each_time() {
    let idp = provider(quick);
    let sandbox = sandbox(&idp);
    idp.script(Endpoint::Token, [expired(), expired()]);
    let mut terminal = Terminal::start(&sandbox, ["login", "--device"]);
    for shown in 1..=2 {
        terminal.wait_for(ANOTHER);
        assert_eq!(codes(&idp), shown);
        terminal.type_line("");
        // One Enter, one code: no reader of an earlier question takes it.
        terminal.wait_for("only go on if you started this yourself");
    }
    idp.change(|behaviour| behaviour.device.auto_approve = Some((1, "ada".into())));
    terminal.wait_for("signed in as ada@example.com");
    assert_eq!(terminal.wait().0, Some(0));
    assert_eq!(codes(&idp), 3);
}

#[test]
fn an_enter_from_before_the_question_is_no_answer_to_it() {
    let idp = provider(quick);
    let sandbox = sandbox(&idp);
    idp.script(Endpoint::Token, [Answer::Honest, expired()]);
    let mut terminal = Terminal::start(&sandbox, ["login", "--no-browser"]);
    terminal.wait_for("or press d and Enter");
    terminal.type_line("d");
    terminal.wait_for("only go on if you started this yourself");
    // Impatience, while the code is still good.
    terminal.type_line("");
    terminal.wait_for(ANOTHER);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(codes(&idp), 1);
    terminal.type_line("");
    terminal.wait_for("only go on if you started this yourself");
    assert_eq!(codes(&idp), 2);
}

#[test]
fn nobody_waits_for_ever_for_an_answer() {
    let idp = provider(quick);
    let sandbox = sandbox(&idp);
    idp.script(Endpoint::Token, [Answer::Honest, Answer::Honest, expired()]);
    let started = Instant::now();
    let mut terminal = Terminal::start(&sandbox, ["login", "--device", "--timeout=5s"]);
    terminal.wait_for(ANOTHER);
    let (code, written) = terminal.wait();
    assert_eq!(code, Some(6), "{written}");
    assert!(written.contains("error: nobody entered the code within 5s"), "{written}");
    let took = started.elapsed();
    // Not five seconds more from the question on.
    assert!(took >= Duration::from_secs(5) && took < Duration::from_millis(8000), "{took:?}\n{written}");
}

#[test]
fn the_time_that_was_given_is_for_all_codes_together() {
    let idp = provider(quick);
    let sandbox = sandbox(&idp);
    idp.script(Endpoint::Token, [Answer::Honest, Answer::Honest, expired()]);
    let started = Instant::now();
    let mut terminal = Terminal::start(&sandbox, ["login", "--device", "--timeout=6s"]);
    terminal.wait_for(ANOTHER);
    terminal.type_line("");
    let (code, written) = terminal.wait();
    assert_eq!(code, Some(6), "{written}");
    let took = started.elapsed();
    // A second code with six seconds of its own would end after nine.
    assert!(took >= Duration::from_secs(6) && took < Duration::from_millis(8500), "{took:?}\n{written}");
}
