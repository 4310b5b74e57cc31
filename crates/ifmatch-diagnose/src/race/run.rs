//! The run: control, tests, and putting the original back, whatever comes in between.

use super::evidence::Evidence;
use super::journal::Journal;
use super::prepare::Prepared;
use super::reasons::Halt;
use super::report::Race;
use super::restore::{Ending, Reference, Restored};
use super::session::{Ripens, Session};
use super::watch::{Observer, Stop};
use super::whose::Whose;
use super::{control::Basis, create::Made};
use ifmatch_client::wire::AccessError;
use std::time::Instant;

/// What is known while it runs.
#[derive(Default)]
pub(super) struct Course {
    pub(super) seen: Evidence,
    pub(super) made: Made,
    pub(super) reference: Reference,
    /// Why it ended early.
    pub(super) halt: Option<Halt>,
}

impl Prepared {
    /// Races, and puts the original back: also if it is stopped, or the API goes away for a while. The journal is closed
    /// if the original is back, and kept if it is not.
    ///
    /// # Errors
    /// If a client cannot be set up; nothing was written then.
    pub async fn run(
        &self,
        observer: &dyn Observer,
        stop: &Stop,
        mut journal: Option<Journal>,
    ) -> Result<Race, AccessError> {
        let started = Instant::now();
        let mut session = self.session(observer, stop.clone())?;
        let mut course = Course::default();
        session.whose = Whose::of(self.original.content.clone(), Vec::new());
        let ended = self.race(&mut session, &mut course, journal.as_mut()).await;
        course.halt = ended.err();
        course.reference = session.whose.reference();
        course.seen.repeated_tag = session.validators.repeated.clone();
        course.seen.repeated_date = session.validators.repeated_date.clone();
        course.seen.compared = session.validators.compared;
        // Whoever asked for an end wants the original back.
        session.stop = Stop::default();
        // What is there is looked at without giving up.
        session.whose = Whose::default();
        let restored = self.back(&mut session, &course.reference).await;
        let is_back = restored.ending != Ending::NotRestored;
        let kept = match journal {
            Some(journal) if is_back => {
                journal.close();
                None
            }
            Some(journal) => Some(journal.path().to_owned()),
            None => None,
        };
        Ok(Race::new(self, &session, course, restored, kept, started.elapsed()))
    }

    async fn back(&self, session: &mut Session<'_>, reference: &Reference) -> Restored {
        if session.marks.count() == 0 {
            let tag = self.original.tag.as_ref().map(ToString::to_string);
            let says = "Nothing was written.".to_owned();
            return Restored { ending: Ending::Untouched, tag_before: tag.clone(), tag_after: tag, says };
        }
        session.reconnect();
        session.restore(&self.original, reference).await
    }

    async fn race(
        &self,
        session: &mut Session<'_>,
        course: &mut Course,
        mut journal: Option<&mut Journal>,
    ) -> Result<(), Halt> {
        if let Some(journal) = &mut journal {
            self.note(journal, session, None)?;
        }
        let basis = session.control(&self.changes, &self.original).await?;
        let now = session.read().await?;
        session.whose.settle(&session.change, &session.marks, &now)?;
        course.reference = session.whose.reference();
        if let Some(journal) = journal {
            self.note(journal, session, Some(&course.reference))?;
        }
        let seen = &mut course.seen;
        (seen.right, seen.bare, seen.serial) = (basis.right.clone(), basis.bare.clone(), basis.serial);
        let has_strong = matches!(session.ripens, Ripens::After(_));
        seen.has_tag = has_strong || now.tag.as_ref().is_some_and(|tag| !tag.is_weak());
        seen.has_weak_tag = !has_strong && now.tag.as_ref().is_some_and(ifmatch_client::Tag::is_weak);
        self.tests(session, &basis, course).await
    }

    async fn tests(&self, session: &mut Session<'_>, basis: &Basis, course: &mut Course) -> Result<(), Halt> {
        let Course { seen, made, .. } = course;
        session.unconditional(&mut seen.unconditional).await?;
        session.stale(basis, seen).await?;
        session.together(basis, seen).await?;
        session.rush(basis, seen).await?;
        session.existing(basis, seen).await?;
        if let Some(create) = &self.plan.create {
            session.created(create, basis, &self.original, seen, made).await?;
        }
        Ok(())
    }
}
