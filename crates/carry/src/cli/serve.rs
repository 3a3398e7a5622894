//! `carry serve`: the server that other devices exchange with.

use std::io::IsTerminal as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use carry_exchange::name::LogId;
use carry_hub::exchange::{Examination, Place};
use carry_hub::run::{self, Running, Setup};
use carry_hub::server::Limits;
use carry_hub::settings::{self, Settings};
use carry_kernel::device::{self, Device};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;
use crate::wire::Shell;

mod token;

/// Let other devices exchange with this one over HTTP
///
/// Serves the exchange in one folder until it is told to stop, to devices that have a credential from `carry serve token`.
/// Without more it listens to this machine only.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Token(token::Args),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Where to listen [default: serve.listen, 127.0.0.1:7777]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Certificate in PEM, with those between it and its root
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key in PEM, for you alone (0600)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy in front of this encrypts, and says who asks in X-Forwarded-For
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    behind_proxy: bool,
    /// A name by which others call this server; may be repeated
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// The folder with the exchange
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Make the folder and mark it as an exchange if it is new
    #[arg(long)]
    init: bool,
    /// The file with the devices' credentials
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    match &args.action {
        Some(Action::Token(args)) => token::run(shell, args),
        None => serve(shell, &args.serve),
    }
}

fn serve(shell: &Shell, args: &Serve) -> Result<(), Failure> {
    let setup = set_up(shell, args)?;
    log(shell.options.quiet);
    let running = run::start(&setup, shell.now())?;
    // Whoever reads where it listens may ask it to stop at once.
    let signals = running.signals()?;
    if running.knows_nobody() {
        shell.out.warn("no device has a credential yet; `carry serve token NAME` makes one");
    }
    show(shell, &setup, &running)?;
    // Whoever waits for the address reads it now.
    shell.out.flush()?;
    running.run(signals);
    Ok(())
}

fn set_up(shell: &Shell, args: &Serve) -> Result<Setup, Failure> {
    let settings = read_settings(shell);
    let device = Device::load_or_create(&shell.home, &device::host_name())?;
    let absolute = |path: &PathBuf| shell.cwd.join(path);
    let folder = args.folder.as_ref().map(absolute).or(settings.folder);
    // The folder of our own is made as needed. Another may be a disk that is not mounted.
    let makes_folder = args.init || folder.is_none();
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some((absolute(certificate), absolute(key))),
        _ if args.behind_proxy => None,
        _ => match (settings.tls_cert, settings.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                return Err(Failure::usage("only one of serve.tls_cert and serve.tls_key is set")
                    .hint("A server that encrypts needs both."));
            }
        },
    };
    Ok(Setup {
        listen: address(args.listen.as_deref().unwrap_or(&settings.listen))?,
        behind_proxy: args.behind_proxy || settings.behind_proxy && args.tls_cert.is_none(),
        tls,
        hosts: settings.hosts.into_iter().chain(args.hosts.iter().cloned()).collect(),
        token_file: token_file(shell, args.token_file.as_deref()),
        of_address: settings.of_address,
        of_caller: settings.of_caller,
        place: Place {
            folder: folder.unwrap_or_else(|| settings::default_folder(&shell.home)),
            writer: (LogId::of_key(&device.public_key()), u64::from_le_bytes(random()?)),
            ledger: shell.home.database("hub"),
            incoming: shell.home.state_dir().join("serve").join("incoming"),
            quota: settings.quota,
            examination: Examination::Whole,
            silence: carry_hub::exchange::SILENCE,
        },
        makes_folder,
        lock: shell.home.state_dir().join("serve").join("lock"),
        limits: Limits {
            connections: settings.connections,
            ..limits(args, settings.behind_proxy, settings.connections)
        },
    })
}

/// A proxy has one address for all who ask.
fn limits(args: &Serve, is_behind_proxy: bool, connections: usize) -> Limits {
    let limits = Limits::default();
    if args.behind_proxy || is_behind_proxy { Limits { connections_of_address: connections, ..limits } } else { limits }
}

fn read_settings(shell: &Shell) -> Settings {
    Settings::new(&shell.config(None), &shell.home, shell.user_home.as_deref())
}

/// Where the credentials are.
fn token_file(shell: &Shell, said: Option<&Path>) -> PathBuf {
    said.map_or_else(|| read_settings(shell).token_file, |path| shell.cwd.join(path))
}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    let wrong = || {
        Failure::usage(format!("{text:?} is not an address and a port"))
            .hint("Write 127.0.0.1:7777, [::1]:7777, or 0.0.0.0:7777 for all addresses of this machine.")
    };
    match text.parse() {
        Ok(address) => Ok(address),
        // A name, such as localhost.
        Err(_) => text.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(wrong),
    }
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Failure::failed("no random bytes from the system"))?;
    Ok(bytes)
}

/// What the server says goes to standard error, where a service manager takes it.
fn log(is_quiet: bool) {
    let asked = std::env::var("CARRY_LOG").ok().and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = asked.unwrap_or_else(|| EnvFilter::new(if is_quiet { "error" } else { "warn" }));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .finish();
    // It fails when there is one already, and that one goes on.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// The server, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "serving")]
struct ServingJson {
    pid: u32,
    address: String,
    url: String,
    encrypted: bool,
    folder: String,
}

fn show(shell: &Shell, setup: &Setup, running: &Running) -> Result<(), Failure> {
    let address = running.address();
    let scheme = if running.is_encrypted() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let folder = &setup.place.folder;
    if shell.out.is_json() {
        return shell.out.json(&ServingJson {
            pid: std::process::id(),
            address: address.to_string(),
            url,
            encrypted: running.is_encrypted(),
            folder: crate::text::json_file(folder),
        });
    }
    shell.out.line(format_args!(
        "Serving the exchange in {} at {url} (process {}).",
        shell.folder(folder),
        std::process::id()
    ))
}
