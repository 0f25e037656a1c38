/** SSDP, HTTP, XML, descriptions and SOAP as texts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHttpLocation, resolveHttpLocation } from '#src/portmap/codec/http-location.js';
import { createHttpReader, formatHttpRequest, type HttpAnswer } from '#src/portmap/codec/http-message.js';
import { parseIgdDescription } from '#src/portmap/codec/igd-description.js';
import { formatSoapCall, parseSoapAnswer } from '#src/portmap/codec/soap.js';
import { formatSsdpSearch, GATEWAY_TYPES, parseSsdpAnswer } from '#src/portmap/codec/ssdp.js';
import { parseXml } from '#src/portmap/codec/xml.js';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'));
const BASE = { host: '192.168.1.1', port: 5000, path: '/a/rootDesc.xml' };

test('SSDP: a unicast search, and the answer of a gateway device alone', () => {
  const search = Buffer.from(formatSsdpSearch('192.168.1.1', GATEWAY_TYPES[0])).toString();
  assert.match(search, /^M-SEARCH \* HTTP\/1\.1\r\nHOST: 192\.168\.1\.1:1900\r\n[\s\S]*\r\n\r\n$/);
  const answer = (st: string, first = 'HTTP/1.1 200 OK') =>
    bytes(`${first}\r\nST: ${st}\r\nlocation:  http://192.168.1.1:5000/d.xml \r\n\r\n`);
  assert.deepEqual(parseSsdpAnswer(answer(GATEWAY_TYPES[1])), { location: 'http://192.168.1.1:5000/d.xml' });
  assert.equal(parseSsdpAnswer(answer('upnp:rootdevice')), undefined);
  assert.equal(parseSsdpAnswer(answer(GATEWAY_TYPES[0], 'NOTIFY * HTTP/1.1')), undefined);
  assert.equal(parseSsdpAnswer(bytes(`HTTP/1.1 200 OK\r\nST: ${GATEWAY_TYPES[0]}\r\n\r\n`)), undefined);
  assert.equal(parseSsdpAnswer(new Uint8Array(3_000)), undefined);
});

test('F55 locations are plain HTTP at numeric addresses, without anything that ends a line', () => {
  assert.deepEqual(parseHttpLocation('http://192.168.1.1:5000/x?y'), { host: '192.168.1.1', port: 5000, path: '/x?y' });
  assert.deepEqual(parseHttpLocation('http://[2001:DB8::1]'), { host: '2001:db8::1', port: 80, path: '/' });
  const wrong = [
    'https://192.168.1.1/',
    'http://router/',
    'http://user@192.168.1.1/',
    'http://192.168.1.1@10.0.0.1/',
    'http://192.168.1.1:0/',
    'http://192.168.1.1:65536/',
    'http://192.168.1.1/a b',
    'http://192.168.1.1/\r\nX: y',
    'http://192.168.1/',
    'http://[192.168.1.1]/',
    'http://0x7f000001/',
    'file:///etc/passwd',
    '',
    `http://192.168.1.1/${'a'.repeat(600)}`,
  ];
  for (const text of wrong) assert.equal(parseHttpLocation(text), undefined, text);
  assert.deepEqual(resolveHttpLocation(BASE, '/ctl'), { ...BASE, path: '/ctl' });
  assert.deepEqual(resolveHttpLocation(BASE, 'ctl'), { ...BASE, path: '/a/ctl' });
  assert.equal(resolveHttpLocation(BASE, 'http://127.0.0.1:22/')?.host, '127.0.0.1');
  for (const text of ['//evil/', 'ftp://192.168.1.1/', 'javascript:x', '', 'a b'])
    assert.equal(resolveHttpLocation(BASE, text), undefined, text);
});

test('XML: elements without prefixes, text, CDATA and the five entities', () => {
  const root = parseXml(
    `\ufeff<?xml version="1.0"?><!-- a <b> --><s:a x="1" y='<'>`.replace(`'<'`, `'>'`) +
      ` t&amp;&#65;&#x42; <b/><c>  <![CDATA[<&>]]> </c></s:a>\r\n\0`,
  );
  assert.deepEqual(root, {
    name: 'a',
    text: 't&AB',
    children: [
      { name: 'b', text: '', children: [] },
      { name: 'c', text: '<&>', children: [] },
    ],
  });
});

test('F55 XML: document types, foreign entities, and what is not well-formed are refused; depth and count are bounded', () => {
  const wrong = [
    '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
    '<!doctype a><a/>',
    '<a>&x;</a>',
    '<a>&amp</a>',
    '<a>&#0;</a>',
    '<a>&#x110000;</a>',
    '<a><b></a></b>',
    '<a>',
    '</a>',
    '<a/><b/>',
    'x<a/>',
    '<a/>x',
    '<a x=1/>',
    '<a x="1" y/>',
    '<a',
    '<a><!-- </a>',
    '<a></a/>',
    '< a/>',
    '<!-- -->',
    '',
    '<a>'.repeat(60) + '</a>'.repeat(60),
    `<a>${'<b/>'.repeat(5_000)}</a>`,
    `<a>${' '.repeat(70_000)}</a>`,
  ];
  for (const text of wrong) assert.equal(parseXml(text), undefined, text.slice(0, 40));
});

const service = (type: string, control: string) =>
  `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${control}</controlURL></service>`;
const description = (services: string, base = '') =>
  `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">${base}<device><serviceList>${service('Layer3Forwarding:1', '/l3')}</serviceList><deviceList><device><deviceList><device><serviceList>${services}</serviceList></device></deviceList></device></deviceList></device></root>`;

test('IGD: the services that map ports, the best first, wherever they stand', () => {
  const text = description(
    service('WANPPPConnection:1', '/ppp') + service('WANIPConnection:2', 'ip2') + service('WANIPConnection:1', '/ip1'),
  );
  assert.deepEqual(
    parseIgdDescription(text, BASE)?.map(
      ({ type, control }) => `${type.split(':').slice(-2).join(':')} ${control.path}`,
    ),
    ['WANIPConnection:2 /a/ip2', 'WANIPConnection:1 /ip1', 'WANPPPConnection:1 /ppp'],
  );
  const based = parseIgdDescription(
    description(service('WANIPConnection:1', 'c'), '<URLBase>http://10.9.9.9:1/</URLBase>'),
    BASE,
  );
  assert.deepEqual(based?.[0]?.control, { host: '10.9.9.9', port: 1, path: '/c' });
  assert.deepEqual(parseIgdDescription(description(''), BASE), []);
  for (const text of ['', '<root/>', '<html></html>', description('', '<URLBase>gopher://x</URLBase>')])
    assert.equal(parseIgdDescription(text, BASE), undefined);
});

test('SOAP: a call, its values, and faults by UPnP number', () => {
  const type = 'urn:schemas-upnp-org:service:WANIPConnection:1';
  const call = formatSoapCall({
    service: type,
    action: 'X',
    values: [
      ['NewA', 5],
      ['NewB', 'a<b&"'],
    ],
  });
  assert.equal(call.action, `"${type}#X"`);
  const [sent] = parseXml(call.body)?.children[0]?.children ?? [];
  assert.deepEqual(
    sent?.children.map(({ name, text }) => [name, text]),
    [
      ['NewA', '5'],
      ['NewB', 'a<b&"'],
    ],
  );

  const envelope = (body: string) => `<s:Envelope xmlns:s="x"><s:Body>${body}</s:Body></s:Envelope>`;
  const answer = parseSoapAnswer(envelope('<u:XResponse><NewReservedPort>20001</NewReservedPort></u:XResponse>'), 'X');
  assert.deepEqual(answer, { kind: 'values', values: new Map([['NewReservedPort', '20001']]) });
  const fault = (code: string) =>
    parseSoapAnswer(
      envelope(`<s:Fault><detail><UPnPError><errorCode>${code}</errorCode></UPnPError></detail></s:Fault>`),
      'X',
    );
  assert.deepEqual(fault('718'), { kind: 'fault', code: 718 });
  assert.deepEqual(fault('-1'), { kind: 'fault', code: 0 });
  assert.equal(parseSoapAnswer(envelope('<u:YResponse/>'), 'X'), undefined);
  assert.equal(parseSoapAnswer('<html/>', 'X'), undefined);
});

test('HTTP: requests, and answers by length, by chunks, and by the end of the connection', () => {
  assert.equal(
    Buffer.from(formatHttpRequest(BASE)).toString(),
    'GET /a/rootDesc.xml HTTP/1.1\r\nHost: 192.168.1.1:5000\r\nConnection: close\r\n\r\n',
  );
  assert.match(
    Buffer.from(formatHttpRequest(BASE, { action: '"a#b"', body: 'é' })).toString(),
    /\r\nContent-Length: 2\r\n\r\né$/,
  );
  const read = (text: string, pieces: number): HttpAnswer | 'more' | undefined => {
    const reader = createHttpReader();
    const all = bytes(text);
    for (let at = 0; at < all.length; at += pieces) {
      const result = reader.push(all.subarray(at, at + pieces));
      if (result !== 'more') return result;
    }
    return reader.end();
  };
  for (const pieces of [1, 7, 1000]) {
    const head = 'HTTP/1.1 200 OK\r\nX: y\r\n';
    assert.deepEqual(read(`${head}Content-Length: 3\r\n\r\nabc`, pieces), { status: 200, body: 'abc' });
    assert.deepEqual(read(`${head}\r\nabc`, pieces), { status: 200, body: 'abc' });
    assert.deepEqual(read(`${head}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`, pieces), {
      status: 200,
      body: 'abcde',
    });
    assert.equal(read(`${head}Content-Length: 9\r\n\r\nabc`, pieces), undefined);
    assert.equal(read(`${head}Content-Length: 70000\r\n\r\nabc`, pieces), undefined);
    assert.equal(read(`${head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, pieces), undefined);
    assert.equal(read(`${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc`, pieces), undefined);
    assert.equal(read(`${head}Transfer-Encoding: chunked\r\n\r\nffff\r\nabc\r\n0\r\n\r\n`, pieces), undefined);
    assert.equal(read('SSH-2.0-x\r\n\r\n', pieces), undefined);
  }
  assert.equal(read(`HTTP/1.1 200 OK\r\n${'x'.repeat(9_000)}`, 1000), undefined);
  assert.equal(read(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(70_000)}`, 1000), undefined);
});
