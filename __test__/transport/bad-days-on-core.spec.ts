// The same on core, as where io_uring is refused.
import process from 'node:process';

process.env['IOURING_TRANSPORT'] = 'core';
const { declareBadDays } = await import('./_bad-days.ts');

declareBadDays();
