//! What the gateway costs: a load generator, a scripted upstream, a bare forwarding proxy of the
//! same shape, and a driver that runs them side by side and prints ratios.
//!
//! The figure that is stable on a noisy machine is CPU time per call of the measured process;
//! requests per second and latency depend on what else runs.

mod adversary;
mod bodies;
mod driver;
mod frames;
mod guard;
mod listen;
mod load;
mod process;
mod proxy;
mod report;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the gateway costs, side by side with a bare proxy.
#[derive(Parser)]
enum Command {
    /// Run everything and print the ratios.
    Run(RunArgs),
    /// Malformed and hostile requests, many per protocol; each must have one decision.
    Adversary(adversary::Args),
    /// What the gateway adds to frames of a stream beyond what its window holds.
    Frames(frames::Args),
    /// The gateway alone, without log and tables, until killed.
    Guard {
        /// Where to listen.
        listen: SocketAddr,
        /// Where `/metrics` and `/readyz` are.
        admin: SocketAddr,
        /// Where to forward.
        upstream: SocketAddr,
        /// Bytes that the window holds; the default of the policy if missing.
        #[arg(long)]
        hold_bytes: Option<usize>,
    },
    /// The scripted upstream, until killed.
    Upstream {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// The bare proxy, until killed.
    Proxy {
        /// Where to listen.
        listen: SocketAddr,
        /// Where to forward.
        upstream: SocketAddr,
        /// Threads.
        workers: usize,
    },
}

/// How to run.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// The binary to measure.
    #[arg(long)]
    atalaya: PathBuf,
    /// Seconds of each measurement in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds; the targets take turns in each.
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Connections of the closed loop.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads of the proxy and of the gateway.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Exit code 1 if a bar is missed.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<std::process::ExitCode, Error> {
    match Command::parse() {
        Command::Upstream { listen } => upstream::serve(listen)?,
        Command::Proxy {
            listen,
            upstream,
            workers,
        } => proxy::serve(listen, upstream, workers)?,
        Command::Guard {
            listen,
            admin,
            upstream,
            hold_bytes,
        } => guard::serve(listen, admin, upstream, hold_bytes)?,
        Command::Adversary(args) => return ended(runtime()?.block_on(adversary::run(&args))?),
        Command::Frames(args) => return ended(runtime()?.block_on(frames::run(&args))?),
        Command::Run(args) => {
            let all_met = runtime()?.block_on(driver::run(&args))?;
            return ended(!args.check || all_met);
        }
    }
    Ok(std::process::ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn ended(is_fine: bool) -> Result<std::process::ExitCode, Error> {
    Ok(if is_fine {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::from(1)
    })
}
