//! Working trees that travel through the exchange: real repositories and real stores, handed over directly.

mod arrive;
mod chain;
mod cost;
mod fresh;
mod hostile;
mod killed;
mod needs;
mod partial;
mod shapes;
mod side;
mod together;
mod trust;
