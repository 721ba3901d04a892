//! CSV: numbers in columns, one of them the target.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use crate::DataError;
use crate::file::{BYTES, ELEMENTS, open, too_many};

/// Most columns of a line.
const COLUMNS: usize = 1 << 20;
/// Most bytes of a line, with those of its fields that hold line ends.
const LINE: u64 = 1 << 24;

/// The samples of a CSV: a line each.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Columns of the inputs.
    pub width: usize,
    /// The inputs, line after line.
    pub values: Vec<f32>,
    /// The target of each line, as it is written.
    pub labels: Vec<String>,
}

impl Table {
    /// Reads a CSV, whose target is the column of this name, or the last.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is too large, lines of different lengths, inputs that are no finite
    /// numbers, a column that is not there.
    pub fn read(path: &Path, label: Option<&str>) -> Result<Self, DataError> {
        let table = open(path).and_then(|file| Self::parse(file, label));
        table.map_err(|message| DataError::new(path, message))
    }

    fn parse(file: impl Read, label: Option<&str>) -> Result<Self, String> {
        let mut rows = Rows::new(file)?;
        let (first, names) = rows
            .next_row()?
            .ok_or("is empty; a CSV has a sample on each line")?;
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
            table.push(&names, target, first, names.len())?;
        }
        while let Some((line, row)) = rows.next_row()? {
            table.push(&row, target, line, names.len())?;
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
        line: u64,
        columns: usize,
    ) -> Result<(), String> {
        if row.len() != columns {
            return Err(format!(
                "line {line} has {} columns and the first line {columns}",
                row.len()
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
}

/// The rows of a CSV, quotes resolved.
struct Rows<R> {
    file: R,
    parser: Reader,
    /// Lines that have been read whole.
    lines: u64,
}

/// A row: the number of its first line, and its fields, trimmed.
type Row = (u64, Vec<String>);

impl<R: Read> Rows<io::Chain<io::Cursor<Vec<u8>>, BufReader<io::Take<R>>>> {
    /// Takes the separator that the first line holds most of.
    fn new(file: R) -> Result<Self, String> {
        let mut file = BufReader::new(file.take(BYTES));
        let (mut start, mut from) = (Vec::new(), 0);
        while start[from..].trim_ascii().is_empty() {
            from = start.len();
            let room = LINE.saturating_sub(from as u64);
            let line = (&mut file).take(room).read_until(b'\n', &mut start);
            if line.map_err(unreadable)? == 0 {
                break;
            }
            if start.starts_with("\u{feff}".as_bytes()) {
                start.drain(..3);
            }
        }
        let count = |c: u8| start[from..].iter().filter(|&&b| b == c).count();
        let separator = [b',', b';', b'\t']
            .into_iter()
            .max_by_key(|&c| (count(c), c == b','));
        Ok(Self {
            file: io::Cursor::new(start).chain(file),
            parser: ReaderBuilder::new()
                .delimiter(separator.unwrap_or(b','))
                .build(),
            lines: 0,
        })
    }
}

impl<R: BufRead> Rows<R> {
    /// The next row that is not blank.
    fn next_row(&mut self) -> Result<Option<Row>, String> {
        let mut fields = Vec::new();
        let (mut field, mut bytes) = (Vec::new(), 0);
        let mut out = [0; 1024];
        // Line ends in quotes belong to the row.
        let mut within = 0;
        loop {
            let input = self.file.fill_buf().map_err(unreadable)?;
            let (result, read, written) = self.parser.read_field(input, &mut out);
            let line_end = input[..read].ends_with(b"\n");
            self.file.consume(read);
            field.extend_from_slice(&out[..written]);
            bytes += read as u64;
            if bytes > LINE {
                let line = self.lines + 1;
                return Err(format!("line {line} is longer than {LINE} bytes"));
            }
            let last = match result {
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => continue,
                ReadFieldResult::End => return Ok(None),
                ReadFieldResult::Field { record_end } => record_end,
            };
            within += field.iter().filter(|&&b| b == b'\n').count() as u64;
            fields.push(std::mem::take(&mut field));
            if !last {
                continue;
            }
            // Blank lines before the row were passed over, so its own is reckoned from its end, which
            // is a line end, the first half of one, or that of the file.
            self.lines = self.parser.line().saturating_sub(u64::from(line_end));
            let line = self.lines.saturating_sub(within);
            let row = std::mem::take(&mut fields).into_iter();
            let row: Vec<String> = row
                .map(|field| String::from_utf8(field).map(|text| text.trim().to_owned()))
                .collect::<Result<_, _>>()
                .map_err(|_| format!("line {line} is no text; a CSV is UTF-8"))?;
            if row.len() > 1 || row.iter().any(|field| !field.is_empty()) {
                return Ok(Some((line, row)));
            }
            (within, bytes) = (0, 0);
        }
    }
}

fn unreadable(e: io::Error) -> String {
    format!("cannot be read: {e}")
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
    fn quotes_hold_separators_and_line_ends() {
        let text = "1,\"a, \"\"b\"\"\"\n2,\"c\nd\"\n";
        let (width, values, labels) = table(text, None).unwrap();
        assert_eq!((width, values), (1, vec![1.0, 2.0]));
        assert_eq!(labels, ["a, \"b\"", "c\nd"]);
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        for (text, line) in [
            ("a,b\n\n \n1,2\n\nx,2", 6),
            ("\r\na,b\r\n1,2\r\n\r\nx,2\r\n", 5),
            ("a,b\n1,\"2\n\"\nx,\"\n\n\"\n", 4),
        ] {
            let error = table(text, None).unwrap_err();
            let place = format!("line {line}, column 1: `x` is no finite number");
            assert!(error.contains(&place), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_take_the_whole_file() {
        let endless = b"a,b\n1,\"".chain(io::repeat(b'7'));
        let error = Table::parse(endless, None).err().unwrap();
        assert!(error.contains("line 2 is longer than"), "{error}");
        let error = Table::parse(io::repeat(b'7'), None).err().unwrap();
        assert!(error.contains("line 1 is longer than"), "{error}");
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
