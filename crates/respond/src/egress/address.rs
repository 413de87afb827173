//! What kind of place an address is.
//!
//! Ranges are those of the IANA special-purpose registries (RFC 6890 and its updates). An IPv4
//! address inside an IPv6 one (mapped, 6to4, NAT64) is judged as what it leads to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The internet.
    Public,
    /// This machine or a private network: only if listed.
    Local(&'static str),
    /// Nowhere that response has business: never.
    Never(&'static str),
}

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        match (self.address, unwrap(address)) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

/// What kind of place an address is.
#[must_use]
pub fn reach_of(address: IpAddr) -> Reach {
    match unwrap(address) {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// The IPv4 address inside an IPv6 one, if there is one.
fn unwrap(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let s = v6.segments();
    let pair = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // Mapped (::ffff:a.b.c.d), and the deprecated compatible form (::a.b.c.d).
        [0, 0, 0, 0, 0, 0xffff, high, low] => pair(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => pair(high, low),
        // Translated (::ffff:0:a.b.c.d, RFC 6145) and ISATAP's interface identifiers (RFC 5214).
        [0, 0, 0, 0, 0xffff, 0, high, low] => pair(high, low),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => pair(high, low),
        // NAT64 (64:ff9b::/96) and 6to4 (2002:a.b.c.d::/48).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => pair(high, low),
        [0x2002, high, low, ..] => pair(high, low),
        _ => address,
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, d] = address.octets();
    match (a, b, c, d) {
        (169, 254, ..) => Reach::Never("a link-local or metadata address"),
        (100, 100, 100, 200) | (192, 0, 0, 192) => Reach::Never("a metadata address"),
        (0, ..) => Reach::Never("an unspecified address"),
        (224..=255, ..) => Reach::Never("a multicast, reserved or broadcast address"),
        (192, 0, 0 | 2, _) | (198, 51, 100, _) | (203, 0, 113, _) => {
            Reach::Never("an address for documentation or protocols")
        }
        (127, ..) => Reach::Local("a loopback address"),
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) | (198, 18..=19, ..) => {
            Reach::Local("a private address")
        }
        (100, 64..=127, ..) => Reach::Local("a carrier's private address"),
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let s = address.segments();
    match s {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Local("a loopback address"),
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never("an unspecified address"),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
            Reach::Never("a metadata address")
        }
        [0xfe80..=0xfebf, ..] => Reach::Never("a link-local address"),
        [0xff00..=0xffff, ..] => Reach::Never("a multicast address"),
        [0x2001, 0xdb8, ..] | [0x100, 0, 0, 0, ..] | [0x3fff, 0..=0xfff, ..] => {
            Reach::Never("an address for documentation or discard")
        }
        [0x2001, 0, ..] => Reach::Never("a Teredo address"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Reach::Local("a private address"),
        [0x64, 0xff9b, 1, ..] => Reach::Local("a private translated address"),
        [0x2000..=0x3fff, ..] => Reach::Public,
        // What IANA has not given out leads nowhere that anybody knows.
        _ => Reach::Never("an address that is not assigned"),
    }
}
