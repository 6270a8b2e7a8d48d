/**
 * How long to wait, in ms, before a certificate that ends at `notAfter` (ms since the epoch) is renewed: until a
 * random point between 50 and 80 % of the life that it has left. At random so that a fleet that started together
 * does not renew together; no later than 80 % so that there is time to try again while the server is away.
 * Zero for one that has ended.
 * @param random uniform in [0, 1)
 */
export function renewalDelay(now: number, notAfter: number, random: () => number): number {
  const left = Math.max(0, notAfter - now)
  return left * (0.5 + 0.3 * random())
}

const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 10_000

/**
 * How long to wait, in ms, after the `failures`-th failure in a row (1 for the first): doubles from 250 ms up to 10 s,
 * less up to half of it at random.
 */
export function retryDelay(failures: number, random: () => number): number {
  const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1))
  return ceiling * (1 - 0.5 * random())
}
