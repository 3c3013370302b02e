/**
 * The protocol between Rust and TypeScript: kinds of commands and completions, layout of their records, flags.
 *
 * Generated from crates/binding by `npm run protocol`. Do not edit.
 */

/** Bytes of the arena that small writes are copied into. */
export const ARENA_SIZE = 2097152;

/** Position, in a completion, of the word that TypeScript sets to borrow a buffer. */
export const BORROWED_WORD = 5;

/** Kinds of commands. Words: kind, handle, then as said. */
export const enum Command {
  /** Let data come: 1 where `Readable` is of use, 0 otherwise. */
  ReadStart = 0,
  /** Let no more data come. */
  ReadStop = 1,
  /** Send bytes: region, offset, length; then 1 if the write request ends here, 0 if more of it follows. */
  Write = 2,
  /** End the sending half after what was written. */
  ShutDown = 3,
  /** Close. */
  Close = 4,
  /** Give a borrowed receive buffer back: its number in the place of the handle; how many slices of it. */
  Release = 5,
  /**
   * Read from a file: region, offset, length, token, then the position's lower and upper half; -1 for the file's
   * own.
   */
  FileRead = 6,
  /** Write to a file; words as for `FileRead`. */
  FileWrite = 7,
  /** Read from a file, and do the next only when all was read. */
  FileReadLinked = 8,
  /** Write to a file, and do the next only when all was written. */
  FileWriteLinked = 9,
  /** Close a file: token. */
  FileClose = 10,
  /**
   * Send a datagram: region, offset, length; where in the arena its destination is; the destination's length, 0 for
   * the socket's peer, and, from bit 8 on, `MSG_*` flags (`DESTINATION_BESIDE`: the destination is in the payload's
   * region instead; `SEND_TOGETHER`); size of the datagrams that the kernel is to cut it into, 0 for none.
   */
  SendDatagram = 11,
  /** Receive datagrams with control data, or without: 1 or 0. */
  Control = 12,
  /**
   * Send bytes, at least one, that take the descriptors staged first with them: words as for `Write`. They go by
   * themselves.
   */
  WriteWithDescriptors = 13,
  /** Give a borrowed receive buffer of datagrams back: words as for `Release`. */
  ReleaseDatagram = 14,
  /**
   * Let no more data come, for good: behind what was on its way `Ended` follows with `-ECANCELED`, unless the stream
   * has ended. Nothing is taken from the socket any more.
   */
  ReadCease = 15,
  /**
   * Receive one datagram after another from now on: other processes have the socket, too, and are to get what is not
   * wanted here any more.
   */
  Share = 16,
}

/** Commands that fit before they must be taken. */
export const COMMAND_CAPACITY = 2048;

/** Positions of a command's words behind its kind. What the last three hold depends on it. */
export const enum CommandWord {
  /** What it is about. */
  Handle = 1,
  /** Which memory its bytes are in; of a command that is about no bytes, its argument. */
  Region = 2,
  /** Where in it they begin: the lower half. */
  Offset = 3,
  /** How many there are. */
  Length = 4,
  /** Whether a write request ends here; the token of a transfer; where a datagram's destination is. */
  Argument = 5,
  /** The lower half of a transfer's position; what is packed of a datagram. */
  First = 6,
  /** The upper half of a transfer's position; the size of the datagrams that one is cut into. */
  Second = 7,
}

/** Kinds of completions. Words: kind, handle, status or count, then as said. Statuses are zero or a negative errno. */
export const enum Completion {
  /** A connect has ended: status. */
  Connected = 0,
  /** A connection was accepted: the new stream's handle. */
  Accepted = 1,
  /** The listener stopped accepting: status. */
  AcceptFailed = 2,
  /**
   * Bytes have arrived: their number, their offset in the pool, the buffer's number. Read them before the record is
   * passed; TypeScript may set the word behind to 1 to borrow the buffer until a `Release`.
   */
  Received = 3,
  /** Nothing more will arrive: zero at the end of the stream, or an error. */
  Ended = 4,
  /** A write request is with the kernel: status. */
  Written = 5,
  /** The sending half has been shut down: status. */
  ShutDown = 6,
  /** The handle is closed and its name no longer valid. */
  Closed = 7,
  /** The ring itself has failed: status. There is no handle. */
  RingFailed = 8,
  /**
   * A file was opened: its handle, its mode, the token, the size's lower and upper half, 1 where its status can be
   * had without waiting.
   */
  FileOpened = 9,
  /** A file operation is done: no handle, bytes or status, the token. */
  FileDone = 10,
  /**
   * A datagram has arrived: its length, the payload's offset in the datagram pool, the buffer's number; the word to
   * borrow it by, as with `Received`, until a `ReleaseDatagram`; where in the pool the sender's name is; and how
   * long that is, with, from bit 8 on, the length of the control data, which follow behind the room for the name,
   * and the flags `DATAGRAM_TRUNCATED` and `DATAGRAM_CONTROL_TRUNCATED`.
   */
  Datagram = 11,
  /** The network reports an error on a datagram socket, which goes on receiving: status. */
  ReceiveFailed = 12,
  /** Datagrams are with the kernel, or one has failed: status; how many. */
  Sent = 13,
  /**
   * Bytes have arrived on a stream that takes descriptors: their number, their offset in the datagram pool, the
   * buffer's number; a word of no meaning; how many descriptors came with them; 1 where some were lost, 0 otherwise.
   */
  Message = 14,
  /** More waits than was received: a piece of it can be taken by `receiveNowait` while the record is dispatched. */
  Readable = 15,
}

/** Completions that are handed over at once. */
export const COMPLETION_CAPACITY = 1024;

/** Positions of the words that all completions have behind their kind. */
export const enum CompletionWord {
  /** What it is about; -1 for nothing. */
  Handle = 1,
  /** A status or a count. */
  Result = 2,
}

/** and its mask, once it is shifted. */
export const CONTROL_LENGTH = 65535;

/** Where the length of the control data begins in it, */
export const CONTROL_LENGTH_SHIFT = 8;

/** How many receive buffers of datagrams there are. */
export const DATAGRAM_BUFFERS = 256;

/** In the last word of a datagram: its control data was longer than the room for it. */
export const DATAGRAM_CONTROL_TRUNCATED = 33554432;

/** The region of the receive buffers of datagrams, likewise. */
export const DATAGRAM_REGION = 4294967294;

/** In the last word of a datagram: it was longer than the room for it. */
export const DATAGRAM_TRUNCATED = 16777216;

/** Positions of the words of a completion that tells of a datagram. Between buffer and name is [`BORROWED_WORD`]. */
export const enum DatagramWord {
  /** Bytes of the payload. */
  Length = 2,
  /** Where it begins in the datagram pool. */
  Offset = 3,
  /** The buffer's number. */
  Buffer = 4,
  /** Where in the pool the sender's name is. */
  Name = 6,
  /** The lengths of the name and of the control data, and what was truncated. */
  Lengths = 7,
}

/** Beside the flags of a datagram to be sent: its destination lies in the region of its payload. */
export const DESTINATION_BESIDE = 1073741824;

/** Mask of the destination's length in the word of a `SendDatagram` that packs it with the flags. */
export const DESTINATION_LENGTH = 255;

/** Address families of sockets. */
export const enum Domain {
  /** IPv4. */
  Ipv4 = 0,
  /** IPv6. */
  Ipv6 = 1,
  /** UNIX. */
  Unix = 2,
}

/** Kinds of file operations. The numbers `a`, `b` and `c` of `fileCall` are as said. */
export const enum FileOpKind {
  /** Open `path`: flags, mode. `FileOpened` follows on success. */
  Open = 0,
  /**
   * Status of `path`: `AT_*` flags, region for the answer: 18 words of 64 bits, dev, mode, nlink, uid, gid, rdev,
   * blksize, ino, size, blocks, then seconds and nanoseconds of access, modification, change and birth.
   */
  Status = 1,
  /** Remove `path`: `AT_REMOVEDIR` or 0. */
  Unlink = 2,
  /** Rename `path` to `other`: `RENAME_*`. */
  Rename = 3,
  /** Make the directory `path`: mode. */
  MakeDirectory = 4,
  /** Make `other` a symbolic link that says `path`. */
  Symlink = 5,
  /** Make `other` a hard link to `path`. */
  Link = 6,
  /** `fsync` of the handle. */
  Sync = 7,
  /** `fdatasync` of the handle. */
  DataSync = 8,
  /** Set the length of the handle's file: length. */
  Truncate = 9,
  /** Reserve space: `FALLOC_FL_*`, offset, length. */
  Allocate = 10,
  /** Say how the file will be used: `POSIX_FADV_*`, offset, length. */
  Advise = 11,
  /** Extended attribute `other` of `path`: 0, region for the value, its length. The result is the number of bytes. */
  GetXattr = 12,
  /** The same of the handle's file. */
  FGetXattr = 13,
  /** Set extended attribute `other` of `path`: `XATTR_*`, region of the value, its length. */
  SetXattr = 14,
  /** The same of the handle's file. */
  FSetXattr = 15,
}

/** Positions of the further words of a completion about files. */
export const enum FileWord {
  /** Whose operation it was. */
  Token = 3,
  /** The lower half of the size of a file that was opened, */
  SizeLow = 4,
  /** and the upper one. */
  SizeHigh = 5,
  /** 1 where its status can be had without waiting. */
  Local = 6,
}

/** Positions of the header's words. */
export const enum Header {
  /** Commands written and not yet taken. TypeScript counts up, Rust sets it to zero. */
  Commands = 0,
  /** Completions to be dispatched. Written by Rust. */
  Completions = 1,
  /** Completions dispatched so far. Set to zero by Rust, counted up by TypeScript. */
  Cursor = 2,
  /**
   * The dispatch has used up its time: what is left waits for the next turn. Set to one by TypeScript, to zero by
   * Rust.
   */
  Yielded = 3,
}

/** Words of the header. */
export const HEADER_WORDS = 16;

/** Room for the sender's name in front of a datagram of an IP socket. */
export const INTERNET_NAME = 32;

/**
 * Bits of a command's first word that hold its kind. Those above them are the upper part of the offset, where the
 * command has one: offsets into JavaScript's memory go up to 2^53. Lengths and positions are as long as their words
 * are; whoever has more to move writes several commands.
 */
export const KIND_BITS = 8;

/** Most bytes that one command can be about: what the kernel's results can tell of. */
export const MAX_PIECE = 2147483647;

/** Mask of the name's length in the last word of a datagram. */
export const NAME_LENGTH = 255;

/**
 * The region of the receive buffers: what was borrowed can be sent from where it lies. Region 0 is the arena, the
 * others are views.
 */
export const RECEIVED_REGION = 4294967295;

/** Positions of the further words of a completion with bytes of a stream. */
export const enum ReceivedWord {
  /** Where they begin in the pool. */
  Offset = 3,
  /** The buffer's number. */
  Buffer = 4,
  /** How many descriptors came with them. */
  Descriptors = 6,
  /** 1 where some of these were lost. */
  Lost = 7,
}

/** Words of a command or completion. */
export const RECORD_WORDS = 8;

/**
 * `MSG_*` flags that a datagram can be sent with. Not `MSG_ZEROCOPY`, with which the kernel would hold on to the
 * memory.
 */
export const SEND_FLAGS = 34884;

/** Where `MSG_*` flags begin in that word. */
export const SEND_FLAGS_SHIFT = 8;

/** Beside the flags of a datagram to be sent: it may go out in one request with its neighbours (GSO). */
export const SEND_TOGETHER = 536870912;

/** Position of the word that counts the datagrams which a completion reports as sent. */
export const SENT_WORD = 3;

/** A socket option whose value is one integer. A *switch* is off at 0 and on at any other value, and reads as 0 or 1. */
export const enum SocketOption {
  /** Bind although connections in TIME_WAIT hold the port; for datagrams: share it. A switch, off. socket(7). */
  ReuseAddress = 0,
  /** Several sockets of one user bind the same port and share its load. A switch, off. socket(7). */
  ReusePort = 1,
  /**
   * An IPv6 socket refuses IPv4. A switch, off unless `net.ipv6.bindv6only` says otherwise; before bind only.
   * ipv6(7).
   */
  Ipv6Only = 2,
  /** Send small segments at once (no Nagle algorithm). A switch, off. tcp(7). */
  NoDelay = 3,
  /** Probe idle connections. A switch, off. socket(7). */
  KeepAlive = 4,
  /** Idle time before the first keep-alive probe. Seconds, 1 to 32767; 7200. tcp(7). */
  KeepIdle = 5,
  /** Time between keep-alive probes. Seconds, 1 to 32767; 75. tcp(7). */
  KeepInterval = 6,
  /** Unanswered keep-alive probes before the connection is dropped. 1 to 127; 9. tcp(7). */
  KeepCount = 7,
  /**
   * How long close waits for unsent data. -1: not at all, the kernel sends it behind our back (the default);
   * 0: discard it and reset the connection; otherwise seconds. socket(7).
   */
  Linger = 8,
  /**
   * Receive buffer in bytes; from `net.core.rmem_default`, at most `net.core.rmem_max`. The kernel doubles
   * what is set, for its own bookkeeping, and reads back the doubled value. socket(7).
   */
  RecvBuffer = 9,
  /**
   * Send buffer in bytes, doubled likewise; from `net.core.wmem_default`, at most `net.core.wmem_max`.
   * socket(7).
   */
  SendBuffer = 10,
  /** May send to broadcast addresses. A switch, off. socket(7). */
  Broadcast = 11,
  /**
   * The byte that carries DSCP (upper six bits) and, for datagrams, ECN (lower two; TCP keeps its own there).
   * 0 to 255; 0. ip(7), ipv6(7).
   */
  TypeOfService = 12,
  /** Hops that what is sent may take. 1 to 255, or -1 for the system's default, usually 64. ip(7), ipv6(7). */
  UnicastHops = 13,
  /** Hops that multicast datagrams may take. 0 to 255, or -1 for the default, 1. ip(7), ipv6(7). */
  MulticastHops = 14,
  /** Multicast datagrams that this host sends come back to its own members. A switch, on. ip(7), ipv6(7). */
  MulticastLoop = 15,
  /**
   * The interface that multicast datagrams leave by. Its index; 0: as routed. ip(7), ipv6(7). IPv4 sockets do
   * not tell: reading gives `ENOPROTOOPT`.
   */
  MulticastInterface = 16,
  /** Also receive from groups that another socket of this host joined. A switch, on. ip(7). */
  MulticastAll = 17,
  /**
   * The socket's pending error as a positive number, 0 if there is none; reading clears it. Read-only.
   * socket(7).
   */
  Error = 18,
  /** Datagrams come with the address and interface they were sent to. A switch, off. ip(7), ipv6(7). */
  PacketInfo = 19,
  /** Datagrams come with their type-of-service byte, and so with ECN. A switch, off. ip(7), ipv6(7). */
  RecvTypeOfService = 20,
  /** Datagrams come with the time of their arrival in nanoseconds. A switch, off. socket(7). */
  Timestamp = 21,
  /**
   * Datagrams come with the number of those dropped so far because the receive buffer was full. A switch, off.
   * socket(7).
   */
  DropCounter = 22,
  /** What is sent in one call leaves as datagrams of this many bytes. 0 to 65535; 0: as one. udp(7). */
  UdpSegment = 23,
  /** Datagrams of one flow may be delivered as one buffer, with their size beside it. A switch, off. udp(7). */
  UdpGro = 24,
  /** The CPU that handled the socket's last packet; setting it steers among sockets that share a port. socket(7). */
  IncomingCpu = 25,
  /**
   * How long a receive may poll the network device when nothing is queued. Microseconds; `net.core.busy_read`.
   * Raising it takes `CAP_NET_ADMIN`. socket(7).
   */
  BusyPoll = 26,
  /** Priority in the network device's queues. 0 to 6; 0. Above 6 takes `CAP_NET_ADMIN`. socket(7). */
  Priority = 27,
  /** Bind to addresses that this host does not have yet. A switch, off. ip(7). */
  FreeBind = 28,
  /** Acknowledge at once instead of with delay. A switch that the kernel may turn off again. tcp(7). */
  QuickAck = 29,
  /** Hold partial segments back, at most 200 ms. A switch, off. tcp(7). */
  Cork = 30,
  /**
   * A listener wakes when data arrives, not when the handshake is done; seconds to wait, rounded up to whole
   * retransmissions. 0: off. tcp(7).
   */
  DeferAccept = 31,
  /** On a listener: connections with data in their SYN that may be pending. 0: none. tcp(7). */
  FastOpen = 32,
  /** On a client: send the first data with the SYN. A switch, off. tcp(7). */
  FastOpenConnect = 33,
  /** Largest segment in bytes; set before connecting. 88 to 32767, 0 for the kernel's choice. tcp(7). */
  MaxSegment = 34,
  /** Attempts at a handshake before giving up. 1 to 127; `net.ipv4.tcp_syn_retries`. tcp(7). */
  SynRetries = 35,
  /**
   * How long sent data may stay unacknowledged before the connection is dropped. Milliseconds; 0: the system's
   * default. tcp(7).
   */
  UserTimeout = 36,
  /**
   * Unsent bytes above which the socket does not report itself writable. 0 to 2³¹−1;
   * `net.ipv4.tcp_notsent_lowat`, which reads as -1 where it is unlimited. tcp(7).
   */
  UnsentLowWater = 37,
  /** Bytes that make the socket readable. At least 1; 1. socket(7). */
  RecvLowWater = 38,
  /** UNIX sockets: messages come with the sender's process, user and group. A switch, off. unix(7). */
  PassCredentials = 39,
  /**
   * A number that routing and the packet filter tell packets by. 0: none. Takes `CAP_NET_ADMIN` or, of Linux 5.17
   * on, `CAP_NET_RAW`. socket(7).
   */
  Mark = 40,
  /** Only what comes in by this network interface, and out by it. Its index; 0: any. */
  BindToInterface = 41,
}

/** Room for the sender's name in front of a datagram of a UNIX socket. */
export const UNIX_NAME = 112;

/** The version that the binary is of. Both ends of the protocol are of one. */
export const VERSION = '0.1.0';
