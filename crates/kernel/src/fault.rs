//! Named points at which a test can make the world fail.
//!
//! In builds with debug assertions, `CARRY_FAULT=NAME[#N]=ACTION[,…]` arms the N-th passage (from
//! 1, default 1) of the point `NAME`; `ACTION` is `kill` (the process dies as by `SIGKILL`),
//! `error` (an I/O error), `enospc` (disk full) or `torn` (the caller writes half and then dies).
//! `CARRY_FAULT_TRACE=FILE` appends every passage, so that a test can list the points there are.
//! A thread can also [`arm`] itself, as the simulator does. Release builds contain none of it.

use std::collections::BTreeMap;
use std::io;

/// Passes the point `name`. Returns the armed failure, or does not return at all.
///
/// # Errors
/// The I/O error a test armed for this point.
#[inline]
pub fn point(name: &str) -> io::Result<()> {
    #[cfg(debug_assertions)]
    return armed::point(name).map(drop);
    #[cfg(not(debug_assertions))]
    {
        let _ = name;
        Ok(())
    }
}

/// Like [`point`] for a write of `len` bytes: returns how many the caller must write before it
/// calls [`die`] when torn, or `len` when nothing is armed.
///
/// # Errors
/// The I/O error a test armed for this point.
#[inline]
pub fn write_point(name: &str, len: usize) -> io::Result<usize> {
    #[cfg(debug_assertions)]
    return Ok(if armed::point(name)? { len / 2 } else { len });
    #[cfg(not(debug_assertions))]
    {
        let _ = name;
        Ok(len)
    }
}

/// How a point fails that a thread armed for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An I/O error.
    Error,
    /// The disk is full.
    Full,
}

/// Lets the point after `passed` more that this thread comes to fail, once; `None` disarms. Says whether one was armed that
/// had not failed yet. Without debug assertions nothing is armed.
pub fn arm(failure: Option<(u32, Failure)>) -> bool {
    #[cfg(debug_assertions)]
    return armed::LEFT.replace(failure).is_some();
    #[cfg(not(debug_assertions))]
    {
        let _ = failure;
        false
    }
}

/// Has `work` done when this thread comes to the point `name` next, once, as if another process did it just then. Without debug
/// assertions it is never done.
pub fn meanwhile(name: &str, work: impl FnOnce() + 'static) -> Meanwhile {
    #[cfg(debug_assertions)]
    armed::MEANWHILE.replace(Some((name.to_owned(), Box::new(work))));
    #[cfg(not(debug_assertions))]
    drop((name, work));
    Meanwhile { _of_this_thread: std::marker::PhantomData }
}

/// Work that was set for a point, to be kept until the thread should have come to it.
///
/// # Panics
/// When it is dropped and the thread did not come there: a test in which nothing happened meanwhile shows nothing. The work is
/// then never done.
#[derive(Debug)]
#[must_use = "dropped at once it says that the point was not reached"]
pub struct Meanwhile {
    _of_this_thread: std::marker::PhantomData<*const ()>,
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        if let Some((name, _)) = armed::MEANWHILE.take() {
            assert!(std::thread::panicking(), "nothing came to the point {name:?}");
        }
    }
}

/// Where this thread's armed failure failed, if it did since this was asked last.
pub fn failed_at() -> Option<String> {
    #[cfg(debug_assertions)]
    return armed::FAILED.take();
    #[cfg(not(debug_assertions))]
    None
}

/// How often this thread passed each point since this was asked last. Nothing is counted before it is asked for the first time.
pub fn passed() -> BTreeMap<String, u64> {
    #[cfg(debug_assertions)]
    return armed::COUNTED.replace(Some(BTreeMap::new())).unwrap_or_default();
    #[cfg(not(debug_assertions))]
    BTreeMap::new()
}

/// Ends the process at once, as `SIGKILL` does: no destructors, no buffers flushed.
pub fn die() -> ! {
    // A process can always signal itself; abort is the fallback the type asks for.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

#[cfg(debug_assertions)]
mod armed {
    use std::cell::{Cell, RefCell};
    use std::collections::{BTreeMap, HashMap};
    use std::io::{self, Write as _};
    use std::sync::{LazyLock, Mutex};

    use super::Failure;

    std::thread_local! {
        /// What this thread armed for itself.
        pub(super) static LEFT: Cell<Option<(u32, Failure)>> = const { Cell::new(None) };
        /// Where that failed.
        pub(super) static FAILED: Cell<Option<String>> = const { Cell::new(None) };
        /// What is to be done when it comes to a point.
        pub(super) static MEANWHILE: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
        /// What it passed, where somebody wants to know.
        pub(super) static COUNTED: RefCell<Option<BTreeMap<String, u64>>> = const { RefCell::new(None) };
    }

    /// A point, and what is to be done there.
    type Meanwhile = (String, Box<dyn FnOnce()>);

    struct Plan {
        armed: Vec<(String, u32, String)>,
        trace: Option<String>,
        passed: Mutex<HashMap<String, u32>>,
    }

    static PLAN: LazyLock<Plan> = LazyLock::new(|| Plan {
        armed: std::env::var("CARRY_FAULT").map(|s| parse(&s)).unwrap_or_default(),
        trace: std::env::var("CARRY_FAULT_TRACE").ok(),
        passed: Mutex::default(),
    });

    fn parse(spec: &str) -> Vec<(String, u32, String)> {
        spec.split(',')
            .filter_map(|one| {
                let (at, action) = one.split_once('=')?;
                let (name, nth) = at.split_once('#').unwrap_or((at, "1"));
                Some((name.to_owned(), nth.parse().ok()?, action.to_owned()))
            })
            .collect()
    }

    /// Whether the caller must tear its write.
    pub(super) fn point(name: &str) -> io::Result<bool> {
        COUNTED.with_borrow_mut(|counted| {
            let Some(counted) = counted else { return };
            match counted.get_mut(name) {
                Some(n) => *n += 1,
                None => drop(counted.insert(name.to_owned(), 1)),
            }
        });
        // Taken out first: the work passes points, too.
        let meanwhile = MEANWHILE.with_borrow_mut(|set| set.take_if(|(at, _)| at == name));
        if let Some((_, work)) = meanwhile {
            work();
        }
        match LEFT.get() {
            None => {}
            Some((0, failure)) => {
                LEFT.set(None);
                FAILED.set(Some(name.to_owned()));
                return Err(match failure {
                    Failure::Full => io::Error::new(io::ErrorKind::StorageFull, format!("disk full at {name}")),
                    Failure::Error => io::Error::other(format!("fault armed at {name}")),
                });
            }
            Some((left, failure)) => LEFT.set(Some((left - 1, failure))),
        }
        let plan = &*PLAN;
        if plan.armed.is_empty() && plan.trace.is_none() {
            return Ok(false);
        }
        let nth = {
            let mut passed = plan.passed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let n = passed.entry(name.to_owned()).or_insert(0);
            *n += 1;
            *n
        };
        if let Some(file) = &plan.trace
            && let Ok(mut f) = std::fs::OpenOptions::new().append(true).create(true).open(file)
        {
            // A trace that cannot be written only makes the test that asked for it fail.
            let _ = writeln!(f, "{name}");
        }
        for (at, n, action) in &plan.armed {
            if at == name && *n == nth {
                match action.as_str() {
                    "kill" => super::die(),
                    "torn" => return Ok(true),
                    "enospc" => return Err(io::Error::from(io::ErrorKind::StorageFull)),
                    _ => return Err(io::Error::other(format!("fault armed at {name}"))),
                }
            }
        }
        Ok(false)
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    use super::*;

    #[test]
    fn work_that_is_set_for_a_point_is_done_there_once_or_is_missed() {
        let done = Rc::new(Cell::new(0));
        let set = || {
            let done = done.clone();
            meanwhile("here", move || done.set(done.get() + 1))
        };
        let kept = set();
        for name in ["elsewhere", "here", "here"] {
            point(name).unwrap();
        }
        drop(kept);
        assert_eq!(done.get(), 1);
        let missed = catch_unwind(AssertUnwindSafe(|| {
            let _kept = set();
            point("elsewhere").unwrap();
        }));
        assert!(missed.unwrap_err().downcast_ref::<String>().unwrap().contains("here"));
        point("here").unwrap();
        assert_eq!(done.get(), 1, "it is not left set for another test on this thread");
        // Another failure is not hidden by it.
        let failed = catch_unwind(AssertUnwindSafe(|| {
            let _kept = set();
            panic!("of the test's own");
        }));
        assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"of the test's own"));
    }
}
