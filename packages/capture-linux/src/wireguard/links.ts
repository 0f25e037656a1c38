/** Which links are the kernel's WireGuard devices (rtnetlink(7), IFLA_LINKINFO); pure. */
import { MESSAGE, type NetlinkMessage, parseAttributes, parseLink } from '@stunmesh/core/capture-kit';
import { FAMILY_NAME } from './layout.js';

const LINK_HEADER_BYTES = 16;
const LINK_INFO = 18;
const INFO_KIND = 1;

/** Names of WireGuard's devices among the answers to a dump of links. */
export function wireGuardLinks(answer: readonly NetlinkMessage[]): readonly string[] {
  return answer.flatMap(({ type, body }) => {
    const name = type === MESSAGE.newLink ? parseLink(body)?.name : undefined;
    return name !== undefined && kindOf(body) === FAMILY_NAME ? [name] : [];
  });
}

function kindOf(body: Uint8Array): string | undefined {
  const info = parseAttributes(body, LINK_HEADER_BYTES).get(LINK_INFO);
  const kind = info && parseAttributes(info, 0).get(INFO_KIND);
  return kind && Buffer.from(kind).toString('utf8').replace(/\0.*$/s, '');
}
