//! Engines that are wrong on purpose, each in a way that a shipped product is or was wrong. The table and the rows
//! must catch every one of them: a check that cannot fail checks nothing.

use crate::bridge::{agree, current, etag_text, from_case, headers, method, status};
use http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};
use ifmatch_core::matrix::{NOW, T, Verdict, cases};
use ifmatch_core::{Conditions, DateCondition, HttpDate, TagCondition, matrix};
use ifmatch_testkit::decisions::rows;
use ifmatch_testkit::reference::{Request, State, judge};

/// A request as the wrong engines get it. They lean on the real one for what they do right.
struct Given<'a> {
    method: &'a str,
    headers: HeaderMap,
    state: State,
    now: i64,
}

impl Given<'_> {
    fn decide(&self) -> Verdict {
        let tag = etag_text(&self.state);
        let state = current(&self.state, tag.as_deref());
        matrix::decide(&method(self.method), &self.headers, &state, HttpDate::from_unix(self.now))
    }

    fn conditions(&self) -> Conditions<'_> {
        Conditions::read(&self.headers, HttpDate::from_unix(self.now))
    }

    fn is_write(&self) -> bool {
        matches!(self.method, "PUT" | "PATCH" | "DELETE" | "POST")
    }

    fn last_modified(&self) -> Option<HttpDate> {
        match self.state {
            State::Present { last_modified, .. } => last_modified.map(HttpDate::from_unix),
            State::Absent => None,
        }
    }

    /// Rewrites every line of a field; an empty answer drops the field.
    fn rewrite(&mut self, name: &HeaderName, lines: impl FnOnce(Vec<String>) -> Vec<String>) {
        let texts: Vec<_> = self
            .headers
            .get_all(name)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .collect();
        self.headers.remove(name);
        for line in lines(texts) {
            self.headers.append(name, HeaderValue::from_str(&line).unwrap());
        }
    }
}

const PERFORMED: Verdict = Verdict { status: None, code: None, reason: None };

fn stale() -> Verdict {
    Verdict { status: Some(412), code: Some("stale_version"), reason: None }
}

type Wrong = fn(Given<'_>) -> Verdict;

const MUTANTS: [(&str, Wrong); 16] = [
    ("malformed is absent", |mut x| {
        let im = matches!(x.conditions().if_match, TagCondition::Malformed);
        let inm = matches!(x.conditions().if_none_match, TagCondition::Malformed);
        for name in [(im, IF_MATCH), (inm, IF_NONE_MATCH)].into_iter().filter(|n| n.0) {
            x.headers.remove(name.1);
        }
        x.decide()
    }),
    ("weak tags match strongly", |mut x| {
        x.rewrite(&IF_MATCH, |lines| lines.iter().map(|l| l.replace("W/", "")).collect());
        if let State::Present { etag: Some((weak, _)), .. } = &mut x.state {
            *weak = false;
        }
        x.decide()
    }),
    ("lists are split on commas", |mut x| {
        for name in [IF_MATCH, IF_NONE_MATCH] {
            x.rewrite(&name, |lines| {
                lines.iter().flat_map(|l| l.split(',').map(|m| m.trim().to_owned())).collect()
            });
        }
        x.decide()
    }),
    ("only the first line counts", |mut x| {
        for name in [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE] {
            x.rewrite(&name, |lines| lines.into_iter().take(1).collect());
        }
        x.decide()
    }),
    ("only the last line counts", |mut x| {
        for name in [IF_MATCH, IF_NONE_MATCH] {
            x.rewrite(&name, |lines| lines.into_iter().next_back().into_iter().collect());
        }
        x.decide()
    }),
    ("a date must be later, not equal", |x| {
        let verdict = x.decide();
        let date = x.conditions().if_unmodified_since;
        let looked_at = !x.headers.contains_key(IF_MATCH) && x.method != "OPTIONS";
        match x.last_modified() {
            Some(modified) if verdict.code.is_none() && looked_at && date == DateCondition::At(modified) => {
                stale()
            }
            _ => verdict,
        }
    }),
    ("a date in the running second or the future counts", |mut x| {
        x.now += 86_400;
        x.decide()
    }),
    ("any condition at all protects", |x| {
        let verdict = x.decide();
        let some = [IF_NONE_MATCH, IF_MODIFIED_SINCE].iter().any(|n| x.headers.contains_key(n));
        if verdict.code == Some("precondition_required") && some { PERFORMED } else { verdict }
    }),
    ("a star in a list is a wildcard", |mut x| {
        x.rewrite(&IF_MATCH, |lines| {
            if lines.iter().any(|l| l.split(',').any(|m| m.trim() == "*")) { vec!["*".into()] } else { lines }
        });
        let verdict = x.decide();
        if verdict.code == Some("overwrite_not_allowed") { PERFORMED } else { verdict }
    }),
    ("If-Match on nothing creates", |x| {
        let verdict = x.decide();
        if x.method == "PUT" && x.state == State::Absent && verdict.code == Some("stale_version") {
            return Verdict { status: Some(201), ..PERFORMED };
        }
        verdict
    }),
    ("If-Unmodified-Since is evaluated beside If-Match", |x| {
        let verdict = x.decide();
        match (x.conditions().if_unmodified_since, x.last_modified()) {
            (DateCondition::At(date), Some(modified)) if verdict.code.is_none() && modified > date => stale(),
            _ => verdict,
        }
    }),
    ("an empty If-Match is none", |mut x| {
        x.rewrite(&IF_MATCH, |lines| lines.into_iter().filter(|l| !l.is_empty()).collect());
        x.decide()
    }),
    ("evaluation stops after If-Match", |mut x| {
        if x.headers.contains_key(IF_MATCH) {
            x.headers.remove(IF_NONE_MATCH);
        }
        x.decide()
    }),
    ("If-None-Match compares strongly", |mut x| {
        if let State::Present { etag: Some((true, _)), .. } = x.state {
            x.rewrite(&IF_NONE_MATCH, |lines| lines.into_iter().filter(|l| l == "*").collect());
        }
        x.decide()
    }),
    ("If-Modified-Since beside If-None-Match, and on writes", |x| {
        let verdict = x.decide();
        match (x.conditions().if_modified_since, x.last_modified()) {
            (DateCondition::At(since), Some(modified)) if verdict.code.is_none() && modified <= since => {
                Verdict { status: Some(if x.is_write() { 412 } else { 304 }), code: None, reason: None }
            }
            _ => verdict,
        }
    }),
    ("conditions come before 404", |x| {
        let verdict = x.decide();
        let conditional = x.headers.contains_key(IF_MATCH);
        if verdict.code == Some("not_found") && conditional { stale() } else { verdict }
    }),
];

/// The id of the first row decided by hand that this engine does not meet.
fn caught_by_rows(wrong: Wrong) -> Option<&'static str> {
    let rows = rows(T.unix()).unwrap();
    let unmet = rows.into_iter().find(|row| {
        let given = Given {
            method: row.method,
            headers: headers(&row.fields).unwrap(),
            state: row.state.clone(),
            now: row.now,
        };
        let verdict = wrong(given);
        !row.expect.is_met_by(status(&verdict), verdict.code)
    });
    unmet.map(|row| row.id)
}

/// The number of the first row of the table, of every seventh, where this engine and the reference differ. Seven has no
/// divisor in common with any column.
fn caught_by_table(wrong: Wrong) -> Option<usize> {
    cases().step_by(7).position(|case| {
        let (fields, state) = from_case(&case);
        let reference = judge(&Request { method: case.method, fields: &fields }, &state, NOW.unix());
        let given = Given { method: case.method, headers: headers(&fields).unwrap(), state, now: NOW.unix() };
        !agree(&wrong(given), &reference)
    })
}

#[test]
fn every_wrong_engine_is_caught() {
    let (mut by_rows, mut by_table) = (0, 0);
    for (name, wrong) in MUTANTS {
        let caught = (caught_by_rows(wrong), caught_by_table(wrong));
        by_rows += usize::from(caught.0.is_some());
        by_table += usize::from(caught.1.is_some());
        assert_ne!(caught, (None, None), "{name} was not noticed");
    }
    // Tags with a comma stand in the rows only; everything else is in both.
    assert_eq!((by_rows, by_table), (MUTANTS.len(), MUTANTS.len() - 1));
}

#[test]
fn the_right_engine_is_not() {
    assert_eq!(caught_by_rows(|x| x.decide()), None);
    assert_eq!(caught_by_table(|x| x.decide()), None);
}
