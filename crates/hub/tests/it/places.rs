//! A server as a place, under the contract that all places keep.
//!
//! The contract's files are no real objects, so that this server looks at names and sizes only; `objects` tests the rest.

use carry_exchange::name::LogId;
use carry_exchange::remote::{Deadline, Faults, Faulty, FolderRemote, Init, Remote, RemoteError, Retry, Retrying};
use carry_hub::exchange::Examination;

use crate::contract::contract;
use crate::hub::Hub;
use crate::rig::{NoTime, Rig};

contract! {
    peer: Some(served(|remote| Box::new(remote), false));
    unsteady_peer: Some(served(|remote| {
        let retry = Retry { tries_max: 60, ..Retry::default() };
        Box::new(Retrying::with_pause(Faulty::new(remote, 1, Faults::passing(15)), retry, 1, NoTime))
    }, true));
}

fn served(wrap: impl FnOnce(Marked) -> Box<dyn Remote>, repeats: bool) -> Rig {
    let hub = Hub::with(|setup| setup.place.examination = Examination::Name);
    let root = hub.folder().to_owned();
    // The contract begins at a place that nobody has marked.
    std::fs::remove_file(root.join("carry/format.json")).unwrap();
    let remote =
        Marked { peer: Box::new(hub.peer("laptop")), owner: FolderRemote::new(&root, LogId::of_key(&[8; 32]), 1) };
    Rig {
        remote: wrap(remote),
        plant: Box::new(move |path, bytes| carry_kernel::disk::write_cache(&root.join(path), bytes).unwrap()),
        repeats,
        is_exclusive: !repeats,
        is_guarded: true,
        _held: Box::new(hub),
    }
}

/// A place that another device serves, and that this one marks there.
#[derive(Debug)]
struct Marked {
    peer: Box<dyn Remote>,
    owner: FolderRemote,
}

impl Remote for Marked {
    carry_exchange::passed_on!(peer but init);

    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        if let Err(RemoteError::NoMarker { .. }) = self.peer.init(deadline) {
            self.owner.init(deadline)?;
            assert_eq!(self.peer.init(deadline)?, Init::Already);
            return Ok(Init::Created);
        }
        self.peer.init(deadline)
    }
}
