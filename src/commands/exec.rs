//! `mdb-login exec`: run a program that gets live tokens.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::{ExecArgs, Inject};
use crate::error::Result;
use crate::inject::{self, IdpInfo, Need, Plan, Way};
use crate::session::{Freshness, Session};
use crate::settings::Settings;
use crate::ui::Ui;

pub fn run(args: &ExecArgs, settings: &Settings, ui: &Ui) -> Result<ExitCode> {
    let plan = plan(args, settings)?;
    if args.print_env {
        return inject::print_env(&plan, ui).map(|()| ExitCode::SUCCESS);
    }
    let session = Session::new(settings, ui)?;
    let source = |need| session.token(&Freshness { min_ttl: settings.min_ttl, force: need == Need::Renewed });
    inject::run(&plan, source, ui)
}

/// What to run. Connection strings come in here: those of the arguments are completed and their hosts judged before
/// there is a plan, so that nothing is handed over otherwise.
fn plan(args: &ExecArgs, settings: &Settings) -> Result<Plan> {
    let (program, rest): (OsString, Vec<OsString>) = match args.command.split_first() {
        Some((program, rest)) => (program.clone(), rest.to_vec()),
        None => Default::default(),
    };
    let way = match args.inject {
        Inject::Auto => Way::for_program(&program, &rest),
        Inject::Mongosh => Way::Mongosh,
        Inject::K8s => Way::K8s,
        Inject::File => Way::File,
    };
    let pin = IdpInfo {
        issuer: settings.issuer.clone(),
        client_id: settings.client_id.clone(),
        // A profile says what is asked for, not what a server recommends.
        request_scopes: None,
    };
    Ok(Plan {
        program,
        args: rest,
        way,
        env: Vec::new(),
        pin,
        allow_nested: args.nested,
        allow_cloud_env: args.allow_cloud_env,
    })
}
