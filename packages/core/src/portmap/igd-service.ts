/** Finds the service of the router that maps ports by UPnP, and calls it: nothing outside of the router is ever asked (F55). */
import { formatAddress, parseAddress } from '../net/index.js';
import { type HttpLocation, parseHttpLocation } from './codec/http-location.js';
import { type IgdService, parseIgdDescription } from './codec/igd-description.js';
import { formatSoapCall, parseSoapAnswer, type SoapAnswer } from './codec/soap.js';
import { formatSsdpSearch, GATEWAY_TYPES, parseSsdpAnswer, SSDP_PORT } from './codec/ssdp.js';
import { exchange } from './exchange.js';
import type { Gateway } from './gateway.js';
import { exchangeHttp } from './http-exchange.js';
import type { Missing } from './mapping.js';

const SEARCH = { sendAtMs: [0], waitMs: 1_500 } as const;

/** `absent`: the router is no such device, or says nothing of use. */
export async function findIgdService(gateway: Gateway, signal: AbortSignal): Promise<IgdService | Missing> {
  const found = await exchange<HttpLocation>(gateway, {
    port: SSDP_PORT,
    messages: GATEWAY_TYPES.map((type) => formatSsdpSearch(gateway.address, type)),
    ...SEARCH,
    signal,
    read(message) {
      const answer = parseSsdpAnswer(message);
      const location = answer && parseHttpLocation(answer.location);
      if (location?.host === gateway.address) return location;
      gateway.note(
        answer
          ? `a UPnP answer whose description is elsewhere (${location?.host ?? 'not plain HTTP at an address'})`
          : 'a datagram on the SSDP port that is no answer of a gateway device',
      );
      return undefined;
    },
  });
  if (typeof found === 'string') return found;
  const page = await exchangeHttp(gateway, found, undefined, signal);
  if (typeof page === 'string') return page;
  const services = page.status === 200 ? parseIgdDescription(page.body, found) : undefined;
  const own = services?.find(({ control }) => control.host === gateway.address);
  if (!own) {
    const elsewhere = services?.[0]?.control.host;
    if (elsewhere !== undefined) gateway.note(`a UPnP description whose control address is elsewhere (${elsewhere})`);
    return 'absent';
  }
  return own;
}

/** `absent`: what came back is no answer to that. */
export async function callIgd(
  gateway: Gateway,
  { type, control }: IgdService,
  action: string,
  values: readonly (readonly [string, string | number])[],
  signal: AbortSignal,
): Promise<SoapAnswer | Missing> {
  const answer = await exchangeHttp(gateway, control, formatSoapCall({ service: type, action, values }), signal);
  if (typeof answer === 'string') return answer;
  // UPnP Device Architecture 1.1 section 3.2: a fault has status 500.
  const parsed = answer.status === 200 || answer.status === 500 ? parseSoapAnswer(answer.body, action) : undefined;
  return parsed ?? 'absent';
}

/** A port in an answer; 0: there is none. */
export function portIn(values: ReadonlyMap<string, string>, name: string): number {
  const text = values.get(name) ?? '';
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : 0;
}

/** An address in an answer, canonical; "": there is none. */
export function addressIn(values: ReadonlyMap<string, string>, name: string): string {
  const bytes = parseAddress(values.get(name) ?? '');
  return bytes ? formatAddress(bytes) : '';
}
