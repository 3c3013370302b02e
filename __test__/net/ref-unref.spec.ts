// What keeps the process alive, and what does not.
import test from 'ava';
import { run } from './_child.ts';

const PAIR = `
const server = net.createServer((socket) => { peer = socket; });
let peer;
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const client = net.connect(server.address().port, '127.0.0.1');
await Promise.all([once(client, 'connect'), once(server, 'connection')]);
`;

/** Ends by itself or not. */
async function ends(t: { is(a: unknown, b: unknown, message?: string): unknown }, script: string): Promise<void> {
  const { code, stdout, stderr } = await run(`${script}\nprocess.on('exit', (code) => console.log('exit', code));`);
  t.is(code, 0, stderr);
  t.is(stdout, 'exit 0', stderr);
}

async function stays(t: { is(a: unknown, b: unknown, message?: string): unknown }, script: string): Promise<void> {
  const { stdout, stderr } = await run(`
    process.on('exit', () => console.log('ended'));
    const timer = setTimeout(() => { console.log('alive'); process.removeAllListeners('exit'); process.exit(); }, 200).unref();
    ${script}`);
  // A timer that is unref'd fires only where something else keeps the process alive.
  t.is(stdout, 'alive', stderr);
}

test('a listening server does', (t) => stays(t, `net.createServer().listen(0);`));
test("a listening server that is unref'd does not", (t) => ends(t, `net.createServer().listen(0).unref();`));
test('ref() takes unref() back', (t) => stays(t, `net.createServer().listen(0).unref().ref();`));
test('connected sockets do', (t) => stays(t, `${PAIR} server.unref();`));
test("sockets that are unref'd do not", (t) => ends(t, `${PAIR} server.unref(); client.unref(); peer.unref();`));
test('unref() before connect holds afterwards', (t) =>
  ends(
    t,
    `
    const server = net.createServer((socket) => socket.unref()).listen(0, '127.0.0.1').unref();
    await once(server.ref(), 'listening');
    const client = new net.Socket();
    client.unref();
    client.connect(server.address().port, '127.0.0.1');
    await once(server, 'connection');
    server.unref();`,
  ));
test('a socket that is destroyed does not', (t) => ends(t, `${PAIR} server.close(); client.destroy(); peer.destroy();`));
test('ref and unref give the socket back', (t) =>
  ends(t, `${PAIR} if (client.ref().unref() !== client) process.exit(3); client.destroy(); peer.destroy(); server.close();`));
