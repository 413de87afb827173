//! `scan`.

use super::Parser;
use crate::ast::{OperatorKind, ScanArgs, ScanStep};

impl Parser<'_> {
    pub(super) fn scan(&mut self) -> Option<OperatorKind> {
        let mut match_id = None;
        if self.is_word("with_match_id") && self.is_at(1, "=") {
            self.at += 2;
            match_id = Some(self.name()?);
        }
        let mut declared = Vec::new();
        if self.eat_word("declare") {
            self.want("(")?;
            while !self.is(")") && !self.is_end() {
                let name = self.name()?;
                self.want(":")?;
                let ty = self.name()?;
                let default = self.eat("=").then(|| self.expr());
                declared.push((name, ty, default));
                if !self.eat(",") {
                    break;
                }
            }
            self.want(")")?;
        }
        self.want_word("with")?;
        self.want("(")?;
        let mut steps = Vec::new();
        while self.is_word("step") {
            steps.push(self.scan_step()?);
            while self.eat(";") {}
        }
        if steps.is_empty() {
            self.expected("`step`");
        }
        self.want(")")?;
        Some(OperatorKind::Scan(Box::new(ScanArgs {
            match_id,
            declared,
            steps,
        })))
    }

    /// `step s output=last: condition => a = …, b = …`
    fn scan_step(&mut self) -> Option<ScanStep> {
        self.at += 1;
        let name = self.name()?;
        if self.is_word("optional") {
            let help = "write two scans";
            self.error("KQL010", "optional steps are not supported yet", help);
            return None;
        }
        let mut output = None;
        if self.is_word("output") && self.is_at(1, "=") {
            self.at += 2;
            output = Some(self.name()?);
        }
        self.want(":")?;
        let condition = self.expr();
        let mut assigns = Vec::new();
        if self.eat("=>") {
            loop {
                let column = self.name()?;
                self.want("=")?;
                assigns.push((column, self.expr()));
                if !self.eat(",") {
                    break;
                }
            }
        }
        Some(ScanStep {
            name,
            output,
            condition,
            assigns,
        })
    }
}
