//! Values of the command line that need more than a type.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use uuid::Uuid;

pub fn job_id(text: &str) -> Result<Uuid, String> {
    let id = "the id of a job looks like 0197a1b2-3c4d-7000-8000-1234567890ab; `phaseline jobs` lists them";
    text.trim().parse().map_err(|_| id.to_owned())
}

/// `name=value`: the value is JSON where it is (`true`, `5`, `{"a":"b"}`), else text.
pub fn option_pair(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if name.is_empty() {
        return Err("write it as NAME=VALUE".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

/// A moment as people write it: with an offset, or by the clock of this machine; a day begins at midnight.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    moment_in(text, &TimeZone::system())
}

fn moment_in(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    // a civil date and time is also read from a text with an offset, which would be lost: those are above
    let local = match text.parse::<Date>() {
        Ok(day) if text.len() == 10 => Ok(day.to_zoned(zone.clone())),
        _ => text.parse::<DateTime>().map(|at| at.to_zoned(zone.clone())),
    };
    let local: Result<Zoned, _> = local.and_then(|zoned| zoned);
    local
        .map(|zoned| zoned.timestamp())
        .map_err(|_| "write a day (2026-11-27), a time of this machine (2026-11-27T08:30), or one with its offset (2026-11-27T08:30:00Z)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_values_are_json_where_they_can_be() {
        assert_eq!(option_pair("a=true").unwrap().1, serde_json::json!(true));
        assert_eq!(option_pair("a=renew").unwrap().1, serde_json::json!("renew"));
        assert_eq!(option_pair("a=x=y").unwrap().1, serde_json::json!("x=y"));
        assert!(option_pair("a").is_err() && option_pair("=a").is_err());
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let zone = TimeZone::get("America/Denver").unwrap();
        let read = |text: &str| moment_in(text, &zone).unwrap().to_string();
        assert_eq!(read("2026-11-27"), "2026-11-27T07:00:00Z");
        assert_eq!(read("2026-11-27T08:30"), "2026-11-27T15:30:00Z");
        assert_eq!(read("2026-11-27 08:30:15"), "2026-11-27T15:30:15Z");
        assert_eq!(read("2026-11-27T08:30:00+01:00"), "2026-11-27T07:30:00Z");
        assert_eq!(read("2026-11-27T08:30:00Z"), "2026-11-27T08:30:00Z");
        for bad in ["", "yesterday", "27.11.2026", "2026-13-01"] {
            assert!(moment_in(bad, &zone).unwrap_err().contains("2026-11-27T08:30"), "{bad}");
        }
    }
}
