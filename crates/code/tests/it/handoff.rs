//! Work taken over from another device, with captures on both sides.

mod child;
mod die;
mod head;
mod pair;
mod sparse;
mod take;
mod undo;
