//! IPv4 and IPv6 addresses and prefixes in text.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Function, long, row_kernel, string, text};
use crate::places::Places;
use crate::value::Value;

/// Bits of an IPv4 address, and of the same address mapped into IPv6.
const V4_BITS: u32 = 32;
const V6_BITS: u32 = 128;
/// Networks that RFC 1918 sets aside.
const PRIVATE: [Network; 3] = [
    Network {
        address: 0x0a00_0000,
        bits: 8,
    },
    Network {
        address: 0xac10_0000,
        bits: 12,
    },
    Network {
        address: 0xc0a8_0000,
        bits: 16,
    },
];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::bind("geo_info_from_ip_address", |_| {
        // Without a database the result is null; the binder says so.
        let places = Places::current();
        row_kernel(move |args| {
            let address = text(args, 0)?.trim().parse().ok()?;
            places.as_ref()?.of(address)
        })
    }),
    Function::rows("parse_ipv4", |a| {
        Some(Value::Long(v4(&text(a, 0)?)?.first().into()))
    }),
    Function::rows("parse_ipv4_mask", |a| {
        let network = v4(&text(a, 0)?)?.narrowed(mask(a, 1, V4_BITS)?);
        Some(Value::Long(network.first().into()))
    }),
    Function::rows("ipv4_compare", |a| compare_v4(a).map(Value::Long)),
    Function::rows("ipv4_is_match", |a| Some(Value::Bool(compare_v4(a)? == 0))),
    Function::rows("ipv4_is_in_range", |a| {
        let (address, range) = (v4(&text(a, 0)?)?, v4(&text(a, 1)?)?);
        Some(Value::Bool(range.holds(address)))
    }),
    Function::rows("ipv4_is_in_any_range", |a| {
        let address = v4(&text(a, 0)?)?;
        let mut ranges = needles(&a[1..]).filter_map(|range| v4(&range));
        Some(Value::Bool(ranges.any(|range| range.holds(address))))
    }),
    Function::rows("ipv4_is_private", |a| {
        let address = v4(&text(a, 0)?)?;
        Some(Value::Bool(
            PRIVATE.iter().any(|range| range.holds(address)),
        ))
    }),
    Function::rows("ipv4_netmask_suffix", |a| {
        Some(Value::Long(v4(&text(a, 0)?)?.bits.into()))
    }),
    Function::rows("ipv4_range_to_cidr_list", cidr_list),
    Function::rows("format_ipv4", |a| {
        string(formatted(a).map_or_else(String::new, |n| Ipv4Addr::from(n.first()).to_string()))
    }),
    Function::rows("format_ipv4_mask", |a| {
        string(formatted(a).map_or_else(String::new, |n| {
            format!("{}/{}", Ipv4Addr::from(n.first()), n.bits)
        }))
    }),
    Function::rows("has_ipv4", |a| has_any(a, is_same)),
    Function::rows("has_any_ipv4", |a| has_any(a, is_same)),
    Function::rows("has_ipv4_prefix", |a| has_any(a, is_prefix)),
    Function::rows("has_any_ipv4_prefix", |a| has_any(a, is_prefix)),
    Function::rows("parse_ipv6", |a| {
        let (address, bits) = v6(&text(a, 0)?)?;
        string(spelled(address & mask_v6(bits)))
    }),
    Function::rows("parse_ipv6_mask", |a| {
        let source = text(a, 0)?;
        let (address, bits) = v6(&source)?;
        // The prefix of an IPv4 address inside of an IPv6 one is one of IPv4.
        let bits = if source.contains('.') && bits <= V4_BITS {
            bits + V6_BITS - V4_BITS
        } else {
            bits
        };
        string(spelled(address & mask_v6(bits.min(mask(a, 1, V6_BITS)?))))
    }),
    Function::rows("ipv6_compare", |a| compare_v6(a).map(Value::Long)),
    Function::rows("ipv6_is_match", |a| Some(Value::Bool(compare_v6(a)? == 0))),
    Function::rows("ipv6_is_in_range", |a| {
        Some(Value::Bool(in_range_v6(&text(a, 0)?, &text(a, 1)?)?))
    }),
    Function::rows("ipv6_is_in_any_range", |a| {
        let address = text(a, 0)?;
        v6(&address)?;
        let any = needles(&a[1..]).any(|range| in_range_v6(&address, &range) == Some(true));
        Some(Value::Bool(any))
    }),
];

/// An IPv4 prefix.
#[derive(Clone, Copy)]
struct Network {
    address: u32,
    bits: u32,
}

impl Network {
    const fn first(self) -> u32 {
        match u32::MAX.checked_shl(V4_BITS - self.bits) {
            Some(mask) => self.address & mask,
            None => 0,
        }
    }

    fn narrowed(self, bits: u32) -> Self {
        Self {
            bits: self.bits.min(bits),
            ..self
        }
    }

    /// Whether the address (or all of the prefix) lies inside.
    fn holds(self, other: Self) -> bool {
        self.bits <= other.bits && self.first() == other.narrowed(self.bits).first()
    }
}

fn v4(text: &str) -> Option<Network> {
    let (address, bits) = prefix(text.trim(), V4_BITS)?;
    let address: Ipv4Addr = address.parse().ok()?;
    Some(Network {
        address: address.into(),
        bits,
    })
}

/// Address and prefix length; an IPv4 address counts as mapped (RFC 4291, 2.5.5.2).
pub(crate) fn v6(text: &str) -> Option<(u128, u32)> {
    if let Some(network) = v4(text) {
        let mapped = Ipv4Addr::from(network.address).to_ipv6_mapped();
        return Some((mapped.into(), network.bits + V6_BITS - V4_BITS));
    }
    let (address, bits) = prefix(text.trim(), V6_BITS)?;
    let address: Ipv6Addr = address.parse().ok()?;
    Some((address.into(), bits))
}

fn prefix(text: &str, most: u32) -> Option<(&str, u32)> {
    match text.split_once('/') {
        None => Some((text, most)),
        Some((address, bits)) => {
            let bits = bits.parse().ok().filter(|bits| *bits <= most)?;
            Some((address, bits))
        }
    }
}

/// A prefix length given as an argument; null when out of range.
fn mask(args: &[Value], index: usize, most: u32) -> Option<u32> {
    match args.get(index) {
        None => Some(most),
        Some(_) => u32::try_from(long(args, index)?)
            .ok()
            .filter(|bits| *bits <= most),
    }
}

pub(crate) const fn mask_v6(bits: u32) -> u128 {
    match u128::MAX.checked_shl(V6_BITS - bits) {
        Some(mask) => mask,
        None => 0,
    }
}

fn compare_v4(args: &[Value]) -> Option<i64> {
    let (left, right) = (v4(&text(args, 0)?)?, v4(&text(args, 1)?)?);
    let bits = mask(args, 2, V4_BITS)?.min(left.bits).min(right.bits);
    let order = left
        .narrowed(bits)
        .first()
        .cmp(&right.narrowed(bits).first());
    Some(order as i64)
}

fn compare_v6(args: &[Value]) -> Option<i64> {
    let (left, left_bits) = v6(&text(args, 0)?)?;
    let (right, right_bits) = v6(&text(args, 1)?)?;
    let both_v4 = v4(&text(args, 0)?).is_some() && v4(&text(args, 1)?).is_some();
    let given = mask(args, 2, V6_BITS)?;
    // Between two IPv4 addresses a short prefix is one of IPv4.
    let given = if both_v4 && given <= V4_BITS && args.len() > 2 {
        given + V6_BITS - V4_BITS
    } else {
        given
    };
    let mask = mask_v6(given.min(left_bits).min(right_bits));
    Some((left & mask).cmp(&(right & mask)) as i64)
}

fn in_range_v6(address: &str, range: &str) -> Option<bool> {
    let (address, own) = v6(address)?;
    let (range, bits) = v6(range)?;
    Some(bits <= own && address & mask_v6(bits) == range & mask_v6(bits))
}

/// All eight groups, four digits each.
fn spelled(address: u128) -> String {
    let groups = Ipv6Addr::from(address).segments();
    groups.map(|group| format!("{group:04x}")).join(":")
}

fn formatted(args: &[Value]) -> Option<Network> {
    let network = match &args[0] {
        Value::Int(_) | Value::Long(_) => Network {
            address: u32::try_from(args[0].as_i64()?).ok()?,
            bits: V4_BITS,
        },
        other => v4(&other.to_text())?,
    };
    Some(network.narrowed(mask(args, 1, V4_BITS)?))
}

/// The fewest prefixes that make up a range of addresses, both ends included.
fn cidr_list(args: &[Value]) -> Option<Value> {
    let (first, last) = (v4(&text(args, 0)?)?.address, v4(&text(args, 1)?)?.address);
    let (mut next, end) = (u64::from(first), u64::from(last));
    let mut out = Vec::new();
    while next <= end {
        let aligned = if next == 0 {
            V4_BITS
        } else {
            next.trailing_zeros().min(V4_BITS)
        };
        let room = (end - next + 1).ilog2();
        let size = aligned.min(room);
        let address = Ipv4Addr::from(u32::try_from(next).ok()?);
        out.push(Value::string(format!("{address}/{}", V4_BITS - size)));
        next += 1 << size;
    }
    Some(Value::array(out))
}

/// Texts of the arguments; arrays give their items.
fn needles(args: &[Value]) -> impl Iterator<Item = std::sync::Arc<str>> {
    args.iter().flat_map(|arg| {
        let single = std::slice::from_ref(arg);
        arg.as_array().unwrap_or(single).iter().map(Value::to_text)
    })
}

/// Whether the text holds an address, set off from letters and digits, that one of the needles
/// means.
fn has_any(args: &[Value], means: fn(&str, &str) -> bool) -> Option<Value> {
    let source = text(args, 0)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let needles: Vec<_> = needles(args.get(1..)?).collect();
    let found = source
        .split(|c| !is_part(c))
        .filter(|word| word.parse::<Ipv4Addr>().is_ok())
        .any(|word| needles.iter().any(|needle| means(word, needle)));
    Some(Value::Bool(found))
}

fn is_same(word: &str, needle: &str) -> bool {
    word == needle
}

/// A prefix ends with a dot, or is a whole address.
fn is_prefix(word: &str, needle: &str) -> bool {
    word == needle || (needle.ends_with('.') && word.starts_with(needle))
}
