//! How long an opcode's argument is (Python's `pickletools`, protocols 0 to 5).

/// The argument of an opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    None,
    /// So many bytes.
    Fixed(usize),
    /// A length of so many bytes, and as many bytes as it says.
    Counted(usize),
    /// Up to a line feed.
    Line,
    /// Two lines.
    Lines,
}

/// Whether that byte is an opcode.
pub(crate) const fn is_opcode(byte: u8) -> bool {
    argument(byte).is_some()
}

/// The argument of an opcode; `None` if there is no such opcode.
pub(super) const fn argument(opcode: u8) -> Option<Argument> {
    Some(match opcode {
        b'('
        | b'.'
        | b'0'
        | b'1'
        | b'2'
        | b'N'
        | b'Q'
        | b'R'
        | b'a'
        | b'b'
        | b'd'
        | b'}'
        | b'e'
        | b'l'
        | b']'
        | b'o'
        | b's'
        | b't'
        | b')'
        | b'u'
        | 0x81
        | 0x85..=0x89
        | 0x8f..=0x94
        | 0x97
        | 0x98 => Argument::None,
        b'K' | b'h' | b'q' | 0x80 | 0x82 => Argument::Fixed(1),
        b'M' | 0x83 => Argument::Fixed(2),
        b'J' | b'j' | b'r' | 0x84 => Argument::Fixed(4),
        b'G' | 0x95 => Argument::Fixed(8),
        b'U' | b'C' | 0x8a | 0x8c => Argument::Counted(1),
        b'T' | b'X' | b'B' | 0x8b => Argument::Counted(4),
        0x8d | 0x8e | 0x96 => Argument::Counted(8),
        b'F' | b'I' | b'L' | b'P' | b'S' | b'V' | b'g' | b'p' => Argument::Line,
        b'c' | b'i' => Argument::Lines,
        _ => return None,
    })
}
