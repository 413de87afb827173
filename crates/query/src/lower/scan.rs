//! Reading stored tables: files that can hold rows of the wanted times, then the batches.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use atalaya_kql::bound::{ColumnDef, Expr};
use datafusion::catalog::Session;
use datafusion::common::{Column, DataFusionError, ScalarValue, ToDFSchema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::{TableProvider, TableType, provider_as_source};
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr as DfExpr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, cast, lit,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;

use super::need::Need;
use super::terms::{Plan, TermIndexes};
use super::times::{self, Bounds, Compares, Probe};
use super::{LowerError, Lowered, Lowering, name, null, type_of};
use crate::functions::{self, Arg};
use crate::source::{StoredFile, StoredTable};
use crate::types::{self, Type};
use crate::udf;
use crate::value::datetime;

/// The column that tables are sorted and cut by.
const TIME_COLUMN: &str = "TimeGenerated";

impl Lowering<'_> {
    /// The rows of a table, and what they all pass.
    pub(super) fn table(
        &self,
        table: &str,
        columns: &[ColumnDef],
        need: &Need,
        bounds: &Bounds,
    ) -> Lowered<(LogicalPlan, Passed)> {
        let stored = self.source.snapshot(table).map_err(LowerError::Source)?;
        let time = columns.iter().position(|c| c.name == TIME_COLUMN);
        let mut bounds = bounds.clone();
        if let (Some(time), Some((start, end))) = (time, self.range) {
            bounds.intersect(time, start, end.saturating_sub(1));
        }
        let (first, last) = time.map_or((i64::MIN, i64::MAX), |time| bounds.of(time));
        let schema = viewed(&stored.schema);
        let probes = probes(&schema, columns, bounds);
        let provider = StoredProvider::new(stored, (first, last), &probes, self.indexes)?;
        let source = provider_as_source(Arc::new(provider));
        let mut plan = LogicalPlanBuilder::scan(table, source, None)?;
        // Numbers first: they are the cheapest to read.
        let times = time_filters(&schema, first, last);
        let mut passed = Passed {
            time: time
                .filter(|_| times.is_some())
                .map(|time| (time, (first, last))),
            probes: Vec::new(),
        };
        let mut filters = times.unwrap_or_default();
        for is_number in [true, false] {
            for found in &probes {
                if matches!(found.probe, Probe::Number(..)) == is_number
                    && let Some(filter) = equals(found.field, &found.probe)
                {
                    filters.push(filter);
                    passed.probes.push((found.column, found.probe.clone()));
                }
            }
        }
        if let Some(filter) = conjunction(filters) {
            plan = plan.filter(filter)?;
        }
        let mut outputs = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let stored = schema.fields().iter().find(|f| *f.name() == column.name);
            let output = match stored {
                Some(field) if need.has(index) => to_engine(field, type_of(column.ty))?,
                _ => null(columns, index),
            };
            outputs.push(output.alias(name(index)));
        }
        Ok((plan.project(outputs)?.build()?, passed))
    }
}

/// What all rows of a table pass, so that no filter above needs to look again.
#[derive(Default)]
pub(super) struct Passed {
    /// The column that lies between two ticks, both inclusive.
    time: Option<(usize, (i64, i64))>,
    probes: Vec<(usize, Probe)>,
}

impl Passed {
    /// Whether a part of a filter says nothing more.
    pub(super) fn holds(&self, part: &Expr) -> bool {
        let is_within = |(column, (first, last)): (usize, (i64, i64))| {
            self.time.is_some_and(|(time, within)| {
                time == column && within.0 >= first && within.1 <= last
            })
        };
        times::time_of(part).is_some_and(is_within)
            || times::probe_of(part).is_some_and(|probe| self.probes.contains(&probe))
    }
}

fn stored_column(name: &str) -> DfExpr {
    DfExpr::Column(Column::from_name(name))
}

/// What a stored column must be or hold.
struct Probed<'s> {
    field: &'s Field,
    column: usize,
    probe: Probe,
}

/// The probes that stored columns can be asked.
fn probes<'s>(schema: &'s SchemaRef, columns: &[ColumnDef], bounds: Bounds) -> Vec<Probed<'s>> {
    let stored = |(column, probe): (usize, Probe)| {
        let field = schema.field_with_name(&columns.get(column)?.name).ok()?;
        let is_text = matches!(
            field.data_type(),
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
        );
        let is_number = matches!(field.data_type(), DataType::Int32 | DataType::Int64);
        let fits = match probe {
            Probe::Number(..) => is_number,
            Probe::Equals(_) | Probe::Terms(_) => is_text,
        };
        fits.then_some(Probed {
            field,
            column,
            probe,
        })
    };
    bounds.probes.into_iter().filter_map(stored).collect()
}

/// An equality in terms of the stored column, which statistics and bloom filters know about.
fn equals(field: &Field, probe: &Probe) -> Option<DfExpr> {
    let texts = match probe {
        Probe::Equals(texts) => texts,
        Probe::Number(compares, number) => return compared(field, *compares, *number),
        Probe::Terms(_) => return None,
    };
    let literal = |text: &String| {
        let text = Some(text.clone());
        let value = match field.data_type() {
            DataType::Utf8View => ScalarValue::Utf8View(text),
            DataType::LargeUtf8 => ScalarValue::LargeUtf8(text),
            _ => ScalarValue::Utf8(text),
        };
        DfExpr::Literal(value, None)
    };
    let column = stored_column(field.name());
    Some(match texts.as_slice() {
        [text] => column.eq(literal(text)),
        texts => column.in_list(texts.iter().map(literal).collect(), false),
    })
}

/// A comparison in terms of the stored column.
fn compared(field: &Field, compares: Compares, number: i64) -> Option<DfExpr> {
    let number = match field.data_type() {
        DataType::Int32 => ScalarValue::Int32(Some(i32::try_from(number).ok()?)),
        _ => ScalarValue::Int64(Some(number)),
    };
    let (column, number) = (stored_column(field.name()), DfExpr::Literal(number, None));
    Some(match compares {
        Compares::Equal => column.eq(number),
        Compares::Less => column.lt(number),
        Compares::LessOrEqual => column.lt_eq(number),
        Compares::Greater => column.gt(number),
        Compares::GreaterOrEqual => column.gt_eq(number),
    })
}

/// Filters in terms of the stored timestamp, which Parquet's statistics know about; nothing if that
/// is stored in a way that they could not say exactly.
fn time_filters(schema: &SchemaRef, first: i64, last: i64) -> Option<Vec<DfExpr>> {
    const TICKS_PER_MICRO: i64 = 10;
    let field = schema.field_with_name(TIME_COLUMN).ok()?;
    // The first microsecond at or after a tick, or the last one before or at it.
    let bound = |ticks: i64, is_first: bool| match field.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let ticks = ticks.checked_sub(datetime::UNIX_EPOCH_TICKS)?;
            let is_between = is_first && ticks.rem_euclid(TICKS_PER_MICRO) != 0;
            let micros = ticks.div_euclid(TICKS_PER_MICRO) + i64::from(is_between);
            let value = ScalarValue::TimestampMicrosecond(Some(micros), zone.clone());
            Some(DfExpr::Literal(value, None))
        }
        DataType::Int64 => Some(lit(ticks)),
        _ => None,
    };
    let mut filters = Vec::new();
    if first != i64::MIN {
        filters.push(stored_column(TIME_COLUMN).gt_eq(bound(first, true)?));
    }
    if last != i64::MAX {
        filters.push(stored_column(TIME_COLUMN).lt_eq(bound(last, false)?));
    }
    Some(filters)
}

/// A stored column as the engine's type.
fn to_engine(field: &Field, ty: Type) -> Lowered<DfExpr> {
    let stored = stored_column(field.name());
    Ok(match ty {
        Type::DateTime => ticks(stored, field.data_type()),
        Type::String => coalesce(vec![
            cast(stored, DataType::Utf8View),
            DfExpr::Literal(ScalarValue::Utf8View(Some(String::new())), None),
        ]),
        Type::Dynamic if *field.data_type() != DataType::BinaryView => {
            let text = cast(stored, DataType::Utf8View);
            let parse = functions::find("parse_json").ok_or_else(|| {
                LowerError::Limit("the function parse_json is missing".to_owned())
            })?;
            let arg = Arg {
                ty: Type::String,
                constant: None,
            };
            udf::call(parse, vec![(text, arg)], Type::Dynamic).map_err(LowerError::Limit)?
        }
        other => cast(stored, types::arrow_type(other)),
    })
}

fn ticks(stored: DfExpr, stored_type: &DataType) -> DfExpr {
    let (per_tick, ticks_each): (i64, i64) = match stored_type {
        DataType::Timestamp(TimeUnit::Second, _) => (1, 10_000_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => (1, 10_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => (1, 10),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => (100, 1),
        _ => return cast(stored, DataType::Int64),
    };
    let units = cast(stored, DataType::Int64);
    let ticks = if per_tick == 1 {
        units * lit(ticks_each)
    } else {
        units / lit(per_tick)
    };
    ticks + lit(datetime::UNIX_EPOCH_TICKS)
}

/// The same columns with texts as views, which point into what was read instead of copying it.
fn viewed(schema: &SchemaRef) -> SchemaRef {
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        }
        _ => Arc::clone(field),
    };
    let fields: Vec<_> = schema.fields().iter().map(view).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn with_views(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns
        .map(|(column, field)| arrow::compute::cast(column, field.data_type()))
        .collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// A stored table as DataFusion sees it.
#[derive(Debug)]
struct StoredProvider {
    schema: SchemaRef,
    /// Files, and which of their row groups to read if not all.
    files: Vec<(StoredFile, Option<Plan>)>,
    batches: Vec<RecordBatch>,
}

impl StoredProvider {
    fn new(
        stored: StoredTable,
        (first, last): (i64, i64),
        probes: &[Probed<'_>],
        indexes: &TermIndexes,
    ) -> Result<Self, DataFusionError> {
        let probes = probes.iter();
        let probes = probes.filter(|probed| !matches!(probed.probe, Probe::Number(..)));
        let probes: Vec<(String, Probe)> = probes
            .map(|probed| (probed.field.name().clone(), probed.probe.clone()))
            .collect();
        let is_wanted = |file: &StoredFile| {
            file.times
                .is_none_or(|(min, max)| max >= first && min <= last)
        };
        let plan = |file: StoredFile| {
            let plan = (!probes.is_empty())
                .then(|| indexes.plan(&file.path, file.size_bytes, &probes))
                .flatten();
            (file, plan)
        };
        let files = stored.files.into_iter().filter(is_wanted).map(plan);
        let is_read = |(_, plan): &(StoredFile, Option<Plan>)| {
            plan.as_ref()
                .is_none_or(|plan| !plan.access.row_group_indexes().is_empty())
        };
        let files = files.filter(is_read).collect();
        let schema = viewed(&stored.schema);
        let cast_batch = |batch: RecordBatch| with_views(&batch, &schema);
        Ok(Self {
            batches: stored
                .batches
                .into_iter()
                .map(cast_batch)
                .collect::<Result<_, _>>()?,
            schema,
            files,
        })
    }

    /// Rows that are in no file, filtered.
    fn batches(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[DfExpr],
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let batches = std::slice::from_ref(&self.batches);
        let schema = Arc::clone(&self.schema);
        let Some(filter) = conjunction(filters.to_vec()).filter(|_| !self.batches.is_empty())
        else {
            let projection = projection.cloned();
            let rows = MemorySourceConfig::try_new_exec(batches, schema, projection)?;
            return Ok(rows);
        };
        let predicate = state.create_physical_expr(filter, &Arc::clone(&schema).to_dfschema()?)?;
        let all = MemorySourceConfig::try_new_exec(batches, schema, None)?;
        let filtered: Arc<dyn ExecutionPlan> = Arc::new(FilterExec::try_new(predicate, all)?);
        let Some(projection) = projection else {
            return Ok(filtered);
        };
        let column = |at: &usize| {
            let name = self.schema.field(*at).name().clone();
            let column: Arc<dyn PhysicalExpr> = Arc::new(PhysicalColumn::new(&name, *at));
            (column, name)
        };
        let columns: Vec<_> = projection.iter().map(column).collect();
        Ok(Arc::new(ProjectionExec::try_new(columns, filtered)?))
    }

    fn files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[DfExpr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let environment = state.runtime_env();
        let store = environment.object_store(ObjectStoreUrl::local_filesystem())?;
        let footers = environment.cache_manager.get_file_metadata_cache();
        let reader = CachedParquetFileReaderFactory::new(store, footers);
        // Columns of rows that a comparison excludes are not decoded.
        let mut options = state.table_options().parquet.clone();
        options.global.pushdown_filters = true;
        // In the order that they are given: comparisons with constants, then functions of ours.
        options.global.reorder_filters = false;
        // What an index of ours left over is not looked up again.
        let is_looked_up = |plan: &Option<Plan>| plan.as_ref().is_some_and(|plan| plan.is_whole);
        let are_looked_up = self.files.iter().all(|(_, plan)| is_looked_up(plan));
        options.global.bloom_filter_on_read &= !are_looked_up;
        let mut source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(reader));
        if let Some(filter) = conjunction(filters.to_vec()) {
            let schema = Arc::clone(&self.schema).to_dfschema()?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        let partitions = state.config().target_partitions().max(1);
        let sizes: Vec<u64> = self.files.iter().map(|(file, _)| file.size_bytes).collect();
        let mut groups = vec![Vec::new(); partitions.min(self.files.len())];
        let places = stretches(&sizes, groups.len());
        for ((file, plan), group) in self.files.iter().zip(places) {
            let path = file.path.to_string_lossy().into_owned();
            let mut file = PartitionedFile::new(path, file.size_bytes);
            if let Some(plan) = plan {
                file = file.with_extension(plan.access.clone());
            }
            groups[group].push(file);
        }
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
                .with_projection_indices(projection.cloned())?
                .with_limit(limit)
                .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Which of `count` groups each file belongs to: files of one time stay together, so that rows come
/// in the order of the files, and groups are about equally large. No group is empty.
fn stretches(sizes: &[u64], count: usize) -> Vec<usize> {
    let all: u64 = sizes.iter().sum();
    let mut before = 0_u64;
    let mut group = 0;
    let mut places = Vec::with_capacity(sizes.len());
    for (index, size) in sizes.iter().enumerate() {
        let middle = u128::from(before + size / 2) * count as u128;
        let wanted = usize::try_from(middle / u128::from(all.max(1))).unwrap_or(0);
        // Each of the groups behind needs a file, and none is left out.
        let least = (count + index).saturating_sub(sizes.len());
        let most = if index == 0 { 0 } else { group + 1 };
        group = wanted
            .max(group)
            .max(least)
            .min(most)
            .min(count.saturating_sub(1));
        places.push(group);
        before += size;
    }
    places
}

#[async_trait]
impl TableProvider for StoredProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&DfExpr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        let support = |filter: &&DfExpr| {
            if is_native(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[DfExpr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let batches = self.batches(state, projection, filters)?;
        if self.files.is_empty() {
            return Ok(batches);
        }
        // A limit must not hide rows that a filter would have kept.
        let limit = limit.filter(|_| filters.is_empty());
        let stored = (&self.schema, self.files.as_slice());
        let files = match super::needle::read(state, stored, projection, filters).await? {
            Some(found) => found,
            None => self.files(state, projection, filters, limit)?,
        };
        if self.batches.is_empty() {
            return Ok(files);
        }
        UnionExec::try_new(vec![files, batches])
    }
}

/// Comparisons of a stored column with constants; our own functions are for rows, not for statistics.
fn is_native(filter: &DfExpr) -> bool {
    match filter {
        DfExpr::BinaryExpr(binary) => {
            matches!(binary.left.as_ref(), DfExpr::Column(_))
                && matches!(binary.right.as_ref(), DfExpr::Literal(..))
        }
        DfExpr::InList(list) => {
            let is_literal = |item: &DfExpr| matches!(item, DfExpr::Literal(..));
            matches!(list.expr.as_ref(), DfExpr::Column(_)) && list.list.iter().all(is_literal)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::stretches;

    #[test]
    fn files_stay_in_order_and_every_group_gets_some() {
        let cases: [(&[u64], usize, &[usize]); 6] = [
            (&[1, 1, 1, 1], 2, &[0, 0, 1, 1]),
            (&[9, 1, 1, 1], 2, &[0, 1, 1, 1]),
            (&[1, 1, 1, 9], 2, &[0, 0, 0, 1]),
            (&[1, 1, 1], 3, &[0, 1, 2]),
            (&[0, 0, 0], 2, &[0, 0, 1]),
            (&[5], 1, &[0]),
        ];
        for (sizes, count, groups) in cases {
            assert_eq!(stretches(sizes, count), groups, "{sizes:?}");
        }
    }
}
