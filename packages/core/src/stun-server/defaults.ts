/** What the command line and the server agree on. */

/** Section 18.6 of RFC 8489. */
export const DEFAULT_STUN_PORT = 3478;
/** Enough for many hosts behind one address, too little for a flood. */
export const DEFAULT_RATE_PER_SECOND = 50;
/** About half a megabyte of answers a second, headers included; a server for a few thousand hosts needs a hundredth. */
export const DEFAULT_TOTAL_PER_SECOND = 5_000;
