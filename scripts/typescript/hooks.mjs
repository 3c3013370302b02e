import { fileURLToPath } from 'node:url';
import { javaScriptOf } from './compiled.mjs';

/** @type {import('node:module').LoadHookSync} */
export function load(url, context, next) {
  if (!url.startsWith('file:') || !new URL(url).pathname.endsWith('.ts')) return next(url, context);
  return { format: 'module', shortCircuit: true, source: javaScriptOf(fileURLToPath(url)) };
}
