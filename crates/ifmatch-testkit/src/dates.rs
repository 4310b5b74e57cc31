//! HTTP dates (RFC 9110, Section 5.6.7), parsed and written the long way: no table, no closed formula, one year
//! and one month after the other, so that each line can be checked against the text of the standard.

/// Seconds in a day. Unix time knows no leap seconds.
const DAY_SECONDS: i64 = 86_400;

/// How far a two-digit year may lie ahead before it means the past century (RFC 9110, Section 5.6.7).
const TWO_DIGIT_YEAR_AHEAD_MAX: i64 = 50;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment in UTC, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Civil {
    year: i64,
    /// 1 to 12.
    month: i64,
    /// From 1.
    day: i64,
    hour: i64,
    minute: i64,
    /// 60 only in what was parsed: a leap second, which Unix time counts as the second after it.
    second: i64,
}

/// The Unix time, in seconds, of an HTTP date in any of its three forms; `None` for everything else.
///
/// `now` (Unix seconds) decides the century of a two-digit year. The name of the day must be one, but need not fit
/// the date: the grammar does not tie them together. Surrounding whitespace is not accepted here.
pub fn parse(value: &[u8], now: i64) -> Option<i64> {
    if !value.is_ascii() {
        return None;
    }
    let text: String = value.iter().map(|byte| char::from(*byte)).collect();
    let parts: Vec<&str> = text.split(' ').collect();
    match parts.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [name, day, month, year, time, "GMT"] if name.ends_with(',') => {
            short_day_name(name.strip_suffix(',')?)?;
            moment(digits(year, 4)?, month, digits(day, 2)?, time)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [name, date, time, "GMT"] => {
            let name = name.strip_suffix(',')?;
            if !DAYS.contains(&name) {
                return None;
            }
            let pieces: Vec<&str> = date.split('-').collect();
            let [day, month, year] = pieces.as_slice() else { return None };
            two_digit_year(digits(year, 2)?, month, digits(day, 2)?, time, now)
        }
        // Sun Nov 06 08:49:37 1994, and the same with a space for the leading zero: "Nov  6".
        [name, month, day, time, year] => {
            short_day_name(name)?;
            moment(digits(year, 4)?, month, digits(day, 2)?, time)
        }
        [name, month, "", day, time, year] => {
            short_day_name(name)?;
            moment(digits(year, 4)?, month, digits(day, 1)?, time)
        }
        _ => None,
    }
}

fn short_day_name(name: &str) -> Option<()> {
    DAYS.iter().any(|day| name.len() == 3 && day.starts_with(name)).then_some(())
}

/// Exactly `count` decimal digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn moment(year: i64, month: &str, day: i64, time: &str) -> Option<i64> {
    civil(year, month, day, time).map(unix)
}

/// The latest year with these two last digits that is not more than fifty years ahead of `now`.
fn two_digit_year(last_two: i64, month: &str, day: i64, time: &str, now: i64) -> Option<i64> {
    let limit = Civil { year: civil_of(now).year + TWO_DIGIT_YEAR_AHEAD_MAX, ..civil_of(now) };
    let mut year = limit.year;
    while year % 100 != last_two {
        year -= 1;
    }
    // 29 February exists in one century and perhaps not in the other, so the comparison is made on the parts.
    let as_written = Civil { year, ..civil_fields(month, day, time)? };
    if as_written > limit {
        year -= 100;
    }
    moment(year, month, day, time)
}

/// The parts with year 0, ranges checked except that of the day within its month.
fn civil_fields(month: &str, day: i64, time: &str) -> Option<Civil> {
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = i64::try_from(month).ok()? + 1;
    let pieces: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = pieces.as_slice() else { return None };
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(Civil { year: 0, month, day, hour, minute, second })
}

fn civil(year: i64, month: &str, day: i64, time: &str) -> Option<Civil> {
    let civil = Civil { year, ..civil_fields(month, day, time)? };
    if day < 1 || day > days_in_month(year, civil.month) {
        return None;
    }
    Some(civil)
}

fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_year(year: i64) -> i64 {
    if is_leap_year(year) { 366 } else { 365 }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn unix(civil: Civil) -> i64 {
    let mut days = civil.day - 1;
    for month in 1..civil.month {
        days += days_in_month(civil.year, month);
    }
    for year in 1970..civil.year {
        days += days_in_year(year);
    }
    for year in civil.year..1970 {
        days -= days_in_year(year);
    }
    days * DAY_SECONDS + civil.hour * 3600 + civil.minute * 60 + civil.second
}

fn civil_of(unix: i64) -> Civil {
    let (mut days, seconds) = (unix.div_euclid(DAY_SECONDS), unix.rem_euclid(DAY_SECONDS));
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += days_in_year(year);
    }
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    Civil {
        year,
        month,
        day: days + 1,
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
    }
}

fn day_name(unix: i64) -> &'static str {
    // 1 January 1970 was a Thursday.
    let index = (unix.div_euclid(DAY_SECONDS) + 3).rem_euclid(7);
    usize::try_from(index).ok().and_then(|index| DAYS.get(index)).copied().unwrap_or_default()
}

fn month_name(month: i64) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).copied().unwrap_or_default()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that may be sent.
pub fn imf_fixdate(unix: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil_of(unix);
    let (name, month) = (&day_name(unix)[..3], month_name(month));
    format!("{name}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`, obsolete.
pub fn rfc850(unix: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil_of(unix);
    let (name, month, year) = (day_name(unix), month_name(month), year.rem_euclid(100));
    format!("{name}, {day:02}-{month}-{year:02} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `Sun Nov  6 08:49:37 1994`, obsolete.
pub fn asctime(unix: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil_of(unix);
    let (name, month) = (&day_name(unix)[..3], month_name(month));
    format!("{name} {month} {day:>2} {hour:02}:{minute:02}:{second:02} {year:04}")
}

/// `1994-11-06T08:49:37Z`: not an HTTP date, for tests of what is not one.
pub fn iso8601(unix: i64) -> String {
    let Civil { year, month, day, hour, minute, second } = civil_of(unix);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 22 November 2026, 12:00:00 GMT.
    const NOW: i64 = 1_795_348_800;

    #[test]
    fn the_three_forms_of_the_standard_name_one_instant() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse(text.as_bytes(), NOW), Some(784_111_777), "{text}");
        }
        assert_eq!(parse(b"Sun Nov 06 08:49:37 1994", NOW), Some(784_111_777));
        assert_eq!(imf_fixdate(NOW), "Sun, 22 Nov 2026 12:00:00 GMT");
        assert_eq!(iso8601(784_111_777), "1994-11-06T08:49:37Z");
    }

    #[test]
    fn known_instants() {
        let known = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ];
        for (text, unix) in known {
            assert_eq!(parse(text.as_bytes(), NOW), Some(unix), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        // Steps of a bit more than a day and a prime number of seconds meet every kind of day.
        let mut unix = -1_000_000_000;
        while unix < 5_000_000_000 {
            assert_eq!(parse(imf_fixdate(unix).as_bytes(), NOW), Some(unix));
            assert_eq!(parse(asctime(unix).as_bytes(), NOW), Some(unix));
            unix += 86_400 + 7919;
        }
        let mut unix = NOW - 49 * 365 * DAY_SECONDS;
        while unix < NOW + 49 * 365 * DAY_SECONDS {
            assert_eq!(parse(rfc850(unix).as_bytes(), NOW), Some(unix));
            unix += 86_400 + 7919;
        }
    }

    #[test]
    fn a_two_digit_year_is_at_most_fifty_years_ahead() {
        let year = |text: &str| parse(text.as_bytes(), NOW).map(|unix| civil_of(unix).year);
        assert_eq!(year("Sunday, 22-Nov-76 12:00:00 GMT"), Some(2076));
        assert_eq!(year("Sunday, 22-Nov-76 12:00:01 GMT"), Some(1976));
        assert_eq!(year("Sunday, 06-Nov-77 08:49:37 GMT"), Some(1977));
        assert_eq!(year("Sunday, 06-Nov-34 08:49:37 GMT"), Some(2034));
        assert_eq!(year("Sunday, 06-Nov-00 08:49:37 GMT"), Some(2000));
        assert_eq!(year("Sunday, 29-Feb-00 08:49:37 GMT"), Some(2000));
        assert_eq!(year("Sunday, 29-Feb-26 08:49:37 GMT"), None);
    }

    #[test]
    fn everything_else_is_no_date() {
        let bad = [
            "",
            " ",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 gmt",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sun,06 Nov 1994 08:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 006 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37.0 GMT",
            "Sunday, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov   6 08:49:37 1994",
            "Sun Nov  06 08:49:37 1994",
            "Sun Nov  6 08:49:37 94",
            "Sun Nov  6 08:49:37 1994 GMT",
            "784111777",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sün, 06 Nov 1994 08:49:37 GMT",
        ];
        for text in bad {
            assert_eq!(parse(text.as_bytes(), NOW), None, "{text:?}");
        }
    }
}
