import { GATE, type Pipeline } from './pipeline.ts'

const IDENTITY =
  'an identity that may apply objects in that namespace only: a kubeconfig, or the workload identity of your cloud'

/** Differences end kubectl diff with 1; more than that is a failure. */
const DIFF = (folder: string, namespace: string) =>
  `kubectl diff --server-side --field-manager=team -R -n ${namespace} -f ${folder} || [ $? -eq 1 ]`
const APPLY = (folder: string, namespace: string) =>
  `kubectl apply --server-side --field-manager=team -R -n ${namespace} -f ${folder}`

export const GITHUB_ACTIONS: Pipeline = {
  tool: 'GitHub Actions',
  path: '.github/workflows/mesh.yaml',
  before: [
    `the secret KUBECONFIG: ${IDENTITY}`,
    'an environment "production" with reviewers, where somebody is to say yes',
  ],
  text: ({ folder, namespace, image }) => `name: mesh
on:
  pull_request: { paths: ["${folder}/**"] }
  push: { branches: [main], paths: ["${folder}/**"] }
permissions: { contents: read }
concurrency: { group: mesh-${namespace}, cancel-in-progress: false }
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - name: Look for mistakes
        run: docker run --rm -v "$PWD:/work:ro" -w /work ${image} ${GATE(folder)}
      - name: Preview what would change
        shell: bash
        env: { KUBECONFIG_TEXT: "\${{ secrets.KUBECONFIG }}" }
        run: |
          umask 077; printf '%s' "$KUBECONFIG_TEXT" > "$RUNNER_TEMP/kubeconfig"; export KUBECONFIG="$RUNNER_TEMP/kubeconfig"
          { echo '\`\`\`diff'; ${DIFF(folder, namespace)}; echo '\`\`\`'; } | tee -a "$GITHUB_STEP_SUMMARY"
  apply:
    if: github.event_name == 'push'
    needs: gate
    runs-on: ubuntu-latest
    environment: production
    steps:
      - uses: actions/checkout@v4
      - env: { KUBECONFIG_TEXT: "\${{ secrets.KUBECONFIG }}" }
        run: |
          umask 077; printf '%s' "$KUBECONFIG_TEXT" > "$RUNNER_TEMP/kubeconfig"; export KUBECONFIG="$RUNNER_TEMP/kubeconfig"
          ${APPLY(folder, namespace)}
`,
}

export const GITLAB_CI: Pipeline = {
  tool: 'GitLab CI',
  path: '.gitlab-ci.yml',
  before: [`the variable KUBECONFIG, of type file and protected: ${IDENTITY}`],
  text: ({ folder, namespace, image, kubectlImage }) => `stages: [gate, preview, apply]

.mesh:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
      changes: ["${folder}/**/*"]
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
      changes: ["${folder}/**/*"]

analyze:
  extends: .mesh
  stage: gate
  image: { name: ${image}, entrypoint: [""] }
  script:
    - node /weft/bin/weft.js ${GATE(folder)}

preview:
  extends: .mesh
  stage: preview
  image: { name: ${kubectlImage}, entrypoint: [""] }
  script:
    - ${DIFF(folder, namespace)}

apply:
  stage: apply
  image: { name: ${kubectlImage}, entrypoint: [""] }
  environment: { name: production }
  resource_group: mesh-${namespace}
  rules:
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
      changes: ["${folder}/**/*"]
      when: manual
  script:
    - ${APPLY(folder, namespace)}
`,
}

export const JENKINS: Pipeline = {
  tool: 'Jenkins',
  path: 'Jenkinsfile',
  before: [
    `the credential mesh-kubeconfig, of kind "secret file": ${IDENTITY}`,
    'the plugins docker-workflow and credentials-binding',
  ],
  text: ({ folder, namespace, image, kubectlImage }) => `pipeline {
  agent none
  options { disableConcurrentBuilds() }
  stages {
    stage('Look for mistakes') {
      agent { docker { image '${image}'; args '--entrypoint=' } }
      steps { sh 'node /weft/bin/weft.js ${GATE(folder)}' }
    }
    stage('Preview what would change') {
      agent { docker { image '${kubectlImage}'; args '--entrypoint=' } }
      steps {
        withCredentials([file(credentialsId: 'mesh-kubeconfig', variable: 'KUBECONFIG')]) {
          sh '${DIFF(folder, namespace)}'
        }
      }
    }
    stage('Apply') {
      when { branch 'main'; beforeInput true }
      input { message 'Apply this to ${namespace}?' }
      agent { docker { image '${kubectlImage}'; args '--entrypoint=' } }
      steps {
        withCredentials([file(credentialsId: 'mesh-kubeconfig', variable: 'KUBECONFIG')]) {
          sh '${APPLY(folder, namespace)}'
        }
      }
    }
  }
}
`,
}
