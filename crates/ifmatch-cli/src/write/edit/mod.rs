//! `ifmatch edit`.

mod draft;
mod editor;
mod interrupts;
mod settle;

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
use serde_json::Value;
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
        let (resume, discard) = if resume || discard { (resume, discard) } else { self.which()? };
        if discard {
            self.draft.remove()?;
            return self.begin();
        }
        if resume && create {
            self.draft.make_new(&self.session)?;
        }
        self.look_again()
    }

    /// What to do with a draft that is there: whether to go on with it, whether to throw it away.
    fn which(&self) -> Result<(bool, bool), Failure> {
        let (url, path) = (self.session.shown_url(), self.draft.path());
        let said = format!("a draft of {url} is kept in {}", path.display());
        if is_asked() {
            match answer(&format!("{said}.\n  [r]esume  [d]iscard  [q]uit  >")).as_deref() {
                Some("r" | "resume") => return Ok((true, false)),
                Some("d" | "discard") => return Ok((false, true)),
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
        let typed = self.content(&self.draft.text()?).ok();
        if typed.as_deref() != Some(reading.answer.content.as_ref()) {
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

    /// Lets somebody type, and looks at what was typed.
    fn type_in(&mut self, editor: &str) -> Result<Step, Failure> {
        let before = self.draft.text()?;
        let interrupts = match self.interrupts.take() {
            Some(interrupts) => interrupts,
            None => Interrupts::watch(self.session.command("edit", &["--resume"]))?,
        };
        interrupts.leave_to_editor(true);
        let ended = editor::open(editor, &self.draft.path());
        interrupts.leave_to_editor(false);
        self.interrupts = Some(interrupts);
        self.session.reconnect()?;
        let text = self.draft.text()?;
        if let Err(why) = ended {
            if text == before {
                self.draft.remove()?;
                return Err(Failure::from(format!("{why}. Nothing was sent.")));
            }
            return Ok(Step::End(self.parked("parked", Exit::Finding, &format!("{why}. Nothing was sent."))));
        }
        if has_marks(&text) {
            return Ok(self.type_again("the marks between both sides are still there"));
        }
        match self.content(&text) {
            Err(why) => Ok(self.type_again(&format!("what you typed is not JSON: {why}"))),
            Ok(content) if content == self.draft.base()? => {
                self.draft.remove()?;
                let end = End::new(&self.session, "edit", "unchanged", Exit::Fine, Some(false));
                Ok(Step::End(end.say("nothing was changed, so nothing was sent.")))
            }
            Ok(content) => Ok(Step::Write(content)),
        }
    }

    fn type_again(&mut self, why: &str) -> Step {
        if is_asked() {
            loop {
                match answer(&format!("{why}.\n  [e]dit again  [p]ark for later  >")).as_deref() {
                    Some("e" | "edit") => return Step::Edit,
                    Some("p" | "park") | None => break,
                    Some(_) => {}
                }
            }
        }
        Step::End(self.parked("parked", Exit::Finding, &format!("{why}. Nothing was sent.")))
    }

    /// What is to be written when this was typed: laid out as what it was made from.
    fn content(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        if !self.draft.is_json() {
            return Ok(text.to_vec());
        }
        let base = self.draft.base()?;
        let value = json::parse(text)?;
        // Nothing was changed if nothing was but the layout, which is the editor's.
        let compact = |value: &Value| value.to_string();
        if json::parse(&base).is_ok_and(|base| compact(&base) == compact(&value)) {
            return Ok(base);
        }
        let layout = Layout::of(if base.is_empty() { text } else { &base });
        Ok(if layout.is_chosen() { layout.ended(text) } else { layout.write(&value) })
    }

    /// Writes, if it is still as it was when it was read.
    fn write(&mut self, content: &[u8], round: u32) -> Result<Step, Failure> {
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
                let end = self.parked(
                    "gone",
                    Exit::Refused,
                    "412: it was deleted while you were editing. Nothing was written.",
                );
                let end = end.line("To write it anew, with what you typed:");
                return Ok(Step::End(end.next(self.session.command("edit", &["--resume", "--create"]))));
            }
            Err(_) => return Ok(Step::End(self.kept(end::refused(&self.session, "edit", refusal)))),
        };
        let version = match &reading.version {
            Ok(version) => version.clone(),
            Err(why) => return Ok(Step::End(self.kept(end::no_version(&self.session, "edit", why)))),
        };
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
        self.kept(end)
    }

    fn parked(&self, outcome: &'static str, exit: Exit, why: &str) -> End {
        self.kept(End::new(&self.session, "edit", outcome, exit, Some(false)).say(why))
    }

    /// Tells where the draft is.
    fn kept(&self, end: End) -> End {
        let path = self.draft.path().display().to_string();
        end.with("draft", path.clone())
            .line(format!("What you typed is kept in {path}"))
            .next(self.session.command("edit", &["--resume"]))
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

/// Whether somebody left the marks in that stand between both sides of a conflict.
fn has_marks(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("<<<<<<< theirs\n") && text.contains(">>>>>>> yours")
}
