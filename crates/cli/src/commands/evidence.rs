//! `atalaya evidence`: what happened, in a form that stands up later.

use std::path::PathBuf;
use std::sync::Arc;

use atalaya_model::Timestamp;
use atalaya_respond::evidence::{
    Hold, check_custody, holds, record_custody, release, set_hold, verify,
};
use atalaya_respond::ports::PreserveRequest;
use atalaya_respond::sha256_hex;
use atalaya_server::open;
use atalaya_server::respond::evidence::{Keeper, signing_key};
use atalaya_store::{DocumentStore as _, SqliteStore};
use serde_json::{Value, json};

use super::common::{self, Place};
use super::listing::{self, Actor};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};

/// Make and check evidence
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Put the records behind an incident, alerts or ids into a signed bundle.
    Create(CreateArgs),
    /// Verify a bundle, with nothing but the file (exit code 1 if it was changed).
    ///
    /// Without `--key` this says that the bundle is what somebody signed; with the public key
    /// from somewhere else (`atalaya evidence key`), that it is what this node signed.
    Verify(VerifyArgs),
    /// Print the public key that this node's bundles are signed with.
    Key(PlaceArgs),
    /// Print the chain of custody, and check it.
    Custody(CustodyArgs),
    /// Set, list and release legal holds: rows that stay, whatever their retention says.
    #[command(subcommand)]
    Hold(HoldCommand),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// Id of an incident, or the beginning of it.
    #[arg(long)]
    incident: Option<String>,
    /// Ids of alerts.
    #[arg(long = "alert")]
    alerts: Vec<String>,
    /// Ids of records (`DecisionId`, `EventId`).
    #[arg(long = "record")]
    records: Vec<String>,
    /// Writes a copy here.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    actor: Actor,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The bundle.
    bundle: PathBuf,
    /// Public key (64 hexadecimal digits) or its fingerprint.
    #[arg(long)]
    key: Option<String>,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CustodyArgs {
    /// Only lines about this bundle or hold.
    subject: Option<String>,
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

/// Legal holds
#[derive(Debug, clap::Subcommand)]
pub(crate) enum HoldCommand {
    /// Hold rows of some tables (all without `--table`) in a time.
    Set(HoldArgs),
    /// List holds.
    List(HoldListArgs),
    /// Release a hold.
    Release(ReleaseArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    /// Why, e.g. the case.
    #[arg(long)]
    reason: String,
    /// Incident or case.
    #[arg(long, default_value = "")]
    case: String,
    /// Tables.
    #[arg(long = "table")]
    tables: Vec<String>,
    /// From this time on (RFC 3339); everything by default.
    #[arg(long, value_parser = time)]
    from: Option<Timestamp>,
    /// Up to this time (RFC 3339); without end by default.
    #[arg(long, value_parser = time)]
    until: Option<Timestamp>,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HoldListArgs {
    /// Output format.
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReleaseArgs {
    /// Id of the hold.
    id: String,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    place: Place,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "write e.g. 2026-01-31T08:00:00Z".to_owned())
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create(args),
        Command::Verify(args) => check(args),
        Command::Key(args) => {
            let config = args.place.load()?;
            open::require_data(&config)?;
            listing::print(&format!("{}\n", signing_key(&config)?.public_hex()))
        }
        Command::Custody(args) => custody(args),
        Command::Hold(command) => hold(command),
    }
}

fn store(place: &Place) -> Result<(atalaya_server::config::Config, Arc<SqliteStore>), Failure> {
    let config = place.load()?;
    open::require_data(&config)?;
    let store = Arc::new(open::store(&config)?);
    Ok((config, store))
}

fn broken(error: atalaya_store::StoreError) -> Failure {
    Failure::world("the store", error)
}

fn create(args: &CreateArgs) -> Result<Exit, Failure> {
    if args.incident.is_none() && args.alerts.is_empty() && args.records.is_empty() {
        return Err(Failure::BadInput(
            "error: name what to keep: --incident, --alert or --record".to_owned(),
        ));
    }
    super::incidents::with_responder(&args.place, async |config, responder| {
        let mut request = PreserveRequest {
            key: uuid_key(),
            incident_id: None,
            alert_ids: args.alerts.clone(),
            record_ids: args.records.clone(),
            author: args.actor.name.clone(),
        };
        if let Some(id) = &args.incident {
            let incident = responder.incidents().find(id).await?;
            request.alert_ids.extend(incident.alert_ids);
            request.incident_id = Some(incident.incident_id);
        }
        let store = Arc::new(open::store(config)?);
        let keeper = Keeper {
            config: config.clone(),
            store: Arc::clone(&store),
        };
        let made = keeper.make(&request).await?;
        let now = Timestamp::now();
        if let Some(incident) = &request.incident_id {
            let incidents = responder.incidents();
            incidents
                .attach(incident, None, Some(&made.bundle_id), now)
                .await?;
        }
        let mut path = made.path.clone();
        if let Some(copy) = &args.output {
            std::fs::copy(&made.path, copy)
                .map_err(|error| Failure::world(format!("writing {}", copy.display()), error))?;
            let details = json!({"to": copy.display().to_string(), "sha256": made.sha256});
            let what = (
                args.actor.name.as_str(),
                "exported",
                made.bundle_id.as_str(),
            );
            record_custody(store.as_ref(), what, &details, now)
                .await
                .map_err(broken)?;
            path.clone_from(copy);
        }
        let document = json!({
            "bundle": made.bundle_id, "file": path.display().to_string(),
            "sha256": made.sha256, "records": made.records, "chain_is_good": made.chain_is_good,
            "public_key": signing_key(config)?.public_hex(),
        });
        listing::one(args.format, &document, || {
            format!(
                "{}\n{} records, sha256 {}, the chain is {}\nkeep the public key elsewhere: {}\n",
                path.display(),
                made.records,
                made.sha256,
                if made.chain_is_good { "good" } else { "BAD" },
                atalaya_respond::context::text_of(&document["public_key"]),
            )
        })
    })
}

fn uuid_key() -> String {
    let now = Timestamp::now().0;
    format!("command/{now}/{}", std::process::id())
}

fn check(args: &VerifyArgs) -> Result<Exit, Failure> {
    let bytes = std::fs::read(&args.bundle).map_err(|error| {
        Failure::BadInput(format!(
            "error: cannot read {}: {error}",
            args.bundle.display()
        ))
    })?;
    let good = match verify(&bytes, args.key.as_deref()) {
        Ok(good) => good,
        Err(error) => {
            let document = json!({"good": false, "problem": error.to_string()});
            listing::one(args.format, &document, || format!("BAD: {error}\n"))?;
            return Ok(Exit::Found);
        }
    };
    let document = json!({
        "good": true, "sha256": sha256_hex(&bytes), "manifest": good.manifest,
        "public_key": good.public_key, "key_was_named": good.key_was_named,
        "links": good.links,
    });
    let manifest = &good.manifest;
    listing::one(args.format, &document, || {
        let signer = if good.key_was_named {
            "the key that was named"
        } else {
            "somebody; name the key with --key to know who"
        };
        format!(
            "good: bundle {} of {} by {}\n{} records, {} links of the chain computed again, \
             {} files\nsigned by {signer}\n",
            manifest.bundle_id,
            manifest.created,
            manifest.author,
            manifest.records,
            good.links,
            manifest.files.len()
        )
    })?;
    if !manifest.chain_is_good || manifest.truncated {
        output::note(
            "remark: when the bundle was made, the chain was not good or not all records fitted; see chain.json in it",
        );
    }
    Ok(Exit::Fine)
}

fn custody(args: &CustodyArgs) -> Result<Exit, Failure> {
    let (_, store) = store(&args.place)?;
    let runtime = common::runtime()?;
    let all = runtime.block_on(store.custody("")).map_err(broken)?;
    let bad = check_custody(&all);
    let wanted: Vec<Value> = all
        .iter()
        .filter(|entry| args.subject.as_ref().is_none_or(|s| *s == entry.subject))
        .map(|entry| {
            json!({
                "seq": entry.seq, "time": entry.time.to_rfc3339(), "actor": entry.actor,
                "action": entry.action, "subject": entry.subject,
                "details": serde_json::from_str::<Value>(&entry.details).unwrap_or_default(),
                "hash": entry.hash,
            })
        })
        .collect();
    let header = ["Number", "Time", "Actor", "Action", "Subject", "Details"];
    listing::list(args.format, &header, &wanted, |entry| {
        let text = |name: &str| atalaya_respond::context::text_of(&entry[name]);
        ["seq", "time", "actor", "action", "subject", "details"]
            .map(text)
            .into()
    })?;
    match bad {
        None => Ok(Exit::Fine),
        Some(seq) => {
            output::note(&format!(
                "BAD: line {seq} does not follow from the one before"
            ));
            Ok(Exit::Found)
        }
    }
}

fn hold(command: &HoldCommand) -> Result<Exit, Failure> {
    let now = Timestamp::now();
    let runtime = common::runtime()?;
    match command {
        HoldCommand::Set(args) => {
            let known = atalaya_tables::ALL.iter().map(|table| table.name);
            let names: Vec<&str> = known.collect();
            if let Some(wrong) = args.tables.iter().find(|t| !names.contains(&t.as_str())) {
                return Err(Failure::BadInput(format!(
                    "error: there is no table {wrong}; there are {}",
                    names.join(", ")
                )));
            }
            let (_, store) = store(&args.place)?;
            let hold = Hold {
                hold_id: atalaya_respond::uuid_of(&uuid_key()),
                case_id: args.case.clone(),
                tables: args.tables.clone(),
                from: args.from.unwrap_or_default(),
                until: args.until,
                reason: args.reason.clone(),
                author: args.actor.name.clone(),
                created: now,
                ..Hold::default()
            };
            runtime
                .block_on(set_hold(store.as_ref(), &hold))
                .map_err(broken)?;
            listing::print(&format!("{}\n", hold.hold_id))
        }
        HoldCommand::List(args) => {
            let (_, store) = store(&args.place)?;
            let all = runtime.block_on(holds(store.as_ref())).map_err(broken)?;
            let header = [
                "HoldId", "Tables", "From", "Until", "Author", "Reason", "Released",
            ];
            listing::list(args.format, &header, &all, |hold| {
                let time =
                    |time: Option<Timestamp>| time.map(Timestamp::to_rfc3339).unwrap_or_default();
                vec![
                    hold.hold_id.clone(),
                    hold.tables.join(" "),
                    hold.from.to_rfc3339(),
                    time(hold.until),
                    hold.author.clone(),
                    hold.reason.clone(),
                    time(hold.released),
                ]
            })
        }
        HoldCommand::Release(args) => {
            let (_, store) = store(&args.place)?;
            let released = release(store.as_ref(), &args.id, &args.actor.name, now);
            if runtime.block_on(released).map_err(broken)? {
                return listing::print("released\n");
            }
            Err(Failure::BadInput(format!(
                "error: there is no hold {} in force; see `atalaya evidence hold list`",
                args.id
            )))
        }
    }
}
