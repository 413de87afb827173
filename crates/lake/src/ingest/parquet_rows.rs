//! Parquet, by way of JSON: each batch is written as JSON lines, which go where all JSON lines go.
//!
//! That costs some speed and buys that every Arrow type, nested ones included, is converted by
//! the same rules as everything else. Row numbers stand in for lines.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use arrow::json::LineDelimitedWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{IngestError, Intake, jsonl};

const BATCH_ROWS: usize = 1_024;

/// A stream cannot be read from its end, where Parquet keeps its index: it is put on disk first.
pub(super) fn spool(mut source: impl Read, intake: &mut Intake<'_>) -> Result<(), IngestError> {
    let mut file = tempfile::tempfile_in(intake.spool_dir())?;
    io::copy(&mut source, &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    read(file, intake)
}

pub(super) fn read(file: File, intake: &mut Intake<'_>) -> Result<(), IngestError> {
    let bytes = file.metadata()?.len();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(format_error)?;
    let rows_total = builder.metadata().file_metadata().num_rows().max(1);
    let rows_total = u64::try_from(rows_total).unwrap_or(1);
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(format_error)?;
    let mut number = 0_u64;
    let mut json = Vec::new();
    for batch in reader {
        let batch = batch.map_err(format_error)?;
        json.clear();
        let mut writer = LineDelimitedWriter::new(&mut json);
        writer.write(&batch).map_err(format_error)?;
        writer.finish().map_err(format_error)?;
        for line in json
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            number += 1;
            if line.len() > intake.row_bytes_max() {
                let reason = format!("longer than {} bytes", intake.row_bytes_max());
                intake.refuse(number, &reason, "")?;
            } else {
                jsonl::take_line(line, number, intake)?;
            }
        }
        intake.progress(bytes * number.min(rows_total) / rows_total);
    }
    Ok(())
}

fn format_error(error: impl std::fmt::Display) -> IngestError {
    IngestError::Format {
        format: "Parquet",
        reason: error.to_string(),
    }
}
