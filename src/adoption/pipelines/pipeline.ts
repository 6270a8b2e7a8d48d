/** What a pipeline is made for. */
export interface PipelineOptions {
  /** Folder of the repository with the team's configuration of the mesh. */
  readonly folder: string
  readonly namespace: string
  /** Image with the `weft` command. */
  readonly image: string
  /** Image with kubectl and a shell. */
  readonly kubectlImage: string
  /** For Argo CD and Flux, which fetch by themselves. */
  readonly repository: string
  readonly branch: string
}

/** Which tool a template is for. */
export interface Pipeline {
  readonly tool: string
  /** Where the file belongs in the repository. */
  readonly path: string
  /** What is to be set up beside it, as lines. */
  readonly before: readonly string[]
  readonly text: (options: PipelineOptions) => string
}

/** How the gate asks: warnings stop it, too. */
export const GATE = (folder: string) => `analyze -f ${folder} -R --failure-threshold warning`
