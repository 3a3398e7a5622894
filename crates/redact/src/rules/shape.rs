//! Short ways to write rules down.

/// What stands between a name and the value that a rule of [`named!`] takes.
pub(super) const OPERATOR: &str =
    r#")[a-z0-9_.\- ]{0,24}[\\"'`]{0,4}[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}[\\"'`]{0,4}(?<secret>"#;

/// A rule with all its parts.
macro_rules! rule {
    ($id:literal, $about:literal, [$($keyword:literal),* $(,)?], $pattern:expr, $entropy:literal, $confidence:ident,
     $check:expr, $example:expr $(,)?) => {
        $crate::rules::Rule {
            id: $id,
            about: $about,
            keywords: &[$($keyword),*],
            pattern: $pattern,
            entropy_min: $entropy,
            confidence: $crate::rules::Confidence::$confidence,
            check: Some($check),
            example: || $example,
        }
    };
}

/// A token that its own shape gives away, whatever stands around it.
macro_rules! token {
    ($id:literal, $about:literal, [$($keyword:literal),+ $(,)?], $pattern:literal, $entropy:literal,
     [$($piece:expr),+ $(,)?] $(,)?) => {
        rule!($id, $about, [$($keyword),+], concat!("(?-u)(?<secret>", $pattern, ")"), $entropy, Certain,
            $crate::rules::value::plausible, $crate::rules::example::alone(&[$($piece),+]))
    };
    ($id:literal, $about:literal, [$($keyword:literal),+ $(,)?], $pattern:literal, $entropy:literal,
     [$($piece:expr),+ $(,)?], $before:literal, $after:literal $(,)?) => {
        rule!($id, $about, [$($keyword),+], concat!("(?-u)(?<secret>", $pattern, ")"), $entropy, Certain,
            $crate::rules::value::plausible,
            $crate::rules::example::within($before, &[$(AsRef::<str>::as_ref(&$piece)),+].concat(), $after))
    };
}

/// A value of a known shape that a name of its provider gives away.
macro_rules! named {
    ($id:literal, $about:literal, [$($keyword:literal),+ $(,)?], $name:literal, $value:literal, $entropy:literal,
     $before:literal, $secret:expr $(,)?) => {
        rule!($id, $about, [$($keyword),+],
            concat!(
                "(?i-u)(?:", $name, r#")[a-z0-9_.\- ]{0,24}[\\"'`]{0,4}[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}[\\"'`]{0,4}(?<secret>"#,
                $value, ")"
            ),
            $entropy, Certain, $crate::rules::value::plausible,
            $crate::rules::example::within(concat!($before, "="), $secret, "\n"))
    };
}
