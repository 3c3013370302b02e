/** Medians. */

/** The median of numbers; `undefined` of none. */
export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((one, other) => one - other);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Ratio of two arms: the median of the ratios within each round, with the smallest and the largest of them. Rounds are
 * compared with themselves, since the machine may be slower in one than in another.
 */
export function ratio(over, under, metric) {
  const ratios = [];
  for (const round of over) {
    const partner = under.find((other) => other.round === round.round);
    if (partner !== undefined) ratios.push(metric(round) / metric(partner));
  }
  return spread(ratios, (value) => value);
}

/** The median of a metric, with the smallest and the largest; `undefined` of none. */
export function spread(runs, metric) {
  const finite = runs.map(metric).filter((value) => Number.isFinite(value));
  if (finite.length === 0) return undefined;
  return { median: median(finite), least: Math.min(...finite), greatest: Math.max(...finite) };
}
