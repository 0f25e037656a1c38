import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { PacketLayoutName } from '#src/net/packet-layout.js';
import { formatStunFilter } from '#src/net/stun-filter-text.js';
import type { StunMatch } from '#src/net/stun-match.js';
import { LAYOUTS } from './link-layers.js';
import { disagreements, MATCHES, type MatchName, tableOf } from './packet-table.js';

/** Numbers of link types in capture files (pcap-linktype(7)). Raw IPv6 sockets give no IP header, which no link type has. */
const LINK_TYPES: Partial<Record<PacketLayoutName, number>> = {
  'linux-raw4': 228,
  EN10MB: 1,
  NULL: 0,
  LOOP: 108,
  PPP: 9,
  RAW: 101,
};

/** A capture file (pcap-savefile(5)) in which a packet's second is its number. */
function writePcap(linkType: number, frames: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(linkType, 20);
  const records = frames.flatMap((frame, number) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(number, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, frame];
  });
  return Buffer.concat([header, ...records]);
}

/** The numbers of the packets in a capture file that tcpdump wrote. */
function readNumbers(file: Buffer): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (let at = 24; at < file.length; at += 16 + file.readUInt32LE(at + 8)) numbers.add(file.readUInt32LE(at));
  return numbers;
}

/** For each frame whether libpcap's filter keeps it. */
function askLibpcap(linkType: number, text: string, frames: readonly Uint8Array[]): boolean[] {
  const input = writePcap(linkType, frames);
  const { status, stdout, stderr } = spawnSync('tcpdump', ['-r', '-', '-w', '-', text], { input, maxBuffer: 2 ** 26 });
  assert.equal(status, 0, stderr.toString());
  const kept = readNumbers(stdout);
  return frames.map((_, number) => kept.has(number));
}

/** libpcap compiles hundreds of tags for a second and more: all of them on one layout, elsewhere the last few. */
const ALL_TAGS_ON: PacketLayoutName = 'RAW';
const { tags } = MATCHES;
const FEW_TAGS: StunMatch = { ...tags, requests: { tags: tags.requests.tags.slice(-20) } };

const textOf = (match: MatchName, name?: PacketLayoutName): string =>
  formatStunFilter(match === 'tags' && name !== ALL_TAGS_ON ? FEW_TAGS : MATCHES[match], { tags: name === 'EN10MB' });

const skip = spawnSync('tcpdump', ['--version']).error ? 'needs tcpdump' : false;

for (const name of LAYOUTS) {
  const linkType = LINK_TYPES[name];
  if (linkType === undefined) continue;
  test(`F3 on ${name} libpcap's verdict on the filter's text is the same, packet by packet`, { skip }, (t) => {
    const table = tableOf(name);
    const frames = table.map(({ frame }) => frame);
    for (const match of Object.keys(MATCHES) as MatchName[]) {
      const verdicts = askLibpcap(linkType, textOf(match, name), frames);
      const others = table.flatMap((row, i) => {
        const differs = verdicts[i] !== row.keep.includes(match);
        if (differs === (row.differs?.matches.includes(match) ?? false)) return [];
        return [`${row.what}: ${verdicts[i] ? 'kept' : 'dropped'}`];
      });
      assert.deepEqual(others, [], `matched by ${match}`);
    }
    for (const why of new Set(table.flatMap(({ differs }) => differs?.why ?? []))) t.diagnostic(`differs: ${why}`);
  });
}

/** What libpcap makes of "any" and of interfaces whose own header says nothing: Linux's cooked captures, of both versions. */
const COOKED = [
  {
    name: 'LINUX_SLL',
    linkType: 113,
    header: (protocol: readonly number[]) => [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, ...protocol],
  },
  {
    name: 'LINUX_SLL2',
    linkType: 276,
    header: (protocol: readonly number[]) => [...protocol, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0],
  },
];

for (const { name, linkType, header } of COOKED)
  test(`F3 on ${name} libpcap's verdict on the filter's text is that of the table`, { skip }, () => {
    const table = tableOf('RAW')
      .filter(({ what }) => what.includes('as it is'))
      .map((row) => {
        const protocol = row.what.startsWith('IPv4') ? [0x08, 0x00] : [0x86, 0xdd];
        return { ...row, frame: Buffer.concat([Buffer.from(header(protocol)), row.frame]) };
      });
    assert.ok(table.length > 100);
    for (const match of Object.keys(MATCHES) as MatchName[]) {
      const frames = table.map(({ frame }) => frame);
      const verdicts = askLibpcap(linkType, textOf(match), frames);
      assert.deepEqual(disagreements(table, match, verdicts), [], `matched by ${match}`);
    }
  });
