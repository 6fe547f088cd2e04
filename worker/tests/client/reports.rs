//! `phaseline report`: a file appears when the report is whole, and only then.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::double::{Api, JOB, Reply, code, err, out};

const CSV: &str = "text/csv; charset=utf-8; header=present";

fn csv(is_whole: bool) -> Reply {
    let chunks = [
        "phase,row\r\ncreate_passphrases,0\r\n",
        "create_passphrases,\"1\n\"\r\n",
    ];
    Reply::Stream(CSV, chunks.map(str::to_owned).to_vec(), is_whole)
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("phaseline-report-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_whole_report_becomes_a_file_and_nothing_is_left_beside_it() {
    let folder = Folder::new();
    let file = folder.file("r.csv");
    let api = Api::with(vec![csv(true)]);
    let args = [
        "report",
        JOB,
        "--output",
        &file,
        "--status",
        "failed,UNKNOWN",
        "--phase",
        "create_passphrases",
    ];
    let output = api.run(&args);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).ends_with("r.csv: 2 rows\n"), "{}", out(&output));
    let line = &api.seen()[0].line;
    let path = format!("GET /api/v1/jobs/{JOB}/report?format=csv&status=FAILED%2CUNKNOWN&phase=create_passphrases ");
    assert!(line.starts_with(&path), "{line}");
    let content = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        content,
        "phase,row\r\ncreate_passphrases,0\r\ncreate_passphrases,\"1\n\"\r\n"
    );
    assert_eq!(folder.names(), ["r.csv"]);

    // a file that is there is replaced only when told to, and asked about before anything is fetched
    let again = api.run(&args);
    assert_eq!((code(&again), api.seen().len()), (1, 1));
    assert!(err(&again).contains("--force replaces it"), "{}", err(&again));
    assert_eq!(code(&api.run(&[&args[..], &["--force"]].concat())), 0);
    let output = api.run(&["--json", "report", JOB, "--output", &file, "--force"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["rows"], &document["format"]), (&json!(2), &json!("csv")));
    assert!(Path::new(document["file"].as_str().unwrap()).is_file());
}

#[test]
fn a_download_that_breaks_off_leaves_no_file() {
    let folder = Folder::new();
    let cut_json = |is_whole| {
        let chunks = vec![r#"{"job_id":"j","rows":[{"name":"a"},"#.to_owned()];
        Reply::Stream("application/json", chunks, is_whole)
    };
    for (name, reply) in [
        ("a.csv", csv(false)),
        ("a.json", cut_json(false)),
        ("b.json", cut_json(true)),
    ] {
        let output = Api::with(vec![reply]).run(&["report", JOB, "-o", &folder.file(name)]);
        assert_eq!(code(&output), 6, "{name}: {}{}", out(&output), err(&output));
        let said = err(&output);
        assert!(
            said.contains("the report broke off after") && said.contains("nothing was written to"),
            "{said}"
        );
        assert!(folder.names().is_empty(), "{name}: {:?}", folder.names());
    }
    // what was there before stays
    let file = folder.file("kept.csv");
    std::fs::write(&file, "old").unwrap();
    assert_eq!(
        code(&Api::with(vec![csv(false)]).run(&["report", JOB, "-o", &file, "--force"])),
        6
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(folder.names(), ["kept.csv"]);
    // and standard output is not called whole
    let output = Api::with(vec![csv(false)]).run(&["report", JOB, "--json", "--format", "csv"]);
    assert_eq!(code(&output), 6);
    assert!(
        err(&output).contains("not the whole report") && !out(&output).contains('{'),
        "{}",
        err(&output)
    );
}

#[test]
fn standard_output_gets_the_report_as_it_is() {
    let api = Api::with(vec![csv(true)]);
    let output = api.run(&["report", JOB]);
    assert_eq!(
        out(&output),
        "phase,row\r\ncreate_passphrases,0\r\ncreate_passphrases,\"1\n\"\r\n"
    );
    let whole = r#"{"job_id":"j","rows":[],"rows_total":0}"#;
    let api = Api::with(vec![Reply::Stream("application/json", vec![whole.to_owned()], true)]);
    assert_eq!(out(&api.run(&["report", JOB, "--json"])), whole);
    assert!(api.seen()[0].line.contains("format=json"));
}

#[test]
fn what_is_no_report_is_not_saved() {
    let folder = Folder::new();
    let page = Reply::Stream("text/html", vec!["<html>login</html>\n".to_owned()], true);
    let output = Api::with(vec![page]).run(&["report", JOB, "-o", &folder.file("r.csv")]);
    assert_eq!(code(&output), 1);
    assert!(
        err(&output).contains("does not look like a Phaseline API"),
        "{}",
        err(&output)
    );
    let gone = Reply::Answer(404, json!({"status": 404, "detail": "no such job"}));
    let output = Api::with(vec![gone]).run(&["report", JOB, "-o", &folder.file("r.csv")]);
    assert_eq!(
        (code(&output), err(&output).as_str()),
        (1, "phaseline: no such job (404)\n")
    );
    for odd in ["/dev/null", folder.0.to_str().unwrap(), "/nowhere/at/all.csv"] {
        let output = Api::with(vec![csv(true)]).run(&["report", JOB, "--force", "-o", odd]);
        assert_eq!(code(&output), 1, "{odd}: {}", err(&output));
    }
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}
