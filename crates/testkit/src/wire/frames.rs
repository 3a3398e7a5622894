//! The messages that a client of PostgreSQL sends, counted as they pass.

use std::collections::BTreeMap;

/// Asks for encryption, by its code in the place of a protocol version.
const ASKS_TLS: u32 = 80_877_103;
/// The same in the way of Kerberos.
const ASKS_GSS: u32 = 80_877_104;

/// Where in the stream of one client we are.
#[derive(Debug, Default)]
pub struct Frames {
    /// What has come of the head of the message at hand.
    head: Vec<u8>,
    /// What is left of its body.
    body: u64,
    has_started: bool,
}

impl Frames {
    /// Takes the next bytes of a stream and counts in `counts` the messages that begin in it, by type.
    pub fn add(&mut self, mut bytes: &[u8], counts: &mut BTreeMap<u8, u64>) {
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.body).unwrap_or(usize::MAX).min(bytes.len());
            bytes = &bytes[skipped..];
            self.body -= skipped as u64;
            if self.body > 0 || bytes.is_empty() {
                return;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            self.end_of_head(counts);
        }
    }

    fn end_of_head(&mut self, counts: &mut BTreeMap<u8, u64>) {
        let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        // The first messages have no type: a length and a code.
        let (wanted, counted) = if self.has_started { (5, 4) } else { (8, 8) };
        if self.head.len() < wanted {
            return;
        }
        if self.has_started {
            *counts.entry(self.head[0]).or_default() += 1;
            self.body = u64::from(number(&self.head[1..5])).saturating_sub(counted);
        } else {
            self.body = u64::from(number(&self.head[..4])).saturating_sub(counted);
            self.has_started = !matches!(number(&self.head[4..8]), ASKS_TLS | ASKS_GSS);
        }
        self.head.clear();
    }
}
