//! `--interactive`: one question after the other, each judged at once and asked again until it will do.

use super::whom::Whom;
use super::{SetUp, judge, read_issuer};
use crate::error::{Error, Kind, Result};
use crate::federation::choices::{Authorize, check_name, check_text};
use crate::settings::schema::Setting;
use crate::settings::{self, schema};
use crate::ui::keyboard::Keyboard;
use crate::ui::{Ui, foreign};
use crate::vendor::issuer::{self, Issuer};

/// The one reader of answers.
pub struct Questions<'a> {
    ui: &'a Ui,
    keyboard: Keyboard,
}

impl<'a> Questions<'a> {
    pub fn new(ui: &'a Ui) -> Self {
        Self { ui, keyboard: Keyboard::default() }
    }

    /// Asks until `read` takes the answer; an empty one is the default, where there is one.
    ///
    /// # Errors
    /// `Kind::LoginRequired` where the input has ended: nobody is there any more.
    async fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T> {
        loop {
            self.keyboard.ask();
            let shown = default.map(|default| format!(" [{}]", foreign(default))).unwrap_or_default();
            self.ui.prompt(&format!("{question}{shown}: "));
            let Some(line) = self.keyboard.line().await else {
                self.ui.tell("");
                return Err(Error::new(Kind::LoginRequired, "the input has ended before everything was answered")
                    .because_of("nothing was written"));
            };
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(answer) => return Ok(answer),
                Err(why) => self.ui.tell(format!("that {why}")),
            }
        }
    }

    /// Yes, or anything else.
    pub async fn confirm(&mut self, question: &str) -> Result<bool> {
        self.keyboard.ask();
        self.ui.prompt(&format!("{question} [y/N] "));
        let answer = self.keyboard.line().await.unwrap_or_default();
        Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
    }
}

impl SetUp<'_> {
    /// Asks for everything that was not typed.
    pub(super) async fn ask(&mut self) -> Result<()> {
        self.ui.tell("");
        self.ask_for_way().await?;
        if self.issuer.is_none() {
            self.issuer = Some(self.ask_for_issuer().await?);
        }
        if self.audience.is_none() {
            self.audience = self.known_audience()?;
        }
        if let (Whom::Program(programs, _), None) = (self.whom, &self.audience) {
            let question = format!("What tokens are for: {} ({})", programs.audience, programs.audience_place);
            let read = |answer: &str| judge(&schema::AUDIENCE, &[answer.to_owned()]).map(|()| answer.to_owned());
            self.audience = Some(self.questions.ask(&question, None, read).await?);
        }
        if self.client_id.is_none() && self.whom.is_client() {
            let place = match self.whom {
                Whom::People(people) => people.client_id_place,
                Whom::Program(..) => "of the program's own registration",
            };
            let read = |answer: &str| judge(&schema::CLIENT_ID, &[answer.to_owned()]).map(|()| answer.to_owned());
            self.client_id = Some(self.questions.ask(&format!("Client id ({place})"), None, read).await?);
        }
        self.ask_for_proof().await?;
        if self.request.profile.is_none() {
            let read = |answer: &str| settings::profile_name(answer).map(|()| answer.to_owned());
            let default = self.name.clone();
            self.name = self.questions.ask("Name of the profile, which people type", Some(&default), read).await?;
        }
        if self.args.federation.is_authorization_open() {
            self.ask_for_authorization().await?;
        }
        if self.choices.name.is_none() {
            let default = self.name.replace('.', "-");
            let read = |answer: &str| check_name(answer).map(|()| answer.to_owned());
            let question = "Configuration name, which names of users and roles begin with";
            self.choices.name = Some(self.questions.ask(question, Some(&default), read).await?);
        }
        Ok(())
    }

    /// Where a program gets its tokens, if there is a choice that nothing has made yet.
    async fn ask_for_way(&mut self) -> Result<()> {
        let Whom::Program(programs, usual) = self.whom else { return Ok(()) };
        if programs.ways.len() == 1 || self.has_flag(&schema::KIND) || self.client_id.is_some() {
            return Ok(());
        }
        let kinds: Vec<&str> = programs.ways.iter().map(|way| way.kind).collect();
        for way in programs.ways {
            self.ui.tell(format!("  {}: {}", way.kind, way.about));
        }
        let kinds = kinds.join(", ");
        let read = |answer: &str| programs.way(Some(answer), false).ok_or_else(|| format!("must be one of {kinds}"));
        let way = self.questions.ask("Where the program gets its tokens", Some(usual.kind), read).await?;
        self.whom = Whom::Program(programs, way);
        Ok(())
    }

    /// With what a client proves itself, if it has to.
    async fn ask_for_proof(&mut self) -> Result<()> {
        let wants_secret = match self.whom {
            Whom::People(people) => people.wants_secret,
            Whom::Program(_, way) => way.is_client && !self.has_flag(&schema::CLIENT_KEY_FILE),
        };
        if !wants_secret || self.has_flag(&schema::CLIENT_SECRET_FILE) {
            return Ok(());
        }
        let secret = "File with the client secret";
        if self.ask_for_file(secret, &schema::CLIENT_SECRET_FILE, "--client-secret-file").await? {
            return Ok(());
        }
        if let Whom::Program(..) = self.whom {
            let certificate = "File with the key's certificate (PEM)";
            if self
                .ask_for_file("File with the client's key (PEM)", &schema::CLIENT_KEY_FILE, "--client-key-file")
                .await?
                && !self.has_flag(&schema::CLIENT_CERTIFICATE_FILE)
            {
                self.ask_for_file(certificate, &schema::CLIENT_CERTIFICATE_FILE, "--client-certificate-file").await?;
            }
        }
        Ok(())
    }

    /// Asks for a path, as if the flag had been typed; whether there is one.
    async fn ask_for_file(&mut self, question: &str, setting: &'static Setting, flag: &'static str) -> Result<bool> {
        let read = |answer: &str| match answer {
            "none" => Ok(None),
            path => judge(setting, &[path.to_owned()]).map(|()| Some(path.to_owned())),
        };
        let path = self.questions.ask(question, Some("none"), read).await?;
        let is_there = path.is_some();
        self.request.flags.extend(path.map(|path| (setting, flag, vec![path])));
        Ok(is_there)
    }

    async fn ask_for_issuer(&mut self) -> Result<Issuer> {
        let vendor = self.vendor;
        let issuers = self.whom.recipe().issuers;
        if issuers.pieces.is_empty() {
            let question = format!("Issuer ({})", issuers.place);
            let read = |answer: &str| read_issuer(vendor, answer).map_err(|flaw| flaw.to_string());
            return self.questions.ask(&question, None, read).await;
        }
        let mut answers: Vec<(&'static str, String)> = Vec::new();
        for piece in issuers.pieces {
            let question = format!("{} ({})", piece.name, piece.place);
            let read = |answer: &str| (piece.read)(answer).map_err(|flaw| flaw.to_string());
            answers.push((piece.flag, self.questions.ask(&question, piece.default, read).await?));
        }
        let given: Vec<(&'static str, &str)> = answers.iter().map(|(flag, answer)| (*flag, answer.as_str())).collect();
        let made = issuer::make(vendor, &given).map_err(|(flag, flaw)| super::flawed(flag, flaw))?;
        made.ok_or_else(|| Error::new(Kind::Failed, "no issuer can be made of that"))
    }

    async fn ask_for_authorization(&mut self) -> Result<()> {
        let group_claim = self.whom.recipe().group_claim;
        let (default, whose) = match self.whom {
            Whom::People(_) if group_claim.is_some() => ("groups", "each person"),
            Whom::People(_) => ("user", "each person"),
            Whom::Program(..) => ("user", "each program"),
        };
        let read = |answer: &str| match answer {
            "groups" => Ok(Authorize::Groups),
            "user" => Ok(Authorize::User),
            _ => Err("must be `groups` or `user`".to_owned()),
        };
        let question = format!("Roles come from the groups in a token, or from a user for {whose} (groups, user)");
        let authorize = self.questions.ask(&question, Some(default), read).await?;
        self.choices.authorize = Some(authorize);
        if authorize == Authorize::Groups && group_claim.is_none() {
            let read = |answer: &str| check_text(answer).map(|()| answer.to_owned());
            self.choices.group_claim = Some(self.questions.ask("Claim that lists the groups", None, read).await?);
        }
        Ok(())
    }
}
