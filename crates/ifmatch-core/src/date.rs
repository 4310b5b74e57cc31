//! HTTP dates (RFC 9110, Section 5.6.7): three formats in, one out, to the second.

use core::fmt;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAYS_LONG: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_PER_DAY: i64 = 86_400;

/// A point in time as HTTP can say it: whole seconds since 1970-01-01T00:00:00Z. Also how this crate is told what
/// time it is: it has no clock of its own, and no precondition is finer than a second.
///
/// Dates from year 0 to 9999 can be written; arithmetic is saturating.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HttpDate(i64);

impl HttpDate {
    /// The date that many seconds after (or before) the Unix epoch, clamped to what HTTP can write.
    pub const fn from_unix(seconds: i64) -> Self {
        const MIN: i64 = -62_167_219_200; // 0000-01-01T00:00:00Z
        const MAX: i64 = 253_402_300_799; // 9999-12-31T23:59:59Z
        Self(if seconds < MIN {
            MIN
        } else if seconds > MAX {
            MAX
        } else {
            seconds
        })
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// The date so many seconds later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }

    /// Reads an IMF-fixdate, an RFC 850 date or an asctime date; `None` if it is none of them, or no such day or
    /// time exists. Names and `GMT` are case-sensitive, second 60 is accepted as the grammar does. The name of the
    /// weekday must be one, but is not held against the date.
    ///
    /// `now` settles the two-digit year of RFC 850: one that seems more than 50 years ahead is in the past.
    pub fn parse(text: &[u8], now: Self) -> Option<Self> {
        let text = text.trim_ascii();
        imf_fixdate(text).or_else(|| rfc850(text, now)).or_else(|| asctime(text))
    }

    /// The date as an IMF-fixdate, as [`fmt::Display`] shows it: put together by hand, because every read answers with
    /// one.
    pub fn to_imf_fixdate(self) -> [u8; 29] {
        let c = self.civil();
        let (h, m, s) = self.clock();
        let mut text = *b"Sun, 06 Nov 1994 08:49:37 GMT";
        text[..3].copy_from_slice(DAYS[self.weekday()].as_bytes());
        text[8..11].copy_from_slice(MONTHS[c.month - 1].as_bytes());
        for (at, two_digits) in
            [(5, c.day), (12, c.year / 100), (14, c.year % 100), (17, h), (20, m), (23, s)]
        {
            for (digit, value) in [(at, two_digits / 10), (at + 1, two_digits % 10)] {
                text[digit] = b'0' + u8::try_from(value).unwrap_or(0);
            }
        }
        text
    }

    /// The date as an RFC 850 date, an obsolete form that recipients must still accept; for tests of that.
    pub fn to_rfc850(self) -> String {
        let c = self.civil();
        let (h, m, s) = self.clock();
        let day = DAYS_LONG[self.weekday()];
        format!(
            "{day}, {:02}-{}-{:02} {h:02}:{m:02}:{s:02} GMT",
            c.day,
            MONTHS[c.month - 1],
            c.year.rem_euclid(100)
        )
    }

    /// The date in asctime form, obsolete as well.
    pub fn to_asctime(self) -> String {
        let c = self.civil();
        let (h, m, s) = self.clock();
        format!(
            "{} {} {:2} {h:02}:{m:02}:{s:02} {:04}",
            DAYS[self.weekday()],
            MONTHS[c.month - 1],
            c.day,
            c.year
        )
    }

    fn clock(self) -> (i64, i64, i64) {
        let s = self.0.rem_euclid(SECONDS_PER_DAY);
        (s / 3600, s / 60 % 60, s % 60)
    }

    fn weekday(self) -> usize {
        // 1970-01-01 was a Thursday, index 3.
        usize::try_from((self.0.div_euclid(SECONDS_PER_DAY) + 3).rem_euclid(7)).unwrap_or(0)
    }

    /// The proleptic Gregorian date, by counting days in 400-year eras that begin on a first of March.
    fn civil(self) -> Civil {
        let z = self.0.div_euclid(SECONDS_PER_DAY) + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil { year, month: usize::try_from(month).unwrap_or(1), day }
    }
}

/// The preferred form, IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.to_imf_fixdate()).map_err(|_| fmt::Error)?)
    }
}

struct Civil {
    year: i64,
    month: usize,
    day: i64,
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(t: &[u8]) -> Option<HttpDate> {
    if t.len() != 29 || &t[3..5] != b", " || t[7] != b' ' || t[11] != b' ' || &t[25..] != b" GMT" {
        return None;
    }
    position(&DAYS, &t[..3])?;
    date(number(&t[12..16])?, position(&MONTHS, &t[8..11])?, number(&t[5..7])?, t[16], &t[17..25])
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(t: &[u8], now: HttpDate) -> Option<HttpDate> {
    let comma = t.iter().position(|&b| b == b',')?;
    position(&DAYS_LONG, &t[..comma])?;
    let t = &t[comma..];
    if t.len() != 24 || t[1] != b' ' || t[4] != b'-' || t[8] != b'-' || &t[20..] != b" GMT" {
        return None;
    }
    let (month, day, two_digits) = (position(&MONTHS, &t[5..8])?, number(&t[2..4])?, number(&t[9..11])?);
    let this_year = now.civil().year;
    let guess = this_year - this_year.rem_euclid(100) + two_digits;
    let near = |year| date(year, month, day, t[11], &t[12..20]);
    let fifty_years_on = HttpDate::from_unix(unix(this_year + 50, now.civil().month, now.civil().day, 0));
    // The latest century in which the date is not more than 50 years ahead. A day that exists in one century only
    // (29 February 2000) is tried in each.
    [guess + 100, guess, guess - 100]
        .into_iter()
        .find_map(|year| near(year).filter(|d| d.0 - now.0.rem_euclid(SECONDS_PER_DAY) <= fifty_years_on.0))
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(t: &[u8]) -> Option<HttpDate> {
    if t.len() != 24 || t[3] != b' ' || t[7] != b' ' || t[19] != b' ' {
        return None;
    }
    position(&DAYS, &t[..3])?;
    let day = if t[8] == b' ' { number(&t[9..10])? } else { number(&t[8..10])? };
    date(number(&t[20..24])?, position(&MONTHS, &t[4..7])?, day, t[10], &t[11..19])
}

fn position(names: &[&str], text: &[u8]) -> Option<usize> {
    names.iter().position(|name| name.as_bytes() == text)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// `month` counts from 0 here, as found in the table of names.
fn date(year: i64, month: usize, day: i64, separator: u8, clock: &[u8]) -> Option<HttpDate> {
    let month = month + 1;
    if separator != b' ' || clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (h, m, s) = (number(&clock[..2])?, number(&clock[3..5])?, number(&clock[6..])?);
    if day < 1 || day > days_in(year, month) || h > 23 || m > 59 || s > 60 {
        return None;
    }
    Some(HttpDate::from_unix(unix(year, month, day, h * 3600 + m * 60 + s)))
}

fn days_in(year: i64, month: usize) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn unix(year: i64, month: usize, day: i64, second_of_day: i64) -> i64 {
    let month = i64::try_from(month).unwrap_or(1);
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) * SECONDS_PER_DAY + second_of_day
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: HttpDate = HttpDate::from_unix(784_111_777);
    const NOW: HttpDate = HttpDate::from_unix(1_795_000_000); // November 2026

    fn parse(text: &str) -> Option<HttpDate> {
        HttpDate::parse(text.as_bytes(), NOW)
    }

    #[test]
    fn reads_the_three_formats_and_writes_the_first() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse(text), Some(EXAMPLE), "{text}");
        }
        assert_eq!(EXAMPLE.to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(EXAMPLE.to_rfc850(), "Sunday, 06-Nov-94 08:49:37 GMT");
        assert_eq!(EXAMPLE.to_asctime(), "Sun Nov  6 08:49:37 1994");
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "Sun, 30 Feb 2025 08:49:37 GMT",
            "Sat, 29 Feb 2025 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Foo, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, -6 Nov 1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
            "784111777",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn two_digit_years_look_at_most_fifty_years_ahead() {
        let year = |text: &str| parse(text).map(|d| d.civil().year);
        assert_eq!(year("Monday, 06-Nov-34 08:49:37 GMT"), Some(2034));
        assert_eq!(year("Sunday, 06-Nov-94 08:49:37 GMT"), Some(1994));
        assert_eq!(year("Sunday, 06-Nov-76 08:49:37 GMT"), Some(2076));
        assert_eq!(year("Sunday, 06-Dec-76 08:49:37 GMT"), Some(1976));
        assert_eq!(year("Tuesday, 29-Feb-00 08:49:37 GMT"), Some(2000));
    }

    #[test]
    fn leap_days_and_leap_seconds() {
        assert!(parse("Thu, 29 Feb 2024 08:49:37 GMT").is_some());
        assert!(parse("Tue, 29 Feb 2000 08:49:37 GMT").is_some());
        assert!(parse("Thu, 29 Feb 1900 08:49:37 GMT").is_none());
        let leap = parse("Sat, 31 Dec 2016 23:59:60 GMT").map(HttpDate::unix);
        assert_eq!(leap, parse("Sun, 01 Jan 2017 00:00:00 GMT").map(HttpDate::unix));
    }

    #[test]
    fn writing_and_reading_agree_for_every_day_of_eight_centuries() {
        for day in -150_000..150_000i64 {
            let date = HttpDate::from_unix(day * SECONDS_PER_DAY + (day * 7919).rem_euclid(SECONDS_PER_DAY));
            assert_eq!(HttpDate::parse(date.to_string().as_bytes(), NOW), Some(date));
            assert_eq!(HttpDate::parse(date.to_asctime().as_bytes(), NOW), Some(date));
        }
    }

    #[test]
    fn is_total_on_every_cut_and_flip_of_a_date() {
        for text in [EXAMPLE.to_string(), EXAMPLE.to_rfc850(), EXAMPLE.to_asctime()] {
            for cut in 0..text.len() {
                let _ = parse(&text[..cut]);
                let _ = parse(&text[cut..]);
                for byte in 0..=255u8 {
                    let mut bytes = text.clone().into_bytes();
                    bytes[cut] = byte;
                    let _ = HttpDate::parse(&bytes, NOW);
                }
            }
        }
    }
}
