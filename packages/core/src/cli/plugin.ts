/** `stunmesh plugin`: being written. */
import type { Command } from 'commander';
export function addPluginCommand(_program: Command, _context: object): void {}
