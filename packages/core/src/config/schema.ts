/** CONFIG_SCHEMA: the one source of the configuration's keys, types, defaults, checks and reference. */
import { EXEC_PLUGIN_SCHEMA } from '../api/exec-plugin.js';
import type { FromSchema, Schema } from './schema-types.js';

export const DEFAULT_STUN_SERVER = 'stun.l.google.com:19302';

const duration = { type: 'string', format: 'duration' } as const;
const SECRET_HINT = 'Secrets can come from a file or the environment: see the plugin.';

/** The host's own keys of every plugin. */
const pluginCommon = {
  timeout: { ...duration, default: '10s', description: 'How long one call may take before it is given up.' },
  dedup: {
    type: 'boolean',
    default: false,
    description: 'Of older files; no effect: a record that did not change is written again only before it expires.',
  },
} as const;

const execPlugin = {
  ...EXEC_PLUGIN_SCHEMA,
  properties: { ...EXEC_PLUGIN_SCHEMA.properties, ...pluginCommon },
} as const;

const builtinPlugin = {
  type: 'object',
  title: 'A store module',
  additionalProperties: true,
  required: ['type', 'name'],
  properties: {
    type: { type: 'string', enum: ['builtin'], description: 'An installed module. Its further keys are its own.' },
    name: {
      type: 'string',
      minLength: 1,
      description: `X loads the package @stunmesh/store-X; a package name or an absolute path loads that. ${SECRET_HINT}`,
      'x-allowed': 'a short name (file for @stunmesh/store-file), a package, or an absolute path',
    },
    ...pluginCommon,
  },
} as const;

const plugin = { type: 'object', discriminator: { propertyName: 'type' }, oneOf: [builtinPlugin, execPlugin] } as const;

const ping = {
  type: 'object',
  additionalProperties: false,
  description: 'Watch the tunnel by ICMP echoes.',
  properties: {
    enabled: { type: 'boolean', default: false, description: 'Whether this peer is pinged.' },
    target: {
      type: 'string',
      format: 'host',
      description: 'An address or a name behind the tunnel; needed when enabled.',
    },
    interval: { ...duration, description: 'Time between two echoes. Default: ping_monitor.interval.' },
    timeout: { ...duration, description: 'When an echo is overdue. Default: ping_monitor.timeout.' },
  },
} as const;

const hardNat = {
  type: 'string',
  enum: ['off', 'predicted', 'full'],
  description:
    'What is done where one side has a NAT with another port for each destination: nothing (off), a few packets where its ports can be predicted, or a search at random too (full).',
} as const;

const peer = {
  type: 'object',
  additionalProperties: false,
  required: ['public_key', 'plugin'],
  properties: {
    public_key: { type: 'string', format: 'public-key', description: 'Base64, as wg(8) shows it.' },
    plugin: {
      type: ['array', 'string'],
      items: { type: 'string', minLength: 1 },
      minItems: 1,
      description: 'The plugin (or a list of them) that carries the records of this peer.',
      'x-allowed': 'the name of a plugin of this file, or a list of names',
    },
    protocol: {
      type: 'string',
      enum: ['ipv4', 'ipv6', 'prefer_ipv4', 'prefer_ipv6'],
      default: 'ipv4',
      description: "Which of the peer's addresses to use.",
    },
    description: { type: 'string', description: 'For people; nothing reads it.' },
    ping,
    hard_nat: hardNat,
  },
} as const;

const proxy = {
  type: 'object',
  additionalProperties: false,
  description: 'Of older files. There is no proxy: packets are captured beside WireGuard.',
  properties: {
    enabled: { type: 'boolean', description: 'false or absent.' },
    listen: { type: 'integer', minimum: 0, maximum: 65535, description: 'Accepted, without effect.' },
    fib: { type: 'integer', minimum: 0, maximum: 65535, description: 'FreeBSD: the routing table that probes use.' },
  },
} as const;

const networkInterface = {
  type: 'object',
  additionalProperties: false,
  properties: {
    protocol: {
      type: 'string',
      enum: ['ipv4', 'ipv6', 'dualstack'],
      default: 'ipv4',
      description: 'Which families are discovered and published.',
    },
    listen_interfaces: {
      type: 'array',
      items: { type: 'string', format: 'device' },
      description: 'BSD and macOS: capture on these interfaces only. Elsewhere without effect.',
    },
    listen_default_route: {
      type: 'boolean',
      default: false,
      description: 'BSD and macOS: capture on the interface of the default route only. Elsewhere without effect.',
    },
    lan: {
      type: ['boolean', 'array'],
      items: { type: 'string', format: 'prefix' },
      description:
        'Whether addresses of the local network are told to peers, and theirs tried: true on the links of this host, a list of prefixes there too. Default: true.',
      'x-allowed': 'true, false, or a list of prefixes, as [10.0.0.0/8, fd00::/8]',
    },
    advertise: {
      type: 'array',
      items: { type: 'string', format: 'host-port' },
      description:
        'Where else this host can be reached, such as a forwarded port: "host:port"; names are looked up at each refresh. The first of each family is told.',
    },
    check_listen: {
      type: 'string',
      enum: ['always', 'auto', 'unsettled'],
      default: 'always',
      description:
        'When checks of peers are listened for: always, while there is little traffic (auto), or while some peer is without a tunnel.',
    },
    hard_nat: { ...hardNat, default: 'predicted' },
    upgrade: {
      type: 'boolean',
      default: true,
      description: 'Whether a tunnel that works is moved to a better path.',
    },
    port_mapping: {
      type: ['array', 'string'],
      items: { type: 'string', enum: ['off', 'auto', 'pcp', 'nat-pmp', 'upnp'] },
      description:
        'Whether the router is asked to map a port to WireGuard, so that everybody may come in: off, auto (all protocols), or a list of them. Default: off.',
      'x-allowed': 'off, auto, or a list of pcp, nat-pmp and upnp',
    },
    peers: {
      type: 'object',
      'x-name': 'PEER',
      additionalProperties: peer,
      description: 'Peers by a name of your choice. Each must be on the device already.',
    },
    proxy,
  },
} as const;

const stunServer = { type: 'string', format: 'stun-server' } as const;

/** JSON Schema draft 7; `stunmesh config schema` prints it for editors. */
export const CONFIG_SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'stunmesh configuration',
  type: 'object',
  additionalProperties: false,
  properties: {
    refresh_interval: { ...duration, default: '10m', description: 'How often everything is published and read again.' },
    log: {
      type: 'object',
      additionalProperties: false,
      properties: {
        level: {
          type: 'string',
          enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'panic', 'disabled'],
          default: 'info',
          'x-weak': 'any-case',
          description: 'The least important lines to write; panic is the same as fatal, disabled writes none.',
        },
        format: {
          type: 'string',
          enum: ['console', 'json'],
          default: 'console',
          description: 'For people, or one JSON object a line.',
        },
      },
    },
    stun: {
      type: 'object',
      additionalProperties: false,
      properties: {
        address: { ...stunServer, deprecated: true, description: 'One server, put in front of `addresses`.' },
        addresses: {
          type: 'array',
          items: stunServer,
          description: `STUN servers, "host:port". Default: ${DEFAULT_STUN_SERVER}, with a warning.`,
        },
      },
    },
    ping_monitor: {
      type: 'object',
      additionalProperties: false,
      properties: {
        interval: { ...duration, default: '1s', description: 'Time between two echoes to a peer.' },
        timeout: { ...duration, default: '1s', description: 'When an echo is overdue.' },
        fixed_retries: {
          type: 'integer',
          minimum: 0,
          maximum: 1_000_000,
          default: 3,
          description: 'Attempts at a short interval before they grow longer.',
        },
      },
    },
    interfaces: {
      type: 'object',
      'x-name': 'NAME',
      propertyNames: { type: 'string', format: 'device' },
      additionalProperties: networkInterface,
      description: 'WireGuard devices by name.',
    },
    plugins: {
      type: 'object',
      'x-name': 'NAME',
      additionalProperties: plugin,
      description: 'Stores by a name of your choice, which peers refer to.',
    },
    capture: {
      type: 'string',
      minLength: 1,
      default: 'auto',
      description: 'The module that sends and captures packets: auto, linux, bsd, or a package.',
      'x-allowed': 'auto, linux, bsd, or the name of a package',
    },
    run_dir: {
      type: 'string',
      format: 'folder',
      description:
        'Folder of control sockets and locks. Default: /run/stunmesh; on FreeBSD and macOS /var/run/stunmesh.',
    },
    state_dir: {
      type: 'string',
      format: 'folder',
      description:
        'Folder of what must survive a restart. Default: /var/lib/stunmesh; on FreeBSD and macOS /var/db/stunmesh.',
    },
    metrics: {
      type: 'object',
      additionalProperties: false,
      properties: {
        listen: {
          type: 'string',
          format: 'listen-address',
          description:
            'Serve /metrics (for Prometheus) and /healthz by HTTP at this address and port. Default: nowhere.',
        },
        remote: {
          type: 'boolean',
          default: false,
          description: 'Whether `listen` may be another than a loopback address: whoever reaches it may read all.',
        },
        page: {
          type: 'boolean',
          default: false,
          description:
            'Whether a page for people stands at / of that address: peers, paths, what is wrong, the last 24 hours.',
        },
      },
    },
    renew: {
      type: 'boolean',
      default: true,
      description: 'Whether a peer without a session may be removed and added again to shake hands at once.',
    },
    mapping_check: {
      type: 'boolean',
      default: true,
      description:
        'Whether the public address is looked at every 30 s by one STUN packet; no store is called unless it changed.',
    },
    nat_check: {
      type: 'boolean',
      default: true,
      description:
        "Whether the NAT's behaviour is found out after a start or a network change, at most every 10 minutes, and told to peers.",
    },
  },
} as const satisfies Schema;

/** A file after coercion and validation. */
export type RawConfig = FromSchema<typeof CONFIG_SCHEMA>;
