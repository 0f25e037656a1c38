/** Every error code of stunmesh, with whether trying again can help; docs/errors.md has cause and remedy of each (a test holds both together). */

export type Retry = 'never' | 'later';

export const ERROR_CODES = {
  // run time
  ERR_USAGE: 'never',
  ERR_INTERNAL: 'never',
  ERR_DEADLINE: 'later',
  ERR_CLOSED: 'never',
  ERR_LOCKED: 'never',
  ERR_RUN_DIR: 'never',
  ERR_STATE: 'never',
  ERR_TOO_MANY_FILES: 'never',
  ERR_RESOLVE: 'later',
  ERR_CONTROL_NOT_RUNNING: 'never',
  ERR_CONTROL_DENIED: 'never',
  ERR_CONTROL_PROTOCOL: 'never',
  ERR_METRICS_LISTEN: 'later',
  // configuration
  ERR_CONFIG_NOT_FOUND: 'never',
  ERR_CONFIG_READ: 'never',
  ERR_CONFIG_WRITABLE: 'never',
  ERR_CONFIG_SYNTAX: 'never',
  ERR_CONFIG_INVALID: 'never',
  ERR_CONFIG_WRITE: 'never',
  // plugins and stores
  ERR_PLUGIN_NOT_FOUND: 'never',
  ERR_PLUGIN_INVALID: 'never',
  ERR_STORE_UNAVAILABLE: 'later',
  ERR_STORE_DENIED: 'never',
  ERR_STORE_TOO_LARGE: 'never',
  ERR_STORE_INPUT: 'never',
  ERR_STORE_INTERNAL: 'later',
  ERR_EXEC_SPAWN: 'never',
  ERR_EXEC_FAILED: 'later',
  ERR_EXEC_OUTPUT: 'later',
  // records and keys
  ERR_KEY_INVALID: 'never',
  ERR_KEY_WEAK: 'never',
  ERR_RECORD_MALFORMED: 'later',
  ERR_RECORD_UNOPENED: 'later',
  ERR_RECORD_ENDPOINT: 'later',
  ERR_RECORD_REFLECTED: 'later',
  ERR_RECORD_TOO_LARGE: 'never',
  // STUN
  ERR_STUN_NO_SERVER: 'later',
  ERR_STUN_NO_RESPONSE: 'later',
  ERR_STUN_REFUSED: 'later',
  ERR_STUN_DISAGREE: 'later',
  ERR_STUN_STAND_IN: 'later',
  ERR_STUN_BLOCKED: 'later',
  ERR_STUN_NO_ROUTE: 'later',
  ERR_STUN_SERVER: 'never',
  ERR_STUN_ADDRESS: 'later',
  // WireGuard
  ERR_TUNNEL_ONE_WAY: 'later',
  ERR_WG_NOT_FOUND: 'never',
  ERR_WG_DEVICE_NOT_FOUND: 'later',
  ERR_WG_PEER_NOT_FOUND: 'later',
  ERR_WG_PERMISSION: 'never',
  ERR_WG_PROTOCOL: 'later',
  ERR_WG_FAILED: 'later',
  // capture
  ERR_CAPTURE_PLATFORM: 'never',
  ERR_CAPTURE_ADDON: 'never',
  ERR_CAPTURE_PERMISSION: 'never',
  ERR_CAPTURE_OPEN: 'later',
  ERR_CAPTURE_INTERFACE: 'later',
  ERR_CAPTURE_REWRITTEN: 'later',
  ERR_CAPTURE_SEND: 'later',
  ERR_CAPTURE_BLOCKED: 'later',
  ERR_CAPTURE_UNREACHABLE: 'later',
  ERR_CAPTURE_LOST: 'later',
  ERR_CAPTURE_FILTER: 'never',
} as const satisfies Record<`ERR_${string}`, Retry>;

export type ErrorCode = keyof typeof ERROR_CODES;
