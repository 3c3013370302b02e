/** Numbers as a reader wants them. A dash where there is none. */

/** With so many digits behind the point. */
export const digits = (value, count) => (Number.isFinite(value) ? value.toFixed(count) : '–');

/** Three significant digits, without an exponent. */
export function short(value) {
  if (!Number.isFinite(value)) return '–';
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

/** A share of one as per cent. */
export const percent = (value) => (Number.isFinite(value) ? `${Math.round(value * 100)} %` : '–');
