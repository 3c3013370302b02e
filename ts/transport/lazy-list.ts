/** Lists that most connections never need: they share one that stays empty, until there is something to enter. */

/** In place of a list that nothing has been entered in yet. Nothing ever is: see {@link entered}. */
export const NONE: never[] = [];

/** The list with an item more: itself, or a new one in the place of {@link NONE}. */
export function entered<Item>(list: Item[], item: Item): Item[] {
  if (list === NONE) return [item];
  list.push(item);
  return list;
}
