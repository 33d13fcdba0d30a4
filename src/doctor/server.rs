//! The MongoDB server: may it have a token, is it there, does it still name the provider that was accepted, and would any
//! server take the token that is at hand.

use std::time::Duration;

use super::Case;
use super::finding::Finding;
use crate::clock::unix_now;
use crate::error::{Kind, Result};
use crate::event_loop::block_on;
use crate::mongo::client::{Looked, Target};
use crate::mongo::hosts;
use crate::mongo::uri::Uri;
use crate::oidc::access_token::refused_by_servers;
use crate::session::expectation;
use crate::session::server::{self, Standing};
use crate::settings::{Origin, Settings, schema};
use crate::store::cache;
use crate::ui::foreign;
use crate::workload::Place;

/// For DNS, and once more for the conversation.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hosts, then the server itself. Only a user name of the connection string is sent, so any server may be asked.
pub fn look(case: &Case) -> Vec<Finding> {
    let settings = &case.settings;
    let Some(uri) = &settings.uri else {
        return vec![Finding::skip("server", "no connection string is given")];
    };
    let trust = server::trust_of(settings);
    let target = Target { timeout: settings.http_timeout.min(PATIENCE), ..server::target(settings, uri) };
    let asked = block_on(async {
        let records = async { if uri.is_srv() { target.check_records(trust).await } else { Ok(()) } };
        tokio::join!(records, target.look())
    });
    let (records, looked) = match asked {
        Ok(both) => both,
        Err(error) => return vec![Finding::failed("server", &error)],
    };
    let mut findings = vec![judge_hosts(uri, hosts::check(uri, &uri.names(), trust), records)];
    findings.extend(judge_answer(settings, &target, looked));
    findings
}

/// `records`: what DNS says of the hosts behind the name. That it says nothing is told with the server.
fn judge_hosts(uri: &Uri, named: Result<()>, records: Result<()>) -> Finding {
    const NAME: &str = "hosts";
    let refused = named
        .and_then(|()| records.or_else(|error| if error.kind() == Kind::Unavailable { Ok(()) } else { Err(error) }));
    if let Err(error) = refused {
        return Finding::failed(NAME, &error);
    }
    let names = uri.names();
    let own = names.iter().filter(|name| !hosts::is_allowed(name, &[])).map(|name| format!("`{}`", foreign(name)));
    let own: Vec<String> = own.collect();
    match own.as_slice() {
        [] => Finding::ok(NAME, "may have tokens: MongoDB's own, or this machine"),
        own => Finding::ok(NAME, format!("may have tokens: {}, by `allowed_host`", own.join(", "))),
    }
}

fn judge_answer(settings: &Settings, target: &Target<'_>, looked: Result<Looked>) -> Vec<Finding> {
    const NAME: &str = "server";
    let uri = target.uri;
    let shown = foreign(&uri.server());
    let looked = match looked {
        Ok(looked) => looked,
        Err(error) => return vec![Finding::failed(NAME, &error)],
    };
    let release =
        looked.max_wire_version.and_then(release).map(|release| format!(", MongoDB {release}")).unwrap_or_default();
    let mut findings = vec![Finding::ok(NAME, format!("`{shown}` offers MONGODB-OIDC{release}"))];
    if settings.kind.is_program() {
        let why = "a server names providers of people, and does not say which programs it knows";
        findings.push(Finding::skip("server_provider", why));
        return findings;
    }
    let Some(info) = looked.info else {
        return vec![Finding::failed(NAME, &target.no_provider())];
    };
    let pinned = server::pin(uri, &info).and_then(|pin| Ok((server::accepted(uri)?, pin)));
    findings.push(match pinned {
        Ok((accepted, pin)) => {
            let standing = server::standing(uri, accepted.as_ref(), &pin);
            judge_pin(settings, &pin.issuer, &pin.client_id, standing)
        }
        Err(error) => Finding::failed("server_provider", &error),
    });
    findings
}

/// The release that a wire version is of (`hello`'s `maxWireVersion`), as far as it is known here.
fn release(wire_version: i32) -> Option<&'static str> {
    Some(match wire_version {
        21 => "7.0",
        22 => "7.1",
        23 => "7.2",
        24 => "7.3",
        25 => "8.0",
        26 => "8.1",
        27 => "8.2",
        _ => return None,
    })
}

/// The provider that the server names, held against what was accepted and what the settings say.
fn judge_pin(settings: &Settings, issuer: &str, client_id: &str, standing: Standing) -> Finding {
    const NAME: &str = "server_provider";
    let by_settings = |key| !matches!(settings.origin(key), Origin::Server | Origin::BuiltIn);
    if by_settings(schema::ISSUER.key) && by_settings(schema::CLIENT_ID.key) {
        if (issuer, client_id) == (settings.issuer.as_str(), settings.client_id.as_str()) {
            return Finding::ok(NAME, "the server names the provider that the settings name");
        }
        let text = format!(
            "the server names `{}`, client id `{}`, and the settings another",
            foreign(issuer),
            foreign(client_id)
        );
        return Finding::warn(NAME, text)
            .note("a server with several providers chooses by the user name of the connection string");
    }
    match standing {
        Standing::Accepted => Finding::ok(NAME, "the server names the provider that you accepted"),
        Standing::New => {
            Finding::skip(NAME, format!("you have not accepted yet what the server names: `{}`", foreign(issuer)))
                .note(format!("run `{}`", settings.command("login")))
        }
        Standing::Changed(error) => Finding::failed(NAME, &error),
    }
}

/// Whether MongoDB's public rules let any server take the token that is at hand. Nothing is renewed for it.
pub fn token(case: &Case) -> Vec<Finding> {
    let settings = &case.settings;
    let token = match Place::of(settings, &|name| std::env::var_os(name)) {
        // That it cannot be read is told under `source`.
        Some(place) => place.read().ok().map(|read| read.token),
        None => cache::read(&settings.session_key().id()).map(|cached| cached.token),
    };
    let refused = token.map(|token| refused_by_servers(&token, &expectation(settings), unix_now()));
    vec![judge_token(refused, &settings.command("inspect"))]
}

/// `inspect`: the command that looks at the same token.
fn judge_token(refused: Option<Vec<String>>, inspect: &str) -> Finding {
    const NAME: &str = "token";
    match refused {
        None => Finding::skip(NAME, "no access token is at hand"),
        Some(reasons) if reasons.is_empty() => Finding::ok(NAME, "nothing in it that a server would refuse it for"),
        Some(reasons) => {
            let finding = Finding::fail(NAME, Kind::RuleBroken, "every MongoDB server would refuse it");
            reasons.into_iter().fold(finding, Finding::note).note(format!("run `{inspect}` for what mends it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::tests::settings;
    use crate::error::Error;
    use crate::ui::report::Mark;

    #[test]
    fn hosts_are_judged_by_name_and_by_record_and_a_silent_dns_is_another_matter() {
        let uri = Uri::parse("mongodb://db.example.com,localhost").unwrap();
        let error = |kind| Err(Error::new(kind, "x"));
        for (named, records, mark) in [
            (Ok(()), Ok(()), Mark::Ok),
            (error(Kind::RuleBroken), Ok(()), Mark::Fail),
            (Ok(()), error(Kind::RuleBroken), Mark::Fail),
            (Ok(()), error(Kind::Unavailable), Mark::Ok),
        ] {
            assert_eq!(judge_hosts(&uri, named, records).mark, mark);
        }
        assert_eq!(judge_hosts(&uri, Ok(()), Ok(())).text, "may have tokens: `db.example.com`, by `allowed_host`");
    }

    #[test]
    fn what_the_server_names_is_held_against_what_was_accepted_or_configured() {
        let by_server = settings(&[]);
        let configured = settings(&[(&schema::ISSUER, "https://a"), (&schema::CLIENT_ID, "c")]);
        let changed = || Standing::Changed(Error::new(Kind::RuleBroken, "x"));
        for (settings, issuer, standing, mark) in [
            (&by_server, "https://a", Standing::Accepted, Mark::Ok),
            (&by_server, "https://a", Standing::New, Mark::Skip),
            (&by_server, "https://a", changed(), Mark::Fail),
            (&configured, "https://a", changed(), Mark::Ok),
            (&configured, "https://b", Standing::Accepted, Mark::Warn),
        ] {
            assert_eq!(judge_pin(settings, issuer, "c", standing).mark, mark, "{issuer}");
        }
        assert_eq!(judge_pin(&configured, "https://a", "d", Standing::New).mark, Mark::Warn);
    }

    #[test]
    fn a_token_is_told_with_every_reason_to_refuse_it() {
        assert_eq!(judge_token(None, "x").mark, Mark::Skip);
        assert_eq!(judge_token(Some(vec![]), "x").mark, Mark::Ok);
        let refused = judge_token(Some(vec!["a".into(), "b".into()]), "mdb-login inspect --profile p");
        assert_eq!((refused.mark, refused.kind, refused.notes.len()), (Mark::Fail, Kind::RuleBroken, 3));
    }
}
