//! Starts everything, lets the targets take turns, collects the figures.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use http_body_util::Empty;
use tokio::process::{Child, Command};

use crate::bodies::Texts;
use crate::report::{Cost, Figures, Report, percentile_us};
use crate::{Error, RunArgs, listen, load, process};

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The rules run once at the start; idle is after that.
const SETTLE: Duration = Duration::from_secs(5);
/// Syncs that are timed.
const SYNCS: usize = 200;

struct Target {
    address: SocketAddr,
    pid: Option<u32>,
    figures: Figures,
}

pub(crate) async fn run(args: &RunArgs) -> Result<bool, Error> {
    let folder = tempfile::tempdir()?;
    let upstream = listen::free_address()?;
    let _upstream = own(&["upstream", &upstream.to_string()])?;
    let bare = listen::free_address()?;
    let workers = args.workers.to_string();
    let bare_process = own(&["proxy", &bare.to_string(), &upstream.to_string(), &workers])?;
    let (strict, strict_process) = gateway(args, folder.path(), upstream, "strict").await?;
    let (relaxed, relaxed_process) = gateway(args, folder.path(), upstream, "relaxed").await?;
    tokio::time::sleep(SETTLE).await;
    let target = |name, address, pid| Target {
        address,
        pid,
        figures: Figures {
            name,
            ..Figures::default()
        },
    };
    let mut targets = [
        target("direct", upstream, None),
        target("bare", bare, bare_process.id()),
        target("strict", strict, strict_process.id()),
        target("relaxed", relaxed, relaxed_process.id()),
    ];
    for target in &mut targets {
        if let Some(pid) = target.pid {
            target.figures.idle_mib = process::memory_mib(pid, "VmRSS")?;
        }
        load::closed(
            target.address,
            args.connections,
            1,
            (Texts::Repeated, false),
        )
        .await?;
    }
    for round in 1..=args.rounds {
        say(&format!("round {round} of {}", args.rounds))?;
        for target in &mut targets {
            turn(target, args).await?;
        }
    }
    for target in &mut targets {
        if let Some(pid) = target.pid {
            target.figures.peak_mib = process::memory_mib(pid, "VmHWM")?;
        }
    }
    let sync_us = sync_us(folder.path())?;
    let [direct, bare, strict, relaxed] = targets.map(|target| target.figures);
    let (text, all_met) = Report {
        direct,
        bare,
        strict,
        relaxed,
        sync_us,
    }
    .render();
    say(&text)?;
    Ok(all_met)
}

async fn turn(target: &mut Target, args: &RunArgs) -> Result<(), Error> {
    for (texts, stream) in [
        (Texts::Repeated, false),
        (Texts::Unseen, false),
        (Texts::Repeated, true),
    ] {
        let before = cpu(target)?;
        let (calls, wall) = load::closed(
            target.address,
            args.connections,
            args.seconds,
            (texts, stream),
        )
        .await?;
        let spent = cpu(target)?.saturating_sub(before);
        let cost: &mut Cost = match (texts, stream) {
            (_, true) => &mut target.figures.streams,
            (Texts::Repeated, false) => &mut target.figures.whole,
            (Texts::Unseen, false) => &mut target.figures.unseen,
        };
        cost.add(calls, wall, spent);
    }
    let latencies = load::open(target.address, args.seconds).await?;
    target.figures.latencies.extend(latencies);
    Ok(())
}

fn cpu(target: &Target) -> Result<Duration, Error> {
    target.pid.map_or(Ok(Duration::ZERO), process::cpu)
}

/// This binary again, killed when the handle is dropped.
pub(crate) fn own(args: &[&str]) -> Result<Child, Error> {
    Ok(Command::new(std::env::current_exe()?)
        .args(args)
        .kill_on_drop(true)
        .spawn()?)
}

async fn gateway(
    args: &RunArgs,
    folder: &Path,
    upstream: SocketAddr,
    durability: &str,
) -> Result<(SocketAddr, Child), Error> {
    let (address, admin) = (listen::free_address()?, listen::free_address()?);
    let folder = folder.join(durability);
    std::fs::create_dir_all(&folder)?;
    let config = folder.join("atalaya.yml");
    let data = folder.join("data");
    std::fs::write(
        &config,
        format!(
            "version: 1
data_dir: {}
admin: {{listen: \"{admin}\"}}
journal: {{durability: {durability}}}
log: {{level: warn}}
gateway:
  listen: [\"{address}\"]
  workers: {}
  upstreams: {{bench: {{base_url: \"http://{upstream}\"}}}}
  routes: [{{upstream: bench}}]
",
            data.display(),
            args.workers
        ),
    )?;
    let child = Command::new(&args.atalaya)
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .kill_on_drop(true)
        .spawn()?;
    wait_until_ready(admin).await?;
    Ok((address, child))
}

pub(crate) async fn wait_until_ready(admin: SocketAddr) -> Result<(), Error> {
    let deadline = Instant::now() + START_TIMEOUT;
    while Instant::now() < deadline {
        if is_ready(admin).await.unwrap_or(false) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the gateway did not become ready".into())
}

async fn is_ready(admin: SocketAddr) -> Result<bool, Error> {
    let stream = tokio::net::TcpStream::connect(admin).await?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    let request = hyper::Request::get("/readyz")
        .header("host", admin.to_string())
        .body(Empty::<bytes::Bytes>::new())?;
    let send = sender.send_request(request);
    let (response, _) = futures_join(send, connection).await;
    Ok(response?.status().is_success())
}

/// Drives a connection until its one answer has come.
async fn futures_join<A: Future, B: Future>(first: A, second: B) -> (A::Output, ()) {
    tokio::pin!(first);
    tokio::pin!(second);
    tokio::select! {
        answer = &mut first => (answer, ()),
        _ = &mut second => (first.await, ()),
    }
}

/// The median time of one small synced write on the disk of the journal, at the pace of the open
/// loop: a disk that is kept busy answers sooner.
fn sync_us(folder: &Path) -> Result<f64, Error> {
    let mut file = std::fs::File::create(folder.join("sync"))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        std::thread::sleep(load::PACE);
        file.write_all(&[7; 4_096])?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed());
    }
    Ok(percentile_us(&times, 0.5))
}

pub(crate) fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}
