/** Makes named pipes by mkfifo(1): Node has no call for it. */
import { spawn } from 'node:child_process';

/** Creates a named pipe (mode 0600) at each path. Rejects where there is no mkfifo or it fails. */
export function makeFifos(paths: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('mkfifo', ['-m', '600', ...paths], { stdio: 'ignore' });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`mkfifo exited with status ${code}`))));
  });
}
