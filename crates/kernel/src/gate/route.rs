//! Whether this machine has a way out: a default route over anything but the loopback interface.
//!
//! Routes to a neighbour do not count: machines with containers always have one, into a bridge that ends in the
//! machine itself.

use std::path::Path;

use super::measure::read;

const UP: u32 = 0x1;
const REJECT: u32 = 0x200;

/// Reads the routing tables below `net`. `None` if that of IPv4 cannot be read and IPv6 has no way out;
/// a machine without IPv6 has no file for it.
pub(super) fn measure(net: &Path) -> Option<bool> {
    let v6 = read(&net.join("ipv6_route")).is_some_and(|table| has_default_v6(&table));
    if v6 {
        return Some(true);
    }
    read(&net.join("route")).map(|table| has_default_v4(&table))
}

/// Columns: interface, destination, gateway, flags, references, uses, metric, mask, …; numbers in host order.
fn has_default_v4(table: &str) -> bool {
    table.lines().skip(1).any(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let [interface, destination, _, flags, _, _, _, mask, ..] = fields[..] else { return false };
        // A tunnel often takes the default over as two halves, 0.0.0.0/1 and 128.0.0.0/1.
        destination == "00000000" && matches!(mask, "00000000" | "00000080") && is_way_out(interface, flags)
    })
}

/// Columns: destination, prefix, source, prefix, gateway, metric, references, uses, flags, interface.
fn has_default_v6(table: &str) -> bool {
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let [destination, prefix, _, _, _, _, _, _, flags, interface] = fields[..] else { return false };
        let is_all = destination.bytes().all(|b| b == b'0') && matches!(prefix, "00" | "01");
        // 2000::/3 is every public address.
        let is_public = destination.starts_with("2000") && prefix == "03";
        (is_all || is_public) && is_way_out(interface, flags)
    })
}

fn is_way_out(interface: &str, flags: &str) -> bool {
    let flags = u32::from_str_radix(flags, 16).unwrap_or_default();
    interface != "lo" && flags & UP != 0 && flags & REJECT == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const ZERO: &str = "00000000000000000000000000000000";

    #[track_caller]
    fn check_v4(line: &str, expected: bool) {
        assert_eq!(has_default_v4(&format!("{HEADER}{line}\n")), expected, "{line}");
    }

    #[test]
    fn only_a_live_default_route_is_a_way_out() {
        check_v4("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0", true);
        check_v4("tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0", true);
        check_v4("docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0", false);
        check_v4("lo\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0", false);
        check_v4("eth0\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0", false);
        check_v4("eth0\t00000000", false);
        check_v4("", false);
    }

    #[test]
    fn the_ipv6_reject_route_that_every_machine_has_is_none() {
        let line = |dest: &str, prefix: &str, flags: &str, dev: &str| {
            format!("{dest} {prefix} {ZERO} 00 {ZERO} ffffffff 00000001 00000000 {flags}     {dev}\n")
        };
        assert!(!has_default_v6(&line(ZERO, "00", "00200200", "lo")));
        assert!(!has_default_v6(&line("fe800000000000000000000000000000", "40", "00000001", "eth0")));
        assert!(has_default_v6(&line(ZERO, "00", "00000003", "eth0")));
        assert!(has_default_v6(&line("20000000000000000000000000000000", "03", "00000003", "wg0")));
        assert!(!has_default_v6(""));
    }
}
