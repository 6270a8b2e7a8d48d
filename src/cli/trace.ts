import type { Command } from 'commander'
import type { ApplicationLogsAnswer } from '../telemetry/questions/application-logs.ts'
import type { Span, Trace, TraceSummary } from '../telemetry/questions/traces.ts'
import { withExamples } from './examples.ts'
import type { Mesh } from './mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { styled } from './style.ts'
import { table } from './table.ts'
import { addWindowOption, askTelemetry, partyNamed, partyValues, type WindowOptions } from './telemetry/asking.ts'
import { applicationLogLine } from './telemetry/log-line.ts'
import { clockTime, milliseconds } from './telemetry/numbers.ts'

interface Options extends MeshOptions, WindowOptions {
  readonly through?: string
  readonly failed: boolean
  readonly slowerThan?: string
  readonly limit: string
  readonly output?: OutputFormat
}

/** `weft trace` */
export function define(command: Command): void {
  command
    .description(
      'Shows traces: the way of requests through the mesh. Without an id, the newest ones; with one, all of its spans, those of applications that send theirs, too, and what these logged meanwhile.',
    )
    .argument('[id]', 'of a trace, or its beginning')
    .option('--through <name>', 'that went through this workload or application')
    .option('--failed', 'with a span that failed', false)
    .option('--slower-than <duration>', 'that took longer than this')
    .option('--limit <count>', 'so many at most', '20')
    .addOption(outputOption())
    .action(run)
  addWindowOption(command)
  addMeshOptions(command)
  withExamples(command, [
    ['the newest', 'weft trace'],
    ['slow ones through reviews', 'weft trace --through reviews --slower-than 500ms'],
    ['one of them', 'weft trace 4bf92f3577b34da6'],
  ])
}

async function run(id: string | undefined, options: Options): Promise<void> {
  const { through, failed, slowerThan, limit, output, last } = options
  const mesh = await runningMesh(options)
  if (id !== undefined) {
    const full =
      id.length === 32
        ? id
        : await fullId(id, () => askTelemetry<TraceSummary[]>(mesh, 'traces', { last: '24h', limit: '10000' }))
    const trace = await askTelemetry<Trace>(mesh, `traces/${full}`, {})
    const logged = await loggedIn(mesh, trace)
    if (output) return print(await structured(output, { ...trace, logs: logged }))
    return print(
      `${waterfall(trace.spans)}${logged.length === 0 ? '' : '\n'}${logged.map(applicationLogLine).join('')}`,
    )
  }
  const party = through === undefined ? undefined : await partyNamed(mesh, through)
  const values = { last, limit, failed, minDuration: slowerThan, ...partyValues('party', party) }
  const traces = await askTelemetry<TraceSummary[]>(mesh, 'traces', values)
  if (output) return print(await structured(output, traces))
  if (traces.length === 0) return print(`no trace in the last ${last} that is asked for\n`)
  const rows = traces.map(({ traceId, at, duration, name, spans, failedSpans, services }) => [
    traceId.slice(0, 16),
    clockTime(at),
    milliseconds(duration),
    String(spans),
    failedSpans > 0 ? styled('red', String(failedSpans)) : '0',
    name,
    services.join(' → '),
  ])
  await print(table(['TRACE', 'AT', 'TOOK', 'SPANS', 'FAILED', 'REQUEST', 'THROUGH'], rows))
}

/** Logs may be written a little before and after what they are about, in ms. */
const AROUND_MS = 60_000

/** What applications logged on the way, the earliest first. */
async function loggedIn(mesh: Mesh, { traceId, spans }: Trace) {
  const from = Math.min(...spans.map(({ at }) => at)) - AROUND_MS
  const to = Math.max(...spans.map(({ at, duration }) => at + duration)) + AROUND_MS
  const times = { from: String(Math.floor(from)), to: String(Math.ceil(to)) }
  const { entries } = await askTelemetry<ApplicationLogsAnswer>(mesh, 'application-logs', { traceId, ...times })
  return entries.toReversed()
}

async function fullId(begin: string, newest: () => Promise<readonly TraceSummary[]>): Promise<string> {
  return (await newest()).find(({ traceId }) => traceId.startsWith(begin))?.traceId ?? begin
}

const WIDTH = 40

/** Each span below the one that it is part of, with a bar for when it was. */
function waterfall(spans: readonly Span[]): string {
  const begin = Math.min(...spans.map(({ at }) => at))
  const length = Math.max(...spans.map(({ at, duration }) => at + duration)) - begin || 1
  const ids = new Set(spans.map(({ spanId }) => spanId))
  const below = Map.groupBy(spans, ({ parentId }) => (ids.has(parentId) ? parentId : ''))
  const rows: string[][] = []
  const put = (parent: string, depth: number) => {
    for (const span of below.get(parent) ?? []) {
      const start = Math.min(WIDTH - 1, Math.round(((span.at - begin) / length) * WIDTH))
      const size = Math.max(1, Math.min(WIDTH - start, Math.round((span.duration / length) * WIDTH)))
      const bar = styled(span.failed ? 'red' : span.kind === 'client' ? 'cyan' : 'blue', '█'.repeat(size))
      rows.push([
        `${'  '.repeat(depth)}${span.service}`,
        span.kind,
        span.name,
        milliseconds(span.duration),
        `${' '.repeat(start)}${bar}`,
        [span.attributes['http.status_code'] ?? '', span.attributes['response_flags'] ?? '']
          .filter((text) => text !== '' && text !== '-')
          .join(' '),
      ])
      put(span.spanId, depth + 1)
    }
  }
  put('', 0)
  return table(['SERVICE', 'KIND', 'WHAT', 'TOOK', 'WHEN', 'ANSWER'], rows)
}
