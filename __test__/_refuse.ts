/**
 * Programs that io_uring is refused, under a filter of system calls (crates/reactor/examples/refuse.rs, built by `npm test`).
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import test from 'ava';
import { needs } from './_needs.ts';

/** What sets the filter: its arguments are what is refused, and the command. */
export const refuse = path.join(process.env['CARGO_TARGET_DIR'] ?? 'target', 'debug', 'examples', 'refuse');

/** Declares tests that need it. Where binaries that were built elsewhere are tried, it is not there. */
export const refusing = needs('an example of the reactor, which `npm test` builds', existsSync(refuse), test);
