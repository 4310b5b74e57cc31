//! Listing and settling doubts from another process, whether the gateway runs or not.

use super::counters::is_finished_in;
use super::doubts::{DoubtView, RESTART};
use super::error::{Holder, StateError};
use super::folder::Visit;
use super::header::{Found, Header};
use super::open::{COUNTERS, SLOTS};
use super::record::{Phase, Read, Record};
use super::slots::{Contents, SlotFile};
use std::io;
use std::path::Path;

/// A doubt that was settled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// Which one.
    pub doubt: DoubtView,
    /// The gateway that releases it, within a quarter of a second; `None`: none runs, the next one will.
    pub by: Option<Holder>,
}

/// Writes that are under way or in doubt, in the order in which they began. If no gateway runs, nobody awaits an answer
/// any more, and all are in doubt.
///
/// # Errors
/// [`StateError::NoState`] if that is no state folder; [`StateError::Damaged`] and [`StateError::Io`] if it cannot be
/// read.
pub fn list(dir: &Path) -> Result<Vec<DoubtView>, StateError> {
    let visit = Visit::new(dir)?;
    let contents = read(dir)?.1;
    let mut views = views(dir, &contents, &visit)?;
    views.sort_by_key(|view| (view.since_ms, view.id));
    Ok(views)
}

/// Says that the write of that id has ended, one way or the other, and holds nobody back any longer. Its count advances.
///
/// # Errors
/// Those of [`list`]; [`StateError::NoSuchDoubt`] if there is none of that id; [`StateError::UnderWay`] if a gateway
/// still awaits its answer. Nothing was settled.
pub fn settle(dir: &Path, id: u64) -> Result<Settled, StateError> {
    // As long as nobody has the folder, nobody gets it before this is done.
    let visit = Visit::new(dir)?;
    let path = dir.join(SLOTS);
    let (_, contents) = read(dir)?;
    let views = views(dir, &contents, &visit)?;
    let in_doubt = || views.iter().filter(|view| view.phase == Phase::InDoubt).map(|view| view.id).collect();
    let missing = || StateError::NoSuchDoubt { dir: dir.to_owned(), id, existing: in_doubt() };
    let doubt = views.iter().find(|view| view.id == id).ok_or_else(missing)?.clone();
    let by = match visit {
        Visit::Running(holder) if doubt.phase == Phase::UnderWay => {
            return Err(StateError::UnderWay { id, holder });
        }
        Visit::Running(holder) => Some(holder),
        Visit::Alone { .. } => None,
    };
    let file = SlotFile::open(&path).map_err(StateError::io(&path, "open"))?;
    let written = match contents.head.hold {
        Some(hold) if id == RESTART => file.settle_hold(hold.since_ms),
        _ => {
            let of_id = |(_, read): &&(u32, Read)| matches!(read, Read::Record { record, .. } if record.write.id == id);
            let (slot, _) = contents.taken.iter().find(of_id).ok_or_else(missing)?;
            file.settle(*slot, id)
        }
    };
    written.map_err(StateError::io(&path, "write"))?;
    Ok(Settled { doubt, by })
}

fn read(dir: &Path) -> Result<(usize, Contents), StateError> {
    let path = dir.join(SLOTS);
    let file = match SlotFile::open_to_read(&path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(StateError::NoState { dir: dir.to_owned() });
        }
        other => other.map_err(StateError::io(&path, "open"))?,
    };
    let counters = match Header::read(&dir.join(COUNTERS))? {
        Found::Whole(header) => header.counters as usize,
        _ => usize::MAX,
    };
    let contents = file.read(counters).map_err(StateError::io(&path, "read"))?;
    Ok((counters, contents.map_err(|problem| StateError::Damaged { path, problem })?))
}

fn views(dir: &Path, contents: &Contents, visit: &Visit) -> Result<Vec<DoubtView>, StateError> {
    let running = matches!(visit, Visit::Running(_));
    let mut views = Vec::new();
    let hold = contents.head.hold.filter(|_| !contents.head.hold_settled);
    views.extend(hold.map(|hold| DoubtView::of_hold(&hold)));
    for (_, read) in &contents.taken {
        let Read::Record { record, settled: false } = read else { continue };
        let Record { write, phase, marked, until_ms, label, .. } = record;
        if *marked && *phase == Phase::UnderWay && is_finished(dir, record)? {
            continue;
        }
        // Without a gateway nobody awaits it, and how long it is held is up to the next one.
        let (phase, until_ms) = match phase {
            _ if !running => (Phase::InDoubt, None),
            Phase::UnderWay => (Phase::UnderWay, None),
            Phase::InDoubt => (Phase::InDoubt, Some(*until_ms)),
        };
        views.push(DoubtView::of_write(write, label, phase, until_ms));
    }
    Ok(views)
}

fn is_finished(dir: &Path, record: &Record) -> Result<bool, StateError> {
    let path = dir.join(COUNTERS);
    match is_finished_in(&path, record.write.counter, record.write.id) {
        // Without its counter nothing says that it has finished.
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            Ok(false)
        }
        other => other.map_err(StateError::io(&path, "read")),
    }
}
