/** Would the router map a port to WireGuard? It is asked for another one, which is given back at once. */
import type { PublicKey } from '../../api/index.js';
import type { InterfaceConfig, PortmapProtocol } from '../../config/index.js';
import type { PortMappingSnapshot } from '../../control/port-mapping-status.js';
import { PORTMAP_PROTOCOLS, PROTOCOL_NAMES } from '../../portmap/mapping.js';
import { createRouter } from '../../portmap/router.js';
import { portmapFault } from '../../portmap/verdict.js';
import { attempt, type DoctorContext } from '../context.js';
import { type Check, type Finding, fromError, remedyOf } from '../finding.js';

const check = 'portmap';
/** An address of no host (RFC 5737), which stands for any public one where the way out is asked for. */
const ANYWHERE = '192.0.2.1';
/** Dynamic ports (RFC 6335 section 6): none that WireGuard is likely to have. */
const FIRST_PORT = 49_152;
const PORTS = 16_384;

export const portMappingCheck: Check<DoctorContext> = {
  name: check,
  run: async (context) => (await Promise.all(context.interfaces.map((entry) => look(context, entry)))).flat(),
};

async function look(context: DoctorContext, entry: InterfaceConfig): Promise<readonly Finding[]> {
  const daemons = await context.daemons(entry.name);
  const served = daemons.flatMap(({ device }) => device?.portMapping ?? [])[0];
  // What the daemon has is not asked for a second time.
  return served && served.state !== 'asking' ? told(entry, served) : await ask(context, entry);
}

function told({ name: subject }: InterfaceConfig, { mappings, error }: PortMappingSnapshot): readonly Finding[] {
  const findings = mappings.map(
    ({ endpoint, protocol, gateway }): Finding => ({
      check,
      subject,
      verdict: 'ok',
      text: `the router ${gateway} maps ${endpoint} to WireGuard (${protocol}): everybody may come in there`,
      details: { endpoint, protocol, gateway },
    }),
  );
  if (!error) return findings;
  const { code, message: text } = error;
  return [...findings, { check, subject, verdict: 'warning', text, code, remedy: remedyOf(code) }];
}

async function ask(context: DoctorContext, entry: InterfaceConfig): Promise<readonly Finding[]> {
  const { clock, random, signal } = context.parts;
  const subject = entry.name;
  const wanted = entry.portMapping.length > 0;
  if (entry.protocol === 'ipv6') return [];
  const [{ value: underlay }, { value: nat }] = await Promise.all([
    attempt(context.underlay(entry)),
    attempt(context.nat(entry, 4)),
  ]);
  // Behind no NAT the router is somebody else's.
  if (!underlay?.opensSockets || !nat?.mapped || nat.mapping === 'none') return [];
  const router = createRouter({ underlay, clock, random, note: () => undefined });
  const { value: gateway } = await attempt(router.find(4, ANYWHERE));
  const bytes = random(34);
  const wish = {
    // Not the port that the daemon asks for.
    key: Buffer.from(bytes.subarray(0, 32)).toString('base64') as PublicKey,
    internalPort: FIRST_PORT + ((((bytes[32] ?? 0) << 8) | (bytes[33] ?? 0)) % PORTS),
    reflexive: nat.mapped,
  };
  const protocols = new Set<PortmapProtocol>(wanted ? entry.portMapping : PORTMAP_PROTOCOLS);
  const { mapping, failures } = gateway
    ? await router.map(gateway, wish, protocols, signal)
    : { mapping: undefined, failures: [] };
  if (gateway && mapping) {
    await router.release(gateway, mapping, signal);
    const name = PROTOCOL_NAMES[mapping.protocol];
    const details = { protocol: mapping.protocol, gateway: gateway.address };
    return [
      wanted
        ? { check, subject, verdict: 'ok', text: `the router ${gateway.address} maps ports by ${name}`, details }
        : {
            check,
            subject,
            verdict: 'note',
            text: `the router ${gateway.address} maps ports by ${name}: \`port_mapping: auto\` would make this NAT let everybody in`,
            remedy: `set \`port_mapping: auto\` below \`interfaces.${entry.name}\` where a pair does not connect.`,
            details,
          },
    ];
  }
  const error = portmapFault(failures, gateway?.address);
  // A router without such a thing is nothing to be told of where nobody wants it.
  if (!error || (!wanted && error.code === 'ERR_PORTMAP_NONE')) return [];
  return [{ check, subject, verdict: wanted ? 'warning' : 'note', ...fromError(error) }];
}
