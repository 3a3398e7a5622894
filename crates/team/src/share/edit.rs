//! Changing the list of rules. Pure.

use std::path::Path;

use super::pattern::Pattern;
use super::{Mode, Rule, RuleError};
use crate::settings::is_store_name;

/// `said` (the list `team.share`) with a rule that shares what `pattern` names, in this mode, with this store. A rule of the
/// same pattern and store is replaced where it stands; all others stay as they are, in their order.
///
/// # Errors
/// [`RuleError`]; of the new rule. What cannot be understood in the list stays there.
pub fn with_rule(
    said: &[String],
    pattern: &str,
    mode: Mode,
    store: &str,
    home: Option<&Path>,
) -> Result<Vec<String>, RuleError> {
    let rule = rule(pattern, mode, store, home)?;
    let mut new = Vec::with_capacity(said.len() + 1);
    let mut is_in = false;
    for said in said {
        if !is_same(said, &rule, home) {
            new.push(said.clone());
        } else if !std::mem::replace(&mut is_in, true) {
            new.push(rule.to_string());
        }
    }
    if !is_in {
        new.push(rule.to_string());
    }
    Ok(new)
}

/// A pattern in its normal form, in which rules have it. `home` is what `~/` stands for.
///
/// # Errors
/// [`RuleError`], when it means nothing.
pub fn normal_pattern(said: &str, home: Option<&Path>) -> Result<String, RuleError> {
    Ok(Pattern::parse(said, home)?.to_string())
}

/// `said` without the rules of this pattern and store. Projects that another rule names are still shared.
///
/// # Errors
/// [`RuleError`], when the pattern or the store's name means nothing.
pub fn without_rule(
    said: &[String],
    pattern: &str,
    store: &str,
    home: Option<&Path>,
) -> Result<Vec<String>, RuleError> {
    let rule = rule(pattern, Mode::Off, store, home)?;
    Ok(said.iter().filter(|said| !is_same(said, &rule, home)).cloned().collect())
}

fn rule(pattern: &str, mode: Mode, store: &str, home: Option<&Path>) -> Result<Rule, RuleError> {
    if !is_store_name(store) {
        return Err(RuleError::Store { store: store.to_owned() });
    }
    Ok(Rule { pattern: Pattern::parse(pattern, home)?.to_string(), mode, store: store.to_owned() })
}

fn is_same(said: &str, rule: &Rule, home: Option<&Path>) -> bool {
    let pattern = |rule: &Rule| Pattern::parse(&rule.pattern, home);
    let is_same = |said: &Rule| pattern(said).is_ok_and(|said| pattern(rule).is_ok_and(|rule| said.is_same_as(&rule)));
    Rule::parse(said, home).is_ok_and(|said| said.store == rule.store && is_same(&said))
}
