/**
 * The version of Node whose core is followed where versions differ in ways that cannot be found out by looking.
 */
import process from 'node:process';

/** The first number of the running version; in Bun, that of the version it stands in for. */
export const CORE_MAJOR = Number.parseInt(process.versions.node, 10);
