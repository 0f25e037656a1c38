/** The demo's recording: what was said stands in it once, in its colours and columns, in a pace to read in, and still for who wants it still. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../architecture/source.js';

interface Said {
  readonly atMs: number;
  readonly text: string;
}

const { drawRecording } = (await import(pathToFileURL(join(ROOT, 'test/tools/demo/recording.mjs')).href)) as {
  drawRecording(said: readonly Said[], about: { title: string; command: string }): string;
};
const draw = (...said: readonly Said[]) => drawRecording(said, { title: 'a <title>', command: 'npm run demo' });
/** In seconds: when each entry appears. */
function times(picture: string): number[] {
  const [, total = ''] = /animation:k0 ([\d.]+)s/.exec(picture) ?? [];
  return [...picture.matchAll(/@keyframes k\d+\{0%,([\d.]+)%/g)].map(
    ([, part]) => (Number(part) / 100) * Number(total),
  );
}

test('each line is there as text, escaped, coloured, at its column', () => {
  const picture = draw(
    { atMs: 10, text: '\u001b[1mbold\u001b[0m\n  | a <b> & c |' },
    { atMs: 20, text: '  \u001b[32mreply\u001b[0m 1' },
  );
  assert.match(picture, /<title>a &lt;title&gt;<\/title>/);
  assert.match(picture, /<text class="b" x="16" [^>]*>bold<\/text>/);
  assert.match(picture, /<text x="32.8" [^>]*textLength="109.2">\| a &lt;b&gt; &amp; c \|<\/text>/);
  assert.match(picture, /<text class="g" x="32.8" [^>]*>reply<\/text><text x="83.2" [^>]*>1<\/text>/);
  assert.ok(!picture.includes('\u001b'));
  assert.doesNotMatch(picture, /font-face|href|script/);
});

test('pauses are cut to what a reader wants; an empty line brings the next one with it', () => {
  const picture = draw(
    { atMs: 0, text: 'a' },
    { atMs: 1, text: 'b' },
    { atMs: 60_000, text: '' },
    { atMs: 60_500, text: 'c' },
  );
  const [command = 0, a = 0, b = 0, empty = 0, c = 0] = times(picture);
  const near = (seconds: number, wanted: number) =>
    assert.ok(Math.abs(seconds - wanted) < 0.02, `${seconds}, not ${wanted}`);
  near(a - command, 0.28);
  near(b - a, 0.28);
  near(empty - b, 1.2);
  near(c - empty, 0);
});

test('without motion it is its last frame: nothing is hidden outside of the question for motion', () => {
  const picture = draw({ atMs: 0, text: 'a' });
  const still = picture.replace(/@media \(prefers-reduced-motion:no-preference\)\{[\s\S]*?\}<\/style>/, '</style>');
  assert.doesNotMatch(still, /animation|keyframes|opacity/);
  assert.match(still, />a<\/text>/);
});
