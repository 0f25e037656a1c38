/** Whether a stream of ours ends in systemd's journal (systemd.exec(5), $JOURNAL_STREAM), and what its lines begin with there. */
import { fstatSync } from 'node:fs';

/** $JOURNAL_STREAM is inherited by everything a service starts; only device and inode tell whether this very stream is the journal. */
export function isJournal(env: Readonly<Record<string, string | undefined>>, fd: number): boolean {
  const named = /^(\d+):(\d+)$/.exec(env['JOURNAL_STREAM'] ?? '');
  if (!named) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return String(dev) === named[1] && String(ino) === named[2];
  } catch {
    return false;
  }
}

/** Levels of pino as those of syslog(3), which sd-daemon(3) takes at the beginning of a line. */
const PRIORITIES: Readonly<Record<number, number>> = { 10: 7, 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };

export function journalPrefix(level: number): string {
  return `<${PRIORITIES[level] ?? 6}>`;
}
