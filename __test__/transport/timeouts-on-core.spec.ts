// The same on core.
import process from 'node:process';

process.env['IOURING_TRANSPORT'] = 'core';
const { declareTimeouts } = await import('./_timeouts.ts');

declareTimeouts();
