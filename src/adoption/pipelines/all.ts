import { GITHUB_ACTIONS, GITLAB_CI, JENKINS } from './ci.ts'
import { ARGO_CD, FLUX } from './gitops.ts'
import type { Pipeline } from './pipeline.ts'

/** By the name after `weft adopt pipeline`. */
export const PIPELINES: Readonly<Record<string, Pipeline>> = {
  github: GITHUB_ACTIONS,
  gitlab: GITLAB_CI,
  jenkins: JENKINS,
  argocd: ARGO_CD,
  flux: FLUX,
}
