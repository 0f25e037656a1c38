// What the STUN server of the test answers.

const COOKIE = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const XOR_MAPPED_ADDRESS = 0x0020;
const HEADER_BYTES = 20;

/** The answer to a datagram (RFC 8489 sections 5 and 14.2); undefined: it is no binding request. */
export function answerTo(request, { address, port }) {
  if (request.length < HEADER_BYTES || request.readUInt16BE(0) !== BINDING_REQUEST) return undefined;
  if (request.readUInt32BE(4) !== COOKIE || request.readUInt16BE(2) !== request.length - HEADER_BYTES) return undefined;
  const four = address.split('.').map(Number);
  if (four.length !== 4) return undefined;
  const answer = Buffer.alloc(HEADER_BYTES + 12);
  answer.writeUInt16BE(BINDING_SUCCESS, 0);
  answer.writeUInt16BE(12, 2);
  request.copy(answer, 4, 4, HEADER_BYTES);
  answer.writeUInt16BE(XOR_MAPPED_ADDRESS, 20);
  answer.writeUInt16BE(8, 22);
  answer.writeUInt8(1, 25);
  answer.writeUInt16BE(port ^ (COOKIE >>> 16), 26);
  answer.writeUInt32BE((Buffer.from(four).readUInt32BE(0) ^ COOKIE) >>> 0, 28);
  return answer;
}
