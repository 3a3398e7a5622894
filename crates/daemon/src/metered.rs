//! Whether the network connection costs money by the byte: NetworkManager knows, where it runs.

use crate::bus::Bus;

/// Asks the system; `None` where nobody knows. Takes a few seconds at the most.
pub fn measure() -> Option<bool> {
    ask(&Bus::System)
}

#[cfg(target_os = "linux")]
fn ask(bus: &Bus) -> Option<bool> {
    use std::time::Duration;
    use zbus::blocking::proxy::Builder;
    use zbus::proxy::CacheProperties;

    let question = |connection: &zbus::blocking::Connection| {
        let manager: zbus::blocking::Proxy<'_> = Builder::new(connection)
            .destination("org.freedesktop.NetworkManager")?
            .path("/org/freedesktop/NetworkManager")?
            .interface("org.freedesktop.NetworkManager")?
            .cache_properties(CacheProperties::No)
            .build()?;
        manager.get_property::<u32>("Metered")
    };
    match crate::bus::ask(bus, Duration::from_secs(5), question) {
        Ok(answer) => meaning(answer),
        Err(error) => {
            tracing::debug!(error = %crate::run::sentence(&error), "nobody says whether the connection is metered");
            None
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn ask(_: &Bus) -> Option<bool> {
    None
}

/// What NetworkManager's number means: yes, no, and the same as a guess.
#[cfg(target_os = "linux")]
fn meaning(answer: u32) -> Option<bool> {
    match answer {
        1 | 3 => Some(true),
        2 | 4 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::desktop::fixture::PrivateBus;

    struct Manager(u32);

    #[zbus::interface(name = "org.freedesktop.NetworkManager")]
    impl Manager {
        #[zbus(property)]
        fn metered(&self) -> u32 {
            self.0
        }
    }

    #[test]
    fn a_guess_counts_as_an_answer_and_no_answer_as_none() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(meaning), [None, Some(true), Some(false), Some(true), Some(false), None]);
    }

    #[test]
    fn the_network_manager_is_believed_and_its_absence_is_no_answer() {
        let Some(bus) = PrivateBus::start() else { return };
        assert_eq!(ask(&bus.bus()), None, "nobody answers to the name");
        let _manager =
            bus.serve("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager", Manager(3)).unwrap();
        assert_eq!(ask(&bus.bus()), Some(true));
    }

    #[test]
    fn a_bus_that_is_not_there_is_no_answer() {
        assert_eq!(ask(&Bus::At("unix:path=/nonexistent/bus".to_owned())), None);
    }
}
