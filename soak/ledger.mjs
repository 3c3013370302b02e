/** What has been found out: claims that held, and those that did not, with what is needed to see them again. */
export class Ledger {
  passed = 0;
  /** Whether failures are printed as they are found. */
  loud = true;
  failures = [];
  /** Sums of what was done, for the report. */
  sums = {};
  /** Where we are: printed with each failure. */
  place = '';

  check(holds, claim, ...details) {
    if (holds) {
      this.passed++;
      return true;
    }
    const failure = `${this.place}: ${claim}${details.length === 0 ? '' : `: ${details.map(show).join(' ')}`}`;
    this.failures.push(failure);
    if (this.failures.length <= 20 && this.loud) process.stdout.write(`FAILED ${failure}\n`);
    return false;
  }

  count(name, number = 1) {
    this.sums[name] = (this.sums[name] ?? 0) + number;
  }
}

const show = (value) =>
  value instanceof Error ? (value.stack ?? String(value)) : typeof value === 'object' ? JSON.stringify(value) : String(value);
