use std::ffi::OsString;

use super::*;

fn home(vars: &[(&str, &str)]) -> Result<Home, HomeError> {
    Home::from_env(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
}

#[test]
fn carry_home_moves_everything() {
    let at = home(&[("CARRY_HOME", "/x"), ("HOME", "/h"), ("XDG_DATA_HOME", "/d")]).unwrap();
    assert_eq!(at, Home::at("/x"));
    assert_eq!(at.config_file(), Path::new("/x/config/config.toml"));
    assert_eq!(at.device_file(), Path::new("/x/data/device.toml"));
    assert_eq!(at.database("code"), Path::new("/x/data/code.db"));
    assert_eq!(at.kernel_database(), Path::new("/x/state/kernel.db"));
}

#[cfg(not(target_os = "macos"))]
#[test]
fn without_it_the_xdg_folders_hold() {
    let at = home(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d"), ("XDG_STATE_HOME", "relative"), ("XDG_CONFIG_HOME", "")]);
    let at = at.unwrap();
    assert_eq!(at.config_dir(), Path::new("/h/.config/carry"));
    assert_eq!(at.data_dir(), Path::new("/d/carry"));
    assert_eq!(at.state_dir(), Path::new("/h/.local/state/carry"));
}

#[cfg(not(target_os = "macos"))]
#[test]
fn home_is_not_needed_when_all_folders_are_named() {
    let named = [("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d"), ("XDG_STATE_HOME", "/s")];
    assert_eq!(home(&named).unwrap().state_dir(), Path::new("/s/carry"));
}

#[cfg(target_os = "macos")]
#[test]
fn without_it_application_support_holds() {
    let at = home(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d")]).unwrap();
    assert_eq!(at, Home::at("/h/Library/Application Support/carry"));
}

#[test]
fn unknown_and_relative_homes_are_named() {
    assert!(matches!(home(&[]), Err(HomeError::Unknown)));
    assert!(matches!(home(&[("CARRY_HOME", ""), ("HOME", "")]), Err(HomeError::Unknown)));
    assert!(matches!(
        home(&[("CARRY_HOME", "x"), ("HOME", "/h")]),
        Err(HomeError::Relative { name: "CARRY_HOME", .. })
    ));
    assert!(matches!(home(&[("HOME", "h")]), Err(HomeError::Relative { name: "HOME", .. })));
}
