//! What a person at a terminal sees.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use crate::peers::{Provider, person};
use crate::sign_in::sign_in;
use crate::terminal::{CTRL_C, Terminal};

const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

/// A clock such as `4:59`.
fn time_left(text: &str) -> Option<()> {
    let bytes = text.as_bytes();
    let is_clock = |w: &[u8]| w[0].is_ascii_digit() && w[1] == b':' && w[2].is_ascii_digit() && w[3].is_ascii_digit();
    bytes.windows(4).any(is_clock).then_some(())
}

/// The cursor is as it was found: hidden never, or shown again last.
fn cursor_is_back(written: &str) {
    let (hidden, shown) = (written.rfind(HIDE_CURSOR), written.rfind(SHOW_CURSOR));
    assert!(hidden.is_none() || shown > hidden, "the cursor stays hidden: {written:?}");
}

#[test]
#[ignore = "needs script(1) and npm oidc-provider; run tests/run"]
fn login_shows_the_address_and_the_time_left_and_ends_clean() {
    let provider = Provider::start();
    let home = provider.home();
    let terminal = Terminal::start(&home, &["login"]);
    let url = terminal.start_url();
    terminal.wait_for("the time left", |text| time_left(&text.replace(&url, "").replace(&provider.issuer, "")));
    person(&url, &[]);
    let (code, _, written) = terminal.finish(Duration::from_secs(10));
    assert_eq!(code, 0, "{written}");
    assert!(written.contains("ada@example.com"), "{written}");
    cursor_is_back(&written);
}

#[test]
#[ignore = "needs script(1) and npm oidc-provider; run tests/run"]
fn ctrl_c_ends_a_login_at_once() {
    let provider = Provider::start();
    let mut home = provider.home();
    home.unset("MDB_LOGIN_REDIRECT_URI");
    let mut terminal = Terminal::start(&home, &["login"]);
    let url = terminal.start_url();
    terminal.wait_for("the time left", |text| time_left(&text.replace(&url, "").replace(&provider.issuer, "")));
    terminal.press(CTRL_C);
    let (code, took, written) = terminal.finish(Duration::from_secs(5));
    assert_eq!(code, 130, "{written}");
    assert!(took < Duration::from_millis(200), "took {took:?}");
    cursor_is_back(&written);
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, 27097)), SocketAddr::from((Ipv6Addr::LOCALHOST, 27097))] {
        let still_held = TcpListener::bind(address).err().filter(|error| error.kind() == std::io::ErrorKind::AddrInUse);
        assert!(still_held.is_none(), "{address} is still held");
    }
    home.run(["token"]).exits(4);
}

#[test]
#[ignore = "needs script(1) and npm oidc-provider; run tests/run"]
fn ctrl_c_ends_a_device_login_at_once() {
    let provider = Provider::start();
    let home = provider.home();
    let mut terminal = Terminal::start(&home, &["login", "--device"]);
    terminal.wait_for("the page to open", |text| text.contains(&format!("{}/device", provider.issuer)).then_some(()));
    terminal.wait_for("the time left", |text| time_left(&text.replace(&provider.issuer, "")));
    terminal.press(CTRL_C);
    let (code, took, written) = terminal.finish(Duration::from_secs(5));
    assert_eq!(code, 130, "{written}");
    assert!(took < Duration::from_millis(200), "took {took:?}");
    cursor_is_back(&written);
}

#[test]
#[ignore = "needs script(1) and npm oidc-provider; run tests/run"]
fn a_token_on_a_terminal_ends_its_line_and_warns_once() {
    let provider = Provider::start();
    let home = provider.home();
    sign_in(&home, &[]).0.exits(0);
    let piped = home.run(["token"]).exits(0);
    assert_eq!(piped.stderr(), "", "{piped:?}");
    assert!(!piped.stdout().ends_with('\n'));

    let (code, _, written) = Terminal::start(&home, &["token"]).finish(Duration::from_secs(5));
    assert_eq!(code, 0, "{written}");
    assert!(written.contains(&format!("{}\r\n", piped.stdout())), "{written:?}");
    let others: Vec<&str> =
        written.lines().filter(|line| !line.is_empty() && !line.contains(&piped.stdout())).collect();
    assert_eq!(others.len(), 1, "{written:?}");
    assert!(others[0].contains("warning"), "{written:?}");
}
