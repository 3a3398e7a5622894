//! What each device holds, for whoever looks for the cause of a failure.

use super::World;

impl World {
    /// Notes what every device knows of every log, and where its rows are.
    pub(crate) fn dump(&mut self) {
        for device in 0..self.devices.len() {
            for line in self.dump_device(device) {
                self.note(&format!("device {device} {line}"));
            }
        }
    }

    fn dump_device(&mut self, device: usize) -> Vec<String> {
        let Ok(running) = self.devices[device].running() else { return vec!["does not start".to_owned()] };
        let mut lines = vec![format!("writes {}", running.store.log())];
        for row in running.store.logs().unwrap_or_default() {
            lines.push(format!("knows {} {:?}, vouched for by {:?}", row.log, row.state, row.vouched_by));
            for track in 0..8 {
                let held = running.store.held(row.log, track).unwrap_or_default();
                for (stream, ranges) in held.iter().filter(|(_, ranges)| !ranges.is_empty()) {
                    lines.push(format!("    holds way {track} {stream} {ranges}"));
                }
            }
        }
        for followed in running.store.followed().unwrap_or_default() {
            let head = followed.head.head();
            let streams: Vec<String> =
                head.streams.iter().map(|(stream, state)| format!("{stream} to {}", state.last)).collect();
            let segments = followed.segments.is_some();
            let (log, track, n) = (followed.log, followed.track, head.n);
            lines.push(format!("follows {log} way {track} head {n}, {streams:?}, segments known: {segments}"));
        }
        lines.extend(running.registers.describe().unwrap_or_default());
        lines.extend(running.things.describe().unwrap_or_default());
        lines
    }
}
