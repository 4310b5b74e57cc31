//! Ctrl-C, which is the editor's while one runs.

use anstream::eprintln;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// What a run ends with that was interrupted, as shells have it.
const INTERRUPTED: i32 = 130;

/// How long after an editor has ended an interrupt is still its own: one that ends it is heard of here a little later.
const GRACE: Duration = Duration::from_millis(200);

/// Who interrupts are for.
#[derive(Debug)]
enum Whose {
    /// Ours.
    Ours,
    /// The editor's.
    Editor,
    /// The editor's until just after this.
    EditorUntil(Instant),
}

/// Who interrupts are for.
#[derive(Debug)]
pub(super) struct Interrupts(Arc<Mutex<Whose>>);

impl Interrupts {
    /// From now on an interrupt ends the run with a word about the draft, but for while an editor has them. A terminal
    /// sends one to both.
    pub(super) fn watch(resume: String) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("interrupts cannot be watched: {error}");
        let whose = Arc::new(Mutex::new(Whose::Ours));
        let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
        // Before the thread begins, so that none is missed.
        let mut interrupts = {
            let _entered = runtime.enter();
            signal(SignalKind::interrupt()).map_err(failed)?
        };
        let watched = Arc::clone(&whose);
        thread::spawn(move || {
            runtime.block_on(async {
                while interrupts.recv().await.is_some() {
                    let is_ours = match *watched.lock().unwrap_or_else(PoisonError::into_inner) {
                        Whose::Ours => true,
                        Whose::Editor => false,
                        Whose::EditorUntil(end) => end.elapsed() > GRACE,
                    };
                    if is_ours {
                        end(&resume);
                    }
                }
            });
        });
        Ok(Self(whose))
    }

    /// An editor has them, or has them no more.
    pub(super) fn leave_to_editor(&self, has: bool) {
        let whose = if has { Whose::Editor } else { Whose::EditorUntil(Instant::now()) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = whose;
    }
}

#[expect(
    clippy::exit,
    reason = "an interrupt ends a run wherever it is; all that must outlive it is on disk"
)]
fn end(resume: &str) {
    eprintln!(
        "\nInterrupted. What you typed is kept; if it was just being saved, nobody can say whether it was:\n  {resume}"
    );
    std::process::exit(INTERRUPTED);
}
