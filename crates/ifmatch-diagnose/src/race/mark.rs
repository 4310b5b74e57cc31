//! What tells each write of a run from every other: a mark.

use std::hash::{BuildHasher, RandomState};

/// Writes of one run; past it the run ends.
pub(super) const MARKS_MAX: u32 = 1_000_000;

/// Where marks that are numbers begin: large enough to be nobody's, small enough for any integer column.
const NUMBERS: i64 = 100_000_000;

/// How far apart the numbers of different runs are.
const RUNS: u64 = 1000;

/// The marks of one run.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    prefix: String,
    first: i64,
    next: u32,
}

/// One mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark(pub(super) u32);

impl Marks {
    /// Those of a new run.
    pub(super) fn new() -> Self {
        // Random enough to tell runs apart.
        Self::of(RandomState::new().hash_one(0_u8))
    }

    fn of(run: u64) -> Self {
        let first = NUMBERS + i64::try_from(run % RUNS).unwrap_or_default() * i64::from(MARKS_MAX);
        Self { prefix: format!("race-{:04x}-", run & 0xffff), first, next: 0 }
    }

    /// Those of an earlier run, all that it may have made.
    pub(super) fn earlier(prefix: String, first: i64) -> Self {
        Self { prefix, first, next: MARKS_MAX }
    }

    /// What identifies the run.
    pub(super) fn run(&self) -> (&str, i64) {
        (&self.prefix, self.first)
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Mark {
        self.next += 1;
        Mark(self.next)
    }

    /// How many there were.
    pub(super) fn count(&self) -> u32 {
        self.next
    }

    /// So many are used.
    pub(super) fn used(&mut self, marks: u32) {
        self.next = self.next.max(marks);
    }

    /// As text. All of a run are equally long, up to 9999: a tag made of time and length should have to tell them apart.
    pub(super) fn text(&self, mark: Mark) -> String {
        format!("{}{:04}", self.prefix, mark.0)
    }

    /// As a number.
    pub(super) fn number(&self, mark: Mark) -> i64 {
        self.first + i64::from(mark.0)
    }

    /// The mark that a number is.
    pub(super) fn of_number(&self, number: i64) -> Option<Mark> {
        let mark = u32::try_from(number.checked_sub(self.first)?).ok()?;
        (1..=self.next).contains(&mark).then_some(Mark(mark))
    }

    /// The marks in a text.
    pub(super) fn in_text(&self, text: &str) -> Vec<Mark> {
        let marks = text.split(&self.prefix).skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let mark = rest.get(..end)?.parse().ok()?;
            (end >= 4 && (1..=self.next).contains(&mark)).then_some(Mark(mark))
        });
        marks.collect()
    }

    /// A name for something new.
    pub(super) fn name(&mut self) -> String {
        let mark = self.next();
        self.text(mark)
    }

    /// A text without its marks: each is as the first one.
    pub(super) fn without(&self, text: &str) -> String {
        let all = self.in_text(text);
        all.into_iter().fold(text.to_owned(), |text, mark| text.replace(&self.text(mark), &self.prefix))
    }
}

/// A mark of any run in a text.
pub(super) fn any(text: &str) -> Option<&str> {
    text.match_indices("race-").find_map(|(at, _)| {
        let mark = text.get(at..at + 14)?;
        let (run, number) = mark.strip_prefix("race-")?.split_once('-')?;
        let is_run = run.len() == 4 && run.bytes().all(|b| b.is_ascii_hexdigit());
        (is_run && number.bytes().all(|b| b.is_ascii_digit())).then_some(mark)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_again_and_nothing_else() {
        let mut marks = Marks::of(0xabcd);
        let (one, two) = (marks.next(), marks.next());
        let text = format!("a {} b{}", marks.text(one), marks.text(two));
        assert_eq!(marks.in_text(&text), [one, two]);
        assert_eq!(marks.in_text("race-abcd-0003 race-abcd-1 race-0000-0001"), []);
        assert_eq!(marks.of_number(marks.number(two)), Some(two));
        assert_eq!(any(&text), Some("race-abcd-0001"));
        assert_eq!(any("race-abcd-001 race- race-track-0001"), None);
        assert_eq!(marks.of_number(7), None);
        assert_eq!(marks.without(&text), "a race-abcd- brace-abcd-");
    }
}
