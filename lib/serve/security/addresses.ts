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
