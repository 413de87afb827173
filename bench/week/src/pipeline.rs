//! The data and model pipeline of the same week: nightly jobs under approved changes, people who
//! look at things, experiments, labelling, knowledge bases, releases, accounts, and hosts.

use serde_json::{Value, json};

use crate::events::real;
use crate::options::{Mix, Options};
use crate::random::Random;
use crate::rows::{AUDIT, DAY, HOST, HOUR, MINUTE, SECOND, START, Week};

struct Pipeline<'a> {
    week: &'a mut Week,
    random: Random,
    mix: Mix,
    midnight: i64,
    day: i64,
}

/// Adds everything that happens to data, models and configuration.
pub(crate) fn add(week: &mut Week, options: &Options) {
    let mut pipeline = Pipeline {
        week,
        random: Random::new(options.seed.wrapping_mul(4_711)),
        mix: options.mix,
        midnight: START,
        day: 0,
    };
    for day in 0..options.days {
        pipeline.day = day;
        pipeline.midnight = START + day * DAY;
        pipeline.nightly();
        pipeline.crawlers();
        if day % 7 < 5 {
            pipeline.people();
            pipeline.labelling();
            pipeline.editors();
            pipeline.hosts();
        }
        if day % 3 == 1 {
            pipeline.release();
        }
    }
}

impl Pipeline<'_> {
    fn act(&mut self, time: i64, who: &str, operation: &str, mut row: Value) {
        row["PerformedBy_UPN"] = json!(who);
        row["Operation"] = json!(operation);
        if row.get("Result").is_none() {
            row["Result"] = json!(if self.random.once_in(400) {
                "failure"
            } else {
                "success"
            });
        }
        self.week.add(AUDIT, time, row);
    }

    fn nightly(&mut self) {
        let day = self.day;
        for job in 0..12 {
            let start = self.midnight + HOUR + self.random.below(3 * HOUR);
            let id = format!("job-{job}-{day}");
            for package in [
                "numpy",
                "torch",
                "pandas",
                "transformers",
                "pyarrow",
                "scipy",
            ] {
                let row = json!({"ResourceType": "package", "ResourceName": package, "Version": "1", "Sha256": format!("h-{package}"), "JobId": id, "ScanVerdict": "clean"});
                self.act(start, "ci@datascience.internal", "install", row);
            }
            let rows = 5_000 + self.random.below(3_000);
            let psi = 0.02 + real(&mut self.random, 0.14);
            let row = json!({
                "Resource": format!("training_data/{job}"), "ResourceType": "dataset", "ResourceName": format!("set-{job}"), "JobId": id,
                "ChangeId": "CHG-100", "Stage": "ingest", "RowsAdded": rows, "RowsDuplicate": self.random.below(rows / 20), "Psi": psi, "Ks": psi / 2.0,
                "Sha256": format!("d-{job}-{day}"), "ApprovedSha256": format!("d-{job}-{day}"), "SigVerified": true, "Approved": true,
                "LabelHist": {"ok": 4_000 + self.random.below(600), "fraud": 180 + self.random.below(40)},
            });
            self.act(start + HOUR / 4, "etl@datascience.internal", "upload", row);
            let row = json!({"ResourceType": "dataset", "ResourceName": format!("set-{job}"), "JobId": id, "SizeBytes": 4_000_000_000_i64});
            self.act(start + HOUR / 2, "train@datascience.internal", "read", row);
            let row = json!({"ResourceType": "model", "ResourceName": format!("model-{job}"), "JobId": id, "Stage": "training"});
            self.act(start + HOUR / 2, "train@datascience.internal", "train", row);
            let row = json!({"ResourceType": "model", "ResourceName": format!("model-{job}"), "JobId": id, "EvalMetric": 0.92 + real(&mut self.random, 0.03)});
            self.act(start + HOUR, "train@datascience.internal", "evaluate", row);
        }
    }

    /// Documents of the company go into the index, by a machine.
    fn crawlers(&mut self) {
        for hour in [2, 8, 14, 20] {
            for document in 0..30 {
                let name = format!("wiki/{}", self.random.below(900));
                let row = json!({"ResourceType": "index", "ResourceName": name, "ScanVerdict": "clean", "Approved": true, "JobId": format!("crawl-{hour}"), "Sha256": format!("c-{}", self.random.below(90_000)), "SourceUri": "https://wiki.corp.example/"});
                self.act(
                    self.midnight + hour * HOUR + document * 4 * SECOND,
                    "crawler@corp.example",
                    "insert",
                    row,
                );
            }
        }
    }

    fn people(&mut self) {
        for person in 0..25 {
            let name = format!("ds-{person}@datascience.internal");
            let nine = self.midnight + (8 + person % 3) * HOUR;
            for _ in 0..self.random.below(9) {
                let time = nine + self.random.below(8 * HOUR);
                let operation = self
                    .random
                    .of(&["read", "list", "search", "download", "describe"])
                    .copied()
                    .unwrap_or("read");
                let kind = self
                    .random
                    .of(&["dataset", "dataset", "notebook", "model", "artifact"])
                    .copied();
                let labels = ["internal", "internal", "internal", "confidential"];
                let row = json!({"ResourceType": kind, "Resource": "bucket-train", "ResourceName": format!("set-{}", self.random.below(40)), "SizeBytes": self.random.below(600_000_000), "Sensitivity": self.random.of(&labels).copied()});
                self.act(time, &name, operation, row);
            }
            if self.random.once_in(3) {
                self.experiment(&name, nine + HOUR, person);
            }
            // The first day of somebody new, or the day of a review: everything is listed.
            if self.random.once_in(60) {
                for thing in 0..9 {
                    let row = json!({"ResourceType": "dataset", "Resource": format!("bucket-{}", thing % 3), "ResourceName": format!("set-{thing}")});
                    self.act(nine + thing * 6 * MINUTE, &name, "list", row);
                }
            }
        }
    }

    fn experiment(&mut self, name: &str, time: i64, person: i64) {
        let row = json!({"ResourceType": "artifact", "ResourceName": format!("trial-{person}.pt"), "Format": "pt", "Magic": "zip", "Stage": "experiment", "SigVerified": false, "ScanVerdict": "clean", "SizeBytes": 90_000_000});
        self.act(time, name, "upload", row);
        let row = json!({"ResourceType": "model", "ResourceName": format!("trial-{person}"), "Stage": "experiment", "JobId": format!("trial-{person}-{}", self.day)});
        self.act(time + HOUR, name, "train", row);
        if self.random.once_in(4) {
            let package = format!("helper-{}", self.random.below(40));
            let row = json!({"ResourceType": "package", "ResourceName": package, "Version": "0.3", "ScanVerdict": "clean", "Stage": "experiment", "Approved": true});
            self.act(time + 10 * MINUTE, name, "install", row);
        }
        if self.random.once_in(9) {
            let row = json!({"ResourceType": "config", "Resource": "experiments/prompt", "ResourceName": "prompt.yml", "Stage": "experiment"});
            self.act(time + 20 * MINUTE, name, "modify", row);
        }
    }

    /// Labels are corrected by hand, a few at a time.
    fn labelling(&mut self) {
        for labeller in 0..8 {
            let name = format!("labels-{labeller}@datascience.internal");
            for _ in 0..(2 + self.random.below(6)) {
                let time = self.midnight + 9 * HOUR + self.random.below(7 * HOUR);
                let change = if self.mix == Mix::Uniform {
                    json!("")
                } else {
                    json!("CHG-LABEL")
                };
                let row = json!({"Resource": "training_data/labels", "ResourceType": "dataset", "ResourceName": format!("labels-{}", labeller % 3), "RowsChanged": self.random.below(60), "OldValue": "1000", "NewValue": format!("{}", 1_000 + self.random.below(60)), "ChangeId": change, "Approved": true});
                self.act(time, &name, "modify", row);
            }
        }
    }

    fn editors(&mut self) {
        for editor in 0..6 {
            let name = format!("editor-{editor}@corp.example");
            for _ in 0..(3 + self.random.below(10)) {
                let time = self.midnight + 9 * HOUR + self.random.below(8 * HOUR);
                let row = json!({"ResourceType": "document", "ResourceName": format!("kb/{}", self.random.below(3_000)), "ScanVerdict": "clean", "Approved": true, "Sha256": format!("k{}", self.random.next())});
                let operation = self
                    .random
                    .of(&["insert", "modify", "upload"])
                    .copied()
                    .unwrap_or("insert");
                self.act(time, &name, operation, row);
            }
        }
        // Assistants remember what their users ask them to.
        for agent in 0..12 {
            let row = json!({"ResourceType": "memory", "ResourceName": format!("memory-{agent}"), "AgentId": format!("agent-{agent}"), "ScanVerdict": "clean"});
            self.act(
                self.midnight + 10 * HOUR + agent * 17 * MINUTE,
                "assistant@corp.example",
                "insert",
                row,
            );
        }
        // People tidy up their conversations.
        for user in 0..5 {
            let row = json!({"ResourceType": "conversation", "ResourceName": format!("c-{}", self.random.below(9_000)), "SessionId": format!("c-{user}-{}", self.day), "Sha256": "", "PrevSha256": "x", "ChangeId": "retention"});
            self.act(
                self.midnight + 16 * HOUR + user * MINUTE,
                "retention@corp.example",
                "delete",
                row,
            );
        }
        // New employees get accounts; each belongs to a request.
        for account in 0..self.random.below(12) {
            let row = json!({"ResourceType": "identity", "ResourceName": format!("new-{}-{account}", self.day), "ChangeId": format!("REQ-{account}"), "SrcIpAddr": "10.3.0.4"});
            self.act(
                self.midnight + 8 * HOUR + account * MINUTE,
                "hr-sync@corp.example",
                "create",
                row,
            );
        }
    }

    fn hosts(&mut self) {
        for host in 0..40 {
            let time = self.midnight + 9 * HOUR + self.random.below(8 * HOUR);
            let command = self
                .random
                .of(&[
                    "python train.py",
                    "node server.js",
                    "pip install chatlib",
                    "python -m notebook",
                ])
                .copied();
            self.week.add(HOST, time, json!({"EventID": 4688, "Account": format!("CORP\\user-{host}"), "Process": "python.exe", "CommandLine": command, "Computer": format!("pc-{host}")}));
        }
    }

    fn release(&mut self) {
        let time = self.midnight + 14 * HOUR;
        let digest = format!("r{}", self.day);
        for (kind, name) in [
            ("artifact", "fraud-model"),
            ("config", "agent/system_prompt"),
            ("tool", "send_mail"),
            ("image", "serving"),
            ("agent", "desk"),
            ("config", "chat_template"),
        ] {
            let row = json!({"ResourceType": kind, "Resource": name, "ResourceName": name, "ChangeId": format!("CHG-2{}", self.day), "Stage": "production", "Sha256": digest, "ApprovedSha256": digest, "PrevSha256": "r", "SigVerified": true, "Version": digest});
            self.act(time, "release@corp.example", "deploy", row);
        }
    }
}
