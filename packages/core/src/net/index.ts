/** Addresses, endpoints, packet headers and BPF programs; pure. */
export * from './address.js';
export * from './endpoint.js';
