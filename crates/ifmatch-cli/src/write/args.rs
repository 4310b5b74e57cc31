//! Flags of `get`, `put`, `patch`, `delete` and `edit`.

use crate::access::{AccessFlags, url};
use clap::{Args, ValueEnum};
use ifmatch_client::wire::Url;
use std::path::PathBuf;

/// Read, and remember which version was seen.
///
/// Prints the content: to a pipe or a file as it came, on a terminal JSON in colors. The version is remembered, so that
/// `ifmatch put` and `ifmatch delete` of the same URL can say what they were made from.
#[derive(Args, Debug)]
#[command(after_long_help = GET_EXAMPLES)]
pub(crate) struct Get {
    /// What to read, as http://localhost:3000/items/1 or :3000/items/1
    #[arg(value_parser = url)]
    pub(crate) url: Url,
    /// Write the content to this file; the version is remembered for that file too
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print the head of the answer too
    #[arg(short, long)]
    pub(crate) include: bool,
    /// Remember nothing of it
    #[arg(long)]
    pub(crate) no_remember: bool,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

const GET_EXAMPLES: &str = "\
Examples:
  ifmatch get :3000/items/1
  ifmatch get :3000/items/1 -o item.json
  (change item.json)
  ifmatch put :3000/items/1 @item.json

What is remembered (version, content up to 4 MiB, type; of at most 200 URLs; no
credentials) is in $XDG_STATE_HOME/ifmatch/seen or ~/.local/state/ifmatch/seen,
readable by you only.";

/// What is written.
#[derive(Args, Debug, Clone)]
pub(crate) struct Content {
    /// Changes of members, or a whole content
    #[arg(
        value_name = "WHAT",
        help = "name=text and name:=JSON change members of what is there; a[b]=text is member b of member a; @FILE or - \
                (standard input) is a whole content"
    )]
    pub(crate) items: Vec<String>,
    /// A whole content; @FILE for that of a file, @- for standard input
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// The same, and it is JSON
    #[arg(long, value_name = "JSON", conflicts_with = "data", allow_hyphen_values = true)]
    pub(crate) json: Option<String>,
    /// The media type of the content
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
}

/// Write a whole content, or change members of what is there.
///
/// With name=text or name:=JSON: reads what is there, changes these members, writes it; and if somebody else was faster,
/// again on what is there then.
///
/// With a whole content: it was made from something that you read. If that has changed meanwhile, nothing is written.
#[derive(Args, Debug)]
#[command(after_long_help = PUT_EXAMPLES)]
pub(crate) struct Put {
    /// Where to write
    #[arg(value_parser = url)]
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) content: Content,
    #[command(flatten)]
    pub(crate) condition: Condition,
    /// What the content was made from: what others changed meanwhile is merged, if it fits together
    #[arg(long, value_name = "FILE", conflicts_with_all = ["if_match", "create", "overwrite"])]
    pub(crate) base: Option<PathBuf>,
    /// The same, from what `ifmatch get` saw
    #[arg(long, conflicts_with_all = ["base", "if_match", "create", "overwrite"])]
    pub(crate) merge: bool,
    /// Only if there is nothing yet
    #[arg(long, conflicts_with_all = ["if_match", "overwrite"])]
    pub(crate) create: bool,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

const PUT_EXAMPLES: &str = "\
Examples:
  Change two members of what is there:
    ifmatch put :3000/items/1 note='ring twice' count:=3
  Write back what was read with `ifmatch get :3000/items/1 -o item.json`:
    ifmatch put :3000/items/1 @item.json
  Merge with what others changed since old.json:
    ifmatch put :3000/items/1 --base old.json @new.json
  Others:
    ifmatch put :3000/items/1 --if-match '\"7\"' @item.json
    ifmatch put :3000/items/2 --create name=second
    ifmatch put :3000/items/1 --overwrite 'INC-12 restore' @backup.json

Exit codes: 0 saved; 1 what both changed does not fit together, or the server
says no; 2 usage: nothing was sent; 3 nobody can say, or the API was not reached;
4 refused: 412, 428, 409 or 423.";

/// What a write is made from.
#[derive(Args, Debug)]
pub(crate) struct Condition {
    /// Only if it is still the version with this tag
    #[arg(long, value_name = "TAG", conflicts_with = "overwrite")]
    pub(crate) if_match: Option<String>,
    /// Whatever is there now, unseen; the reason is sent along. Asks first
    #[arg(long, value_name = "REASON")]
    pub(crate) overwrite: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Send a change of what is there.
///
/// The change is a merge patch (RFC 7396), or a JSON Patch (RFC 6902) if it is an array. It is sent with the version that
/// is there; if somebody else was faster, again with the next.
#[derive(Args, Debug)]
#[command(after_long_help = PATCH_EXAMPLES)]
pub(crate) struct Patch {
    /// What to change
    #[arg(value_parser = url)]
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) content: Content,
    /// Only if it is still the version with this tag; then it is sent once
    #[arg(long, value_name = "TAG")]
    pub(crate) if_match: Option<String>,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

const PATCH_EXAMPLES: &str = "\
Examples:
  ifmatch patch :3000/items/1 note='ring twice' old:=null
  (null takes a member away)
  ifmatch patch :3000/items/1 --json '[{\"op\":\"remove\",\"path\":\"/old\"}]'
  ifmatch patch :3000/items/1 @change.json";

/// Delete what was seen.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ifmatch delete :3000/items/1                      after: ifmatch get :3000/items/1\n  ifmatch delete :3000/items/1 --if-match '\"7\"'"
)]
pub(crate) struct Delete {
    /// What to delete
    #[arg(value_parser = url)]
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) condition: Condition,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

/// Change something in an editor.
///
/// Reads it, opens it in $VISUAL or $EDITOR, and writes it if nobody else did meanwhile. What others changed is merged, you
/// are asked about what does not fit together, and what you typed is kept in a draft until it is saved.
#[derive(Args, Debug)]
#[command(after_long_help = EDIT_EXAMPLES)]
pub(crate) struct Edit {
    /// What to change
    #[arg(value_parser = url)]
    pub(crate) url: Url,
    /// The editor, with its arguments [default: $VISUAL, $EDITOR, vi]
    #[arg(long, value_name = "COMMAND")]
    pub(crate) editor: Option<String>,
    /// What to do if somebody else wrote meanwhile
    #[arg(long, value_enum, default_value_t = MergeFlag::Auto, value_name = "HOW")]
    pub(crate) merge: MergeFlag,
    /// Write something new where there is nothing
    #[arg(long)]
    pub(crate) create: bool,
    /// Go on with the draft that was kept
    #[arg(long, conflicts_with = "discard")]
    pub(crate) resume: bool,
    /// Throw away the draft that was kept, and begin anew
    #[arg(long)]
    pub(crate) discard: bool,
    #[command(flatten)]
    pub(crate) access: AccessFlags,
}

const EDIT_EXAMPLES: &str = "\
Examples:
  ifmatch edit :3000/items/1
  ifmatch edit :3000/items/1 --editor 'code --wait'
  ifmatch edit :3000/items/1 --resume        go on with a draft that was kept

Drafts are in $XDG_STATE_HOME/ifmatch/drafts or ~/.local/state/ifmatch/drafts,
readable by you only.
Exit codes: 0 saved, or nothing to save; 1 it does not fit together, or the
server says no; 3 nobody can say, or the API was not reached; 4 refused. A draft
is kept for all but 0.";

/// What `edit` does if somebody else wrote meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum MergeFlag {
    /// Merge what fits together; ask about the rest on a terminal, keep a draft elsewhere.
    Auto,
    /// Show the merge and ask before writing, even if all fits together; answers are read from standard input.
    Ask,
    /// Merge nothing; keep a draft.
    Fail,
}
