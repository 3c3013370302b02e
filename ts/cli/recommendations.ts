/**
 * What a host can be set to for a server with many sockets, what for, and whether a value will do. Nothing of it is required.
 */

/** How a value compares with what is recommended: number by number, where there are several. */
type Comparison = 'at least' | 'at most' | 'covers';

/** A sysctl, with what is recommended. */
export interface Recommendation {
  readonly name: string;
  readonly recommended: string;
  readonly purpose: string;
  readonly comparison: Comparison;
}

const row =
  (comparison: Comparison) =>
  (name: string, recommended: string, purpose: string): Recommendation => ({ name, recommended, purpose, comparison });
const atLeast = row('at least');
const atMost = row('at most');

export const SYSCTLS: readonly Recommendation[] = [
  atMost('kernel.io_uring_disabled', '0', 'io_uring for every process; 1 leaves it to kernel.io_uring_group, 2 to nobody'),
  atLeast('fs.file-max', '2097152', 'open files of the whole machine: a socket is one'),
  atMost('vm.swappiness', '10', 'memory of the process stays in memory'),
  atLeast('vm.dirty_ratio', '60', 'writers of files are not stopped while much is unwritten'),
  atMost('vm.dirty_background_ratio', '2', 'what was written begins to go to the disk early'),
  atMost('net.ipv4.tcp_synack_retries', '2', 'handshakes that nobody finishes are given up sooner'),
  row('covers')('net.ipv4.ip_local_port_range', '2000 65535', 'ports for outgoing connections to one address'),
  atLeast('net.ipv4.tcp_rfc1337', '1', 'stray resets do not end connections in TIME_WAIT'),
  atLeast('net.ipv4.tcp_syncookies', '1', 'a flood of handshakes does not shut others out'),
  atMost('net.ipv4.tcp_fin_timeout', '15', 'seconds that a half-closed connection without an owner is kept'),
  atMost('net.ipv4.tcp_keepalive_time', '300', 'idle seconds before a connection with keep-alive is probed'),
  atMost('net.ipv4.tcp_keepalive_probes', '5', 'unanswered probes before it counts as dead'),
  atMost('net.ipv4.tcp_keepalive_intvl', '15', 'seconds between them'),
  atLeast('net.core.rmem_default', '31457280', 'receive buffer of a socket that sets none; datagrams are lost when it is full'),
  atLeast('net.core.rmem_max', '33554432', 'the largest that setRecvBufferSize() can ask for'),
  atLeast('net.core.wmem_default', '31457280', 'send buffer of a socket that sets none'),
  atLeast('net.core.wmem_max', '33554432', 'the largest that setSendBufferSize() can ask for'),
  atLeast('net.core.somaxconn', '65535', 'connections that wait to be accepted: a cap on the backlog of listen()'),
  atLeast('net.core.netdev_max_backlog', '65536', 'packets that wait between the device and the protocols'),
  atLeast('net.core.optmem_max', '25165824', 'control data of a socket'),
  atLeast('net.ipv4.tcp_mem', '786432 1048576 26777216', 'pages that all TCP sockets may have'),
  atLeast('net.ipv4.udp_mem', '65536 131072 262144', 'pages that all UDP sockets may have'),
  atLeast('net.ipv4.tcp_rmem', '8192 87380 33554432', 'receive buffer of a TCP socket: least, initial, most'),
  atLeast('net.ipv4.tcp_wmem', '8192 65536 33554432', 'send buffer of a TCP socket: least, initial, most'),
  atLeast('net.ipv4.udp_rmem_min', '16384', 'receive buffer that a UDP socket keeps when memory is short'),
  atLeast('net.ipv4.udp_wmem_min', '16384', 'send buffer that it keeps'),
  atLeast('net.ipv4.tcp_max_tw_buckets', '1440000', 'connections in TIME_WAIT'),
];

/** A limit of processes, as the doctor reports it and `/proc/self/limits` calls it. */
export interface LimitRecommendation {
  readonly name: string;
  readonly label: string;
  readonly recommended: string;
  readonly command: string;
  readonly purpose: string;
}

export const LIMITS: readonly LimitRecommendation[] = [
  {
    name: 'nofile',
    label: 'Max open files',
    recommended: '1048576',
    command: 'ulimit -n 1048576  (systemd: LimitNOFILE=1048576; containers: --ulimit nofile=1048576:1048576)',
    purpose: 'descriptors of a process: a connection is one. Node raises the soft limit to the hard one by itself',
  },
  {
    name: 'memlock',
    label: 'Max locked memory',
    recommended: 'unlimited',
    command: 'ulimit -l unlimited  (systemd: LimitMEMLOCK=infinity; containers: --ulimit memlock=-1:-1)',
    purpose: 'bytes that a user may lock, of which some kernels count rings: a ring takes what there is, 16 KiB at least',
  },
];

const numbers = (value: string): number[] =>
  value
    .trim()
    .split(/\s+/)
    .map((word) => (word === 'unlimited' ? Infinity : Number(word)));

/** Whether a value is as good as what is recommended. */
export function suffices(value: string, recommended: string, comparison: Comparison): boolean {
  const [have, want] = [numbers(value), numbers(recommended)];
  return want.every((wanted, index) => {
    const is = have[index] ?? NaN;
    // Of a range the first number is to be small, the second large.
    const lower = comparison === 'at most' || (comparison === 'covers' && index === 0);
    return lower ? is <= wanted : is >= wanted;
  });
}
