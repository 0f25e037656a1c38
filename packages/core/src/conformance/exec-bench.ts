/** What the cases of exec plugins work with. */
import assert from 'node:assert/strict';
import { type ExecMessage, type ExecProbe, expectSuccess } from './exec-talk.js';
import { randomHex } from './store-checks.js';

/** What a plugin of protocol 1 says of itself; absent traits are false. */
export interface ExecTraits {
  readonly session: boolean;
  readonly watch: boolean;
  readonly delete: boolean;
  readonly many: boolean;
}

export interface ExecBench {
  readonly probe: ExecProbe;
  readonly timeoutMs: number;
  newKey(): string;
  traits(): Promise<ExecTraits>;
}

/** Both actions, with a thousand keys of which two have a record. */
export async function manyAnswersByKey(
  bench: Pick<ExecBench, 'newKey'>,
  call: (request: ExecMessage) => Promise<ExecMessage>,
): Promise<void> {
  const values = { [bench.newKey()]: randomHex(136), [bench.newKey()]: randomHex(150) };
  const stored = expectSuccess(await call({ action: 'setMany', values }), 'setMany');
  assert.deepEqual(stored['errors'] ?? {}, {}, 'setMany must have no "errors"');
  const keys = [...Object.keys(values), ...Array.from({ length: 998 }, () => randomHex(40))];
  const answer = expectSuccess(await call({ action: 'getMany', keys }), 'getMany');
  const found = (answer['values'] ?? {}) as ExecMessage;
  assert.equal(typeof found, 'object', '"values" must be an object by key');
  const present = Object.entries(found).filter(([, value]) => value !== null && value !== '');
  assert.deepEqual(
    present.map(([key]) => key).sort(),
    Object.keys(values).sort(),
    '"values" must hold the keys that have a record, and no others',
  );
  for (const [key, value] of present) assert.ok(value === values[key], '"values" holds another value than was set');
}
