//! Running this binary again as a process of its own: one that is killed, that fails, or that settles.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

const FOLDER: &str = "IFMATCH_STATE_TEST_FOLDER";

/// In a child: the folder it was given. `None` when the test runs as a test.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// In a child: tells the parent. Returns after the line has left this process.
pub(crate) fn tell(line: &str) {
    // One write per line, so that lines of several threads do not mix and a kill cuts none in two.
    std::io::stdout().lock().write_all(format!("\n@{line}\n").as_bytes()).expect("the parent listens");
}

/// A test of this binary, run in a process of its own. A write past a limit on sizes is an error there, no signal.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(test: &str, folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        command.arg(std::env::current_exe().expect("this binary has a path"));
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("this binary runs");
        let output = child.stdout.take().expect("it is piped");
        Self { child, lines: BufReader::new(output).lines() }
    }

    /// What it tells next; `None` when it has ended.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix('@').map(str::to_owned))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and what it had told by then.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it can be killed");
        let rest = std::iter::from_fn(|| self.next()).collect();
        self.child.wait().expect("it has ended");
        rest
    }

    /// Waits for its end, which must be a good one; what it told.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let told: Vec<String> = std::iter::from_fn(|| self.next()).collect();
        let status = self.child.wait().expect("it has ended");
        assert!(status.success(), "{status}: {told:?}");
        told
    }
}
