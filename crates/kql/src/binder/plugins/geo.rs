//! Rows and the lines or polygons that their place is near to or in.

use super::{Arguments, Problem, quoted};

/// `geo_line_lookup(T, line, longitude, latitude, radius, return_unmatched, …)`
pub(super) fn line_lookup(args: &Arguments<'_>) -> Result<String, Problem> {
    let radius = args.expr("radius", 4)?;
    let near = "geo_distance_point_to_line(__plugin_lng, __plugin_lat, __plugin_key)";
    lookup(args, &format!("{near} <= {radius}"))
}

/// `geo_polygon_lookup(T, polygon, longitude, latitude, radius, return_unmatched, …)`
pub(super) fn polygon_lookup(args: &Arguments<'_>) -> Result<String, Problem> {
    let place = "__plugin_lng, __plugin_lat, __plugin_key";
    let test = match args.expr("radius", 4) {
        Ok(radius) => format!("geo_distance_point_to_polygon({place}) <= {radius}"),
        Err(_) => format!("geo_point_in_polygon({place})"),
    };
    lookup(args, &test)
}

fn lookup(args: &Arguments<'_>, test: &str) -> Result<String, Problem> {
    let table = args.expr("LookupTable", 0)?;
    let key = quoted(args.column("LookupKey", 1)?);
    let (longitude, latitude) = (args.expr("longitude", 2)?, args.expr("latitude", 3)?);
    let dropped = match args.flag("return_lookup_key") {
        true => String::new(),
        false => format!(" | project-away {key}"),
    };
    let unmatched = match args.flag("return_unmatched") {
        true => " | union (__plugin_source | join kind=leftanti __plugin_found on __plugin_row)",
        false => "",
    };
    Ok(format!(
        "let __plugin_source = materialize(__plugin_rows | serialize __plugin_row = row_number()
            | extend __plugin_lng = {longitude}, __plugin_lat = {latitude}, __plugin_one = 1);
        let __plugin_found = materialize(__plugin_source
            | join kind=inner ({table} | extend __plugin_key = {key}, __plugin_one = 1{dropped})
                on __plugin_one
            | where {test});
        __plugin_found{unmatched} | project-away __plugin_*"
    ))
}
