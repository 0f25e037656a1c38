/** A mesh with the older program: names, content and comment as it reads and writes them, its quirks and its duplicates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ApiServer, TOKEN, ZONE, ZONE_ID } from './lab/api-server.js';
import { failureOf, free, nameOf, newKey, newValue, open, openStore, startApi } from './lab/open-store.js';

interface Listed {
  readonly id: string;
  readonly content: string;
}

/** Calls the API as the older program does, over plain HTTP. */
async function older(api: ApiServer, method: string, path: string, body?: object): Promise<readonly Listed[]> {
  const response = await fetch(`${api.url}/zones/${ZONE_ID}/dns_records${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return ((await response.json()) as { result: readonly Listed[] }).result;
}

/** The first record's content as it is. */
async function olderGet(api: ApiServer, key: string): Promise<string | undefined> {
  return (await older(api, 'GET', `?type=TXT&name=${nameOf(key)}`))[0]?.content;
}

/** Changes the first record's content and nothing else, or makes a record without a ttl. */
async function olderSet(api: ApiServer, key: string, content: string): Promise<void> {
  const [first] = await older(api, 'GET', `?type=TXT&name=${nameOf(key)}`);
  if (first) await older(api, 'PATCH', `/${first.id}`, { content });
  else await older(api, 'POST', '', { type: 'TXT', name: nameOf(key), content, comment: 'Stunmesh' });
}

test('what is written here the older program reads, and the other way round', async (t) => {
  const { api, store } = await open(t);
  const [ours, theirs] = [newKey(), newKey()];
  const values = [newValue(), newValue(), newValue(255), newValue(136)] as const;
  await store.set(ours, values[0], free);
  assert.equal(await olderGet(api, ours), values[0]);
  await store.set(ours, values[2], free);
  assert.equal(await olderGet(api, ours), values[2]);
  await olderSet(api, theirs, values[1]);
  assert.equal(await store.get(theirs, free), values[1]);
  await olderSet(api, theirs, values[3]);
  assert.equal(await store.get(theirs, free), values[3]);
  assert.deepEqual(
    [...api.records.values()].map(({ type, name, comment, ttl }) => ({ type, name, comment, ttl })),
    [
      { type: 'TXT', name: `${ours}.wg.${ZONE}`, comment: 'Stunmesh', ttl: 1 },
      { type: 'TXT', name: `${theirs}.wg.${ZONE}`, comment: 'Stunmesh', ttl: 1 },
    ],
  );
});

test('a record of the older program is changed in place: its comment and lifetime stay', async (t) => {
  const { api, store } = await open(t);
  const [key, value] = [newKey(), newValue()];
  const { id } = api.add(nameOf(key), newValue(), { comment: 'Created by Stunmesh', ttl: 120 });
  await store.set(key, value, free);
  const { modified_on, ...record } = api.records.get(id) ?? assert.fail('the record was replaced');
  assert.deepEqual(record, {
    id,
    type: 'TXT',
    name: nameOf(key),
    content: value,
    comment: 'Created by Stunmesh',
    ttl: 120,
  });
  assert.ok(modified_on);
});

test('without a subdomain a record is KEY.ZONE, and names of other depth are left alone', async (t) => {
  const api = await startApi(t);
  const store = await openStore(t, api, { subdomain: '' });
  const [key, other, value] = [newKey(), newKey(), newValue()];
  api.add(`${key}.wg.${ZONE}`, newValue());
  api.add(ZONE, 'v=spf1 -all');
  await store.set(key, value, free);
  assert.ok([...api.records.values()].some(({ name }) => name === `${key}.${ZONE}`));
  assert.deepEqual(await store.getMany?.([key, other], free), new Map([[key, value]]));
});

test('F36 content that is quoted, split in strings or escaped reads as the value', async (t) => {
  const { api, store } = await open(t);
  const value = newValue(250);
  const written = [
    `"${value}"`,
    `"${value.slice(0, 100)}" "${value.slice(100)}"`,
    `"${value.slice(0, 100)}""${value.slice(100)}"`,
    `${value.slice(0, 100)} ${value.slice(100)}`,
    `"\\${String(value.charCodeAt(0)).padStart(3, '0')}${value.slice(1)}"`,
    ` ${value}\n`,
  ];
  const keys = written.map((content) => {
    const key = newKey();
    api.add(nameOf(key), content);
    return key;
  });
  assert.deepEqual(await store.getMany?.(keys, free), new Map(keys.map((key) => [key, value])));
  for (const key of keys) assert.equal(await store.get(key, free), value);
});

test('F36 an API that puts quotes around content in its answers is understood', async (t) => {
  const { api, store } = await open(t);
  api.quotes = 'added';
  const [key, value] = [newKey(), newValue()];
  await store.set(key, value, free);
  assert.equal([...api.records.values()][0]?.content, value);
  assert.equal(await store.get(key, free), value);
});

test('F36 an API that insists on quotes gets them, and that is said once', async (t) => {
  const { api, store, logger } = await open(t);
  api.quotes = 'demanded';
  const [key, second, value] = [newKey(), newKey(), newValue()];
  await store.set(key, value, free);
  await store.set(second, value, free);
  assert.deepEqual(
    [...api.records.values()].map(({ content }) => content),
    [`"${value}"`, `"${value}"`],
  );
  assert.equal(await store.get(key, free), value);
  assert.equal(logger.lines.filter(({ message }) => message.includes('quotes')).length, 1);
});

test('of duplicates the one that was changed last is read, and the next write leaves the first alone', async (t) => {
  const { api, store } = await open(t);
  const [key, value] = [newKey(), newValue()];
  const [stale, newest, older, next] = [newValue(), newValue(), newValue(), newValue()];
  const first = api.add(nameOf(key), stale, { modified_on: '2026-01-01T10:00:00Z' });
  api.add(nameOf(key), newest, { modified_on: '2026-01-03T10:00:00Z' });
  api.add(nameOf(key), older, { modified_on: '2026-01-02T10:00:00Z' });
  api.add(nameOf(key), 'this is no value', { modified_on: '2026-01-04T10:00:00Z' });
  assert.equal(await store.get(key, free), newest);
  const before = api.calls.length;
  await store.set(key, value, free);
  assert.equal(api.calls.length - before, 2, 'removing duplicates costs no call');
  assert.deepEqual([...api.records.keys()], [first.id]);
  assert.equal(await olderGet(api, key), value);
  await olderSet(api, key, next);
  assert.equal(await store.get(key, free), next);
});

test('a text of a stranger is handed on, one that no record can be is not cut', async (t) => {
  const { api, store } = await open(t);
  const [key, long] = [newKey(), newKey()];
  api.add(nameOf(key), '"google-site-verification=x"');
  api.add(nameOf(long), newValue(400));
  assert.equal(await store.get(key, free), 'google-site-verification=x');
  assert.equal((await store.get(long, free))?.length, 400);
});

test('records of other types under a key are neither read nor changed', async (t) => {
  const { api, store } = await open(t);
  const [key, value] = [newKey(), newValue()];
  const address = api.add(nameOf(key), '192.0.2.1', { type: 'A' });
  assert.equal(await store.get(key, free), undefined);
  await store.set(key, value, free);
  assert.equal(api.records.get(address.id)?.content, '192.0.2.1');
  await store.delete?.(key, free);
  assert.deepEqual([...api.records.keys()], [address.id]);
});

test('F36 a value that only programs like this one read is written as several strings, and read back', async (t) => {
  const { api, store } = await open(t);
  const [key, value] = [newKey(), newValue(700)];
  await store.set(key, value, free);
  const [record] = api.records.values();
  assert.equal(record?.content, `"${value.slice(0, 255)}" "${value.slice(255, 510)}" "${value.slice(510)}"`);
  assert.equal(await store.get(key, free), value);
  const longest = newValue(2_000);
  await store.set(key, longest, free);
  assert.equal(await store.get(key, free), longest);
  assert.ok(([...api.records.values()][0]?.content.length ?? 0) <= 2_048);
});

test('a value of more than 2,000 characters is refused before anything is sent', async (t) => {
  const { api, store } = await open(t);
  const [key, good] = [newKey(), newKey()];
  const error = await failureOf(store.set(key, newValue(2_002), free));
  assert.equal(error.code, 'ERR_STORE_TOO_LARGE');
  assert.match(error.message, /2002 characters.*2000/);
  assert.equal(api.calls.length, 0);
  const failures = await store.setMany?.(
    new Map([
      [key, newValue(2_002)],
      [good, newValue()],
    ]),
    free,
  );
  assert.deepEqual(
    [...(failures ?? [])].map(([failed, { code }]) => [failed, code]),
    [[key, 'ERR_STORE_TOO_LARGE']],
  );
  assert.equal(api.records.size, 1);
});

test('a configured ttl is written to new and to present records', async (t) => {
  const { api, store } = await open(t, { ttl: 60 });
  const [present, fresh] = [newKey(), newKey()];
  api.add(nameOf(present), newValue());
  await store.setMany?.(
    new Map([
      [present, newValue()],
      [fresh, newValue()],
    ]),
    free,
  );
  assert.deepEqual(
    [...api.records.values()].map(({ ttl }) => ttl),
    [60, 60],
  );
});
