/** `node test/tools/pictures.mjs`: takes the pictures of the status page in docs/images anew, by Chromium. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { say } from './say.mjs';
import { ROOT } from './workspace.mjs';

/** @type {typeof import('../e2e/page/steps/chromium.js')} */
const { openChromium } = await import('../dist/e2e/page/steps/chromium.js');
/** @type {typeof import('../e2e/page/steps/complete.js')} */
const { COMPLETE } = await import('../dist/e2e/page/steps/complete.js');
/** @type {typeof import('../e2e/page/steps/crowd.js')} */
const { serveCrowd } = await import('../dist/e2e/page/steps/crowd.js');

const FOLDER = join(ROOT, 'docs/images');
/** `scroll`: to the first row, which is opened. */
const PICTURES = [
  { name: 'page-light', view: { width: 1180, height: 920 }, scroll: false },
  { name: 'page-dark', view: { width: 1180, height: 920, dark: true }, scroll: true },
  { name: 'page-phone', view: { width: 360, height: 780, scale: 2, dark: true }, scroll: true },
];

mkdirSync(FOLDER, { recursive: true });
const served = await serveCrowd(40);
const chromium = await openChromium();
try {
  for (const { name, view: options, scroll } of PICTURES) {
    const view = await chromium.view(options);
    await view.open(served.url, COMPLETE);
    if (scroll) {
      await view.evaluate("document.querySelector('.name').click()");
      await view.until("document.querySelector('.below figure') && document.querySelector('.paths')");
      const top = options.width < 500 ? "document.querySelector('tr.peer')" : "document.querySelector('.device')";
      await view.evaluate(`scrollTo(0, ${top}.getBoundingClientRect().top - 10)`);
    }
    await view.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
    const picture = await view.picture('webp');
    writeFileSync(join(FOLDER, `${name}.webp`), picture);
    await view[Symbol.asyncDispose]();
    say(`docs/images/${name}.webp: ${Math.round(picture.length / 1000)} kB`);
  }
} finally {
  await chromium[Symbol.asyncDispose]();
  await served[Symbol.asyncDispose]();
}
