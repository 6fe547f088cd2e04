//! `skip_condition`: CEL, evaluated by the planner over plain JSON. Pure.

use cel::{Context, Program, Value};

/// Longest expression, characters. CEL bounds parsing, not evaluation; short text keeps evaluation short.
pub const EXPRESSION_CHARS_MAX: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("longer than {EXPRESSION_CHARS_MAX} characters")]
    TooLong,
    #[error("not a CEL expression: {0}")]
    Syntax(String),
    #[error("`{expression}` can't be evaluated: {reason}")]
    Evaluation { expression: String, reason: String },
    #[error("`{expression}` is {found}, not true or false")]
    NotBool { expression: String, found: String },
}

/// Checks the syntax.
pub fn compile(text: &str) -> Result<Program, ExpressionError> {
    if text.chars().count() > EXPRESSION_CHARS_MAX {
        return Err(ExpressionError::TooLong);
    }
    Program::compile(text).map_err(|e| ExpressionError::Syntax(e.to_string()))
}

/// True or false. `options`, `input` and `phases` are the variables; a missing key is an error, not false.
pub fn is_true(
    text: &str,
    options: &serde_json::Value,
    input: &serde_json::Value,
    phases: &serde_json::Value,
) -> Result<bool, ExpressionError> {
    let program = compile(text)?;
    let failed = |reason: String| ExpressionError::Evaluation {
        expression: text.to_owned(),
        reason,
    };
    let mut context = Context::default();
    for (name, value) in [("options", options), ("input", input), ("phases", phases)] {
        context.add_variable(name, value).map_err(|e| failed(e.to_string()))?;
    }
    match program.execute(&context) {
        Ok(Value::Bool(b)) => Ok(b),
        Ok(other) => Err(ExpressionError::NotBool {
            expression: text.to_owned(),
            found: format!("{:?}", other.type_of()),
        }),
        Err(e) => Err(failed(e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sees_options_input_and_phases() {
        let (o, i, p) = (
            json!({"a": true}),
            json!({"rows": 3}),
            json!({"x": {"state": "COMPLETED", "failed": 2}}),
        );
        for (text, want) in [
            ("!options.a", false),
            ("input.rows > 2 && phases.x.failed == 2", true),
            ("phases.x.state == 'COMPLETED'", true),
        ] {
            assert_eq!(is_true(text, &o, &i, &p), Ok(want), "{text}");
        }
    }

    #[test]
    fn a_missing_key_or_another_type_is_an_error() {
        let e = json!({});
        assert!(matches!(
            is_true("options.gone", &e, &e, &e),
            Err(ExpressionError::Evaluation { .. })
        ));
        assert!(matches!(
            is_true("1 + 1", &e, &e, &e),
            Err(ExpressionError::NotBool { .. })
        ));
        assert!(matches!(
            is_true("options.(", &e, &e, &e),
            Err(ExpressionError::Syntax(_))
        ));
    }
}
