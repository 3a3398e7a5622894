//! What tokens cost.
//!
//! The table is from public price lists as of November 2025. A model is known by the longest entry that its name holds, so that
//! dated and routed names (`us.anthropic.claude-sonnet-4-5-20250929-v1:0`) find theirs. What a subscription really costs is
//! not known here: the sums say what the same tokens cost by the list.

use crate::model::Usage;

mod table;

use table::{BANDS, MODELS, Price};

/// Tokens that a price is given for.
const PRICED: u128 = 1_000_000;

/// What `usage` of `model` costs, in micro-dollars; `None` when the model has no known price or nothing was counted. What the
/// agent itself reported beats the table.
pub fn cost_micros(model: &str, usage: &Usage) -> Option<u64> {
    if usage.cost_micros.is_some() {
        return usage.cost_micros;
    }
    let counted = [usage.input, usage.output, usage.cache_read, usage.cache_write, usage.cache_write_1h];
    if counted.iter().all(Option::is_none) {
        return None;
    }
    let price = price_of(model, usage.context().unwrap_or(0))?;
    let parts = [
        (usage.input, price.input),
        (usage.output, price.output),
        (usage.cache_read, price.cache_read),
        (usage.cache_write, price.cache_write),
        (usage.cache_write_1h, price.cache_write_1h),
    ];
    let sum: u128 = parts.iter().map(|(tokens, each)| u128::from(tokens.unwrap_or(0)) * u128::from(*each)).sum();
    Some(u64::try_from((sum + PRICED / 2) / PRICED).unwrap_or(u64::MAX))
}

/// The price of a model for a request of so many tokens of input, cached ones included.
fn price_of(model: &str, context: u64) -> Option<Price> {
    let model = model.to_ascii_lowercase();
    let (name, price) = MODELS.iter().filter(|(name, _)| model.contains(name)).max_by_key(|(name, _)| name.len())?;
    let band = BANDS.iter().find(|band| band.name == *name && context > band.above);
    Some(band.map_or(*price, |band| band.price))
}

#[cfg(test)]
mod tests;
