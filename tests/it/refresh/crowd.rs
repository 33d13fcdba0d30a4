//! Many processes at once, and processes that are stopped half-way.

use std::time::Duration;

use crate::signed_in::SignedIn;
use crate::support::cmd::{Outcome, Running};
use crate::support::idp::{Again, Answer, Endpoint, Rotation};

fn wait_for_all(crowd: Vec<Running>) -> Vec<Outcome> {
    crowd.into_iter().map(Running::wait).collect()
}

/// The one output of all.
#[track_caller]
fn the_same(outcomes: Vec<Outcome>) -> String {
    let first = outcomes[0].stdout();
    for outcome in outcomes {
        let outcome = outcome.exits(0);
        assert_eq!((outcome.stdout() == first, outcome.stderr().as_str()), (true, ""), "{outcome:?}");
    }
    first
}

#[test]
fn two_hundred_ask_for_an_expired_token_and_the_provider_is_asked_once() {
    let ada = SignedIn::stale();
    let old = ada.refresh_token();
    let outcomes = wait_for_all((0..200).map(|_| ada.spawn(["token"])).collect());
    let token = the_same(outcomes);
    assert_eq!((ada.refreshes(), ada.idp.counters().refreshes), (1, 1));
    ada.nothing_was_reused();
    assert_ne!(ada.refresh_token(), old);
    assert_eq!(ada.token(), token);
}

/// `--force-refresh` says "the server has refused the one I have": for those who had the same one, one new one will do.
#[test]
fn many_who_insist_on_a_new_token_share_one() {
    let ada = SignedIn::new();
    let old = ada.token();
    ada.idp.script(Endpoint::Token, [Answer::Delay(Duration::from_secs(2))]);
    let crowd: Vec<_> = (0..20).map(|_| ada.spawn(["token", "--force-refresh"])).collect();
    let token = the_same(wait_for_all(crowd));
    assert!(token != old && ada.refreshes() <= 2, "{} refreshes", ada.refreshes());
    ada.nothing_was_reused();
}

#[cfg(unix)]
mod killed {
    use super::*;
    use crate::cases::each;
    use rustix::process::Signal;

    /// Fifty wait; the one that renews is killed after the provider has acted, before its answer has come.
    fn kill_the_holder(rotation: Rotation) -> (SignedIn, Vec<Outcome>) {
        let ada = SignedIn::stale_with(|behaviour| behaviour.rotation = rotation);
        ada.idp.script(Endpoint::Token, [Answer::Delay(Duration::from_secs(30))]);
        let holder = ada.spawn(["token"]);
        ada.wait_for_refreshes(1);
        let crowd: Vec<_> = (0..49).map(|_| ada.spawn(["token"])).collect();
        std::thread::sleep(Duration::from_millis(300));
        holder.signal(Signal::KILL);
        assert_eq!(holder.wait().code(), None, "not killed");
        (ada, wait_for_all(crowd))
    }

    #[test]
    fn with_a_grace_time_nobody_notices_that_the_holder_was_killed() {
        each([Again::NewPair, Again::SamePair], |again| {
            let within = Duration::from_secs(30);
            let (ada, outcomes) = kill_the_holder(Rotation::Grace { within, again });
            the_same(outcomes);
            assert_eq!(ada.refreshes(), 2, "{again:?}");
            ada.nothing_was_reused();
        });
    }

    #[test]
    fn without_a_rotation_nobody_notices_either() {
        let (ada, outcomes) = kill_the_holder(Rotation::Static);
        the_same(outcomes);
        assert_eq!(ada.refreshes(), 2);
    }

    /// The one case that no client can mend: the provider has spent the token, and the successor is lost with the
    /// process. One of the crowd hears it; the others do not ask.
    #[test]
    fn without_a_grace_time_everybody_hears_that_a_login_is_needed_and_the_provider_is_asked_once_more() {
        let (ada, outcomes) = kill_the_holder(Rotation::Strict);
        for outcome in outcomes {
            let outcome = outcome.exits(4);
            assert_eq!(outcome.stdout(), "");
            assert!(outcome.text().contains("hint: run `mdb-login login`"), "{outcome:?}");
        }
        assert_eq!(ada.refreshes(), 2);
    }

    #[test]
    fn a_stopped_holder_is_waited_for_and_named() {
        let ada = SignedIn::stale();
        ada.idp.script(Endpoint::Token, [Answer::Delay(Duration::from_millis(500))]);
        let holder = ada.spawn(["token"]);
        ada.wait_for_refreshes(1);
        holder.signal(Signal::STOP);
        let waiter = ada.spawn(["token"]);
        // The lock's deadline is half a minute, too long for a test; that it is still waited for is what counts here.
        std::thread::sleep(Duration::from_secs(1));
        let mut waiter = waiter;
        assert!(waiter.is_running(), "did not wait for the lock");
        assert_eq!(ada.refreshes(), 1);
        let named = std::fs::read_to_string(ada.file("lock")).unwrap();
        assert_eq!(named.trim(), holder.id().to_string());
        holder.signal(Signal::CONT);
        the_same(vec![holder.wait(), waiter.wait()]);
        assert_eq!(ada.refreshes(), 1);
    }

    #[test]
    fn an_interrupt_ends_the_wait_for_somebody_else() {
        let rows = [
            (["token", "--force-refresh"], "lock"),
            (["logout", "--quiet"], "lock"),
            (["login", "--no-browser"], "lock"),
            (["login", "--no-browser"], "signin.lock"),
        ];
        let signals = [Signal::INT, Signal::TERM];
        each(rows.into_iter().flat_map(|row| signals.map(|signal| (row, signal))), |((command, lock), signal)| {
            let ada = SignedIn::new();
            let lock = std::fs::File::open(ada.file(lock)).unwrap();
            lock.lock().unwrap();
            let mut waiter = ada.spawn(command);
            waiter.wait_until_it_catches(signal);
            assert!(waiter.is_running(), "{command:?} did not wait");
            waiter.signal(signal);
            let outcome = waiter.wait().exits(130);
            assert!(outcome.stderr().ends_with("error: interrupted\n"), "{command:?}: {outcome:?}");
            assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
            lock.unlock().unwrap();
            ada.token();
        });
    }

    #[test]
    fn an_interrupt_ends_the_wait_for_a_client_secret() {
        let mut ada = SignedIn::stale();
        ada.sandbox.env("MDB_LOGIN_CLIENT_SECRET_COMMAND", "sleep 50");
        for signal in [Signal::INT, Signal::TERM] {
            let mut token = ada.spawn(["token"]);
            token.wait_until_it_catches(signal);
            assert!(token.is_running(), "did not wait");
            token.signal(signal);
            let outcome = token.wait();
            outcome.is("exit 130\n--- stderr\nerror: interrupted");
            assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
        }
        assert_eq!(ada.refreshes(), 0);
    }

    #[test]
    fn an_interrupt_waits_for_the_commit() {
        each([Signal::INT, Signal::TERM, Signal::HUP], |signal| {
            let ada = SignedIn::stale();
            ada.idp.script(Endpoint::Token, [Answer::Delay(Duration::from_millis(700))]);
            let before = ada.refresh_token();
            let token = ada.spawn(["token"]);
            ada.wait_for_refreshes(1);
            token.signal(signal);
            let outcome = token.wait();
            outcome.is("
                exit 130
                --- stderr
                error: interrupted
            ");
            assert!(outcome.took >= Duration::from_millis(700), "did not wait: {:?}", outcome.took);
            assert_ne!(ada.refresh_token(), before, "not committed");
            ada.token();
            assert_eq!(ada.refreshes(), 1, "{signal:?}: the renewed token was lost");
        });
    }
}

/// A sign-out that comes while the token is being renewed must not be undone by the renewal's commit.
#[test]
fn a_sign_out_is_not_undone_by_a_renewal_under_way() {
    let ada = SignedIn::stale();
    ada.idp.script(Endpoint::Token, [Answer::Delay(Duration::from_millis(700))]);
    let token = ada.spawn(["token"]);
    ada.wait_for_refreshes(1);
    ada.run(["logout"]).exits(0);
    token.wait().exits(0);
    ada.run(["token"]).exits(4);
    assert!(ada.record().is_none());
    assert_eq!(ada.idp.families_alive(), 0, "the successor was not revoked");
}
