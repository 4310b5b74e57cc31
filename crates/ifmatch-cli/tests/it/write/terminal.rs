//! With somebody at a terminal.

use super::Desk;
use crate::support::{Server, until};
use ifmatch_testkit::upstream::Scripted;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// A run at a terminal. Dropping it kills it.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen was looked at.
    seen: usize,
}

impl Terminal {
    fn run(mut command: Command) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let user = File::options().read(true).write(true).open(name).unwrap();
        command.stdin(Stdio::from(user.try_clone().unwrap()));
        command.stdout(Stdio::from(user.try_clone().unwrap())).stderr(Stdio::from(user));
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        let child = command.spawn().unwrap();
        // The command holds the terminal's other end; what is read ends when the run does.
        drop(command);
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        let keyboard = File::from(controller);
        let mut reader = keyboard.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, keyboard, screen, seen: 0 }
    }

    /// Waits until this is shown, after what was waited for before.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        self.seen += until(text, || {
            let screen = self.screen.lock().unwrap();
            screen[self.seen..].find(text).map(|at| at + text.len())
        });
    }

    fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    #[track_caller]
    fn ends(&mut self, code: i32) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{}", self.screen.lock().unwrap());
    }

    fn interrupt(&self) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::INT).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, or should not outlive the test.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn served(content: &[u8]) -> (Desk, Server, String) {
    let server = Server::start();
    server.create("/a", content);
    let url = format!("http://{}/a", server.address());
    (Desk::new(), server, url)
}

#[test]
fn content_is_shown_in_colors_and_moves_no_cursor() {
    let (desk, upstream) = (Desk::new(), Scripted::start().unwrap());
    upstream.set("/a", b"{\"a\\u001b[2Jb\":[1,\"x\"]}");
    upstream.set_typed("/t", "text/plain", b"a\x1b[2Jb");
    upstream.set_typed("/b", "text/plain", b"\xff\xfe");
    let url = |path| format!("{}{path}", upstream.url());
    let mut terminal = Terminal::run(desk.command(&["get", &url("/a")]));
    terminal.shows("200");
    terminal.shows("ETag: \"");
    terminal.shows("\u{1b}[");
    terminal.ends(0);
    let mut text = Terminal::run(desk.command(&["get", &url("/t")]));
    text.shows("a\u{fffd}[2Jb");
    text.ends(0);
    assert!(!text.screen.lock().unwrap().contains("\u{1b}[2J"));
    assert!(!terminal.screen.lock().unwrap().contains("\u{1b}[2J"));
    let mut bytes = Terminal::run(desk.command(&["get", &url("/b")]));
    bytes.shows("no text");
    bytes.ends(2);
}

#[test]
fn what_was_not_seen_is_shown_before_it_is_deleted() {
    let (desk, server, url) = served(b"{\"note\":\"mine\"}");
    let mut terminal = Terminal::run(desk.command(&["delete", &url]));
    terminal.shows("\"mine\"");
    terminal.shows("[y/N]");
    terminal.type_in("n\n");
    terminal.ends(2);
    assert_eq!(server.get("/a").status, 200);
    let mut terminal = Terminal::run(desk.command(&["delete", &url]));
    terminal.shows("[y/N]");
    // What is deleted is what was shown.
    let tag = crate::support::tag(&server.get("/a"));
    server.replace("/a", &tag, b"{\"note\":\"theirs\"}");
    terminal.type_in("y\n");
    terminal.shows("412");
    terminal.ends(4);
    let mut terminal = Terminal::run(desk.command(&["delete", &url]));
    terminal.shows("\"theirs\"");
    terminal.shows("[y/N]");
    terminal.type_in("y\n");
    terminal.ends(0);
    server.assert_absent("/a");
}

#[test]
fn what_does_not_fit_together_is_asked_without_being_told_to() {
    let (desk, server, url) = served(b"{\"note\":\"old\",\"n\":1}");
    let other = desk.other(&format!("put {url} note=theirs n:=2"));
    let editor = desk.editor(&format!(r#"{other}; sed -i s/old/new/ "$1""#));
    let mut terminal = Terminal::run(desk.command(&["edit", &url, "--editor", &editor]));
    terminal.shows("changed while you were editing");
    terminal.shows("/note");
    terminal.shows("[m]ine");
    terminal.type_in("p\n");
    terminal.shows("What you typed is kept");
    terminal.ends(1);
    let mut terminal = Terminal::run(desk.command(&["edit", &url, "--editor", "true"]));
    terminal.shows("[r]esume  [d]iscard");
    terminal.type_in("r\n");
    terminal.shows("[m]ine");
    terminal.type_in("m\n");
    terminal.shows("saved");
    terminal.ends(0);
    assert_eq!(server.get("/a").text(), "{\"note\":\"new\",\"n\":2}");
}

#[test]
fn what_is_not_json_is_typed_again() {
    let (desk, server, url) = served(b"{\"note\":\"old\"}");
    let editor =
        desk.editor(r#"test -e once && echo '{"note":"new"}' > "$1" || { touch once; echo '{' > "$1"; }"#);
    let mut terminal = Terminal::run(desk.command(&["edit", &url, "--editor", &editor]));
    terminal.shows("not JSON");
    terminal.type_in("e\n");
    terminal.shows("saved");
    terminal.ends(0);
    assert_eq!(server.get("/a").text(), "{\"note\":\"new\"}");
}

#[test]
fn an_interrupt_is_the_editors_and_then_ends_the_run_with_a_draft() {
    let (desk, server, url) = served(b"{\"note\":\"old\"}");
    let editor =
        desk.editor(r#"echo '{"new"' > "$1"; touch typed; while ! test -e done; do sleep 0.01; done"#);
    let mut terminal = Terminal::run(desk.command(&["edit", &url, "--editor", &editor]));
    until("somebody typed", || desk.path("typed").exists().then_some(()));
    terminal.interrupt();
    desk.write("done", "");
    terminal.shows("not JSON");
    terminal.shows("[e]dit again");
    // Just after the editor has ended an interrupt is still taken for its own.
    until("the run ends", || {
        terminal.interrupt();
        terminal.child.try_wait().unwrap()
    });
    terminal.shows("Interrupted. What you typed is kept");
    terminal.ends(130);
    assert_eq!(desk.drafts().len(), 1);
    assert_eq!(server.get("/a").text(), "{\"note\":\"old\"}");
}
