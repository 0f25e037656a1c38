/** The page in a real browser: how soon 500 peers are there and what they weigh, what it asks for, who may read it, and names that are meant to be markup. */
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, test } from 'node:test';
import { type Chromium, missingChromium, openChromium } from './steps/chromium.js';
import { COMPLETE, loadTimes } from './steps/complete.js';
import { serveCrowd } from './steps/crowd.js';

const COMPLETE_MS = 1_000;
const MOST_BYTES = 300_000;
const skip = missingChromium();

let chromium: Chromium;
before(async () => {
  if (skip === undefined) chromium = await openChromium();
});
after(() => chromium?.[Symbol.asyncDispose]());

test('500 peers are complete within a second, in at most 300 kB, all from this address and within its policy', {
  skip,
}, async (t) => {
  await using served = await serveCrowd(500);
  const times = await loadTimes(chromium, served.url, { loads: 10, enoughMs: COMPLETE_MS });
  t.diagnostic(`complete after ${times.join(', ')} ms`);
  assert.ok(Math.min(...times) <= COMPLETE_MS, `complete after ${times.join(', ')} ms`);
  await using view = await chromium.view();
  await view.open(served.url, COMPLETE);
  const asked = [...view.requests.values()];
  assert.ok(
    asked.every(({ url }) => url.startsWith(served.url) || url.startsWith('data:')),
    JSON.stringify(asked),
  );
  assert.deepEqual(view.complaints, []);
  const plain = await Promise.all(['', 'status.json'].map((path) => plainBytes(`${served.url}${path}`)));
  const bytes = plain.reduce((sum, one) => sum + one, 0);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes, uncompressed`);
  const seen = await view.evaluate<[number, number]>(
    "[document.querySelectorAll('tr.peer').length, document.querySelectorAll('.strip').length]",
  );
  assert.deepEqual(seen, [500, 500]);
});

test('a name that is meant to be markup is shown as it is, and runs nothing', { skip }, async () => {
  const names = [
    '<img src=x onerror=document.title="owned">',
    '"><script>document.title="owned"</script>',
    '&lt;b&gt;',
    '{{alert(1)}}',
    '__proto__',
    'constructor',
  ];
  await using served = await serveCrowd(names.length, names);
  await using view = await chromium.view();
  await view.open(served.url, COMPLETE);
  const shown = await view.evaluate<string[]>(
    "[...document.querySelectorAll('.name')].map((name) => name.textContent)",
  );
  assert.deepEqual(shown.toSorted(), names.toSorted());
  for (let i = 0; i < names.length; i += 1) await view.evaluate(`document.querySelectorAll('.name')[${i}].click()`);
  await view.until(`document.querySelectorAll('.below dl').length === ${names.length}`);
  assert.equal(await view.evaluate("document.querySelectorAll('main img, main script').length"), 0);
  assert.match(await view.evaluate('document.title'), /^\(\d+\) stunmesh$/);
  assert.deepEqual(view.complaints, []);
});

test('on a phone of 360 pixels nothing is cut off at the side, and in dark and light its text is readable', {
  skip,
}, async () => {
  await using served = await serveCrowd(40);
  for (const dark of [false, true]) {
    await using view = await chromium.view({ width: 360, height: 780, dark });
    await view.open(served.url, COMPLETE);
    await view.evaluate("document.querySelector('.name').click()");
    await view.until("document.querySelector('.below figure') !== null && document.querySelector('.paths') !== null");
    assert.ok((await view.evaluate<number>('document.documentElement.scrollWidth')) <= 360);
    const poor = await view.evaluate<string[]>(POOR_CONTRAST);
    assert.deepEqual(poor, [], dark ? 'dark' : 'light');
  }
});

test('who does not see it hears headings, tables with headers, rows that open, and the past in a sentence', {
  skip,
}, async () => {
  await using served = await serveCrowd(6);
  await using view = await chromium.view();
  await view.open(served.url, COMPLETE);
  const tree = await view.accessibility();
  const named = (role: string) => tree.filter((node) => node.role === role).map(({ name }) => name);
  assert.deepEqual(named('heading').slice(0, 2), ['stunmesh', 'What is wrong']);
  assert.ok(named('heading').includes('Stores'));
  const heads = ['Peer', 'Phase', 'Path', 'Round trip', 'Last 24 hours', 'Handshake', 'Record', 'Store'];
  assert.deepEqual(
    heads.filter((head) => !named('columnheader').includes(head)),
    [],
  );
  assert.ok(named('rowheader').length >= 8);
  assert.equal(named('image').filter((name) => /in the last 24 hours|all of the last 24 hours/.test(name)).length, 6);
  assert.ok(named('button').includes('office-001'));
  assert.ok(
    tree.some(({ role }) => role === 'status') && named('searchbox')[0] === 'Find a peer by its name or address',
  );
});

test('a choice of phase and a search narrow the table; a name under another host shows no key and no address', {
  skip,
}, async () => {
  await using served = await serveCrowd(120);
  await using view = await chromium.view();
  await view.open(served.url, COMPLETE);
  const rows = () => view.evaluate<number>("document.querySelectorAll('tr.peer').length");
  await view.evaluate("document.querySelector('.chip.not-well').click()");
  assert.equal(await rows(), 5);
  await view.evaluate(
    "document.querySelector('.chip.all').click(), document.querySelector('input').value = 'HARBOUR', document.querySelector('input').dispatchEvent(new Event('input'))",
  );
  assert.equal(await rows(), 10);
  assert.match(await view.evaluate('document.body.innerText'), /198\.51\.100\.\d+:4\d{4}/);

  const body = await new Promise<string>((resolve, reject) => {
    const request = get(`${served.url}status.json`, { headers: { host: 'rebound.example' } }, (response) => {
      response.setEncoding('utf8');
      response.toArray().then((chunks) => resolve(chunks.join('')), reject);
    });
    request.on('error', reject);
  });
  assert.doesNotMatch(body, /198\.51\.100|203\.0\.113|xTIBA5rb/);
});

test('the page says so when the daemon is gone, and keeps what it saw', { skip }, async () => {
  const served = await serveCrowd(6);
  await using view = await chromium.view();
  await view.open(served.url, COMPLETE);
  await served[Symbol.asyncDispose]();
  await view.until("document.querySelector('#live').className === 'off'");
  assert.match(
    await view.evaluate("document.querySelector('#live').textContent"),
    /^the daemon does not answer since \d\d:\d\d/,
  );
  assert.equal(await view.evaluate("document.querySelectorAll('tr.peer').length"), 6);
});

async function plainBytes(url: string): Promise<number> {
  const response = await fetch(url, { headers: { 'accept-encoding': 'identity' } });
  return (await response.arrayBuffer()).byteLength;
}

/** Texts with less than 4.5 to 1 against what is behind them (WCAG 2, 1.4.3). */
const POOR_CONTRAST = `(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => { for (let e = element; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === undefined || c[3] === 1) return c; } return [255, 255, 255]; };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
    if (text === '' || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(element.tagName) || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(rgb(element instanceof SVGElement ? style.fill : style.color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(element.className + ' "' + text.slice(0, 20) + '" ' + ratio.toFixed(2));
  }
  return [...new Set(poor)];
})()`;
