//! Stored functions, watchlists, external data, and plugins that are KQL themselves.

use std::path::Path;
use std::sync::Arc;

use atalaya_query::{
    Engine, EngineConfig, ExternalData, FileTables, Library, LibraryError, QueryError,
};

use crate::support::options;

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

fn library() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    put(
        at,
        "functions/Suspects.kql",
        "// Who fails.\nlet limit_ = 2;\nLogins | where Failures > limit_",
    );
    put(
        at,
        "functions/Above.kql",
        "(T: (Failures: long), n: long = 1) {\n T | where Failures > n\n}",
    );
    put(
        at,
        "functions/Twice.kql",
        ".create-or-alter function with (folder=\"x\") Twice(n: long) { n * 2 }",
    );
    put(
        at,
        "functions/Worst.kql",
        "Suspects | top 1 by Twice(Failures) | project User",
    );
    put(at, "watchlists/Admins.csv", "Name,Level\nana,007\nbob,1\n");
    put(
        at,
        "feeds/bad.csv",
        "ip,score,seen\n10.0.0.1,7,2024-01-02\n10.0.0.2,x,\n",
    );
    put(at, "feeds/hosts.txt", "one, two\nthree\n");
    put(
        at,
        "feeds/items.json",
        "[{\"ip\": \"::1\", \"tags\": [\"a\"]}]",
    );
    folder
}

fn run(folder: &Path, kql: &str) -> Result<Vec<Vec<String>>, QueryError> {
    let library = Library::open(folder).expect("a library");
    let library = library.with_external_data([ExternalData {
        url: "https://feeds.example/v1/".to_owned(),
        path: folder.join("feeds"),
    }]);
    let mut tables = FileTables::new();
    let rows = br#"{"User":"ana","Failures":1}
{"User":"bob","Failures":3}
{"User":"eve","Failures":9}"#;
    tables.add_rows("Logins", rows).expect("rows");
    let config = EngineConfig {
        library: Arc::new(library),
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(tables)).expect("an engine");
    let result = engine.run_blocking(kql, &options())?;
    let text = |row: Vec<atalaya_query::value::Value>| {
        row.iter().map(|v| v.to_text().to_string()).collect()
    };
    Ok(result.rows.into_iter().map(text).collect())
}

#[test]
fn what_a_library_holds_can_be_asked_for() {
    let folder = library();
    let cases = [
        ("Suspects | count", vec![vec!["2"]]),
        (
            "Suspects() | project User | sort by User asc",
            vec![vec!["bob"], vec!["eve"]],
        ),
        ("Logins | invoke Above() | count", vec![vec!["2"]]),
        ("Logins | invoke Above(4) | project User", vec![vec!["eve"]]),
        ("print Twice(21)", vec![vec!["42"]]),
        ("Worst", vec![vec!["eve"]]),
        // A name of the query itself goes first.
        (
            "let Suspects = Logins | take 1; Suspects | count",
            vec![vec!["1"]],
        ),
        (
            "_GetWatchlist('Admins') | project SearchKey, Level | sort by SearchKey asc",
            vec![vec!["ana", "007"], vec!["bob", "1"]],
        ),
        (
            "Logins | where User in ((_GetWatchlist('Admins') | project Name)) | count",
            vec![vec!["2"]],
        ),
        (
            "let w = _GetWatchlist('Admins'); Logins | join kind=inner w on $left.User == $right.SearchKey | count",
            vec![vec!["2"]],
        ),
        (
            "externaldata (ip: string, score: long, seen: datetime) ['https://feeds.example/v1/bad.csv?sig=1'] with (ignoreFirstRecord=true)",
            vec![
                vec!["10.0.0.1", "7", "2024-01-02T00:00:00.0000000Z"],
                vec!["10.0.0.2", "", ""],
            ],
        ),
        (
            "externaldata (line: string) ['https://feeds.example/v1/hosts.txt'] | where line has 'two'",
            vec![vec!["one, two"]],
        ),
        (
            "externaldata (ip: string, tags: dynamic) [@'https://feeds.example/v1/items.json'] with (format='multijson') | project ip, tags[0]",
            vec![vec!["::1", "a"]],
        ),
        (
            "find in (Logins) where Failures == 9 | project source_, Failures, pack_.User",
            vec![vec!["Logins", "9", "eve"]],
        ),
        (
            "find withsource=From in (Log*) where User == 'bob' project User, Missing: long",
            vec![vec!["Logins", "bob", ""]],
        ),
        (
            "Logins | where User == 'ana' | evaluate narrow()",
            vec![vec!["0", "User", "ana"], vec!["0", "Failures", "1"]],
        ),
    ];
    for (kql, wanted) in cases {
        let got = run(folder.path(), kql).unwrap_or_else(|error| panic!("{kql}: {error:?}"));
        assert_eq!(got, wanted, "{kql}");
    }
}

#[test]
fn what_is_not_allowed_is_refused_where_it_is_asked_for() {
    let folder = library();
    for (kql, wanted, at) in [
        (
            "externaldata (a: string) ['https://feeds.example/v2/x.csv']",
            "is refused",
            0,
        ),
        (
            "externaldata (a: string) ['https://feeds.example/v1/../../x.csv']",
            "is refused",
            0,
        ),
        ("_GetWatchlist('Nobody')", "no watchlist `Nobody`", 0),
        ("print 1 | where Twice('a', 'b') > 1", "", 16),
        ("Logins | evaluate narrow(), 1", "", 0),
        (
            "Logins | evaluate rolling_percentile(Failures)",
            "`Percentile` is missing",
            9,
        ),
    ] {
        match run(folder.path(), kql) {
            Err(QueryError::Invalid(problems)) => {
                let problem = &problems[0];
                assert!(problem.message.contains(wanted), "{kql}: {problem:?}");
                assert!(problem.span.end <= kql.len(), "{kql}: {problem:?}");
                assert!(
                    problem.span.start >= at || wanted.is_empty(),
                    "{kql}: {problem:?}"
                );
            }
            other => panic!("{kql}: {other:?}"),
        }
    }
}

#[test]
fn a_library_with_a_mistake_is_not_opened() {
    let folder = library();
    put(folder.path(), "functions/Broken.kql", "Logins | where (");
    match Library::open(folder.path()) {
        Err(LibraryError::Function { path, reason }) => {
            assert!(path.ends_with("functions/Broken.kql"), "{path:?}");
            assert!(!reason.is_empty());
        }
        other => panic!("{other:?}"),
    }
}
