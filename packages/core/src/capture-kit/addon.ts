/** A capture package's addon: loaded by the package, with an error that says how to build it. */
import { dirname, join } from 'node:path';
import { StunmeshError } from '../api/index.js';

export interface AddonPlace {
  /** '@stunmesh/capture-linux' */
  readonly packageName: string;
  /** The package's folder, with a slash at its end. */
  readonly folder: string;
  /** The file that is built. */
  readonly fileName: string;
  /** A sentence for the error, where building it is no remedy. */
  readonly remedy?: string | undefined;
  /** Loads it, as only the package itself may. */
  load(): unknown;
  /** Where a package's file lies, seen from the package; throws where it is not installed. */
  resolve(specifier: string): string;
}

/** Errors: ERR_CAPTURE_ADDON. */
export function loadAddon<Calls>(place: AddonPlace): Calls {
  try {
    return place.load() as Calls;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new StunmeshError(
      'ERR_CAPTURE_ADDON',
      `the addon of ${place.packageName} cannot be loaded (${reason}). ${place.remedy ?? buildRemedy(place)}`,
      { cause },
    );
  }
}

function buildRemedy(place: AddonPlace): string {
  return `With a C compiler installed, build it by "node ${place.folder}native/build.mjs --strict", which runs: ${buildLine(place)}`;
}

/** The one cc line, as build.mjs runs it. */
function buildLine({ folder, fileName, resolve }: AddonPlace): string {
  const beside = (name: string, part: string) => {
    try {
      return join(dirname(resolve(name)), part);
    } catch {
      return join(dirname(dirname(process.execPath)), 'include', 'node');
    }
  };
  const headers = [beside('node-api-headers', 'include'), beside('@stunmesh/core/package.json', 'native')];
  const target = join(folder, 'build', 'Release', fileName);
  const late = process.platform === 'darwin' ? ' -Wl,-undefined,dynamic_lookup' : '';
  const flags = `-O2 -shared -fPIC -pthread -fvisibility=hidden${late}`;
  return `cc ${flags} ${headers.map((h) => `-I ${h}`).join(' ')} ${join(folder, 'native', 'capture.c')} -o ${target}`;
}
