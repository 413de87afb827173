//! How state is kept across a restart: little-endian fields in order, framed by a version and a
//! checksum in `snapshot`.
//!
//! Hand-written because a caller's state is a few hundred fixed bytes and there may be a million
//! of them: no field names, no lengths where the type knows them. A changed layout changes the
//! version, and an old snapshot is then refused: state is rebuilt, never misread.

/// Bytes that are read in order.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// A length that cannot be larger than what is left, at one byte an item.
    fn length(&mut self) -> Option<usize> {
        let length = u32::load(self)? as usize;
        (length <= self.rest.len()).then_some(length)
    }
}

/// Something that survives a restart.
pub(crate) trait Stored: Sized {
    fn store(&self, out: &mut Vec<u8>);
    fn load(from: &mut Input<'_>) -> Option<Self>;
}

macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl Stored for $ty {
            fn store(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn load(from: &mut Input<'_>) -> Option<Self> {
                let bytes = from.take(size_of::<$ty>())?;
                Some(<$ty>::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}

numbers!(u8, i8, u16, u32, i32, u64, i64, f32, f64);

impl Stored for bool {
    fn store(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn load(from: &mut Input<'_>) -> Option<Self> {
        match u8::load(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn store(&self, out: &mut Vec<u8>) {
        self.0.store(out);
        self.1.store(out);
    }

    fn load(from: &mut Input<'_>) -> Option<Self> {
        Some((A::load(from)?, B::load(from)?))
    }
}

impl<T: Stored + Copy + Default, const N: usize> Stored for [T; N] {
    fn store(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|item| item.store(out));
    }

    fn load(from: &mut Input<'_>) -> Option<Self> {
        let mut items = [T::default(); N];
        for item in &mut items {
            *item = T::load(from)?;
        }
        Some(items)
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn store(&self, out: &mut Vec<u8>) {
        (u32::try_from(self.len()).unwrap_or(u32::MAX)).store(out);
        self.iter().for_each(|item| item.store(out));
    }

    fn load(from: &mut Input<'_>) -> Option<Self> {
        let length = from.length()?;
        (0..length).map(|_| T::load(from)).collect()
    }
}

impl Stored for Box<str> {
    fn store(&self, out: &mut Vec<u8>) {
        (u32::try_from(self.len()).unwrap_or(u32::MAX)).store(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn load(from: &mut Input<'_>) -> Option<Self> {
        let length = from.length()?;
        let text = std::str::from_utf8(from.take(length)?).ok()?;
        Some(text.into())
    }
}

/// Stores the named fields of a struct in that order.
macro_rules! stored {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::stored::Stored for $name {
            fn store(&self, out: &mut Vec<u8>) {
                $($crate::stored::Stored::store(&self.$field, out);)*
            }

            fn load(from: &mut $crate::stored::Input<'_>) -> Option<Self> {
                Some(Self { $($field: $crate::stored::Stored::load(from)?),* })
            }
        }
    };
}

/// The same for a struct over an array whose length is a parameter.
macro_rules! stored_array {
    ($name:ident, $field:ident) => {
        impl<const N: usize> $crate::stored::Stored for $name<N> {
            fn store(&self, out: &mut Vec<u8>) {
                $crate::stored::Stored::store(&self.$field, out);
            }

            fn load(from: &mut $crate::stored::Input<'_>) -> Option<Self> {
                Some(Self {
                    $field: $crate::stored::Stored::load(from)?,
                })
            }
        }
    };
}

pub(crate) use {stored, stored_array};
