//! This machine: where we are, whether the provider's answer can come in, and what would open the page.

use std::net::IpAddr;

use super::Case;
use super::finding::Finding;
use crate::error::{Kind, with_sources};
use crate::flow::browser::{self, BrowserError};
use crate::flow::redirect::{BindError, Listener};
use crate::flow::surroundings::Surroundings;
use crate::settings::{BrowserChoice, FlowChoice, RedirectUri, Settings};

/// Where a person sits, as far as the environment tells.
pub fn surroundings(case: &Case) -> Vec<Finding> {
    vec![judge_surroundings(&Surroundings::here(), &case.settings)]
}

fn judge_surroundings(here: &Surroundings, settings: &Settings) -> Finding {
    let kinds = [
        (here.codespaces, "a codespace"),
        (here.remote_editor, "the terminal of an editor on another machine"),
        (here.ssh.is_some(), "an SSH session"),
        (here.wsl, "Windows Subsystem for Linux"),
        (here.container, "a container"),
    ];
    let mut words: Vec<&str> = kinds.into_iter().filter_map(|(is, words)| is.then_some(words)).collect();
    words.push(if here.display { "a display" } else { "no display" });
    let finding = Finding::ok("surroundings", words.join(", "));
    let needs_none = settings.kind.is_program() || settings.flow == FlowChoice::Device;
    if needs_none || here.launches(&settings.browser) || here.can_see_browser() {
        return finding;
    }
    finding.note(format!(
        "no browser would be seen here: a sign-in prints its address and how to reach it from another computer, and \
         `{}` gives a code for any other device",
        settings.command("login --device")
    ))
}

/// Why neither port nor browser is looked at.
const NOBODY_SIGNS_IN: &str = "nobody signs in to a program's session";

/// One redirect URI and the addresses that were bound for it.
type Bound = (RedirectUri, Result<Vec<IpAddr>, BindError>);

/// Whether one of the redirect URIs could be listened on in this moment.
pub fn redirect_port(case: &Case) -> Vec<Finding> {
    let bind = |uri: &RedirectUri| (uri.clone(), Listener::bind(uri).map(|listener| listener.addresses()));
    judge_ports(&case.settings, || case.settings.redirect_uris.iter().map(bind).collect())
}

fn judge_ports(settings: &Settings, bind: impl FnOnce() -> Vec<Bound>) -> Vec<Finding> {
    const NAME: &str = "redirect_port";
    if settings.kind.is_program() {
        return vec![Finding::skip(NAME, NOBODY_SIGNS_IN)];
    }
    if settings.flow == FlowChoice::Device {
        return vec![Finding::skip(NAME, "a code on another device needs none")];
    }
    let bound = bind();
    let one_is_free = bound.iter().any(|(_, result)| result.is_ok());
    let judge = |(uri, result): &Bound| match result {
        Ok(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
            let what = if uri.port == 0 { "any free port" } else { "free" };
            Finding::ok(NAME, format!("`{uri}`: {what}, on {}", addresses.join(" and ")))
        }
        Err(error) => {
            let text = format!("`{uri}`: {}", with_sources(error));
            // Where there is another way, this one is only the better one.
            let finding = if one_is_free || settings.device_fallback {
                Finding::warn(NAME, text)
            } else {
                Finding::fail(NAME, Kind::PortTaken, text)
            };
            error.hint().into_iter().fold(finding, Finding::note)
        }
    };
    bound.iter().map(judge).collect()
}

/// What would open the start link.
pub fn browser(case: &Case) -> Vec<Finding> {
    vec![judge_browser(&Surroundings::here(), &case.settings, || browser::launcher(&case.settings.browser))]
}

fn judge_browser(
    here: &Surroundings,
    settings: &Settings,
    launcher: impl FnOnce() -> Result<Option<String>, BrowserError>,
) -> Finding {
    const NAME: &str = "browser";
    if settings.kind.is_program() {
        return Finding::skip(NAME, NOBODY_SIGNS_IN);
    }
    if settings.flow == FlowChoice::Device {
        return Finding::skip(NAME, "a code on another device needs none here");
    }
    if settings.browser == BrowserChoice::System && !here.can_see_browser() {
        return Finding::skip(NAME, "none would be seen here: a sign-in prints its address");
    }
    match launcher() {
        Ok(None) => Finding::skip(NAME, "none is to be opened: a sign-in prints its address"),
        Ok(Some(program)) => Finding::ok(NAME, format!("`{program}` opens it")),
        Err(error) => Finding::warn(NAME, with_sources(&error))
            .note("a sign-in prints its address all the same; set `browser` to a command that is there, or to `none`"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use super::*;
    use crate::doctor::tests::settings;
    use crate::settings::{RedirectHost, schema};
    use crate::ui::report::Mark;

    fn here(change: impl FnOnce(&mut Surroundings)) -> Surroundings {
        let mut here = Surroundings::default();
        change(&mut here);
        here
    }

    fn uri(port: u16) -> RedirectUri {
        RedirectUri { host: RedirectHost::Localhost, port, path: "/redirect".into() }
    }

    fn taken(port: u16) -> Bound {
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let holder = "another program";
        let error = BindError::Other { address, source: std::io::Error::other(holder) };
        (uri(port), Err(error))
    }

    fn free(port: u16) -> Bound {
        (uri(port), Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]))
    }

    #[test]
    fn a_port_that_cannot_be_had_is_a_failure_only_where_there_is_no_other_way() {
        let marks = |settings: &Settings, bound: Vec<Bound>| {
            judge_ports(settings, || bound).into_iter().map(|finding| finding.mark).collect::<Vec<_>>()
        };
        let plain = settings(&[]);
        let fallback = settings(&[(&schema::DEVICE_FALLBACK, "true")]);
        let device = settings(&[(&schema::FLOW, "device")]);
        assert_eq!(marks(&plain, vec![free(1)]), [Mark::Ok]);
        assert_eq!(marks(&plain, vec![taken(1), free(2)]), [Mark::Warn, Mark::Ok]);
        assert_eq!(marks(&plain, vec![taken(1), taken(2)]), [Mark::Fail, Mark::Fail]);
        assert_eq!(marks(&fallback, vec![taken(1)]), [Mark::Warn]);
        let never = || panic!("bound for nothing");
        assert_eq!(judge_ports(&device, never)[0].mark, Mark::Skip);
        let text = &judge_ports(&plain, || vec![free(27097), free(0)])[0].text;
        assert_eq!(text, "`http://localhost:27097/redirect`: free, on 127.0.0.1 and ::1");
    }

    #[test]
    fn a_browser_is_looked_for_where_one_would_be_opened() {
        let (display, nowhere) = (here(|here| here.display = true), here(|_| {}));
        let choosing = |browser| settings(&[(&schema::BROWSER, browser)]);
        let rows: [(&Surroundings, Settings, bool, Mark); 7] = [
            (&display, choosing("system"), true, Mark::Ok),
            (&display, choosing("system"), false, Mark::Warn),
            (&nowhere, choosing("system"), true, if cfg!(target_os = "linux") { Mark::Skip } else { Mark::Ok }),
            (&nowhere, choosing("firefox"), true, Mark::Ok),
            (&nowhere, choosing("firefox"), false, Mark::Warn),
            (&display, choosing("none"), true, Mark::Skip),
            (&display, settings(&[(&schema::FLOW, "device")]), true, Mark::Skip),
        ];
        for (row, (here, settings, found, expected)) in rows.into_iter().enumerate() {
            let wanted = settings.browser != BrowserChoice::None;
            let launcher = || match found {
                true => Ok(wanted.then(|| "x".to_owned())),
                false => Err(BrowserError::NoLauncher(None)),
            };
            assert_eq!(judge_browser(here, &settings, launcher).mark, expected, "row {row}");
        }
    }

    #[test]
    fn surroundings_without_a_browser_say_what_else_there_is() {
        let finding = judge_surroundings(&here(|here| here.container = true), &settings(&[]));
        if cfg!(target_os = "linux") {
            assert_eq!(finding.text, "a container, no display");
            assert!(finding.notes[0].contains("`mdb-login login --device`"), "{finding:?}");
        }
        let display = here(|here| here.display = true);
        assert_eq!(judge_surroundings(&display, &settings(&[])), Finding::ok("surroundings", "a display"));
    }
}
