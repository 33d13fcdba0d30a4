//! Whom a set-up is for: people who sign in, or a program.

use super::super::server::config::{self, Side};
use crate::cli::SetupArgs;
use crate::error::{Error, Kind, Result};
use crate::settings::SessionKind;
use crate::vendor::recipe::{People, Programs, Recipe, Way};

#[derive(Clone, Copy)]
pub enum Whom {
    People(&'static People),
    /// A program that gets its tokens in this way.
    Program(&'static Programs, &'static Way),
}

impl Whom {
    /// By `--workload`, and the way by `--kind` or a client id.
    pub fn of(args: &SetupArgs) -> Result<Self> {
        let (vendor, kind) = (args.vendor, args.provider.program.kind.as_deref());
        let refuse = |what: String, hint: &str| Err(Error::new(Kind::Usage, what).hint(hint));
        if !args.federation.workload {
            if kind.is_some_and(|kind| kind != SessionKind::Workforce.name()) {
                return refuse("`--kind` is for programs".to_owned(), "add `--workload`");
            }
            return vendor.people().map(Self::People).ok_or_else(|| config::nobody(vendor));
        }
        let Some(programs) = vendor.programs() else {
            return refuse(
                format!("`--workload` has no page of its own for {}", vendor.product()),
                "for a program that is a client of any provider: run `mdb-login setup generic --workload`",
            );
        };
        let Some(way) = programs.way(kind, args.provider.client_id.is_some()) else {
            let kinds: Vec<String> = programs.ways.iter().map(|way| format!("`{}`", way.kind)).collect();
            let what = format!("`--kind` must be {} for {}", kinds.join(" or "), programs.recipe.product);
            return Err(Error::new(Kind::Usage, what));
        };
        if args.provider.client_id.is_some() && !way.is_client {
            let what = format!("`--client-id` means nothing to the kind `{}`", way.kind);
            return refuse(what, "it is for programs that are clients of their provider: `--kind client-credentials`");
        }
        Ok(Self::Program(programs, way))
    }

    pub fn recipe(self) -> &'static Recipe {
        self.side().recipe()
    }

    /// As those see it who run the servers.
    pub fn side(self) -> Side {
        match self {
            Self::People(people) => Side::People(people),
            Self::Program(programs, _) => Side::Programs(programs),
        }
    }

    pub fn way(self) -> Option<&'static Way> {
        match self {
            Self::People(_) => None,
            Self::Program(_, way) => Some(way),
        }
    }

    /// As the setting `kind` has it.
    pub fn kind(self) -> &'static str {
        self.way().map_or(SessionKind::Workforce.name(), |way| way.kind)
    }

    /// Whether there is a client at the provider: the one that people sign in with, or the program's own.
    pub fn is_client(self) -> bool {
        self.way().is_none_or(|way| way.is_client)
    }
}
