//! Panics inside of the redactor become errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::MaskingError;

/// Does `work`. After a panic in it nothing that it changed may be used any more.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, MaskingError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| MaskingError::Panicked { message: said(&*payload) })
}

/// What a panic said, if that is a fixed text: what was put together may show what was being masked.
fn said(payload: &(dyn Any + Send)) -> String {
    payload.downcast_ref::<&'static str>().map_or("a panic", |text| text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_shows_nothing_of_the_text() {
        let said = |work: fn() -> usize| guarded(work).unwrap_err().to_string();
        assert_eq!(said(|| panic!("out of order")), "masking failed: out of order");
        // Such a panic repeats the text.
        let cut: fn() -> usize = || std::hint::black_box("éhunter2")[..std::hint::black_box(1)].len();
        assert_eq!(said(cut), "masking failed: a panic");
        assert_eq!(guarded(|| 7).unwrap(), 7);
    }
}
