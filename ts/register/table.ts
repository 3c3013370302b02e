/**
 * Which of core's modules are answered with which of ours.
 */
import { fileURLToPath, URL } from 'node:url';

/** Core's names, without `node:`, and our entry points. */
const ENTRIES: Readonly<Record<string, string>> = {
  net: 'net',
  http: 'http',
  https: 'https',
  tls: 'tls',
  http2: 'http2',
  dgram: 'dgram',
  'fs/promises': 'fs',
};

/** A replacement: the CommonJS file and the ES module in front of it. */
export interface Replacement {
  readonly file: string;
  readonly commonJs: string;
  readonly esModule: string;
}

/** The replacements by core's name without `node:`. Tools that copy what a program needs to another place find them by these addresses. */
export function replacements(): ReadonlyMap<string, Replacement> {
  return new Map(
    Object.entries(ENTRIES).map(([name, entry]) => {
      const commonJs = new URL(`./${entry}.cjs`, import.meta.url);
      const esModule = new URL(`./${entry}.mjs`, import.meta.url).href;
      return [name, { file: fileURLToPath(commonJs), commonJs: commonJs.href, esModule }];
    }),
  );
}

/** Core's name of a requested module without `node:`. */
export function bareName(specifier: string): string {
  return specifier.startsWith('node:') ? specifier.slice('node:'.length) : specifier;
}
