//! The texts of a systemd unit and a launchd agent. Pure.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use carry_kernel::home::Home;

use super::LABEL;

/// The systemd user unit: `Type=notify`, watchdog, hardened, `ExecStart=<program> daemon run`.
pub fn systemd_unit(program: &Path, home: &Home, carry_home: Option<&Path>) -> String {
    let exec = quoted(program).replace('$', "$$");
    let environment = carry_home.map(|dir| format!("Environment={}\n", quoted_assignment("CARRY_HOME", dir)));
    let environment = environment.unwrap_or_default();
    let working = home.state_dir();
    // A path with control characters cannot be written there; then systemd's default will do.
    let working = if working.as_os_str().as_bytes().iter().any(u8::is_ascii_control) {
        String::new()
    } else {
        format!("WorkingDirectory=-{}\n", working.to_string_lossy().replace('%', "%%"))
    };
    format!(
        "# Written by `carry daemon install`; a later version may write it anew.
[Unit]
Description=Carry, which captures uncommitted work
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={exec} daemon run
{environment}{working}Restart=on-failure
RestartSec=5
WatchdogSec=120
TimeoutStartSec=60
TimeoutStopSec=20
# Background work. Not the idle class: a busy disk would starve it for good.
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=7
UMask=0077
# Only what works in user units. No MemoryDenyWriteExecute and no file system sandbox: Git runs the user's filters, which
# may be any programs.
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"
    )
}

/// The launchd agent.
pub fn launchd_plist(program: &Path, home: &Home, carry_home: Option<&Path>) -> String {
    let environment = carry_home.map(|dir| {
        format!("\t<key>EnvironmentVariables</key>\n\t<dict>\n\t\t<key>CARRY_HOME</key>\n\t\t{}\n\t</dict>\n", xml(dir))
    });
    let environment = environment.unwrap_or_default();
    let program = xml(program);
    let stderr = xml(&home.log_dir().join("daemon.stderr"));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>{LABEL}</string>
	<key>ProgramArguments</key>
	<array>
		{program}
		<string>daemon</string>
		<string>run</string>
	</array>
{environment}	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>ThrottleInterval</key>
	<integer>10</integer>
	<key>ExitTimeOut</key>
	<integer>20</integer>
	<key>ProcessType</key>
	<string>Background</string>
	<key>Nice</key>
	<integer>10</integer>
	<key>LowPriorityIO</key>
	<true/>
	<key>Umask</key>
	<integer>63</integer>
	<key>StandardErrorPath</key>
	{stderr}
</dict>
</plist>
"#
    )
}

/// A path as one word of a unit file: in double quotes, with C escapes and without specifiers.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", escaped(path.as_os_str().as_bytes()))
}

fn quoted_assignment(name: &str, value: &Path) -> String {
    format!("\"{name}={}\"", escaped(value.as_os_str().as_bytes()))
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '%' => text.push_str("%%"),
                c if c.is_ascii_control() => hex(&mut text, c as u8),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| hex(&mut text, *byte));
    }
    text
}

fn hex(text: &mut String, byte: u8) {
    write!(text, "\\x{byte:02x}").expect("writing to a string does not fail");
}

/// A path as an XML string. Bytes that are no text cannot be written there and are replaced.
fn xml(path: &Path) -> String {
    let mut text = String::from("<string>");
    for c in path.to_string_lossy().chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            // XML 1.0 has no other control characters, not even escaped.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => text.push('\u{fffd}'),
            '\r' => text.push_str("&#13;"),
            c => text.push(c),
        }
    }
    text + "</string>"
}
