//! Devices that have said something at a place, and where it lies there and here.

use super::*;
use crate::head::SignedHead;

/// A device that said one thing at a place, and the path of its segment there.
pub(super) fn one_said(remote: &Counted<MemoryRemote>) -> (Device, String) {
    let mut device = Device::new();
    device.say("one");
    device.round(remote);
    (device, paths(&remote.inner, ".seg").remove(0))
}

/// Two devices that trust each other, of which the first said one thing at a place, and the path of its segment there.
pub(super) fn one_said_to_another(remote: &Counted<MemoryRemote>) -> (Vec<Device>, String) {
    let mut devices = fleet(2);
    devices[0].say("one");
    devices[0].round(remote);
    (devices, paths(&remote.inner, ".seg").remove(0))
}

/// Signs what a device has to say, without putting anything: as though it had died right after.
pub(super) fn only_sign(device: &mut Device, remote: &dyn Remote) -> SignedHead {
    let direction = std::mem::replace(&mut device.options.direction, Direction::Pull);
    device.round(remote);
    device.options.direction = direction;
    device.store.seal().unwrap();
    device.store.sign(&device.options.statement.clone(), NOW).unwrap().unwrap()
}

/// The newest segment of a device's notes.
pub(super) fn newest_segment(device: &Device) -> ObjectName {
    let (signed, segments) = device.store.signed_segments().unwrap().unwrap();
    segments[&stream("notes")].last().unwrap().name(signed.head().log(), &stream("notes"))
}

/// The file in which a device keeps what lies under a path.
pub(super) fn kept_as(device: &Device, path: &str) -> PathBuf {
    let mut parts = path.rsplit('/');
    let (name, log) = (parts.next().unwrap(), parts.next().unwrap());
    Home::at(&device.root).data_dir().join("exchange").join(log).join(name)
}

/// The paths under which an object is put: its own, and those of its replicas where that is taken.
pub(super) fn names_of(object: &ObjectName) -> Vec<String> {
    let replicas = (1..=9).map(|n| crate::remote::RemoteFile::replica(object, n).path().to_owned());
    replicas.chain([object.path()]).collect()
}

/// The same bytes with one bit another.
pub(super) fn damaged(bytes: &[u8]) -> Vec<u8> {
    let mut bad = bytes.to_vec();
    *bad.last_mut().unwrap() ^= 1;
    bad
}
