/** The part of JSON Schema that the configuration uses, and the TypeScript type of what a schema describes. */

export type TypeName = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';

/** JSON Schema draft 7 with three annotations of ours. */
export interface Schema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: TypeName | readonly TypeName[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly enum?: readonly string[];
  readonly default?: string | number | boolean;
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly deprecated?: boolean;
  readonly discriminator?: { readonly propertyName: string };
  readonly oneOf?: readonly Schema[];
  /** What the user calls the members of a mapping, in documents: NAME, PEER. */
  readonly 'x-name'?: string;
  /** What is allowed, for messages; derived from the rest where it is absent. */
  readonly 'x-allowed'?: string;
  /** 'strict': a text is not split into a list; 'any-case': the letter case of a text does not matter. */
  readonly 'x-weak'?: 'strict' | 'any-case';
}

type Required<S> = S extends { required: readonly (infer K)[] } ? K : never;

/** Members that are always there once defaults are filled in: with a default, required, or an object (of defaults). */
type Always<P, S> = {
  [K in keyof P]: K extends Required<S> ? K : P[K] extends { default: unknown } | { type: 'object' } ? K : never;
}[keyof P];

type Members<P, S> = { readonly [K in Always<P, S>]: FromSchema<P[K]> } & {
  readonly [K in Exclude<keyof P, Always<P, S>>]?: FromSchema<P[K]> | undefined;
};

/** The type of a value that was coerced and validated by a schema. */
export type FromSchema<S> = S extends { oneOf: readonly (infer V)[] }
  ? V extends unknown
    ? FromSchema<V>
    : never
  : S extends { enum: readonly (infer E)[] }
    ? E
    : S extends { items: infer I }
      ? readonly FromSchema<I>[]
      : S extends { type: 'string' }
        ? string
        : S extends { type: 'integer' }
          ? number
          : S extends { type: 'boolean' }
            ? boolean
            : S extends { properties: infer P }
              ? Members<P, S>
              : S extends { additionalProperties: infer A }
                ? { readonly [name: string]: FromSchema<A> }
                : unknown;
