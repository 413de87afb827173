//! Compares the running hour of every caller and route with what is normal, until the node stops.
//!
//! History is read once per hour, from the tables; the running hour every minute. A failure is
//! said and tried again: nothing depends on this but an alert that is no attack yet.

use std::sync::Arc;
use std::time::Duration;

use atalaya_model::Timestamp;
use atalaya_query::Engine;
use atalaya_query::write::to_json;
use atalaya_query::{QueryOptions, QueryResult};
use atalaya_respond::context::text_of;
use atalaya_respond::responder::Responder;
use atalaya_respond::tuning::watch::{BaselineWatch, Baselines, History};
use serde_json::Value;

use crate::adapters::ticks;

const HOUR_MICROS: i64 = 3_600_000_000;
/// Most callers, routes and hours that are read.
const ROWS_MAX: usize = 2_000_000;
/// Longest time of a query.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Watches baselines until `shutdown` resolves.
pub async fn watch(
    engine: Arc<Engine>,
    responder: Responder,
    config: BaselineWatch,
    shutdown: impl Future<Output = ()> + Send,
) {
    tokio::pin!(shutdown);
    let mut baselines = Baselines::default();
    let every = Duration::from_secs(config.interval_s.max(1));
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(every) => {}
        }
        let now = Timestamp::now();
        if let Err(error) = look(&engine, &responder, &config, &mut baselines, now).await {
            tracing::warn!(error, "baselines could not be compared; it is tried again");
        }
    }
}

/// One look at the running hour; alerts that it gives are raised.
///
/// # Errors
/// If the tables or the store cannot be read.
pub async fn look(
    engine: &Engine,
    responder: &Responder,
    config: &BaselineWatch,
    baselines: &mut Baselines,
    now: Timestamp,
) -> Result<(), String> {
    let hour = Timestamp(now.0 - now.0.rem_euclid(HOUR_MICROS));
    if baselines.hour != hour {
        let history = history(engine, config, hour).await?;
        *baselines = Baselines::of(&history, hour, config);
        let documents = &responder.engine().ports().documents;
        let kept = baselines.keep(documents.as_ref(), now).await;
        kept.map_err(|error| error.to_string())?;
    }
    let kql = format!(
        "AIGuardrailDecisions | where TimeGenerated >= datetime({}) \
         | summarize Calls = count() by UserId, RouteName | where Calls >= {}",
        hour.to_rfc3339(),
        config.calls_min
    );
    for row in rows(engine, &kql, now).await? {
        let [caller, route, calls] = row.as_slice() else {
            continue;
        };
        let (caller, route) = (text_of(caller), text_of(route));
        let calls = calls.as_u64().unwrap_or(0);
        if let Some(new) = baselines.judge((&caller, &route), calls, config, now) {
            let raised = responder.raise(new).await;
            raised.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

async fn history(
    engine: &Engine,
    config: &BaselineWatch,
    hour: Timestamp,
) -> Result<History, String> {
    let kql = format!(
        "AIGuardrailDecisions | where TimeGenerated between (datetime({begin}) .. {days}d) \
         | where TimeGenerated < datetime({hour}) \
         | summarize Calls = count() by UserId, RouteName, Hour = bin(TimeGenerated, 1h)",
        begin = Timestamp(hour.0 - i64::from(config.history_days) * 24 * HOUR_MICROS).to_rfc3339(),
        days = config.history_days,
        hour = hour.to_rfc3339(),
    );
    let mut history = History::new();
    for row in rows(engine, &kql, hour).await? {
        let [caller, route, at, calls] = row.as_slice() else {
            continue;
        };
        let (Some(at), Some(calls)) = (Timestamp::parse_rfc3339(&text_of(at)), calls.as_f64())
        else {
            continue;
        };
        let key = (text_of(caller), text_of(route));
        history.entry(key).or_default().add(at, calls);
    }
    Ok(history)
}

async fn rows(engine: &Engine, kql: &str, now: Timestamp) -> Result<Vec<Vec<Value>>, String> {
    let now = ticks(now).ok_or("the clock is out of range")?;
    let options = QueryOptions {
        timeout: TIMEOUT,
        ..QueryOptions::for_program(now, ROWS_MAX)
    };
    let result: QueryResult = engine
        .run(kql, &options)
        .await
        .map_err(|error| error.to_string())?;
    let columns = result.columns.len();
    let json = |row: &Vec<atalaya_query::value::Value>| row.iter().map(to_json).collect();
    Ok(result
        .rows
        .iter()
        .filter(|row| row.len() == columns)
        .map(json)
        .collect())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::Arc;

    use atalaya_control::{Control, Settings};
    use atalaya_model::Timestamp;
    use atalaya_query::FileTables;
    use atalaya_respond::tuning::watch::{BaselineWatch, Baselines};
    use atalaya_store::{AlertFilter, ControlStore, Store as _};

    use super::{HOUR_MICROS, look, rows};
    use crate::config::Config;
    use crate::open;
    use crate::respond::{Parts, responder};

    /// Two days of ten calls an hour, and 90 in the running one.
    fn log(hour: i64) -> String {
        let mut lines = String::new();
        let mut call = |at: i64| {
            let time = Timestamp(at).to_rfc3339();
            let _ = writeln!(
                lines,
                "{{\"TimeGenerated\":\"{time}\",\"DecisionId\":\"d{at}\",\"UserId\":\"batch\",\"RouteName\":\"chat\"}}"
            );
        };
        for back in 1..=48 {
            (0..10).for_each(|n| call((hour - back) * HOUR_MICROS + n * 1_000_000));
        }
        (0..90).for_each(|n| call(hour * HOUR_MICROS + n * 1_000_000));
        lines
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_unusual_hour_is_one_alert_and_rules_read_the_same_baseline() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: folder.path().to_owned(),
            ..Config::default()
        };
        let store = Arc::new(open::store(&config).unwrap());
        let mut tables = FileTables::new();
        let hour = 500_000;
        tables
            .add_rows("AIGuardrailDecisions", log(hour).as_bytes())
            .unwrap();
        let engine = Arc::new(open::engine(&config, Arc::new(tables)).unwrap());
        let control_store = Arc::clone(&store) as Arc<dyn ControlStore>;
        let control = Control::open(control_store, Settings::default())
            .await
            .unwrap();
        let parts = Parts {
            store: Arc::clone(&store),
            control,
            engine: Some(Arc::clone(&engine)),
            holder: "node:test".to_owned(),
        };
        let responder = responder(&config, parts).unwrap();
        let watch = BaselineWatch::default();
        let mut baselines = Baselines::default();
        for minute in [10, 11] {
            let now = Timestamp(hour * HOUR_MICROS + minute * 60_000_000);
            look(&engine, &responder, &watch, &mut baselines, now)
                .await
                .unwrap();
        }
        let alerts = store.alerts(&AlertFilter::default()).await.unwrap();
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        let said = &alerts[0].details["Explanation"];
        assert!(
            said.contains("90 calls") && said.contains("normal are 10"),
            "{said}"
        );
        let rule = "AIGuardrailDecisions | where TimeGenerated >= datetime(2027-01-15T08:00:00Z) \
             | summarize Calls = count() by UserId, RouteName \
             | join kind=inner (_GetWatchlist('Baselines') | where Basis != 'cold_start') \
             on $left.UserId == $right.Caller, $left.RouteName == $right.Route \
             | where Calls > Limit | project UserId, Calls, Median, Samples";
        let now = Timestamp(hour * HOUR_MICROS + 600_000_000);
        let begin = Timestamp(hour * HOUR_MICROS).to_rfc3339();
        let rule = rule.replace("2027-01-15T08:00:00Z", &begin);
        let found = rows(&engine, &rule, now).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0][1], 90);
        assert_eq!(found[0][2].as_f64(), Some(10.0));
    }
}
