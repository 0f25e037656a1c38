/** Questions over streams in place of a terminal. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { openAsker } from '#src/setup/ask.js';

function open(t: TestContext, terminal = false) {
  const input = Object.assign(new PassThrough(), terminal ? { isTTY: true, setRawMode: () => undefined } : {});
  const output = new PassThrough();
  let shown = '';
  let all = '';
  output.on('data', (chunk) => {
    shown += String(chunk);
    all += String(chunk);
  });
  const asker = openAsker(input, output);
  t.after(() => asker[Symbol.dispose]());
  /** Types once the question stands there. */
  const type = async (question: RegExp, answer: string): Promise<void> => {
    while (!question.test(shown)) await new Promise((resolve) => output.once('data', resolve));
    shown = '';
    input.write(answer);
  };
  return { asker, input, type, all: () => all };
}

test('an answer, the default on Enter, again where it will not do', async (t) => {
  const { asker, type } = open(t);
  const colour = asker.ask({ question: 'Colour', fallback: 'blue' });
  await type(/^Colour \[blue\]: $/, ' red \n');
  assert.equal(await colour, 'red');
  const again = asker.ask({ question: 'Colour', fallback: 'blue' });
  await type(/Colour \[blue\]: $/, '\n');
  assert.equal(await again, 'blue');
  const size = asker.ask({
    note: 'Large or small',
    question: 'Size',
    check: (text) => (text === '7' ? undefined : 'write 7'),
  });
  await type(/Large or small\nSize: $/, '\n');
  await type(/an answer is needed\nSize: $/, '8\n');
  await type(/write 7\nSize: $/, '7\n');
  assert.equal(await size, '7');
});

test('F34 a secret does not show on a terminal while it is typed', async (t) => {
  const { asker, type, all } = open(t, true);
  const secret = asker.ask({ question: 'Token', hidden: true });
  await type(/Token: /, 'hunter2\r');
  assert.equal(await secret, 'hunter2');
  const next = asker.ask({ question: 'Name' });
  await type(/Name: /, 'bob');
  await new Promise((resolve) => setImmediate(resolve));
  assert.doesNotMatch(all(), /hunter2/);
  assert.match(all(), /bob/);
  next.catch(() => undefined);
});

for (const [what, end] of [
  ['Ctrl-D', (input: PassThrough) => input.end()],
  ['Ctrl-C', (input: PassThrough) => input.write('\u0003')],
] as const)
  test(`a terminal that is closed (${what}) ends the questions`, async (t) => {
    const { asker, input } = open(t, what === 'Ctrl-C');
    const answer = assert.rejects(asker.ask({ question: 'Name' }), {
      code: 'ERR_USAGE',
      message: /nothing was written/,
    });
    await new Promise((resolve) => setImmediate(resolve));
    end(input);
    await answer;
    await assert.rejects(asker.ask({ question: 'Name' }), { code: 'ERR_USAGE' });
  });
