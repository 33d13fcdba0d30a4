//! Many callers at once.

use super::*;

/// A thousand at once are in `tests/real`: they would take this machine away from the tests beside them.
#[test]
fn two_hundred_who_have_no_token_yet_are_one_request() {
    let program = Program::new();
    let crowd: Vec<_> = (0..200).map(|_| program.sandbox.spawn(["token"])).collect();
    let outcomes: Vec<Outcome> = crowd.into_iter().map(|one| one.wait().exits(0)).collect();
    let first = outcomes[0].stdout();
    for outcome in &outcomes {
        assert_eq!((outcome.stdout() == first, outcome.stderr().as_str()), (true, ""), "{outcome:?}");
    }
    assert_eq!(program.asked(), 1);
}

#[test]
fn many_who_insist_on_a_new_token_share_one() {
    let program = Program::new();
    let old = program.token();
    program.idp.script(Endpoint::Token, [crate::support::idp::Answer::Delay(Duration::from_secs(2))]);
    let crowd: Vec<_> = (0..20).map(|_| program.sandbox.spawn(["token", "--force-refresh"])).collect();
    let tokens: Vec<String> = crowd.into_iter().map(|one| one.wait().exits(0).stdout()).collect();
    assert!(tokens.iter().all(|token| *token != old), "somebody got the old one");
    assert!(program.asked() <= 3, "{} requests", program.asked());
}

#[test]
fn an_interrupt_ends_the_wait_at_once() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM] {
        let program = Program::new();
        program.idp.script(Endpoint::Token, [crate::support::idp::Answer::Delay(Duration::from_secs(30))]);
        let token = program.sandbox.spawn(["token"]);
        while program.asked() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        token.signal(signal);
        let outcome = token.wait();
        outcome.is("exit 130\n--- stderr\nerror: interrupted");
        assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
        program.token();
    }
}
