//! Removal: of what the same credential put. Whose log it lies under says nothing: anybody may bring anybody's head, so that no
//! head makes a log its bringer's.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carry_exchange::name::Entry;
use carry_exchange::remote::{Deadline, Part, Remote as _};

use crate::answer::Refusal;

use super::path::Named;
use super::{Exchange, blocking, refused};

pub(super) async fn file(exchange: Arc<Exchange>, caller: Arc<str>, file: Named) -> Result<Response, Refusal> {
    blocking(move || exchange.remove(&caller, &file)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Exchange {
    fn remove(&self, caller: &str, file: &Named) -> Result<(), Refusal> {
        if matches!(file.entry, Entry::Format | Entry::Other) {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_name", "only what Carry puts is removed"));
        }
        let path = file.remote.path();
        let _turn = self.turns.take(path);
        let nothing = Part::Range { from: 0, bytes: 0 };
        self.remote.get(&file.remote, nothing, &mut std::io::sink(), &Deadline::NONE).map_err(refused)?;
        let failed = |error| Refusal::failed(&error);
        let entry = self.ledger.entry(path).map_err(failed)?.filter(|entry| entry.credential == caller);
        let Some(entry) = entry else {
            let message = "this was put by another device, which alone removes it";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "not_yours", message));
        };
        let was_there = self.remote.delete(&file.remote, &Deadline::NONE).map_err(refused)?;
        self.listings.touch(file.remote.folder_path());
        self.ledger.set(path, None).map_err(failed)?;
        self.usage.give_back(&entry.credential, entry.bytes);
        self.news.ring();
        if was_there { Ok(()) } else { Err(Refusal::new(StatusCode::NOT_FOUND, "not_there", "it is gone already")) }
    }
}
