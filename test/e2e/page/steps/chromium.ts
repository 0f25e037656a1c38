/** Debian's Chromium without a window, driven over a pipe by its DevTools protocol: nothing listens, and its profile is a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const PROGRAMS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const ANSWER_MS = 30_000;

/** A reason to skip, or undefined. */
export function missingChromium(): string | undefined {
  return PROGRAMS.some((program) => existsSync(program))
    ? undefined
    : 'no Chromium (apt-get install chromium-headless-shell)';
}

export interface ViewOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  readonly reducedMotion?: boolean;
  /** Pixels of the picture for one of the page. */
  readonly scale?: number;
}

export interface View extends AsyncDisposable {
  /** Loads a page, and waits until the expression is true in it. */
  open(url: string, until: string): Promise<void>;
  /** The value of an expression, awaited. */
  evaluate<T>(expression: string): Promise<T>;
  until(expression: string): Promise<void>;
  /** WebP of what is in view, or of a part. */
  picture(format: 'webp' | 'png'): Promise<Buffer>;
  /** All that it asked for, with the bytes that came over the wire. */
  readonly requests: ReadonlyMap<string, { readonly url: string; bytes: number }>;
  /** What it complained about: errors of scripts, violations of the policy. */
  readonly complaints: readonly string[];
  /** Roles and names as assistive programs see them. */
  accessibility(): Promise<readonly { readonly role: string; readonly name: string }[]>;
}

export interface Chromium extends AsyncDisposable {
  view(options?: ViewOptions): Promise<View>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export async function openChromium(): Promise<Chromium> {
  const program = PROGRAMS.find((path) => existsSync(path));
  if (program === undefined) throw new Error(missingChromium());
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
  const args = [
    '--headless',
    // Root has no sandbox; the pages are our own.
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    `--user-data-dir=${profile}`,
    '--remote-debugging-pipe',
  ];
  const env = { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile };
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], env });
  const pipe = openPipe(child);
  return {
    async view(options = {}) {
      const { targetId } = await pipe.ask('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await pipe.ask('Target.attachToTarget', { targetId, flatten: true });
      return openView(pipe, { targetId: String(targetId), sessionId: String(sessionId) }, options);
    },
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null) {
        await pipe.ask('Browser.close').catch(() => child.kill('SIGKILL'));
        await ended;
      }
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Pipe {
  ask(method: string, params?: object, sessionId?: string): Promise<Record<string, unknown>>;
  listen(sessionId: string, listener: (message: Message) => void): void;
}

/** JSON messages, a NUL after each: descriptor 3 to it, 4 from it. */
function openPipe(child: ChildProcess): Pipe {
  const [, , , output, input] = child.stdio as unknown as [null, null, null, Writable, Readable];
  const waiting = new Map<number, (message: Message) => void>();
  const listeners = new Map<string, (message: Message) => void>();
  let pieces: Buffer[] = [];
  let number = 0;
  output.on('error', () => undefined);
  input.on('data', (chunk: Buffer) => {
    let from = 0;
    for (let end = chunk.indexOf(0); end >= 0; end = chunk.indexOf(0, from)) {
      const message = JSON.parse(Buffer.concat([...pieces, chunk.subarray(from, end)]).toString()) as Message;
      pieces = [];
      from = end + 1;
      if (message.id !== undefined) waiting.get(message.id)?.(message);
      else listeners.get(message.sessionId ?? '')?.(message);
    }
    pieces.push(chunk.subarray(from));
  });
  return {
    listen: (sessionId, listener) => listeners.set(sessionId, listener),
    ask: (method, params = {}, sessionId) =>
      new Promise((resolve, reject) => {
        const id = ++number;
        const end = (error?: Error, result: Record<string, unknown> = {}) => {
          clearTimeout(timer);
          waiting.delete(id);
          child.off('exit', onExit);
          if (error) reject(error);
          else resolve(result);
        };
        const onExit = () => end(new Error(`Chromium ended before it answered ${method}`));
        const timer = setTimeout(() => end(new Error(`Chromium did not answer ${method}`)), ANSWER_MS);
        child.once('exit', onExit);
        waiting.set(id, ({ error, result }) => end(error && new Error(`${method}: ${error.message}`), result));
        output.write(`${JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) })}\0`);
      }),
  };
}

async function openView(
  pipe: Pipe,
  { targetId, sessionId }: { readonly targetId: string; readonly sessionId: string },
  options: ViewOptions,
): Promise<View> {
  const { width = 1200, height = 900, scale = 1, dark = false, reducedMotion = false } = options;
  const ask = (method: string, params?: object) => pipe.ask(method, params, sessionId);
  const requests = new Map<string, { url: string; bytes: number }>();
  const complaints: string[] = [];
  pipe.listen(sessionId, ({ method, params = {} }) => {
    const id = String(params['requestId']);
    const request = requests.get(id);
    if (method === 'Network.requestWillBeSent')
      requests.set(id, { url: (params['request'] as { url: string }).url, bytes: 0 });
    else if (method === 'Network.loadingFinished' && request) request.bytes = Number(params['encodedDataLength']);
    else if (method === 'Log.entryAdded') complaints.push((params['entry'] as { text: string }).text);
    else if (method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(params['exceptionDetails']));
  });
  for (const domain of ['Page', 'Runtime', 'Network', 'Log', 'Accessibility']) await ask(`${domain}.enable`);
  await ask('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: scale, mobile: width < 500 });
  const features = [
    { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
    { name: 'prefers-reduced-motion', value: reducedMotion ? 'reduce' : 'no-preference' },
  ];
  await ask('Emulation.setEmulatedMedia', { features });

  const evaluate = async <T>(expression: string): Promise<T> => {
    const answer = await ask('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (answer['exceptionDetails']) throw new Error(JSON.stringify(answer['exceptionDetails']));
    return (answer['result'] as { value: T }).value;
  };
  const until = async (expression: string): Promise<void> => {
    const looks = `new Promise((resolve) => { const look = () => (${expression}) ? resolve(true) : setTimeout(look, 10); look(); })`;
    await evaluate(looks);
  };
  return {
    requests,
    complaints,
    [Symbol.asyncDispose]: async () => {
      await pipe.ask('Target.closeTarget', { targetId });
    },
    evaluate,
    until,
    async open(url, wanted) {
      await ask('Page.navigate', { url });
      await until(`location.href !== 'about:blank' && (${wanted})`);
    },
    async picture(format) {
      const { data } = await ask('Page.captureScreenshot', { format, ...(format === 'webp' ? { quality: 82 } : {}) });
      return Buffer.from(String(data), 'base64');
    },
    async accessibility() {
      const { nodes } = (await ask('Accessibility.getFullAXTree')) as {
        nodes: { ignored: boolean; role?: { value: string }; name?: { value: string } }[];
      };
      return nodes
        .filter(({ ignored }) => !ignored)
        .map(({ role, name }) => ({ role: role?.value ?? '', name: name?.value ?? '' }));
    },
  };
}
