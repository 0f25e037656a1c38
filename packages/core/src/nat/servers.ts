/** The servers of an examination: which addresses are asked, what they saw, and which of them have another address. */
import { type Endpoint, hasCode, isStunmeshError, StunmeshError } from '../api/index.js';
import { parseServer, resolveServer } from '../stun/servers.js';
import type { BindingAnswer } from '../stun/transaction.js';
import { judgeAnswer, type Place } from '../stun/verdict.js';
import type { NatOptions, NatParts } from './behaviour-types.js';
import { type Ask, otherAddress } from './filtering.js';
import type { MappingObservation } from './mapping.js';

const RESOLVE_MS = 3000;
/** Three would do to find a liar among them; doctor tells of each that is configured, within reason. */
const MOST_SERVERS = 12;

interface Target {
  readonly server: string;
  readonly address: Endpoint;
}

export interface Answered extends Target {
  readonly answer: BindingAnswer;
  readonly observation: MappingObservation;
}

export interface Session {
  readonly o: NatOptions;
  readonly parts: NatParts;
  readonly ask: Ask;
  readonly own: ReadonlySet<string>;
  readonly place: Place;
  readonly signal: AbortSignal;
  readonly failures: Map<string, StunmeshError>;
}

/** One address of each server, and the others that they have. */
export async function chooseTargets({
  o,
  parts,
  own,
  signal,
  failures,
}: Session): Promise<{ readonly first: readonly Target[]; readonly further: readonly Target[] }> {
  const limit = parts.clock.deadline(RESOLVE_MS, signal);
  try {
    const found = await Promise.all(
      [...new Set(o.servers)].slice(0, MOST_SERVERS).map(async (text): Promise<readonly Target[]> => {
        const name = parseServer(text);
        try {
          if (!name) throw new StunmeshError('ERR_STUN_ADDRESS', `"${text}" is not HOST:PORT`);
          const rules = { ...o, ...parts, ownAddresses: own, signal: limit.signal };
          return (await resolveServer(name, rules)).map((address) => ({ server: text, address }));
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          const late = limit.signal.aborted && !hasCode(error, 'ERR_RESOLVE');
          failures.set(text, late ? unresolvedInTime(name?.host ?? text) : asStunmeshError(error));
          return [];
        }
      }),
    );
    return {
      first: found.flatMap((targets) => targets.slice(0, 1)),
      further: found.flatMap((targets) => targets.slice(1)),
    };
  } finally {
    limit[Symbol.dispose]();
  }
}

/** All at once; the requests leave in this order, which the steps between outer ports need. */
export async function askServers(session: Session, targets: readonly Target[]): Promise<readonly Answered[]> {
  const { place, failures, signal } = session;
  const answers = await Promise.all(
    targets.map(async (target): Promise<readonly Answered[]> => {
      try {
        const answer = await session.ask({ server: target.address });
        const { mapped, natted } = judgeAnswer(answer, place);
        // One of its addresses is enough.
        failures.delete(target.server);
        return [{ ...target, answer, observation: { ...target, mapped, natted, rttMs: answer.rttMs } }];
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        failures.set(target.server, asStunmeshError(error));
        return [];
      }
    }),
  );
  return answers.flat();
}

export interface Pair extends Answered {
  readonly other: Endpoint;
  /** Where the other address with the first port saw us, once asked. */
  readonly control?: BindingAnswer;
}

/** Servers that have another address which may be asked (F19: a server must not send us to ourselves or into the tunnel); those whose
 * other address is a stranger to the NAT first. */
export async function pairs(
  { parts, own }: Session,
  answered: readonly Answered[],
  contacted: ReadonlySet<string> = new Set(),
): Promise<readonly Pair[]> {
  const found = await Promise.all(
    answered.map(async (one): Promise<readonly Pair[]> => {
      const other = otherAddress(one.answer.message, one.address);
      if (!other || own.has(other.address) || (await parts.refuseServer?.(other.address)) !== undefined) return [];
      return [{ ...one, other }];
    }),
  );
  return found.flat().sort((a, b) => Number(contacted.has(a.other.address)) - Number(contacted.has(b.other.address)));
}

/** A dead name server is no STUN server that does not answer. */
function unresolvedInTime(host: string): StunmeshError {
  return new StunmeshError('ERR_RESOLVE', `no name server answered for ${host} in time`, { details: { host } });
}

function asStunmeshError(error: unknown): StunmeshError {
  if (isStunmeshError(error)) return error;
  return new StunmeshError('ERR_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
}
