/** The keys of an exec or shell plugin in the configuration: the file's check knows them without loading store-exec, which checks by the same. */

/** JSON Schema, with the annotations of the configuration (x-…). */
export const EXEC_PLUGIN_SCHEMA = {
  type: 'object',
  title: 'A program that serves the store',
  additionalProperties: false,
  required: ['type', 'command'],
  properties: {
    type: { type: 'string', enum: ['exec', 'shell'], description: 'exec: JSON on stdin and stdout; shell: variables.' },
    protocol: {
      type: 'integer',
      minimum: 0,
      maximum: 1,
      description: 'Which exec protocol the program speaks; 0 where it is left out (exec only).',
    },
    command: {
      type: 'string',
      minLength: 1,
      description: 'The program, by path or by name in PATH.',
      'x-allowed': 'a program, by its path or its name in PATH; its arguments go to args',
    },
    args: {
      type: 'array',
      items: { type: 'string' },
      'x-weak': 'strict',
      description: 'Arguments, always as a list.',
      'x-allowed': 'a list of texts: args: ["-v", "--name=value"]',
    },
    env: {
      type: 'object',
      'x-name': 'VARIABLE',
      additionalProperties: { type: 'string', description: 'Variables to add to its environment.' },
    },
    parallel: {
      type: 'integer',
      minimum: 1,
      maximum: 64,
      description: 'How many calls may run at a time. Default: 1, with protocol 1: 8.',
    },
    env_clear: { type: 'boolean', default: false, description: 'Start it with no environment but `env`.' },
  },
} as const;
