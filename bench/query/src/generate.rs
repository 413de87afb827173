//! Decision rows of one week, sorted by time, with the row groups, filters and indexes that the
//! lake writes.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::text::{Random, prompt};

const ROW_GROUP_ROWS: usize = 65_536;
const DAYS: u64 = 7;
const DAY_US: i64 = 86_400_000_000;
/// 2026-11-01T00:00:00Z.
const FIRST_US: i64 = 1_793_491_200_000_000;
const USERS: u64 = 20_000;
const SEARCHED: [&str; 5] = [
    "DecisionId",
    "SessionId",
    "UserId",
    "SrcIpAddr",
    "DetectedPattern",
];
/// Those whose rows mostly hold values of their own, as the lake would find.
const UNIQUE: [&str; 2] = ["DecisionId", "SessionId"];
const SEARCHED_PAGE_BYTES: usize = 64 << 10;
const MODELS: [&str; 6] = [
    "openai/gpt-5/chat",
    "openai/gpt-5-mini/chat",
    "anthropic/claude/messages",
    "bedrock/nova/converse",
    "local/llama/chat",
    "openai/embeddings",
];
const DETECTIONS: [&str; 6] = [
    "prompt_injection",
    "jailbreak",
    "secret_leak",
    "personal_data",
    "prompt_extraction",
    "exfiltration",
];

/// Writes the files, one for each day.
pub(crate) fn run(folder: &Path, rows: u64) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let schema = schema();
    for day in 0..DAYS {
        let mut random = Random(0xA7A1_A7A0 + day);
        let of_day = rows / DAYS + u64::from(day < rows % DAYS);
        let path = folder.join(format!("day={day}.zstd.parquet"));
        let file = File::create(&path)?;
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties()))?;
        let mut terms = atalaya_terms::index::Builder::new(["PromptText"]);
        let mut values = atalaya_terms::values::Builder::new(SEARCHED);
        let mut done = 0;
        while done < of_day {
            let count = (of_day - done).min(ROW_GROUP_ROWS as u64);
            let batch = batch(&schema, &mut random, day, (done, count, of_day))?;
            terms.add_row_group(&batch);
            values.add_row_group(&batch);
            writer.write(&batch)?;
            done += count;
        }
        terms.finish(&mut writer)?;
        values.finish(&mut writer)?;
        writer.close()?;
    }
    Ok(())
}

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("TimeGenerated", time, true),
        text("DecisionId"),
        text("SessionId"),
        text("UserId"),
        text("SrcIpAddr"),
        text("ModelEndpoint"),
        text("ThreatDetection"),
        Field::new("ThreatScore", DataType::Int32, true),
        text("DetectedPattern"),
        text("Decision"),
        Field::new("InputTokens", DataType::Int64, true),
        Field::new("OutputTokens", DataType::Int64, true),
        text("PromptText"),
    ]))
}

fn properties() -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by("atalaya".to_owned());
    for name in SEARCHED {
        let path = ColumnPath::from(name);
        builder = builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_max_ndv(path.clone(), ROW_GROUP_ROWS as u64)
            .set_column_data_page_size_limit(path.clone(), SEARCHED_PAGE_BYTES);
        if UNIQUE.contains(&name) {
            builder = builder.set_column_dictionary_enabled(path, false);
        }
    }
    builder.build()
}

#[derive(Default)]
struct Columns {
    times: TimestampMicrosecondBuilder,
    decisions: StringBuilder,
    sessions: StringBuilder,
    users: StringBuilder,
    addresses: StringBuilder,
    models: StringBuilder,
    detections: StringBuilder,
    scores: Int32Builder,
    patterns: StringBuilder,
    verdicts: StringBuilder,
    inputs: Int64Builder,
    outputs: Int64Builder,
    prompts: StringBuilder,
}

/// The rows of a day from `done` on; times are evenly spread with some noise, in order.
fn batch(
    schema: &SchemaRef,
    random: &mut Random,
    day: u64,
    (done, count, of_day): (u64, u64, u64),
) -> Result<RecordBatch, Box<dyn Error>> {
    let mut columns = Columns::default();
    let step = DAY_US / i64::try_from(of_day.max(1))?;
    let start = FIRST_US + i64::try_from(day)? * DAY_US;
    let mut text = String::new();
    for row in done..done + count {
        let noise = i64::try_from(random.below(u64::try_from(step.max(1))?))?;
        columns
            .times
            .append_value(start + i64::try_from(row)? * step + noise);
        columns.row(random, &mut text);
    }
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(columns.times.finish().with_timezone("UTC")),
        Arc::new(columns.decisions.finish()),
        Arc::new(columns.sessions.finish()),
        Arc::new(columns.users.finish()),
        Arc::new(columns.addresses.finish()),
        Arc::new(columns.models.finish()),
        Arc::new(columns.detections.finish()),
        Arc::new(columns.scores.finish()),
        Arc::new(columns.patterns.finish()),
        Arc::new(columns.verdicts.finish()),
        Arc::new(columns.inputs.finish()),
        Arc::new(columns.outputs.finish()),
        Arc::new(columns.prompts.finish()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), arrays)?)
}

impl Columns {
    fn row(&mut self, random: &mut Random, text: &mut String) {
        let user = random.skewed(USERS);
        self.decisions
            .append_value(format!("{:016x}{:016x}", random.next(), random.next()));
        self.sessions
            .append_value(format!("s{:08x}", random.below(2_000_000)));
        self.users.append_value(format!("user-{user:05}"));
        self.addresses.append_value(format!(
            "10.{}.{}.{}",
            user % 200,
            user / 200 % 250,
            random.below(4)
        ));
        self.models.append_value(pick(&MODELS, random.skewed(6)));
        let score = match random.below(100) {
            0 => 75 + random.below(26),
            1..=4 => 40 + random.below(35),
            _ => random.below(20),
        };
        let is_threat = score >= 40;
        let detection = pick(&DETECTIONS, random.skewed(6));
        self.detections
            .append_value(if is_threat { detection } else { "" });
        self.scores.append_value(i32::try_from(score).unwrap_or(0));
        let pattern = format!("{detection}.p{:02}", random.below(40));
        self.patterns
            .append_value(if is_threat { pattern.as_str() } else { "" });
        self.verdicts.append_value(match score {
            85.. => "BLOCK",
            75..=84 => "CONSTRAIN",
            40..=74 => "LOG",
            _ => "ALLOW",
        });
        self.inputs
            .append_value(i64::try_from(20 + random.skewed(8_000)).unwrap_or(0));
        self.outputs
            .append_value(i64::try_from(10 + random.skewed(2_000)).unwrap_or(0));
        prompt(random, text);
        self.prompts.append_value(&*text);
    }
}

fn pick(from: &[&'static str], at: u64) -> &'static str {
    usize::try_from(at)
        .ok()
        .and_then(|at| from.get(at))
        .copied()
        .unwrap_or("")
}
