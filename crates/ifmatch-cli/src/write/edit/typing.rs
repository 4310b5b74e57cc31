//! What somebody typed, and what an editor left of it.

use super::super::end::End;
use super::super::show::Layout;
use super::super::{answer, is_asked};
use super::interrupts::Interrupts;
use super::{Editing, Step, editor, to_edit};
use crate::exit::{Exit, Failure};
use ifmatch_core::json;
use serde_json::Value;
use std::time::{Duration, Instant};

/// An editor that comes back sooner, with nothing changed, may only have asked a window that is open already to show the
/// file: nobody has read and decided in that time.
const AT_ONCE: Duration = Duration::from_secs(2);

impl Editing<'_> {
    /// Lets somebody type, and looks at what was typed.
    pub(super) fn type_in(&mut self, editor: &str) -> Result<Step, Failure> {
        let before = self.draft.text()?;
        let interrupts = match self.interrupts.take() {
            Some(interrupts) => interrupts,
            None => Interrupts::watch(self.session.command("edit", &["--resume"]))?,
        };
        interrupts.leave_to_editor(true);
        let began = Instant::now();
        let ended = editor::open(editor, &self.draft.path());
        let is_at_once = began.elapsed() < AT_ONCE;
        interrupts.leave_to_editor(false);
        self.interrupts = Some(interrupts);
        self.session.reconnect()?;
        let Ok(text) = self.draft.text() else { return self.left_nothing(&before, ended) };
        let is_untouched = self.is_untouched(&text)?;
        if let Err(why) = ended {
            // What an editor left beside the file may hold what it could not save.
            if is_untouched && !self.draft.has_others() {
                self.draft.remove()?;
                return Err(Failure::from(format!("{why}. Nothing was sent.")));
            }
            return Ok(Step::End(self.parked("parked", Exit::Finding, &format!("{why}. Nothing was sent."))));
        }
        if has_marks(&text) {
            return Ok(self.type_again("the marks between both sides are still there"));
        }
        let base = self.draft.base()?;
        match self.content(&text, &base) {
            Err(why) => Ok(self.type_again(&format!("what you typed is not JSON: {why}"))),
            Ok(content) if content == base => Ok(Step::End(self.unchanged(is_at_once)?)),
            Ok(content) => Ok(Step::Write(content)),
        }
    }

    /// Whether there is nothing in this text that was not in what it was made from.
    pub(super) fn is_untouched(&self, text: &[u8]) -> Result<bool, Failure> {
        let base = self.draft.base()?;
        let is_as_it_began = to_edit(&base).is_some_and(|(begun, _)| begun == text);
        Ok(is_as_it_began || self.content(text, &base).is_ok_and(|content| content == base))
    }

    fn unchanged(&mut self, is_at_once: bool) -> Result<End, Failure> {
        let end = End::new(&self.session, "edit", "unchanged", Exit::Fine, Some(false));
        let end = end.say("nothing was changed, so nothing was sent.");
        if !is_at_once && !self.draft.has_others() {
            self.draft.remove()?;
            return Ok(end);
        }
        let path = self.draft.path().display().to_string();
        Ok(end
            .with("draft", path.clone())
            .line(format!("The editor came back at once. If it is still open, save there: the file stays, {path}"))
            .line("Go on with it then, or throw it away. To have this command wait: --editor 'code --wait', or the like.")
            .next(self.session.command("edit", &["--resume"]))
            .next(self.session.command("edit", &["--discard"])))
    }

    /// The editor left no file that can be read: what stood in it before is put back.
    fn left_nothing(&mut self, before: &[u8], ended: Result<(), String>) -> Result<Step, Failure> {
        let place = self.draft.path().display().to_string();
        self.draft.put_back(&self.session, before)?;
        let why = ended.err().map(|why| format!(", and {why}")).unwrap_or_default();
        let said = format!("the editor left no file at {place}{why}. Nothing was sent.");
        let end = self.parked("parked", Exit::Finding, &said);
        let end = end.line("It has what stood there before. To throw it away, the second:");
        Ok(Step::End(end.next(self.session.command("edit", &["--discard"]))))
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
    pub(super) fn content(&self, text: &[u8], base: &[u8]) -> Result<Vec<u8>, String> {
        if !self.draft.is_json() {
            return Ok(text.to_vec());
        }
        let value = json::parse(text)?;
        // Nothing was changed if nothing was but the layout, which is the editor's.
        let is_same = |base: &Value| format!("{base}") == format!("{value}");
        if json::parse(base).is_ok_and(|base| is_same(&base)) {
            return Ok(base.to_vec());
        }
        let layout = Layout::of(if base.is_empty() { text } else { base });
        Ok(if layout.is_chosen() { layout.ended(text) } else { layout.write(&value) })
    }
}

/// Whether somebody left the marks in that stand between both sides of a conflict.
fn has_marks(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("<<<<<<< theirs\n") && text.contains(">>>>>>> yours")
}
