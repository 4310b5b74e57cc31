//! Whether one tag stood for two contents.

use super::mark::Mark;
use super::session::State;
use std::collections::BTreeMap;

/// What was read under which tag: whether one tag stood for two contents.
#[derive(Clone, Debug, Default)]
pub(super) struct Validators {
    /// The mark that was read under each strong tag, first.
    tags: BTreeMap<String, Mark>,
    /// The same for Last-Modified, where there was no tag.
    dates: BTreeMap<String, Mark>,
    /// Strong tags of which two contents were read.
    pub(super) repeated: Option<String>,
    /// A Last-Modified of which two contents were read.
    pub(super) repeated_date: Option<String>,
    /// States that were read.
    pub(super) reads: u32,
    /// Whether any had a tag.
    pub(super) is_tagged: bool,
    /// Whether any had a Last-Modified.
    pub(super) is_dated: bool,
    /// States with a strong tag that were read and compared.
    pub(super) compared: u32,
}

impl Validators {
    pub(super) fn note(&mut self, state: &State) {
        self.reads += 1;
        self.is_tagged |= state.tag.is_some();
        self.is_dated |= state.modified.is_some();
        let [mark] = state.marks[..] else { return };
        match &state.tag {
            Some(tag) if !tag.is_weak() => {
                self.compared += 1;
                let known = *self.tags.entry(tag.to_string()).or_insert(mark);
                if known != mark && self.repeated.is_none() {
                    self.repeated = Some(tag.to_string());
                }
            }
            Some(_) => {}
            None => {
                let Some(date) = &state.modified else { return };
                let known = *self.dates.entry(date.clone()).or_insert(mark);
                if known != mark && self.repeated_date.is_none() {
                    self.repeated_date = Some(date.clone());
                }
            }
        }
    }
}
