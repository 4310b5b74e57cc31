//! The commands that look at an API, as they are run, against servers that nobody here wrote.

mod explain;
mod inspect;
mod race;
mod race_real;
