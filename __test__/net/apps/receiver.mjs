// The other end of `child.send(message, handle)`: does with what it is sent what the message says. `node receiver.mjs MODULE`, where MODULE is the net
// module that its own sockets are of. Receives on core's, since nobody has it registered.
import process from 'node:process';

const { default: net } = await import(process.argv[2]);

process.on('message', async (what, handle) => {
  if (what === 'serve') {
    handle.on('connection', (socket) => socket.end(`served by the child`));
    process.send('serving');
  } else if (what === 'answer') {
    handle.on('error', () => {}).end('from the child');
  } else if (what === 'leave alone') {
    handle.on('close', (...args) => process.send(['closed', ...args]));
    process.send('left alone');
  } else if (what === 'write and die') {
    handle.write('written', () => {
      process.send('it is', () => {});
      // Whatever is left to the end of the tick is never done.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      process.kill(process.pid, 'SIGKILL');
    });
  } else if (what === 'hold') {
    handle.resume();
    process.send('held');
    process.once('message', () => handle.destroy());
  } else if (what === 'echo') {
    handle.on('message', (bytes, { port, address }) => handle.send(`echo of ${bytes}`, port, address));
    process.send('ready');
  } else if (what === 'whose') {
    const { default: core } = await import('node:net');
    const { default: dgram } = await import('node:dgram');
    const ours = [core.Socket, core.Server, dgram.Socket].some((it) => Object.getPrototypeOf(handle) === it.prototype);
    process.send(ours ? 'of this module' : 'of another');
    handle.on('error', () => {});
    (handle.destroy ?? handle.close).call(handle);
  } else if (what === 'count') {
    process.send(handle ? handle.constructor.name : 'no handle');
    handle?.close();
  } else if (what === 'give') {
    // The other way: a connection of this process to the parent.
    const server = net.createServer({ pauseOnConnect: true }, (socket) => {
      process.send('given', socket);
      server.close();
    });
    server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
  } else if (what === 'give server') {
    const server = net.createServer();
    server.listen(0, '127.0.0.1', () => {
      process.send({ port: server.address().port });
      process.send('given', server, () => server.close());
    });
  }
});
process.send('there');
