//! The search for an order, after Wing and Gong, with the memory of Lowe: a configuration (which operations are done,
//! what the register holds) is never visited twice.
//!
//! Two facts keep it small. An operation that changes nothing (a read, a refusal) and fits the register now can be put
//! first without loss, so only writes branch. And a write conditional on a tag fits at most one version, so that even
//! an unknown write branches only while that version is current, and is out of the question once it was replaced.

use super::{Call, Failure, History, Kind, Operation, Outcome, Violation};
use std::collections::{HashMap, HashSet};

/// A set of small numbers.
type Bits = Vec<u64>;

fn has(bits: &Bits, index: usize) -> bool {
    bits[index / 64] & (1 << (index % 64)) != 0
}

fn insert(bits: &mut Bits, index: usize) {
    bits[index / 64] |= 1 << (index % 64);
}

/// The tag of the current version: an index into [`Search::tags`], or of the write that made it, where nobody ever
/// learned its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Current {
    Absent,
    Known(usize),
    Unseen(usize),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Configuration {
    /// Positions in [`Search::order`].
    done: Bits,
    /// Tags that are or were current: no other version can have them.
    taken: Bits,
    current: Current,
}

/// A configuration on the way, and how it was reached.
struct Step {
    configuration: Configuration,
    /// Positions before this one are all done.
    from: usize,
    /// Index into [`Search::trail`].
    trail: Option<usize>,
    answered: usize,
}

struct Search<'a> {
    history: &'a History,
    /// Indexes of the operations by invocation.
    order: Vec<usize>,
    tags: Vec<&'a str>,
    ids: HashMap<&'a str, usize>,
    /// By position: the tag the operation expected, or saw.
    needs: Vec<Option<usize>>,
    /// The value that belongs to a tag, as far as anybody learned it.
    values: HashMap<usize, &'a str>,
    /// Tags that were seen and must come from a write that did not tell its tag.
    untold: Vec<usize>,
    /// Linked backwards: position done, and the one before.
    trail: Vec<(usize, Option<usize>)>,
}

/// Takes a position out of consideration.
fn finish(step: &mut Step, position: usize, positions: usize) {
    insert(&mut step.configuration.done, position);
    while step.from < positions && has(&step.configuration.done, step.from) {
        step.from += 1;
    }
}

pub(super) fn search(history: &History, configurations_max: usize) -> Result<Vec<usize>, Failure> {
    Search::new(history).run(configurations_max)
}

impl<'a> Search<'a> {
    fn new(history: &'a History) -> Self {
        let mut order: Vec<usize> = (0..history.operations.len()).collect();
        order.sort_by_key(|&index| history.operations[index].invoked);
        let mut search = Self {
            history,
            order,
            tags: Vec::new(),
            ids: HashMap::new(),
            needs: Vec::new(),
            values: HashMap::new(),
            untold: Vec::new(),
            trail: Vec::new(),
        };
        if let Some(initial) = &history.initial {
            let id = search.intern(&initial.tag);
            search.values.insert(id, &initial.value);
        }
        for operation in &history.operations {
            if let (Some(tag), Some(value)) = (operation.call.told(), operation.call.written()) {
                let id = search.intern(tag);
                search.values.insert(id, value);
            }
        }
        let told = search.tags.len();
        for position in 0..search.order.len() {
            let call = &search.operation(position).call;
            let needs = match call {
                Call::Read { saw } => saw.as_ref().map(|version| {
                    let id = search.intern(&version.tag);
                    search.values.insert(id, &version.value);
                    id
                }),
                _ => call.expected().map(|expected| search.intern(expected)),
            };
            search.needs.push(needs);
        }
        search.untold = (told..search.tags.len()).collect();
        search
    }

    fn intern(&mut self, tag: &'a str) -> usize {
        *self.ids.entry(tag).or_insert_with(|| {
            self.tags.push(tag);
            self.tags.len() - 1
        })
    }

    fn operation(&self, position: usize) -> &'a Operation {
        &self.history.operations[self.order[position]]
    }

    fn run(mut self, configurations_max: usize) -> Result<Vec<usize>, Failure> {
        let goal = self.history.operations.iter().filter(|operation| !operation.call.is_unknown()).count();
        let mut start = Configuration {
            done: vec![0; self.order.len().div_ceil(64)],
            taken: vec![0; self.tags.len().div_ceil(64)],
            current: Current::Absent,
        };
        if let Some(initial) = &self.history.initial {
            let tag = self.ids[initial.tag.as_str()];
            insert(&mut start.taken, tag);
            start.current = Current::Known(tag);
        }
        let mut stack = vec![Step { configuration: start, from: 0, trail: None, answered: 0 }];
        let mut visited: HashSet<Configuration> = HashSet::new();
        let mut furthest: Option<Step> = None;
        while let Some(mut step) = stack.pop() {
            self.settle(&mut step);
            if step.answered == goal {
                return Ok(self.path(step.trail));
            }
            if !visited.insert(step.configuration.clone()) {
                continue;
            }
            if visited.len() > configurations_max {
                return Err(Failure::Undecided { configurations: configurations_max });
            }
            // Pushed in reverse, so that the write invoked first is tried first.
            for position in self.open(&step).into_iter().rev() {
                self.branch(&step, position, &mut stack);
            }
            if furthest.as_ref().is_none_or(|best| best.answered < step.answered) {
                furthest = Some(step);
            }
        }
        // The stack began with one step, so one was furthest.
        let Some(furthest) = furthest else { return Ok(Vec::new()) };
        Err(Failure::Violation(Box::new(self.explain(&furthest))))
    }

    /// Positions that may come next: not done, and begun before the end of everything else that is not done. One pass
    /// is enough, for what is invoked later also ends later.
    fn open(&self, step: &Step) -> Vec<usize> {
        let mut open = Vec::new();
        let mut first_end = u64::MAX;
        for position in step.from..self.order.len() {
            if has(&step.configuration.done, position) {
                continue;
            }
            let operation = self.operation(position);
            if operation.invoked > first_end {
                break; // so are all that follow
            }
            first_end = first_end.min(operation.end().unwrap_or(u64::MAX));
            open.push(position);
        }
        open
    }

    /// Does everything that changes nothing and fits now.
    fn settle(&mut self, step: &mut Step) {
        loop {
            let mut settled = false;
            for position in self.open(step) {
                if self.fits_without_effect(position, step.configuration.current) {
                    self.mark(step, position);
                    settled = true;
                } else if self.can_never_be(position, &step.configuration) {
                    finish(step, position, self.order.len());
                }
            }
            if !settled {
                return;
            }
        }
    }

    /// Whether an unknown write has missed the version it was meant for.
    fn can_never_be(&self, position: usize, configuration: &Configuration) -> bool {
        self.operation(position).call.is_unknown()
            && self.needs[position].is_some_and(|tag| has(&configuration.taken, tag))
            && !self.finds_its_tag(position, configuration.current)
    }

    fn mark(&mut self, step: &mut Step, position: usize) {
        finish(step, position, self.order.len());
        if !self.operation(position).call.is_unknown() {
            step.answered += 1;
        }
        self.trail.push((position, step.trail));
        step.trail = Some(self.trail.len() - 1);
    }

    /// Whether the tag that the operation expected or saw is the current one.
    fn finds_its_tag(&self, position: usize, current: Current) -> bool {
        match (self.needs[position], current) {
            (Some(needed), Current::Known(tag)) => needed == tag,
            _ => false,
        }
    }

    fn fits_without_effect(&self, position: usize, current: Current) -> bool {
        match &self.operation(position).call {
            Call::Read { saw: None } => current == Current::Absent,
            Call::Read { saw: Some(_) } => self.finds_its_tag(position, current),
            Call::Create { outcome: Outcome::Refused, .. } => current != Current::Absent,
            Call::Put { outcome: Outcome::Refused, .. } | Call::Delete { outcome: Outcome::Refused, .. } => {
                !self.finds_its_tag(position, current)
            }
            Call::Put { .. } | Call::Create { .. } | Call::Delete { .. } => false,
        }
    }

    /// Pushes what follows if this write takes effect now.
    fn branch(&mut self, step: &Step, position: usize, stack: &mut Vec<Step>) {
        let operation = self.operation(position);
        let current = step.configuration.current;
        let fits = match &operation.call {
            Call::Create { outcome: Outcome::Applied { .. } | Outcome::Unknown, .. } => {
                current == Current::Absent
            }
            Call::Put { outcome: Outcome::Applied { .. } | Outcome::Unknown, .. }
            | Call::Delete { outcome: Outcome::Applied { .. } | Outcome::Unknown, .. } => {
                self.finds_its_tag(position, current)
            }
            Call::Read { .. } | Call::Put { .. } | Call::Create { .. } | Call::Delete { .. } => false,
        };
        if !fits {
            return;
        }
        for next in self.results(step, position, &operation.call) {
            let mut configuration = step.configuration.clone();
            configuration.current = next;
            if let Current::Known(tag) = next {
                insert(&mut configuration.taken, tag);
            }
            let mut following =
                Step { configuration, from: step.from, trail: step.trail, answered: step.answered };
            self.mark(&mut following, position);
            stack.push(following);
        }
    }

    /// What the register may hold after a write: a write that did not tell its tag may have made any version that
    /// somebody saw and nobody else made, or one that nobody ever saw.
    fn results(&self, step: &Step, position: usize, call: &Call) -> Vec<Current> {
        let Some(written) = call.written() else { return vec![Current::Absent] };
        if let Some(tag) = call.told() {
            return vec![Current::Known(self.ids[tag.as_str()])];
        }
        let mut results = vec![Current::Unseen(position)];
        for &tag in &self.untold {
            let value_fits = self.values.get(&tag).is_none_or(|value| value == written);
            if value_fits && !has(&step.configuration.taken, tag) {
                results.push(Current::Known(tag));
            }
        }
        results
    }

    /// Indexes of the operations on the way to a step.
    fn path(&self, mut trail: Option<usize>) -> Vec<usize> {
        let mut path = Vec::new();
        while let Some(at) = trail {
            let (position, before) = self.trail[at];
            path.push(self.order[position]);
            trail = before;
        }
        path.reverse();
        path
    }

    /// The step that explained most answers, and what could not follow it.
    fn explain(&self, step: &Step) -> Violation {
        let holds = match step.configuration.current {
            Current::Absent => "nothing".to_owned(),
            Current::Known(tag) => self.tags[tag].to_owned(),
            Current::Unseen(position) => {
                format!("a version made by #{} that nobody saw", self.order[position])
            }
        };
        let stuck: Vec<usize> = self
            .open(step)
            .into_iter()
            .filter(|&position| !self.operation(position).call.is_unknown())
            .map(|position| self.order[position])
            .collect();
        let path = self.path(step.trail);
        let headline = format!(
            "at best {} of the answers fit one order; then the register holds {holds}, and none of these can follow:",
            step.answered,
        );
        let mut violation = Violation::new(Kind::NoOrder, &headline, stuck, self.history);
        violation.report += "\nbefore them, the last first:";
        for index in path.into_iter().rev().take(REPORT_PATH_MAX) {
            violation.report += &format!("\n  #{index} {}", self.history.operations[index]);
        }
        violation
    }
}

/// How many operations of the way a report shows.
const REPORT_PATH_MAX: usize = 10;
