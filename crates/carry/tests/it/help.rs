//! Help texts as they are seen.

use crate::world::World;

#[test]
fn the_top_help_lists_every_command() {
    let world = World::new();
    let ran = world.ok(&["-h"]);
    assert_eq!(ran.stdout, TOP.replace("PROGRAM", "carry"));
    let ran = world.git_carry(&["-h"]);
    assert_eq!(ran.stdout, TOP.replace("PROGRAM", "git carry"));
}

#[test]
fn the_version_is_told() {
    let world = World::new();
    assert_eq!(world.ok(&["--version"]).stdout, concat!("carry ", env!("CARGO_PKG_VERSION"), "\n"));
}

const TOP: &str = "\
Keep everything you work on

Usage: PROGRAM [OPTIONS] [COMMAND]

Commands:
  up           Capture this repository from now on
  status       Show the last capture and what is not covered
  list         List the registered working trees
  add          Register working trees
  remove       Forget a working tree
  pause        Stop capturing a working tree for a while
  resume       Capture a paused working tree again
  now          Capture at once
  log          List the snapshots, newest first
  diff         Show what changed since a snapshot, or between two
  show         Show a snapshot, or a file as it was
  restore      Bring files and folders back
  undo         Take the last restore, sync or finalize back
  publish      Publish snapshots to a Git remote
  sync         Take over newer work of another device
  clone        Make a repository here that is only on other devices
  finalize     Stage the work of all devices as one change
  sessions     Find, read and keep conversations with coding agents
  team         Share conversations with your team, and read what it shares
  remote       Add, list and test the places that devices exchange through
  exchange     Exchange with the remotes now
  devices      List the devices, and say which are yours
  conflicts    Show and settle what devices say differently about sessions
  ignore       Leave files out of captures
  prune        Thin snapshots by retention
  config       Show and change settings
  doctor       Find what is wrong and mend it
  daemon       Start, stop and look at the background process
  serve        Let other devices exchange with this one over HTTP
  service      Let the system start the daemon
  logs         Show the daemon's log
  prompt       Print a few characters for the shell's prompt
  completions  Print a completion script for a shell
  man          Write the manual pages

Options:
  -h, --help     Print help (see more with '--help')
  -V, --version  Print version

Global options:
      --json                Print one JSON object per line
  -q, --quiet               Print only what was asked for, and problems
  -y, --yes                 Agree to every question
      --color <WHEN>        Use colours [default: auto] [possible values: auto, always, never]
      --config <KEY=VALUE>  Set a configuration value for this run
  -C <DIR>                  Run as if started in this folder
      --no-pager            Do not page long output

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done, 70 a mistake in Carry, 130 interrupted.
";
