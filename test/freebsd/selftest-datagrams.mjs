// What the self-test of the addon sends, and the filter that is to read some of it.

const PORT = 51999;

/** STUN responses to port 51999 on Ethernet, as the product assembles them (little-endian; a unit test holds the two together). */
export const PROGRAM = [
  '280000000c0000001500180000810000280000000c00000015000d00dd8600001500002e000800002800000014000000',
  '45002c00ff3f000030000000170000001500002a11000000b10000000e0000004800000010000000150000271fcb0000',
  '400000001a0000001500002542a412214800000016000000150022000101000015002122110100003000000014000000',
  '150000201100000028000000380000001500001e1fcb000020000000420000001500001c42a41221280000003e000000',
  '15001900010100001500181911010000280000001000000015000d00dd86000015000016000800002800000018000000',
  '45001400ff3f0000300000001b0000001500001211000000b10000001200000048000000140000001500000f1fcb0000',
  '400000001e0000001500000d42a41221480000001a00000015000a00010100001500090a110100003000000018000000',
  '1500000811000000280000003c000000150000061fcb000020000000460000001500000442a412212800000042000000',
  '1500010001010000150000011101000006000000ffff00000600000000000000',
].join('');

/** A STUN success response; the transaction id tells the frames apart. */
function stun(type, id) {
  const message = Buffer.alloc(20, id);
  message.writeUInt16BE(type, 0);
  message.writeUInt16BE(0, 2);
  message.writeUInt32BE(0x2112a442, 4);
  return message;
}

/** What is sent, and which of it is to be read. */
export const DATAGRAMS = [
  { what: 'success', port: PORT, bytes: stun(0x0101, 0xa1), read: true },
  { what: 'error', port: PORT, bytes: stun(0x0111, 0xa2), read: true },
  { what: 'request', port: PORT, bytes: stun(0x0001, 0xb1), read: false },
  { what: 'other port', port: PORT + 1, bytes: stun(0x0101, 0xb2), read: false },
  {
    what: 'WireGuard',
    port: PORT,
    bytes: Buffer.concat([Buffer.from([4, 0, 0, 0]), stun(0, 0xb3).subarray(4)]),
    read: false,
  },
  { what: 'one byte', port: PORT, bytes: Buffer.alloc(1), read: false },
];
