//! What devices are called: by the labels that people gave them, wherever one is known.
//!
//! A label proves nothing. Where two devices have the same, the id stands beside it.

use std::collections::BTreeSet;

use carry_exchange::name::LogId;
use carry_exchange::store::status;

use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// The labels of all devices that are known here, read once.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// Ids and labels: this device's first, then those of Git remotes, then those of the exchange.
    labels: Vec<(String, String)>,
    /// How many of them are this device's.
    n_own: usize,
    /// Which device writes a log.
    logs: Vec<(LogId, String)>,
}

impl Called {
    /// Reads them.
    pub(crate) fn read(shell: &Shell) -> Result<Self, Failure> {
        let mut called = Self::default();
        if let Some(ctx) = shell.existing_context()? {
            let own = ctx.device.get();
            let ids = own.former().iter().map(|former| &former.id).chain([own.id()]);
            called.labels.extend(ids.map(|id| (id.as_str().to_owned(), own.label().to_owned())));
            called.n_own = called.labels.len();
        }
        if let Some(registry) = shell.registry_to_read()? {
            called.labels.extend(registry.devices()?.into_iter().map(|known| (known.id, known.label)));
        }
        for log in status::look(&shell.home)?.map(|status| status.logs).unwrap_or_default() {
            let Some(device) = &log.device else { continue };
            let label = log.label().unwrap_or(device.as_str());
            called.labels.push((device.as_str().to_owned(), label.to_owned()));
            called.logs.push((log.row.log, device.as_str().to_owned()));
        }
        Ok(called)
    }

    /// The label of the device with this id, with the id where another one is called so, too; the id where none is known.
    pub(crate) fn device(&self, id: &str) -> String {
        let Some(label) = self.label(id) else { return text::line(id) };
        let is_it = |other: &str| other == id || self.is_own(other) && self.is_own(id);
        let is_one = self.ids().all(|other| is_it(other) || self.label(other) != Some(label));
        match is_one {
            true => text::line(label),
            false => format!("{} ({})", text::line(label), text::line(id)),
        }
    }

    /// The same of the device that writes a log, where a label of it is known.
    pub(crate) fn log(&self, log: LogId) -> Option<String> {
        let (_, id) = self.logs.iter().find(|(known, _)| *known == log)?;
        self.label(id).map(|_| self.device(id))
    }

    /// The first label that is known of a device and says more than its id.
    fn label(&self, id: &str) -> Option<&str> {
        let mut all = self.labels.iter().filter(|(known, label)| known == id && label != id);
        all.next().map(|(_, label)| label.as_str())
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>().into_iter()
    }

    /// Whether an id is this device's, now or formerly: those stand first, under one label.
    fn is_own(&self, id: &str) -> bool {
        self.labels[..self.n_own].iter().any(|(own, _)| own == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stands_alone_where_one_device_has_it() {
        let said = |id: &str, label: &str| (id.to_owned(), label.to_owned());
        let log = |n: u8| LogId::of_key(&[n; 32]);
        let called = Called {
            labels: vec![
                said("vm-01", "laptop"),
                said("vm-02", "laptop"),
                said("vm-03", "desk"),
                said("vm-03", "old desk"),
                said("vm-04", "table"),
                said("vm-05", "table"),
                said("vm-06", "vm-06"),
                said("vm-07", "a\u{1b}[31mb"),
            ],
            n_own: 2,
            logs: vec![(1, "vm-03"), (2, "vm-05"), (4, "vm-06")]
                .into_iter()
                .map(|(n, id)| (log(n), id.to_owned()))
                .collect(),
        };
        assert_eq!((called.device("vm-01"), called.device("vm-02")), ("laptop".to_owned(), "laptop".to_owned()));
        assert_eq!(called.device("vm-03"), "desk");
        assert_eq!(called.device("vm-04"), "table (vm-04)");
        assert_eq!((called.device("vm-06"), called.device("vm-99")), ("vm-06".to_owned(), "vm-99".to_owned()));
        assert!(!called.device("vm-07").contains('\u{1b}'));
        assert_eq!(called.log(log(1)).as_deref(), Some("desk"));
        assert_eq!(called.log(log(2)).as_deref(), Some("table (vm-05)"));
        assert_eq!((called.log(log(3)), called.log(log(4))), (None, None));
    }
}
