use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::command::Said;
use super::*;

const UNIT_TEXT: &str = "# Written by `carry daemon install`; a later version may write it anew.
[Unit]
Description=Carry, which captures uncommitted work
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart=\"/usr/bin/carry\" daemon run
WorkingDirectory=-/home/me/.carry/state
Restart=on-failure
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
";

const PLIST_TEXT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>dev.carry.daemon</string>
	<key>ProgramArguments</key>
	<array>
		<string>/Applications/R&amp;D/carry</string>
		<string>daemon</string>
		<string>run</string>
	</array>
	<key>EnvironmentVariables</key>
	<dict>
		<key>CARRY_HOME</key>
		<string>/a &lt;b&gt;</string>
	</dict>
	<key>RunAtLoad</key>
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
	<string>/home/me/.carry/state/log/daemon.stderr</string>
</dict>
</plist>
"#;

fn home() -> Home {
    Home::at("/home/me/.carry")
}

#[test]
fn the_unit_is_as_reviewed() {
    assert_eq!(systemd_unit(Path::new("/usr/bin/carry"), &home(), None), UNIT_TEXT);
}

#[test]
fn the_agent_is_as_reviewed() {
    let text = launchd_plist(Path::new("/Applications/R&D/carry"), &home(), Some(Path::new("/a <b>")));
    assert_eq!(text, PLIST_TEXT);
}

#[test]
fn odd_paths_reach_the_program_unchanged() {
    let program = Path::new(OsStr::from_bytes(b"/o dd/100%/$x/\"q\"/b\\s/n\nl/\xff/carry"));
    let unit = systemd_unit(program, &Home::at("/h 1%"), Some(Path::new("/home/$me/50% \"x\"")));
    let line = |start: &str| unit.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    assert_eq!(line("ExecStart"), r#"ExecStart="/o dd/100%%/$$x/\"q\"/b\\s/n\x0al/\xff/carry" daemon run"#);
    assert_eq!(line("Environment"), r#"Environment="CARRY_HOME=/home/$me/50%% \"x\"""#);
    assert_eq!(line("WorkingDirectory"), "WorkingDirectory=-/h 1%%/state");
    assert!(!systemd_unit(program, &Home::at("/a\nExecStart=evil"), None).contains("evil"));
}

/// A manager that does as told and writes down what it was told.
struct Fake {
    dir: tempfile::TempDir,
    active: RefCell<bool>,
    told: RefCell<Vec<String>>,
}

impl Fake {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), active: RefCell::new(false), told: RefCell::default() }
    }

    fn run(&self, command: &[&str]) -> Result<Said, ServiceError> {
        let ok = |out: &str| Ok(Said { ok: true, out: out.to_owned(), err: String::new() });
        match command {
            ["systemctl", "--user", "is-active", _] => {
                let state = if *self.active.borrow() { "active\n" } else { "inactive\n" };
                return Ok(Said { ok: *self.active.borrow(), out: state.to_owned(), err: String::new() });
            }
            ["loginctl", ..] => return ok("no\n"),
            _ => {}
        }
        self.told.borrow_mut().push(command.join(" "));
        match command {
            [.., "start" | "restart", _] => *self.active.borrow_mut() = true,
            [.., "--now", _] => *self.active.borrow_mut() = false,
            _ => {}
        }
        ok("")
    }

    fn told(&self) -> Vec<String> {
        self.told.take()
    }

    fn with<T>(&self, act: impl FnOnce(&Service<'_>, &Home) -> T) -> T {
        let run = |command: &[&str], _| self.run(command);
        let file = self.dir.path().join("systemd/user/carry.service");
        let service = Service { manager: Manager::Systemd, file, uid: 1000, run: &run };
        act(&service, &Home::at(self.dir.path().join("home")))
    }
}

#[test]
fn installing_again_is_harmless_and_a_new_text_restarts() {
    let fake = Fake::new();
    let install = |program: &str| fake.with(|service, home| service.install(Path::new(program), home, None).unwrap());
    let file = install("/one/carry");
    assert!(std::fs::read_to_string(&file).unwrap().contains("/one/carry"));
    let (reload, enable) = ("systemctl --user daemon-reload", "systemctl --user enable carry.service");
    let start = "systemctl --user start carry.service";
    assert_eq!(fake.told(), [reload, enable, start]);
    install("/one/carry");
    assert_eq!(fake.told(), [reload, enable, start]);
    install("/two/carry");
    assert_eq!(fake.told(), [reload, enable, "systemctl --user restart carry.service"]);
    let status = |program: &str| fake.with(|s, home| s.status(Path::new(program), home, None).unwrap());
    let expected =
        ServiceStatus { file: Some(file), state: Some("active".to_owned()), linger: Some(false), current: true };
    assert_eq!(status("/two/carry"), expected);
    assert!(!status("/one/carry").current);
}

#[test]
fn uninstalling_what_is_not_installed_does_nothing() {
    let fake = Fake::new();
    assert!(!fake.with(|service, _| service.uninstall().unwrap()));
    assert_eq!(fake.told(), [""; 0]);
    fake.with(|service, home| service.install(Path::new("/carry"), home, None).unwrap());
    fake.told();
    assert!(fake.with(|service, _| service.uninstall().unwrap()));
    assert_eq!(fake.told(), ["systemctl --user disable --now carry.service", "systemctl --user daemon-reload"]);
    assert!(!fake.with(|service, _| service.file.exists()));
}

#[test]
fn a_manager_that_does_not_answer_has_no_state() {
    let run = |_: &[&str], _| Err(ServiceError::Refused { command: String::new(), message: "no bus".to_owned() });
    let service =
        Service { manager: Manager::Systemd, file: PathBuf::from("/nonexistent/carry.service"), uid: 1, run: &run };
    let status = service.status(Path::new("/carry"), &home(), None).unwrap();
    assert_eq!(status, ServiceStatus { file: None, state: None, linger: None, current: false });
}

#[test]
fn a_refusal_names_the_command_and_what_was_said() {
    let fake = Fake::new();
    let run = |command: &[&str], _| match command {
        [_, _, "enable", _] => Ok(Said { ok: false, out: String::new(), err: "Access denied\n".to_owned() }),
        _ => fake.run(command),
    };
    let file = fake.dir.path().join("unit");
    let service = Service { manager: Manager::Systemd, file, uid: 1, run: &run };
    let error = service.install(Path::new("/carry"), &Home::at(fake.dir.path().join("home")), None).unwrap_err();
    assert_eq!(error.to_string(), "`systemctl --user enable carry.service` failed: Access denied");
}
