// A file system whose server stops answering when it is told to.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import type { ExecutionContext } from 'ava';
import { child, directory } from './_helpers.ts';

/** A FUSE server of one file, `f`, that answers nothing any more after SIGUSR1, and all that waits after SIGUSR2. */
const SERVER = `
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';
const place = process.argv[1];
const fd = fs.openSync('/dev/fuse', 'r+');
execFileSync('mount', ['-i', '-t', 'fuse', '-o', 'fd=3,rootmode=40000,user_id=0,group_id=0', 'hung', place], { stdio: ['ignore', 'inherit', 'inherit', fd] });
console.log('mounted');
let hangs = false;
const waiting = [];
process.on('SIGUSR1', () => (hangs = true));
process.on('SIGUSR2', () => { hangs = false; waiting.splice(0).forEach(reply); });
const words = (...list) => Buffer.concat(list.map(([size, value]) => { const bytes = Buffer.alloc(size); if (size === 8) bytes.writeBigUInt64LE(BigInt(value)); else bytes.writeUInt32LE(value); return bytes; }));
const u32 = (...values) => values.map((value) => [4, value]);
const u64 = (...values) => values.map((value) => [8, value]);
const attributes = (inode) => words(...u64(inode, 5, 1, 0, 0, 0), ...u32(0, 0, 0, inode === 1 ? 0o40755 : 0o100644, 1, 0, 0, 0, 4096, 0));
function answer(code, node) {
  switch (code) {
    case 1: return Buffer.concat([words(...u64(2, 0, 3600, 0), ...u32(0, 0)), attributes(2)]);
    case 3: return Buffer.concat([words(...u64(0), ...u32(0, 0)), attributes(node)]);
    case 14: case 27: return words(...u64(1), ...u32(0, 0));
    case 15: return Buffer.from('hello');
    case 18: case 25: case 29: return Buffer.alloc(0);
    case 26: return words(...u32(7, 31, 65536, 0, 0x000a000c, 65536, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    default: return undefined;
  }
}
function reply(request) {
  const [code, node] = [request.readUInt32LE(4), Number(request.readBigUInt64LE(16))];
  if (code === 2 || code === 36) return;
  if (hangs) { waiting.push(request); return; }
  const body = answer(code, node) ?? Buffer.alloc(0);
  const status = answer(code, node) === undefined ? -38 : 0;
  const head = Buffer.alloc(16);
  head.writeUInt32LE(16 + body.length);
  head.writeInt32LE(status, 4);
  request.copy(head, 8, 8, 16);
  fs.writeSync(fd, Buffer.concat([head, body]));
}
function serve() {
  fs.read(fd, Buffer.alloc(200_000), 0, 200_000, null, (error, length, request) => {
    if (error) { if (error.code === 'ENODEV') process.exit(); return serve(); }
    reply(request);
    serve();
  });
}
serve();
`;

/** The server, and the path of its file. Undefined where no file systems can be mounted. */
export async function fileOfServer(t: ExecutionContext): Promise<{ server: ChildProcess; file: string } | undefined> {
  const place = directory(t);
  const server = spawn(process.execPath, ['--input-type=module', '--eval', SERVER, place], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => {
    // What waits for it is let go with the connection.
    server.kill('SIGKILL');
    child(`import { execFileSync } from 'node:child_process'; execFileSync('umount', ['-l', ${JSON.stringify(place)}])`);
  });
  const first = await Promise.race([once(server.stdout, 'data'), once(server, 'exit')]);
  return typeof first[0] === 'number' ? undefined : { server, file: path.join(place, 'f') };
}
