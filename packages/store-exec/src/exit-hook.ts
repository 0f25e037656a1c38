/** What has to be done when this process exits, behind a single listener: Node warns about the eleventh. */

const tasks = new Set<() => void>();

const runAll = (): void => {
  for (const task of tasks) task();
};

/** Runs `task`, which is synchronous, at exit, until the returned function is called. */
export function atExit(task: () => void): () => void {
  if (tasks.size === 0) process.on('exit', runAll);
  tasks.add(task);
  return () => {
    tasks.delete(task);
    if (tasks.size === 0) process.off('exit', runAll);
  };
}
