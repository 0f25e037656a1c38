/** Small stand-ins for Headers and FormData inside the bundled SDK: touching Node's own loads 25 MiB of fetch. */

/** As much of the Fetch standard's Headers (section 5.1) as the SDK uses. Names are lower-case inside. */
export class Headers {
  readonly #fields = new Map<string, string>();

  append(name: string, value: string): void {
    const known = this.get(name);
    this.set(name, known === null ? value : `${known}, ${value}`);
  }
  set(name: string, value: string): void {
    this.#fields.set(name.toLowerCase(), String(value));
  }
  get(name: string): string | null {
    return this.#fields.get(name.toLowerCase()) ?? null;
  }
  has(name: string): boolean {
    return this.#fields.has(name.toLowerCase());
  }
  delete(name: string): void {
    this.#fields.delete(name.toLowerCase());
  }
  entries(): IterableIterator<[string, string]> {
    return this.#fields.entries();
  }
  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries();
  }
}

/** Nothing is uploaded here; the SDK only asks whether a body is one. */
export class FormData {}
