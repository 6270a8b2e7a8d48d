import type { Command } from 'commander'
import { type Observed, observed } from '../../adoption/evidence/observed.ts'
import { parseDuration } from '../../resources/duration.ts'
import type { GraphAnswer } from '../../telemetry/questions/graph.ts'
import type { PlaintextEvidence } from '../../telemetry/questions/plaintext.ts'
import { Failure } from '../failure.ts'
import { runningMesh } from '../running-mesh.ts'
import type { EstateOptions } from './given-estate.ts'

export interface TrafficOptions {
  readonly withTraffic?: string
}

/** `--with-traffic`, beside the options of an estate. */
export function addTrafficOption(command: Command): Command {
  return command.option(
    '--with-traffic <duration>',
    'also what the mesh saw in this time until now, such as 24h: callers, callees, protocols, plaintext',
  )
}

/**
 * What the mesh that the options name has seen; undefined where it is not asked for.
 * @throws Failure where there is no mesh, or it keeps no telemetry
 */
export async function givenTraffic(options: TrafficOptions & EstateOptions): Promise<Observed | undefined> {
  const { withTraffic, fromMesh, kubeconfig, context } = options
  if (withTraffic === undefined) return undefined
  const duration = parseDuration(withTraffic)
  if (!duration.ok) throw new Failure(`--with-traffic: ${duration.problem}`, 'write one such as 24h or 168h')
  const mesh = await runningMesh({
    ...(typeof fromMesh === 'string' ? { name: fromMesh } : {}),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
  })
  const last = `last=${Math.ceil(duration.milliseconds / 1000)}s`
  const [graph, plaintext] = await Promise.all([
    mesh.get<GraphAnswer>(`telemetry/graph?${last}`),
    mesh.get<readonly PlaintextEvidence[]>(`telemetry/plaintext?${last}`),
  ])
  return observed(graph, plaintext)
}
