/**
 * What a datagram socket of the transport stands on: a handle of the ring, or a socket of core's that has the same face.
 *
 * Statuses are negative errnos, as those of the ring's handles.
 */
import type { DatagramHandle, Endpoint, Peer, ReceivedDatagram, SentReport } from '../reactor/index.ts';
import type { DatagramSink } from './payload.ts';

/** The part of a {@link DatagramHandle} that a socket uses. */
export interface DatagramPort
  extends
    DatagramSink,
    Pick<
      DatagramHandle,
      | 'receiver'
      | 'onmessage'
      | 'onerror'
      | 'onclose'
      | 'receiveStart'
      | 'receiveStop'
      | 'setOption'
      | 'membership'
      | 'multicastInterface'
      | 'localEndpoint'
      | 'peerEndpoint'
      | 'fd'
      | 'close'
      | 'ref'
      | 'unref'
    > {
  /** Sends bytes that nobody changes until the report comes, to the socket's peer where there is no other. A negative errno, or zero, and the report follows. */
  transmit(bytes: Uint8Array, to: Peer | undefined, segment: number, report: SentReport, place: number): number;
}

export type { Endpoint, Peer, ReceivedDatagram, SentReport };
