// What datagram sockets of one family alone have: groups those of UDP, paths those of UNIX domain.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import test from 'ava';
import { freshPath, nothingLeft, pathOf, portOf, soon } from './_datagram-sockets.ts';

const { Payload, worker } = await import('iouring-transport/transport');

export function declareFamilies(): void {
  test.serial('groups are joined by index, by name and by address, for any source or one', async (t) => {
    const loopback = { index: 1, name: 'lo', address: '127.0.0.1' };
    // Of this process: what another's sockets have joined the machine takes in, and Linux gives to all that are bound to the port.
    const group = `239.255.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}`;
    for (const [how, on] of Object.entries(loopback)) {
      for (const source of [undefined, '127.0.0.1']) {
        const server = await worker.servers.udp({ host: '0.0.0.0' });
        const client = await worker.clients.udp({ host: group, port: portOf(server), localAddress: '127.0.0.1' });
        client.multicast.setInterface(on);
        client.multicast.setLoopback(true);
        client.multicast.setTtl(1);
        server.multicast.join(group, { interface: on, ...(source === undefined ? {} : { source }) });
        await client.sendSingle(Buffer.from(how));
        t.is((await server.receive(soon)).payload.takeBytes().toString(), how);
        server.multicast.leave(group, { interface: on, ...(source === undefined ? {} : { source }) });
        await client.sendSingle(Buffer.from('nobody hears'));
        await t.throwsAsync(server.receive({ timeout: 20 }), { code: 'ERR_IOURING_TIMEOUT' });
        await client.close();
        await server.close();
      }
    }
    await nothingLeft(t);
  });

  test.serial('wrong groups and interfaces are told of by codes', async (t) => {
    const server = await worker.servers.udp({ host: '0.0.0.0' });
    const { multicast } = server;
    t.throws(() => multicast.join('10.0.0.1', { interface: 'lo' }), { code: 'EINVAL', message: 'addMembership EINVAL' });
    t.throws(() => multicast.leave('239.1.1.1', { interface: 'lo' }), { code: 'EADDRNOTAVAIL' });
    t.throws(() => multicast.join('239.1.1.1', { interface: 'none-such' }), { code: 'ENODEV' });
    t.throws(() => multicast.join('239.1.1.1', { interface: 99_999 }), { code: 'ENODEV' });
    t.throws(() => multicast.join('239.1.1.1', { interface: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    t.throws(() => multicast.join('239.1.1.1', { interface: '../lo' }), { code: 'ERR_INVALID_ARG_VALUE' });
    t.throws(() => multicast.join('239.1.1.1', { interface: {} as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => multicast.join(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => multicast.setTtl(256), { code: 'ERR_OUT_OF_RANGE' });
    t.throws(() => multicast.setLoopback(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await server.close();
    t.throws(() => multicast.join('239.1.1.1', { interface: 'lo' }));
    await nothingLeft(t);
  });

  if (worker.backend === 'core') {
    test.serial('core has no UNIX-domain datagrams, and says so', async (t) => {
      const code = { code: 'ERR_IOURING_UNAVAILABLE' };
      await t.throwsAsync(worker.servers.unixDatagram({ path: freshPath() }), code);
      await t.throwsAsync(worker.clients.unixDatagram({ path: freshPath() }), code);
    });
    return;
  }

  test.serial('paths are removed, and who is not bound cannot be responded to', async (t) => {
    const server = await worker.servers.unixDatagram({ path: freshPath() });
    const localPath = freshPath();
    const client = await worker.clients.unixDatagram({ path: pathOf(server), localPath });
    t.deepEqual([existsSync(pathOf(server)), existsSync(localPath)], [true, true]);
    t.deepEqual(client.remoteAddress, server.address);
    t.deepEqual(client.localAddress, { path: localPath });
    await t.throwsAsync(worker.servers.unixDatagram({ path: pathOf(server) }), { code: 'EADDRINUSE' });
    await t.throwsAsync(worker.clients.unixDatagram({ path: freshPath() }), { code: 'ENOENT' });
    const { default: ours } = await import('iouring-transport/dgram');
    const nameless = ours.createSocket({ type: 'unix_dgram' });
    await new Promise<unknown>((resolve) => nameless.send('who?', pathOf(server), resolve));
    const datagram = await server.receive(soon);
    t.deepEqual(datagram.address, { path: '' });
    datagram.payload.release();
    await t.throwsAsync(datagram.respondSingle(Buffer.from('you')), { code: 'EDESTADDRREQ' });
    nameless.close();
    const gone = pathOf(server);
    await client.close();
    await server.close();
    t.deepEqual([existsSync(gone), existsSync(localPath)], [false, false]);
    await nothingLeft(t);
  });

  test.serial('a client that cannot connect leaves no path behind, and takes none that is another’s', async (t) => {
    const localPath = freshPath();
    for (let i = 0; i < 2; i++) {
      await t.throwsAsync(worker.clients.unixDatagram({ path: freshPath(), localPath }), { code: 'ENOENT' });
      t.false(existsSync(localPath));
    }
    writeFileSync(localPath, '');
    await t.throwsAsync(worker.clients.unixDatagram({ path: freshPath(), localPath }), { code: 'EADDRINUSE' });
    t.true(existsSync(localPath));
    rmSync(localPath);
    await nothingLeft(t);
  });

  test.serial('a peer that never reads ends its client by the write time-out', async (t) => {
    const full = await worker.servers.unixDatagram({ path: freshPath(), payloadLimit: 1 });
    const client = await worker.clients.unixDatagram({ path: pathOf(full), writeTimeout: 50 });
    const sending = (async () => {
      for (;;) await client.sendSingle(Buffer.alloc(1000));
    })();
    const error = await t.throwsAsync(sending, { code: 'ERR_IOURING_TIMEOUT' });
    t.like(error, { kind: 'write', timeout: 50 });
    t.is(await client.closed, error as never);
    await full.close();
    await nothingLeft(t);
  });

  test.serial('the kernel tells of a datagram what the options ask for', async (t) => {
    const server = await worker.servers.udp({ timestamp: true, packetInfo: true, tos: true, dropCounter: true });
    const client = await worker.clients.udp({ port: portOf(server), transport: { typeOfService: 0x28 } });
    await client.sendSingle(Buffer.from('x'));
    const { payload, ancillary } = await server.receive(soon);
    payload.release();
    t.is(ancillary!.destination, '127.0.0.1');
    t.is(ancillary!.tos, 0x28);
    t.is(typeof ancillary!.timestamp, 'bigint');
    await client.close();
    await server.close();
    const local = await worker.servers.unixDatagram({ path: freshPath(), credentials: true });
    const other = await worker.clients.unixDatagram({ path: pathOf(local) });
    await other.sendSingle(Buffer.from('x'));
    const datagram = await local.receive(soon);
    t.is(datagram.ancillary!.credentials!.pid, process.pid);
    datagram.payload.release();
    await other.close();
    await local.close();
    await nothingLeft(t);
  });

  test.serial('a datagram of a UNIX-domain socket that has no room in a buffer says so', async (t) => {
    const server = await worker.servers.unixDatagram({ path: freshPath() });
    const client = await worker.clients.unixDatagram({ path: pathOf(server) });
    await client.sendSingle(Buffer.alloc(100_000, 7));
    const { payload, truncated } = await server.receive(soon);
    t.true(truncated);
    t.true(payload instanceof Payload && payload.length >= 65_535 && payload.length < 100_000);
    payload.release();
    await client.close();
    await server.close();
    await nothingLeft(t);
  });
}
