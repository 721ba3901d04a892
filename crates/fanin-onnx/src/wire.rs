//! The protobuf wire format, as far as replacing bytes inside a file needs it.
//!
//! A decoder forgets what it does not know and an encoder writes its own order and widths, so a
//! file that must stay as it came is never decoded and encoded again. It is spliced: [`fields`]
//! walks the fields of a message without interpreting them, and [`splice`] replaces some of them
//! and re-encodes the length of each enclosing message, where that length changes. Everything else
//! is copied from the file.
//!
//! Format: <https://protobuf.dev/programming-guides/encoding/>.

use std::io::{self, Write};
use std::ops::Range;

use fanin_graph::{ElementType, HostData};
use fanin_graph::{bits, encode};

/// How a field's content is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Fixed64,
    Length,
    Group,
    Fixed32,
}

/// One field of a message, by its places in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u64,
    pub(super) wire: Wire,
    /// Where its tag starts.
    pub(super) start: usize,
    /// Where its tag ends; the length of a length-delimited field starts here.
    pub(super) after_tag: usize,
    /// What it holds; its end is the field's end.
    pub(super) content: Range<usize>,
}

impl Field {
    /// From the tag to the end of the content.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.content.end
    }
}

/// The bytes do not follow the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Reads the varint at `at`; returns it and where it ends.
pub(super) fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), Damaged> {
    let mut value = 0u64;
    for (k, &byte) in bytes.get(at..).ok_or(Damaged)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * k).min(63);
        if byte < 0x80 {
            return Ok((value, at + k + 1));
        }
    }
    Err(Damaged)
}

/// Appends a varint in its shortest form.
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes of a varint in its shortest form.
pub(super) fn varint_len(value: u64) -> u64 {
    u64::from((63 - (value | 1).leading_zeros()) / 7 + 1)
}

/// A length-delimited field.
pub(super) fn length_field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 8);
    put_varint(number << 3 | 2, &mut out);
    put_varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

/// The fields of the message that occupies `range` of `bytes`.
pub(super) fn fields(
    bytes: &[u8],
    range: Range<usize>,
) -> impl Iterator<Item = Result<Field, Damaged>> {
    let end = range.end.min(bytes.len());
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let field = field(&bytes[..end], at, 0);
        at = field.as_ref().map_or(end, |f| f.content.end);
        Some(field)
    })
}

/// The field at `start`; groups may nest to a bounded depth.
fn field(bytes: &[u8], start: usize, depth: usize) -> Result<Field, Damaged> {
    let (tag, after_tag) = varint(bytes, start)?;
    let fixed = |n: usize| after_tag..after_tag.saturating_add(n);
    let (wire, content) = match tag & 7 {
        0 => (Wire::Varint, after_tag..varint(bytes, after_tag)?.1),
        1 => (Wire::Fixed64, fixed(8)),
        2 => {
            let (length, from) = varint(bytes, after_tag)?;
            let length = usize::try_from(length).map_err(|_| Damaged)?;
            (Wire::Length, from..from.checked_add(length).ok_or(Damaged)?)
        }
        3 if depth < 64 => {
            let mut at = after_tag;
            loop {
                let (inner, after) = varint(bytes, at)?;
                if inner & 7 == 4 {
                    if inner >> 3 != tag >> 3 {
                        return Err(Damaged);
                    }
                    break (Wire::Group, after_tag..after);
                }
                at = field(bytes, at, depth + 1)?.content.end;
            }
        }
        5 => (Wire::Fixed32, fixed(4)),
        _ => return Err(Damaged),
    };
    if content.end > bytes.len() {
        return Err(Damaged);
    }
    Ok(Field {
        number: tag >> 3,
        wire,
        start,
        after_tag,
        content,
    })
}

/// What an edit replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Nothing: puts something before the field that starts here.
    Before(usize),
    /// A whole field, from its tag to its end.
    Field(Range<usize>),
    /// The content of a field.
    Content(Range<usize>),
}

impl Target {
    /// Where the field starts that is replaced whole.
    pub(super) fn field_start(&self) -> Option<usize> {
        match self {
            Self::Field(range) => Some(range.start),
            Self::Before(_) | Self::Content(_) => None,
        }
    }

    fn range(&self) -> Range<usize> {
        match self {
            Self::Before(at) => *at..*at,
            Self::Field(range) | Self::Content(range) => range.clone(),
        }
    }
}

/// Replaces `target` with `parts`.
pub(super) struct Edit<'a> {
    pub(super) target: Target,
    pub(super) parts: Vec<Part<'a>>,
}

/// A piece of the new file.
pub(super) enum Part<'a> {
    /// Bytes of the old file.
    Old(Range<usize>),
    /// New bytes.
    New(Vec<u8>),
    /// Elements of a tensor, encoded as they are written.
    Elements(Elements<'a>),
}

/// A run of elements to be encoded.
pub(super) struct Elements<'a> {
    pub(super) data: &'a HostData,
    pub(super) range: Range<usize>,
    pub(super) element: ElementType,
    /// Whether each is a varint of its bits (half floats in `int32_data`), not little-endian bytes.
    pub(super) varint: bool,
}

impl Elements<'_> {
    /// Encoded bytes.
    pub(super) fn len(&self) -> u64 {
        if self.varint {
            self.range
                .clone()
                .map(|k| varint_len(bits(self.data, k, self.element)))
                .sum()
        } else {
            (self.range.len() * self.element.size().unwrap_or(0)) as u64
        }
    }

    /// Writes the elements.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.varint {
            return encode(self.data, self.range.clone(), self.element, out);
        }
        let mut encoded = Vec::new();
        for k in self.range.clone() {
            put_varint(bits(self.data, k, self.element), &mut encoded);
            if encoded.len() >= 1 << 16 || k + 1 == self.range.end {
                out.write_all(&encoded)?;
                encoded.clear();
            }
        }
        Ok(())
    }
}

impl Part<'_> {
    /// Bytes of this piece.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Old(range) => range.len() as u64,
            Self::New(bytes) => bytes.len() as u64,
            Self::Elements(elements) => elements.len(),
        }
    }

    /// Writes this piece; `old` is the old file.
    pub(super) fn write(&self, old: &[u8], out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Old(range) => out.write_all(old.get(range.clone()).unwrap_or_default()),
            Self::New(bytes) => out.write_all(bytes),
            Self::Elements(elements) => elements.write(out),
        }
    }
}

/// The pieces of the file `bytes` with all edits made. Edits must name fields that are there and
/// must not overlap; [`Target::Before`] a field comes before an edit of that field.
pub(super) fn splice<'a>(bytes: &[u8], mut edits: Vec<Edit<'a>>) -> Result<Vec<Part<'a>>, Damaged> {
    edits.sort_by_key(|edit| {
        let range = edit.target.range();
        (range.start, range.end)
    });
    let mut edits = edits.into_iter().peekable();
    let mut out = Vec::new();
    message(bytes, 0..bytes.len(), &mut edits, &mut out)?;
    match edits.next() {
        None => Ok(out),
        Some(_) => Err(Damaged),
    }
}

/// Rewrites the message in `range` and returns its new length.
fn message<'a>(
    bytes: &[u8],
    range: Range<usize>,
    edits: &mut std::iter::Peekable<std::vec::IntoIter<Edit<'a>>>,
    out: &mut Vec<Part<'a>>,
) -> Result<u64, Damaged> {
    let mut length = 0;
    let mut push = |part: Part<'a>, out: &mut Vec<Part<'a>>| {
        length += part.len();
        out.push(part);
    };
    // Everything before this place is in `out`.
    let mut copied = range.start;
    for field in fields(bytes, range.clone()) {
        let field = field?;
        while let Some(edit) = edits.next_if(|e| e.target == Target::Before(field.start)) {
            push(Part::Old(copied..field.start), out);
            copied = field.start;
            edit.parts.into_iter().for_each(|part| push(part, out));
        }
        if let Some(edit) = edits.next_if(|e| e.target == Target::Field(field.range())) {
            push(Part::Old(copied..field.start), out);
            copied = field.content.end;
            edit.parts.into_iter().for_each(|part| push(part, out));
            continue;
        }
        // An edit of its content, or of something inside its content.
        let Some(edit) = edits.peek() else { break };
        let target = edit.target.range();
        if target.start >= field.content.end && target != field.content {
            continue;
        }
        if target.start < field.content.start || target.end > field.content.end {
            return Err(Damaged);
        }
        let mut inner = Vec::new();
        let new_length = match edits.next_if(|e| e.target == Target::Content(field.content.clone()))
        {
            Some(edit) => {
                inner = edit.parts;
                inner.iter().map(Part::len).sum()
            }
            None if field.wire == Wire::Length => {
                message(bytes, field.content.clone(), edits, &mut inner)?
            }
            None => return Err(Damaged),
        };
        if field.wire != Wire::Length || new_length == field.content.len() as u64 {
            // A length that does not change stays in the width it came in.
            push(Part::Old(copied..field.content.start), out);
        } else {
            push(Part::Old(copied..field.after_tag), out);
            let mut prefix = Vec::new();
            put_varint(new_length, &mut prefix);
            push(Part::New(prefix), out);
        }
        copied = field.content.end;
        inner.into_iter().for_each(|part| push(part, out));
    }
    push(Part::Old(copied..range.end), out);
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(old: &[u8], parts: &[Part<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            part.write(old, &mut out).unwrap();
        }
        out
    }

    #[test]
    fn varints_have_the_length_they_are_said_to_have() {
        for value in [
            0,
            1,
            127,
            128,
            300,
            16383,
            16384,
            u64::from(u32::MAX),
            u64::MAX,
        ] {
            let mut out = Vec::new();
            put_varint(value, &mut out);
            assert_eq!(out.len() as u64, varint_len(value));
            assert_eq!(varint(&out, 0), Ok((value, out.len())));
        }
        assert_eq!(varint(&[0xff; 11], 0), Err(Damaged));
        assert_eq!(varint(&[], 0), Err(Damaged));
    }

    #[test]
    fn lengths_of_all_enclosing_messages_grow() {
        // outer { 1: inner { 2: leaf }, 3: varint }
        let leaf = length_field(2, &[7; 100]);
        let mut old = length_field(1, &leaf);
        old.extend([0x18, 5]);
        let edit = Edit {
            target: Target::Content(4..104),
            parts: vec![Part::New(vec![9; 200])],
        };
        let parts = splice(&old, vec![edit]).unwrap();
        let mut expected = length_field(1, &length_field(2, &[9; 200]));
        expected.extend([0x18, 5]);
        assert_eq!(written(&old, &parts), expected);
    }

    #[test]
    fn an_edit_of_a_field_is_not_taken_for_one_of_its_only_enclosing_content() {
        let old = length_field(1, &length_field(2, b"abc"));
        let edits = vec![
            Edit {
                target: Target::Field(2..7),
                parts: vec![Part::New(length_field(4, b"new"))],
            },
            Edit {
                target: Target::Before(2),
                parts: vec![Part::New(length_field(3, b"first"))],
            },
        ];
        let mut inner = length_field(3, b"first");
        inner.extend(length_field(4, b"new"));
        let parts = splice(&old, edits).unwrap();
        assert_eq!(written(&old, &parts), length_field(1, &inner));
    }

    #[test]
    fn overlong_lengths_stay_where_nothing_changes_size() {
        // The length 3 written in two bytes.
        let old = [0x0a, 0x83, 0x00, 1, 2, 3];
        let edit = Edit {
            target: Target::Content(3..6),
            parts: vec![Part::New(vec![4, 5, 6])],
        };
        let parts = splice(&old, vec![edit]).unwrap();
        assert_eq!(written(&old, &parts), [0x0a, 0x83, 0x00, 4, 5, 6]);
    }

    #[test]
    fn groups_are_walked_over() {
        let bytes = [0x0b, 0x10, 1, 0x0c, 0x18, 2];
        let numbers: Vec<_> = fields(&bytes, 0..6).map(|f| f.unwrap().number).collect();
        assert_eq!(numbers, [1, 3]);
        let deep = vec![0x0b; 100_000];
        assert!(fields(&deep, 0..deep.len()).any(|f| f.is_err()));
    }
}
