//! The command line.

use crate::inspect::Inspect;
use crate::race::RaceFlags;
use crate::write;
use clap::{Args, Parser, Subcommand, ValueEnum};
use ifmatch_core::Mode;
use ifmatch_gateway::settings::Origin;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Stops lost updates on HTTP APIs.
///
/// Two clients read version 7, both change it, both write it back: the second write silently erases the first. ifmatch
/// serves resources on which that cannot happen: every write says which version it was made from, or is refused with
/// 428 and told what to send; a write made from an old version is refused with 412.
#[derive(Parser, Debug)]
#[command(name = "ifmatch", version, max_term_width = 100, after_long_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORMAT", help_heading = "Output")]
    pub(crate) output: Output,
    /// When to use color
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = "Output")]
    pub(crate) color: Color,
    /// Only errors on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(crate) quiet: bool,
    /// More on standard error; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  Serve resources from ./ifmatch-data on 127.0.0.1:4428:
    ifmatch serve

  See a write refused that says nothing about what it was made from, then create:
    curl -i -X PUT http://127.0.0.1:4428/notes/1 -d 'first'
    curl -i -X PUT http://127.0.0.1:4428/notes/1 -d 'first' -H 'If-None-Match: *'

  Prove whether an API loses updates:
    ifmatch race http://127.0.0.1:3000/notes/1

  Protect an API that you cannot change, from 127.0.0.1:4428:
    ifmatch serve --upstream http://127.0.0.1:3000 --mode enforce

  Why did I get a 412? From what the browser recorded, or from a code:
    ifmatch explain save-failed.har
    ifmatch explain stale_version

Exit codes: 0 fine; 1 something was found; 2 usage or configuration; 3 it cannot be told, or the API was not
reached; 4 the write was refused.";

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Serve resources whose every write is conditional, or protect any API: --upstream URL
    Serve(Box<Serve>),
    /// Prove whether an API loses updates: really race on a resource, then put it back
    Race(Box<RaceFlags>),
    /// Are this API's validators fit for conditional writes?
    Inspect(Box<Inspect>),
    /// Check a configuration file and tell what it means
    #[command(after_help = "Example:\n  ifmatch check ifmatch.toml")]
    Check {
        /// The file
        file: PathBuf,
    },
    /// Writes of a gateway whose outcome nobody knows yet
    #[command(subcommand)]
    Doubt(Doubt),
    Explain(crate::explain::Explain),
    Get(Box<write::args::Get>),
    Put(Box<write::args::Put>),
    Patch(Box<write::args::Patch>),
    Delete(Box<write::args::Delete>),
    Edit(Box<write::args::Edit>),
    /// Print the JSON Schema of a report
    #[command(
        after_help = "Examples:\n  ifmatch schema              their names\n  ifmatch schema race-1       one of them"
    )]
    Schema {
        /// Its name, as the `schema` member of a report has it
        name: Option<String>,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  ifmatch completions bash > ~/.local/share/bash-completion/completions/ifmatch"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    #[command(after_help = "Example:\n  ifmatch man > ifmatch.1 && man ./ifmatch.1")]
    Man,
}

/// Serve resources whose every write is conditional and durable, or protect any HTTP API.
///
/// Without --upstream: the own store. Any path is a resource; a path that ends in a slash is a collection, which lists its
/// members and takes new ones by POST. Every acknowledged write is on disk.
///
/// With --upstream: a gateway in front of that API, which it does not touch. In enforce mode writes without a condition
/// are refused with 428, stale ones with 412; the tags that clients need are minted here. Every writer has to come through
/// the one gateway.
#[derive(Args, Debug)]
#[command(after_long_help = SERVE_EXAMPLES)]
pub(crate) struct Serve {
    /// Where to serve; port 0 takes any free port [default: 127.0.0.1:4428]
    #[arg(long, env = "IFMATCH_LISTEN", value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where to serve health and metrics (loopback only); "off" for nowhere [default: 127.0.0.1:4429]
    #[arg(long, env = "IFMATCH_ADMIN", value_name = "ADDR", value_parser = admin)]
    pub(crate) admin: Option<Admin>,
    /// The API to protect, as http://127.0.0.1:3000; what is not given here or in the file is as `ifmatch check` tells
    #[arg(long, env = "IFMATCH_UPSTREAM", value_name = "URL", value_parser = ifmatch_server::file::origin)]
    pub(crate) upstream: Option<Origin>,
    /// What happens to writes without a condition [default: observe]
    #[arg(long, env = "IFMATCH_MODE", value_enum, value_name = "MODE")]
    pub(crate) mode: Option<ModeFlag>,
    /// Where a gateway keeps what it must not forget [default: ifmatch-state/HOST-PORT]
    #[arg(long, env = "IFMATCH_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// A configuration file; flags go before what it says
    #[arg(short, long, env = "IFMATCH_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the data of the own store is; created if missing [default: ifmatch-data, without --upstream]
    #[arg(long, env = "IFMATCH_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Web origin whose pages may use the server, as https://app.example, or * for all; pages of this machine's
    /// loopback addresses always may
    #[arg(long, env = "IFMATCH_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) cors_origin: Vec<String>,
    /// Largest content of one request, in bytes [default: 16 MiB; with --upstream 1 GiB]
    #[arg(long, env = "IFMATCH_CONTENT_BYTES_MAX", value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=64 << 30))]
    pub(crate) content_bytes_max: Option<u64>,
    /// Threads that serve connections [default: one per core]
    #[arg(long, env = "IFMATCH_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Connections at a time; more wait to be accepted [default: 10000]
    #[arg(long, env = "IFMATCH_CONNECTIONS_MAX", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections_max: Option<u32>,
    /// The data folder was restored from a copy: changes made after the copy are gone, so all tags handed out until now
    /// become stale. To be given once, at the first start after the restore
    #[arg(long)]
    pub(crate) restored: bool,
    /// Serve on an address that other machines can reach, although everybody there may read and write everything
    #[arg(long, env = "IFMATCH_INSECURE_PUBLIC")]
    pub(crate) insecure_public: bool,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  ifmatch serve
  ifmatch serve --upstream http://127.0.0.1:3000                  (observes: changes nothing, counts what is lost)
  ifmatch serve --upstream http://127.0.0.1:3000 --mode enforce   (428 without a condition, 412 for stale ones)
  ifmatch serve -c ifmatch.toml
  ifmatch serve --listen 127.0.0.1:8080 --data /var/lib/ifmatch
  ifmatch serve --listen 127.0.0.1:0 --admin off --output json    (prints the address as JSON)
  ifmatch serve --cors-origin https://app.example

  curl -i http://127.0.0.1:4428/notes/            list a collection
  curl -i -X PUT http://127.0.0.1:4428/notes/1 -H 'If-None-Match: *' -d 'first'
  curl -i -X PUT http://127.0.0.1:4428/notes/1 -H 'If-Match: \"TAG YOU READ\"' -d 'second'

SIGTERM and SIGINT stop it in good order: requests that are under way are finished first (at most 30 s).";

/// What happens to writes without a condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ModeFlag {
    /// Nothing is counted or looked at.
    Off,
    /// Nothing is changed; what would be refused and what is lost is counted.
    Observe,
    /// Conditions that are there are evaluated, missing ones are reported to the client.
    Warn,
    /// A write without a condition is refused with 428.
    Enforce,
}

impl From<ModeFlag> for Mode {
    fn from(flag: ModeFlag) -> Self {
        match flag {
            ModeFlag::Off => Self::Off,
            ModeFlag::Observe => Self::Observe,
            ModeFlag::Warn => Self::Warn,
            ModeFlag::Enforce => Self::Enforce,
        }
    }
}

/// Writes whose outcome nobody knows yet.
///
/// When the answer to a write is lost, nobody can say whether it was applied or still will be. Until it cannot any more,
/// other writers of that resource get 503 outcome_pending. If you know better, because you looked at the upstream, settle
/// it.
#[derive(Subcommand, Debug)]
pub(crate) enum Doubt {
    /// List them
    #[command(after_help = "Example:\n  ifmatch doubt list --state ifmatch-state/127.0.0.1-3000")]
    List {
        /// The gateway's state folder; may be left out if there is only one below ./ifmatch-state
        #[arg(long, env = "IFMATCH_STATE", value_name = "DIR")]
        state: Option<PathBuf>,
    },
    /// Say that one of them cannot land any more, so that others need not wait
    #[command(
        after_help = "Example:\n  ifmatch doubt settle 1795312345678 --state ifmatch-state/127.0.0.1-3000"
    )]
    Settle {
        /// Its id, from the list; 0 is the wait after a restart of the machine
        id: u64,
        /// The gateway's state folder; may be left out if there is only one below ./ifmatch-state
        #[arg(long, env = "IFMATCH_STATE", value_name = "DIR")]
        state: Option<PathBuf>,
    },
}

/// Where the admin listener goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Admin {
    Off,
    At(SocketAddr),
}

/// An address, or `localhost` with a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| "expected an address with a port, as 127.0.0.1:4428".to_owned())
}

fn admin(text: &str) -> Result<Admin, String> {
    if text == "off" {
        return Ok(Admin::Off);
    }
    text.parse()
        .map(Admin::At)
        .map_err(|_| "expected an address with a port, as 127.0.0.1:4429, or off".to_owned())
}

/// How results are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// JUnit XML, of commands that report.
    Junit,
    /// Markdown, of commands that report.
    Markdown,
}

impl Output {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
        }
    }
}

impl Command {
    /// Whether its result is a report, which has all forms.
    pub(crate) fn reports(&self) -> bool {
        matches!(self, Self::Inspect(_) | Self::Explain(_) | Self::Race(_))
    }
}

/// When to use color.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that can, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn addresses() {
        assert_eq!(address("localhost:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        assert!(address("[::1]:0").is_ok());
        assert!(
            ["", "80", ":80", "localhost", "example.com:80", "127.0.0.1"].iter().all(|a| address(a).is_err())
        );
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
