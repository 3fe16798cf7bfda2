import ipaddr from 'ipaddr.js';

/**
 * Whether an address belongs to the public Internet: not private, loopback, link-local (cloud metadata among them), multicast, reserved,
 * or an IPv6 form that stands for such an IPv4 address.
 */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.parse(text);
  if (address.range() === 'unicast') return true;
  if (address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress()) {
    return (address as ipaddr.IPv6).toIPv4Address().range() === 'unicast';
  }
  // 6to4, Teredo, NAT64 and the like reach IPv4 addresses that cannot be seen from here.
  return false;
}
