//! Where the programs are that are not the system's, and what to do if one is missing.

use super::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What to do if a server cannot be run.
pub(super) const MISSING: &str = "`cargo xtask upstreams` installs what is missing (Debian packages nginx, apache2, \
                                  lighttpd and lighttpd-mod-webdav as root; Python and Node packages into \
                                  target/upstreams)";

/// In the folder of the packages of Python; its first line is the interpreter that they were installed with and for.
const INSTALLED: &str = "installed";

/// Where packages are that are not the system's.
fn packages() -> PathBuf {
    // crates/ifmatch-testkit is two below the root.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/upstreams")
}

/// The path of an app that stands beside this file.
fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/servers/apps").join(name)
}

/// The interpreter that has the packages, without arguments.
pub(super) fn python() -> Result<Command, Error> {
    let packages = packages().join("python");
    let installed = fs::read_to_string(packages.join(INSTALLED)).unwrap_or_default();
    let Some(interpreter) = installed.lines().next() else {
        return Err(Error::new(format!("no packages of Python in {}; {MISSING}", packages.display())));
    };
    let mut command = Command::new(interpreter);
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// An app that stands beside this file, with its arguments.
pub(super) fn python_app<S: AsRef<OsStr>>(name: &str, arguments: &[S]) -> Result<Command, Error> {
    let mut command = python()?;
    command.arg(app(name)).args(arguments);
    Ok(command)
}

/// A script that came with a package of Node.
pub(super) fn node(script: &str) -> Result<Command, Error> {
    let script = packages().join("npm/node_modules").join(script);
    if !script.exists() {
        return Err(Error::new(format!("no {}; {MISSING}", script.display())));
    }
    let mut command = Command::new("node");
    command.arg(script);
    Ok(command)
}

/// The first of these that can be run.
pub(super) fn program(names: [&'static str; 2], probe: &str) -> Result<Command, Error> {
    let works = |name: &&'static str| {
        let mut command = Command::new(name);
        command.arg(probe).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = names.into_iter().find(works);
    Ok(Command::new(found.ok_or_else(|| Error::new(format!("no {}; {MISSING}", names[0])))?))
}
