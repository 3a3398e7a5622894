//! Working trees that travel through the exchange: real repositories and real stores, handed over directly.

mod arrive;
mod chain;
mod hostile;
mod killed;
mod shapes;
mod side;
mod trust;
