//! Power failures, acted out on copies of a killed process's files: the log cut or spoilt behind what was flushed, and
//! the database file caught in the middle of a checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use ifmatch_core::Expected;
use ifmatch_store::conformance::block_on;
use ifmatch_store::{Committed, Document, OpenError, Options, Snapshot, Sqlite, Store, Transaction};

use crate::child::{self, Running};

const DATABASE: &str = "ifmatch.db";
const LOG: &str = "ifmatch.db-wal";

/// Of both documents, which change together. Of every size around a page.
fn content(count: usize) -> String {
    format!("{count} {}", "x".repeat(count * 1237 % 9000))
}

/// Run as a child: tells after each commit how long the log is, and waits to be killed.
#[test]
fn child_tells_the_log() {
    let Some(folder) = child::folder() else { return };
    let store = Sqlite::open(&folder, Options::default()).expect("it opens");
    for count in 1.. {
        let document = Document::new(content(count));
        let both = Transaction::new().put("/a", Expected::Any, document.clone()).put(
            "/c/b",
            Expected::Any,
            document,
        );
        assert!(matches!(block_on(store.commit(both)), Ok(Committed::Done(_))));
        child::tell(&store.stats().wal_bytes.to_string());
    }
}

/// The files of a process that was killed after some commits.
struct Remains {
    _folder: tempfile::TempDir,
    path: PathBuf,
    database: Vec<u8>,
    log: Vec<u8>,
    /// Length of the log after each commit, the first of which is at index 1.
    flushed: Vec<usize>,
}

impl Remains {
    fn after(commits: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().to_owned();
        let mut child = Running::start(child::command("power::child_tells_the_log", &path));
        let mut told: Vec<String> = std::iter::from_fn(|| child.next()).take(commits).collect();
        told.extend(child.kill());
        let lengths = told.iter().map(|line| line.parse::<usize>().expect("a number"));
        let flushed: Vec<usize> = std::iter::once(0).chain(lengths).collect();
        let database = fs::read(path.join(DATABASE)).expect("readable");
        let log = fs::read(path.join(LOG)).expect("readable");
        assert!(flushed.is_sorted() && flushed[commits] <= log.len(), "the log did not begin anew");
        Self { _folder: folder, path, database, log, flushed }
    }

    /// Opens a store with these files in place of the real ones.
    fn with(&self, database: &[u8], log: &[u8]) -> Result<Sqlite, OpenError> {
        let folder = &self.path;
        fs::remove_file(folder.join("ifmatch.db-shm")).unwrap_or_default();
        fs::write(folder.join(DATABASE), database).expect("writable");
        fs::write(folder.join(LOG), log).expect("writable");
        Sqlite::open(folder, Options::default())
    }

    /// How many commits were flushed within so many bytes of log.
    fn commits_within(&self, bytes: usize) -> usize {
        self.flushed.iter().rposition(|flushed| *flushed <= bytes).unwrap_or(0)
    }

    fn assert_holds(&self, store: &Sqlite, commits: usize, what: &str) {
        for key in ["/a", "/c/b"] {
            match store.read(key).expect("readable") {
                Snapshot::Present { document, .. } => {
                    assert_eq!(
                        document.content,
                        content(commits),
                        "{what}: {key} should be of commit {commits}"
                    );
                }
                Snapshot::Absent => assert_eq!(commits, 0, "{what}"),
                Snapshot::Deleted(_) => unreachable!("{what}: nothing was deleted"),
            }
        }
        let next = Transaction::new().put("/a", Expected::Any, Document::new("next"));
        let Ok(Committed::Done(stamps)) = block_on(store.commit(next)) else {
            unreachable!("{what}: it writes")
        };
        assert_eq!(stamps[0].revision.0, commits as u64 * 2 + 1, "{what}: no revision used twice or lost");
    }
}

fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).expect("31 bits")
}

#[test]
fn a_log_cut_or_spoilt_anywhere_keeps_what_was_flushed_before() {
    const FRAME_BYTES: usize = 4096 + 24;
    let remains = Remains::after(30);
    let mut seed = 7;
    let frame_ends = (0..remains.log.len() / FRAME_BYTES).map(|frames| 32 + frames * FRAME_BYTES);
    let edges = frame_ends.step_by(16).flat_map(|end| [end - 1, end, end + 1, end + 24]);
    let anywhere: Vec<usize> = (0..12).map(|_| random(&mut seed) % remains.log.len()).collect();
    for cut in edges.chain(anywhere).chain([0, 1, 31]).filter(|cut| *cut < remains.log.len()) {
        let commits = remains.commits_within(cut);
        let log = &remains.log[..cut];
        let missing = remains.log.len() - cut;
        let zeros: Vec<u8> = log.iter().copied().chain(std::iter::repeat_n(0, missing)).collect();
        let noise: Vec<u8> =
            log.iter().copied().chain((0..missing).map(|_| random(&mut seed).to_le_bytes()[0])).collect();
        for (what, log) in [("cut", log), ("zeros", &zeros), ("noise", &noise)] {
            let store = remains.with(&remains.database, log).expect("it opens");
            remains.assert_holds(&store, commits, &format!("{what} from {cut}"));
        }
    }
}

#[test]
fn a_checkpoint_torn_anywhere_is_completed_from_the_log() {
    const SECTOR_BYTES: usize = 512;
    let remains = Remains::after(30);
    let commits = remains.commits_within(remains.log.len());
    // A clean end copies all of the log: this is what the file is on its way to.
    drop(remains.with(&remains.database, &remains.log).expect("it opens"));
    let after = fs::read(remains.path.join(DATABASE)).expect("readable");
    let mut seed = 11;
    for round in 0..25 {
        let length = match round % 3 {
            0 => after.len(),
            1 => remains.database.len(),
            _ => remains.database.len() + random(&mut seed) % (after.len() - remains.database.len() + 1),
        };
        let mut torn = after[..length].to_vec();
        for (index, sector) in torn.chunks_mut(SECTOR_BYTES).enumerate() {
            if random(&mut seed).is_multiple_of(2) {
                let from = index * SECTOR_BYTES;
                match remains.database.get(from..from + sector.len()) {
                    Some(before) => sector.copy_from_slice(before),
                    None => sector.fill(0),
                }
            }
        }
        let store = remains.with(&torn, &remains.log).expect("it opens");
        remains.assert_holds(&store, commits, &format!("round {round}"));
    }
}

/// Damage in the middle of the log, before groups that were flushed later, is no torn tail: what was acknowledged would
/// be lost silently.
#[test]
fn a_hole_in_the_log_is_refused() {
    let remains = Remains::after(30);
    let mut seed = 13;
    let last = remains.commits_within(remains.log.len());
    for round in 0..30 {
        // Anywhere before the last two commits.
        let at = 32 + random(&mut seed) % (remains.flushed[last - 2] - 32);
        let mut spoilt = remains.log.clone();
        spoilt[at] ^= 1 << (round % 8);
        let error = remains.with(&remains.database, &spoilt).err();
        let Some(OpenError::Damaged { path, problem }) = &error else {
            unreachable!("octet {at} was changed: {error:?}")
        };
        assert!(path.ends_with(Path::new(LOG)) && problem.contains("behind"), "{problem}");
        assert!(fs::read(remains.path.join(LOG)).expect("readable") == spoilt, "it was touched");
        assert!(
            fs::read(remains.path.join(DATABASE)).expect("readable") == remains.database,
            "it was touched"
        );
    }
}
