//! Hostile and clumsy requests, each with what it must get; in none of them may a stranger end the wait.

use axum::http::Request;
use proptest::prelude::*;

use super::*;

const STATE: &str = "Zm9vYmFyYmF6cXV4LXN0YXRl";
const ISSUER: &str = "https://login.example.com/tenant";
const GOOD: &str = "/redirect?code=c0de&state=Zm9vYmFyYmF6cXV4LXN0YXRl";

fn rules() -> Rules {
    Rules {
        port: 27097,
        redirect_path: "/redirect".into(),
        start_path: "/start/r4nd0m".into(),
        done_path: "/done/r4nd0m".into(),
        answer: Some(ExpectedAnswer { state: Secret::new(STATE), issuer: ISSUER.into(), iss_promised: false }),
    }
}

fn iss_promised() -> Rules {
    Rules {
        answer: Some(ExpectedAnswer { state: Secret::new(STATE), issuer: ISSUER.into(), iss_promised: true }),
        ..rules()
    }
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn get(target: &str) -> Parts {
    head("GET", target, &[("host", "localhost:27097")])
}

fn with_state(query: &str) -> Parts {
    get(&format!("/redirect?state={STATE}{query}"))
}

fn fresh(head: &Parts) -> Decision {
    decide(&rules(), &Progress::default(), head)
}

/// Compares as text, because a `Secret` cannot be compared.
#[track_caller]
fn assert_decision(actual: &Decision, expected: &Decision, request: &str) {
    assert_eq!(format!("{actual:?}"), format!("{expected:?}"), "{request}");
}

fn answer(decision: Decision) -> Answer {
    match decision {
        Decision::Accept(answer, _) => *answer,
        other => panic!("not accepted: {other:?}"),
    }
}

fn code(answer: Answer) -> String {
    match answer {
        Ok(Callback::Code { code }) => code.expose().to_owned(),
        other => panic!("no code: {other:?}"),
    }
}

#[test]
fn the_right_answer_is_accepted_whatever_its_order_host_and_further_parameters() {
    for target in [GOOD, "/redirect?session_state=x&state=Zm9vYmFyYmF6cXV4LXN0YXRl&code=c0de&scope=openid%20email"] {
        for host in ["localhost:27097", "127.0.0.1:27097", "[::1]:27097"] {
            assert_eq!(code(answer(fresh(&head("GET", target, &[("host", host)])))), "c0de", "{target} at {host}");
        }
    }
    let chromium = [
        ("host", "localhost:27097"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-user", "?1"),
        ("upgrade-insecure-requests", "1"),
    ];
    assert_eq!(code(answer(fresh(&head("GET", GOOD, &chromium)))), "c0de");
}

#[test]
fn a_stranger_is_turned_away_and_the_wait_goes_on() {
    use Refusal::*;
    let longest = format!("&code={}", "a".repeat(CODE_MAX));
    let too_long = format!("{longest}a");
    let cases: Vec<(u16, Refusal, Parts)> = vec![
        // no, wrong, double or empty state: nothing else is looked at, not even what else is wrong
        (403, WrongState, get("/redirect")),
        (403, WrongState, get("/redirect?")),
        (403, WrongState, get("/redirect?code=x")),
        (403, WrongState, get("/redirect?error=access_denied")),
        (403, WrongState, get("/redirect?error=access_denied&state=wrong")),
        (403, WrongState, get("/redirect?code=x&state=")),
        (403, WrongState, get("/redirect?code=x&state=Zm9vYmFyYmF6cXV4LXN0YXR")),
        (403, WrongState, get("/redirect?code=x&state=Zm9vYmFyYmF6cXV4LXN0YXRlZ")),
        (403, WrongState, get("/redirect?code=x&state=zm9vYmFyYmF6cXV4LXN0YXRl")),
        (403, WrongState, get("/redirect?code=x&State=Zm9vYmFyYmF6cXV4LXN0YXRl")),
        (403, WrongState, with_state("&state=")),
        (403, WrongState, with_state(&format!("&code=x&state={STATE}"))),
        (403, WrongState, with_state("&code=x&st%61te=other")),
        (403, WrongState, get("/redirect?iss=https://evil.example&code=x&state=wrong")),
        // right state, but nothing that could be used
        (400, Malformed, with_state("")),
        (400, Malformed, with_state("&code=")),
        (400, Malformed, with_state("&error=")),
        (400, Malformed, with_state(&too_long)),
        (400, Malformed, with_state("&code=a%00b")),
        (400, Malformed, with_state("&code=a%0d%0ab")),
        (400, Malformed, with_state("&code=a%7fb")),
        (400, Malformed, with_state("&code=a%ffb")),
        (400, Malformed, with_state("&code=%c3%a9")),
        (400, Malformed, with_state("&code=a&code=a")),
        (400, Malformed, with_state("&code=a&code=b")),
        (400, Malformed, with_state("&code=a&error=access_denied")),
        (400, Malformed, with_state("&error=a&error=b")),
        (400, Malformed, with_state("&code=a&iss=https://login.example.com/tenant&iss=https://evil.example")),
        (400, Malformed, with_state("&error=a&error_description=a&error_description=b")),
        // methods; `form_post` is refused by design
        (405, FormPost, head("POST", GOOD, &[("host", "localhost:27097")])),
        (405, FormPost, head("POST", "/redirect", &[("host", "localhost:27097")])),
        (405, Method, head("HEAD", GOOD, &[("host", "localhost:27097")])),
        (405, Method, head("PUT", GOOD, &[("host", "localhost:27097")])),
        (405, Method, head("DELETE", GOOD, &[("host", "localhost:27097")])),
        (405, Method, head("OPTIONS", GOOD, &[("host", "localhost:27097")])),
        (405, Method, head("OPTIONS", "*", &[("host", "localhost:27097")])),
        (405, Method, head("TRACE", GOOD, &[("host", "localhost:27097")])),
        (405, Method, head("CONNECT", "localhost:27097", &[("host", "localhost:27097")])),
        (405, Method, head("get", GOOD, &[("host", "localhost:27097")])),
        // hosts: DNS rebinding, proxies
        (421, Host, head("GET", GOOD, &[])),
        (421, Host, head("GET", GOOD, &[("host", "")])),
        (421, Host, head("GET", GOOD, &[("host", "evil.example:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "localhost.evil.example:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "evil.localhost:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "localhost")])),
        (421, Host, head("GET", GOOD, &[("host", "localhost:")])),
        (421, Host, head("GET", GOOD, &[("host", "localhost:27098")])),
        (421, Host, head("GET", GOOD, &[("host", "localhost:027097")])),
        (421, Host, head("GET", GOOD, &[("host", "LOCALHOST:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "localhost.:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "127.0.0.2:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "::1:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "user@localhost:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "localhost:27097"), ("host", "localhost:27097")])),
        (421, Host, head("GET", GOOD, &[("host", "localhost:27097"), ("host", "evil.example")])),
        (400, AbsoluteTarget, get(&format!("http://localhost:27097{GOOD}"))),
        (400, AbsoluteTarget, get(&format!("http://evil.example{GOOD}"))),
        // paths are compared as sent
        (404, UnknownPath, get("/")),
        (404, UnknownPath, get("/favicon.ico")),
        (404, UnknownPath, get(&GOOD.replace("/redirect", "//redirect"))),
        (404, UnknownPath, get(&GOOD.replace("/redirect", "/redirect/"))),
        (404, UnknownPath, get(&GOOD.replace("/redirect", "/REDIRECT"))),
        (404, UnknownPath, get(&GOOD.replace("/redirect", "/redirect%2f"))),
        (404, UnknownPath, get(&GOOD.replace("/redirect", "/%72edirect"))),
        (404, UnknownPath, get(&GOOD.replace("/redirect", "/redirect;x"))),
        (404, UnknownPath, get(&GOOD.replace("/redirect", "/./redirect"))),
        (404, UnknownPath, get(&GOOD.replace("/redirect", "/x/../redirect"))),
        (404, UnknownPath, get("/start/wrong")),
        (404, UnknownPath, get("/start/r4nd0m?x")),
        (404, UnknownPath, get("/start/r4nd0m/")),
        (404, UnknownPath, get("/start/")),
        (404, UnknownPath, get("/done/r4nd0m")),
        (404, UnknownPath, head("GET", "/favicon.ico", &[("host", "localhost:27097"), ("sec-fetch-dest", "image")])),
    ];
    for (status, refusal, head) in cases {
        let request = format!("{} {} {:?}", head.method, head.uri, head.headers);
        assert_decision(&fresh(&head), &Decision::Refuse(refusal), &request);
        assert_eq!(refusal.status().as_u16(), status, "{refusal:?}");
    }
    assert_eq!(code(answer(fresh(&with_state(&longest)))).len(), CODE_MAX);
    assert_eq!(code(answer(fresh(&with_state("&code=a+b%2Bc~%21")))), "a b+c~!");
}

#[test]
fn only_a_persons_own_navigation_counts() {
    let cases: [(u16, &[(&str, &str)]); 13] = [
        (403, &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]),
        (403, &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]),
        (403, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]),
        (403, &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "object")]),
        (403, &[("sec-fetch-mode", "websocket")]),
        (403, &[("sec-fetch-dest", "script")]),
        (403, &[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "cors")]),
        (403, &[("sec-fetch-mode", "")]),
        (503, &[("sec-purpose", "prefetch"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]),
        (503, &[("sec-purpose", "prefetch;prerender")]),
        (503, &[("purpose", "prefetch")]),
        (503, &[("x-moz", "prefetch")]),
        (503, &[("sec-purpose", "prefetch"), ("sec-fetch-mode", "no-cors")]),
    ];
    for (status, headers) in cases {
        for target in [GOOD, "/start/r4nd0m"] {
            let mut all = vec![("host", "localhost:27097")];
            all.extend(headers);
            match fresh(&head("GET", target, &all)) {
                Decision::Refuse(refusal) => assert_eq!(refusal.status().as_u16(), status, "{target} {headers:?}"),
                other => panic!("{target} {headers:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn port_80_is_left_out_of_the_host_by_browsers() {
    let rules = Rules { port: 80, ..rules() };
    let at = |host| decide(&rules, &Progress::default(), &head("GET", GOOD, &[("host", host)]));
    for host in ["localhost", "localhost:80", "[::1]"] {
        assert_eq!(code(answer(at(host))), "c0de", "{host}");
    }
    assert_decision(&at("localhost:27097"), &Decision::Refuse(Refusal::Host), "port of another scheme");
}

#[test]
fn the_providers_no_ends_the_attempt_with_words_that_can_be_shown() {
    let refused = |query: &str| match answer(fresh(&with_state(query))) {
        Ok(Callback::Refused { error, description, uri }) => (error, description, uri),
        other => panic!("{query}: {other:?}"),
    };
    assert_eq!(refused("&error=access_denied"), ("access_denied".into(), None, None));
    let (error, description, uri) = refused(
        "&error=invalid_request&error_description=AADSTS50105%3A+%22ada%40example.com%22+is%0D%0Anot+%1B%5B2Jassigned\
         &error_uri=https%3A%2F%2Flogin.example.com%2Ferror%3Fcode%3D50105",
    );
    assert_eq!(error, "invalid_request");
    assert_eq!(description.unwrap(), "AADSTS50105: 'ada@example.com' is  not ?[2Jassigned");
    assert_eq!(uri.unwrap(), "https://login.example.com/error?code=50105");
    assert_eq!(refused(&format!("&error={}", "e".repeat(9000))).0.len(), ERROR_TEXT_MAX);
    assert_eq!(refused("&error=%e2%80%aetxt%5c&error_description=").0, "?txt?");
    for uri in
        ["javascript:alert(1)", "file:///etc/passwd", "/relative", "https://u:p@h/", "https://h/%22", "http://h/ x"]
    {
        let encoded: String = form_urlencoded::byte_serialize(uri.replace("%22", "\"").as_bytes()).collect();
        assert_eq!(refused(&format!("&error=e&error_uri={encoded}")).2, None, "{uri}");
    }
}

#[test]
fn the_issuer_is_compared_as_a_string_and_ends_the_attempt() {
    let promised = iss_promised();
    let judged = |rules: &Rules, query: &str| answer(decide(rules, &Progress::default(), &with_state(query)));
    for query in ["&code=a", "&error=access_denied"] {
        let right = format!("{query}&iss=https%3A%2F%2Flogin.example.com%2Ftenant");
        for rules in [&rules(), &promised] {
            assert!(judged(rules, &right).is_ok(), "{right}");
            for wrong in
                ["https://evil.example", "https://login.example.com/tenant/", "https://LOGIN.example.com/tenant", ""]
            {
                match judged(rules, &format!("{query}&iss={wrong}")) {
                    Err(CallbackError::Issuer { expected, received }) => {
                        assert_eq!((expected.as_str(), received.as_str()), (ISSUER, wrong));
                    }
                    other => panic!("{wrong}: {other:?}"),
                }
            }
        }
        assert!(judged(&rules(), query).is_ok(), "not promised, not sent");
        assert!(matches!(judged(&promised, query), Err(CallbackError::IssuerMissing { .. })), "promised, not sent");
    }
}

#[test]
fn what_is_no_answer_ends_nothing_whatever_its_issuer() {
    let promised = iss_promised();
    for query in ["", "&code=", "&error=", "&code=a%00b"] {
        for iss in ["", "&iss=https%3A%2F%2Flogin.example.com%2Ftenant", "&iss=https%3A%2F%2Fevil.example"] {
            let head = with_state(&format!("{query}{iss}"));
            let decision = decide(&promised, &Progress::default(), &head);
            assert_decision(&decision, &Decision::Refuse(Refusal::Malformed), &head.uri.to_string());
        }
    }
}

#[test]
fn one_answer_only_but_a_reload_is_no_stranger() {
    let Decision::Accept(_, accepted) = fresh(&get(GOOD)) else { panic!("not accepted") };
    let progress = Progress { answered: Some(accepted), ..Progress::default() };
    let cases = [
        (get(GOOD), Decision::Done),
        (with_state("&code=c0de&session_state=other"), Decision::Done),
        (with_state("&code=other"), Decision::Refuse(Refusal::SecondAnswer)),
        (with_state("&error=access_denied"), Decision::Refuse(Refusal::SecondAnswer)),
        (with_state("&code="), Decision::Refuse(Refusal::Malformed)),
        (get("/redirect?code=c0de&state=wrong"), Decision::Refuse(Refusal::WrongState)),
        (get("/done/r4nd0m"), Decision::Outcome),
        (get("/done/other"), Decision::Refuse(Refusal::UnknownPath)),
    ];
    for (head, expected) in cases {
        assert_decision(&decide(&rules(), &progress, &head), &expected, &head.uri.to_string());
    }
    assert_eq!(Refusal::SecondAnswer.status(), StatusCode::CONFLICT);
}

#[test]
fn who_came_first_decides_what_is_to_be_doubted() {
    let again = || Decision::Refuse(Refusal::StartUsed);
    let cases = [
        (Decision::Start, Owner::Ourselves, None),
        (Decision::Start, Owner::Unknown, None),
        (Decision::Start, Owner::Other { uid: 1001 }, Some(Doubt::OtherUser { uid: 1001 })),
        (Decision::StartAgain, Owner::Unknown, None),
        (again(), Owner::Ourselves, None),
        (again(), Owner::Unknown, Some(Doubt::TwoBrowsers)),
        (Decision::Done, Owner::Unknown, None),
        (Decision::Refuse(Refusal::WrongState), Owner::Unknown, None),
    ];
    for (decision, first, expected) in cases {
        assert_eq!(doubt(&decision, Some(first)), expected, "{decision:?} after {first:?}");
    }
}

#[test]
fn where_no_answer_is_expected_there_is_no_place_for_one() {
    let rules = Rules { answer: None, ..rules() };
    let decide =
        |method, target| decide(&rules, &Progress::default(), &head(method, target, &[("host", "localhost:27097")]));
    for (method, target, refusal) in [
        ("GET", GOOD, Refusal::UnknownPath),
        ("GET", "/redirect", Refusal::UnknownPath),
        ("POST", GOOD, Refusal::Method),
    ] {
        assert_decision(&decide(method, target), &Decision::Refuse(refusal), target);
    }
    assert_decision(&decide("GET", "/start/r4nd0m"), &Decision::Start, "the start link");
}

#[test]
fn the_start_link_is_for_one_browser() {
    let start = |cookie: Option<&str>, progress: &Progress| {
        let mut headers = vec![("host", "localhost:27097")];
        headers.extend(cookie.map(|cookie| ("cookie", cookie)));
        decide(&rules(), progress, &head("GET", "/start/r4nd0m", &headers))
    };
    let used = || Progress { browser: Some(Secret::new("c00k1e")), ..Progress::default() };
    let answered = || Progress { answered: Some([0; 32]), ..used() };
    let refused = || Decision::Refuse(Refusal::StartUsed);
    let cases = [
        (None, Progress::default(), Decision::Start),
        (Some("mdb-login-start=planted"), Progress::default(), Decision::Start),
        (None, used(), refused()),
        (Some(""), used(), refused()),
        (Some("mdb-login-start="), used(), refused()),
        (Some("mdb-login-start=c00k1"), used(), refused()),
        (Some("x=mdb-login-start=c00k1e"), used(), refused()),
        (Some("other=c00k1e"), used(), refused()),
        (None, answered(), refused()),
        (Some("a=b; mdb-login-start=c00k1e; c=d"), used(), Decision::StartAgain),
        (Some("mdb-login-start=c00k1e"), answered(), Decision::Done),
    ];
    for (cookie, progress, expected) in cases {
        assert_decision(&start(cookie, &progress), &expected, cookie.unwrap_or("no cookie"));
    }
    assert_eq!(Refusal::StartUsed.status(), StatusCode::GONE);
}

#[test]
fn the_log_names_parameters_and_never_their_values() {
    let described = rules().describe(&with_state("&code=s3cr3t&%1b[2J=x"));
    assert_eq!(described, "/redirect with state code \\u{1b}[2J");
    assert_eq!(rules().describe(&get("/start/r4nd0m")), "/start");
    assert_eq!(rules().describe(&get("/secret-looking-path?x=y")), "an unknown path");
}

proptest! {
    /// Whatever else a request holds: without the right state it never ends the wait.
    #[test]
    fn nothing_is_accepted_without_the_state(
        path in "(/redirect|/start/r4nd0m|/[a-z]{0,9})",
        query in "((code|error|iss|state|x)=[a-zA-Z0-9%+]{0,9}&?){0,5}",
    ) {
        let target = format!("{path}?{query}");
        prop_assert!(!matches!(fresh(&get(&target)), Decision::Accept(..)), "{}", target);
    }

    #[test]
    fn what_is_shown_of_an_error_matches_nqschar(text in any::<String>()) {
        let shown = quotable(&text);
        prop_assert!(shown.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
        prop_assert!(shown.len() <= ERROR_TEXT_MAX);
    }
}
