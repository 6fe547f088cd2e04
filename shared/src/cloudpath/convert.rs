//! Scalars of an export to values. Exports vary in writing numbers as texts and the reverse; nothing else bends.
//! Everywhere, `null` and the empty string mean "not given".

use std::borrow::Cow;

use super::fault::{Code, quote};
use super::json::{Scalar, Text};
use super::limits::{MAX_NAME, length};

/// Why a value was not taken.
pub(super) type Refusal = (Code, Cow<'static, str>);

fn wrong_type(expected: &str, found: &Scalar) -> Refusal {
    (
        Code::WrongType,
        format!("expected {expected}, found {}", found.kind()).into(),
    )
}

pub(super) fn flag(scalar: Scalar) -> Result<Option<bool>, Refusal> {
    match scalar {
        Scalar::Null => Ok(None),
        Scalar::Bool(flag) => Ok(Some(flag)),
        Scalar::Text(ref text) => match text.value.trim().to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(wrong_type("true or false", &scalar)),
        },
        other => Err(wrong_type("true or false", &other)),
    }
}

pub(super) fn integer(scalar: Scalar) -> Result<Option<i64>, Refusal> {
    let written = match &scalar {
        Scalar::Null => return Ok(None),
        Scalar::Number(number) => number.as_str(),
        Scalar::Text(text) => text.value.trim(),
        other => return Err(wrong_type("a whole number", other)),
    };
    if written.is_empty() {
        return Ok(None);
    }
    match written.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err((
            Code::WrongType,
            format!("expected a whole number, found {}", quote(written)).into(),
        )),
    }
}

/// A name: at most `max` UTF-16 units without the white space around it, no control characters; a whole number is
/// taken as written (unit "101" becomes 101 in hand-made files). White space around it is kept.
pub(super) fn name(scalar: Scalar, max: usize) -> Result<Option<Box<str>>, Refusal> {
    let text = match scalar {
        Scalar::Null => return Ok(None),
        Scalar::Number(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => Text {
            length: number.len(),
            value: number,
        },
        Scalar::Text(text) => text,
        other => return Err(wrong_type("a string", &other)),
    };
    let trimmed = text.value.trim();
    if trimmed.is_empty() && text.length < MAX_NAME {
        return Ok(None);
    }
    // A text so long that it was cut cannot be trimmed to fit, whatever its end was.
    let is_cut = length(&text.value) < text.length;
    let units = if is_cut { text.length } else { length(trimmed) };
    if units > max {
        return Err((Code::BadName, format!("{units} characters long; at most {max}").into()));
    }
    if is_cut || text.value.trim().chars().any(char::is_control) {
        return Err((
            Code::BadName,
            "holds a control character or too much white space".into(),
        ));
    }
    Ok(Some(text.value.into_boxed_str()))
}

/// A short text that only informs: anything but a text or a number is as good as absent.
pub(super) fn info(scalar: Scalar) -> Option<Box<str>> {
    let text = match scalar {
        Scalar::Text(text) => text.value,
        Scalar::Number(number) => number,
        _ => return None,
    };
    let clipped: String = text.trim().chars().take(64).collect();
    (!clipped.is_empty()).then_some(clipped.into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Scalar {
        Scalar::Text(Text {
            value: value.to_owned(),
            length: length(value),
        })
    }

    #[test]
    fn flags_and_integers_may_be_written_as_texts() {
        assert_eq!(flag(text(" TRUE ")), Ok(Some(true)));
        assert_eq!(flag(text("")), Ok(None));
        assert_eq!(flag(Scalar::Number("1".into())).unwrap_err().0, Code::WrongType);
        assert_eq!(integer(text(" 12 ")), Ok(Some(12)));
        assert_eq!(integer(Scalar::Number("-3".into())), Ok(Some(-3)));
        assert_eq!(integer(text("")), Ok(None));
        for bad in ["1.0", "1e3", "99999999999999999999", "twelve"] {
            assert_eq!(integer(text(bad)).unwrap_err().0, Code::WrongType, "{bad}");
        }
        assert_eq!(
            integer(Scalar::Bool(true)).unwrap_err().1,
            "expected a whole number, found a boolean"
        );
    }

    #[test]
    fn names_have_a_length_and_no_control_characters() {
        assert_eq!(name(text("  Ann  "), 3), Ok(Some("  Ann  ".into())));
        assert_eq!(name(Scalar::Number("101".into()), 255), Ok(Some("101".into())));
        assert_eq!(name(text("   "), 255), Ok(None));
        assert_eq!(name(text("a\tb"), 255).unwrap_err().0, Code::BadName);
        assert_eq!(
            name(text(&"x".repeat(256)), 255).unwrap_err().1,
            "256 characters long; at most 255"
        );
        assert!(name(text(&"x".repeat(255)), 255).is_ok());
        // 128 emoji are 256 UTF-16 units.
        assert_eq!(name(text(&"🔑".repeat(128)), 255).unwrap_err().0, Code::BadName);
        assert_eq!(name(Scalar::Number("1.5".into()), 255).unwrap_err().0, Code::WrongType);
        // Cut when it was copied.
        let cut = Scalar::Text(Text {
            value: " ".repeat(1024),
            length: 5000,
        });
        assert_eq!(name(cut, 255).unwrap_err().0, Code::BadName);
    }
}
