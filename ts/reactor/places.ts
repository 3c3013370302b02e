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
  /** Until when only a new instance may take it: what {@link Places.taken} is then. */
  keptUntil: number;
}

interface Places {
  readonly all: Place[];
  /** How often one was taken. */
  taken: number;
}

/** Who has come back keeps its place while so many others are taken. Taking them back from each other at once would go on for ever; never, they would be ever more. */
const KEPT = 16;

/** What the instances of a thread have in common is the binding. */
const PLACES = Symbol.for('iouring-transport.places');

interface Shared {
  [PLACES]?: Places;
}

const makePlace = (binding: NativeBinding): Place => ({ binding, holder: undefined, keptUntil: 0 });

function placesOf(binding: NativeBinding & Shared): Places {
  if (binding[PLACES] === undefined) define(binding, PLACES, { value: { all: [makePlace(binding)], taken: 0 } });
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
  const comesBack = own !== undefined;
  own = places.all.find(
    ({ holder, keptUntil }) => holder === undefined || (!(comesBack && places.taken < keptUntil) && holder()),
  );
  if (own === undefined) places.all.push((own = makePlace(loadAnew())));
  places.taken++;
  own.holder = giveUp;
  own.keptUntil = comesBack ? places.taken + KEPT : 0;
  return own.binding;
}
