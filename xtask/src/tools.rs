//! What the tasks need from outside, and how it gets there.

use crate::run::{run, works};
use crate::{Result, workspace};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

/// Where Python is looked for.
const PYTHONS: &[&str] = &["python3", "/usr/bin/python3"];

/// What Debian asks whether a service may be started when its package is installed.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

/// Where the packages are of the servers that nobody here wrote; the testkit looks for them there.
const UPSTREAMS: &str = "target/upstreams";

const PYTHON_PACKAGES: [&str; 8] = [
    "cheroot==11.1.2",
    "django==5.2.19",
    "flask==3.0.3",
    "flask-smorest==0.47.0",
    "kinto==26.5.0",
    "radicale==3.9.0",
    "waitress==3.0.2",
    "wsgidav==4.3.3",
];

/// In the folder of the packages of Python: the interpreter they were installed with and for, and which they are. The
/// testkit reads its first line.
const INSTALLED: &str = "installed";

const NPM_PACKAGE: &str = "json-server";
const NPM_VERSION: &str = "0.17.4";

/// A program that is not ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    Curl,
    Python,
    PythonRequests,
    Node,
    Chromium,
    Pip,
    Npm,
    Nginx,
    Apache,
    Lighttpd,
    LighttpdDav,
}

impl Tool {
    /// Under which names it is looked for; the first that works is taken.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Curl => &["curl"],
            Self::Python | Self::PythonRequests => PYTHONS,
            Self::Node => &["node", "nodejs", "/usr/bin/node"],
            Self::Chromium => &["chromium", "chromium-browser", "google-chrome"],
            Self::Pip => PYTHONS,
            Self::Npm => &["npm"],
            Self::Nginx => &["nginx", "/usr/sbin/nginx"],
            Self::Apache => &["apache2", "/usr/sbin/apache2"],
            Self::Lighttpd => &["lighttpd", "/usr/sbin/lighttpd"],
            // Not a program but a module.
            Self::LighttpdDav => &["test"],
        }
    }

    /// What shows that it is there and new enough.
    fn probe(self) -> &'static [&'static str] {
        match self {
            // Knows %header{} since 7.84.
            Self::Curl => &["--silent", "--fail", "--write-out", "%header{x}", "file:///dev/null"],
            Self::Python => &["-c", "import http.server"],
            Self::PythonRequests => &["-c", "import requests"],
            Self::Node => &["--eval", "if (typeof fetch !== 'function') process.exit(1)"],
            Self::Chromium | Self::Npm => &["--version"],
            Self::Pip => &["-m", "pip", "--version"],
            Self::Nginx | Self::Apache | Self::Lighttpd => &["-v"],
            Self::LighttpdDav => &["-f", "/usr/lib/lighttpd/mod_webdav.so"],
        }
    }

    /// The Debian packages that bring it.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Curl => &["curl"],
            Self::Python => &["python3"],
            Self::PythonRequests => &["python3", "python3-requests"],
            Self::Node => &["nodejs"],
            Self::Chromium => &["chromium"],
            Self::Pip => &["python3", "python3-pip"],
            Self::Npm => &["npm"],
            // Its DAV module is built in.
            Self::Nginx => &["nginx"],
            Self::Apache => &["apache2"],
            Self::Lighttpd => &["lighttpd"],
            Self::LighttpdDav => &["lighttpd-mod-webdav"],
        }
    }

    fn find(self) -> Option<&'static str> {
        self.names().iter().copied().find(|name| works(Command::new(name).args(self.probe())))
    }
}

/// The program for a tool; installed first if it is missing and that is possible.
pub(crate) fn need<const N: usize>(tools: [Tool; N]) -> Result<[&'static str; N]> {
    let missing = |tools: &[Tool]| -> Vec<&'static str> {
        let missing = tools.iter().filter(|tool| tool.find().is_none());
        missing.flat_map(|tool| tool.packages()).copied().collect()
    };
    let packages = missing(&tools);
    if !packages.is_empty() {
        install(&packages)?;
        let still = missing(&tools);
        if !still.is_empty() {
            return Err(format!("{} were installed but do not work or are too old", still.join(", ")));
        }
    }
    Ok(tools.map(|tool| tool.find().unwrap_or_default()))
}

fn install(packages: &[&str]) -> Result {
    let by_hand = format!("install them: apt-get install {}", packages.join(" "));
    if !works(Command::new("apt-get").arg("--version")) {
        return Err(format!("programs are missing and there is no apt-get here; {by_hand}"));
    }
    if !is_root() {
        return Err(format!("programs are missing and only root may install them; {by_hand}"));
    }
    println!("installing {}", packages.join(", "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        run(command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet").args(arguments))
    };
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    let _quiet = NoServices::begin()?;
    apt(&["update"]).and_then(|()| apt(&arguments)).map_err(|error| format!("{error}; {by_hand}"))
}

/// While it lives, no package that is installed starts a service. It leaves a policy alone that is there already.
struct NoServices {
    is_ours: bool,
}

impl NoServices {
    fn begin() -> Result<Self> {
        let is_ours = !Path::new(SERVICE_POLICY).exists();
        if is_ours {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(0o755);
            // 101: not allowed.
            let written =
                options.open(SERVICE_POLICY).and_then(|mut file| file.write_all(b"#!/bin/sh\nexit 101\n"));
            written.map_err(|error| format!("{SERVICE_POLICY} cannot be written: {error}"))?;
        }
        Ok(Self { is_ours })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = fs::remove_file(SERVICE_POLICY)
        {
            println!("{SERVICE_POLICY} is to be removed by hand: {error}");
        }
    }
}

fn is_root() -> bool {
    crate::run::output(Command::new("id").arg("--user")).is_ok_and(|id| id.trim() == "0")
}

/// A component of the toolchain, as `cargo COMMAND`.
pub(crate) fn rust_component(component: &str, command: &str) -> Result {
    if works(&mut crate::run::cargo([command, "--version"])) {
        return Ok(());
    }
    if !works(Command::new("rustup").arg("--version")) {
        return Err(format!("{component} is missing and there is no rustup to install it with"));
    }
    run(Command::new("rustup").args(["component", "add", component]))
}

/// The servers that nobody here wrote: the system's, and packages of their own.
pub(crate) fn upstreams() -> Result {
    let [_, _, _, _, python, npm, _] = need([
        Tool::Nginx,
        Tool::Apache,
        Tool::Lighttpd,
        Tool::LighttpdDav,
        Tool::Pip,
        Tool::Npm,
        Tool::Node,
    ])?;
    let folder = workspace::root().join(UPSTREAMS);
    python_packages(python, &folder)?;
    npm_package(npm, &folder.join("npm"))
}

/// Installs them beside what is there and then takes its place, so that it is never half there.
fn python_packages(python: &str, above: &Path) -> Result {
    let folder = above.join("python");
    let packages = PYTHON_PACKAGES.join("\n");
    let installed = fs::read_to_string(folder.join(INSTALLED)).unwrap_or_default();
    if let Some((interpreter, what)) = installed.split_once('\n')
        && what.trim_end() == packages
        && works(Command::new(interpreter).arg("--version"))
    {
        return Ok(());
    }
    println!("installing {}", PYTHON_PACKAGES.join(", "));
    let failed = |error: std::io::Error| format!("{UPSTREAMS} cannot be made: {error}");
    // What a name like python3 stands for may depend on where and when it is called.
    let interpreter =
        crate::run::output(Command::new(python).args(["-c", "import sys; print(sys.executable)"]))?;
    let new = above.join(format!("python-{}", std::process::id()));
    fs::create_dir_all(&new).map_err(failed)?;
    let mut command = Command::new(interpreter.trim());
    command.args(["-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check"]);
    command
        .args(["--root-user-action=ignore", "--no-warn-conflicts", "--target"])
        .arg(&new)
        .args(PYTHON_PACKAGES);
    let stamp = format!("{}\n{packages}\n", interpreter.trim());
    let done = run(&mut command)
        .and_then(|()| fs::write(new.join(INSTALLED), stamp).map_err(failed))
        .and_then(|()| if folder.exists() { fs::remove_dir_all(&folder).map_err(failed) } else { Ok(()) })
        .and_then(|()| fs::rename(&new, &folder).map_err(failed));
    if done.is_err() {
        // What failed is what counts.
        drop(fs::remove_dir_all(&new));
    }
    done
}

fn npm_package(npm: &str, folder: &Path) -> Result {
    let description = folder.join("node_modules").join(NPM_PACKAGE).join("package.json");
    let version = format!("\"version\": \"{NPM_VERSION}\"");
    if fs::read_to_string(description).is_ok_and(|text| text.contains(&version)) {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|error| format!("{UPSTREAMS} cannot be made: {error}"))?;
    let mut command = Command::new(npm);
    command.args(["install", "--no-audit", "--no-fund", "--loglevel", "error", "--prefix"]);
    run(command.arg(folder).arg(format!("{NPM_PACKAGE}@{NPM_VERSION}")))
}
