// What tcpdump sees of what we claim to send, in a network of the test's own.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { find, testWith } from './_service.ts';

const privileged = process.getuid?.() === 0 && find('unshare') !== undefined && find('ip') !== undefined;
const possible = privileged && spawnSync('unshare', ['--net', 'true']).status === 0;
const test = testWith('tcpdump', 'ethtool', ...(possible ? [] : ['a network namespace: root, unshare and ip']));

/** Runs the script with two ends of a cable, `left` and `right`; what tcpdump saw at the far one, a line each. */
function capture(script: string, packets: number): { seen: string; errors: string } {
  const setUp =
    'ip link set lo up && ip link add left type veth peer name right && ip addr add 10.98.0.1/24 dev left && ' +
    // The far end has no address: what is sent to its neighbour leaves by the cable.
    'ip link set left up && ip link set right up && ip neigh add 10.98.0.2 lladdr 02:00:00:00:00:02 dev left && ' +
    // The near end cuts up and sums up by itself, so that what is seen is what a wire would carry.
    'ethtool -K left tx off gso off tx-udp-segmentation off > /dev/null; ' +
    'sleep 0.3; ' +
    `timeout 8 "$2" -i right -n -vv -l -c ${packets} 'udp port 14567' & capture=$!; sleep 0.7; ` +
    '"$0" --input-type=module --eval "$1"; wait $capture';
  const args = ['--net', 'sh', '-c', setUp, process.execPath, script, find('tcpdump')!];
  const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 30_000 });
  return { seen: stdout.replaceAll(/\n\s+/g, ' '), errors: stderr };
}

const open = `
  import { createSocket } from 'iouring-transport/dgram';
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.bind(4321, '10.98.0.1', resolve));
  const to = { port: 14567, address: '10.98.0.2' };
`;

test('captured: GSO leaves as datagrams of the size asked for, with sums that are right', async (t) => {
  const { seen, errors } = capture(
    `${open}
    console.error(JSON.stringify(await socket.sendMany([{ data: Buffer.alloc(2500, 7), segmentSize: 1000, ...to }])));
    socket.close();`,
    3,
  );
  t.true(errors.includes('[2500]'), errors);
  const lengths = [...seen.matchAll(/UDP, length (\d+)/g)].map(([, length]) => Number(length));
  t.deepEqual(lengths, [1000, 1000, 500], `${seen}\n${errors}`);
  t.false(seen.includes('bad udp cksum'), seen);
});

test('captured: TTL, and the destination and TTL of multicast', async (t) => {
  const { seen, errors } = capture(
    `${open}
    socket.setTTL(7);
    socket.setMulticastTTL(3);
    socket.setMulticastInterface('10.98.0.1');
    await socket.sendMany([{ data: 'to one', ...to }, { data: 'to many', port: 14567, address: '239.8.8.8' }]);
    socket.close();`,
    2,
  );
  const lines = seen.split('\n');
  t.regex(lines[0] ?? '', /ttl 7,.*10\.98\.0\.1\.4321 > 10\.98\.0\.2\.14567: .*length 6/, errors);
  t.regex(lines[1] ?? '', /ttl 3,.*10\.98\.0\.1\.4321 > 239\.8\.8\.8\.14567: .*length 7/, errors);
});
