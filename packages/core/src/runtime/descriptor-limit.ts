/** What to do where nothing can be opened any more (EMFILE, ENFILE): to be told wherever that is met, as it is never the file's fault. */

/** Undefined: it failed for another reason. Imports nothing: it has to work where no module can be loaded. */
export function tooManyFiles(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  if (code === 'EMFILE')
    return 'this process has as many files and sockets open as it may (EMFILE); give it more: LimitNOFILE=4096 in the systemd unit, or "ulimit -n 4096" before it is started';
  if (code === 'ENFILE')
    return 'this system has as many files and sockets open as it may (ENFILE); see what holds them, or raise the sysctl fs.file-max (kern.maxfiles)';
  return cause === undefined ? undefined : tooManyFiles(cause);
}
