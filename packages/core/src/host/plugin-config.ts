/** What the host needs to know of a configured store instance; the configuration's own type fits it. */
export interface PluginConfig {
  /** The instance's name in the configuration. */
  readonly name: string;
  readonly type: 'builtin' | 'exec' | 'shell';
  /** For builtin: a short name ("file"), a package, or an absolute path. */
  readonly module?: string;
  /** Deadline of each call, in milliseconds. */
  readonly timeoutMs: number;
  /** The instance's own keys, as the module's configSchema describes them. */
  readonly settings: Readonly<Record<string, unknown>>;
}
