/**
 * Which of core's modules are answered with which of ours.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Core's names, without `node:`, and our entry points. */
const ENTRIES: Readonly<Record<string, string>> = {
  net: 'net',
  http: 'http',
  https: 'https',
  tls: 'tls',
  http2: 'http2',
  dgram: 'dgram',
  'fs/promises': 'fs/promises',
};

/** A replacement: the CommonJS file and the ES module in front of it. */
export interface Replacement {
  readonly file: string;
  readonly commonJs: string;
  readonly esModule: string;
}

/** The replacements that this installation has, by core's name without `node:`. */
export function replacements(folder: string): ReadonlyMap<string, Replacement> {
  const found = new Map<string, Replacement>();
  for (const [name, entry] of Object.entries(ENTRIES)) {
    const commonJs = new URL(`${entry}.cjs`, folder);
    const file = fileURLToPath(commonJs);
    if (existsSync(file)) found.set(name, { file, commonJs: commonJs.href, esModule: new URL(`${entry}.mjs`, folder).href });
  }
  return found;
}

/** Core's name of a requested module without `node:`. */
export function bareName(specifier: string): string {
  return specifier.startsWith('node:') ? specifier.slice('node:'.length) : specifier;
}
