/** Unpredictable bytes in small portions, fetched from the system in large ones. */

const POOL_BYTES = 4_096;

/** `fill` gives fresh unpredictable bytes. No byte is handed out twice. */
export function createRandomPool(fill: (bytes: number) => Uint8Array): (bytes: number) => Uint8Array {
  let pool = new Uint8Array();
  let used = 0;
  return (bytes) => {
    if (bytes > POOL_BYTES) return fill(bytes);
    if (used + bytes > pool.length) {
      pool = Uint8Array.from(fill(POOL_BYTES));
      used = 0;
    }
    used += bytes;
    return pool.slice(used - bytes, used);
  };
}
