// What the self-test of the addon sends, and the filter that is to read some of it.

const PORT = 51999;

/** STUN responses to port 51999 on Ethernet, as the product assembles them (little-endian; a unit test holds the two together). */
export const PROGRAM = [
  '280000000c00000015000d0000810000280000000c00000015000700dd86000015000021000800002800000014000000',
  '45001f00ff3f000030000000170000001500001d11000000b10000000e00000005000000130000003000000014000000',
  '15000019110000000100000028000000050000000f000000280000001000000015000a00dd8600001500001400080000',
  '280000001800000045001200ff3f0000300000001b0000001500001011000000b1000000120000008700000000000000',
  '04000000040000000700000000000000050000000300000030000000180000001500000911000000010000002c000000',
  '4800000010000000150000061fcb0000400000001a0000001500000442a4122148000000160000001500010001010000',
  '150000011101000006000000ffff00000600000000000000',
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
