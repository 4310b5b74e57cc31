//! Servers that do not start, and what they leave behind: nothing.

use super::assert_no_run;
use crate::support::{Server, TIMEOUT, ifmatch, listening};
use ifmatch_testkit::process;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// Flags for a free port and a data folder.
fn serve<'a>(data: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let data = data.to_str().unwrap();
    let mut args = vec!["serve", "--data", data];
    for (flag, value) in [("--listen", "127.0.0.1:0"), ("--admin", "off")] {
        if !more.contains(&flag) {
            args.extend([flag, value]);
        }
    }
    args.extend(more);
    args
}

#[test]
fn a_port_that_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin"] {
        let words = [address.as_str(), "another process is listening", flag, "127.0.0.1:0"];
        assert_no_run(&serve(&data, &[flag, &address]), &words);
        assert!(!data.exists(), "nothing is made for a server that does not start");
    }
    // Servers share their port among their own workers, not with each other.
    let server = Server::start();
    let address = server.address().to_string();
    assert_no_run(&serve(&data, &["--listen", &address]), &[&address, "another process is listening"]);
    server.assert_well();
}

#[test]
fn an_address_others_can_reach() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for address in ["0.0.0.0:0", "[::]:0"] {
        assert_no_run(&serve(&data, &["--listen", address]), &[address, "--insecure-public", "127.0.0.1"]);
        assert_no_run(&serve(&data, &["--admin", address]), &[address, "admin", "loopback"]);
        let admin = serve(&data, &["--admin", address, "--insecure-public"]);
        assert_no_run(&admin, &[address, "admin", "loopback"]);
    }
    assert!(!data.exists());
    // An address this machine does not have.
    let elsewhere = ["--listen", "192.0.2.1:0", "--insecure-public"];
    assert_no_run(&serve(&data, &elsewhere), &["192.0.2.1", "no such address"]);
    // Said so, it serves.
    let args = serve(&data, &["--listen", "0.0.0.0:0", "--insecure-public", "--output", "json"]);
    let mut process = process::Server::spawn(&mut ifmatch(&args)).unwrap();
    let address = process.wait_for_line(TIMEOUT, listening).unwrap();
    assert!(address.ip().is_unspecified() && address.port() != 0);
    assert_eq!(process.terminate(TIMEOUT).unwrap().code(), Some(0));
}

#[test]
fn what_is_announced() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("not/there/yet");
    let args = serve(&data, &["--admin", "127.0.0.1:0", "--output", "json"]);
    let mut process = process::Server::spawn(&mut ifmatch(&args)).unwrap();
    let line =
        process.wait_for_line(TIMEOUT, |line| serde_json::from_str::<serde_json::Value>(line).ok()).unwrap();
    assert_eq!(line["data"], data.to_str().unwrap());
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    let admin = line["admin"].as_str().unwrap().strip_prefix("http://").unwrap().strip_suffix('/').unwrap();
    let admin = admin.parse().unwrap();
    for (path, word) in [("/livez", "ok"), ("/readyz", "ok"), ("/metrics", "ifmatch_store_commits_total 0")] {
        let response =
            ifmatch_testkit::raw::exchange(admin, TIMEOUT, ("GET", path), crate::support::NONE, None)
                .unwrap();
        assert_eq!(response.status, 200, "{path}");
        assert!(response.text().contains(word), "{path}: {}", response.text());
    }
    assert_eq!(process.terminate(TIMEOUT).unwrap().code(), Some(0));
    // For people.
    let mut process = process::Server::spawn(&mut ifmatch(&serve(&data, &["--color", "never"]))).unwrap();
    let line =
        process.wait_for_line(TIMEOUT, |line| line.contains("curl -i -X PUT").then(|| line.to_owned()));
    assert!(line.unwrap().contains("http://127.0.0.1:"));
    assert_eq!(process.terminate(TIMEOUT).unwrap().code(), Some(0));
}

#[test]
fn a_data_folder_that_cannot_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "something else").unwrap();
    for data in [file.clone(), file.join("below")] {
        assert_no_run(&serve(&data, &[]), &[data.to_str().unwrap(), "data folder"]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "something else");
    // Where not even root may make one.
    let system = PathBuf::from("/sys/ifmatch-data");
    assert_no_run(&serve(&system, &[]), &["/sys/ifmatch-data", "data folder"]);
}

#[test]
fn a_data_folder_in_use() {
    let mut server = Server::start();
    let tag = server.create("/a", b"1");
    let data = server.data().to_owned();
    let pid = server.process().id().to_string();
    assert_no_run(&serve(&data, &[]), &[data.to_str().unwrap(), "is used by", &format!("process id {pid}")]);
    server.assert_is("/a", &tag, b"1");
    // And free again after a kill, which leaves the lock file behind.
    server.process().kill().unwrap();
    let server = Server::start_on(&data, &[]);
    server.assert_is("/a", &tag, b"1");
}

/// Every file of a data folder but the lock, which names its last holder, and the memory SQLite shares, which it makes
/// anew.
fn contents(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("ifmatch.lock") && !path.ends_with("ifmatch.db-shm"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_damaged_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start_on(&data, &[]);
    for index in 0..50 {
        server.create(&format!("/a/{index}"), &[b'x'; 3000]);
    }
    assert_eq!(server.process().terminate(TIMEOUT).unwrap().code(), Some(0));
    let database = data.join("ifmatch.db");
    let whole = fs::read(&database).unwrap();
    assert!(whole.len() > 100_000);
    let damages: [(&str, Vec<u8>); 5] = [
        ("something else", b"this is no database".repeat(1000)),
        ("empty", Vec::new()),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("overwritten", [&whole[..4096], &[0xff; 8192], &whole[12_288..]].concat()),
        ("head overwritten", [&[0; 100], &whole[100..]].concat()),
    ];
    for (what, damaged) in damages {
        fs::write(&database, damaged).unwrap();
        let before = contents(&data);
        let words = ["ifmatch.db", "is damaged", "it was left as it is"];
        assert_no_run(&serve(&data, &[]), &words);
        assert!(contents(&data) == before, "{what}: it was not left as it is");
    }
    // Nor is the database of another program touched.
    let mut foreign = whole.clone();
    foreign[68..72].copy_from_slice(b"else");
    fs::write(&database, foreign).unwrap();
    let before = contents(&data);
    assert_no_run(&serve(&data, &[]), &["ifmatch.db", "not one of ifmatch"]);
    assert!(contents(&data) == before);
    // The whole one is as good as ever.
    fs::write(&database, whole).unwrap();
    let server = Server::start_on(&data, &[]);
    assert_eq!(server.get("/a/49").content, [b'x'; 3000]);
}
