//! `ifmatch edit`.

mod draft;
mod editor;
mod interrupts;
mod settle;
mod typing;

use super::args::{Edit, MergeFlag};
use super::body;
use super::end::{self, End};
use super::session::Session;
use super::show::Layout;
use super::three::{Three, three};
use super::{Globals, answer, is_asked, merged_lines, note};
use crate::exit::{Ended, Exit, Failure};
use crate::output::bold;
use draft::{Beginning, Draft};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use ifmatch_client::{Error, IfMatch, Outcome, Reading, Refusal, Version, Write};
use ifmatch_core::json;
use ifmatch_core::merge::Taken;
use interrupts::Interrupts;
use settle::Settled;

/// How often somebody else may be faster before a draft is kept.
const ROUNDS_MAX: u32 = 20;

pub(crate) fn run(edit: &Edit, globals: Globals) -> Ended {
    let session = Session::open(&edit.url, &edit.access, globals)?;
    let draft = Draft::open(&session)?;
    let mut editing = Editing { session, draft, edit, interrupts: None, taken: Vec::new() };
    let end = editing.run()?;
    end.finish(&editing.session)
}

struct Editing<'a> {
    session: Session,
    draft: Draft,
    edit: &'a Edit,
    /// From the first time that somebody typed.
    interrupts: Option<Interrupts>,
    /// What was merged on the way.
    taken: Vec<Taken>,
}

/// Where it goes on.
enum Step {
    End(End),
    /// In the editor.
    Edit,
    /// With writing this.
    Write(Vec<u8>),
}

impl Editing<'_> {
    fn run(&mut self) -> Result<End, Failure> {
        if let Some(end) = self.start()? {
            return Ok(end);
        }
        let editor = editor::named(self.edit.editor.as_deref());
        let mut step = Step::Edit;
        let mut rounds = 0;
        loop {
            step = match step {
                Step::End(end) => return Ok(end),
                Step::Edit => self.type_in(&editor)?,
                Step::Write(content) => {
                    rounds += 1;
                    self.write(&content, rounds)?
                }
            };
        }
    }

    /// A draft to work on, if it does not end here.
    fn start(&mut self) -> Result<Option<End>, Failure> {
        let Edit { resume, discard, create, .. } = *self.edit;
        if let Some(damage) = self.draft.damage().filter(|_| !discard) {
            return Err(Failure::from(format!(
                "{damage}. Nothing was removed, and nothing was sent.\n  Take from it what you need, and then throw it \
                 away and begin anew:\n    {}",
                self.session.command("edit", &["--discard"]),
            )));
        }
        if discard {
            self.draft.remove()?;
        }
        if !self.draft.exists() {
            return if resume {
                Err(Failure::from(format!(
                    "no draft is kept of {}. Nothing was sent.",
                    self.session.shown_url()
                )))
            } else {
                self.begin()
            };
        }
        // Nobody has typed anything yet: an editor that came back at once may still have the file.
        if !resume && self.is_untouched(&self.draft.text()?)? {
            return self.begin();
        }
        if !resume && !self.goes_on()? {
            self.draft.remove()?;
            return self.begin();
        }
        if resume && create {
            self.draft.make_new(&self.session)?;
        }
        self.look_again()
    }

    /// Whether to go on with a draft that is there, or to throw it away.
    fn goes_on(&self) -> Result<bool, Failure> {
        let (url, path) = (self.session.shown_url(), self.draft.path());
        let said = format!("a draft of {url} is kept in {}", path.display());
        if is_asked() {
            match answer(&format!("{said}.\n  [r]esume  [d]iscard  [q]uit  >")).as_deref() {
                Some("r" | "resume") => return Ok(true),
                Some("d" | "discard") => return Ok(false),
                _ => return Err(Failure::from("Nothing was sent. The draft is kept.".to_owned())),
            }
        }
        Err(Failure::from(format!(
            "{said}. Nothing was sent.\n  Go on with it:\n    {}\n  Throw it away:\n    {}",
            self.session.command("edit", &["--resume"]),
            self.session.command("edit", &["--discard"]),
        )))
    }

    /// A draft whose saving nobody could tell may be there already.
    fn look_again(&mut self) -> Result<Option<End>, Failure> {
        let Ok(reading) = self.session.read() else { return Ok(None) };
        let (text, base) = (self.draft.text()?, self.draft.base()?);
        let typed = self.content(&text, &base).ok();
        if self.is_untouched(&text)? || typed.as_deref() != Some(reading.answer.content.as_ref()) {
            return Ok(None);
        }
        let version = reading.version.map(|version| version.to_string()).unwrap_or_default();
        self.draft.remove()?;
        let end = End::new(&self.session, "edit", "unchanged", Exit::Fine, None);
        let end = end.with("before", version.clone());
        Ok(Some(
            end.say(format!("what is in the draft is there already, as {version}. The draft is removed.")),
        ))
    }

    fn begin(&mut self) -> Result<Option<End>, Failure> {
        let reading = match self.session.read() {
            Ok(reading) => reading,
            Err(Error::Refused(refusal)) if is_nothing(&refusal) => return self.begin_new(&refusal),
            Err(error) => return Ok(Some(end::failed(&self.session, "edit", &error)?)),
        };
        if self.edit.create {
            let end = End::new(&self.session, "edit", "exists", Exit::Finding, Some(false));
            let end = end.say("there is something already. Nothing was sent.");
            return Ok(Some(end.next(self.session.command("edit", &[]))));
        }
        let version = match &reading.version {
            Ok(version) => version.clone(),
            Err(why) => return Ok(Some(end::no_version(&self.session, "edit", why))),
        };
        if self.draft.exists() && self.draft.version() == Some(&version) {
            return Ok(None);
        }
        let content = &reading.answer.content;
        let Some((text, suffix)) = to_edit(content) else {
            let url = self.session.shown_url();
            return Err(Failure::from(format!(
                "what is at {url} is no text, so no editor takes it. Nothing was sent."
            )));
        };
        let media_type = media_type(&reading);
        self.draft.begin(
            &self.session,
            Beginning { version: Some(version), base: content, media_type: &media_type, text: &text, suffix },
        )?;
        Ok(None)
    }

    fn begin_new(&mut self, refusal: &Refusal) -> Result<Option<End>, Failure> {
        if !self.edit.create {
            let end = end::refused(&self.session, "edit", refusal).line("To write something new:");
            return Ok(Some(end.next(self.session.command("edit", &["--create"]))));
        }
        let new = Beginning { version: None, base: b"", media_type: "", text: b"", suffix: "json" };
        self.draft.begin(&self.session, new)?;
        Ok(None)
    }

    /// Writes, if it is still as it was when it was read.
    fn write(&mut self, content: &[u8], round: u32) -> Result<Step, Failure> {
        if self.draft.is_elsewhere(&self.session) {
            return Ok(Step::End(self.elsewhere()));
        }
        let before = self.draft.version().cloned();
        let condition = before.clone().map_or(IfMatch::Absent, IfMatch::Unchanged);
        let media_type =
            HeaderValue::from_str(self.draft.media_type()).ok().filter(|named| !named.is_empty());
        let media_type = media_type.unwrap_or_else(|| body::looks_like(content));
        let write = Write::new(Method::PUT, self.session.url.clone(), condition)
            .map_err(|error| error.to_string())?;
        let outcome = match self.session.write(&write.content(&media_type, content.to_vec())) {
            Ok(outcome) => outcome,
            Err(error) => return Ok(Step::End(self.kept(end::unreachable(&self.session, "edit", &error)))),
        };
        match outcome {
            Outcome::Applied(applied) => {
                self.session.memory.close(&self.session.url);
                self.draft.remove()?;
                let end = end::saved(&self.session, "edit", before.as_ref(), &applied);
                Ok(Step::End(end.merged(&self.taken)))
            }
            Outcome::Refused(refusal)
                if refusal.is_stale() && self.edit.merge != MergeFlag::Fail && round < ROUNDS_MAX =>
            {
                self.merge(&refusal, before.as_ref(), content)
            }
            other => {
                let end = end::not_applied(&self.session, "edit", &other).expect("it is not applied");
                Ok(Step::End(self.kept(end)))
            }
        }
    }

    /// Somebody else was faster: reads again, and puts both together.
    fn merge(&mut self, refusal: &Refusal, before: Option<&Version>, mine: &[u8]) -> Result<Step, Failure> {
        let reading = match self.session.read() {
            Ok(reading) => reading,
            Err(Error::Refused(nothing)) if is_nothing(&nothing) => {
                let end = End::new(&self.session, "edit", "gone", Exit::Refused, Some(false));
                let end = end.say("412: it was deleted while you were editing. Nothing was written.");
                let end = self.kept_for(end, &["--resume", "--create"]);
                return Ok(Step::End(end.line("To write it anew, with what you typed:")));
            }
            Err(_) => return Ok(Step::End(self.kept(end::refused(&self.session, "edit", refusal)))),
        };
        let version = match &reading.version {
            Ok(version) => version.clone(),
            Err(why) => return Ok(Step::End(self.kept(end::no_version(&self.session, "edit", why)))),
        };
        if self.draft.is_elsewhere(&self.session) {
            return Ok(Step::End(self.elsewhere()));
        }
        let from = before.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        note(
            &self.session,
            &format!("{} 412: changed while you were editing ({from} -> {version})", bold("!")),
        );
        let theirs = reading.answer.content.clone();
        let merged = three(&self.draft.base()?, &theirs, mine);
        let taken = match &merged {
            Three::Clean(_, taken) => taken.clone(),
            Three::Members(merge, _) => merge.taken().to_vec(),
            _ => Vec::new(),
        };
        merged_lines(&taken).iter().for_each(|line| note(&self.session, line));
        let asks = self.edit.merge == MergeFlag::Ask;
        let settled = match merged {
            Three::Clean(content, _) if asks => settle::agreed(content),
            Three::Clean(content, _) => Settled::Write(content),
            open if asks || is_asked() => settle::settle(open, &theirs, mine),
            open => return Ok(Step::End(self.open(&open, &version))),
        };
        let (content, edits) = match settled {
            Settled::Write(content) => (content, false),
            Settled::Edit(content) => (content, true),
            Settled::Park => {
                return Ok(Step::End(self.parked("parked", Exit::Finding, "Nothing was written.")));
            }
        };
        self.taken.extend(taken);
        self.go_on(&reading, version, content, edits)
    }

    /// From now on it is made from what is there now.
    fn go_on(
        &mut self,
        reading: &Reading,
        version: Version,
        content: Vec<u8>,
        edits: bool,
    ) -> Result<Step, Failure> {
        let theirs = &reading.answer.content;
        if !edits && content == theirs.as_ref() {
            self.draft.remove()?;
            let end = End::new(&self.session, "edit", "unchanged", Exit::Fine, Some(false));
            let end = end.say(format!("what is there now, {version}, is what you want. Nothing was sent."));
            return Ok(Step::End(end.with("before", version.to_string()).merged(&self.taken)));
        }
        let text = to_edit(&content).map_or_else(|| content.clone(), |(text, _)| text);
        let suffix = if json::parse(&content).is_ok() { "json" } else { "txt" };
        let media_type = media_type(reading);
        self.draft.begin(
            &self.session,
            Beginning { version: Some(version), base: theirs, media_type: &media_type, text: &text, suffix },
        )?;
        Ok(if edits { Step::Edit } else { Step::Write(content) })
    }

    /// What does not fit together, where nobody is there to be asked.
    fn open(&self, open: &Three, version: &Version) -> End {
        let end = End::new(&self.session, "edit", "conflict", Exit::Finding, Some(false));
        let mut end = end.with("current", version.to_string());
        end = end.say("Both changed the same; a person has to decide. Nothing was written.");
        if let Three::Members(merge, _) = open {
            for line in merge.conflicts().iter().flat_map(super::sides) {
                end = end.line(line);
            }
            end = end.conflicts(merge.conflicts()).merged(merge.taken());
        }
        self.kept_for(end, &["--resume", "--merge", "ask"])
    }

    /// Redirects led elsewhere when the draft was begun, so its version is that of something else.
    fn elsewhere(&self) -> End {
        let url = self.session.shown_url();
        let said =
            format!("the draft was not made from {url}: redirects led elsewhere then. Nothing was sent.");
        self.parked("parked", Exit::Finding, &said)
    }

    fn parked(&self, outcome: &'static str, exit: Exit, why: &str) -> End {
        self.kept(End::new(&self.session, "edit", outcome, exit, Some(false)).say(why))
    }

    /// Tells where the draft is.
    fn kept(&self, end: End) -> End {
        self.kept_for(end, &["--resume"])
    }

    /// The same; to be gone on with by these flags.
    fn kept_for(&self, end: End, flags: &[&str]) -> End {
        let path = self.draft.path().display().to_string();
        end.with("draft", path.clone())
            .line(format!("What you typed is kept in {path}"))
            .next(self.session.command("edit", flags))
    }
}

fn is_nothing(refusal: &Refusal) -> bool {
    matches!(refusal.status().as_u16(), 404 | 410)
}

fn media_type(reading: &Reading) -> String {
    reading.answer.text(CONTENT_TYPE).unwrap_or_default().to_owned()
}

/// Content as it stands in an editor, and the suffix of its file; `None` if it is no text.
fn to_edit(content: &[u8]) -> Option<(Vec<u8>, &'static str)> {
    if let Ok(value) = json::parse(content) {
        if Layout::of(content).is_chosen() {
            return Some((content.to_vec(), "json"));
        }
        return Some((format!("{value:#}\n").into_bytes(), "json"));
    }
    core::str::from_utf8(content).ok().map(|_| (content.to_vec(), "txt"))
}
