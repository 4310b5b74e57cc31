//! Finding what failed, and putting together what is told of it.

use super::articles::article;
use super::causes::{self, Cause, Confidence, Failed};
use super::evidence::{Answer, Evidence, Exchange, Source};
use super::report::{Case, Explanation, Fix, Kind, Row, Verdict};
use super::said::Meaning;
use super::story::{Sent, Story};
use ifmatch_client::secret;

/// How many cases are told. Of more the first are told, and how many more there are.
pub const CASES_MAX: usize = 50;

/// How many rows a timeline has. Of more those that show the cause and the latest are kept.
pub const ROWS_MAX: usize = 12;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Only the entry of that number, whether it failed or not.
    pub entry: Option<usize>,
    /// Writes that went through without a condition as well.
    pub all: bool,
}

/// There is no entry of that number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no {unit} {asked}; the input has {entries}, numbered from 1")]
pub struct NoSuchEntry {
    unit: &'static str,
    asked: usize,
    entries: usize,
}

impl Evidence {
    /// Tells why requests failed.
    ///
    /// # Errors
    /// If an entry is asked for that is not there.
    pub fn explain(&self, options: &Options) -> Result<Explanation, NoSuchEntry> {
        let story = Story::new(self);
        let chosen = options.entry.map(|asked| {
            let found = story.exchanges.iter().position(|exchange| exchange.number == asked);
            found.ok_or(NoSuchEntry { unit: self.source.unit(), asked, entries: story.exchanges.len() })
        });
        let indices = match chosen.transpose()? {
            Some(index) => index..index + 1,
            None => 0..story.exchanges.len(),
        };
        let (mut cases, mut more_cases) = (Vec::new(), 0);
        for index in indices {
            if cases.len() >= CASES_MAX {
                more_cases += usize::from(has_failed(&story, index));
            } else if let Some((kind, causes)) = judged(&story, index, options) {
                cases.push(case(&story, index, kind, causes));
            }
        }
        let verdict = match (cases.is_empty(), cases.iter().all(|case| case.is_explained)) {
            (true, _) => Verdict::NothingWrong,
            (_, true) => Verdict::Explained,
            _ => Verdict::CannotBeTold,
        };
        let mut remarks = self.remarks.clone();
        remarks.extend(remark(&story, &cases));
        let mut explanation = Explanation {
            source: self.source,
            entries: story.exchanges.len(),
            verdict,
            cases,
            more_cases,
            remarks,
        };
        self.mask(&mut explanation);
        Ok(explanation)
    }

    /// The last step: whatever was read as a credential anywhere is masked everywhere.
    fn mask(&self, explanation: &mut Explanation) {
        let mask = |text: &mut String| *text = plain(&secret::text(&self.secrets.out_of(text)));
        explanation.remarks.iter_mut().for_each(mask);
        for case in &mut explanation.cases {
            mask(&mut case.url);
            case.message.as_mut().map(mask);
            for cause in &mut case.causes {
                mask(&mut cause.why);
                [&mut cause.who, &mut cause.instead, &mut cause.settle].into_iter().flatten().for_each(mask);
            }
            for row in &mut case.timeline {
                [&mut row.url, &mut row.sent].into_iter().for_each(mask);
                [&mut row.received, &mut row.writer].into_iter().flatten().for_each(mask);
            }
        }
    }
}

/// Without what changes how text is shown: control characters, and marks that turn its direction.
fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|&c| !c.is_control() && !turns(c)).collect()
}

/// Whether a request is a case, which, and why.
fn judged(story: &Story<'_>, index: usize, options: &Options) -> Option<(Kind, Vec<Cause>)> {
    let exchange = &story.exchanges[index];
    if has_failed(story, index) {
        return Some((Kind::Refused, causes::of_failure(&Failed::new(story, index))));
    }
    if let Some(cause) = causes::preflight_refused(story, index) {
        return Some((Kind::Refused, vec![cause]));
    }
    let went_through = [causes::blind_retry, causes::coarse_date, causes::ignored_condition];
    let found: Vec<_> = went_through.iter().filter_map(|rule| rule(story, index)).collect();
    if !found.is_empty() {
        return Some((Kind::WentThrough, found));
    }
    let audited = exchange.audited.as_ref();
    if audited.is_some_and(|audited| audited.action == "write.lost_update") {
        let mut causes = causes::of_loss(story, index);
        causes.truncate(1);
        return Some((Kind::WentThrough, causes));
    }
    let is_open = matches!(story.sent[index], Sent::Nothing | Sent::Star | Sent::Empty);
    if options.all && is_open && exchange.is_write() && exchange.succeeded() && exchange.method != "POST" {
        return Some((Kind::WouldBeRefused, vec![causes::open_write(story, index)]));
    }
    if matches!(exchange.answer, Answer::Unknown) {
        let causes = causes::of_failure(&Failed::new(story, index));
        return (!causes.is_empty()).then_some((Kind::JudgedAlone, causes));
    }
    None
}

/// Whether a request was refused for its condition, as far as the answer tells.
fn has_failed(story: &Story<'_>, index: usize) -> bool {
    let exchange = &story.exchanges[index];
    if exchange.method == "OPTIONS" {
        return false;
    }
    let Some(got) = exchange.got() else { return false };
    let says = got.said.meaning.filter(|meaning| *meaning != Meaning::Unknown);
    let has_condition = !matches!(story.sent[index], Sent::Unknown | Sent::Nothing);
    match got.status {
        412 | 428 => true,
        0 => says.is_some(),
        400 if matches!(story.sent[index], Sent::Malformed(..)) => true,
        409 if has_condition && exchange.is_write() && !got.said.is_about_something_else() => true,
        400 | 409 | 422 if reuses_key(story, index) => true,
        400 | 403 | 409 | 422 => says.is_some(),
        404 | 410 => {
            let named = matches!(story.sent[index], Sent::Tags(_) | Sent::Date(_));
            let was_there = || {
                story.before(index).any(|i| story.exchanges[i].is_read() && story.exchanges[i].succeeded())
            };
            exchange.is_write() && (says == Some(Meaning::Gone) || named && was_there())
        }
        _ => false,
    }
}

fn reuses_key(story: &Story<'_>, index: usize) -> bool {
    let has_key = story.exchanges[index].sent.as_ref().is_some_and(|sent| sent.has("idempotency-key"));
    has_key && causes::reused_key(&Failed::new(story, index)).is_some()
}

fn case(story: &Story<'_>, index: usize, kind: Kind, mut causes: Vec<Cause>) -> Case {
    let exchange = &story.exchanges[index];
    causes.iter_mut().for_each(causes::capitalised);
    let is_explained = causes.first().is_some_and(|cause| cause.confidence > Confidence::Possible);
    let tool = match story.source {
        Source::Curl => "curl",
        _ => exchange.agent.unwrap_or(if story.source == Source::Har { "fetch" } else { "curl" }),
    };
    let fix = causes.first().and_then(|cause| article(cause.code));
    let fix = fix.map(|article| Fix { text: article.fix, examples: article.examples, tool });
    let (timeline, left_out) = timeline(story, index, &causes);
    Case {
        kind,
        entry: exchange.number,
        method: exchange.method.clone(),
        url: exchange.url.clone(),
        status: exchange.status().filter(|status| *status > 0),
        is_explained,
        message: exchange
            .got()
            .filter(|got| !(got.said.is_ours && is_explained))
            .and_then(|got| got.said.message.clone())
            .filter(|text| !causes.iter().any(|cause| cause.why.contains(text.as_str())))
            .filter(|text| says_more(text)),
        causes,
        timeline,
        left_out,
        fix,
    }
}

/// Whether a message says more than the phrase of a status.
fn says_more(message: &str) -> bool {
    let plain: String = message.chars().filter(|c| c.is_alphabetic() || *c == ' ').collect();
    let plain = plain.trim().to_ascii_lowercase();
    !["", "precondition failed", "precondition required", "bad request", "conflict"].contains(&plain.as_str())
}

/// What happened to the resource since the version was read, and whatever else shows the cause.
fn timeline(story: &Story<'_>, at: usize, causes: &[Cause]) -> (Vec<Row>, usize) {
    let number = |index: usize| story.exchanges[index].number;
    let source = story.source_of(at);
    let shows = |index: usize| {
        index == at
            || source == Some(index)
            || causes.iter().any(|cause| cause.entries.contains(&number(index)))
    };
    let mut indices: Vec<usize> = (0..story.exchanges.len()).filter(|&index| shows(index)).collect();
    let first = indices.first().copied().unwrap_or(at);
    let last = indices.last().copied().unwrap_or(at);
    let is_told = |exchange: &Exchange| exchange.method != "OPTIONS";
    let mut near: Vec<usize> = story.before(at).chain(story.after(at)).collect();
    near.retain(|&index| {
        (first..=last).contains(&index) && !shows(index) && is_told(&story.exchanges[index])
    });
    near.sort_unstable();
    let room = ROWS_MAX.saturating_sub(indices.len());
    let left_out = near.len().saturating_sub(room);
    indices.extend(near.into_iter().skip(left_out));
    indices.sort_unstable();
    let keep = causes.first().and_then(|cause| cause.keep);
    let rows = indices.into_iter().map(|index| row(story, index, at, keep)).collect();
    (rows, left_out)
}

fn row(story: &Story<'_>, index: usize, at: usize, keep: Option<usize>) -> Row {
    let exchange = &story.exchanges[index];
    Row {
        entry: exchange.number,
        time: exchange.at.as_ref().map(ToString::to_string),
        method: exchange.method.clone(),
        url: exchange.url.clone(),
        writer: exchange.writer.as_ref().map(|writer| writer.name.clone()),
        sent: story.sent[index].shown(),
        status: exchange.status().filter(|status| *status > 0),
        received: story.received(index, at),
        keep: keep == Some(exchange.number),
        is_case: index == at,
    }
}

/// What has to be said if there is no case.
fn remark(story: &Story<'_>, cases: &[Case]) -> Option<String> {
    if !cases.is_empty() {
        return None;
    }
    let [exchange] = story.exchanges else { return None };
    let is_open = matches!(exchange.answer, Answer::Unknown);
    if !is_open {
        return None;
    }
    let what = match &story.sent[0] {
        _ if exchange.is_read() => "It is a read; reads overwrite nothing.".to_owned(),
        Sent::Unknown => "Its condition is in a variable or a file, which is not looked into.".to_owned(),
        Sent::Tags(tags) => {
            format!("By itself the request is right: If-Match: {} is a well-formed tag.", tags.join(", "))
        }
        Sent::Create => {
            "By itself the request is right: it creates, and only if nothing is there.".to_owned()
        }
        Sent::Date(_) => {
            "It has a date as its condition: whole seconds, which not every server takes (X14).".to_owned()
        }
        Sent::Nothing if exchange.method == "POST" => {
            "It is a POST, which usually overwrites nothing; where it does, it needs If-Match as well."
                .to_owned()
        }
        _ => "By itself nothing is wrong with it.".to_owned(),
    };
    Some(format!(
        "{what} Whether it is refused, only an answer tells. Send it and pass what comes back: curl -sv ... 2>&1 | ifmatch \
         explain -"
    ))
}
