import type { Container, PodSpec } from '../../resources/core.ts'
import type { FieldPath } from '../../resources/resource.ts'

/** A field that a kubelet would act upon and a laptop does not. */
export interface NotOnALaptop {
  /** In the pod's spec. */
  readonly path: FieldPath
  readonly problem: string
  readonly remedy: string
}

/** Volumes that are empty at first: a program finds nothing in them that it could miss. */
const EMPTY_VOLUMES = new Set(['name', 'emptyDir', 'ephemeral'])

/**
 * What of a pod has no effect where its containers are plain local processes, and may be missed.
 * @param containers those that are run, and their places in the spec
 */
export function* notOnALaptop(
  { volumes = [] }: PodSpec,
  containers: readonly { readonly container: Container; readonly i: number }[],
): Iterable<NotOnALaptop> {
  for (const { container, i } of containers) {
    for (const { path, ...rest } of ofContainer(container)) yield { path: ['containers', i, ...path], ...rest }
  }
  for (const [i, volume] of volumes.entries()) {
    const source = Object.keys(volume).find((field) => !EMPTY_VOLUMES.has(field))
    if (source === undefined) continue
    yield {
      path: ['volumes', i, source],
      problem: `no volumes are mounted on a laptop, so the files of "${volume.name}" are not there`,
      remedy: 'have the program read them from elsewhere, by a variable of its environment',
    }
  }
}

function* ofContainer(container: Container): Iterable<NotOnALaptop> {
  if (container.command?.length) {
    yield {
      path: ['command'],
      problem: 'it is not run on a laptop: the program that stands in for the image is, with args as its arguments',
      remedy: 'give the image map (weft up --images FILE) the command that does the same',
    }
  }
  for (const field of ['livenessProbe', 'startupProbe', 'lifecycle'] as const) {
    if (container[field] === undefined) continue
    yield {
      path: [field],
      problem: 'nothing acts on it on a laptop; a program that ends is started again, all the same',
      remedy: 'do not rely on it here',
    }
  }
  const { exec, grpc } = container.readinessProbe ?? {}
  if (exec || grpc) {
    yield {
      path: ['readinessProbe', exec ? 'exec' : 'grpc'],
      problem: 'it is not asked on a laptop: the pod is ready when its ports accept connections',
      remedy: 'use httpGet or tcpSocket',
    }
  }
}
