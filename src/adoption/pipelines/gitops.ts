import { GATE, type Pipeline, type PipelineOptions } from './pipeline.ts'

/** A Job that fetches the repository and looks at the folder: what comes after it waits for it, and stops where it fails. */
function gateJob({ folder, image, repository, branch }: PipelineOptions, metadata: string): string {
  return `apiVersion: batch/v1
kind: Job
metadata:
${metadata}
spec:
  backoffLimit: 1
  template:
    metadata:
      labels: { sidecar.istio.io/inject: "false" }
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      initContainers:
        - name: fetch
          image: docker.io/alpine/git:2.49.1
          args: [clone, --depth=1, --branch=${branch}, "${repository}", /work/repository]
          volumeMounts: [{ name: work, mountPath: /work }]
      containers:
        - name: analyze
          image: ${image}
          workingDir: /work/repository
          args: [${GATE(folder)
            .split(' ')
            .map((word) => JSON.stringify(word))
            .join(', ')}]
          volumeMounts: [{ name: work, mountPath: /work, readOnly: true }]
      volumes:
        - name: work
          emptyDir: {}
`
}

export const ARGO_CD: Pipeline = {
  tool: 'Argo CD',
  path: 'argocd/mesh.yaml (the Application) and the Job beside the configuration',
  before: [
    'an AppProject that lets the team write to its namespace only',
    'the preview is the diff of Argo CD: leave automated syncs out where somebody is to look at it first',
  ],
  text: (options) => {
    const { folder, namespace, repository, branch } = options
    return `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: { name: mesh-${namespace}, namespace: argocd }
spec:
  project: ${namespace}
  source:
    repoURL: ${repository}
    targetRevision: ${branch}
    path: ${folder}
    directory: { recurse: true }
  destination: { server: https://kubernetes.default.svc, namespace: ${namespace} }
  syncPolicy:
    automated: { prune: true, selfHeal: true }
    syncOptions: [ServerSideApply=true, ApplyOutOfSyncOnly=true]
    retry: { limit: 2 }
---
# Put this into ${folder}: it looks at the folder before each sync, and stops the sync where it finds something.
${gateJob(
  options,
  `  generateName: mesh-gate-
  namespace: ${namespace}
  annotations:
    argocd.argoproj.io/hook: PreSync
    argocd.argoproj.io/hook-delete-policy: BeforeHookCreation`,
)}`
  },
}

export const FLUX: Pipeline = {
  tool: 'Flux',
  path: 'clusters/production/mesh.yaml, and the Job in a folder gate/ beside the configuration',
  before: [
    'a service account mesh-applier in the namespace, that may write there only',
    'flux diff kustomization mesh-NAMESPACE --path FOLDER shows the preview, in a pull request',
  ],
  text: (options) => {
    const { folder, namespace, repository, branch } = options
    const kustomization = (name: string, path: string, more: string) => `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  interval: 10m
  sourceRef: { kind: GitRepository, name: mesh-${namespace} }
  path: ./${path}
  prune: true
  wait: true
  timeout: 5m
  targetNamespace: ${namespace}
  serviceAccountName: mesh-applier
${more}`
    return `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: { name: mesh-${namespace}, namespace: ${namespace} }
spec:
  interval: 1m
  url: ${repository}
  ref: { branch: ${branch} }
---
# The Job below must have succeeded before anything is applied; a new revision runs it anew.
${kustomization(`mesh-${namespace}-gate`, 'gate', '  force: true\n')}---
${kustomization(`mesh-${namespace}`, folder, `  dependsOn: [{ name: mesh-${namespace}-gate }]\n`)}---
# Put this into gate/.
${gateJob(options, `  name: mesh-gate\n  namespace: ${namespace}\n  annotations: { kustomize.toolkit.fluxcd.io/force: enabled }`)}`
  },
}
