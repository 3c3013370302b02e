/**
 * Options that core has not.
 */
import { SocketOption, Together, type DatagramHandle } from '../reactor/index.ts';
import { validateBoolean } from '../validate.ts';
import type { Extras, State } from './state.ts';

const NAMES = ['reply', 'gro', 'packetInfo', 'tos', 'timestamp', 'dropCounter', 'credentials'] as const;

/** Takes the further options out of those of `createSocket`. */
export function readExtras(options: Record<string, unknown>): Extras {
  const extras: Record<string, boolean> = {};
  for (const name of NAMES) {
    const value = options[name];
    if (value !== undefined) validateBoolean(value, `options.${name}`);
    extras[name] = value === true;
  }
  const gso = options['gso'];
  if (gso !== undefined) validateBoolean(gso, 'options.gso');
  return { ...(extras as unknown as Extras), gso };
}

/** Sets them. What this kernel or kind of socket lacks is left out, and so absent from what is told. */
export function applyExtras(state: State, handle: DatagramHandle): void {
  const { extras } = state;
  const wanted: [boolean, SocketOption][] = [
    [extras.packetInfo, SocketOption.PacketInfo],
    [extras.tos, SocketOption.RecvTypeOfService],
    [extras.timestamp, SocketOption.Timestamp],
    [extras.dropCounter, SocketOption.DropCounter],
    [extras.credentials, SocketOption.PassCredentials],
  ];
  let any = false;
  for (const [on, option] of wanted) if (on && handle.setOption(option, 1) === 0) any = true;
  state.gro = extras.gro && handle.setOption(SocketOption.UdpGro, 1) === 0;
  state.gso = extras.gso !== false && state.kind !== 'unix_dgram' && handle.getOption(SocketOption.UdpSegment) !== undefined;
  if (state.gso) handle.together = extras.gso === true ? Together.Always : Together.InBatches;
  if (any || state.gro) handle.setControl(true);
}
