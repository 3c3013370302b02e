// The same on core, received in one of the two ways.
import process from 'node:process';

process.env['IOURING_TRANSPORT'] = 'core';
const { declareMatrix } = await import('./_matrix.ts');

for (const kind of ['tcp', 'unix', 'udp'] as const) declareMatrix(kind, ['stream']);
