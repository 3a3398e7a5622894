//! A fleet of devices in one thread, with the real exchange and a world that fails.
//!
//! A [`World`](world::World) is made from a seed: devices with homes on disk, the program's own store and rounds, two
//! [strands](strand), [places](place) in memory that lose, delay, copy and tear files, and time that each device's clock shows
//! wrongly. It takes random steps, lets everything heal, and is judged: a [model] that knows nothing of the program
//! says what must be there, [checks](check) compare. The same seed gives the same run.
//!
//! ```
//! let outcome = carry_sim::run::seed(7, None)?;
//! assert_eq!(outcome.wrong, None);
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod rng;
pub mod time;
pub mod trace;

pub mod place;
pub mod strand;
mod template;

pub mod device;
pub mod hostile;
pub mod later;
pub mod model;
pub mod mood;
pub mod reached;
pub mod scenario;
pub mod world;

pub mod check;
pub mod run;
