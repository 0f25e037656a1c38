/** Makes connections to Redis by ioredis, which is told to queue nothing and to repeat nothing: the link above does that. */
import type { Clock, Connect, StunmeshError } from '@stunmesh/core/api';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Connection } from './link.js';
import type { Address, HostPort } from './redis-url.js';
import { type Login, readLogin, readTls } from './secrets.js';
import type { Credentials, Settings } from './settings.js';
import { createSockets, type Sockets } from './sockets.js';

export interface ClientOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly connect?: Connect;
}

/** Protocol 2 is what every server and every relative of Redis speaks, and nothing here needs more. */
const FIXED = {
  protocol: 2,
  lazyConnect: true,
  enableReadyCheck: false,
  maxRetriesPerRequest: 0,
  retryStrategy: null,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  disableClientInfo: true,
  connectTimeout: 5_000,
  // A path that has died says nothing (a roaming machine's, a rebooted router's): unanswered for so long, the socket is given up.
  socketTimeout: 3_000,
} satisfies RedisOptions;

/** A text of the server that is no failure: it has no password, and was given one. */
const NEEDLESS_PASSWORD = /no password is set|without any password configured/i;

async function socketsOf({ settings, clock, connect }: ClientOptions): Promise<Sockets> {
  const tls = settings.tls && (await readTls(settings.tls));
  const { place } = settings;
  return createSockets({ clock, place, ...(tls ? { tls } : {}), ...(connect ? { connect } : {}) });
}

/** One server, logged in and answering. Rejects with what went wrong first, or with the signal's reason. */
export async function openServer(
  options: ClientOptions,
  address: Address,
  credentials: Credentials,
  db: number,
  signal: AbortSignal,
): Promise<Connection<Redis>> {
  const login = await readLogin(credentials);
  const sockets = await socketsOf(options);
  const client = new Redis({
    ...FIXED,
    ...address,
    enableOfflineQueue: false,
    Connector: sockets.Connector,
    // The sockets are ours; this only says which event means that one is ready.
    ...(options.settings.tls ? { tls: {} } : {}),
  });
  const connection = watchOver(client, sockets);
  const ready = async (): Promise<void> => {
    await client.connect();
    await greet(client, login, db);
  };
  return await orClose(connection, ready, signal);
}

/** Log in, choose the database, and see that it answers, in one round trip. ioredis would go on in database 0 after a failed SELECT. */
async function greet(client: Redis, { username, password }: Login, db: number): Promise<void> {
  const answers: Promise<unknown>[] = [];
  if (password !== undefined) {
    const auth = username === undefined ? client.auth(password) : client.auth(username, password);
    answers.push(
      auth.catch((error: Error) => {
        if (!NEEDLESS_PASSWORD.test(error.message)) throw error;
      }),
    );
  }
  if (db !== 0) answers.push(client.select(db));
  answers.push(client.ping());
  for (const answer of await Promise.allSettled(answers)) {
    if (answer.status === 'rejected') throw answer.reason;
  }
}

/** A whole Cluster; stands while any of its nodes does. */
export async function openCluster(
  options: ClientOptions,
  nodes: readonly HostPort[],
  signal: AbortSignal,
): Promise<Connection<Cluster>> {
  const login = await readLogin(options.settings.credentials);
  const sockets = await socketsOf(options);
  const client = new Cluster(
    nodes.map((node) => ({ ...node })),
    {
      lazyConnect: true,
      enableReadyCheck: false,
      clusterRetryStrategy: () => null,
      slotsRefreshTimeout: 2_000,
      maxRedirections: 8,
      // Names stay names, as certificates are made out to them.
      dnsLookup: (name, callback) => callback(null, name),
      redisOptions: {
        ...FIXED,
        ...login,
        // One node that stands still must not hold up what the others answer.
        commandTimeout: 5_000,
        Connector: sockets.Connector,
        ...(options.settings.tls ? { tls: {} } : {}),
      },
    },
  );
  const connection = watchOver(client, sockets);
  return await orClose(connection, () => client.connect(), signal);
}

interface Watched<Client> extends Connection<Client> {
  /** The first thing that ioredis complained of. */
  readonly complaint: unknown;
}

function watchOver<Client extends Redis | Cluster>(client: Client, sockets: Sockets): Watched<Client> {
  let complaint: unknown;
  let over = false;
  let closing: Promise<void> | undefined;
  // Without a listener ioredis prints errors.
  client.on('error', (error: unknown) => {
    complaint ??= error;
  });
  client.on('node error', (error: unknown) => {
    complaint ??= error;
  });
  const ended = new Promise<StunmeshError | undefined>((resolve) => {
    client.once('end', () => {
      over = true;
      resolve(sockets.excess);
    });
  });
  return {
    client,
    ended,
    get complaint() {
      return complaint;
    },
    close() {
      if (!closing && !over) client.disconnect();
      sockets[Symbol.dispose]();
      closing ??= ended.then(() => undefined);
      return closing;
    },
  };
}

async function orClose<Client>(
  connection: Watched<Client>,
  ready: () => Promise<void>,
  signal: AbortSignal,
): Promise<Connection<Client>> {
  const onAbort = (): void => void connection.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await ready();
    signal.throwIfAborted();
    return connection;
  } catch (error) {
    await connection.close();
    signal.throwIfAborted();
    throw (await connection.ended) ?? connection.complaint ?? error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
