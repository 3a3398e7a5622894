//! Whole pushes, from an archive on disk into a real server and back through a reader.

mod aside;
mod content;
mod cuts;
mod hooked;
mod hostile;
mod kills;
mod life;
mod older;
mod read_back;
mod rig;
mod room;
mod secrets;
mod twice;
