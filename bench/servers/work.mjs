/** What the servers of the scenario `workers` do for each message: work for a processor, and nothing else. */
import { createHash } from 'node:crypto';

const block = Buffer.alloc(131_072, 'x');

/** Takes some hundred microseconds. */
export const work = () => createHash('sha256').update(block).digest();
