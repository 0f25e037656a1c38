/** Addresses, endpoints, packet headers and BPF programs; pure. */
export * from './address.js';
export * from './bpf.js';
export * from './checksum.js';
export * from './endpoint.js';
export * from './icmp.js';
export * from './packet-layout.js';
export * from './stun-filter.js';
export * from './stun-filter-text.js';
export * from './stun-match.js';
export * from './udp.js';
