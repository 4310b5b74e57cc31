//! Races of APIs that are right, or wrong in one respect.

mod api;
mod many;
mod safety;
mod verdicts;

use api::{Api, Habits, Tags};
use ifmatch_client::wire::{Access, Url};
use ifmatch_diagnose::race::{Journal, Plan, PrepareError, Race, Stop, prepare};

/// A document with members of all sorts.
const DOCUMENT: &str = r#"{"id":42,"note":"hello","total":12.50}"#;

fn plan(api: &Api) -> Plan {
    Plan::new(Url::parse(&api.url("/orders/42")).unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An API with one document.
fn api(habits: Habits) -> Api {
    let api = Api::start(habits);
    api.set("/orders/42", DOCUMENT);
    api
}

fn try_race(plan: Plan, journal: Option<Journal>) -> Result<Race, PrepareError> {
    runtime().block_on(async {
        let prepared = prepare(&Access::default(), plan).await?;
        Ok(prepared.run(&(), &Stop::default(), journal).await?)
    })
}

fn race(plan: Plan) -> Race {
    try_race(plan, None).unwrap()
}

/// Races an API with one document.
fn race_of(habits: Habits) -> Race {
    let api = api(habits);
    race(plan(&api))
}
