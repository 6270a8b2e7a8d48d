import type { Command } from 'commander'
import { withExamples } from '../examples.ts'
import { print } from '../output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from '../running-mesh.ts'

interface Options extends MeshOptions {
  readonly namespace?: string
}

/** `weft alerts test` */
export function defineTest(command: Command): void {
  command
    .description(
      'Tells a receiver of an alert that is none, and of its end, now: to see whether the way to it is open.',
    )
    .argument('<receiver>', 'name of an AlertReceiver, or NAMESPACE/NAME')
    .option('-n, --namespace <namespace>', 'namespace of the receiver')
    .action(run)
  addMeshOptions(command)
  withExamples(command, [['try the way to those on call', 'weft alerts test istio-system/on-call']])
}

async function run(receiver: string, { namespace, ...options }: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const key = receiver.includes('/') ? receiver : `${namespace ?? mesh.namespace}/${receiver}`
  await mesh.post('alerts/test', { receiver: key })
  await print(`${key} was told of a test, and of its end\n`)
}
