// Memory of chunks that were collected is used again: the system does not have to find and clear each page anew.
import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import test from 'ava';
import { needs } from '../_needs.ts';
import { onRing } from './_sockets.ts';

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
const run = needs('io_uring and glibc', onRing && header.glibcVersionRuntime !== undefined, test);

/** Sends 400 MiB to the port that is its argument. */
const SENDER = `
const chunk = Buffer.alloc(2 ** 20);
const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1');
let left = 400;
const send = () => {
  while (left-- > 0) if (!socket.write(chunk)) return void socket.once('drain', send);
  socket.end();
};
send();
`;

/** Receives that, and prints how many page faults the last 300 MiB have taken. */
const RECEIVER = `
const faults = () => process.resourceUsage().minorPageFault;
let received = 0;
let before;
const server = require('iouring-transport/net').createServer((socket) => {
  socket.on('data', (bytes) => {
    received += bytes.length;
    if (before === undefined && received >= 100 * 2 ** 20) before = faults();
  });
  socket.on('end', () => {
    process.stdout.write(String(faults() - before));
    server.close();
  });
});
server.listen(0, '127.0.0.1', () => {
  require('node:child_process').spawn(process.execPath, ['-e', process.argv[1], server.address().port]);
});
`;

const PAGES = 300 * 256;

run('receiving much takes few new pages', async (t) => {
  const faults: number[] = [];
  for (let i = 0; i < 2; i++) {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', RECEIVER, SENDER]);
    faults.push(Number(stdout));
  }
  t.log(`${faults.join(' and ')} page faults for ${PAGES} pages`);
  // Without, 1,000 to 66,000, by chance of what else lies on the heap; with, below 3,000.
  t.true(Math.min(...faults) < PAGES / 12);
});
