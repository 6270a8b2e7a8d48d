import { type Command, InvalidArgumentError } from 'commander'
import { parseDuration } from '../resources/duration.ts'
import { HEADERS_VARIABLE } from '../telemetry/export/receiver.ts'
import { withExamples } from './examples.ts'

/** What `weft up` was asked for. */
export interface UpOptions {
  readonly filename?: readonly string[]
  readonly recursive: boolean
  readonly images?: string
  readonly name?: string
  readonly stateDir?: string
  readonly demo: boolean
  /** In ms. */
  readonly certificateLife: number
  readonly fips?: boolean
  readonly prometheus?: string
  readonly adoption?: string
  readonly otlpExport?: string
}

const HOUR_MS = 3_600_000

export function define(command: Command): void {
  command
    .description(
      'Runs a mesh on this machine from Kubernetes, Istio and Gateway API YAML: each Deployment as local processes with an Envoy beside ' +
        'each, and a gateway. Follows the files: an edit reaches every proxy at once. Ctrl-C ends all of it.',
    )
    .option('-f, --filename <path...>', 'files, or folders with .yaml, .yml and .json files')
    .option('-R, --recursive', 'look into subfolders too', false)
    .option(
      '--images <file>',
      'which local program stands in for which container image (default: those of the samples)',
    )
    .option('--name <name>', 'tells this mesh from others on this machine (default: "default")')
    .option(
      '--state-dir <folder>',
      'where the certificate authority is kept (default: WEFT_STATE, else ~/.local/state/weft/NAME)',
    )
    .option('--certificate-life <duration>', 'how long a certificate of a workload lasts, such as 1h', life, HOUR_MS)
    .option('--fips', 'use cryptography that FIPS 140 approves alone, and refuse builds that cannot', false)
    .option('--prometheus <url>', 'ask this Prometheus for numbers rather than what is kept here')
    .option(
      '--otlp-export <url>',
      `send all telemetry to this receiver of OTLP/HTTP, too, such as http://127.0.0.1:4318; headers by the variable ${HEADERS_VARIABLE}`,
    )
    .option('--adoption <folder>', 'show in the console how far the adoption in this folder is')
    .option('--demo', 'run the Bookinfo sample, with its YAML in a folder to play with', false)
    .action(async (options: UpOptions) => {
      const { up } = await import('./up/run.ts')
      await up(options)
    })
  withExamples(command, [
    ['the sample', 'weft up --demo'],
    ['your own YAML, with a map from images to programs', 'weft up -f deploy/ --images images.yaml'],
    ['a second mesh beside it', 'weft up -f other.yaml --name other'],
  ])
}

function life(text: string): number {
  const parsed = parseDuration(text)
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.problem}; write one such as 1h or 20s`)
  if (parsed.milliseconds < 1000) throw new InvalidArgumentError('it must be a second or more')
  return parsed.milliseconds
}
