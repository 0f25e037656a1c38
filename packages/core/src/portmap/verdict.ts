/** What an operator is told where no router maps a port (ERR_PORTMAP_*). */
import { StunmeshError } from '../api/index.js';
import type { Failure } from './mapping.js';

/** `gateway`: the router's address; absent: there is none on the way. undefined: it was not asked at all. */
export function portmapFault(failures: readonly Failure[], gateway?: string): StunmeshError | undefined {
  if (gateway === undefined)
    return new StunmeshError(
      'ERR_PORTMAP_NONE',
      'there is no router on the way to the STUN servers that could map a port, or the system does not tell it',
    );
  const details = { gateway };
  const say = (...kinds: readonly Failure['kind'][]): string =>
    failures.flatMap(({ kind, why }) => (kinds.includes(kind) ? [why] : [])).join('; ');
  const doubleNat = say('double-nat');
  if (doubleNat !== '')
    return new StunmeshError(
      'ERR_PORTMAP_DOUBLE_NAT',
      `a second NAT stands behind the router ${gateway}, so a port mapped there lets nobody in: ${doubleNat}`,
      { details },
    );
  const refused = say('refused');
  if (refused !== '')
    return new StunmeshError('ERR_PORTMAP_REFUSED', `the router ${gateway} maps no port: ${refused}`, { details });
  const missing = say('silent', 'absent');
  if (missing === '') return undefined;
  return new StunmeshError('ERR_PORTMAP_NONE', `the router ${gateway} maps no ports: ${missing}`, { details });
}
