//! Merging contents: JSON by member, text by line, anything else not at all.

use super::show::Layout;
use ifmatch_core::json;
use ifmatch_core::merge::{Merge, Side, Taken, merge};

/// The length of the marks between the sides of a conflict in text; longer than any in the text itself.
const MARK_CHARS_MIN: usize = 7;

/// What came of a merge.
#[derive(Debug)]
pub(crate) enum Three {
    /// Everything fits together.
    Clean(Vec<u8>, Vec<Taken>),
    /// JSON with members that both changed.
    Members(Box<Merge>, Layout),
    /// Text with lines that both changed.
    Lines(Lines),
    /// What cannot be merged: both changed it.
    Whole,
}

/// Text in parts: what fits together, and what does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lines {
    pub(crate) parts: Vec<Part>,
}

/// A part of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// Everybody agrees.
    Same(String),
    /// Both changed it.
    Open { theirs: String, mine: String },
}

/// Merges what two made of `base`.
pub(crate) fn three(base: &[u8], theirs: &[u8], mine: &[u8]) -> Three {
    if theirs == mine || base == theirs {
        return Three::Clean(mine.to_vec(), Vec::new());
    }
    let parsed = [base, theirs, mine].map(json::parse);
    if let [Ok(base), Ok(their), Ok(my)] = &parsed {
        let layout = Layout::of(theirs);
        let Ok(merged) = merge(base, their, my) else { return Three::Whole };
        let taken = merged.taken().to_vec();
        return match merged.into_clean() {
            Ok(value) => Three::Clean(layout.write(&value), taken),
            Err(open) => Three::Members(Box::new(open), layout),
        };
    }
    let texts = [base, theirs, mine].map(core::str::from_utf8);
    let [Ok(base), Ok(theirs), Ok(mine)] = texts else { return Three::Whole };
    // JSON on one side only is no text to be merged by line: the result may be neither.
    if parsed.iter().any(|side| side.as_ref().is_ok_and(|value| value.is_object() || value.is_array())) {
        return Three::Whole;
    }
    lines(base, theirs, mine)
}

fn lines(base: &str, theirs: &str, mine: &str) -> Three {
    let mark = [base, theirs, mine].iter().map(|text| longest_run(text)).max().unwrap_or(0);
    let mark = (mark + 1).max(MARK_CHARS_MIN);
    let mut options = diffy::MergeOptions::new();
    options.set_conflict_marker_length(mark).set_conflict_style(diffy::ConflictStyle::Merge);
    // Without a newline at the end a mark would stand in the last line.
    let ended = |text: &str| if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    match options.merge(base, theirs, mine) {
        Ok(merged) => Three::Clean(merged.into_bytes(), Vec::new()),
        Err(_) => match options.merge(&ended(base), &ended(theirs), &ended(mine)) {
            Ok(merged) => Three::Clean(merged.into_bytes(), Vec::new()),
            Err(marked) => Three::Lines(Lines::read(&marked, mark)),
        },
    }
}

/// The longest run of a character that marks are made of.
fn longest_run(text: &str) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, ' ');
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        run = if c == last { run + 1 } else { 1 };
        last = c;
        if matches!(c, '<' | '=' | '>') {
            longest = longest.max(run);
        }
    }
    longest
}

impl Lines {
    fn read(marked: &str, mark: usize) -> Self {
        let is_mark = |line: &str, c: char| line.chars().take_while(|found| *found == c).count() == mark;
        let mut parts = vec![Part::Same(String::new())];
        let mut in_mine = false;
        for line in marked.split_inclusive('\n') {
            if is_mark(line, '<') {
                parts.push(Part::Open { theirs: String::new(), mine: String::new() });
                in_mine = false;
            } else if is_mark(line, '=') && matches!(parts.last(), Some(Part::Open { .. })) {
                in_mine = true;
            } else if is_mark(line, '>') {
                parts.push(Part::Same(String::new()));
            } else {
                match parts.last_mut() {
                    Some(Part::Same(text)) => text.push_str(line),
                    Some(Part::Open { mine, .. }) if in_mine => mine.push_str(line),
                    Some(Part::Open { theirs, .. }) => theirs.push_str(line),
                    None => {}
                }
            }
        }
        parts.retain(|part| *part != Part::Same(String::new()));
        Self { parts }
    }

    /// The first part that is open.
    pub(crate) fn first_open(&self) -> Option<(usize, &str, &str)> {
        self.parts.iter().enumerate().find_map(|(at, part)| match part {
            Part::Open { theirs, mine } => Some((at, theirs.as_str(), mine.as_str())),
            Part::Same(_) => None,
        })
    }

    pub(crate) fn open(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Open { .. })).count()
    }

    pub(crate) fn settle(&mut self, at: usize, side: Side) {
        if let Some(part) = self.parts.get_mut(at)
            && let Part::Open { theirs, mine } = part
        {
            let chosen = if side == Side::Mine { mine } else { theirs };
            *part = Part::Same(core::mem::take(chosen));
        }
    }

    /// The text, with both sides between marks where it is open.
    pub(crate) fn text(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Same(text) => text.clone(),
            Part::Open { theirs, mine } => {
                format!("<<<<<<< theirs\n{theirs}=======\n{mine}>>>>>>> yours\n")
            }
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(base: &str, theirs: &str, mine: &str) -> String {
        match three(base.as_bytes(), theirs.as_bytes(), mine.as_bytes()) {
            Three::Clean(text, _) => String::from_utf8(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn contents_are_merged() {
        assert_eq!(clean(r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":1,"b":2}"#), r#"{"a":2,"b":2}"#);
        assert_eq!(clean("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n"), "A\nb\nc\nD\n");
        assert_eq!(clean("a\nb\nc\nd", "A\nb\nc\nd", "a\nb\nc\nD"), "A\nb\nc\nD");
        assert_eq!(clean("x", "y", "y"), "y");
        assert_eq!(clean("x", "x", "y"), "y");
    }

    #[test]
    fn what_cannot_be_merged_is_whole() {
        for (base, theirs, mine) in [
            (&b"\xff"[..], &b"\xfe"[..], &b"\xfd"[..]),
            (b"{}", b"{\"a\":1}", b"{"),
            (b"text", b"{}", b"other"),
        ] {
            assert!(matches!(three(base, theirs, mine), Three::Whole));
        }
    }

    #[test]
    fn lines_that_both_changed_are_settled_one_by_one() {
        let (base, theirs, mine) =
            ("a\nb\nc\nd\ne\n=======\n", "A\nb\nc\nd\nE\n=======\n", "x\nb\nc\nd\ny\n=======\n");
        let Three::Lines(mut lines) = three(base.as_bytes(), theirs.as_bytes(), mine.as_bytes()) else {
            panic!()
        };
        assert_eq!(lines.open(), 2);
        let (at, theirs, mine) = lines.first_open().unwrap();
        assert_eq!((theirs, mine), ("A\n", "x\n"));
        lines.settle(at, Side::Mine);
        let (at, ..) = lines.first_open().unwrap();
        lines.settle(at, Side::Theirs);
        assert_eq!((lines.text().as_str(), lines.first_open()), ("x\nb\nc\nd\nE\n=======\n", None));
    }
}
