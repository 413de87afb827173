//! Reading a needle: where an index leaves a few stretches of rows, they are read here and now.
//! What DataFusion prepares for a scan (pruning of row groups and pages, streams, tasks) costs more
//! than those rows, file by file.

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::catalog::Session;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ToDFSchema as _, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    RowFilter,
};

use super::terms::Plan;
use crate::source::StoredFile;

/// Most rows that are looked at here; more of them are better shared among threads.
const ROWS_MAX: usize = 1 << 17;
/// Most bytes that are found here.
const FOUND_BYTES_MAX: usize = 16 << 20;
/// Rows that are looked at together.
const BATCH_ROWS: usize = 8_192;

/// The rows of these files that pass the filters; nothing if DataFusion is to read them.
pub(super) async fn read(
    state: &dyn Session,
    (schema, files): (&SchemaRef, &[(StoredFile, Option<Plan>)]),
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let plans = files.iter().map(|(_, plan)| plan.as_ref());
    let rows: Option<usize> = plans.map(|plan| plan.map(|plan| plan.rows)).sum();
    let (Some(rows), Some(filter)) = (rows, conjunction(filters.to_vec())) else {
        return Ok(None);
    };
    if rows > ROWS_MAX {
        return Ok(None);
    }
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let wanted = Wanted::new(state, schema, projection.unwrap_or(&all), filter)?;
    let mut found = Vec::new();
    let mut bytes = 0;
    for (file, plan) in files {
        let Some(plan) = plan else { return Ok(None) };
        let Some(reader) = wanted.reader(state, file, plan).await? else {
            return Ok(None);
        };
        for batch in reader {
            let batch = wanted.output(&batch?)?;
            bytes += batch.get_array_memory_size();
            if bytes > FOUND_BYTES_MAX {
                return Ok(None);
            }
            found.push(batch);
        }
    }
    let output = Arc::clone(&wanted.output);
    Ok(Some(Arc::new(NeedleExec::new(
        found,
        output,
        (files.len(), rows),
    ))))
}

/// What is read of each file.
struct Wanted {
    table: SchemaRef,
    /// The columns that come out, in the order of the table.
    columns: Vec<usize>,
    /// Those that come out, in their order.
    output: SchemaRef,
    tested: Vec<usize>,
    test: Arc<dyn PhysicalExpr>,
}

impl Wanted {
    fn new(
        state: &dyn Session,
        table: &SchemaRef,
        projection: &[usize],
        filter: Expr,
    ) -> Result<Self> {
        let mut tested = Vec::new();
        for column in filter.column_refs() {
            tested.push(table.index_of(&column.name)?);
        }
        tested.sort_unstable();
        let of_test = Arc::new(table.project(&tested)?).to_dfschema()?;
        let mut columns = projection.to_vec();
        columns.sort_unstable();
        Ok(Self {
            table: Arc::clone(table),
            columns,
            output: Arc::new(table.project(projection)?),
            tested,
            test: state.create_physical_expr(filter, &of_test)?,
        })
    }

    /// Reads what the plan leaves of a file; nothing if its columns are not those of the table.
    async fn reader(
        &self,
        state: &dyn Session,
        file: &StoredFile,
        plan: &Plan,
    ) -> Result<Option<impl Iterator<Item = std::result::Result<RecordBatch, ArrowError>>>> {
        let environment = state.runtime_env();
        let store = environment.object_store(ObjectStoreUrl::local_filesystem())?;
        let path = file.path.to_string_lossy().into_owned();
        let object = PartitionedFile::new(path, file.size_bytes).object_meta;
        let footers = environment.cache_manager.get_file_metadata_cache();
        let footer = DFParquetMetadata::new(store.as_ref(), &object)
            .with_file_metadata_cache(Some(footers))
            .fetch_metadata()
            .await?;
        if footer.num_row_groups() != plan.access.inner().len() {
            return Ok(None);
        }
        let options = ArrowReaderOptions::new().with_schema(Arc::clone(&self.table));
        let Ok(footer) = ArrowReaderMetadata::try_new(footer, options) else {
            return Ok(None);
        };
        let mask = |columns: &[usize]| {
            let columns = columns.iter().copied();
            ProjectionMask::roots(footer.parquet_schema(), columns)
        };
        let test = Arc::clone(&self.test);
        let test = ArrowPredicateFn::new(mask(&self.tested), move |rows: RecordBatch| {
            let tested = test.evaluate(&rows)?.into_array(rows.num_rows())?;
            Ok(arrow::array::AsArray::as_boolean(&tested).clone())
        });
        let access = plan.access.clone();
        let groups = access.row_group_indexes();
        let selection = access.into_overall_row_selection(footer.metadata().row_groups())?;
        let columns = mask(&self.columns);
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(&file.path)?, footer)
                .with_batch_size(BATCH_ROWS)
                .with_row_groups(groups)
                .with_projection(columns)
                .with_row_filter(RowFilter::new(vec![Box::new(test)]));
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        Ok(Some(builder.build()?))
    }

    /// The columns in the order that is asked for.
    fn output(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let place = |field: &Arc<arrow::datatypes::Field>| {
            let at = self.table.index_of(field.name())?;
            let at = self.columns.binary_search(&at);
            at.map_err(|_| internal_datafusion_err!("a column that was not read"))
        };
        let fields = self.output.fields().iter();
        let places: Vec<usize> = fields.map(place).collect::<Result<_>>()?;
        let columns = places.iter().map(|at| Arc::clone(rows.column(*at)));
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let schema = Arc::clone(&self.output);
        Ok(RecordBatch::try_new_with_options(
            schema,
            columns.collect(),
            &options,
        )?)
    }
}

/// Rows that were found.
#[derive(Debug)]
struct NeedleExec {
    found: Vec<RecordBatch>,
    schema: SchemaRef,
    files: usize,
    looked_at: usize,
    properties: Arc<PlanProperties>,
}

impl NeedleExec {
    fn new(found: Vec<RecordBatch>, schema: SchemaRef, (files, looked_at): (usize, usize)) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self {
            found,
            schema,
            files,
            looked_at,
            properties,
        }
    }
}

impl DisplayAs for NeedleExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found: usize = self.found.iter().map(RecordBatch::num_rows).sum();
        let fields: Vec<&str> = self
            .schema
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect();
        write!(
            f,
            "KqlNeedleExec: files={}, looked_at_rows={}, output_rows={found}, projection=[{}]",
            self.files,
            self.looked_at,
            fields.join(", ")
        )
    }
}

impl ExecutionPlan for NeedleExec {
    fn name(&self) -> &'static str {
        "KqlNeedleExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (found, schema) = (self.found.clone(), Arc::clone(&self.schema));
        Ok(Box::pin(MemoryStream::try_new(found, schema, None)?))
    }
}
