//! The engine: the requirement of RFC 6585, Section 3 and the precedence of RFC 9110, Section 13.2.2.

use crate::conditions::{Conditions, DateCondition, IfRange, TagCondition, TagList};
use crate::date::HttpDate;
use crate::expected::Expected;
use crate::explain::{NoTrace, Trace};
use crate::policy::{Dates, MethodClass, Mode, Policy, Requirement, Star};
use crate::problem::{Code, Reason};
use crate::range::ByteRange;
use crate::refusal::Refusal;
use crate::state::{CurrentState, Representation};
use crate::tag::EntityTag;
use http::header::{CONTENT_RANGE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, Method};

/// Judges one request: its method and conditions under a policy. Pure; time is an argument.
#[derive(Clone, Debug)]
pub struct Judge<'x> {
    method: &'x Method,
    conditions: Conditions<'x>,
    policy: &'x Policy,
    override_reason: bool,
    now: HttpDate,
}

/// What is to be done with a request, now that the state is known.
#[derive(Debug)]
pub enum Outcome {
    /// A write may be performed, on the state it was judged against and on no other.
    Perform(Guard),
    /// A read is answered with the representation or a part of it.
    Send(Selection),
    /// A read is answered with 304.
    NotModified,
    /// Nothing is performed.
    Refused(Refusal),
}

/// How much of the representation a read gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selection {
    /// All of it: 200.
    Whole,
    /// One range: 206.
    Part(ByteRange),
}

/// Proof that a write was judged and may be performed. Only [`Judge::on_state`] makes one; whoever changes state takes
/// one, and with [`Guard::expected`] commits against exactly the state that was judged.
///
/// ```compile_fail,E0451
/// // A write that nobody judged has no proof.
/// let guard = ifmatch_core::Guard { judged: None, protection: ifmatch_core::Protection::Version };
/// ```
///
/// ```compile_fail,E0599
/// // One judgement is good for one write.
/// fn twice(guard: ifmatch_core::Guard) -> (ifmatch_core::Guard, ifmatch_core::Guard) {
///     (guard.clone(), guard)
/// }
/// ```
#[derive(PartialEq, Eq, Debug)]
#[must_use = "a guard that is not used means that a write was judged and then forgotten"]
pub struct Guard {
    /// Whether something was there; `None` where the mode looks at no condition and the state was not asked.
    judged: Option<bool>,
    protection: Protection,
}

/// What protected a write that was let through.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protection {
    /// A condition that names the version (If-Match with tags, or a date).
    Version,
    /// `If-None-Match: *`.
    Creation,
    /// `If-Match: *` where the policy allows it.
    Overwrite,
    /// No condition, where none is needed or the mode waives it.
    None,
}

impl Guard {
    /// The compare half for the commit, from the version of the state that was judged (`None`: nothing was there).
    ///
    /// If the version given does not fit what was judged, the result can never hold by accident: a state judged absent
    /// stays [`Expected::Absent`], and a present one without a version also gives `Absent`, which then mismatches.
    /// Where the mode looks at no condition there is nothing to hold the commit to: [`Expected::Any`].
    pub fn expected<V>(&self, judged_version: Option<V>) -> Expected<V> {
        match (self.judged, judged_version) {
            (None, _) => Expected::Any,
            (Some(true), Some(version)) => Expected::Exactly(version),
            (Some(_), _) => Expected::Absent,
        }
    }

    /// Whether the state it was judged against had a representation.
    pub fn replaces(&self) -> bool {
        self.judged == Some(true)
    }

    /// What protected the write.
    pub fn protection(&self) -> Protection {
        self.protection
    }
}

impl<'x> Judge<'x> {
    /// Reads the conditions of a request. `now` is the current second by the clock of whoever holds the state.
    pub fn new(method: &'x Method, headers: &'x HeaderMap, policy: &'x Policy, now: HttpDate) -> Self {
        let conditions = Conditions::read(headers, now);
        let override_reason = policy.star == Star::WithReason
            && headers.get("precondition-override").is_some_and(|v| !v.as_bytes().trim_ascii().is_empty());
        Self { method, conditions, policy, override_reason, now }
    }

    /// Judges a request that has none of the fields that [`Conditions`] are read from. Without dates there is no time.
    pub fn unconditional(method: &'x Method, policy: &'x Policy) -> Self {
        let now = HttpDate::from_unix(0);
        Self { method, conditions: Conditions::NONE, policy, override_reason: false, now }
    }

    /// The conditions as read.
    pub fn conditions(&self) -> &Conditions<'x> {
        &self.conditions
    }

    /// What can be said from the head alone: 400 for a condition that cannot be understood, 428 for one that is missing.
    /// Says nothing about whether the resource exists.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn on_head(&self) -> Result<(), Refusal> {
        self.head(self.protection(), &mut NoTrace)
    }

    /// [`Judge::protection`] and [`Judge::on_head`], at the price of one.
    pub fn protection_and_head(&self) -> (Result<Protection, Code>, Result<(), Refusal>) {
        let protection = self.protection();
        (protection, self.head(protection, &mut NoTrace))
    }

    /// The judgement itself, against the state as it is at the moment of acting. Includes [`Judge::on_head`], so that
    /// no caller can leave that out.
    pub fn on_state(&self, state: &CurrentState<'_>) -> Outcome {
        self.state(state, &mut NoTrace)
    }

    fn head(&self, protection: Result<Protection, Code>, trace: &mut impl Trace) -> Result<(), Refusal> {
        let class = MethodClass::of(self.method);
        if class == MethodClass::Ignores || !self.policy.mode.evaluates() {
            trace.step("RFC 9110, Section 13.2.1", || {
                "Conditions are not looked at for this method or in this mode.".into()
            });
            return Ok(());
        }
        let malformed = |field: HeaderName| Err(Refusal::new(Code::MalformedValidator).about(field));
        if matches!(self.conditions.if_match, TagCondition::Malformed) {
            trace.step("RFC 9110, Section 8.8.3", || {
                "If-Match is not a list of entity-tags: 400, never \"no condition\".".into()
            });
            return malformed(IF_MATCH);
        }
        if class == MethodClass::Write && matches!(self.conditions.if_none_match, TagCondition::Malformed) {
            trace.step("RFC 9110, Section 8.8.3", || {
                "If-None-Match on a write is not a list of entity-tags: 400.".into()
            });
            return malformed(IF_NONE_MATCH);
        }
        match (protection, self.policy.mode) {
            (Ok(protection), _) => {
                trace.step("RFC 6585, Section 3", || {
                    protection_text(self.policy.requirement(self.method), protection).into()
                });
                Ok(())
            }
            (Err(code), Mode::Enforce) => {
                trace.step("RFC 6585, Section 3", || {
                    format!("No condition protects this write: 428 {}.", code.name())
                });
                Err(Refusal::new(code))
            }
            (Err(code), _) => {
                trace.step("RFC 6585, Section 3", || {
                    format!("{} is waived: the mode is {}.", code.name(), self.policy.mode.name())
                });
                Ok(())
            }
        }
    }

    /// What protects this request, or the 428 code if something had to and nothing does. A date is only taken at its
    /// word here; whether it names a state is judged with the state.
    ///
    /// # Errors
    /// The 428 code, whether or not the mode waives it.
    pub fn protection(&self) -> Result<Protection, Code> {
        let requirement = self.policy.requirement(self.method);
        let creation = requirement != Requirement::Version
            && matches!(self.conditions.if_none_match, TagCondition::Star);
        match &self.conditions.if_match {
            TagCondition::Tags(tags) if !tags.is_empty() => return Ok(Protection::Version),
            _ if creation => return Ok(Protection::Creation),
            TagCondition::Star if self.star_allowed() => return Ok(Protection::Overwrite),
            _ if requirement == Requirement::None => return Ok(Protection::None),
            TagCondition::Star => return Err(Code::OverwriteNotAllowed),
            _ => {}
        }
        match self.date() {
            None => Err(Code::PreconditionRequired),
            Some(DateCondition::At(date)) if date <= self.now => Ok(Protection::Version),
            Some(_) => Err(Code::NotAVersion),
        }
    }

    /// As [`Judge::protection`], with conditions that cannot be understood: what enforcing would refuse from the head.
    ///
    /// # Errors
    /// The code of that refusal.
    pub fn enforced(&self) -> Result<Protection, Code> {
        let malformed = [&self.conditions.if_match, &self.conditions.if_none_match]
            .into_iter()
            .any(|condition| matches!(condition, TagCondition::Malformed));
        if malformed { Err(Code::MalformedValidator) } else { self.protection() }
    }

    fn star_allowed(&self) -> bool {
        match self.policy.star {
            Star::Refused => false,
            Star::WithReason => self.override_reason,
            Star::Allowed => true,
        }
    }

    /// If-Unmodified-Since, where it is to be looked at.
    fn date(&self) -> Option<DateCondition> {
        (self.policy.dates == Dates::Evaluated).then(|| self.conditions.unmodified_since()).flatten()
    }

    pub(crate) fn state(&self, state: &CurrentState<'_>, trace: &mut impl Trace) -> Outcome {
        if let Err(refusal) = self.head(self.protection(), trace) {
            return Outcome::Refused(refusal);
        }
        let class = MethodClass::of(self.method);
        if class == MethodClass::Ignores || !self.policy.mode.evaluates() {
            return Outcome::Perform(Guard { judged: None, protection: Protection::None });
        }
        if MethodClass::needs_target(self.method) && !state.is_present() {
            trace.step("RFC 9110, Section 13.2.1", || {
                "Nothing is there: 404, and the conditions are not consulted.".into()
            });
            return Outcome::Refused(Refusal::new(Code::NotFound));
        }
        if let Err(refusal) = self.if_match(state, trace).and_then(|()| self.unmodified_since(state, trace)) {
            return Outcome::Refused(refusal);
        }
        if let Some(outcome) =
            self.if_none_match(state, class, trace).or_else(|| self.modified_since(state, class, trace))
        {
            return outcome;
        }
        match (class, state) {
            (MethodClass::Read, CurrentState::Present(present)) => self.select(present, trace),
            _ => Outcome::Perform(Guard {
                judged: Some(state.is_present()),
                protection: self.protection().unwrap_or(Protection::None),
            }),
        }
    }

    /// Step 1. A false If-Match is never performed.
    fn if_match(&self, state: &CurrentState<'_>, trace: &mut impl Trace) -> Result<(), Refusal> {
        let holds = match (&self.conditions.if_match, state) {
            (TagCondition::Absent, _) => return Ok(()),
            (TagCondition::Star, state) => state.is_present(),
            (TagCondition::Tags(tags), CurrentState::Present(Representation { etag: Some(current), .. })) => {
                tags.iter().any(|tag| tag.strongly_equals(current))
            }
            _ => false,
        };
        trace
            .step("RFC 9110, Section 13.2.2, step 1", || format!("If-Match is {holds}: {}.", against(state)));
        if holds {
            return Ok(());
        }
        let reason = match (&self.conditions.if_match, state) {
            (_, CurrentState::Absent) => Reason::Gone,
            (TagCondition::Tags(tags), CurrentState::Present(r)) if is_weakness(tags, r.etag) => {
                Reason::WeakValidator
            }
            _ => Reason::Changed,
        };
        Err(self.stale(state, reason, IF_MATCH))
    }

    /// Step 2, and the rule on dates: one that is a write's only protection counts only if it names one state.
    fn unmodified_since(&self, state: &CurrentState<'_>, trace: &mut impl Trace) -> Result<(), Refusal> {
        let Some(condition) = self.date() else { return Ok(()) };
        let modified = match state {
            CurrentState::Present(r) => r.last_modified,
            CurrentState::Absent => None,
        };
        let sole = self.policy.mode == Mode::Enforce
            && self.policy.requirement(self.method) != Requirement::None
            && self.protection() == Ok(Protection::Version);
        const STEP: &str = "RFC 9110, Section 13.2.2, step 2";
        match (condition, modified) {
            (DateCondition::At(date), Some(modified)) if !sole || self.names_a_state(date, modified) => {
                let holds = modified <= date;
                trace.step(STEP, || format!("If-Unmodified-Since is {holds}: last modified {modified}."));
                if holds { Ok(()) } else { Err(self.stale(state, Reason::Changed, IF_UNMODIFIED_SINCE)) }
            }
            _ if sole => {
                trace.step(STEP, || {
                    "The date names no state of this resource, so nothing protects it: 428 not_a_version."
                        .into()
                });
                Err(Refusal::new(Code::NotAVersion).about(IF_UNMODIFIED_SINCE))
            }
            _ => {
                trace.step(STEP, || {
                    "If-Unmodified-Since is ignored: no valid date, or nothing with a date is there.".into()
                });
                Ok(())
            }
        }
    }

    /// A date equal to Last-Modified was handed out for exactly that state; one before the current second can be
    /// compared, because every later write gets a later date; and one before Last-Modified is false whatever else it
    /// is. The current second is not over and the future not seen.
    fn names_a_state(&self, date: HttpDate, modified: HttpDate) -> bool {
        date < self.now || date < modified || (date == modified && modified <= self.now)
    }

    /// Step 3.
    fn if_none_match(
        &self,
        state: &CurrentState<'_>,
        class: MethodClass,
        trace: &mut impl Trace,
    ) -> Option<Outcome> {
        let holds = match (&self.conditions.if_none_match, state) {
            (TagCondition::Absent, _) => return None,
            (TagCondition::Star, state) => !state.is_present(),
            (TagCondition::Tags(tags), CurrentState::Present(Representation { etag: Some(current), .. })) => {
                !tags.iter().any(|tag| tag.weakly_equals(current))
            }
            // Malformed on a read: matches nothing.
            _ => true,
        };
        trace.step("RFC 9110, Section 13.2.2, step 3", || {
            format!("If-None-Match is {holds}: {}.", against(state))
        });
        match (holds, class) {
            (true, _) => None,
            (false, MethodClass::Read) => Some(Outcome::NotModified),
            (false, _) => {
                let refusal =
                    Refusal::new(Code::AlreadyExists).about(IF_NONE_MATCH).current_etag(etag_value(state));
                Some(Outcome::Refused(refusal))
            }
        }
    }

    /// Step 4. Only for GET and HEAD, and only if there is no If-None-Match, be it true or malformed.
    fn modified_since(
        &self,
        state: &CurrentState<'_>,
        class: MethodClass,
        trace: &mut impl Trace,
    ) -> Option<Outcome> {
        let DateCondition::At(since) = self.conditions.if_modified_since else { return None };
        let (MethodClass::Read, TagCondition::Absent) = (class, &self.conditions.if_none_match) else {
            return None;
        };
        let CurrentState::Present(Representation { last_modified: Some(modified), .. }) = *state else {
            return None;
        };
        // A withheld date is as good as none.
        if modified > self.now {
            return None;
        }
        let holds = modified > since;
        trace.step("RFC 9110, Section 13.2.2, step 4", || {
            format!("If-Modified-Since is {holds}: last modified {modified}.")
        });
        (!holds).then_some(Outcome::NotModified)
    }

    /// Steps 5 and 6: Range, for GET only, and only if If-Range lets it.
    fn select(&self, present: &Representation<'_>, trace: &mut impl Trace) -> Outcome {
        let whole = Outcome::Send(Selection::Whole);
        let (Some(range), Some(length)) = (self.conditions.range, present.content_bytes) else {
            return whole;
        };
        if self.method != Method::GET {
            return whole;
        }
        let unchanged = match self.conditions.if_range {
            IfRange::Absent => true,
            IfRange::Tag(tag) => present.etag.is_some_and(|current| current.strongly_equals(&tag)),
            IfRange::Date(date) => present.last_modified == Some(date) && date <= self.now,
            IfRange::Never => false,
        };
        trace.step("RFC 9110, Section 13.2.2, step 5", || {
            if unchanged {
                "The range applies.".into()
            } else {
                "If-Range is false: the whole is sent.".into()
            }
        });
        match range.select(length) {
            _ if !unchanged || range.is_suffix_of_nothing(length) => whole,
            Some(part) => Outcome::Send(Selection::Part(part)),
            None => {
                let refusal = Refusal::new(Code::RangeNotSatisfiable);
                Outcome::Refused(match HeaderValue::try_from(format!("bytes */{length}")) {
                    Ok(value) => refusal.field(CONTENT_RANGE, value),
                    Err(_) => refusal,
                })
            }
        }
    }

    fn stale(&self, state: &CurrentState<'_>, reason: Reason, field: HeaderName) -> Refusal {
        Refusal::stale(self.policy, reason).about(field).current_etag(etag_value(state))
    }
}

/// Whether weakness is why no tag matched: of what was sent, or of what is there, which then no tag can match.
fn is_weakness(tags: &TagList<'_>, current: Option<EntityTag<'_>>) -> bool {
    let same_but_weak = |tag: EntityTag<'_>| current.is_some_and(|c| tag.weakly_equals(&c));
    current.is_some_and(|c| c.is_weak())
        || tags.iter().any(same_but_weak)
        || (!tags.is_empty() && tags.iter().all(|tag| tag.is_weak()))
}

fn etag_value(state: &CurrentState<'_>) -> Option<HeaderValue> {
    let CurrentState::Present(Representation { etag: Some(tag), .. }) = state else { return None };
    let mut value = Vec::with_capacity(tag.opaque().len() + 4);
    value.extend_from_slice(if tag.is_weak() { b"W/\"" } else { b"\"" });
    value.extend_from_slice(tag.opaque());
    value.push(b'"');
    HeaderValue::from_maybe_shared(value).ok()
}

fn against(state: &CurrentState<'_>) -> String {
    match state {
        CurrentState::Absent => "nothing is there".to_owned(),
        CurrentState::Present(Representation { etag: Some(tag), .. }) => {
            format!("the current entity-tag is {tag}")
        }
        CurrentState::Present(_) => "what is there has no entity-tag".to_owned(),
    }
}

fn protection_text(requirement: Requirement, protection: Protection) -> &'static str {
    match (requirement, protection) {
        (Requirement::None, Protection::None) => "This method needs no condition here.",
        (_, Protection::Version) => "A condition names the version to work on.",
        (_, Protection::Creation) => "If-None-Match: * guards the creation.",
        (_, Protection::Overwrite) => "If-Match: * is allowed here.",
        (_, Protection::None) => "No condition is needed.",
    }
}
