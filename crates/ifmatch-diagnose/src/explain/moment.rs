//! Points in time as recordings write them.

use core::fmt;

/// A point in time, to the millisecond, as it stood in the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Moment {
    /// Since 1970-01-01T00:00:00Z.
    pub(super) unix_ms: i64,
    /// The time of day as it was written, in whatever zone that was.
    clock: String,
}

impl Moment {
    /// Reads `2026-10-03T10:02:41.702Z` or the same with an offset (RFC 3339); `None` if it is anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.trim().split_once(['T', ' '])?;
        let zone_at = rest.find(['Z', 'z', '+', '-'])?;
        let (clock, zone) = rest.split_at(zone_at);
        let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut parts = whole.splitn(3, ':').map(|part| part.parse::<i64>().ok());
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        let is_one = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second);
        if !is_one || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let ms: i64 = format!("{fraction:0<3.3}").parse().ok()?;
        let seconds =
            days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_seconds(zone)?;
        let clock = format!("{hour:02}:{minute:02}:{second:02}.{ms:03}");
        Some(Self { unix_ms: seconds * 1000 + ms, clock })
    }
}

/// The time of day.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.clock)
    }
}

/// Days since 1970-01-01, counted in eras of 400 years that begin on a first of March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year / 400 * 146_097 + day_of_era - 719_468
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = (digits.get(..2)?, digits.get(2..4).unwrap_or("00"));
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_any_zone() {
        for (text, unix_ms, clock) in [
            ("1970-01-01T00:00:00Z", 0, "00:00:00.000"),
            ("2026-10-03T10:02:41.702Z", 1_791_021_761_702, "10:02:41.702"),
            ("2026-10-03T12:02:41.7029+02:00", 1_791_021_761_702, "12:02:41.702"),
            ("2026-10-03T08:02:41.7-0200", 1_791_021_761_700, "08:02:41.700"),
            ("2024-02-29T00:00:00.000Z", 1_709_164_800_000, "00:00:00.000"),
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!((moment.unix_ms, moment.to_string().as_str()), (unix_ms, clock), "{text}");
        }
        for text in [
            "",
            "2026-10-03",
            "2026-13-03T10:02:41Z",
            "2026-10-03T10:02:41",
            "x-y-zTa:b:cZ",
            "2026-10-03T10:02Z",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
