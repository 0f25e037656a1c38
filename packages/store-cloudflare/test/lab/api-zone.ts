/** The records of the stand-in API: what it lists, and batches that are done as a whole or not at all. */

export interface StoredRecord {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly content: string;
  readonly ttl: number;
  readonly comment: string;
  readonly modified_on: string;
}

export interface Batch {
  readonly deletes?: readonly { readonly id: string }[];
  readonly patches?: readonly (Partial<StoredRecord> & { readonly id: string })[];
  readonly posts?: readonly StoredRecord[];
}

export interface ZoneRules {
  readonly quota: number;
  readonly quotes: 'as given' | 'added' | 'demanded';
  nextId(): string;
  stamp(): string;
}

const MOST_IN_BATCH = 200;

/** Ends a call as the API does: a status, and one entry of `errors`. */
export function fails(status: number, code: number, message: string): never {
  throw Object.assign(new Error(message), { status, code });
}

export function listRecords(
  records: readonly StoredRecord[],
  query: URLSearchParams,
  { quotes, mostPerPage }: { quotes: ZoneRules['quotes']; mostPerPage: number },
): { result: StoredRecord[]; info: object } {
  const name = query.get('name.exact') ?? query.get('name');
  const suffix = query.get('name.endswith');
  const found = records
    .filter((record) => query.get('type') === null || record.type === query.get('type'))
    .filter((record) => name === null || record.name === name)
    .filter((record) => suffix === null || record.name.endsWith(suffix))
    .map((record) => ({ ...record, content: quotes === 'added' ? `"${record.content}"` : record.content }));
  const perPage = Math.min(Number(query.get('per_page') ?? 100), mostPerPage);
  const page = Number(query.get('page') ?? 1);
  const result = found.slice((page - 1) * perPage, page * perPage);
  const total_pages = Math.ceil(found.length / perPage);
  return { result, info: { page, per_page: perPage, count: result.length, total_count: found.length, total_pages } };
}

/** Deletes, patches, posts, in this order and in one transaction. */
export function applyBatch(
  records: Map<string, StoredRecord>,
  { deletes = [], patches = [], posts = [] }: Batch,
  { quota, quotes, nextId, stamp }: ZoneRules,
): { deletes: StoredRecord[]; patches: StoredRecord[]; posts: StoredRecord[] } {
  if (deletes.length + patches.length + posts.length > MOST_IN_BATCH)
    fails(400, 9212, 'Batch has too many operations.');
  const next = new Map(records);
  const known = (id: string): StoredRecord => next.get(id) ?? fails(404, 81_044, 'Record does not exist.');
  const check = (content: string): string => {
    if (quotes === 'demanded' && !/^".*"$/.test(content)) {
      fails(400, 1004, 'DNS Validation Error: the content of TXT records must be in quotation marks');
    }
    if (/[^\x20-\x7e]/.test(content) || content.replace(/"/g, '') === '') fails(400, 1004, 'DNS Validation Error');
    return content;
  };
  const result = {
    deletes: deletes.map(({ id }) => {
      const record = known(id);
      next.delete(id);
      return record;
    }),
    patches: patches.map((patch) => {
      const record = { ...known(patch.id), ...patch, modified_on: stamp() };
      check(record.content);
      next.set(record.id, record);
      return record;
    }),
    posts: posts.map((post) => {
      if (next.size >= quota) fails(400, 81_045, 'The record quota has been exceeded.');
      const twin = [...next.values()].some(
        ({ name, type, content }) => name === post.name && type === post.type && content === post.content,
      );
      if (twin) fails(400, 81_058, 'An identical record already exists.');
      const record = { ...post, ttl: post.ttl ?? 1, content: check(post.content), id: nextId(), modified_on: stamp() };
      next.set(record.id, record);
      return record;
    }),
  };
  records.clear();
  for (const [id, record] of next) records.set(id, record);
  return result;
}
