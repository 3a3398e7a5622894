//! Whether the server lives: for supervisors and proxies. Says its version and nothing else.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::{Router, routing};

pub(crate) fn routes() -> Router {
    Router::new().route("/carry/v1/health", routing::get(health))
}

async fn health() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n"))
}
