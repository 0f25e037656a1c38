/** What every capture package does alike: loading its addon, errors, sending, echoes, sockets of other traffic, netlink's messages. */
export { doubling } from '../runtime/backoff.js';
export * from './addon.js';
export * from './datagram-socket.js';
export * from './echo-socket.js';
export * from './errors.js';
export * from './netlink-messages.js';
export * from './sockaddr.js';
export * from './system-calls.js';
export * from './tcp-connection.js';
export * from './udp-sender.js';
