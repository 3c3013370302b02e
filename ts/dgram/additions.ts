/**
 * Options that core has not.
 */
import { SocketOption, SendGrouping, type DatagramHandle } from '../reactor/index.ts';
import { validateBoolean } from '../validate.ts';
import type { Additions, State } from './state.ts';

const NAMES = ['reply', 'gro', 'packetInfo', 'tos', 'timestamp', 'dropCounter', 'credentials'] as const;

/** Takes the further options out of those of `createSocket`. */
export function readAdditions(options: Record<string, unknown>): Additions {
  const additions: Record<string, boolean> = {};
  for (const name of NAMES) {
    const value = options[name];
    if (value !== undefined) validateBoolean(value, `options.${name}`);
    additions[name] = value === true;
  }
  const gso = options['gso'];
  if (gso !== undefined) validateBoolean(gso, 'options.gso');
  return { ...(additions as unknown as Additions), gso };
}

/** Sets them. What this kernel or kind of socket lacks is left out, and so absent from what is told. */
export function applyAdditions(state: State, handle: DatagramHandle): void {
  const { additions } = state;
  const wanted: [boolean, SocketOption][] = [
    [additions.packetInfo, SocketOption.PacketInfo],
    [additions.tos, SocketOption.RecvTypeOfService],
    [additions.timestamp, SocketOption.Timestamp],
    [additions.dropCounter, SocketOption.DropCounter],
    [additions.credentials, SocketOption.PassCredentials],
  ];
  let any = false;
  for (const [on, option] of wanted) if (on && handle.setOption(option, 1) === 0) any = true;
  state.gro = additions.gro && handle.setOption(SocketOption.UdpGro, 1) === 0;
  state.gso = additions.gso !== false && state.kind !== 'unix_dgram' && handle.getOption(SocketOption.UdpSegment) !== undefined;
  if (state.gso) handle.grouping = additions.gso === true ? SendGrouping.Always : SendGrouping.InBatches;
  if (any || state.gro) handle.setControl(true);
}
