// A file system whose server has stopped answering: whoever asks it waits, and nobody else.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import { needs } from '../_needs.ts';
import { child, directory, onRing } from './_helpers.ts';

/** A FUSE server of one file, `f`, that answers nothing any more after SIGUSR1. */
const SERVER = `
import fs from 'node:fs';
import { execFileSync } from 'node:child_process';
const place = process.argv[1];
const fd = fs.openSync('/dev/fuse', 'r+');
execFileSync('mount', ['-i', '-t', 'fuse', '-o', 'fd=3,rootmode=40000,user_id=0,group_id=0', 'hung', place], { stdio: ['ignore', 'inherit', 'inherit', fd] });
console.log('mounted');
let hangs = false;
process.on('SIGUSR1', () => (hangs = true));
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
function serve() {
  fs.read(fd, Buffer.alloc(200_000), 0, 200_000, null, (error, length, request) => {
    if (error) { if (error.code === 'ENODEV') process.exit(); return serve(); }
    const [code, node] = [request.readUInt32LE(4), Number(request.readBigUInt64LE(16))];
    if (!hangs && code !== 2) {
      const body = answer(code, node) ?? Buffer.alloc(0);
      const status = answer(code, node) === undefined ? -38 : 0;
      const head = Buffer.alloc(16);
      head.writeUInt32LE(16 + body.length);
      head.writeInt32LE(status, 4);
      request.copy(head, 8, 8, 16);
      fs.writeSync(fd, Buffer.concat([head, body]));
    }
    serve();
  });
}
serve();
`;

const root = needs('io_uring and root', onRing && process.getuid!() === 0);

root('nothing but what asks it waits for a server that does not answer', async (t) => {
  const place = directory(t);
  const server = spawn(process.execPath, ['--input-type=module', '--eval', SERVER, place], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => {
    // What waits for it is let go with the connection.
    server.kill('SIGKILL');
    child(`import { execFileSync } from 'node:child_process'; execFileSync('umount', ['-l', ${JSON.stringify(place)}])`);
  });
  const first = await Promise.race([once(server.stdout, 'data'), once(server, 'exit')]);
  if (typeof first[0] === 'number') {
    t.pass('no file systems can be mounted here');
    return;
  }
  const { status, stdout, stderr } = child(`
    import { constants, open, readFile } from 'iouring-transport/fs';
    const file = ${JSON.stringify(path.join(place, 'f'))};
    console.log(await readFile(file, 'utf8'));
    const handle = await open(file, 'r');
    console.log((await handle.stat()).size);
    process.kill(${server.pid}, 'SIGUSR1');
    await new Promise((done) => setTimeout(done, 100));
    // Each would wait for ever; a timer and another file show that the loop does not.
    const asked = {
      open: () => open(file),
      nonblocking: () => open(file, constants.O_RDONLY | constants.O_NONBLOCK),
      readFile: () => readFile(file),
      stat: () => handle.stat(),
      read: () => handle.read(Buffer.alloc(5), 0, 5, 0),
      readMany: () => handle.readMany(Buffer.alloc(20), [0, 1, 2, 3], 5),
      contents: () => handle.readFile(),
    };
    const answers = [];
    for (const [name, ask] of Object.entries(asked)) {
      answers.push(ask());
      await new Promise((done) => setTimeout(done, 10));
      await readFile('/proc/self/stat');
      console.log(name);
    }
    // With the server all that waits for it ends.
    process.kill(${server.pid}, 'SIGKILL');
    await Promise.allSettled(answers);
    console.log('over');
    process.exit();
  `);
  t.is(status, 0, stderr);
  t.is(stdout, 'hello\n5\nopen\nnonblocking\nreadFile\nstat\nread\nreadMany\ncontents\nover\n', stderr);
});
