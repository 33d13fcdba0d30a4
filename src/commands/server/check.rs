//! `mdb-login server check`: what is wrong with the identity providers in a server's configuration.

use serde_json::{Value, json};

use crate::cli::CheckArgs;
use crate::error::{Error, Kind, Result};
use crate::federation::{self, Authorization, Finding, IdentityProvider, Reading, Release};
use crate::text_file::TextFile;
use crate::ui::report::{self, Mark, Page, Row, Section};
use crate::ui::{Ui, foreign};

/// Prints what it found, and fails with the first thing that a server would not bear.
pub fn run(args: &CheckArgs, ui: &Ui) -> Result<()> {
    let file = TextFile::read(&args.file)?;
    let reading = federation::read_for(file.text(), args.server_version);
    let fault = fault(&file, &reading.findings);
    if ui.json {
        ui.object(object(&file, &reading, args.server_version))?;
    } else {
        let mut sections = findings(&file, &reading.findings);
        if fault.is_none() {
            sections.push(providers(&reading.providers, args.server_version));
        }
        ui.data(report::report(&sections, Page::of_stdout()).as_bytes())?;
    }
    fault.map_or(Ok(()), Err)
}

/// The first thing that a server would not bear.
pub fn fault(file: &TextFile, findings: &[Finding]) -> Option<Error> {
    let fault = findings.iter().find(|finding| finding.mark == Mark::Fail)?;
    Some(Error::new(Kind::Config, format!("{}: {}", place(file, fault), sentence(fault))))
}

fn place(file: &TextFile, finding: &Finding) -> String {
    format!("{}:{}:{}", file.name(), finding.line, finding.column)
}

/// What is wrong, with what it is wrong with.
fn sentence(finding: &Finding) -> String {
    if finding.path.is_empty() { finding.message.clone() } else { format!("`{}`: {}", finding.path, finding.message) }
}

fn findings(file: &TextFile, findings: &[Finding]) -> Vec<Section> {
    let row = |finding: &Finding| {
        let row = Row::new(finding.mark, "", place(file, finding)).note(sentence(finding));
        match &finding.hint {
            Some(hint) => row.note(format!("hint: {hint}")),
            None => row,
        }
    };
    let rows: Vec<Row> = findings.iter().map(row).collect();
    if rows.is_empty() { Vec::new() } else { vec![Section { heading: String::new(), rows }] }
}

/// What the server makes of them.
fn providers(providers: &[IdentityProvider], release: Release) -> Section {
    let row = |provider: &IdentityProvider| {
        let who = if provider.supports_human_flows { "people" } else { "programs" };
        let trusted =
            format!("{who} with tokens of {} for `{}`", foreign(&provider.issuer), foreign(&provider.audience));
        let user = foreign(&provider.user(&format!("<{}>", provider.principal_name)));
        let roles = match &provider.authorization {
            Authorization::GroupMembership(claim) => {
                format!("with roles `{}` at admin", foreign(&provider.role(&format!("<{claim}>"))))
            }
            Authorization::UserId => "with the roles of that user, who has to be there".to_owned(),
        };
        Row::new(Mark::Ok, foreign(&provider.auth_name_prefix), trusted)
            .note(format!("become `{user}` at $external, {roles}"))
    };
    let mut rows: Vec<Row> = providers.iter().map(row).collect();
    if rows.is_empty() {
        rows.push(Row::new(Mark::Skip, "nobody", "no identity provider is named"));
    }
    Section { heading: format!("As MongoDB {release} reads it"), rows }
}

fn object(file: &TextFile, reading: &Reading, release: Release) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "line": finding.line,
            "column": finding.column,
            "path": finding.path,
            "mark": finding.mark.name(),
            "message": finding.message,
            "hint": finding.hint,
        })
    };
    let provider = |provider: &IdentityProvider| {
        let claim = match &provider.authorization {
            Authorization::GroupMembership(claim) => Some(claim),
            Authorization::UserId => None,
        };
        json!({
            "auth_name_prefix": provider.auth_name_prefix,
            "issuer": provider.issuer,
            "audience": provider.audience,
            "client_id": provider.client_id,
            "request_scopes": provider.request_scopes,
            "supports_human_flows": provider.supports_human_flows,
            "match_pattern": provider.match_pattern,
            "principal_name": provider.principal_name,
            "authorization_claim": claim,
        })
    };
    json!({
        "file": file.name(),
        "server_version": release.to_string(),
        "ok": reading.findings.iter().all(|finding| finding.mark != Mark::Fail),
        "findings": reading.findings.iter().map(finding).collect::<Vec<_>>(),
        "identity_providers": reading.providers.iter().map(provider).collect::<Vec<_>>(),
    })
}
