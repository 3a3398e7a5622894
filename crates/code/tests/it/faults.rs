//! What a capture leaves behind when the world fails under it: the process dies, a write is torn, the disk is full, Git
//! takes objects away, somebody else moves the line, a ref or a cache is damaged.

mod broken;
mod caches;
mod child;
mod die;
mod disk;
mod durable;
mod reuse;
mod together;
