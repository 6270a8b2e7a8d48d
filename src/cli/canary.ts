import process from 'node:process'
import { type Command, InvalidArgumentError } from 'commander'
import { type Limits, outcomesText, type Verdict, verdict } from '../management/releases/canary.ts'
import { type Outcomes, since } from '../management/releases/outcomes.ts'
import type { Target } from '../management/releases/routes.ts'
import type { Shares } from '../management/releases/shares.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { print } from './output-format.ts'
import { addReleaseOptions, plannedText, Release, type ReleaseOptions, sharesText } from './releases/release.ts'

interface Options extends ReleaseOptions {
  readonly from: string
  readonly to: string
  readonly steps: readonly number[]
  readonly hold: number
  readonly interval: number
  readonly maxWait: number
  readonly maxErrors: number
  readonly maxLatency?: number
  readonly minRequests: number
}

/** `weft canary` */
export function define(command: Command): void {
  command
    .description(
      'Rolls a new version of a service out in steps, and takes it back by itself when it does worse than allowed. What its requests come to is asked of the proxies that send them. Each step writes an ordinary VirtualService or HTTPRoute, as weft shift does. Ctrl-C takes it back, too. The exit code is 1 where it was taken back.',
    )
    .argument('<service>', 'NAME, NAME.NAMESPACE or its full host name')
    .requiredOption('--from <subset>', 'the version that has the requests now')
    .requiredOption('--to <subset>', 'the new version')
    .option('--steps <percents>', 'shares of the new version, one after the other', steps, [5, 25, 50, 100])
    .option('--hold <duration>', 'how long each step is watched', duration, 30_000)
    .option('--interval <duration>', 'how often the proxies are asked', duration, 5000)
    .option('--max-wait <duration>', 'how long to wait at a step for enough requests', duration, 600_000)
    .option('--max-errors <percent>', 'of the requests to the new version that may fail', percent, 1)
    .option('--max-latency <duration>', 'that 99 % of them must stay under', duration)
    .option('--min-requests <count>', 'below which nothing is concluded', count, 50)
    .action(run)
  addReleaseOptions(command)
  withExamples(command, [
    ['v2 of reviews, in four steps of half a minute', 'weft canary reviews --from v1 --to v2'],
    [
      'blue-green: all at once, and back when it does worse',
      'weft canary reviews --from v1 --to v2 --steps 100 --hold 10m',
    ],
    ['each step for a commit', 'weft canary reviews --from v1 --to v2 --dry-run -o yaml'],
    [
      'more careful',
      'weft canary reviews --from v1 --to v2 --steps 1,5,20,50,100 --hold 5m --max-errors 0.1 --max-latency 300ms',
    ],
  ])
}

async function run(service: string, options: Options): Promise<void> {
  const { from, to } = options
  if (from === to) throw new Failure(`--from and --to are both ${from}`, 'name two versions')
  const release = await Release.of(service, options)
  if (options.dryRun || options.output) return printSteps(release, options)
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const whole = new Map([[from, 100]])
  try {
    for (const share of options.steps) {
      const shares = sharesAt(share, options)
      const shift = await release.plan(shares)
      const target = shift.targets.get(to) as Target
      const before = await release.outcomes(target)
      await release.write(shift)
      await say(`${release.host}: ${sharesText(shares)}`)
      const why = await watched(release, target, before, options, stop.signal)
      if (why === undefined) continue
      await release.write(await release.plan(whole))
      await say(`✗ ${why}: taken back, ${sharesText(whole)}`)
      process.exitCode = 1
      return
    }
    await say(`✓ ${to} has all requests to ${release.host}`)
  } catch (error) {
    // What cannot be watched must not stay halfway.
    await release.write(await release.plan(whole)).then(
      () => say(`✗ taken back, ${sharesText(whole)}`),
      () => say(`✗ it could not be taken back: run weft shift ${service} ${from}=100`),
    )
    throw error
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

function sharesAt(share: number, { from, to }: Options): Shares {
  if (share === 100) return new Map([[to, 100]])
  return new Map([
    [from, 100 - share],
    [to, share],
  ])
}

/** What each step would write, and nothing is watched: `-o` alone is taken for that, too, as there is nothing else to show. */
async function printSteps(release: Release, options: Options): Promise<void> {
  for (const [i, share] of options.steps.entries()) {
    const shares = sharesAt(share, options)
    const text = await plannedText(await release.plan(shares), options.output)
    const comment = (options.output ?? 'yaml') === 'yaml' ? `# ${release.host}: ${sharesText(shares)}\n` : ''
    await print(`${i > 0 && comment ? '---\n' : ''}${comment}${text}`)
  }
}

/** Watches one step until its time is over and enough is known. Returns why the release must be taken back, if it must. */
async function watched(
  release: Release,
  target: Target,
  before: Outcomes,
  options: Options,
  stop: AbortSignal,
): Promise<string | undefined> {
  const limits: Limits = {
    errorRate: options.maxErrors / 100,
    requests: options.minRequests,
    ...(options.maxLatency === undefined ? {} : { latencyMs: options.maxLatency }),
  }
  const start = performance.now()
  for (;;) {
    await pause(options.interval, stop)
    if (stop.aborted) return 'stopped'
    const outcomes = since(await release.outcomes(target), before)
    const found: Verdict = verdict(outcomes, limits)
    await say(`  ${outcomesText(outcomes)}`)
    if (found.kind === 'bad') return found.why
    const waited = performance.now() - start
    if (found.kind === 'good' && waited >= options.hold) return undefined
    if (waited >= Math.max(options.maxWait, options.hold))
      return `only ${outcomes.requests} requests to ${options.to} in ${Math.round(waited / 1000)} s, fewer than ${options.minRequests}`
  }
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    stop.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function say(line: string): Promise<void> {
  return print(`${new Date().toISOString().slice(11, 19)} ${line}\n`)
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function duration(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  if (number === undefined) throw new InvalidArgumentError('Write a number with its unit: 500ms, 30s, 5m.')
  return Number(number) * (UNITS[unit] ?? 1)
}

function percent(text: string): number {
  const number = Number(text.replace(/%$/, ''))
  if (!(number >= 0 && number <= 100)) throw new InvalidArgumentError('Write a number from 0 to 100.')
  return number
}

function count(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Write a whole number from 1.')
  return Number(text)
}

function steps(text: string): readonly number[] {
  const shares = text.split(',').map(Number)
  const rise = shares.every((share, i) => Number.isInteger(share) && share > (shares[i - 1] ?? 0) && share <= 100)
  if (!rise || shares.at(-1) !== 100)
    throw new InvalidArgumentError('Write rising whole percents that end with 100: 10,50,100.')
  return shares
}
