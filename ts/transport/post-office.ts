/**
 * Connections on their way between workers, as the transport sees them: it carries them, and what becomes of them. Those that a worker does not take, or that were
 * sent to one that ends before it has answered, are closed, and their senders are told.
 */
import type { Parcel } from './parcel.ts';
import { discard } from './parcel.ts';
import type { WorkerSlot } from './worker-slot.ts';

interface Delivery {
  readonly from: WorkerSlot;
  readonly ticket: string;
  readonly parcel: Parcel;
}

export class PostOffice {
  /** What has not been answered, by the worker that is to answer, by ticket. */
  readonly #deliveries = new Map<WorkerSlot, Map<string, Delivery>>();

  /** Carries a connection. @param ticket names it, among all that there have been */
  carry(from: WorkerSlot, to: WorkerSlot, ticket: string, parcel: Parcel): void {
    const delivery = { from, ticket, parcel };
    if (!to.post({ kind: 'connection', from: from.id, ticket, parcel })) {
      this.#fail(delivery);
      return;
    }
    let open = this.#deliveries.get(to);
    if (open === undefined) this.#deliveries.set(to, (open = new Map()));
    open.set(ticket, delivery);
  }

  /** A worker has taken a connection, or not. */
  answer(by: WorkerSlot, ticket: string, isTaken: boolean): void {
    const open = this.#deliveries.get(by);
    const delivery = open?.get(ticket);
    if (delivery === undefined) return;
    open!.delete(ticket);
    if (isTaken) delivery.from.post({ kind: 'delivered', ticket, isTaken });
    else this.#fail(delivery);
  }

  /** A worker's thread has ended. */
  drop(by: WorkerSlot): void {
    const open = this.#deliveries.get(by);
    this.#deliveries.delete(by);
    for (const delivery of open?.values() ?? []) this.#fail(delivery);
  }

  #fail({ from, ticket, parcel }: Delivery): void {
    discard(parcel);
    from.post({ kind: 'delivered', ticket, isTaken: false });
  }
}
