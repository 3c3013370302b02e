/**
 * Which binding's reactor this instance of the package has.
 *
 * A thread may have several instances: Jest, and Vitest in contexts of `vm`, load the package anew for each file of tests, and so do those who empty
 * `require.cache`. Node gives all of them the same binding, and a binding has one reactor for each time that it was loaded into the thread: a _place_. An instance
 * takes the place of one that has nothing open any more, since nobody says when one is done with, and where there is none it has the binding loaded once more. So there
 * are as many rings as instances that are in use at the same time.
 */
import { define } from '../define.ts';
import type { NativeBinding } from '../native-binding.ts';
import { loadAnew } from '../native.ts';

/** Gives its reactor up, unless that is in use. False where it is. */
export type GiveUp = () => boolean;

interface Place {
  readonly binding: NativeBinding;
  holder: GiveUp | undefined;
}

/** What the instances of a thread have in common is the binding. */
const PLACES = Symbol.for('iouring-transport.places');

interface Shared {
  [PLACES]?: Place[];
}

function placesOf(binding: NativeBinding & Shared): Place[] {
  if (binding[PLACES] === undefined) define(binding, PLACES, { value: [{ binding, holder: undefined }] });
  return binding[PLACES]!;
}

/** This instance's place. */
let own: Place | undefined;

/**
 * The binding that this instance is to make its reactor with: the one that it has been given before, unless somebody else has it now.
 *
 * @param shared what has been loaded, which all instances of the thread have
 * @throws where another one is needed and cannot be loaded
 */
export function takePlace(shared: NativeBinding, giveUp: GiveUp): NativeBinding {
  if (own?.holder === giveUp) return own.binding;
  const places = placesOf(shared);
  // Who comes back has given a place up. Taking it back from those who are at rest just now would go on for ever.
  const isFirst = own === undefined;
  own = places.find(({ holder }) => holder === undefined || (isFirst && holder()));
  if (own === undefined) places.push((own = { binding: loadAnew(), holder: undefined }));
  own.holder = giveUp;
  return own.binding;
}
