/** A family that breaks on the way: what sides send each other is lost in silence, servers still answer. */
import { type Lab, must } from '../index.js';

/** Hands back what mends it. */
export async function cutFamily(lab: Lab, family: 4 | 6): Promise<() => Promise<void>> {
  const name = `cut${family}`;
  const [onSegment, routed] = family === 4 ? ['ip', 'ipv4'] : ['ip6', 'ipv6'];
  const chain = (rule: string) =>
    `{ chain through { type filter hook forward priority -10; policy accept; ${rule} drop; }; }`;
  const input = `table bridge ${name} ${chain(`ether type ${onSegment}`)}
table inet ${name} ${chain(`meta nfproto ${routed}`)}
`;
  await must(lab.publicNamespace, ['nft', '-f', '-'], { input });
  return async () => {
    const mend = `delete table bridge ${name}\ndelete table inet ${name}\n`;
    await must(lab.publicNamespace, ['nft', '-f', '-'], { input: mend });
  };
}
