/** Store module "cloudflare": records as TXT records of a zone at Cloudflare, in the layout that older programs share. */
import { isIP } from 'node:net';
import process from 'node:process';
import { type StoreModule, type StoreTraits, StunmeshError } from '@stunmesh/core/api';
import { createCloudflareStore, MAX_LONG_VALUE, MAX_VALUE } from './cloudflare-store.js';
import { createNames } from './names.js';
import { createTokenReader, DEFAULT_TOKEN_ENV, type TokenSource } from './token.js';

export interface CloudflareStoreConfig extends TokenSource {
  /** The zone, such as example.com. */
  readonly zone: string;
  /** Records are named KEY.SUBDOMAIN.ZONE, or KEY.ZONE where it is empty. Default empty. */
  readonly subdomain?: string;
  /** Seconds that resolvers may keep a record, 1 for the API's own choice. Default: the API's choice, and existing records keep theirs. */
  readonly ttl?: number;
  /** The API's base URL. Default https://api.cloudflare.com/client/v4. */
  readonly api?: string;
  /** Whether records are read by the API or from the zone's name servers. Default api. */
  readonly read?: 'api' | 'dns';
  /** For `read: dns`: resolvers that find the zone's name servers. Default: the system's. */
  readonly resolver?: readonly string[];
  /** For `read: dns`: name servers to ask in place of the zone's own. */
  readonly servers?: readonly string[];
}

const API = 'https://api.cloudflare.com/client/v4';

/** A read is one call of the 1,200 in five minutes that a user has. Reads get rarer with the time that a peer is waited for, so that at
 * 2 s eleven hosts may begin to wait at the same moment; more find each other all the same, as the budget makes them take turns. */
const API_TRAITS: StoreTraits = { maxValueBytes: MAX_VALUE, maxLongValue: MAX_LONG_VALUE, minPollMs: 2_000 };
/** The name servers are made for questions, and have no budget. */
const DNS_TRAITS: StoreTraits = { ...API_TRAITS, minPollMs: 1_000 };

const servers = (description: string) => ({
  type: 'array',
  minItems: 1,
  items: { type: 'string', minLength: 2 },
  description,
});

const cloudflareStoreModule: StoreModule<CloudflareStoreConfig> = {
  kind: 'store',
  apiVersion: 1,
  name: 'cloudflare',
  configSchema: {
    type: 'object',
    additionalProperties: false,
    required: ['zone'],
    properties: {
      zone: { type: 'string', minLength: 1, description: 'The zone, such as example.com.' },
      subdomain: { type: 'string', description: 'Records are named KEY.SUBDOMAIN.ZONE; KEY.ZONE where it is empty.' },
      token: { type: 'string', minLength: 1, description: 'The API token; better in a file or in the environment.' },
      token_file: {
        type: 'string',
        minLength: 1,
        description: 'A file that holds the API token, as an absolute path.',
      },
      token_env: {
        type: 'string',
        minLength: 1,
        description: `The environment variable that holds the API token, ${DEFAULT_TOKEN_ENV} where nothing is written.`,
      },
      ttl: {
        type: 'integer',
        minimum: 1,
        maximum: 86_400,
        description: 'Seconds that resolvers may keep a record: 1 for automatic, or 30 to 86400.',
      },
      api: { type: 'string', minLength: 1, description: `The base URL of the API, ${API} where nothing is written.` },
      read: { enum: ['api', 'dns'], description: "Read by the API (default), or by DNS from the zone's name servers." },
      resolver: servers("With read: dns: ADDRESS or ADDRESS:PORT of resolvers that find the zone's name servers."),
      servers: servers("With read: dns: ADDRESS or ADDRESS:PORT of servers to ask in place of the zone's own."),
    },
  },
  traits: ({ read }) => (read === 'dns' ? DNS_TRAITS : API_TRAITS),
  async open(config, { clock, logger, connect }) {
    const { zone, subdomain = '', ttl, api = API, read = 'api', resolver, servers } = config;
    if (ttl !== undefined && ttl > 1 && ttl < 30) {
      throw new StunmeshError(
        'ERR_CONFIG_INVALID',
        `ttl ${ttl} is not allowed; write 1 for automatic, or 30 to 86400`,
        {
          details: { key: 'ttl' },
        },
      );
    }
    checkServers('resolver', resolver);
    checkServers('servers', servers);
    return createCloudflareStore({
      names: createNames(zone, subdomain),
      baseUrl: checkBaseUrl(api),
      ttl,
      readToken: createTokenReader(config, process.env),
      read,
      resolver,
      servers,
      clock,
      logger,
      ...(connect ? { connect } : {}),
    });
  },
};

function checkServers(key: string, list: readonly string[] | undefined): void {
  for (const text of list ?? []) {
    const [, six, four = text, port = '53'] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
    if (isIP(six ?? four) !== 0 && Number(port) > 0 && Number(port) < 65_536) continue;
    throw new StunmeshError(
      'ERR_CONFIG_INVALID',
      `"${key}" takes addresses, such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353; "${text}" is something else`,
      { details: { key } },
    );
  }
}

/** Over plain HTTP the token would be readable on the way, so it stays on this host. */
function checkBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const local = url !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (
    url &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && local)) &&
    url.username === '' &&
    url.search === ''
  ) {
    return text.replace(/\/+$/, '');
  }
  throw new StunmeshError(
    'ERR_CONFIG_INVALID',
    `"api" is no base URL; write https://HOST/PATH (http:// only for this host), such as ${API}`,
    { details: { key: 'api' } },
  );
}

export default cloudflareStoreModule;
