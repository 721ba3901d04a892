//! CSV: numbers in columns, one of them the target.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::fit::{Raw, inputs, standardize, targets, too_many};
use super::{BYTES, ELEMENTS, open};
use crate::{Dataset, Form, Output, Samples, TrainError};

/// Most columns of a line.
const COLUMNS: usize = 1 << 20;
/// Most bytes of a line.
const LINE: u64 = 1 << 24;

pub(super) fn read(
    path: &Path,
    label: Option<&str>,
    name: &str,
    form: &Form,
) -> Result<Dataset, TrainError> {
    let wrap = |message: String| TrainError::Request(format!("{}: {message}", path.display()));
    let file = open(path).map_err(wrap)?;
    let table = Table::parse(file, label).map_err(wrap)?;
    let (labels, target_shape) = table.targets(form).map_err(wrap)?;
    let mut values = table.values;
    standardize(&mut values, table.width);
    let raw = Raw {
        count: table.labels.len(),
        shape: vec![table.width],
        values,
    };
    let taken = inputs(raw, form).map_err(wrap)?;
    Dataset::new(name, form, Samples::Floats(taken), labels, &target_shape)
}

struct Table {
    /// Columns of the inputs.
    width: usize,
    values: Vec<f32>,
    labels: Vec<String>,
}

impl Table {
    fn parse(file: impl Read, label: Option<&str>) -> Result<Self, String> {
        let mut lines = Lines {
            file: BufReader::new(file.take(BYTES)),
            number: 0,
        };
        let first = lines
            .next_line()?
            .ok_or("is empty; a CSV has a sample on each line")?;
        let separator = [',', ';', '\t']
            .into_iter()
            .max_by_key(|&c| (first.matches(c).count(), c == ','))
            .unwrap_or(',');
        let names = fields(&first, separator);
        if names.len() < 2 || names.len() > COLUMNS {
            return Err(format!(
                "its first line has {} column(s); a CSV needs at least one of inputs and one of targets, parted by commas, semicolons or tabs",
                names.len()
            ));
        }
        // A header is a line whose fields are no numbers; class names stand in one column at most.
        let wordy = names.iter().filter(|f| f.parse::<f64>().is_err()).count();
        let header = wordy > 1 || label.is_some_and(|l| names.iter().any(|n| n == l));
        let target = match label {
            Some(label) => names.iter().position(|n| n == label).ok_or_else(|| {
                let known: Vec<&str> = names.iter().take(12).map(String::as_str).collect();
                if header {
                    format!("has no column `{label}`; there are {}", known.join(", "))
                } else {
                    format!("has no column `{label}`: its first line holds numbers, not names")
                }
            })?,
            None => names.len() - 1,
        };
        let mut table = Self {
            width: names.len() - 1,
            values: Vec::new(),
            labels: Vec::new(),
        };
        if !header {
            table.push(&names, target, lines.number, &names)?;
        }
        while let Some(line) = lines.next_line()? {
            let row = fields(&line, separator);
            table.push(&row, target, lines.number, &names)?;
        }
        if table.labels.is_empty() {
            return Err("has names of columns but not one sample".to_owned());
        }
        Ok(table)
    }

    fn push(
        &mut self,
        row: &[String],
        target: usize,
        line: usize,
        names: &[String],
    ) -> Result<(), String> {
        if row.len() != names.len() {
            return Err(format!(
                "line {line} has {} columns and the first line {}",
                row.len(),
                names.len()
            ));
        }
        if self.values.len() + self.width > ELEMENTS {
            return Err(too_many(self.labels.len() + 1, self.width));
        }
        for (k, field) in row.iter().enumerate() {
            if k == target {
                self.labels.push(field.clone());
                continue;
            }
            match field.parse::<f32>() {
                Ok(value) if value.is_finite() => self.values.push(value),
                _ => {
                    return Err(format!(
                        "line {line}, column {}: `{}` is no finite number",
                        k + 1,
                        field.chars().take(40).collect::<String>()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Numbers as they are; names as classes in the order of the alphabet.
    fn targets(&self, form: &Form) -> Result<(Samples, Vec<usize>), String> {
        let numbers: Result<Vec<f64>, _> = self.labels.iter().map(|l| l.parse::<f64>()).collect();
        if let Ok(numbers) = numbers {
            return Ok(targets(numbers, form));
        }
        if form.output == Output::Values {
            return Err(
                "its targets are names, and the network gives values; give numbers".to_owned(),
            );
        }
        let names: BTreeSet<&str> = self.labels.iter().map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let class = |label: &String| names.binary_search(&label.as_str()).unwrap_or(0) as f64;
        Ok(targets(self.labels.iter().map(class).collect(), form))
    }
}

struct Lines<R> {
    file: BufReader<R>,
    /// Of the line read last, from 1.
    number: usize,
}

impl<R: Read> Lines<R> {
    /// The next line that is not blank.
    fn next_line(&mut self) -> Result<Option<String>, String> {
        loop {
            let mut line = Vec::new();
            let got = (&mut self.file)
                .take(LINE)
                .read_until(b'\n', &mut line)
                .map_err(|e| format!("cannot be read: {e}"))?;
            if got == 0 {
                return Ok(None);
            }
            self.number += 1;
            if got as u64 == LINE {
                return Err(format!("line {} is longer than {LINE} bytes", self.number));
            }
            let text = String::from_utf8(line)
                .map_err(|_| format!("line {} is no text; a CSV is UTF-8", self.number))?;
            let text = text
                .trim_end_matches(['\r', '\n'])
                .trim_start_matches('\u{feff}');
            if !text.trim().is_empty() {
                return Ok(Some(text.to_owned()));
            }
        }
    }
}

/// The fields of a line; a field in double quotes may hold the separator, and `""` for a quote.
fn fields(line: &str, separator: char) -> Vec<String> {
    let mut all = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' if quoted || field.trim().is_empty() => quoted = !quoted,
            c if c == separator && !quoted => {
                all.push(field.trim().to_owned());
                field.clear();
            }
            c => field.push(c),
        }
    }
    all.push(field.trim().to_owned());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, label: Option<&str>) -> Result<(usize, Vec<f32>, Vec<String>), String> {
        Table::parse(text.as_bytes(), label).map(|t| (t.width, t.values, t.labels))
    }

    #[test]
    fn columns_are_found_by_name_or_as_the_last() {
        let text = "a,kind,b\n1,x,2\n3,y,4\n\n";
        let (width, values, labels) = table(text, Some("kind")).unwrap();
        assert_eq!((width, values), (2, vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(labels, ["x", "y"]);
        let (width, values, labels) = table("1;2;red\r\n3;4;blue\r\n", None).unwrap();
        assert_eq!((width, values), (2, vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(labels, ["red", "blue"]);
        let (_, values, labels) = table("\u{feff}x\ty\n1e-2\t0\n", None).unwrap();
        assert_eq!((values, labels), (vec![0.01], vec!["0".to_owned()]));
    }

    #[test]
    fn quotes_hold_separators() {
        assert_eq!(fields("1,\"a, \"\"b\"\"\",2", ','), ["1", "a, \"b\"", "2"]);
    }

    #[test]
    fn mistakes_get_a_sentence() {
        for (text, label, message) in [
            ("", None, "is empty"),
            ("1\n2\n", None, "has 1 column(s)"),
            ("a,b\n", None, "not one sample"),
            (
                "a,b\n1,2\n1\n",
                None,
                "line 3 has 1 columns and the first line 2",
            ),
            (
                "a,b\n1,2\nx,2\n",
                None,
                "line 3, column 1: `x` is no finite number",
            ),
            ("a,b\ninf,2\n", None, "is no finite number"),
            ("a,b\n1,2\n", Some("c"), "has no column `c`; there are a, b"),
            ("1,2\n", Some("c"), "holds numbers, not names"),
        ] {
            let error = table(text, label).unwrap_err();
            assert!(error.contains(message), "{text:?}: {error}");
        }
        let error = Table::parse(&b"a,b\n1,\xff\n"[..], None).err().unwrap();
        assert!(error.contains("line 2 is no text"), "{error}");
    }
}
