/** The instance's own keys, as the configuration writes them. */

export interface SentinelsConfig {
  /** What the sentinels call the group. */
  readonly name: string;
  /** "host:port" each; the port may be absent (26379). */
  readonly nodes: readonly string[];
  readonly username?: string;
  readonly password?: string;
  readonly password_file?: string;
  readonly password_env?: string;
}

export interface RedisStoreConfig {
  /** One server. Exactly one of url, sentinels and cluster is given. */
  readonly url?: string;
  readonly sentinels?: SentinelsConfig;
  /** "host:port" of some nodes of a Cluster; the others are found. */
  readonly cluster?: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** Absolute, or a name in $CREDENTIALS_DIRECTORY. Read at every connection. */
  readonly password_file?: string;
  /** The name of an environment variable. */
  readonly password_env?: string;
  /** TLS for sentinels and cluster; a url says it by rediss://. */
  readonly tls?: boolean;
  /** Files in PEM form: who may sign the server's certificate; our own certificate and its key. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name in the server's certificate, where that is not the host of the address. */
  readonly servername?: string;
  readonly db?: number;
  /** Default "stunmesh:". */
  readonly prefix?: string;
  /** A duration: records vanish this long after they were last written. */
  readonly ttl?: string;
}

const text = (description: string) => ({ type: 'string', minLength: 1, description });

const PASSWORD = {
  username: text('The ACL user; without it the password is that of "default".'),
  password: text('The password. Better in a file or the environment.'),
  password_file: text('A file with the password: an absolute path, or a name in $CREDENTIALS_DIRECTORY.'),
  password_env: text('The environment variable that holds the password.'),
};

const nodes = (description: string) => ({ type: 'array', minItems: 1, items: { type: 'string' }, description });

// No pattern and no format on url: a message would quote what does not fit, password and all.
export const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    url: text('One server: redis://HOST:PORT/DB, rediss://HOST:PORT/DB, unix:///PATH.'),
    sentinels: {
      // A list of one type: an object without it would be filled in where the key is absent.
      type: ['object'],
      additionalProperties: false,
      required: ['name', 'nodes'],
      properties: {
        name: text('What the sentinels call the group.'),
        nodes: nodes('The sentinels, HOST:PORT each.'),
        ...PASSWORD,
      },
      description: 'Several servers of which sentinels choose the master.',
    },
    cluster: nodes('Some nodes of a Cluster, HOST:PORT each.'),
    ...PASSWORD,
    tls: { type: 'boolean', description: 'TLS to sentinels or cluster; for a url write rediss://.' },
    ca: text('File of the certificates that may sign the server’s.'),
    cert: text('File of our own certificate, where the server asks for one.'),
    key: text('File of the key of cert.'),
    servername: text('The name in the server’s certificate, where the address has another.'),
    db: { type: 'integer', minimum: 0, maximum: 65_535, description: 'The database, default 0.' },
    prefix: { type: 'string', description: 'Begins every key and channel, default "stunmesh:".' },
    ttl: { type: 'string', format: 'duration', description: 'Records vanish this long after they were last written.' },
  },
};
