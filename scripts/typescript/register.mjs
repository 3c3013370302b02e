/** `node --import ./scripts/typescript/register.mjs FILE.ts`: what is imported from there on may be TypeScript, and newer than what this version of Node knows. */
import module from 'node:module';
import process from 'node:process';
import { load } from './hooks.mjs';

process.setSourceMapsEnabled(true);
// Before 22.15 hooks have a thread of their own.
if (module.registerHooks) module.registerHooks({ load });
else module.register('./hooks.mjs', import.meta.url);
