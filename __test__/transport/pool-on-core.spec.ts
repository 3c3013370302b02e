// Pools on core.
import process from 'node:process';

process.env['IOURING_TRANSPORT'] = 'core';
const { declarePools } = await import('./_pool.ts');

declarePools();
