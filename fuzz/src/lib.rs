//! What the targets share: bytes become a file that a source reads, as a whole and in two steps.

use std::cell::RefCell;
use std::path::PathBuf;

use carry_sessions::model::{Agent, NativeId};
use carry_sessions::source::{Mode, Op, ReadError, Sink, SinkError, Source, Stamp, Unit};

/// Takes everything and keeps a count of the raw bytes.
#[derive(Default)]
struct Count {
    raw: usize,
}

impl Sink for Count {
    fn op(&mut self, _op: Op) -> Result<(), SinkError> {
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.raw += bytes.len();
        Ok(())
    }

    fn token(&mut self, _agent: Agent, _native: &NativeId) -> Option<String> {
        None
    }
}

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Reads `bytes` as the file `name` (a path below a folder of its own) with `source`: never a panic, never more raw bytes than
/// there are, and reading the second half after the first ends as well.
pub fn read(source: &dyn Source, name: &str, bytes: &[u8]) {
    let path = FOLDER.with_borrow_mut(|folder| -> PathBuf {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().expect("a folder can be made"));
        folder.path().join(name)
    });
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder can be made");
    let unit = Unit { path: path.clone(), stamp: Stamp::default() };
    let put = |bytes: &[u8]| std::fs::write(&path, bytes).expect("a file can be written");

    put(bytes);
    let mut whole = Count::default();
    let _ = source.read(&unit, &Mode::Whole, &mut whole);
    assert!(whole.raw <= bytes.len() || source.name() == "opencode");

    put(&bytes[..bytes.len() / 2]);
    let mut parts = Count::default();
    let Ok(end) = source.read(&unit, &Mode::Whole, &mut parts) else { return };
    put(bytes);
    match source.read(&unit, &Mode::From(end.checkpoint), &mut parts) {
        Ok(_) | Err(ReadError::NeedsWhole { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
