//! Answers that get lost on the way: the provider has acted, and we do not know. The same refresh token is presented
//! once more, at once, while the usual 30 s of grace last; never a third time.

use std::time::Duration;

use crate::cases::each;
use crate::signed_in::SignedIn;
use crate::support::idp::{Again, Answer, Endpoint, Reply, Rotation};

const GRACE: Duration = Duration::from_secs(30);

fn grace(again: Again) -> Rotation {
    Rotation::Grace { within: GRACE, again }
}

/// The ways to lose an answer that the provider has already given.
fn losses() -> Vec<Answer> {
    let cuts = [0, 1, 20, 500, 1500].map(Answer::CutAfter);
    let late = Answer::Delay(Duration::from_secs(4));
    let portal = Answer::Processed(Reply::html(200, "<html>sign in to the hotel's network</html>"));
    cuts.into_iter().chain([Answer::DropAfter, late, portal]).collect()
}

fn lose(rotation: Rotation, answer: &Answer) -> SignedIn {
    let mut ada = SignedIn::stale_with(|behaviour| behaviour.rotation = rotation);
    ada.sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "2s");
    ada.idp.script(Endpoint::Token, [answer.clone()]);
    ada
}

#[test]
fn with_a_grace_time_a_lost_answer_costs_nothing() {
    let modes = [grace(Again::NewPair), grace(Again::SamePair), Rotation::Static];
    let rows = modes.into_iter().flat_map(|rotation| losses().into_iter().map(move |answer| (rotation, answer)));
    each(rows, |(rotation, answer)| {
        let ada = lose(rotation, &answer);
        let outcome = ada.run(["token"]).exits(0);
        assert_eq!(outcome.stderr(), "", "{rotation:?} {answer:?}");
        assert_eq!(ada.refreshes(), 2, "{rotation:?} {answer:?}");
        // What was kept is what the provider will take the next time.
        ada.run(["token", "--force-refresh"]).exits(0);
        ada.nothing_was_reused();
    });
}

#[test]
fn without_a_grace_time_a_lost_answer_is_told_as_what_it_was() {
    each(losses(), |answer| {
        let ada = lose(Rotation::Strict, &answer);
        ada.run(["token"]).is("
            exit 4
            --- stderr
            error: the session for `[ISSUER]` has ended
              caused by: the provider says `invalid_grant`: this refresh token has been used; the session is over; the answer to a first request had been lost, and the provider had already replaced the token
            hint: run `mdb-login login`
        ");
        assert_eq!(ada.refreshes(), 2, "{answer:?}");
        ada.run(["token"]).exits(4);
        assert_eq!(ada.refreshes(), 2, "asked again with a dead token");
    });
}

#[test]
fn a_whole_answer_is_not_lost_however_slowly_it_comes() {
    for answer in [Answer::CutAfter(usize::MAX), Answer::Trickle(Duration::from_micros(100))] {
        let ada = SignedIn::stale();
        ada.idp.script(Endpoint::Token, [answer.clone()]);
        ada.token();
        assert_eq!(ada.refreshes(), 1, "{answer:?}");
    }
}

#[test]
fn a_request_that_never_arrived_is_repeated_without_harm() {
    let ada = lose(Rotation::Strict, &Answer::DropBefore);
    ada.token();
    assert_eq!((ada.refreshes(), ada.idp.counters().refreshes), (2, 1));
}

#[test]
fn a_provider_that_always_loses_its_answers_is_asked_twice_and_not_more() {
    for rotation in [grace(Again::NewPair), Rotation::Static] {
        let ada = SignedIn::stale_with(|behaviour| behaviour.rotation = rotation);
        ada.idp.always(Endpoint::Token, Answer::DropAfter);
        let outcome = ada.run(["token"]).exits(7);
        assert!(outcome.text().contains("error: cannot renew the session at `[ISSUER]`\n  caused by: no answer from"));
        assert_eq!((outcome.stdout().as_str(), ada.refreshes()), ("", 2));
        ada.idp.be_honest();
        ada.token();
        ada.nothing_was_reused();
    }
}

/// Some gateways give up on a provider that is still working (keycloak/keycloak#49213).
#[test]
fn a_gateway_that_gave_up_too_early_costs_nothing_within_the_grace_time() {
    let late = Answer::Processed(Reply::html(504, "<h1>Gateway timeout</h1>"));
    let ada = lose(grace(Again::NewPair), &late);
    let outcome = ada.run(["token"]).exits(0);
    assert!(outcome.took >= Duration::from_secs(2), "asked again at once: {:?}", outcome.took);
    assert_eq!(ada.refreshes(), 2);
    ada.nothing_was_reused();
}
