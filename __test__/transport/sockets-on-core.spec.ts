// The same on core, as where io_uring is refused.
import process from 'node:process';

process.env['IOURING_TRANSPORT'] = 'core';
const { declareSockets } = await import('./_sockets.ts');

declareSockets();
