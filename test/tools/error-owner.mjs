/**
 * Tells node:test whose an uncaught error is, without following every promise. By itself it follows each one by async_hooks to
 * know that, which costs tests that compute a third of their processor time. Tests of a file run one after the other here, so an
 * error belongs to the innermost test that has begun and not ended. Imported before anything imports node:test.
 */
import { executionAsyncId } from 'node:async_hooks';
import { createRequire } from 'node:module';
import process from 'node:process';

/** @typedef {{ init(id: number, type: string, trigger: number, resource: object): void, destroy(id: number): void }} Hooks */

const hooks = createRequire(import.meta.url)('node:async_hooks');
const { createHook, AsyncResource } = hooks;

/** What node:test would have called for every promise, once it has asked. @type {Hooks | undefined} */
let asked;
/** Tests that have begun, the innermost last. @type {(InstanceType<typeof AsyncResource> & { finished?: boolean })[]} */
const begun = [];

class FollowedResource extends AsyncResource {
  /** @param {ConstructorParameters<typeof AsyncResource>} parts */
  constructor(...parts) {
    super(...parts);
    asked?.init(this.asyncId(), 'Test', 0, this);
  }

  /** @param {Parameters<InstanceType<typeof AsyncResource>['runInAsyncScope']>} call */
  runInAsyncScope(...call) {
    dropEnded();
    begun.push(this);
    return super.runInAsyncScope(...call);
  }
}

hooks.AsyncResource = FollowedResource;
hooks.createHook = (/** @type {Hooks} */ callbacks) => {
  asked = callbacks;
  const hook = { enable: () => hook, disable: () => hook };
  return hook;
};
await import('node:test');
Object.assign(hooks, { createHook, AsyncResource });

function dropEnded() {
  while (begun.at(-1)?.finished) begun.pop();
}

/** Before node:test is told of an error, which then looks up whose it is. */
function nameOwner() {
  dropEnded();
  const owner = begun.at(-1);
  const id = executionAsyncId();
  if (!owner || id === owner.asyncId()) return;
  asked?.init(id, 'Error', owner.asyncId(), {});
  // The id is also that of what declares tests, which are no part of this one.
  process.nextTick(() => asked?.destroy(id));
}

process.prependListener('uncaughtException', nameOwner);
process.prependListener('unhandledRejection', nameOwner);
