//! What stops leaves nothing behind.

use ifmatch_testkit::servers::{Files, FilesKind, Kind, Proxy, ProxyKind, Server};
use std::fs;
use std::path::PathBuf;

/// The processes that run: their ids, parents and working folders. One that ends while it is looked at is left out.
fn processes() -> Vec<(u32, u32, PathBuf)> {
    let all = fs::read_dir("/proc").expect("a table of processes").flatten();
    let one = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name stands in parentheses and may have any character in it.
        let (_, after) = stat.rsplit_once(") ")?;
        let parent = after.split(' ').nth(1)?.parse().ok()?;
        Some((id, parent, fs::read_link(entry.path().join("cwd")).ok()?))
    };
    all.filter_map(one).collect()
}

/// Looks at a running server, ends it, and looks again.
fn leaves_nothing(name: &str, id: u32, end: impl FnOnce()) {
    let running = processes();
    let (_, _, folder) = running.iter().find(|(other, ..)| *other == id).expect("it runs");
    let children = running.iter().filter(|(_, parent, _)| *parent == id).count();
    assert_eq!(children, 0, "{name} has children, and they would live on");
    end();
    assert!(!folder.exists(), "{name} left {}", folder.display());
    let left = processes().into_iter().filter(|(_, _, other)| other.starts_with(folder)).count();
    assert_eq!(left, 0, "{name} left a process behind");
}

#[test]
fn no_server_leaves_anything() {
    for kind in Kind::ALL {
        let mut server = Server::start(kind).expect("a running server");
        leaves_nothing(kind.name(), server.process().id(), || drop(server));
    }
}

#[test]
fn no_proxy_leaves_anything() {
    let server = Server::start(Kind::NginxDav).expect("a running server");
    for kind in ProxyKind::ALL {
        let mut proxy = Proxy::start(kind, server.address()).expect("a running proxy");
        leaves_nothing(kind.name(), proxy.process().id(), || drop(proxy));
    }
}

#[test]
fn no_server_of_files_leaves_anything() {
    for kind in FilesKind::ALL {
        let mut files = Files::start(kind).expect("a running server");
        leaves_nothing(kind.name(), files.process().id(), || drop(files));
    }
}
