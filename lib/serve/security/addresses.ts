import ipaddr from 'ipaddr.js';

/** What has been given out of IPv6 for the public Internet; `::127.0.0.1` and the like lie outside. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Whether an address belongs to the public Internet: not private, loopback, link-local (cloud metadata among them), multicast, reserved,
 * or an IPv6 form that stands for such an IPv4 address.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast') return false;
  // 6to4, Teredo, NAT64 and the like reach IPv4 addresses that cannot be seen from here; they are ranges of their own.
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}

/** Whom an address belongs to, as far as can be told: of IPv6 everybody is given at least 2^64 addresses. */
export function ownerOf(text: string): string {
  if (!ipaddr.isValid(text)) return text;
  const address = ipaddr.process(text);
  if (address instanceof ipaddr.IPv4) return address.toString();
  const network = address.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
