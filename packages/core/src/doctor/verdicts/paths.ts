/** The ways to a peer, one by one: what a running daemon has seen of each, or which of its record's addresses would be tried from here. */
import type { Device } from '../../api/index.js';
import type { InterfaceConfig, PeerConfig } from '../../config/index.js';
import type { PathSnapshot } from '../../control/path-snapshot.js';
import type { PeerSnapshot } from '../../control/snapshot.js';
import { createCheckCandidates } from '../../controllers/checks/check-candidates.js';
import { formatEndpoint } from '../../net/index.js';
import { PATH_WORDS, pathKind } from '../../paths/path-words.js';
import type { RemoteCandidates } from '../../paths/remote-candidates.js';
import type { EndpointRecord } from '../../record/endpoint-record.js';
import { formatMs } from '../../runtime/terminal-text.js';
import type { DoctorContext } from '../context.js';
import { attempt } from '../context.js';
import type { Judgement } from './records.js';

/** Which addresses of a record are tried from here, and which not; undefined: its writer knows no checks, or nobody can tell. */
export async function candidatesOf(
  context: DoctorContext,
  entry: InterfaceConfig,
  config: PeerConfig,
  device: Device,
  record: EndpointRecord | undefined,
): Promise<RemoteCandidates | undefined> {
  if (!record?.c) return undefined;
  const { value: underlay } = await attempt(context.underlay(entry));
  if (!underlay) return undefined;
  const tunnels = [...(context.config?.interfaces.keys() ?? [])];
  const candidates = createCheckCandidates({
    device: { facts: device, config: entry },
    underlay,
    tunnels: () => tunnels,
  });
  return (await attempt(candidates.of({ config }, record))).value;
}

/** One line of all ways; undefined where there is nothing that its record and its endpoint do not tell already. */
export function judgePaths(
  seen: PeerSnapshot | undefined,
  candidates: RemoteCandidates | undefined,
): Judgement | undefined {
  const paths = seen?.paths ?? [];
  if (paths.length > 0) return judgeSeen(paths, seen?.path, seen?.parked === true);
  const further = candidates?.candidates.filter(({ type }) => type !== 'reflexive') ?? [];
  if (!candidates || further.length + candidates.refused.length === 0) return undefined;
  const tried = candidates.candidates.map((one) => `${formatEndpoint(one.endpoint)} (${PATH_WORDS[pathKind(one)]})`);
  const refused = candidates.refused.map(
    ({ endpoint, type, why }) =>
      `${formatEndpoint(endpoint)} (${PATH_WORDS[pathKind({ endpoint, type, lan: false })]}): ${why}`,
  );
  return {
    verdict: 'note',
    text: [
      `paths that would be tried: ${tried.length === 0 ? 'none' : tried.join(', ')}`,
      ...(refused.length === 0 ? [] : [`not tried: ${refused.join('; ')}`]),
    ].join('; '),
    details: { tried: tried.length, refused: refused.length },
  };
}

/** Who runs a router of his own can do something about it. */
const ACCEPTING = /^your router takes in/;

function judgeSeen(paths: readonly PathSnapshot[], used: PathSnapshot | undefined, parked: boolean): Judgement {
  const words = paths.map((path) => describe(path, path.endpoint === used?.endpoint));
  const valid = paths.filter(({ state }) => state === 'valid').length;
  const accepting = paths.some(({ why }) => why !== undefined && ACCEPTING.test(why));
  return {
    verdict: accepting && used === undefined ? 'warning' : 'note',
    text: `paths: ${words.join('; ')}${parked ? '; parked until one is valid' : ''}`,
    ...(accepting && used === undefined
      ? {
          remedy:
            'at the router, drop what comes from outside for the router itself (its input chain), or forward the port; else the two meet by themselves within two minutes.',
        }
      : {}),
    details: {
      valid,
      refused: paths.filter(({ state }) => state === 'refused').length,
      ...(used ? { path: used.class } : {}),
      parked,
    },
  };
}

const STATES: Readonly<Record<PathSnapshot['state'], string>> = {
  waiting: 'not asked yet',
  checking: 'being asked',
  valid: 'valid',
  failed: 'no answer',
  refused: 'not tried',
};

function describe({ endpoint, class: kind, state, rttMs, why }: PathSnapshot, used: boolean): string {
  const facts = [used ? 'in use' : STATES[state], ...(rttMs === undefined ? [] : [formatMs(rttMs)])].join(', ');
  const reason = why === undefined ? '' : state === 'failed' ? ` ${why}` : ` ${facts}: ${why}`;
  return `${endpoint} (${PATH_WORDS[kind]})${reason === '' ? ` ${facts}` : reason}`;
}
