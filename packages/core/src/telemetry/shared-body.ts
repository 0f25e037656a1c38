/** A body that many answers share: its bytes are there once, and are compressed once, however many ask for it. */
import { promisify } from 'node:util';

export interface SharedBody {
  readonly plain: Buffer;
  /** Made when somebody asks for it first. */
  gzipped(): Promise<Buffer>;
}

export function sharedBody(text: string): SharedBody {
  const plain = Buffer.from(text);
  let made: Promise<Buffer> | undefined;
  return { plain, gzipped: () => (made ??= compressed(plain)) };
}

async function compressed(bytes: Buffer): Promise<Buffer> {
  const { gzip } = await import('node:zlib');
  return promisify<Buffer, object, Buffer>(gzip)(bytes, { level: 4 });
}
