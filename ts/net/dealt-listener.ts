/**
 * A server of a cluster's worker whose connections the primary takes, and deals out to the workers in turn.
 */
import type core from 'node:net';
import { StreamHandle } from '../reactor/index.ts';
import type { DealtHandle } from '../primary.ts';
import { settingsOfConnections } from '../socket-options.ts';
import { noteOwner, takeFromCore, type CoreHandle } from '../core/handles.ts';
import { kConnectionTransport, kTransport } from './internals.ts';
import { connectionParts } from './connection-parts.ts';
import type { BoundListener } from './listener.ts';
import { kOverLibuv, type NetServer } from './server-internals.ts';

export class DealtListener implements BoundListener {
  readonly listening = true;
  readonly announcesClose = false;
  readonly #handle: DealtHandle;

  constructor(server: NetServer, handle: DealtHandle) {
    this.#handle = handle;
    noteOwner(handle, server);
    const unix = handle.getsockname === undefined;
    server[kConnectionTransport] = settingsOfConnections(server[kTransport], unix);
    handle.onconnection = (_status, client) => {
      const peer = takeFromCore(client, (fd) => StreamHandle.adopt(fd, true));
      // Out of descriptors: the client sees an end, as it does of a server of one's own.
      if (typeof peer === 'number') return;
      const { acceptConnection, acceptForLibuv, Link } = connectionParts();
      if (server[kOverLibuv]) {
        acceptForLibuv(server, peer, unix);
        return;
      }
      const link = new Link(unix);
      link.attach(peer);
      acceptConnection(server, link);
    };
  }

  listen(): number {
    return 0;
  }

  close(): void {
    this.#handle.close();
  }

  reference(wanted: boolean): void {
    if (wanted) this.#handle.ref();
    else this.#handle.unref();
  }

  address(server: NetServer): core.AddressInfo | string | null {
    if (this.#handle.getsockname === undefined) return server._pipeName ?? null;
    const name = {};
    this.#handle.getsockname(name);
    return name as core.AddressInfo;
  }

  shownHandle(): DealtHandle {
    return this.#handle;
  }

  /** There is nothing here that could be sent. */
  makeSendable(): CoreHandle | null {
    return null;
  }
}
