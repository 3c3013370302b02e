// What a handler of 'exit' writes is sent, as core sends it.
import test from 'ava';
import { drivers, run } from './_child.ts';

for (const driver of drivers) {
  test(`${driver}: bytes written in an exit handler arrive`, (t) => {
    const { code, stdout, stderr } = run(
      `
      const core = \`
        const { parentPort } = require('node:worker_threads');
        const { writeSync } = require('node:fs');
        const server = require('node:net').createServer((socket) => socket.on('data', (bytes) => writeSync(1, bytes)));
        server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));\`;
      const peer = new Worker(core, { eval: true, execArgv: [] });
      peer.once('message', (port) => {
        client = net.connect(port, '127.0.0.1', () => {
          process.on('exit', () => {
            client.write('good');
            client.write('bye');
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
          });
          process.exit();
        });
      });`,
      driver,
    );
    t.is(code, 0, stderr);
    t.is(stdout, 'goodbye');
  });
}
