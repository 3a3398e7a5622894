//! What devices are called: by the labels that people gave them, wherever one is known.
//!
//! A label proves nothing, nor does the id that a device says it has. The label of a device that somebody approved, or of this one,
//! stands alone where no other device has it, and beside the id else. What a stranger calls itself, or one that was revoked, never
//! stands without more, and names nobody else: a device is its id and its key.

use carry_exchange::name::LogId;
use carry_exchange::store::LogState;
use carry_exchange::store::status;

use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// The labels of all devices that are known here, read once.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// This device's first, then those of Git remotes, then those of the exchange.
    known: Vec<Known>,
    /// How many of them are this device's.
    n_own: usize,
    /// What writes a log, and the log's name here.
    logs: Vec<(LogId, Known, String)>,
}

/// What is known of a device at one place.
#[derive(Clone, Debug)]
struct Known {
    id: String,
    /// Its key, where it has one that proved itself.
    key: Option<[u8; 32]>,
    label: String,
    /// Whether it is this device, or a person's word holds that it is to be trusted.
    is_trusted: bool,
}

impl Known {
    /// Whether two have different keys, so that one is not the other whatever they say.
    fn is_other(&self, other: &Self) -> bool {
        self.key.is_some() && other.key.is_some() && self.key != other.key
    }

    /// Whether the label says more than the id.
    fn is_labelled(&self) -> bool {
        self.label != self.id
    }
}

impl Called {
    /// Reads them.
    pub(crate) fn read(shell: &Shell) -> Result<Self, Failure> {
        let mut called = Self::default();
        if let Some(ctx) = shell.existing_context()? {
            let own = ctx.device.get();
            let ids = own.former().iter().map(|former| &former.id).chain([own.id()]);
            called.known.extend(ids.map(|id| Known {
                id: id.as_str().to_owned(),
                key: own.public_key_of(id),
                label: own.label().to_owned(),
                is_trusted: true,
            }));
            called.n_own = called.known.len();
        }
        if let Some(registry) = shell.registry_to_read()? {
            called.known.extend(registry.devices()?.into_iter().map(|known| Known {
                is_trusted: known.approved.is_some() && !known.is_revoked,
                id: known.id,
                key: known.key,
                label: known.label,
            }));
        }
        for log in status::look(&shell.home)?.map(|status| status.logs).unwrap_or_default() {
            let Some(device) = &log.device else { continue };
            let known = Known {
                id: device.as_str().to_owned(),
                key: match &log.row.state {
                    LogState::Own | LogState::Former => own_key(&called.known, device.as_str()),
                    _ => log.device_key(),
                },
                label: log.label().unwrap_or(device.as_str()).to_owned(),
                is_trusted: log.is_ours() || log.row.state == LogState::Approved,
            };
            called.known.push(known.clone());
            called.logs.push((log.row.log, known, log.row.alias));
        }
        Ok(called)
    }

    /// The label of the device with this id, with the id where another one is called so, too, or where nobody trusts it; the id
    /// where none is known.
    pub(crate) fn device(&self, id: &str) -> String {
        match self.first(id) {
            Some(first) if first.is_trusted && self.is_one(first) => text::line(&first.label),
            Some(first) => format!("{} ({})", text::line(&first.label), text::line(id)),
            None => text::line(id),
        }
    }

    /// The same of the device that writes a log, where a label of it is known. One that says it has the id of another device is
    /// told apart from that by the log's name here.
    pub(crate) fn log(&self, log: LogId) -> Option<String> {
        let (_, writer, alias) = self.logs.iter().find(|(known, ..)| *known == log)?;
        let mut of_id = self.known.iter().filter(|known| known.id == writer.id && known.is_trusted);
        if of_id.any(|known| known.key != writer.key) {
            return Some(format!("{} ({alias})", text::line(&writer.label)));
        }
        self.first(&writer.id).map(|_| self.device(&writer.id))
    }

    /// The first that is known of a device with a label; of those that are trusted, where any is. None where strangers do not agree
    /// on what the device is called.
    fn first(&self, id: &str) -> Option<&Known> {
        let of_id = || self.known.iter().filter(|known| known.id == id);
        if of_id().any(|known| known.is_trusted) {
            return of_id().find(|known| known.is_trusted && known.is_labelled());
        }
        let first = of_id().find(|known| known.is_labelled())?;
        of_id().all(|known| !known.is_other(first) || known.label == first.label).then_some(first)
    }

    /// Whether no other device is called so.
    fn is_one(&self, first: &Known) -> bool {
        let is_same = |one: &Known, other: &Known| one.id == other.id && !one.is_other(other);
        // This device is one under all ids that it had.
        let is_own = |known: &Known| self.known[..self.n_own].iter().any(|own| is_same(own, known));
        let is_it = |other: &Known| is_same(other, first) || is_own(other) && is_own(first);
        // What a device was called before counts no more: the first that is known of it does.
        let says = |other: &Known| other.label == first.label;
        let is_said_no_more =
            |other: &Known| self.known.iter().find(|known| is_same(known, other)).is_some_and(|now| !says(now));
        self.known.iter().all(|other| is_it(other) || !says(other) || is_said_no_more(other))
    }
}

/// The key of this device under an id that it has or had. `known` begins with what is known of this device.
fn own_key(known: &[Known], id: &str) -> Option<[u8; 32]> {
    known.iter().find(|known| known.id == id)?.key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: &str, key: u8, label: &str, is_trusted: bool) -> Known {
        Known { id: id.to_owned(), key: Some([key; 32]), label: label.to_owned(), is_trusted }
    }

    fn log(n: u8) -> LogId {
        LogId::of_key(&[n; 32])
    }

    /// The logs of these, by number, and called `alias-` with that.
    fn logs(all: &[(u8, Known)]) -> Vec<(LogId, Known, String)> {
        all.iter().map(|(n, known)| (log(*n), known.clone(), format!("alias-{n}"))).collect()
    }

    #[test]
    fn a_label_stands_alone_where_one_device_has_it() {
        let known = |id: &str, key: u8, label: &str| known(id, key, label, true);
        let called = Called {
            known: vec![
                known("vm-01", 1, "laptop"),
                known("vm-02", 2, "laptop"),
                known("vm-03", 3, "desk"),
                known("vm-03", 3, "old desk"),
                known("vm-04", 4, "table"),
                known("vm-05", 5, "table"),
                known("vm-06", 6, "vm-06"),
                known("vm-07", 7, "a\u{1b}[31mb"),
                known("vm-08", 8, "old desk"),
            ],
            n_own: 2,
            logs: logs(&[
                (1, known("vm-03", 3, "old desk")),
                (2, known("vm-05", 5, "table")),
                (4, known("vm-06", 6, "vm-06")),
            ]),
        };
        assert_eq!((called.device("vm-01"), called.device("vm-02")), ("laptop".to_owned(), "laptop".to_owned()));
        assert_eq!((called.device("vm-03"), called.device("vm-08")), ("desk".to_owned(), "old desk".to_owned()));
        assert_eq!(called.device("vm-04"), "table (vm-04)");
        assert_eq!((called.device("vm-06"), called.device("vm-99")), ("vm-06".to_owned(), "vm-99".to_owned()));
        assert!(!called.device("vm-07").contains('\u{1b}'));
        assert_eq!(called.log(log(1)).as_deref(), Some("desk"));
        assert_eq!(called.log(log(2)).as_deref(), Some("table (vm-05)"));
        assert_eq!((called.log(log(3)), called.log(log(4))), (None, None));
    }

    #[test]
    fn a_stranger_gives_no_other_device_a_name() {
        let all = [
            known("vm-01", 1, "laptop", true),
            // Approved, and without a label of its own.
            known("vm-02", 2, "vm-02", true),
            // Strangers that say they are those.
            known("vm-02", 9, "boss", false),
            known("vm-01", 8, "other", false),
            // Strangers of whom nobody said anything, or who were revoked.
            known("vm-03", 3, "desk", false),
            known("vm-04", 4, "table", false),
            known("vm-04", 5, "chair", false),
        ];
        let log_of = |at: usize| (u8::try_from(at).unwrap(), all[at].clone());
        let called = Called {
            known: all.to_vec(),
            n_own: 0,
            logs: logs(&[log_of(0), log_of(1), log_of(2), log_of(3), log_of(4)]),
        };
        assert_eq!((called.device("vm-01"), called.device("vm-02")), ("laptop".to_owned(), "vm-02".to_owned()));
        assert_eq!(called.device("vm-03"), "desk (vm-03)");
        assert_eq!(called.device("vm-04"), "vm-04", "they do not agree");
        assert_eq!((called.log(log(0)).as_deref(), called.log(log(1))), (Some("laptop"), None));
        assert_eq!(called.log(log(2)).as_deref(), Some("boss (alias-2)"));
        assert_eq!(called.log(log(3)).as_deref(), Some("other (alias-3)"));
        assert_eq!(called.log(log(4)).as_deref(), Some("desk (vm-03)"));
    }
}
