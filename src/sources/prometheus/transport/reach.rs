//! Decides which addresses a connection may lead to. Owns the list of what is never reached and the resolver that applies it at the
//! moment of connecting; names and literals are checked before. What a proxy connects to, only the proxy can check.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::super::connection::Reach;

/// Addresses behind which clouds keep their metadata and credentials, outside the link-local ranges.
/// Sources: the metadata services' own documentation (Alibaba Cloud, Azure, Oracle Cloud, Google Cloud, AWS).
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
];

/// An address that must not be reached, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// By its kind.
    #[error("{address} is {kind}")]
    Address {
        /// The address.
        address: IpAddr,
        /// What it is.
        kind: Kind,
    },
    /// By its name.
    #[error("{0} is not among the hosts that may be asked")]
    NotAllowed(String),
    /// No host.
    #[error("it names no host")]
    NoHost,
}

/// Kinds of addresses that are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// Known services of clouds elsewhere.
    Metadata,
    /// Groups of hosts.
    Multicast,
    /// No host, or this one: 0.0.0.0/8 and `::`.
    Unspecified,
    /// 240.0.0.0/4, broadcast included.
    Reserved,
    /// This machine.
    Loopback,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkLocal => "a link-local address, where clouds keep their metadata",
            Self::Metadata => "an address where a cloud keeps its metadata",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "an unspecified address, which leads to this machine",
            Self::Reserved => "a broadcast or reserved address",
            Self::Loopback => "a loopback address, which leads to Flyball's own pod",
        })
    }
}

/// Applies a [`Reach`]. As a resolver it gives out only addresses that may be reached.
#[derive(Debug, Clone)]
pub(super) struct Guard(Reach);

impl Guard {
    pub(super) fn new(reach: &Reach) -> Self {
        Self(reach.clone())
    }

    /// Checks what can be known of `url` before its name is resolved.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), Refused> {
        let host = url.host().ok_or(Refused::NoHost)?;
        let text = host.to_string();
        if let Some(allowed) = &self.0.allowed_hosts
            && !allowed.iter().any(|pattern| matches(pattern, &text))
        {
            return Err(Refused::NotAllowed(text));
        }
        match host {
            Host::Ipv4(address) => self.check(address.into()),
            Host::Ipv6(address) => self.check(address.into()),
            Host::Domain(_) => Ok(()),
        }
    }

    /// Checks one address, and what is embedded in it.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let refuse = |kind| Err(Refused::Address { address, kind });
        let embedded = embedded(address).into_iter().flatten().map(IpAddr::V4);
        for inner in std::iter::once(address).chain(embedded) {
            match kind(inner) {
                Some(Kind::Loopback) if self.0.loopback => {}
                Some(kind) => return refuse(kind),
                None => {}
            }
        }
        Ok(())
    }

    /// Of `addresses` those that may be reached; an error if there are some, but none of them may.
    fn permit(&self, addresses: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let mut permitted = Vec::new();
        let mut refused = None;
        for address in addresses {
            match self.check(address.ip()) {
                Ok(()) => permitted.push(address),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(why) if permitted.is_empty() => Err(why),
            _ => Ok(permitted),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            // The port is the connector's matter: it replaces 0.
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted = guard.permit(addresses)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// Whether `host` is the one that `pattern` names, or lies below `*.suffix`. Case and a final dot do not count.
fn matches(pattern: &str, host: &str) -> bool {
    let plain = |text: &str| text.trim().trim_end_matches('.').to_ascii_lowercase();
    let (pattern, host) = (plain(pattern), plain(host));
    match pattern.strip_prefix("*.") {
        Some(suffix) => host.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => !pattern.is_empty() && (pattern == host || format!("[{pattern}]") == host),
    }
}

fn kind(address: IpAddr) -> Option<Kind> {
    if METADATA.contains(&address) {
        return Some(Kind::Metadata);
    }
    match address {
        IpAddr::V4(v4) if v4.is_link_local() => Some(Kind::LinkLocal),
        IpAddr::V4(v4) if v4.is_loopback() => Some(Kind::Loopback),
        IpAddr::V4(v4) if v4.is_multicast() => Some(Kind::Multicast),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some(Kind::Unspecified),
        IpAddr::V4(v4) if v4.octets()[0] >= 240 => Some(Kind::Reserved),
        // All of fd00:ec2::/32 is AWS': metadata, pod identities, time.
        IpAddr::V6(v6) if v6.segments()[..2] == [0xfd00, 0xec2] => Some(Kind::Metadata),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(Kind::LinkLocal),
        IpAddr::V6(v6) if v6.is_loopback() => Some(Kind::Loopback),
        IpAddr::V6(v6) if v6.is_multicast() => Some(Kind::Multicast),
        IpAddr::V6(v6) if v6.is_unspecified() => Some(Kind::Unspecified),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// The IPv4 addresses that an IPv6 address carries within it: a gateway on the way would unwrap them.
#[allow(clippy::match_same_arms, reason = "one arm a standard")]
fn embedded(address: IpAddr) -> [Option<Ipv4Addr>; 2] {
    let IpAddr::V6(v6) = address else { return [None, None] };
    let part = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // `::` and `::1` are kinds of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        // IPv4-compatible (RFC 4291), IPv4-mapped (RFC 4291), IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            [part(high, low), None]
        }
        // NAT64, well-known (RFC 6052) and local prefixes (RFC 8215, taken as /96).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => [part(high, low), None],
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => [part(high, low), None],
        // Teredo (RFC 4380): the server, and the client with its bits turned.
        [0x2001, 0, high, low, _, _, client_high, client_low] => [part(high, low), part(!client_high, !client_low)],
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => [part(high, low), None],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests;
