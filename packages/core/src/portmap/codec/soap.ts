/** Calls of UPnP services and their answers (UPnP Device Architecture 1.1 section 3.2); pure. */
import { childOf, escapeXml, parseXml } from './xml.js';

const ENVELOPE = 'http://schemas.xmlsoap.org/soap/envelope/';
const ENCODING = 'http://schemas.xmlsoap.org/soap/encoding/';

export interface SoapCall {
  /** "urn:schemas-upnp-org:service:WANIPConnection:1" */
  readonly service: string;
  readonly action: string;
  /** In the order of the service's description, which some routers insist on. */
  readonly values: readonly (readonly [string, string | number])[];
}

export type SoapAnswer =
  | { readonly kind: 'values'; readonly values: ReadonlyMap<string, string> }
  /** Section 3.2.2: UPnP's number, 0 where there is none. */
  | { readonly kind: 'fault'; readonly code: number };

/** The value of the header SOAPAction, and the body. */
export function formatSoapCall({ service, action, values }: SoapCall): {
  readonly action: string;
  readonly body: string;
} {
  const inner = values.map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`).join('');
  const call = `<u:${action} xmlns:u="${service}">${inner}</u:${action}>`;
  return {
    action: `"${service}#${action}"`,
    body: `<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="${ENVELOPE}" s:encodingStyle="${ENCODING}"><s:Body>${call}</s:Body></s:Envelope>\r\n`,
  };
}

/** undefined: it is no answer to this action. */
export function parseSoapAnswer(text: string, action: string): SoapAnswer | undefined {
  const envelope = parseXml(text);
  const body = envelope?.name === 'Envelope' ? childOf(envelope, 'Body') : undefined;
  const fault = childOf(body, 'Fault');
  if (fault) {
    const code = childOf(childOf(childOf(fault, 'detail'), 'UPnPError'), 'errorCode')?.text ?? '';
    return { kind: 'fault', code: /^\d{1,4}$/.test(code) ? Number(code) : 0 };
  }
  const answer = childOf(body, `${action}Response`);
  if (!answer) return undefined;
  return { kind: 'values', values: new Map(answer.children.map(({ name, text }) => [name, text])) };
}
