/** What an Internet Gateway Device says of its services: which one maps ports, and where it is asked (UPnP Device Architecture 1.1 section 2.3, WANIPConnection 1 and 2); pure. */
import { type HttpLocation, parseHttpLocation, resolveHttpLocation } from './http-location.js';
import { childOf, parseXml, type XmlElement } from './xml.js';

/** The better first. */
const SERVICES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const;
export type IgdServiceType = (typeof SERVICES)[number];

export interface IgdService {
  readonly type: IgdServiceType;
  readonly control: HttpLocation;
}

/** Services that map ports, the best first; undefined: it is no description. Their hosts are as the router says. */
export function parseIgdDescription(text: string, at: HttpLocation): readonly IgdService[] | undefined {
  const root = parseXml(text);
  const device = root?.name === 'root' ? childOf(root, 'device') : undefined;
  if (!device) return undefined;
  const told = childOf(root, 'URLBase')?.text;
  const base = told ? parseHttpLocation(told) : at;
  if (!base) return undefined;
  const found = servicesOf(device).flatMap((service): readonly IgdService[] => {
    const type = SERVICES.find((known) => known === childOf(service, 'serviceType')?.text);
    const control = resolveHttpLocation(base, childOf(service, 'controlURL')?.text ?? '');
    return type && control ? [{ type, control }] : [];
  });
  return found.toSorted((a, b) => SERVICES.indexOf(a.type) - SERVICES.indexOf(b.type));
}

/** Of a device and those inside it; the reader bounds how deep. */
function servicesOf(device: XmlElement): readonly XmlElement[] {
  const own = childOf(device, 'serviceList')?.children.filter(({ name }) => name === 'service') ?? [];
  const inner = childOf(device, 'deviceList')?.children.filter(({ name }) => name === 'device') ?? [];
  return [...own, ...inner.flatMap(servicesOf)];
}
