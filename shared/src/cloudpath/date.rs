//! Dates of an export, and moving an expiry into the future.

use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;
use jiff::tz::TimeZoneDatabase;
use jiff::{Span, Timestamp};

/// Reads a Cloudpath date, e.g. `2026-06-15T00:00-07:00[America/Denver]`: seconds and the bracketed zone may be
/// missing. The offset decides: it is the instant Cloudpath computed, whatever a newer time zone table says. A zone
/// without an offset is looked up in the table built into the program. `None` for anything else, also for a date
/// without either: an instant cannot be guessed from it.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let text = text.trim();
    let instant = match PARSER.parse_timestamp(text) {
        Ok(instant) => instant,
        Err(_) if text.ends_with(']') => PARSER
            .parse_zoned_with(&TimeZoneDatabase::bundled(), text)
            .ok()?
            .timestamp(),
        Err(_) => return None,
    };
    // RUCKUS One takes whole seconds, and RFC 3339 years of four digits.
    let instant = Timestamp::from_second(instant.as_second()).ok()?;
    (1..=9999).contains(&year(instant)).then_some(instant)
}

/// RFC 3339 in UTC with whole seconds, e.g. `2026-06-15T07:00:00Z`.
pub(super) fn rfc3339(instant: Timestamp) -> String {
    instant.to_string()
}

/// `expiry` plus the smallest number of whole years that puts it after `now`. Counted from the original, so a
/// second run within that year gives the same instant; 29 February becomes the 28th in common years only.
/// `None` when no year up to 9999 will do.
pub(super) fn renew(expiry: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let original = expiry.to_zoned(TimeZone::UTC).datetime();
    let first = (i32::from(year(now)) - i32::from(original.year())).max(0);
    (first..=first + 1)
        .filter_map(|years| original.checked_add(Span::new().try_years(years).ok()?).ok())
        .filter_map(|moved| moved.to_zoned(TimeZone::UTC).ok())
        .map(|moved| moved.timestamp())
        .find(|moved| *moved > now)
}

fn year(instant: Timestamp) -> i16 {
    instant.to_zoned(TimeZone::UTC).year()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn forms_seen_in_exports_are_read() {
        for (text, utc) in [
            ("2026-06-15T00:00-07:00[America/Denver]", "2026-06-15T07:00:00Z"), // in truth -06:00: the offset wins
            ("2026-06-15T00:00-06:00[America/Denver]", "2026-06-15T06:00:00Z"),
            ("2026-06-15T00:00[America/Denver]", "2026-06-15T06:00:00Z"),
            ("2026-06-15T00:00:30.75Z[UTC]", "2026-06-15T00:00:30Z"),
            (" 2026-06-15T00:00Z ", "2026-06-15T00:00:00Z"),
            ("2026-06-15T00:00+05:30", "2026-06-14T18:30:00Z"),
        ] {
            assert_eq!(parse(text).map(rfc3339).as_deref(), Some(utc), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "never",
            "2026-06-15",
            "2026-06-15T00:00",
            "2026-02-30T00:00Z",
            "2026-06-15T25:00Z",
            "1781503200",
            "2026-06-15T00:00[Mars/Olympus]",
            "2026-06-15T00:00-07:00[",
            "-000100-01-01T00:00Z",
            "[]",
            "]",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn renewing_lands_within_the_next_year_and_is_stable() {
        let mut expiry = at("1996-02-29T12:00:00Z");
        let now = at("2026-11-22T08:00:00Z");
        while expiry <= now {
            let renewed = renew(expiry, now).unwrap();
            assert!(
                renewed > now && renewed <= at("2027-11-22T08:00:00Z"),
                "{expiry} -> {renewed}"
            );
            assert_eq!(
                renew(expiry, at("2026-11-22T08:00:01Z")).unwrap(),
                renewed,
                "a second run is equal"
            );
            assert_eq!(renew(renewed, now), Some(renewed), "what lies ahead stays");
            expiry += jiff::SignedDuration::from_hours(24 * 97 + 5);
        }
    }

    #[test]
    fn leap_days_return_in_leap_years() {
        let leap = at("2024-02-29T00:00:00Z");
        assert_eq!(
            renew(leap, at("2025-01-01T00:00:00Z")),
            Some(at("2025-02-28T00:00:00Z"))
        );
        assert_eq!(
            renew(leap, at("2027-06-01T00:00:00Z")),
            Some(at("2028-02-29T00:00:00Z"))
        );
    }

    #[test]
    fn the_moment_itself_is_expired_and_the_end_of_time_has_no_renewal() {
        let now = at("2026-06-15T00:00:00Z");
        assert_eq!(renew(now, now), Some(at("2027-06-15T00:00:00Z")));
        assert_eq!(renew(at("9999-01-01T00:00:00Z"), at("9999-12-01T00:00:00Z")), None);
    }
}
