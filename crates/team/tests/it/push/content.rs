//! Sessions with something of everything, and two states of a home to go to and fro between.

use carry_sessions::archive::StoredMessage;
use carry_sessions::curation::Edit;
use carry_sessions::model::{Block, Facts, Usage};

use super::rig::Device;
use crate::fixture::{answer, bash, named, output, prompt, run, token, value};

/// Where the sessions work that are not in `orchard`.
pub(super) const MEADOW: &str = "/nowhere/meadow";

/// So many messages, which say other things with another `seed`: with secrets, commits, reasoning and usage.
pub(super) fn talk(seed: u32, messages: u32) -> Vec<StoredMessage> {
    (0..messages).map(|n| message(seed, n)).collect()
}

fn message(seed: u32, n: u32) -> StoredMessage {
    match n % 6 {
        0 => prompt(n, &format!("question {n} of {seed}, \u{1f33e} grüße\r\n\0 and {}", named(n as usize % 3))),
        1 => {
            let sha = format!("{:07x}", 0x01f3_a09b_u32.wrapping_mul(seed * 131 + n + 1) & 0x0fff_ffff);
            let said = format!("[main {sha}] Mend gate {n} of {seed}\n 1 file changed, 1 insertion(+)\n");
            run(n, "so I commit", &format!("git commit -m 'Mend gate {n} of {seed}'"), &[&said])
        }
        2 => answer(n, &format!("see https://github.com/acme/api/pull/{} about {}", n + seed, value(1))),
        3 => {
            let mut stored =
                run(n, &format!("look {n}"), &format!("ls dir{n}"), &["a", &format!("file {n} of {seed}")]);
            stored.message.blocks.insert(0, Block::Thinking(format!("hm, {n} of {seed} with {}", token())));
            stored.message.blocks.push(Block::Call(bash(n, 1, "pwd")));
            stored.results.push(output(n, 1, 0, "/nowhere"));
            stored
        }
        4 => {
            let mut stored = answer(n, &format!("so it is {n}, {}", "and so on ".repeat(n as usize % 9)));
            let number = |at: u32| Some(u64::from(seed + n + at));
            stored.message.usage =
                Some(Usage { input: number(1), output: number(2), cache_read: number(3), ..Usage::default() });
            stored
        }
        _ => {
            let mut stored = prompt(n, &format!("<reminder {n} of {seed}>"));
            stored.message.is_system = true;
            stored.message.subtype = Some("reminder".to_owned());
            stored
        }
    }
}

/// Facts of a session in the meadow.
pub(super) fn in_meadow() -> Facts {
    Facts { cwd: Some(MEADOW.to_owned()), branch: Some("mown".to_owned()), ..Facts::default() }
}

/// Brings a home into the first (`false`) or second (`true`) of two states, between which everything changes: text grows, shrinks and
/// is another, a session is shared no longer, heads change.
pub(super) fn turn(device: &mut Device, is_second: bool) {
    let (seed, messages) = if is_second { (2, 30) } else { (1, 70) };
    device.fixture.put("a", &talk(seed, messages));
    let mut grown = talk(7, 33);
    grown.truncate(if is_second { 33 } else { 31 });
    device.fixture.put("b", &grown);
    device.fixture.put_with("m", in_meadow(), &talk(3, 5));
    device.fixture.put_with("n", in_meadow(), &talk(4, 5));
    device.fixture.put("still", &talk(9, 10));
    device.edit("b", &Edit::Star(is_second));
    device.edit("b", &Edit::Label("late".to_owned(), is_second));
    device.share(&["*=full", if is_second { "/nowhere/meadow=aggregates" } else { "/nowhere/meadow=prompts" }]);
}
